// The rooms: which one is open, what is said aloud, and what stands above them.

import { onLink, tryNow } from "./link.js";
import { onOutbox, pending } from "./outbox.js";
import { count } from "./words.js";

export const by = (id) => document.getElementById(id);
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

let opened = null;

export function open(room, { title, focus = true } = {}) {
  for (const section of document.querySelectorAll(".room")) section.hidden = section.id !== room;
  const changed = opened !== null && opened !== room;
  opened = room;
  document.title = title ? `${title} · Beholder` : "Beholder";
  if (focus && changed) {
    scrollTo(0, 0);
    by(`${room}-title`).focus({ preventScroll: true });
  }
}

export const isOpen = (room) => opened === room;

// Says something to who listens instead of looking.
export function say(text) {
  by("spoken").textContent = text;
}

let away = false;
let busy = false;
let told = ""; // something that went wrong, until the next room or choice

export function tell(text) {
  told = text;
  show();
}

function show() {
  const unsent = pending().length;
  const where = busy ? "The server is busy." : "The server is away.";
  const kept = unsent ? ` ${count(unsent, "choice is", "choices are")} kept here and sent as soon as it is back.` : " Trying again.";
  by("notice").hidden = !away && !told;
  by("notice-again").hidden = !away;
  const text = away ? where + kept : told;
  if (by("notice-text").textContent !== text) by("notice-text").textContent = text;
}

onLink((link) => {
  const back = away && !link.away;
  away = link.away;
  busy = link.busy;
  show();
  if (back) say("The server is back.");
});
onOutbox(show);
by("notice-again").addEventListener("click", tryNow);

// Shows a picture in an <img>, with a short fade where motion is welcome.
export function put(image, address, alt) {
  image.alt = alt;
  if (image.src === address) return;
  image.src = address;
  if (!still()) image.animate([{ opacity: 0.2 }, { opacity: 1 }], { duration: 140, easing: "ease-out" });
}
