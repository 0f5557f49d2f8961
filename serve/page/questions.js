// Questions about one image, or a set of photos in turn, for one person: the one on show, the next one with its pictures already here, and
// some to spare for as long as the server is away.

import * as api from "./api.js";
import { isAway, patient } from "./link.js";
import * as outbox from "./outbox.js";
import { picture } from "./pictures.js";
import { imagesOf } from "./sets.js";
import { attribute, steering } from "./steering.js";

const OPEN = "beholder.open";
const AHEAD = 2; // the one on show and one more, so that none is older than one choice
const SPARE = 3; // older ones, for want of better while the server is away

export class Questions {
  constructor(user, image, changed) {
    Object.assign(this, { user, image, changed, by: attribute(), steering: steering() });
    this.stop = new AbortController();
    this.images = imagesOf(image);
    this.first = 0; // the turn of the images that the first question here is about
    this.ready = []; // questions whose pictures are here
    this.spare = [];
    this.chosen = 0; // choices made here
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
    const mine = kept.key === this.key ? kept : { rounds: 0, questions: [], spare: [] };
    [this.first, this.rounds, this.spare] = [mine.rounds, mine.rounds, (mine.spare ?? []).filter((each) => !answered.has(each.question_id))];
    for (const question of mine.questions) if (!answered.has(question.question_id)) await this.show(question);
    await this.fill();
  }

  close() {
    this.stop.abort();
  }

  // Gets a question's pictures; false where the room was left meanwhile.
  async fetch(question) {
    await patient(() => Promise.all([picture(question.left.picture), picture(question.right.picture)]), this.stop.signal);
    return !this.stop.signal.aborted;
  }

  async show(question) {
    if (!(await this.fetch(question))) return;
    this.after = question.recommended_after;
    this.ready.push(question);
    this.keep();
    this.changed();
  }

  fill() {
    this.filling ??= this.more().finally(() => (this.filling = null));
    return this.filling;
  }

  // A choice that is made while one to spare is on its way needs a question first, so both are seen to again.
  async more() {
    do {
      await this.fillReady();
      await this.fillSpare();
    } while (this.ready.length < AHEAD && !this.stop.signal.aborted);
  }

  async fillReady() {
    while (this.ready.length < AHEAD && !this.stop.signal.aborted) {
      await outbox.send(); // so that the question is chosen from all that was answered
      if (this.stop.signal.aborted) return;
      const before = this.counts;
      const question = await patient(() => this.ask(), this.stop.signal);
      if (this.counts === before) this.rounds = question.rounds; // nothing newer came while it was on its way
      if (!this.stop.signal.aborted) await this.show(question);
    }
  }

  async fillSpare() {
    while (this.chosen && this.spare.length < SPARE && this.ready.length >= AHEAD && !this.stop.signal.aborted) {
      const question = await patient(() => this.ask(this.ready.length + this.spare.length), this.stop.signal);
      if ([...this.ready, ...this.spare].some((each) => each.question_id === question.question_id)) return; // enough are open there
      if (!(await this.fetch(question))) return;
      this.spare.push(question);
      this.keep();
    }
  }

  // A question after so many others that are here, about each of the photos in turn: one more was chosen or is here, one photo on.
  ask(others = this.ready.length) {
    const image = this.images[(this.first + this.chosen + others) % this.images.length];
    return api.question(this.user, image, { attribute: this.by, steering: this.steering });
  }

  take() {
    const question = this.ready.shift();
    this.chosen += 1;
    this.useSpare();
    this.keep();
    return question;
  }

  // Puts one that was to spare on show where there is no other, and the server can't send one.
  useSpare() {
    if (!this.ready.length && this.spare.length && isAway()) this.ready.push(this.spare.shift());
  }

  putBack(question) {
    this.ready.unshift(question);
    this.chosen = Math.max(0, this.chosen - 1);
    this.keep();
  }

  count(rounds) {
    this.rounds = rounds;
    this.counts += 1;
    this.keep();
  }

  drop(questionId) {
    for (const list of ["ready", "spare"]) this[list] = this[list].filter((question) => question.question_id !== questionId);
    this.keep();
  }

  keep() {
    localStorage.setItem(OPEN, JSON.stringify({ key: this.key, rounds: this.rounds, questions: this.ready, spare: this.spare }));
  }
}

export const forgetOpen = () => localStorage.removeItem(OPEN);
