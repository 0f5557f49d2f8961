// The participant's page, from the link to the end: where the server says that the participant is, that is shown.

import { onLink, tryNow } from "../link.js";
import * as mine from "./session.js";
import { by, message, open, say, showConsent, showEnd, showForm, showPart, speak, word } from "./sheets.js";
import * as trial from "./trial.js";

let study = null;
let session = null;
let queue = []; // trials that the server gave and that are not answered here

async function begin() {
  try {
    study = await mine.study(preferred());
  } catch (error) {
    return message(error.status === 404 ? "There is no such study." : error.message);
  }
  speak(study);
  if (!mine.ownToken()) {
    if (study.join === "invited") return message(study.title, word("need_link"));
    if (study.state !== "open") return message(study.title, word("closed"));
    try {
      await mine.join(study.lang, externalId());
    } catch (error) {
      const reason = error.message.split(":")[0];
      return message(study.title, word({ full: "full", closed: "closed", invited: "need_link" }[reason] ?? "unknown"));
    }
  }
  await go(() => mine.send());
}

const preferred = () => new URLSearchParams(location.search).get("lang") ?? navigator.language.split("-")[0];
const externalId = () => (study.external_id && new URLSearchParams(location.search).get(study.external_id)) || "";

// Does something that returns where the participant is, and shows that.
async function go(work) {
  try {
    await arrive(await work());
  } catch (error) {
    if (error.status === 404) {
      mine.forget();
      message(study.title, word("unknown"));
    } else {
      message(study.title, error.message);
    }
  }
}

async function arrive(now) {
  session = now;
  if (session.lang !== study.lang && session.step !== "consent") {
    study = await mine.study(session.lang);
    speak(study);
  }
  by("withdraw").hidden = false;
  trial.begin(study, answered);
  const step = session.step;
  if (step === "consent") return showConsent(study);
  if (step === "before" || step === "after") return showForm(step, study[step], (answers, button) => sendForm(step, answers, button));
  if (step === "done") return showEnd(study, session);
  const sent = new Set(mine.pending().map((item) => item.trial_id));
  queue = session.trials.filter((each) => !sent.has(each.trial_id));
  for (const each of queue) each.pictures.forEach((id) => mine.picture(id).catch(() => undefined));
  next();
}

function next() {
  const done = session.done + mine.pending().length;
  const part = queue[0]?.part;
  if (part && part.name !== mine.part()) return showPart(part, () => (mine.enter(part.name), next()));
  if (queue.length) trial.show(queue[0], done, session.total);
  else trial.wait(done, session.total);
}

function answered(one, answers) {
  mine.add(one.trial_id, answers);
  queue = queue.filter((each) => each.trial_id !== one.trial_id);
  next();
  say(word("progress", { done: session.done + mine.pending().length, total: session.total }));
  go(() => mine.send());
}

function sendForm(part, answers, button) {
  button.disabled = true;
  go(() => mine.sendForm(part, answers)).finally(() => (button.disabled = false));
}

by("agree").addEventListener("click", () => go(() => mine.consent(study.lang)));
by("lang").addEventListener("change", async () => {
  study = await mine.study(by("lang").value);
  speak(study);
  showConsent(study);
  by("lang").focus();
});

by("withdraw").addEventListener("click", () => by("sure").showModal());
by("keep").addEventListener("click", () => by("sure").close());
by("withdraw-now").addEventListener("click", async () => {
  by("sure").close();
  try {
    const gone = await mine.withdraw();
    by("withdraw").hidden = true;
    message(word("withdrawn"), word("withdrawn_words", { count: gone.answers }));
    history.replaceState(null, "", location.pathname);
  } catch (error) {
    message(study.title, error.status === 404 ? word("unknown") : error.message);
  }
});

by("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.querySelector("main > section:not([hidden]) h1")?.focus();
});

let away = false;
onLink((link) => {
  if (away && !link.away) say(word("back_again"));
  away = link.away;
  by("notice").hidden = !away;
  if (away) by("notice-text").textContent = word("away") || "The server does not answer.";
});
by("notice-again").addEventListener("click", tryNow);

begin();
