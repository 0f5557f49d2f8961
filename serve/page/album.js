// The album: versions that a person kept, in this browser, for each name.

import { editPath, editText } from "./api.js";
import { patient } from "./link.js";
import { name } from "./person.js";
import { thumbnail } from "./pictures.js";
import { by, open, say } from "./rooms.js";
import { count, sentence } from "./words.js";

const ALBUM = "beholder.album";

let leave = new AbortController();

const all = () => JSON.parse(localStorage.getItem(ALBUM) ?? "{}");
export const works = (who = name()) => all()[who] ?? [];

export function keepWorks(list, who = name()) {
  const { [who]: _, ...others } = all();
  localStorage.setItem(ALBUM, JSON.stringify(list.length ? { ...others, [who]: list } : others));
  showCount();
}

const same = (work, image, edit) => work.image === image && editText(work.edit) === editText(edit);
export const has = (image, edit) => works().some((work) => same(work, image, edit));

// Puts a version in, or takes it out again; returns whether it is in now.
export function toggle(image, edit, words) {
  const there = has(image, edit);
  keepWorks(there ? works().filter((work) => !same(work, image, edit)) : [{ image, edit, words }, ...works()]);
  return !there;
}

export function showCount() {
  by("album-count").textContent = works().length ? String(works().length) : "";
}

export const address = (image, edit) => `#result/${encodeURIComponent(image)}/${encodeURIComponent(editText(edit) || "-")}`;

export function enter() {
  leave.abort();
  leave = new AbortController();
  open("album", { title: "Your album" });
  draw();
}

function draw() {
  by("album-says").textContent = works().length
    ? `${count(works().length, "version")} that you kept. They stay in this browser.`
    : "Nothing yet. Keep a version that you like, and it will be here.";
  by("album-works").replaceChildren(...works().map(item));
}

function item(work) {
  const entry = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { className: "work", href: address(work.image, work.edit) });
  const frame = Object.assign(document.createElement("span"), { className: "frame" });
  const view = Object.assign(new Image(256, 256), { alt: "" });
  frame.append(view);
  link.append(frame, Object.assign(document.createElement("span"), { className: "name", textContent: sentence(work.words) }));
  const out = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Take out" });
  out.setAttribute("aria-label", `Take out: ${work.words}`);
  out.addEventListener("click", () => {
    toggle(work.image, work.edit, work.words);
    say("Taken out.");
    draw();
    by("album-title").focus();
  });
  patient(() => thumbnail(editPath(work.image, work.edit)), leave.signal).then(
    (found) => (view.src = found),
    () => frame.replaceChildren(Object.assign(document.createElement("span"), { className: "gone", textContent: "This picture is gone." })),
  );
  entry.append(link, out);
  return entry;
}
