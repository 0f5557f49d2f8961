// The outbox: choices and undone choices on their way to the server, in order, kept in this browser until it has them.

import * as api from "./api.js";
import { patient } from "./link.js";

const OUTBOX = "beholder.outbox";

const listeners = new Set();
let sending = null;

export const pending = () => JSON.parse(localStorage.getItem(OUTBOX) ?? "[]");

// listener({ answer, item } | { refused, item } | {}) when something was added, taken or refused
export function onOutbox(listener) {
  listeners.add(listener);
}

const tell = (news) => listeners.forEach((listener) => listener(news));
const keep = (items) => localStorage.setItem(OUTBOX, JSON.stringify(items));

export function add(item) {
  keep([...pending(), item]);
  tell({});
  send().catch(() => undefined); // who waits for it with `send` hears of it
}

export function empty() {
  keep([]);
  tell({});
}

// Resolves when everything is sent.
export function send() {
  sending ??= sendAll().finally(() => (sending = null));
  return sending;
}

async function sendAll() {
  for (let item = pending()[0]; item; item = pending()[0]) {
    let news;
    try {
      news = { item, answer: await patient(() => post(item)) };
    } catch (error) {
      if (error.kind === "key") throw error; // kept, for whoever brings a better key
      news = { item, refused: error }; // it will never be taken: without it the next ones can go
    }
    keep(pending().filter((other) => other.event_id !== item.event_id));
    tell(news);
  }
}

function post(item) {
  if (item.undo) return api.undo(item.question_id);
  const { event_id, question_id, choice, response_seconds } = item;
  return api.choose({ event_id, question_id, choice, response_seconds });
}
