// The link to the server: whether it answers, and waiting until it does.

import { ApiError } from "./api.js";

const FIRST = 500; // milliseconds before the second try
const LONGEST = 8000;

const listeners = new Set();
const wakers = new Set();
let waiting = 0;

export const isAway = () => waiting > 0;

// listener({ away, kind }) on every change; kind: away, slow or busy
export function onLink(listener) {
  listeners.add(listener);
}

function tell(error) {
  for (const listener of listeners) listener({ away: waiting > 0, kind: error?.kind ?? "away" });
}

// Wakes everybody who waits for the server.
export function tryNow() {
  for (const wake of [...wakers]) wake();
}

window.addEventListener("online", tryNow);
document.addEventListener("visibilitychange", () => document.hidden || tryNow());

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      wakers.delete(done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    wakers.add(done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

// What `call` returns, however long the server is away; other errors pass. Gives up where the signal aborts.
export async function patient(call, signal) {
  let delay = FIRST;
  let counted = false;
  try {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (signal?.aborted || !(error instanceof ApiError) || !error.passes) throw error;
        if (!counted) {
          counted = true;
          waiting += 1;
        }
        tell(error);
        await pause(Math.max(delay, error.wait), signal);
        if (signal?.aborted) throw error;
        delay = Math.min(LONGEST, delay * 2);
      }
    }
  } finally {
    if (counted) {
      waiting -= 1;
      tell();
    }
  }
}
