// The first room: portraits of the generator to choose from, or pictures that are brought: from a file, dropped, pasted or taken.

import * as api from "./api.js";
import { about, isLooks, isPaired, most, noun, takesPhotos } from "./kind.js";
import { patient } from "./link.js";
import { name } from "./person.js";
import { thumbnail } from "./pictures.js";
import { PORTRAITS } from "./portraits.js";
import { by, isOpen, open, say, tell, tellError } from "./rooms.js";
import { keepSet } from "./sets.js";
import { count, inWords } from "./words.js";

const SHOWN = 12;

let first = 0; // of the portraits on show, counted from the first ever shown
let leave = new AbortController();
let bringing = null; // of the pictures on their way: gives them up

export function enter() {
  about("");
  open("choose");
  if (!by("portraits").children.length) hang();
}

// Says what can be brought here, once it is known what the service edits.
export function sayKind() {
  if (!takesPhotos()) return;
  by("photo").multiple = true;
  by("photo-says").textContent = `Up to ${most()} photos are asked about in turn. You can drop or paste them here, too. A copy is kept until you say “forget me”.`;
  if (isPaired()) {
    by("choose-lead").textContent = "You will see it in two versions, again and again. Take the one you like more, and Beholder learns how you see: faces that are drawn, and the style of your own photos.";
    by("photo-label").firstChild.textContent = "Use your own photos";
    return;
  }
  by("choose-title").textContent = "Your photos, or a landscape?";
  by("choose-lead").textContent = "You will see them in two looks, again and again. Take the one you like more, and Beholder learns your style.";
  by("photo-label").firstChild.textContent = "Use your own pictures";
  by("photo-label").classList.add("main");
  by("photo-label").parentElement.prepend(by("photo-label"));
  by("portrait").classList.remove("main");
  by("portrait").textContent = "A landscape";
  by("portraits").setAttribute("aria-label", "Landscapes");
  leave.abort();
  by("portraits").replaceChildren();
  if (isOpen("choose")) hang();
}

function hang() {
  leave.abort();
  leave = new AbortController();
  const places = Array.from({ length: SHOWN }, (_, index) => first + index);
  const shown = isLooks() ? places.map((place) => [place + 1, ""]) : places.map((place) => PORTRAITS[place] ?? [1001 + place, ""]);
  by("portraits").replaceChildren(...shown.map(([seed, words], index) => portrait(seed, words, index, leave.signal)));
}

function portrait(seed, words, place, signal) {
  const item = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "work", disabled: true, tabIndex: -1 });
  button.dataset.seed = seed;
  const frame = Object.assign(document.createElement("span"), { className: "frame" });
  const what = isLooks() ? "Landscape" : "Portrait";
  const image = Object.assign(new Image(256, 256), { alt: words ? `${what}: ${words}` : `${what} ${place + 1} of ${SHOWN}` });
  button.setAttribute("aria-label", image.alt); // the picture may not be there yet
  frame.append(image);
  button.append(frame);
  item.append(button);
  button.addEventListener("click", () => take(button, () => api.addSeed(name(), seed)));
  patient(() => thumbnail(api.imagePath(`seed-${seed}`)), signal).then(
    (address) => {
      if (signal.aborted) return;
      image.src = address;
      button.disabled = false;
      if (!by("portraits").contains(document.activeElement)) move(by("portraits").querySelector("button:enabled"));
    },
    (error) => signal.aborted || tellError(error),
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
    tellError(error);
  } finally {
    control.removeAttribute("aria-busy");
  }
}

// The grid is one stop of Tab; arrow keys move in it, a row at a time up and down, Home and End to its ends.
function move(to) {
  for (const each of by("portraits").querySelectorAll('button[tabindex="0"]')) each.tabIndex = -1;
  to.tabIndex = 0;
}

by("portraits").addEventListener("focusin", (event) => event.target.matches("button") && move(event.target));
by("portraits").addEventListener("keydown", (event) => {
  const works = [...by("portraits").querySelectorAll("button:enabled")];
  const columns = works.filter((work) => work.offsetTop === works[0].offsetTop).length;
  const at = works.indexOf(event.target);
  const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: works.length - 1 };
  const to = works[steps[event.key]];
  if (!to || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  to.focus();
});

by("portrait").addEventListener("click", () => {
  const to = by("portraits").querySelector('button[tabindex="0"]');
  to?.scrollIntoView({ block: "center" });
  to?.focus();
});

by("others").addEventListener("click", () => {
  first += SHOWN;
  hang();
  say(`${count(SHOWN, isLooks() ? "other landscape" : "other portrait")}.`);
});

for (const id of ["photo", "camera"]) {
  by(id).addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    bring(files);
  });
}

by("bringing-stop").addEventListener("click", () => bringing?.abort());

// Brings pictures to the server, one after the other, and goes on to their questions.
async function bring(all) {
  const files = all.slice(0, most());
  if (!files.length || bringing) return;
  const { signal } = (bringing = new AbortController());
  const images = [];
  const refused = [];
  tell("");
  by("bringing").hidden = false;
  for (const [place, file] of files.entries()) {
    const preview = URL.createObjectURL(file);
    by("bringing-preview").src = preview;
    try {
      const add = () => api.addPhoto(name(), file, { progress: (share) => progress(share, place, files.length), signal });
      progress(0, place, files.length);
      images.push((await patient(add, signal)).image_id);
    } catch (error) {
      if (signal.aborted) break;
      refused.push(error);
      if (error.kind === "key") break;
    } finally {
      URL.revokeObjectURL(preview);
    }
  }
  by("bringing").hidden = true;
  by("bringing-preview").removeAttribute("src");
  bringing = null;
  if (signal.aborted) {
    say("Stopped.");
    return;
  }
  if (refused.length === 1 && files.length === 1) tellError(refused[0]);
  else if (refused.length) tell(`${count(refused.length, "picture was", "pictures were")} not taken. ${inWords(refused[0])}`);
  else if (all.length > files.length && takesPhotos()) tell(`The first ${most()} photos were taken.`);
  if (images.length && isOpen("choose")) location.hash = `#ask/${encodeURIComponent(keepSet([...new Set(images)]))}`;
}

// share: of the file that is sent. What the server does then takes as long as it takes.
function progress(share, place, of) {
  const which = of > 1 ? ` ${place + 1} of ${of}` : "";
  const doing = share < 1 ? `Sending your picture${which}` : takesPhotos() ? `Reading your picture${which}` : "Redrawing your picture as a portrait";
  if (by("bringing-says").textContent !== `${doing} …`) by("bringing-says").textContent = `${doing} …`;
  if (share < 1 || of > 1) by("bringing-done").value = (place + 0.9 * share) / of;
  else by("bringing-done").removeAttribute("value");
}

// A picture may be dropped anywhere in this room, or pasted; the button does the same for everybody. In other rooms a file that is
// dropped by mistake must not take the page away.
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = isOpen("choose") ? "copy" : "none";
    by("choose").classList.toggle("dropping", isOpen("choose"));
  });
}

addEventListener("dragleave", (event) => event.relatedTarget || by("choose").classList.remove("dropping"));

addEventListener("drop", (event) => {
  by("choose").classList.remove("dropping");
  if (!hasFiles(event)) return;
  event.preventDefault();
  if (isOpen("choose")) bring([...event.dataTransfer.files]);
});

addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length && isOpen("choose") && !document.querySelector("dialog[open]")) bring(files);
});
