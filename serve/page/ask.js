// The second room: two versions, of which one is taken. Click, touch, or arrow keys.

import { about, noun } from "./kind.js";
import { isAway, onLink } from "./link.js";
import * as outbox from "./outbox.js";
import { name, randomId } from "./person.js";
import { picture } from "./pictures.js";
import { Questions } from "./questions.js";
import { by, isOpen, open, put, say, still, tell, tellError, tellWaiting } from "./rooms.js";
import { imagesOf } from "./sets.js";
import * as steer from "./steering.js";
import { count, sentence } from "./words.js";

const MILESTONES = [[5, "a first recommendation"], [15, "your taste takes shape"], [30, "a thorough answer"]];
const SWIPE = 60; // pixels that a finger moves sideways
const BREATH = 220; // milliseconds in which a second click is the first one's echo

let questions = null;
let taken = []; // { question, choice }: what can be undone
let shown = null; // the question on show
let since = 0;
let said = ""; // the milestone that was spoken of

export async function enter(image) {
  if (!imagesOf(image).length) {
    tell("These photos are not known in this browser. Bring them again.");
    location.hash = "";
    return;
  }
  about(imagesOf(image)[0]);
  open("ask", { title: "Which one?" });
  by("see").href = `#result/${encodeURIComponent(image)}`;
  title();
  attributes();
  if (questions?.image === image && questions.user === name() && questions.key === new Questions(name(), image).key) {
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
  tellWaiting(false);
}

function stopped(error) {
  if (questions?.stop.signal.aborted) return;
  if (error.status === 404) tell("This picture is gone.");
  else tellError(error);
  if (error.status === 404) {
    close();
    location.hash = "";
  }
}

function update() {
  const { now } = questions;
  for (const id of ["left", "right", "neither", "flip"]) by(id).disabled = !now;
  by("undo").disabled = !taken.length;
  if (now && now !== shown) hang(now);
  if (!now) shown = null;
  tellWaiting(!now && isAway());
  progress();
}

function hang(question) {
  if (by("left").classList.contains("flipped")) flip(false);
  shown = question;
  since = performance.now();
  for (const side of ["left", "right"]) {
    const image = by(side).querySelector("img");
    const alt = `${side === "left" ? "A" : "B"}: ${noun()}, ${question[side].words}`;
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
    by("progress").textContent = "Drawing the first two …";
    by("milestones").replaceChildren();
    return;
  }
  by("dots").replaceChildren(...Array.from({ length: after }, (_, place) => {
    const dot = document.createElement("i");
    dot.classList.toggle("full", place < done);
    return dot;
  }));
  [by("progress").textContent, by("progress-more").textContent] = spoken(done, after);
  milestones(done);
}

function milestones(done) {
  by("milestones").replaceChildren(...MILESTONES.map(([at, words]) => {
    const item = document.createElement("li");
    item.classList.toggle("full", done >= at);
    item.append(Object.assign(document.createElement("b"), { textContent: at }), ` ${words}`);
    return item;
  }));
  const reached = MILESTONES.findLast(([at]) => done === at);
  if (reached && said !== reached[1]) {
    said = reached[1];
    say(`${count(done, "choice")}: ${said}.`);
  }
}

function title() {
  const by_ = steer.attribute();
  by("ask-title").textContent = by_ ? `Which one looks more ${by_}?` : "Which one do you like more?";
}

function attributes() {
  const options = [["", "what you like more"], ...steer.attributes().map((each) => [each, each]), ["…", "something else …"]];
  by("attribute").replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  by("attribute").value = steer.attribute();
}

function judgeBy(to) {
  steer.judgeBy(to);
  const { image } = questions ?? {};
  if (image) enter(image);
}

by("attribute").addEventListener("change", (event) => {
  if (event.target.value !== "…") {
    judgeBy(event.target.value);
    return;
  }
  event.target.value = steer.attribute();
  by("ask-by-text").value = "";
  by("ask-by").showModal();
});
by("ask-by-form").addEventListener("submit", (event) => {
  event.preventDefault();
  by("ask-by").close();
  judgeBy(by("ask-by-text").value.trim());
});

// Shows B in the place of A for as long as it is held.
function flip(on) {
  if (!shown) return;
  const image = by("left").querySelector("img");
  by("left").classList.toggle("flipped", on);
  by("left").querySelector(".name").textContent = on ? "B" : "A";
  const question = shown;
  picture(question[on ? "right" : "left"].picture).then((address) => question === shown && (image.src = address), () => undefined);
}
for (const [begin, end] of [["pointerdown", "pointerup"], ["keydown", "keyup"]]) {
  const held = (event) => begin === "pointerdown" || event.key === " " || event.key === "Enter";
  by("flip").addEventListener(begin, (event) => held(event) && !event.repeat && flip(true));
  by("flip").addEventListener(end, (event) => held(event) && flip(false));
}
for (const end of ["pointercancel", "pointerleave", "blur"]) by("flip").addEventListener(end, () => by("left").classList.contains("flipped") && flip(false));
by("flip").addEventListener("contextmenu", (event) => event.preventDefault()); // of a long press

// In short, and what is left out where there is little room.
function spoken(done, after) {
  if (done < after) return [`${after - done} more to your recommendation`, ""];
  const next = MILESTONES.find(([at]) => at > done);
  return [count(done, "choice"), next ? `; ${next[0] - done} more to the next milestone` : "; go on as long as you like"];
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
  say(questions.after ? `${took}${sentence(spoken(rounds(), questions.after)[0])}.` : took);
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

// A finger that moves a picture to the right takes it, to the left the other one.
for (const side of ["left", "right"]) {
  const work = by(side);
  let from = null;
  work.addEventListener("pointerdown", (event) => (from = event.pointerType === "touch" ? [event.clientX, event.clientY] : null));
  work.addEventListener("pointermove", (event) => {
    if (from) work.style.translate = still() ? "" : `${event.clientX - from[0]}px`;
  });
  const end = (event) => {
    const by_ = from && event.type === "pointerup" ? [event.clientX - from[0], event.clientY - from[1]] : [0, 0];
    from = null;
    work.style.translate = "";
    if (Math.abs(by_[0]) > SWIPE && Math.abs(by_[0]) > 2 * Math.abs(by_[1])) answer(by_[0] > 0 ? side : side === "left" ? "right" : "left");
  };
  for (const kind of ["pointerup", "pointercancel"]) work.addEventListener(kind, end);
}
by("undo").addEventListener("click", undo);

const KEYS = { ArrowLeft: () => answer("left"), ArrowRight: () => answer("right"), ArrowDown: () => answer("neither"), ArrowUp: undo, Backspace: undo };
document.addEventListener("keydown", (event) => {
  const busy = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || document.querySelector("dialog[open]");
  if (!isOpen("ask") || busy || event.target.matches("input, textarea, select") || !(event.key in KEYS)) return;
  event.preventDefault();
  if (!event.repeat) KEYS[event.key]();
});
const letter = (event) => event.key.toLowerCase() === "f" && isOpen("ask") && shown && !event.target.matches("input, textarea, select") && !document.querySelector("dialog[open]");
document.addEventListener("keydown", (event) => letter(event) && !event.repeat && !event.ctrlKey && !event.metaKey && flip(true));
document.addEventListener("keyup", (event) => letter(event) && flip(false));

onLink(() => {
  if (!questions || !isOpen("ask")) return;
  questions.useSpare();
  update();
});

outbox.onOutbox(({ item, answer: taken_, refused }) => {
  if (taken_ && questions) {
    questions.count(taken_.rounds);
    if (taken_.learned) learned(taken_.learned);
  }
  if (refused) {
    tell(refused.status === 409 ? "You answered this question elsewhere already; that answer stands." : `The server did not take a choice: ${refused.message}`);
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
