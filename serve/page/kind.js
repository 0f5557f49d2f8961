// What the service edits: faces that a generator draws, or looks of any photos; and what a picture is called then.

let looks = false;

// generator: of GET /v1/directions
export function learn(generator) {
  looks = generator === "looks";
  document.body.classList.toggle("looks", looks);
  for (const link of document.querySelectorAll(".another")) link.textContent = `Choose another ${noun()}`;
}

export const isLooks = () => looks;
export const noun = () => (looks ? "photo" : "portrait");
export const MOST = 30; // photos that are asked about together
export const most = () => (looks ? MOST : 1);
