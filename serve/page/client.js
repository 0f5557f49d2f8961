// The API from JavaScript, in a browser, Node 20 or Deno: copy this file, or import it from a service.
//
//   import { Beholder } from "./client.js";
//   const beholder = new Beholder(ADDRESS, { key: "..." });
//   const { image_id } = await beholder.addPhoto("ana", file);
//   const question = await beholder.ask("ana", image_id);
//   await beholder.answer(question.question_id, "left");
//   const { recommendations } = await beholder.recommend("ana", image_id);
//
// ADDRESS: of the service; "" on its own pages. Pages of another origin need limits.origins=[THEIR ORIGIN] at `beholder serve`. /docs has every field.

const AGAIN = new Set([408, 429, 502, 503, 504]);
const part = encodeURIComponent;

export class ApiProblem extends Error {
  // of problem+json (RFC 9457): status, type, title, detail; retryAfter: seconds, where the service named some
  constructor(problem, retryAfter) {
    super(problem.detail || problem.title);
    Object.assign(this, problem, { retryAfter });
  }
}

export class Beholder {
  constructor(url = "", { key = "", deadline = 60, longestWait = 30 } = {}) {
    Object.assign(this, { url: url.replace(/\/$/, ""), key, deadline, longestWait });
  }

  // Everything may be sent again without harm: an answer carries its event id. Waits as Retry-After says, within the deadline.
  async request(method, path, { json, form, accept = "application/json" } = {}) {
    const until = Date.now() + 1000 * this.deadline;
    const headers = { Accept: accept, ...(this.key && { Authorization: `Bearer ${this.key}` }), ...(json && { "Content-Type": "application/json" }) };
    for (let wait = 0.5; ; wait *= 2) {
      let problem = { status: 0, title: "no answer", detail: `${this.url || "the service"} does not answer` };
      let named = null;
      try {
        const signal = AbortSignal.timeout(Math.max(1, until - Date.now()));
        const response = await fetch(this.url + path, { method, headers, body: form ?? (json && JSON.stringify(json)), signal });
        if (response.ok) return accept === "application/json" ? await response.json() : await response.blob();
        problem = await response.json().catch(() => ({ status: response.status, title: response.statusText }));
        named = response.headers.get("Retry-After");
      } catch (error) {
        if (error instanceof SyntaxError) throw error;
      }
      const seconds = named === null ? wait : Number(named);
      const late = seconds > this.longestWait || Date.now() + 1000 * seconds >= until;
      if ((problem.status && !AGAIN.has(problem.status)) || late) throw new ApiProblem(problem, named === null ? null : seconds);
      await new Promise((resume) => setTimeout(resume, 1000 * seconds));
    }
  }

  addPhoto(user_id, file, { aligned = false } = {}) {
    const form = new FormData();
    form.append("user_id", user_id);
    form.append("aligned", String(aligned));
    form.append("file", file, file.name || "photo");
    return this.request("POST", "/v1/images", { form });
  }

  addSeed(seed) {
    return this.request("POST", "/v1/images", { json: { seed } });
  }

  // path: the `picture` of any answer. Resolves to a Blob.
  picture(path, size) {
    return this.request("GET", size ? `${path}?size=${size}` : path, { accept: "image/webp" });
  }

  directions() {
    return this.request("GET", "/v1/directions");
  }

  ask(user_id, image_id, options = {}) {
    return this.request("POST", "/v1/questions", { json: { user_id, image_id, ...options } });
  }

  answer(question_id, choice, { event_id = crypto.randomUUID(), ...options } = {}) {
    return this.request("POST", "/v1/choices", { json: { event_id, question_id, choice, ...options } });
  }

  retract(question_id) {
    return this.request("DELETE", `/v1/choices/${part(question_id)}`);
  }

  recommend(user_id, image_id, options = {}) {
    return this.request("POST", "/v1/recommendations", { json: { user_id, image_id, ...options } });
  }

  score(user_id, image_id, edits) {
    return this.request("POST", "/v1/scores", { json: { user_id, image_id, edits } });
  }

  person(user_id) {
    return this.request("GET", `/v1/users/${part(user_id)}`);
  }

  erase(user_id) {
    return this.request("DELETE", `/v1/users/${part(user_id)}`);
  }
}
