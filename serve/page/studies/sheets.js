// What a participant reads and fills in: which sheet is open, words, consent, questionnaires, the end.

export const by = (id) => document.getElementById(id);

let words = {};

export const word = (key, values = {}) => (words[key] ?? "").replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

export function speak(study) {
  words = study.words;
  document.documentElement.lang = study.lang;
  document.title = study.title;
  by("title").textContent = study.title;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
}

let opened = null;

export function open(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  if (opened !== null && opened !== id) {
    scrollTo(0, 0);
    document.querySelector(`#${id} h1`).focus({ preventScroll: true });
  }
  opened = id;
}

export const isOpen = (id) => opened === id;

export function message(title, more = "") {
  by("message-title").textContent = title;
  by("message-more").textContent = more;
  open("message");
}

export function say(text) {
  by("spoken").textContent = text;
}

export function showConsent(study) {
  by("consent-title").textContent = study.title;
  by("language").hidden = Object.keys(study.languages).length < 2;
  by("lang").replaceChildren(...Object.entries(study.languages).map(([code, name]) => new Option(name, code, false, code === study.lang)));
  by("consent-text").replaceChildren(...paragraphs(study.consent));
  open("consent");
}

// Introduces a block of trials, whose question is new; `begun` is called when the participant has read that.
export function showPart(part, begun) {
  by("part-title").textContent = part.title;
  by("part-text").replaceChildren(...paragraphs(part.instructions));
  by("begin").onclick = begun;
  open("part");
}

const paragraphs = (text) => text.split(/\n\s*\n/).filter(Boolean).map((part) => Object.assign(document.createElement("p"), { textContent: part }));

// Shows a questionnaire; `sent` is given its answers once they are complete.
export function showForm(part, fields, sent) {
  by("form-title").textContent = word(part);
  const form = by("fields");
  const parts = fields.map((field) => (field.kind === "choice" ? choice(field) : line(field)));
  const next = Object.assign(document.createElement("button"), { type: "submit", className: "button main", textContent: word("next") });
  const actions = Object.assign(document.createElement("div"), { className: "actions" });
  actions.append(next);
  form.replaceChildren(...parts, actions);
  form.onsubmit = (event) => {
    event.preventDefault();
    const answers = {};
    let first = null;
    fields.forEach((field, at) => {
      const value = String(new FormData(form).get(field.id) ?? "").trim();
      if (value) answers[field.id] = value;
      const wrong = problem(field, value);
      mark(parts[at], field, wrong);
      if (wrong) first ??= parts[at].querySelector("input, textarea");
    });
    if (first) first.focus();
    else sent(answers, next);
  };
  open("form");
}

function problem(field, value) {
  if (!value) return field.required ? word("required") : "";
  if (field.kind !== "number") return "";
  const number = Number(value.replace(",", "."));
  const inside = Number.isFinite(number) && number >= (field.low ?? -Infinity) && number <= (field.high ?? Infinity);
  return inside ? "" : word("number_between", { low: field.low ?? "…", high: field.high ?? "…" });
}

function mark(part, field, wrong) {
  part.querySelector(".wrong")?.remove();
  const inputs = part.querySelectorAll("input, textarea");
  for (const input of inputs) {
    input.toggleAttribute("aria-invalid", Boolean(wrong));
    if (wrong) input.setAttribute("aria-describedby", `wrong-${field.id}`);
    else input.removeAttribute("aria-describedby");
  }
  if (wrong) part.append(Object.assign(document.createElement("p"), { className: "wrong", id: `wrong-${field.id}`, textContent: wrong }));
}

function line(field) {
  const part = Object.assign(document.createElement("div"), { className: "field" });
  const id = `field-${field.id}`;
  const label = Object.assign(document.createElement("label"), { htmlFor: id, textContent: field.text });
  const long = field.kind === "text" && field.text.length > 60;
  const input = document.createElement(long ? "textarea" : "input");
  Object.assign(input, { id, name: field.id, required: field.required, autocomplete: "off" });
  if (!long) input.type = "text";
  if (field.kind === "number") input.inputMode = "decimal";
  input.maxLength = field.kind === "number" ? 20 : 2000;
  if (field.kind === "number") input.size = 8;
  part.append(label, input);
  return part;
}

function choice(field) {
  const part = Object.assign(document.createElement("fieldset"), { className: "field" });
  part.append(Object.assign(document.createElement("legend"), { textContent: field.text }));
  field.options.forEach((text, at) => {
    const label = Object.assign(document.createElement("label"), { className: "option" });
    const input = Object.assign(document.createElement("input"), { type: "radio", name: field.id, value: String(at), required: field.required });
    label.append(input, text);
    part.append(label);
  });
  return part;
}

export function showEnd(study, session) {
  by("done-title").textContent = study.thanks;
  by("code").hidden = !session.code;
  by("code-text").textContent = session.code;
  by("back").hidden = !session.redirect;
  if (session.redirect) by("back").href = session.redirect;
  open("done");
}

by("copy").addEventListener("click", async () => {
  const done = await navigator.clipboard?.writeText(by("code-text").textContent).then(() => true, () => false);
  if (done) say((by("copy").textContent = word("copied")));
  else getSelection().selectAllChildren(by("code-text"));
});
