// The chart of what was learned: a line for each direction between its two ends in words, a dot nearer the end that is liked.

import { chance } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const ROW = 58;
const EDGE = 8;
const LETTER = 7.3; // pixels, on average

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// How likely it is that this person likes the direction's best alpha better than the portrait as it is, 0..1: a normal's share
// above zero, by the logistic curve that is within 0.01 of it (Bowling et al. 2009).
export function sureness({ gain, uncertainty }) {
  const z = gain / Math.max(uncertainty, 1e-6);
  return 1 / (1 + Math.exp(-1.702 * z));
}

// The directions that say most, the surest first.
export function telling(directions, known, most = 6) {
  return directions
    .filter((each) => each.alpha !== 0 && each.gain > 0 && known.has(each.direction))
    .sort((a, b) => sureness(b) - sureness(a))
    .slice(0, most);
}

export function inWords(directions, known) {
  const way = (each) => (each.alpha > 0 ? known.get(each.direction)?.plus : known.get(each.direction)?.minus);
  return directions.map((each) => `${way(each)}, ${chance(sureness(each))}`).join("; ");
}

// directions: of GET /v1/users, as `telling` chose them; width: of the drawing, in CSS pixels.
export function chart(directions, known, width) {
  const svg = node("svg", { viewBox: `0 0 ${width} ${directions.length * ROW}`, role: "img", "aria-labelledby": "chart-title chart-says" });
  svg.append(node("title", { id: "chart-title" }, "What we learned"));
  svg.append(node("desc", { id: "chart-says" }, `You like it better, the surest first: ${inWords(directions, known)}.`));
  directions.forEach((each, row) => svg.append(line(each, known.get(each.direction), row * ROW, width)));
  return svg;
}

function line(each, direction, top, width) {
  const { minus, plus } = direction;
  const fit = (minus.length + plus.length + 2) * LETTER < width;
  const [y, middle, reach] = [top + 36, width / 2, width / 2 - EDGE];
  const x = middle + Math.sign(each.alpha) * (2 * sureness(each) - 1) * reach;
  const group = node("g", { "aria-hidden": "true" });
  if (fit || each.alpha < 0) group.append(node("text", { x: 0, y: top + 18, ...(each.alpha < 0 && { class: "way" }) }, minus));
  if (fit || each.alpha > 0) {
    group.append(node("text", { x: width, y: top + 18, "text-anchor": "end", ...(each.alpha > 0 && { class: "way" }) }, plus));
  }
  group.append(node("line", { class: "axis", x1: 0, x2: width, y1: y, y2: y }));
  group.append(node("line", { class: "axis", x1: middle, x2: middle, y1: y - 5, y2: y + 5 }));
  group.append(node("line", { class: "reach", x1: middle, x2: x, y1: y, y2: y }));
  group.append(node("circle", { class: "best", cx: x, cy: y, r: 7 }));
  return group;
}
