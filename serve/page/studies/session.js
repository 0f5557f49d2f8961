// A participant's session: the token of their link, what is to be sent, and what the server says comes next. All of it outlives a
// reload and a server that is away: answers are kept in this browser until the server has them.

import { ApiError } from "../api.js";
import { patient } from "../link.js";

const PATIENCE = 20000; // milliseconds
const PAGE = location.pathname.split("/").filter(Boolean);
export const name = decodeURIComponent(PAGE[PAGE.length - 1] ?? "");
const KEPT = `beholder.study.${name}`;
const BASE = `/v1/studies/${encodeURIComponent(name)}`;

export const randomId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const read = () => JSON.parse(localStorage.getItem(KEPT) ?? "{}");
const keep = (changes) => localStorage.setItem(KEPT, JSON.stringify({ ...read(), ...changes }));
export const forget = () => localStorage.removeItem(KEPT);

let token = "";

async function request(method, path, { json, picture = false } = {}) {
  const headers = { Accept: picture ? "image/webp" : "application/json" };
  if (token) headers["X-Participant"] = token;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    const body = json === undefined ? undefined : JSON.stringify(json);
    response = await fetch(BASE + path, { method, headers, body, signal: AbortSignal.timeout(PATIENCE) });
    if (response.ok) return picture ? await response.blob() : await response.json();
  } catch {
    throw new ApiError("away", 0, "");
  }
  const problem = await response.json().catch(() => ({}));
  const wait = 1000 * Number(response.headers.get("Retry-After") || 0);
  const passes = response.status === 429 || response.status >= 500;
  throw new ApiError(passes ? "busy" : "refused", response.status, problem.detail ?? "", wait);
}

const call = (...words) => patient(() => request(...words));

export const study = (lang) => call("GET", lang ? `?lang=${encodeURIComponent(lang)}` : "");

// Takes the token of the address, or the one that is kept; null where this browser has not joined yet.
export function ownToken() {
  const given = location.hash.slice(1);
  if (/^[A-Za-z0-9_-]{16,64}$/.test(given)) {
    if (read().token !== given) localStorage.setItem(KEPT, JSON.stringify({ token: given }));
    token = given;
  } else {
    token = read().token ?? "";
  }
  if (token) showLink();
  return token || null;
}

export async function join(lang, externalId) {
  if (!read().event) keep({ event: randomId() });
  const joined = await call("POST", "/participants", { json: { event_id: read().event, lang, external_id: externalId } });
  token = joined.token;
  keep({ token });
  showLink();
}

// The address becomes the participant's own link.
const showLink = () => history.replaceState(null, "", `${location.pathname}${location.search}#${token}`);

// The block of trials that was introduced last.
export const part = () => read().part ?? null;
export const enter = (name) => keep({ part: name });

export const pending = () => read().outbox ?? [];
export const where = () => call("GET", "/session");
export const consent = (lang) => call("POST", "/consent", { json: { lang } });
export const sendForm = (part, answers) => call("POST", "/forms", { json: { part, answers } });

export async function withdraw() {
  keep({ outbox: [] });
  const gone = await call("DELETE", "/session");
  forget();
  return gone;
}

export function add(trialId, answers) {
  keep({ outbox: [...pending(), { event_id: randomId(), trial_id: trialId, answers, at: Date.now() }] });
}

let sending = null;

// Sends what waits, in order; resolves to where the participant is when all is sent. Calls while it sends share it.
export function send() {
  sending ??= sendAll().finally(() => (sending = null));
  return sending;
}

async function sendAll() {
  let latest = null;
  for (let item = pending()[0]; item; item = pending()[0]) {
    const { at, ...body } = item;
    try {
      const json = () => ({ ...body, ago_ms: Math.min(6e8, Math.max(0, Date.now() - at)) });
      latest = (await patient(() => request("POST", "/answers", { json: json() }))).session;
    } catch (error) {
      if (error.status === 404) throw error;
      latest = null; // the server has another answer, or gave the trial to somebody else: it says where we are
    }
    keep({ outbox: pending().filter((other) => other.event_id !== item.event_id) });
  }
  return latest ?? where();
}

const pictures = new Map(); // name -> promise of its address and shape

export function picture(id) {
  if (!pictures.has(id)) {
    const made = call("GET", `/pictures/${id}`, { picture: true }).then(async (blob) => {
      const image = new Image();
      image.src = URL.createObjectURL(blob);
      await image.decode().catch(() => undefined);
      return { address: image.src, ratio: (image.naturalWidth / image.naturalHeight || 1).toFixed(4) };
    });
    made.catch(() => pictures.delete(id));
    pictures.set(id, made);
    if (pictures.size > 40) {
      const [oldest] = pictures.keys();
      pictures.get(oldest).then((shown) => URL.revokeObjectURL(shown.address), () => undefined);
      pictures.delete(oldest);
    }
  }
  return pictures.get(id);
}
