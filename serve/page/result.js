// The third room: the recommendation beside the portrait as it is, moved by hand, with what it was learned from.
// Picture, words and chance of a version are put on show together, so that they never speak of different ones.

import * as album from "./album.js";
import * as api from "./api.js";
import { chart, telling } from "./chart.js";
import { about, isLooks, learn, noun, own as ownOf } from "./kind.js";
import { patient } from "./link.js";
import * as outbox from "./outbox.js";
import { name } from "./person.js";
import { picture, thumbnail } from "./pictures.js";
import { by, open, put, say, tell, tellError } from "./rooms.js";
import { imagesOf } from "./sets.js";
import * as sharing from "./sharing.js";
import * as steer from "./steering.js";
import { byName, chance, sentence, verdict } from "./words.js";

const COUNT = 6;
const STEP = 0.1;
const SETTLE = 60; // milliseconds a slider rests before its version is asked for

let image = null;
let set = null; // { id, photos }: the photos that were asked about together
let known = new Map();
let belongs = []; // groups of directions
let chosen = null; // of the recommendations, the one that the sliders began from
let best = []; // the recommendations
let edit = {};
let shown = null; // { edit, words }: the version on show
let leave = new AbortController();
let learnt = [];
let together = false; // whether one look is wanted for all photos of the set
let invited = false; // nothing is known of this person yet

export async function enter(from, text = "") {
  const photos = imagesOf(from);
  const [id] = photos;
  set = photos.length > 1 ? { id: from, photos } : set?.photos.includes(id) ? set : null;
  if (!id) {
    location.hash = "";
    return;
  }
  together &&= set !== null;
  if (image === id && open_() && text && api.editText(edit) === text) return; // our own address, put there a moment ago
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  image = id;
  about(id);
  chosen = shown = null;
  const by_ = steer.attribute();
  const title = by_ ? `More ${by_}, as you see it` : "Recommended for you";
  by("result-title").textContent = title;
  open("result", { title });
  by("on").href = by("invite").href = `#ask/${encodeURIComponent(set?.id ?? id)}`;
  strip();
  for (const part of ["also", "learned", "why", "reset", "chance", "invite", "agreed"]) by(part).hidden = true;
  by("result-words").textContent = "Looking for the version you like best …";
  by("sliders").replaceChildren();
  by("edited").removeAttribute("src");
  ready(false);
  try {
    await outbox.send();
    if (signal.aborted) return;
    const directions = await patient(api.directions, signal);
    learn(directions); // it may be here before the page's beginning has heard
    const mine = ownOf(directions);
    known = byName(mine.directions);
    belongs = mine.groups;
    steer.groups(directions.groups, by("groups"), mine.groups);
    by("diversity").value = String(steer.diversity());
    put(by("original"), await patient(() => picture(api.imagePath(id)), signal), `The ${noun()} as it is`);
    await recommend(signal, text ? api.editOf(text === "-" ? "" : text) : null);
    const person = await patient(() => api.person(name(), by_), signal);
    if (!signal.aborted) learned(person);
  } catch (error) {
    if (signal.aborted) return;
    tellError(error);
    by("result-words").textContent = "There is no recommendation yet.";
  }
}

const open_ = () => !by("result").hidden;
export const close = () => {
  leave.abort();
  clearTimeout(timer);
  image = null;
};

function ready(is) {
  for (const id of ["download", "like", "but", "link", "card"]) by(id).disabled = !is;
}

function asked() {
  const shared = together ? { shared_with: set.photos.filter((photo) => photo !== image) } : {};
  return { attribute: steer.attribute(), steering: steer.steering(), diversity: steer.diversity(), ...shared };
}

// Asks for the best versions, and shows the first of them, or the one that was given.
async function recommend(signal, own) {
  const found = await patient(() => api.recommend(name(), image, COUNT, asked()), signal);
  if (signal.aborted) return;
  invited = found.known === false || found.rounds === 0;
  if (invited) by("result-title").textContent = "No recommendation yet";
  best = invited ? [] : found.recommendations;
  const first = best[0] ?? { edit: {}, words: "as it is", probability: 0.5, picture: api.imagePath(image) };
  show(first, own);
  runners(best, "The best versions for you", (each) => each.words);
  why(own || invited ? [] : found.reasons);
}

// Begins from a recommendation; own: an edit of the person's own, from a link.
function show(recommendation, own = null) {
  chosen = recommendation;
  edit = { ...(own ?? recommendation.edit) };
  sliders();
  if (own) version();
  else {
    const now = { edit: { ...edit }, words: recommendation.words, probability: recommendation.probability };
    const { signal } = leave;
    const current = () => !signal.aborted && chosen === recommendation && api.editText(edit) === api.editText(now.edit);
    patient(() => picture(recommendation.picture), signal).then((address) => current() && present(address, now), failed);
  }
}

// Puts picture, words and chance of one version on show.
function present(address, { edit: made, words, probability }) {
  shown = { edit: { ...made }, words };
  const none = words === "as it is";
  const own = api.editText(made) !== api.editText(chosen.edit);
  put(by("edited"), address, sentence(`${noun()}, ${words}`));
  by("edited-name").textContent = own || invited ? "Your version" : chosen === best[0] ? "For you" : "Also for you";
  if (invited && none) by("result-words").textContent = `Nothing is known of your taste yet. Answer a few questions, and versions made for you will be here; or change the ${noun()} by hand.`;
  else if (none) by("result-words").textContent = own ? "Your version: as it is." : "Leave it as it is: nothing we know of is better for you.";
  else if (own || invited) by("result-words").textContent = `Your version: ${words}.`;
  else by("result-words").textContent = steer.attribute() ? `It may look most ${steer.attribute()} to you with ${words}.` : together ? `You may like all ${set.photos.length} of them best so: ${words}.` : isLooks() ? `You may like it best so: ${words}.` : `You may like it best with ${words}.`;
  by("chance").hidden = none || invited;
  const better = steer.attribute() ? `this looks more ${steer.attribute()} to you than the original` : undefined;
  by("result-chance").textContent = verdict(probability, better);
  by("chance-number").textContent = `We expect you to prefer it to the original ${chance(probability)}.`;
  if (together) dress(made);
  by("invite").hidden = !invited;
  by("reset").hidden = !own;
  mark();
  ready(true);
  history.replaceState(null, "", own ? album.address(image, made) : `#result/${encodeURIComponent(image)}`);
  say(`${by("result-words").textContent} ${by("chance").hidden ? "" : by("result-chance").textContent}`);
}

// The photos of a set, to see the version made for each.
function strip() {
  by("set").hidden = !set;
  by("together").checked = together;
  by("set-photos").replaceChildren(...(set?.photos ?? []).map((photo, place) => {
    const item = document.createElement("li");
    const link = Object.assign(document.createElement("a"), { className: "work", href: `#result/${encodeURIComponent(photo)}` });
    if (photo === image) link.setAttribute("aria-current", "true");
    const frame = Object.assign(document.createElement("span"), { className: "frame" });
    const view = Object.assign(new Image(256, 256), { alt: `Photo ${place + 1} of ${set.photos.length}` });
    frame.append(view);
    link.append(frame);
    item.append(link);
    patient(() => thumbnail(api.imagePath(photo)), leave.signal).then((address) => (view.src = address), () => undefined);
    return item;
  }));
}

// Shows all photos of the set under one look.
function dress(look) {
  const views = by("set-photos").querySelectorAll("img");
  set.photos.forEach((photo, place) => {
    patient(() => thumbnail(api.editPath(photo, look)), leave.signal).then((address) => together && (views[place].src = address), () => undefined);
  });
}

by("together").addEventListener("change", (event) => {
  together = event.target.checked;
  if (!together) strip();
  again();
});

function failed(error) {
  if (!leave.signal.aborted) tellError(error);
}

let drawing = 0;
// Draws, scores and words the version of the sliders.
async function version() {
  const mine = ++drawing;
  const { signal } = leave;
  const now = { ...edit };
  const singles = Object.entries(now).map(([direction, alpha]) => ({ [direction]: alpha }));
  try {
    const [address, found] = await patient(
      () => Promise.all([picture(api.editPath(image, now)), api.scores(name(), image, [now, ...singles], steer.attribute())]),
      signal,
    );
    if (signal.aborted || mine !== drawing) return; // moved on, or left the room, meanwhile
    const [whole, ...parts] = found.scores;
    present(address, { edit: now, words: whole.words, probability: whole.probability });
    Object.keys(now).forEach((direction, place) => sayAt(direction, parts[place].words));
  } catch (error) {
    failed(error);
  }
}

let timer = 0;
function settle() {
  clearTimeout(timer);
  timer = setTimeout(version, SETTLE);
}

function sliders() {
  by("sliders").replaceChildren(...Object.keys(edit).filter((direction) => known.has(direction)).map(slider));
  more();
  const parts = Object.entries(edit);
  const { signal } = leave;
  if (parts.length) {
    patient(() => api.scores(name(), image, parts.map(([direction, alpha]) => ({ [direction]: alpha })), steer.attribute()), signal).then(
      (found) => parts.forEach(([direction, alpha], place) => edit[direction] === alpha && sayAt(direction, found.scores[place].words)),
      failed,
    );
  }
}

function sayAt(direction, words) {
  const input = by(`alpha-${direction}`);
  if (!input) return;
  input.setAttribute("aria-valuetext", words);
  input.parentElement.querySelector("output").textContent = words;
}

function slider(direction) {
  const { low, high, minus, plus, title } = known.get(direction);
  const id = `alpha-${direction}`;
  const box = Object.assign(document.createElement("div"), { className: "slider" });
  const label = Object.assign(document.createElement("label"), { htmlFor: id, textContent: title });
  const told = Object.assign(document.createElement("output"), { htmlFor: id });
  const input = Object.assign(document.createElement("input"), { type: "range", id, min: low, max: high, step: STEP });
  input.value = edit[direction];
  input.setAttribute("aria-valuetext", edit[direction] ? "" : "as it is");
  const ends = Object.assign(document.createElement("div"), { className: "ends" });
  ends.setAttribute("aria-hidden", "true");
  for (const text of [minus, plus]) ends.append(Object.assign(document.createElement("span"), { textContent: text }));
  input.addEventListener("input", () => {
    edit[direction] = Number((Math.round(Number(input.value) / STEP) * STEP).toFixed(2));
    settle();
  });
  box.append(label, told, input, ends);
  return box;
}

// What can still be changed, by what it belongs to.
function more() {
  const left = [...known.values()].filter((each) => !(each.name in edit));
  const select = by("add-slider");
  const parts = belongs.map((group) => {
    const part = Object.assign(document.createElement("optgroup"), { label: group.title });
    part.append(...left.filter((each) => each.group === group.name).map((each) => new Option(each.title, each.name)));
    return part;
  });
  select.replaceChildren(new Option("Choose …", ""), ...parts.filter((part) => part.children.length));
  select.disabled = !left.length;
}

by("add-slider").addEventListener("change", (event) => {
  const direction = event.target.value;
  if (!direction) return;
  edit[direction] = 0;
  by("sliders").append(slider(direction));
  sayAt(direction, "as it is");
  more();
  by(`alpha-${direction}`).focus();
});

by("reset").addEventListener("click", () => {
  drawing += 1;
  clearTimeout(timer);
  show(chosen);
  by("sliders").querySelector("input")?.focus();
});

by("chance-more").addEventListener("click", () => {
  const hidden = !by("chance-number").hidden;
  by("chance-number").hidden = hidden;
  by("chance-more").setAttribute("aria-expanded", String(!hidden));
});

function mark() {
  const kept = album.has(image, shown.edit);
  by("like").setAttribute("aria-pressed", String(kept));
  by("like").textContent = kept ? "In your album" : "Keep in album";
}

by("like").addEventListener("click", () => {
  say(album.toggle(image, shown.edit, shown.words) ? "Kept in your album." : "Taken out of your album.");
  mark();
});

// A handler that says what came of it, or what went wrong.
const doing = (work) => async () => {
  try {
    const text = await work();
    if (text) {
      say(text);
      tell(text);
    }
  } catch (error) {
    tellError(error);
  }
};
by("download").addEventListener("click", doing(() => patient(() => sharing.download(image, shown.edit, shown.words), leave.signal)));
by("card").addEventListener("click", doing(() => patient(() => sharing.card(image, shown.edit, shown.words), leave.signal)));
by("link").addEventListener("click", doing(() => sharing.copyLink(album.address(image, shown.edit))));

by("but").addEventListener("click", doing(async () => {
  const like = Object.fromEntries(Object.entries(shown.edit).filter(([, alpha]) => alpha !== 0));
  const found = await patient(() => api.recommend(name(), image, COUNT, { ...asked(), like }), leave.signal);
  const others = found.recommendations.filter((each) => each.change !== "as before" && Object.keys(each.edit).length);
  runners(others, "Like this, but with …", (each) => each.change || each.words, shown.words);
  by("best-again").hidden = !best.length;
  by("also-title").scrollIntoView({ block: "center" });
  return "";
}));
by("best-again").addEventListener("click", () => runners(best, "The best versions for you", (each) => each.words));

async function again() {
  leave.abort();
  leave = new AbortController();
  try {
    await recommend(leave.signal, null);
  } catch (error) {
    failed(error);
  }
}
steer.onSteering(again);
by("diversity").addEventListener("change", (event) => {
  steer.setDiversity(Number(event.target.value));
  again();
});

function runners(recommendations, title, words) {
  by("also").hidden = recommendations.length < 2 && title.startsWith("The best");
  by("also-title").textContent = recommendations.length ? title : "Nothing else may change: tick more below";
  by("best-again").hidden = true;
  const made = recommendations.map((each) => {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "work" });
    button.setAttribute("aria-pressed", String(each === chosen));
    const frame = Object.assign(document.createElement("span"), { className: "frame" });
    const view = Object.assign(new Image(256, 256), { alt: "" });
    frame.append(view);
    const label = Object.assign(document.createElement("span"), { className: "label" });
    label.append(Object.assign(document.createElement("span"), { className: "name", textContent: sentence(words(each)) }));
    const dot = Object.assign(document.createElement("span"), { className: "dot" });
    dot.setAttribute("aria-hidden", "true");
    label.append(dot);
    button.append(frame, label);
    button.addEventListener("click", () => {
      for (const other of made) other.firstChild.setAttribute("aria-pressed", String(other === item));
      drawing += 1;
      show(each);
      by("result-title").scrollIntoView({ block: "nearest" });
    });
    patient(() => thumbnail(each.picture), leave.signal).then((address) => (view.src = address), () => undefined);
    item.append(button);
    return item;
  });
  by("runners").replaceChildren(...made);
}

function why(reasons) {
  by("why").hidden = !reasons.length;
  by("reasons").replaceChildren(...reasons.map((text) => Object.assign(document.createElement("li"), { textContent: sentence(text) })));
}

function learned(person) {
  const { asked: times = 0, same = 0 } = person.repeated ?? {};
  by("agreed").hidden = !times;
  by("agreed").textContent = `Asked the same again, you chose the same ${same} of ${times} times.`;
  learnt = invited ? [] : telling(person.directions, known);
  by("learned").hidden = !learnt.length;
  if (learnt.length) redraw();
}

function redraw() {
  const width = Math.round(Math.min(544, by("chart").clientWidth));
  if (width > 0 && learnt.length) by("chart").replaceChildren(chart(learnt, known, width));
}

new ResizeObserver(redraw).observe(by("learned"));
