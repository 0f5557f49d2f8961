// The person: a name that was typed, or one made up, kept in this browser.

const PERSON = "beholder.person";

export function name() {
  return localStorage.getItem(PERSON) ?? rename(madeUp());
}

export function rename(to) {
  localStorage.setItem(PERSON, to);
  return to;
}

// crypto.randomUUID is missing on a page that came over the network unencrypted.
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function madeUp() {
  return `guest-${randomId().slice(0, 8)}`;
}
