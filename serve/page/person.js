// The person: a random id by which the server knows them, and a label that is only shown. Both are kept in this browser; the id is
// typed nowhere, so that typing somebody's label opens nothing of theirs.

const PERSON = "beholder.person";
const LABEL = "beholder.label";

// what the server knows the person by
export function name() {
  return localStorage.getItem(PERSON) ?? begin(NAMELESS);
}

export function label() {
  const id = name();
  return localStorage.getItem(LABEL) ?? id;
}

// A new person of this label begins, with an id of their own.
export function begin(as) {
  localStorage.setItem(LABEL, as);
  return become(`page-${randomId()}`);
}

// The person is one whom an application vouches for, by a token.
export function become(id) {
  localStorage.setItem(PERSON, id);
  return id;
}

// The person that a token speaks for; null where the text is a key.
export function personOf(token) {
  const body = token.split(".")[1];
  if (!body) return null;
  try {
    const bytes = Uint8Array.from(atob(body.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub ?? null;
  } catch {
    return null;
  }
}

// crypto.randomUUID is missing on a page that came over the network unencrypted.
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// what somebody is called who gave no name
export const NAMELESS = "a guest";
