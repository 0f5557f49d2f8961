// Edits in words, from what the directions say of their two ends.

export function byName(directions) {
  return new Map(directions.map((each) => [each.name, each]));
}

const plain = (name) => name.replaceAll("_", " ");

// One end of a direction, "smiling"; what the direction is called where nothing is said of it.
export const end = (direction, says) => says?.replace(/^who is /, "") || plain(direction);

// What moving this way does.
export function way(direction, alpha, known) {
  const says = known.get(direction);
  const words = alpha > 0 ? says?.plus : says?.minus;
  return words ? end(direction, words) : `${alpha > 0 ? "more" : "less"} ${plain(direction)}`;
}

// "smiling, wearing glasses", the strongest move first; "as it is" for the edit of nothing. exact: with its alphas.
export function phrase(edit, known, { exact = false } = {}) {
  const moves = Object.entries(edit).filter(([, alpha]) => alpha !== 0);
  if (!moves.length) return "as it is";
  return moves
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
    .map(([name, alpha]) => way(name, alpha, known) + (exact ? ` ${number(alpha)}` : ""))
    .join(", ");
}

export const number = (alpha) => `${alpha > 0 ? "+" : alpha < 0 ? "−" : ""}${Math.abs(Math.round(alpha * 100) / 100)}`;

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const count = (many, one, more = `${one}s`) => `${many} ${many === 1 ? one : more}`;

// A chance in whole numbers that people say: "8 times of 10".
export const chance = (probability) => `${Math.min(99, Math.max(1, Math.round(probability * 100)))} times of 100`;
