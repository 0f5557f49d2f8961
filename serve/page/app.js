// The page's beginning: the address says which room is open, #ask/IMAGE or #result/IMAGE, and the first one otherwise.

import * as ask from "./ask.js";
import * as choose from "./choose.js";
import { onPerson, showName } from "./dialogs.js";
import * as outbox from "./outbox.js";
import * as result from "./result.js";
import { by, tell } from "./rooms.js";

function go() {
  const [room, image] = location.hash.slice(1).split("/");
  if (room !== "result") result.close();
  if (room === "ask" && image) ask.enter(decodeURIComponent(image));
  else if (room === "result" && image) result.enter(decodeURIComponent(image));
  else choose.enter();
}

addEventListener("hashchange", go);

onPerson(() => {
  ask.close();
  tell("");
  if (location.hash.length > 1) location.hash = "";
  else go();
});

by("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.querySelector(".room:not([hidden]) h1").focus();
});

showName();
outbox.send().catch(() => undefined);
go();
