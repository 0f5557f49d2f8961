// The API: one request at a time, its errors told apart, the key sent along.

const KEY = "beholder.key";
const PATIENCE = 20000; // milliseconds
const PATIENCE_FOR_PHOTOS = 90000; // they are redrawn in many steps

// kind: "away" (nobody answers), "busy" (asks to wait), "key" (a key is missing or lacks the right), "refused" (no use to try again)
export class ApiError extends Error {
  constructor(kind, status, detail, wait = 0) {
    super(detail);
    Object.assign(this, { kind, status, wait });
  }

  get passes() {
    return this.kind === "away" || this.kind === "busy";
  }
}

let askForKey = null; // () => Promise of a key
let asking = null;

export function onKeyNeeded(ask) {
  askForKey = ask;
}

export async function request(method, path, { json, form, accept = "application/json", patience = PATIENCE } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { Accept: accept };
    if (key) headers.Authorization = `Bearer ${key}`;
    if (json !== undefined) headers["Content-Type"] = "application/json";
    const body = form ?? (json === undefined ? undefined : JSON.stringify(json));
    let response;
    try {
      response = await fetch(path, { method, headers, body, signal: AbortSignal.timeout(patience) });
      if (response.ok) return accept === "application/json" ? await response.json() : await response.blob();
    } catch {
      throw new ApiError("away", 0, "The server does not answer.");
    }
    const problem = await response.json().catch(() => ({}));
    const detail = problem.detail || problem.title || `The server answered with ${response.status}.`;
    if (response.status === 401 && askForKey) {
      if (sessionStorage.getItem(KEY) === key) {
        asking ??= askForKey(key).finally(() => (asking = null));
        sessionStorage.setItem(KEY, await asking);
      }
      continue;
    }
    const wait = 1000 * Number(response.headers.get("Retry-After") || 0);
    if (response.status === 401 || response.status === 403) throw new ApiError("key", response.status, detail);
    if (response.status === 429 || response.status === 503) throw new ApiError("busy", response.status, detail, wait);
    if (response.status >= 500) throw new ApiError("away", response.status, detail);
    throw new ApiError("refused", response.status, detail);
  }
}

const enc = encodeURIComponent;

export const addSeed = (user, seed) => request("POST", "/v1/images", { json: { user_id: user, seed } });

export function addPhoto(user, file) {
  const form = new FormData();
  form.append("user_id", user);
  form.append("file", file, file.name || "picture");
  return request("POST", "/v1/images", { form, patience: PATIENCE_FOR_PHOTOS });
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
