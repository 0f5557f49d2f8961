// Small words around what the server says. What edits do is said by the server alone, so that it is said in one way.

export function byName(directions) {
  return new Map(directions.map((each) => [each.name, each]));
}

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const count = (many, one, more = `${one}s`) => `${many} ${many === 1 ? one : more}`;

// A chance in whole numbers that people say: "83 times of 100".
export const chance = (probability) => `${Math.min(99, Math.max(1, Math.round(probability * 100)))} times of 100`;

const DEGREES = [[0.9, "Sure"], [0.7, "Likely"], [0.55, "A guess"]];

// How sure it is that somebody prefers a version to the original, in a sentence.
export function verdict(probability, better = "you like this better than the original") {
  const [, degree] = DEGREES.find(([least]) => Math.max(probability, 1 - probability) >= least) ?? [0, ""];
  if (!degree) return "It may be either: this or the original.";
  return `${degree}: ${probability > 0.5 ? better : "you like the original better"}.`;
}
