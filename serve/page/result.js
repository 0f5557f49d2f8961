// The third room: the recommendation beside the portrait as it is, moved by hand, with what it was learned from.

import * as api from "./api.js";
import { chart, telling } from "./chart.js";
import { patient } from "./link.js";
import * as outbox from "./outbox.js";
import { name } from "./person.js";
import { asFile, picture, thumbnail } from "./pictures.js";
import { by, open, put, say, tell } from "./rooms.js";
import { byName, chance, end, number, phrase, sentence, way } from "./words.js";

const COUNT = 6;
const STEP = 0.1;
const SETTLE = 90; // milliseconds a slider rests before its picture is asked for

let image = null;
let known = new Map();
let chosen = null; // of the recommendations, the one on show
let edit = {};
let leave = new AbortController();
let learnt = [];

export async function enter(id) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  image = id;
  open("result", { title: "Recommended for you" });
  by("on").href = `#ask/${encodeURIComponent(id)}`;
  for (const part of ["also", "learned", "why", "reset"]) by(part).hidden = true;
  by("result-words").textContent = "Looking for the version you like best …";
  by("result-chance").textContent = "";
  by("sliders").replaceChildren();
  by("edited").removeAttribute("src");
  by("download").disabled = true;
  try {
    await outbox.send();
    if (signal.aborted) return;
    const user = name();
    const found = await patient(() => Promise.all([api.directions(), api.recommend(user, id, COUNT)]), signal);
    if (signal.aborted) return;
    known = byName(found[0]);
    put(by("original"), await patient(() => picture(api.imagePath(id)), signal), "The portrait as it is");
    const { recommendations, reasons } = found[1];
    show(recommendations[0]);
    runners(recommendations);
    why(reasons);
    const person = await patient(() => api.person(user), signal);
    if (!signal.aborted) learned(person);
  } catch (error) {
    if (signal.aborted) return;
    tell(error.message);
    by("result-words").textContent = "There is no recommendation yet.";
  }
}

export const close = () => leave.abort();

function show(recommendation) {
  chosen = recommendation;
  edit = { ...recommendation.edit };
  const words = phrase(edit, known);
  const none = words === "as it is";
  by("result-words").textContent = none ? "Leave it as it is: nothing we know of is better for you." : `You may like it best ${words}.`;
  by("result-chance").textContent = none ? "" : `We expect you to prefer it to the original ${chance(recommendation.probability)}.`;
  by("reset").hidden = true;
  by("download").disabled = false;
  by("sliders").replaceChildren(...Object.keys(edit).map(slider));
  say(by("result-words").textContent);
  draw();
}

function slider(direction) {
  const { low = -3, high = 3, minus = "", plus = "" } = known.get(direction) ?? {};
  const id = `alpha-${direction}`;
  const box = document.createElement("div");
  box.className = "slider";
  const label = document.createElement("label");
  label.htmlFor = id;
  label.append(sentence(direction.replaceAll("_", " ")));
  const told = document.createElement("output");
  told.htmlFor = id;
  label.append(told);
  const input = Object.assign(document.createElement("input"), { type: "range", id, min: low, max: high, step: STEP });
  input.value = edit[direction];
  const ends = document.createElement("div");
  ends.className = "ends";
  ends.setAttribute("aria-hidden", "true");
  for (const text of [end(direction, minus), end(direction, plus)]) ends.append(Object.assign(document.createElement("span"), { textContent: text }));
  const tellValue = () => {
    const alpha = edit[direction];
    told.textContent = number(alpha);
    input.setAttribute("aria-valuetext", alpha ? `${way(direction, alpha, known)}, ${number(alpha)}` : "as it is, 0");
  };
  input.addEventListener("input", () => {
    edit[direction] = Math.round(Number(input.value) / STEP) * STEP;
    edit[direction] = Number(edit[direction].toFixed(2));
    tellValue();
    by("reset").hidden = false;
    settle();
  });
  tellValue();
  box.append(label, input, ends);
  return box;
}

let timer = 0;
function settle() {
  clearTimeout(timer);
  timer = setTimeout(draw, SETTLE);
}

let drawing = 0;
async function draw() {
  const mine = ++drawing;
  const now = { ...edit };
  const same = JSON.stringify(now) === JSON.stringify(chosen.edit);
  try {
    const address = await patient(() => picture(same ? chosen.picture : api.editPath(image, now)), leave.signal);
    if (mine === drawing) put(by("edited"), address, `Portrait ${phrase(now, known)}`);
  } catch (error) {
    if (!leave.signal.aborted) tell(error.message);
  }
}

by("reset").addEventListener("click", () => {
  show(chosen);
  by("sliders").querySelector("input")?.focus();
});

by("download").addEventListener("click", async () => {
  const moves = Object.entries(edit).filter(([, alpha]) => alpha !== 0);
  const file = [image, ...moves.map(([direction, alpha]) => `${direction}${number(alpha).replace("−", "-")}`)].join("_");
  try {
    save(await patient(() => asFile(api.editPath(image, edit)), leave.signal), `${file}.png`);
    say("Downloaded.");
  } catch (error) {
    tell(error.message);
  }
});

export function save(blob, file) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function runners(recommendations) {
  by("also").hidden = recommendations.length < 2;
  const made = recommendations.map((each) => {
    const words = phrase(each.edit, known, { exact: true });
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "work" });
    button.setAttribute("aria-pressed", String(each === chosen));
    const frame = Object.assign(document.createElement("span"), { className: "frame" });
    const view = Object.assign(new Image(128, 128), { alt: "" });
    frame.append(view);
    const label = Object.assign(document.createElement("span"), { className: "label" });
    label.append(Object.assign(document.createElement("span"), { className: "name", textContent: sentence(words) }));
    const dot = Object.assign(document.createElement("span"), { className: "dot" });
    dot.setAttribute("aria-hidden", "true");
    label.append(dot);
    button.append(frame, label);
    button.addEventListener("click", () => {
      for (const other of made) other.firstChild.setAttribute("aria-pressed", String(other === item));
      show(each);
      by("edited-name").textContent = each === recommendations[0] ? "For you" : "Also for you";
      by("result-title").scrollIntoView({ block: "nearest" });
    });
    patient(() => thumbnail(each.picture), leave.signal).then((address) => (view.src = address), () => undefined);
    item.append(button);
    return item;
  });
  by("edited-name").textContent = "For you";
  by("runners").replaceChildren(...made);
}

function why(reasons) {
  by("why").hidden = !reasons.length;
  by("reasons").replaceChildren(...reasons.map((text) => Object.assign(document.createElement("li"), { textContent: sentence(text) })));
}

function learned(person) {
  learnt = telling(person.directions);
  by("learned").hidden = !learnt.length;
  if (!learnt.length) return;
  redraw();
}

function redraw() {
  const width = Math.round(Math.min(544, by("chart").clientWidth));
  if (width > 0 && learnt.length) by("chart").replaceChildren(chart(learnt, known, width));
}

new ResizeObserver(redraw).observe(by("learned"));
