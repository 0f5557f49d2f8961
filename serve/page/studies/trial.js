// One trial after the other: a picture to be rated, or two of which one is chosen. Touch, mouse or keys; times from shown to answered.

import { picture } from "./session.js";
import { by, isOpen, open, say, word } from "./sheets.js";

const BREATH = 200; // milliseconds in which a second press is the first one's echo
const PACE = 12; // trials from which the time left is estimated

const NAMES = { left: "A", right: "B" }; // on a phone, B is below

let study = null;
let answered = null; // (trial, answers) => void
let shown = null; // the trial on show
let ready = false; // its pictures are seen
let at = 0; // the question of it that is asked
let answers = [];
let since = 0;
let side = 0; // of two pictures in one place, the one on show
const paces = [];

export function begin(of, done) {
  study = of;
  answered = done;
}

export const current = () => shown?.trial_id ?? null;

export async function show(trial, done, total) {
  progress(done, total);
  open("trial");
  if (shown?.trial_id === trial.trial_id) return;
  const before = shown;
  shown = trial;
  [ready, at, answers, side] = [false, 0, [], 0];
  layout();
  const addresses = await Promise.all(trial.pictures.map(picture)).catch(() => null);
  if (shown !== trial || !addresses) return;
  hang(addresses);
  requestAnimationFrame(() => requestAnimationFrame(() => {
    if (shown !== trial) return;
    ready = true;
    since = performance.now();
    for (const control of document.querySelectorAll("#trial :is(button, input)")) control.disabled = false;
    if (slides()) slid();
    if (before && trial.questions[0].attribute === "check") by("question").focus({ preventScroll: true });
  }));
}

// Nothing to show until the server says what comes next.
export function wait(done, total) {
  progress(done, total);
  shown = null;
  ready = false;
  for (const control of document.querySelectorAll("#trial :is(button, input)")) control.disabled = true;
  by("show").classList.add("waiting");
  by("question").textContent = word("loading");
}

function progress(done, total) {
  by("bar").max = Math.max(1, total);
  by("bar").value = done;
  const pace = paces.length >= 3 ? [...paces].sort((a, b) => a - b)[paces.length >> 1] : 0;
  const minutes = Math.max(1, Math.round((pace * (total - done)) / 60000));
  const left = pace ? ` · ${word("time_left", { minutes })}` : "";
  by("far").textContent = word("progress", { done, total }) + left;
}

const pairs = () => shown.block === "pairs";
const flips = () => pairs() && study.show === "flip";
const slides = () => !pairs() && study.ratings_show === "slider";

function layout() {
  by("show").classList.add("waiting");
  by("one").hidden = pairs();
  by("pair").hidden = !pairs() || flips();
  by("flip").hidden = !flips();
  question();
}

// The question, and the buttons that answer it.
function question() {
  const { questions } = shown;
  by("question").textContent = questions[at].text;
  by("step").hidden = questions.length < 2;
  by("step").textContent = word("question_of", { number: at + 1, count: questions.length });
  const points = pairs() || slides() ? [] : range(study.low, study.high);
  by("scale").hidden = pairs() || slides();
  by("ends").hidden = pairs();
  by("slide").hidden = !slides();
  if (slides()) emptySlider();
  by("scale").replaceChildren(...points.map((point) => button(String(point), String(point), label(point))));
  const [low, high] = by("ends").children;
  [low.textContent, high.textContent] = [study.low_label, study.high_label];
  if (!slides() && !study.low_label && !study.high_label) by("ends").hidden = true;
  if (slides()) [low.textContent, high.textContent] = [ending(study.low, study.low_label), ending(study.high, study.high_label)];
  const more = [];
  if (slides()) more.push(Object.assign(button("slide", word("next")), { className: "button main" }));
  if (flips()) more.push(...["left", "right"].map((each) => button(each, NAMES[each], word("picture_side", { side: NAMES[each] }))));
  const third = pairs() ? study.third : study.ratings_not_sure ? "not_sure" : "none";
  if (third !== "none" && !shown.sure) more.push(button(third, word(third)));
  by("more").replaceChildren(...more);
  if (slides()) slid();
  const below = third !== "none" && !shown.sure && !slides() ? [word("keys_third", { third: word(third) })] : [];
  const keys = pairs() ? [word("keys_pair"), ...(flips() ? [word("keys_flip")] : [])] : [slides() ? word("keys_slider") : word("keys_rating", { low: study.low, high: study.high })];
  by("keys").textContent = [...keys, ...below].join(" · ");
}

// A slider shows no handle before it is touched, so that nothing suggests an answer.
function emptySlider() {
  const slider = by("slider");
  Object.assign(slider, { min: study.low, max: study.high, step: 1, value: Math.round((study.low + study.high) / 2), disabled: !ready });
  slider.classList.add("empty");
}

// What the slider says, and whether it can be taken for an answer.
function slid() {
  const slider = by("slider");
  const empty = slider.classList.contains("empty");
  by("slide-value").textContent = empty ? "" : slider.value;
  slider.setAttribute("aria-valuetext", empty ? word("slider_empty") : label(Number(slider.value)));
  const next = document.querySelector('#more [data-value="slide"]');
  if (next) next.disabled = !ready || empty;
}

function slide() {
  by("slider").classList.remove("empty");
  slid();
}

const ending = (point, words) => (words ? `${point} · ${words}` : String(point));

const range = (low, high) => Array.from({ length: high - low + 1 }, (_, step) => low + step);

// "1, not at all" for who hears the buttons instead of seeing the words below.
function label(point) {
  const words = point === study.low ? study.low_label : point === study.high ? study.high_label : "";
  return words ? `${point}, ${words}` : String(point);
}

function button(value, text, name = text) {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: text, disabled: !ready });
  made.dataset.value = value;
  if (name !== text) made.ariaLabel = name;
  made.addEventListener("click", () => answer(value));
  return made;
}

function hang(addresses) {
  if (!pairs()) {
    put(by("picture"), addresses[0], word("picture"));
  } else if (flips()) {
    by("turn").dataset.pictures = JSON.stringify(addresses);
    flip(0);
  } else {
    by("pair").style.setProperty("--ratio", Math.max(...addresses.map((each) => each.ratio)));
    ["left", "right"].forEach((each, number) => {
      put(by(each).querySelector("img"), addresses[number], "");
      by(each).querySelector(".name").textContent = NAMES[each];
      by(each).ariaLabel = word("picture_side", { side: NAMES[each] });
    });
  }
  by("show").classList.remove("waiting");
}

// A picture in a frame of its own shape.
function put(image, { address, ratio }, alt) {
  image.alt = alt;
  image.src = address;
  image.parentElement.style.setProperty("--ratio", ratio);
}

function flip(to) {
  side = to;
  const addresses = JSON.parse(by("turn").dataset.pictures);
  const text = side ? NAMES.right : NAMES.left;
  put(by("turn").querySelector("img"), addresses[side], "");
  by("turn").querySelector(".name").textContent = text;
  by("turn").ariaLabel = `${word("picture_side", { side: text })}. ${word("flip")}`;
}

function answer(pressed) {
  const now = performance.now();
  if (!ready || now - since < BREATH) return;
  if (pressed === "slide" && by("slider").classList.contains("empty")) return;
  const value = pressed === "slide" ? by("slider").value : pressed;
  const took = Math.round(now - since);
  answers.push({ attribute: shown.questions[at].attribute, value, response_ms: took });
  paces.push(took + 300);
  if (paces.length > PACE) paces.shift();
  mark(pressed);
  at += 1;
  if (at < shown.questions.length) {
    since = now;
    question();
    mark(pressed);
    say(shown.questions[at].text);
    return;
  }
  ready = false;
  answered(shown, answers);
}

function mark(value) {
  for (const element of document.querySelectorAll("#trial .taken")) element.classList.remove("taken");
  const element = by(value)?.closest(".pair .work") ?? document.querySelector(`#answer [data-value="${value}"]`);
  element?.classList.add("taken");
  setTimeout(() => element?.classList.remove("taken"), 300);
}

by("slider").addEventListener("input", slide);
by("slider").addEventListener("pointerdown", () => ready && slide());

for (const each of ["left", "right"]) by(each).addEventListener("click", () => answer(each));
by("turn").addEventListener("click", () => ready && flip(1 - side));

document.addEventListener("keydown", (event) => {
  const busy = event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]");
  if (!isOpen("trial") || !shown || busy || event.repeat) return;
  const value = valueOf(event.key);
  if (value === "flip" ? !event.target.matches("button:not(#turn)") : value) {
    event.preventDefault();
    if (value === "flip") ready && flip(1 - side);
    else answer(value);
  }
});

function valueOf(key) {
  const third = shown.sure ? "none" : pairs() ? study.third : study.ratings_not_sure ? "not_sure" : "none";
  if (slides()) return slideBy(key);
  if (key === "ArrowDown" && third !== "none") return third;
  if (pairs()) return { ArrowLeft: "left", ArrowRight: "right", " ": flips() ? "flip" : null }[key] ?? null;
  return /^\d$/.test(key) && Number(key) >= study.low && Number(key) <= study.high ? key : null;
}

// Arrow keys move the slider from wherever the focus is; Enter confirms, unless it presses the button that has the focus.
function slideBy(key) {
  const slider = by("slider");
  if (key === "Enter") return slider.classList.contains("empty") || document.activeElement?.matches("button") ? null : "slide";
  const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (!step || document.activeElement === slider) return null;
  if (ready) {
    slider.focus();
    slider.value = Number(slider.value) + step;
    slide();
  }
  return null;
}
