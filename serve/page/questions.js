// Questions about one image for one person: the one on show, and the next one with its pictures already here.

import * as api from "./api.js";
import { patient } from "./link.js";
import * as outbox from "./outbox.js";
import { picture } from "./pictures.js";
import { attribute, steering } from "./steering.js";

const OPEN = "beholder.open";
const AHEAD = 2; // the one on show and one more, so that none is older than one choice

export class Questions {
  constructor(user, image, changed) {
    Object.assign(this, { user, image, changed, by: attribute(), steering: steering() });
    this.stop = new AbortController();
    this.ready = []; // questions whose pictures are here
    this.rounds = 0; // choices that the server has
    this.counts = 0; // how often it said so since
    this.after = null;
    this.filling = null;
  }

  get key() {
    return JSON.stringify([this.user, this.image, this.by, this.steering]);
  }

  get now() {
    return this.ready[0] ?? null;
  }

  // Brings back what was on show before the page was left, then asks for more. Raises what the server refuses.
  async start() {
    const kept = JSON.parse(localStorage.getItem(OPEN) ?? "{}");
    const answered = new Set(outbox.pending().map((item) => item.question_id));
    if (kept.key === this.key) this.rounds = kept.rounds;
    for (const question of kept.key === this.key ? kept.questions : []) {
      if (!answered.has(question.question_id)) await this.show(question);
    }
    await this.fill();
  }

  close() {
    this.stop.abort();
  }

  async show(question) {
    await patient(() => Promise.all([picture(question.left.picture), picture(question.right.picture)]), this.stop.signal);
    if (this.stop.signal.aborted) return;
    this.after = question.recommended_after;
    this.ready.push(question);
    this.keep();
    this.changed();
  }

  fill() {
    this.filling ??= this.more().finally(() => (this.filling = null));
    return this.filling;
  }

  async more() {
    while (this.ready.length < AHEAD && !this.stop.signal.aborted) {
      await outbox.send(); // so that the question is chosen from all that was answered
      if (this.stop.signal.aborted) return;
      const before = this.counts;
      const question = await patient(() => api.question(this.user, this.image, { attribute: this.by, steering: this.steering }), this.stop.signal);
      if (this.counts === before) this.rounds = question.rounds; // nothing newer came while it was on its way
      if (!this.stop.signal.aborted) await this.show(question);
    }
  }

  take() {
    const question = this.ready.shift();
    this.keep();
    return question;
  }

  putBack(question) {
    this.ready.unshift(question);
    this.keep();
  }

  count(rounds) {
    this.rounds = rounds;
    this.counts += 1;
    this.keep();
  }

  drop(questionId) {
    this.ready = this.ready.filter((question) => question.question_id !== questionId);
    this.keep();
  }

  keep() {
    localStorage.setItem(OPEN, JSON.stringify({ key: this.key, rounds: this.rounds, questions: this.ready }));
  }
}

export const forgetOpen = () => localStorage.removeItem(OPEN);
