// What a person lets change, and by what they judge, kept in this browser for each name.

import { name } from "./person.js";

const KEPT = "beholder.steering";

let listener = () => undefined;

export function onSteering(call) {
  listener = call;
}

const all = () => JSON.parse(localStorage.getItem(KEPT) ?? "{}");
const mine = () => all()[name()] ?? {};

function keep(change) {
  localStorage.setItem(KEPT, JSON.stringify({ ...all(), [name()]: { ...mine(), ...change } }));
}

export function forgetSteering(who) {
  const { [who]: _, ...others } = all();
  localStorage.setItem(KEPT, JSON.stringify(others));
}

// By what is judged; empty for what one simply likes more.
export const attribute = () => mine().attribute ?? "";
export const attributes = () => [...new Set(["trustworthy", "professional", "friendly", ...(mine().attributes ?? [])])];

export function judgeBy(to) {
  keep({ attribute: to, attributes: [...new Set([...(mine().attributes ?? []), ...(to ? [to] : [])])] });
}

// Of GET /v1/directions: the groups that stay as they are, in what questions and recommendations take; {} where it is the usual.
export function steering() {
  const { locked } = mine();
  return locked ? { lock: locked } : {};
}

export const diversity = () => mine().diversity ?? 3;
export const setDiversity = (to) => keep({ diversity: to });

// Draws groups as boxes to tick. list: all of the service, so that those of images which are not on show stay as they are; shown: those
// of the image on show.
export function groups(list, place, shown = list) {
  const locked = new Set(mine().locked ?? list.filter((each) => each.locked).map((each) => each.name));
  const boxes = shown.map((group) => {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: !locked.has(group.name) });
    box.addEventListener("change", () => {
      if (box.checked) locked.delete(group.name);
      else locked.add(group.name);
      keep({ locked: [...locked] });
      listener();
    });
    label.append(box, group.title);
    return label;
  });
  place.replaceChildren(place.querySelector("legend"), ...boxes);
}
