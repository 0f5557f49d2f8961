// The API: one request at a time, its errors told apart, the key sent along.

const KEY = "beholder.key";
const PATIENCE = 20000; // milliseconds
const PATIENCE_FOR_PHOTOS = 90000; // they are redrawn in many steps

// kind: "away" (nobody answers), "slow" (not in time), "busy" (asks to wait), "key" (a key is missing or lacks the right), "refused" (no
// use to try again). problem: the last part of its type in /docs, such as no-face
export class ApiError extends Error {
  constructor(kind, status, detail, { wait = 0, problem = "" } = {}) {
    super(detail);
    Object.assign(this, { kind, status, wait, problem });
  }

  get passes() {
    return ["away", "slow", "busy"].includes(this.kind);
  }
}

let askForKey = null; // () => Promise of a key
let asking = null;
let declined = false; // no key was given: it is not asked for again until the page is opened anew

export function onKeyNeeded(ask) {
  askForKey = ask;
}

export async function request(method, path, { json, form, accept = "application/json", patience = PATIENCE, via = fetch } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { Accept: accept };
    if (key) headers.Authorization = `Bearer ${key}`;
    if (json !== undefined) headers["Content-Type"] = "application/json";
    const body = form ?? (json === undefined ? undefined : JSON.stringify(json));
    let response;
    try {
      response = await via(path, { method, headers, body, signal: AbortSignal.timeout(patience) });
      if (response.ok) return accept === "application/json" ? await response.json() : await response.blob();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (error.name === "TimeoutError") throw new ApiError("slow", 0, "The server takes long.");
      throw new ApiError("away", 0, "The server does not answer.");
    }
    const body_ = await response.json().catch(() => ({}));
    const detail = body_.detail || body_.title || `The server answered with ${response.status}.`;
    const problem = String(body_.type ?? "").split("#problem-")[1] ?? "";
    if (response.status === 401 && askForKey && !declined) {
      if (sessionStorage.getItem(KEY) === key) {
        asking ??= askForKey(key).finally(() => (asking = null));
        try {
          sessionStorage.setItem(KEY, await asking);
        } catch {
          declined = true;
          throw new ApiError("key", 401, detail);
        }
      }
      continue;
    }
    const wait = 1000 * Number(response.headers.get("Retry-After") || 0);
    if (response.status === 401 || response.status === 403) throw new ApiError("key", response.status, detail);
    if (response.status === 429 || response.status === 503) throw new ApiError("busy", response.status, detail, { wait });
    if (response.status === 504) throw new ApiError("slow", response.status, detail);
    if (response.status >= 500) throw new ApiError("away", response.status, detail);
    throw new ApiError("refused", response.status, detail, { problem });
  }
}

const enc = encodeURIComponent;

export const addSeed = (user, seed) => request("POST", "/v1/images", { json: { user_id: user, seed } });

// progress: called with the share that is sent, 0..1; signal: gives it up. What takes too long once would take too long again.
export async function addPhoto(user, file, { progress = () => undefined, signal } = {}) {
  const form = new FormData();
  form.append("user_id", user);
  form.append("file", file, file.name || "picture");
  const via = (path, options) => sendTelling(path, { ...options, signal, timeout: PATIENCE_FOR_PHOTOS }, progress);
  try {
    return await request("POST", "/v1/images", { form, via });
  } catch (error) {
    if (error.kind === "slow") throw new ApiError("refused", error.status, error.message, { problem: "slow-photo" });
    throw error;
  }
}

// As fetch, which can't tell how much is sent.
function sendTelling(path, { method, headers, body, signal, timeout }, progress) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    const fail = (name) => () => reject(new DOMException(name, name));
    sending.open(method, path);
    for (const [name, value] of Object.entries(headers)) sending.setRequestHeader(name, value);
    sending.timeout = timeout;
    sending.responseType = "blob";
    sending.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    sending.upload.addEventListener("load", () => progress(1));
    sending.addEventListener("timeout", fail("TimeoutError"));
    sending.addEventListener("abort", fail("AbortError"));
    sending.addEventListener("error", fail("NetworkError"));
    sending.addEventListener("load", () => {
      const known = ["Content-Type", "Retry-After"].map((name) => [name, sending.getResponseHeader(name)]).filter(([, value]) => value);
      resolve(new Response(sending.response, { status: sending.status, headers: known }));
    });
    signal?.addEventListener("abort", () => sending.abort(), { once: true });
    if (signal?.aborted) fail("AbortError")();
    else sending.send(body);
  });
}

// steering: { lock } of the groups that stay as they are, or {}.
export const question = (user, image, { attribute = "", steering = {} } = {}) =>
  request("POST", "/v1/questions", { json: { user_id: user, image_id: image, ...(attribute ? { attribute } : {}), ...steering } });
export const choose = (choice) => request("POST", "/v1/choices", { json: choice });
export const undo = (questionId) => request("DELETE", `/v1/choices/${enc(questionId)}`);
const by = (attribute) => (attribute ? `?attribute=${enc(attribute)}` : "");
export const person = (user, attribute = "") => request("GET", `/v1/users/${enc(user)}${by(attribute)}`);
export const taste = (user, attribute = "") => request("GET", `/v1/users/${enc(user)}/taste${by(attribute)}`);
export const bringTaste = (user, json) => request("PUT", `/v1/users/${enc(user)}/taste`, { json });
export const forget = (user) => request("DELETE", `/v1/users/${enc(user)}`);

export function recommend(user, image, count, { attribute = "", steering = {}, ...more } = {}) {
  const by_ = attribute ? { attribute } : {};
  return request("POST", "/v1/recommendations", { json: { user_id: user, image_id: image, count, ...by_, ...steering, ...more } });
}

// Any edits of an image, each scored and in words.
export const scores = (user, image, edits, attribute = "") =>
  request("POST", "/v1/scores", { json: { user_id: user, image_id: image, edits, ...(attribute ? { attribute } : {}) } });

let known = null;
export function directions() {
  known ??= request("GET", "/v1/directions").then(
    (found) => found,
    (error) => {
      known = null;
      throw error;
    },
  );
  return known;
}

export const imagePath = (image) => `/v1/images/${enc(image)}`;

// The path of the same picture where fewer pixels will do.
export const small = (path) => `${path}?size=256`;

// An edit as the server reads it: direction=alpha with commas between.
export const editText = (edit) => Object.keys(edit).filter((name) => edit[name] !== 0).sort().map((name) => `${name}=${edit[name]}`).join(",");

export function editOf(text) {
  const parts = text.split(",").map((part) => part.split("="));
  return Object.fromEntries(parts.filter(([name, alpha]) => name && Number.isFinite(Number(alpha)) && alpha?.trim()).map(([name, alpha]) => [name, Number(alpha)]));
}

export function editPath(image, edit) {
  const text = editText(edit);
  return text ? `${imagePath(image)}/edits/${enc(text)}` : imagePath(image);
}
