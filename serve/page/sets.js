// Sets: photos that are asked about together, by an id of this browser's own. An id of a single image stands for itself.

import { randomId } from "./person.js";

const SETS = "beholder.sets";
const KEPT = 20;

const all = () => JSON.parse(localStorage.getItem(SETS) ?? "[]");

// Keeps a set and returns its id; that of the image where it is one.
export function keepSet(images) {
  if (images.length === 1) return images[0];
  const id = `set-${randomId()}`;
  localStorage.setItem(SETS, JSON.stringify([{ id, images }, ...all()].slice(0, KEPT)));
  return id;
}

export function imagesOf(id) {
  if (!id.startsWith("set-")) return [id];
  return all().find((each) => each.id === id)?.images ?? [];
}

export const forgetSets = () => localStorage.removeItem(SETS);
