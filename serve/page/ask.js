// The second room: two versions, of which one is taken. Click, touch, or arrow keys.

import * as api from "./api.js";
import { patient } from "./link.js";
import * as outbox from "./outbox.js";
import { name, randomId } from "./person.js";
import { picture } from "./pictures.js";
import { Questions } from "./questions.js";
import { by, isOpen, open, put, say, still, tell } from "./rooms.js";
import { byName, count, phrase, sentence } from "./words.js";

const BREATH = 220; // milliseconds in which a second click is the first one's echo

let questions = null;
let taken = []; // { question, choice }: what can be undone
let shown = null; // the question on show
let since = 0;
let known = new Map();

export async function enter(image) {
  open("ask", { title: "Which one?" });
  by("see").href = `#result/${encodeURIComponent(image)}`;
  if (questions?.image === image && questions.user === name()) {
    update();
    questions.fill().catch((error) => stopped(error));
    return;
  }
  questions?.close();
  taken = [];
  shown = null;
  by("so-far").hidden = true;
  const mine = (questions = new Questions(name(), image, () => questions === mine && update()));
  update();
  try {
    known = byName(await patient(api.directions, mine.stop.signal));
    await mine.start();
  } catch (error) {
    if (questions === mine) stopped(error);
  }
}

export function close() {
  questions?.close();
  questions = null;
  shown = null;
  taken = [];
}

function stopped(error) {
  if (questions?.stop.signal.aborted) return;
  tell(error.message);
  if (error.status === 404) {
    close();
    location.hash = "";
  }
}

function update() {
  const { now } = questions;
  for (const id of ["left", "right", "neither"]) by(id).disabled = !now;
  by("undo").disabled = !taken.length;
  if (now && now !== shown) hang(now);
  if (!now) shown = null;
  progress();
}

function hang(question) {
  shown = question;
  since = performance.now();
  for (const side of ["left", "right"]) {
    const image = by(side).querySelector("img");
    const alt = `${side === "left" ? "A" : "B"}: portrait ${phrase(question[side].edit, known)}`;
    image.alt = alt;
    picture(question[side].picture).then((address) => shown === question && put(image, address, alt));
  }
}

// Choices that count: those the server has, and those on their way to it.
function rounds() {
  const added = outbox.pending().reduce((sum, item) => sum + (item.undo ? -1 : 1), 0);
  return Math.max(0, questions.rounds + added);
}

function progress() {
  const { after } = questions;
  const done = rounds();
  by("see").hidden = !after || done < after;
  if (!after) {
    by("dots").replaceChildren();
    by("progress-more").textContent = "";
    by("progress").textContent = "Hanging the first two …";
    return;
  }
  by("dots").replaceChildren(...Array.from({ length: after }, (_, place) => {
    const dot = document.createElement("i");
    dot.classList.toggle("full", place < done);
    return dot;
  }));
  [by("progress").textContent, by("progress-more").textContent] = said(done, after);
}

// In short, and what is left out where there is little room.
function said(done, after) {
  if (done < after) return [`${after - done} more to your recommendation`, ""];
  return [count(done, "choice"), "; more make it surer"];
}

function answer(choice) {
  if (!questions?.now || performance.now() - since < BREATH) return;
  tell("");
  const question = questions.take();
  const seconds = Math.round(performance.now() - since) / 1000;
  taken.push({ question, choice });
  mark(choice);
  outbox.add({ event_id: randomId(), question_id: question.question_id, choice, response_seconds: seconds });
  update();
  const took = { left: "A taken. ", right: "B taken. ", neither: "Neither taken. " }[choice];
  say(questions.after ? `${took}${sentence(said(rounds(), questions.after)[0])}.` : took);
  questions.fill().catch(stopped);
}

function mark(choice) {
  for (const side of ["left", "right"]) by(side).classList.toggle("taken", side === choice);
  setTimeout(() => by(choice)?.classList.remove("taken"), still() ? 400 : 600);
}

function undo() {
  const last = taken.pop();
  if (!last || !questions) return;
  tell("");
  outbox.add({ event_id: randomId(), question_id: last.question.question_id, undo: true });
  questions.putBack(last.question);
  since = 0;
  update();
  say("Undone. The question before is back.");
}

for (const side of ["left", "right", "neither"]) by(side).addEventListener("click", () => answer(side));
by("undo").addEventListener("click", undo);

const KEYS = { ArrowLeft: () => answer("left"), ArrowRight: () => answer("right"), ArrowDown: () => answer("neither"), ArrowUp: undo, Backspace: undo };
document.addEventListener("keydown", (event) => {
  const busy = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || document.querySelector("dialog[open]");
  if (!isOpen("ask") || busy || event.target.matches("input, textarea, select") || !(event.key in KEYS)) return;
  event.preventDefault();
  if (!event.repeat) KEYS[event.key]();
});

outbox.onOutbox(({ item, answer: taken_, refused }) => {
  if (taken_ && questions) {
    questions.count(taken_.rounds);
    if (taken_.learned) learned(taken_.learned);
  }
  if (refused) {
    tell(`The server did not take a choice: ${refused.message}`);
    taken = taken.filter((each) => each.question.question_id !== item.question_id);
    questions?.drop(item.question_id);
  }
  if (questions) update();
});

function learned(words) {
  by("so-far").hidden = !words.length;
  by("so-far-words").replaceChildren(...words.slice(0, 4).map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}
