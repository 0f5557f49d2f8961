// Two dialogs: who is looking (and being forgotten), and the key that a server may ask for.

import * as album from "./album.js";
import * as api from "./api.js";
import * as outbox from "./outbox.js";
import * as person from "./person.js";
import { forgetPictures } from "./pictures.js";
import { forgetOpen } from "./questions.js";
import { by, say, tell } from "./rooms.js";
import { save } from "./sharing.js";
import { forgetSets } from "./sets.js";
import { attribute, forgetSteering } from "./steering.js";
import { count, forgotten } from "./words.js";

let changed = () => undefined;
let receipt = null;

export function onPerson(listener) {
  changed = listener;
}

export function showName() {
  by("who-name").textContent = person.label();
}

function step(name) {
  by("person-form").hidden = name !== "person-form";
  by("forget-sure").hidden = name !== "forget-sure";
  by("receipt").hidden = name !== "receipt";
  const titles = { "person-form": "person-title", "forget-sure": "forget-title", receipt: "receipt-title" };
  by("person").setAttribute("aria-labelledby", titles[name]);
}

by("who").addEventListener("click", () => {
  step("person-form");
  by("person-name").value = person.label() === person.NAMELESS ? "" : person.label();
  by("person").showModal();
  by("person-name").select();
});

for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());

by("person-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = by("person-name").value.trim();
  if (!typed) return;
  by("person").close();
  if (typed === person.label()) return;
  person.begin(typed);
  showName();
  changed();
});

by("forget").addEventListener("click", () => {
  step("forget-sure");
  by("forget-title").focus();
});

by("forget-now").addEventListener("click", async () => {
  by("forget-now").disabled = true;
  try {
    receipt = await api.forget(person.name());
    album.keepWorks([]);
    forgetSteering(person.name());
    outbox.empty();
    forgetOpen();
    forgetSets();
    forgetPictures();
    person.begin(person.NAMELESS);
    showName();
    step("receipt");
    list(receipt);
    by("receipt-title").focus();
    changed();
  } catch (error) {
    by("person").close();
    tell(`You are not forgotten yet: ${error.message}`);
  } finally {
    by("forget-now").disabled = false;
  }
});

function list(found) {
  by("receipt-list").replaceChildren(...forgotten(found).map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

by("receipt-save").addEventListener("click", () => {
  save(new Blob([`${JSON.stringify(receipt, null, 2)}\n`], { type: "application/json" }), "beholder-receipt.json");
});

by("taste-save").addEventListener("click", async () => {
  try {
    const file = { ...(await api.taste(person.name(), attribute())), album: album.works() };
    save(new Blob([`${JSON.stringify(file, null, 2)}\n`], { type: "application/json" }), "my taste.json");
    by("taste-says").textContent = `${count(file.choices.length, "choice")} and ${count(file.album.length, "kept version")} saved.`;
  } catch (error) {
    by("taste-says").textContent = `Not saved: ${error.message}`;
  }
});

by("taste-file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  try {
    const { album: works = [], ...taste } = JSON.parse(await file.text());
    const brought = await api.bringTaste(person.name(), taste);
    const before = new Set(album.works().map((work) => JSON.stringify([work.image, api.editText(work.edit)])));
    const kept = (Array.isArray(works) ? works : []).filter((work) => typeof work?.image === "string" && typeof work.words === "string" && work.edit);
    album.keepWorks([...album.works(), ...kept.filter((work) => !before.has(JSON.stringify([work.image, api.editText(work.edit)])))]);
    by("taste-says").textContent = `${count(brought.added, "choice")} brought back; there are ${brought.rounds} now.`;
    forgetOpen();
    changed();
  } catch (error) {
    by("taste-says").textContent = error instanceof SyntaxError ? "That is no file of a taste." : `Not brought back: ${error.message}`;
  }
  say(by("taste-says").textContent);
});

api.onKeyNeeded(
  (before) =>
    new Promise((resolve, reject) => {
      const done = new AbortController();
      by("key-text").value = "";
      by("key-wrong").hidden = !before;
      by("key").showModal();
      by("key").addEventListener("close", () => {
        done.abort();
        reject(new Error("no key"));
      }, { once: true });
      by("key-form").addEventListener("submit", (event) => {
        event.preventDefault();
        const text = by("key-text").value.trim();
        const vouched = person.personOf(text);
        if (vouched && vouched !== person.name()) {
          sessionStorage.setItem("beholder.key", text);
          person.become(vouched);
          location.reload(); // as somebody else, from the beginning
          return;
        }
        resolve(text);
        by("key").close();
      }, { signal: done.signal });
    }),
);
