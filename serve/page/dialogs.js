// Two dialogs: who is looking (and being forgotten), and the key that a server may ask for.

import * as api from "./api.js";
import * as outbox from "./outbox.js";
import * as person from "./person.js";
import { forgetPictures } from "./pictures.js";
import { forgetOpen } from "./questions.js";
import { save } from "./result.js";
import { by, tell } from "./rooms.js";

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
  by("person-name").value = person.label();
  by("person").showModal();
  by("person-name").select();
});

for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => by("person").close());

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
    outbox.empty();
    forgetOpen();
    forgetPictures();
    person.begin(person.madeUp());
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
  by("receipt-list").replaceChildren(
    ...Object.entries(found).flatMap(([key, value]) => {
      const said = Array.isArray(value) ? value.join(", ") || "none" : String(value);
      const term = Object.assign(document.createElement("dt"), { textContent: key === "user_id" ? "id" : key.replaceAll("_", " ") });
      return [term, Object.assign(document.createElement("dd"), { textContent: said })];
    }),
  );
}

by("receipt-save").addEventListener("click", () => {
  save(new Blob([`${JSON.stringify(receipt, null, 2)}\n`], { type: "application/json" }), "beholder-receipt.json");
});

api.onKeyNeeded(
  () =>
    new Promise((resolve) => {
      by("key-text").value = "";
      by("key").showModal();
      by("key-form").addEventListener(
        "submit",
        (event) => {
          event.preventDefault();
          by("key").close();
          const text = by("key-text").value.trim();
          const vouched = person.personOf(text);
          if (vouched && vouched !== person.name()) {
            sessionStorage.setItem("beholder.key", text);
            person.become(vouched);
            location.reload(); // as somebody else, from the beginning
          } else resolve(text);
        },
        { once: true },
      );
    }),
);
by("key").addEventListener("cancel", (event) => event.preventDefault());
