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

// What was removed of a person, a sentence each. What was where, with its ids, is in the receipt that can be saved.
export function forgotten({ questions, answers, images, tastes = [], places = [] }) {
  const files = places.filter((place) => place.startsWith("their name: ")).length;
  return [
    questions || answers ? `${sentence(count(answers, "choice"))} that you made and ${count(questions, "question")} that you were asked are gone.` : "You had not been asked anything.",
    images ? `${count(images, "picture")} that you brought ${images === 1 ? "is" : "are"} gone.` : "You had not brought any picture.",
    tastes.length ? `Your part in ${count(tastes.length, "taste")} that ${tastes.length === 1 ? "was" : "were"} learned from many people is taken out.` : "",
    files ? `Your id is taken out of ${count(files, "record")} of what the server did.` : "",
    places.some((place) => place.startsWith("older copies")) ? "Older copies in the database’s log go when those who read it now are done." : "",
    answers ? "What people like in general was learned from everybody, from you too, and is so until it is learned anew." : "",
  ].filter(Boolean);
}

const TOO_LARGE = "This picture is too large. Bring a smaller copy of it.";
const PROBLEMS = {
  "no-face": "No face was found in this picture. Bring one in which a face is well lit and looks at you.",
  "face-too-small": "The face in this picture is too small. Bring a larger picture, or one taken from nearer.",
  "photo-not-redrawn": "This face can’t be redrawn well enough. Try a picture from the front, in even light.",
  "image-too-large": TOO_LARGE,
  heic: "This picture is in an iPhone’s own format (HEIC), which is not read here. Save it as JPEG, or set Camera, Formats, Most Compatible.",
  "image-format": "This file is no picture that can be read here. Bring a JPEG, a PNG or a WebP.",
  "unknown-image": "This picture is gone.",
  "slow-photo": "This picture took too long. Try a smaller copy of it, or again in a while.",
};

// What went wrong, in the page's own words where it has some.
export function inWords(error) {
  if (error.status === 401) return "This server asks for a key, and has none that it accepts.";
  if (error.status === 413) return TOO_LARGE;
  return PROBLEMS[error.problem] ?? sentence(error.message);
}
