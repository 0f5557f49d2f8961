// The rooms: which one is open, what is said aloud, and what stands above them.

import { onLink, tryNow } from "./link.js";
import { onOutbox, pending } from "./outbox.js";
import { count, inWords } from "./words.js";

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
let kind = "away";
let waits = false; // for a pair that only the server can send
let told = ""; // something that went wrong, until the next room or choice
let action = null; // { label, run }: what can be done about it

export function tell(text, doing = null) {
  told = text;
  action = doing;
  show();
}

// Says what went wrong in the page's own words.
export function tellError(error) {
  if (error.name === "AbortError") return;
  tell(inWords(error), error.status === 401 ? { label: "Give a key", run: () => location.reload() } : null);
}

export function tellWaiting(is) {
  if (waits !== is) {
    waits = is;
    show();
  }
}

function show() {
  const unsent = pending().length;
  const where = `The server is ${kind}.`;
  const kept = unsent ? ` ${count(unsent, "choice is", "choices are")} kept here and sent as soon as it is back.` : " Trying again.";
  const next = waits ? " The next pair comes then." : "";
  by("notice").hidden = !away && !told;
  by("notice-again").textContent = away ? "Try now" : (action?.label ?? "Close"); // it may lie over what is to be pressed
  const text = away ? where + kept + next : told;
  if (by("notice-text").textContent !== text) by("notice-text").textContent = text;
}

onLink((link) => {
  const back = away && !link.away;
  away = link.away;
  kind = link.kind;
  show();
  if (back) say("The server is back.");
});
onOutbox(show);
by("notice-again").addEventListener("click", () => {
  if (away) tryNow();
  else if (action) action.run();
  else tell("");
});

// Shows a picture in an <img>, with a short fade where motion is welcome.
export function put(image, address, alt) {
  image.alt = alt;
  if (image.src === address) return;
  image.src = address;
  if (!still()) image.animate([{ opacity: 0.2 }, { opacity: 1 }], { duration: 140, easing: "ease-out" });
}
