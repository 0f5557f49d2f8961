// The first room: portraits of the generator to choose from, or a picture that is brought.

import * as api from "./api.js";
import { patient } from "./link.js";
import { name } from "./person.js";
import { thumbnail } from "./pictures.js";
import { by, isOpen, open, say, tell } from "./rooms.js";
import { count, sentence } from "./words.js";

const SHOWN = 12;
// Chosen for variety by varied_seeds of platform/beholder/portraits/contact_sheets.py; a test holds the two together.
const VARIED = [130, 609, 332, 520, 509, 582, 350, 982, 236, 984, 26, 566, 356, 568, 715, 430, 41, 882, 585, 555, 718, 771, 720, 902, 146, 955, 279, 494, 100, 674, 630, 794, 932, 457, 257, 643];
const PHOTO = by("photo-says").textContent;

let first = 0; // of the portraits on show, counted from the first ever shown
let leave = new AbortController();

export function enter() {
  open("choose");
  if (!by("portraits").children.length) hang();
}

function hang() {
  leave.abort();
  leave = new AbortController();
  by("portraits").replaceChildren(...Array.from({ length: SHOWN }, (_, index) => portrait(VARIED[first + index] ?? 1001 + first + index, index, leave.signal)));
}

function portrait(seed, place, signal) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "work";
  button.dataset.seed = seed;
  button.disabled = true;
  const frame = document.createElement("span");
  frame.className = "frame";
  const image = new Image(256, 256);
  image.alt = `Portrait ${place + 1} of ${SHOWN}`;
  frame.append(image);
  button.append(frame);
  item.append(button);
  button.addEventListener("click", () => take(button, () => api.addSeed(name(), seed)));
  patient(() => thumbnail(api.imagePath(`seed-${seed}`)), signal).then(
    (address) => {
      image.src = address;
      button.disabled = false;
    },
    (error) => signal.aborted || tell(error.message),
  );
  return item;
}

// Brings an image to the server and goes on to its questions.
async function take(control, add) {
  control.setAttribute("aria-busy", "true");
  tell("");
  try {
    const image = await patient(add);
    if (isOpen("choose")) location.hash = `#ask/${encodeURIComponent(image.image_id)}`;
  } catch (error) {
    tell(sentence(error.message));
  } finally {
    control.removeAttribute("aria-busy");
  }
}

// Arrow keys move among the portraits, a row at a time up and down.
by("portraits").addEventListener("keydown", (event) => {
  const works = [...by("portraits").querySelectorAll("button:enabled")];
  const columns = works.filter((work) => work.offsetTop === works[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  const to = works[works.indexOf(event.target) + step];
  if (!to) return;
  event.preventDefault();
  to.focus();
});

by("others").addEventListener("click", () => {
  first += SHOWN;
  hang();
  say(`${count(SHOWN, "other portrait")}.`);
});

by("photo").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  bring(file);
});

async function bring(file) {
  if (!file || by("photo").getAttribute("aria-busy")) return;
  say("Reading your picture.");
  by("photo-says").textContent = "Reading your picture …";
  await take(by("photo"), () => api.addPhoto(name(), file));
  by("photo-says").textContent = PHOTO;
}

// A picture may be dropped anywhere in this room, or pasted; the button does the same for everybody. In other rooms a file that is
// dropped by mistake must not take the page away.
const files = (event) => event.dataTransfer?.types.includes("Files");

for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    if (!files(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = isOpen("choose") ? "copy" : "none";
    by("choose").classList.toggle("dropping", isOpen("choose"));
  });
}

addEventListener("dragleave", (event) => event.relatedTarget || by("choose").classList.remove("dropping"));

addEventListener("drop", (event) => {
  by("choose").classList.remove("dropping");
  if (!files(event)) return;
  event.preventDefault();
  if (isOpen("choose")) bring(event.dataTransfer.files[0]);
});

addEventListener("paste", (event) => {
  const [file] = event.clipboardData?.files ?? [];
  if (file && isOpen("choose") && !document.querySelector("dialog[open]")) bring(file);
});
