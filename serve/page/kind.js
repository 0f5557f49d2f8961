// What the service edits: faces that a generator draws, or any photos, under looks or drawn, or both; and what a picture is called then.

const MOST = { looks: 30, diffusion: 3 }; // photos that are asked about together; drawing one takes long
let paired = false; // images of seeds are a generator's, photos are under looks
let alone = ""; // the editor of all images
let image = ""; // the one that the page is about

// found: of GET /v1/directions
export function learn(found) {
  paired = found.directions.some((each) => each.source);
  alone = found.generator;
  show();
}

// The page is about an image from now on, by its id; "": about none.
export function about(id) {
  image = id;
  show();
}

function show() {
  document.body.classList.toggle("looks", isLooks());
  const another = paired ? "picture" : noun();
  for (const link of document.querySelectorAll(".another")) link.textContent = `Choose another ${another}`;
}

export const isPaired = () => paired;
export const isLooks = () => (paired ? image.startsWith("photo-") : Object.hasOwn(MOST, alone));
export const takesPhotos = () => paired || isLooks(); // as they are, several at once: none is redrawn as a portrait
export const noun = () => (isLooks() ? "photo" : "portrait");
export const most = () => (paired ? MOST.looks : (MOST[alone] ?? 1));

// What is known of the directions and groups that move the image which the page is about.
export function own({ directions, groups }) {
  const source = isLooks() ? "photo" : "seed";
  const mine = directions.filter((each) => !each.source || each.source === source);
  return { directions: mine, groups: groups.filter((group) => mine.some((each) => each.group === group.name)) };
}
