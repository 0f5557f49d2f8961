// Pictures: fetched once with the key, kept as addresses that an <img> can show at once.

import { request } from "./api.js";

const MOST = 240;
const LARGE = 640; // pixels
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
  const blob = await request("GET", path, { accept: "image/png" }); // lossless: it is shown several times its size
  const address = URL.createObjectURL(await enlarged(blob));
  const image = new Image();
  image.src = address;
  await image.decode().catch(() => undefined);
  return address;
}

// The picture with soft edges at the size at which it is shown; as it came, where it is large enough or the browser can't.
async function enlarged(blob) {
  try {
    const small = await createImageBitmap(blob);
    if (small.width >= LARGE) return blob;
    const size = { resizeWidth: LARGE, resizeHeight: Math.round((LARGE * small.height) / small.width), resizeQuality: "high" };
    const large = await createImageBitmap(small, size);
    const canvas = Object.assign(document.createElement("canvas"), { width: large.width, height: large.height });
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(large);
    return (await new Promise((resolve) => canvas.toBlob(resolve, "image/webp", 0.95))) ?? blob;
  } catch {
    return blob;
  }
}

function drop(path) {
  kept.get(path).then(URL.revokeObjectURL, () => undefined);
  kept.delete(path);
}

export function forgetPictures() {
  for (const path of [...kept.keys()]) drop(path);
}

export const asFile = (path) => request("GET", path, { accept: "image/png" });
