// The chart of what was learned: a line for each direction, its two ends in words, a dot where this person likes it best.

import { end, number, strength, way } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const ROW = 58;
const EDGE = 12;
const LETTER = 7.3; // pixels, on average

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The directions that say most, the surest first.
export function telling(directions, most = 6) {
  return directions
    .filter((each) => each.alpha !== 0 && each.gain > 0)
    .sort((a, b) => b.gain - a.gain)
    .slice(0, most);
}

// Whether what is gained is more than what is in doubt.
export const sure = (each) => each.gain > each.uncertainty;

export function inWords(directions, known) {
  return directions
    .map((each) => {
      const says = `${strength(each.direction, each.alpha, known)} ${way(each.direction, each.alpha, known)}`;
      return `${says} (${number(each.alpha)}${sure(each) ? "" : ", still a guess"})`;
    })
    .join("; ");
}

// directions: of GET /v1/users, as `telling` chose them; width: of the drawing, in CSS pixels.
export function chart(directions, known, width) {
  const svg = node("svg", { viewBox: `0 0 ${width} ${directions.length * ROW}`, role: "img", "aria-labelledby": "chart-title chart-says" });
  svg.append(node("title", { id: "chart-title" }, "What we learned"));
  svg.append(node("desc", { id: "chart-says" }, `You like best, most telling first: ${inWords(directions, known)}.`));
  directions.forEach((each, row) => svg.append(line(each, known.get(each.direction), row * ROW, width)));
  return svg;
}

function line(each, direction, top, width) {
  const { low = -3, high = 3 } = direction ?? {};
  const [minus, plus] = [end(each.direction, direction?.minus), end(each.direction, direction?.plus)];
  const at = (alpha) => EDGE + ((Math.min(high, Math.max(low, alpha)) - low) / (high - low)) * (width - 2 * EDGE);
  const y = top + 36;
  const group = node("g", { "aria-hidden": "true" });
  const fit = (minus.length + plus.length + 2) * LETTER < width;
  if (fit || each.alpha < 0) group.append(node("text", { x: 0, y: top + 18, ...(each.alpha < 0 && { class: "way" }) }, minus));
  if (fit || each.alpha > 0) {
    group.append(node("text", { x: width, y: top + 18, "text-anchor": "end", ...(each.alpha > 0 && { class: "way" }) }, plus));
  }
  group.append(node("line", { class: "axis", x1: at(low), x2: at(high), y1: y, y2: y }));
  group.append(node("line", { class: "axis", x1: at(0), x2: at(0), y1: y - 5, y2: y + 5 }));
  group.append(node("line", { class: "reach", x1: at(0), x2: at(each.alpha), y1: y, y2: y }));
  group.append(node("circle", { class: sure(each) ? "best" : "best guess", cx: at(each.alpha), cy: y, r: 6.5 }));
  return group;
}
