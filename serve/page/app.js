// The page's beginning: the address says which room is open, #ask/IMAGE or #result/IMAGE, and the first one otherwise.

import * as album from "./album.js";
import * as ask from "./ask.js";
import * as choose from "./choose.js";
import { onPerson, showName } from "./dialogs.js";
import { directions } from "./api.js";
import { learn } from "./kind.js";
import { patient } from "./link.js";
import * as outbox from "./outbox.js";
import * as result from "./result.js";
import { by, tell } from "./rooms.js";

function go() {
  const [room, rest, version] = location.hash.slice(1).split("/");
  const image = decoded(rest ?? "");
  if (room !== "result") result.close();
  if (room === "ask" && image) ask.enter(image);
  else if (room === "result" && image) result.enter(image, decoded(version ?? ""));
  else if (room === "album") album.enter();
  else choose.enter();
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

addEventListener("hashchange", go);

onPerson(() => {
  ask.close();
  tell("");
  album.showCount();
  if (location.hash.length > 1) location.hash = "";
  else go();
});

by("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.querySelector(".room:not([hidden]) h1").focus();
});

showName();
album.showCount();
outbox.send().catch(() => undefined);
go();
patient(directions).then(
  (found) => {
    learn(found);
    choose.sayKind();
  },
  () => undefined,
);
