// Pictures: fetched once with the key, kept as addresses that an <img> can show at once.

import { request } from "./api.js";

const MOST = 240;
const kept = new Map(); // path -> promise of an address

export function picture(path) {
  let found = kept.get(path);
  if (!found) {
    found = load(path);
    found.catch(() => kept.delete(path));
    if (kept.size >= MOST) drop(kept.keys().next().value);
  } else {
    kept.delete(path); // the last used goes to the end
  }
  kept.set(path, found);
  return found;
}

async function load(path) {
  const blob = await request("GET", path, { accept: "image/webp,image/png;q=0.8" });
  const address = URL.createObjectURL(blob);
  const image = new Image();
  image.src = address;
  await image.decode().catch(() => undefined);
  return address;
}

function drop(path) {
  kept.get(path).then(URL.revokeObjectURL, () => undefined);
  kept.delete(path);
}

export function forgetPictures() {
  for (const path of [...kept.keys()]) drop(path);
}

export const asFile = (path) => request("GET", path, { accept: "image/png" });
