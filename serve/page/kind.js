// What the service edits: faces that a generator draws, or any photos, under looks or drawn; and what a picture is called then.

const MOST = { looks: 30, diffusion: 3 }; // photos that are asked about together; drawing one takes long
let looks = false;
let many = 1;

// generator: of GET /v1/directions
export function learn(generator) {
  looks = Object.hasOwn(MOST, generator);
  many = looks ? MOST[generator] : 1;
  document.body.classList.toggle("looks", looks);
  for (const link of document.querySelectorAll(".another")) link.textContent = `Choose another ${noun()}`;
}

export const isLooks = () => looks;
export const noun = () => (looks ? "photo" : "portrait");
export const most = () => many;
