// Pictures: fetched once with the key, kept as addresses that an <img> can show at once.

import { request, small } from "./api.js";

const MOST = 240;
const LARGE = 512; // pixels
const kept = new Map(); // name -> promise of an address

export const picture = (path) => keep(path, async () => load(await enlarged(await asFile(path, "image/webp"))));

// The same for a small place.
export const thumbnail = (path) => keep(small(path), async () => load(await asFile(small(path), "image/webp")));

export const asFile = (path, accept = "image/png") => request("GET", path, { accept });

function keep(name, make) {
  let found = kept.get(name);
  if (!found) {
    found = make();
    found.catch(() => kept.delete(name));
    if (kept.size >= MOST) drop(kept.keys().next().value);
  } else {
    kept.delete(name); // the last used goes to the end
  }
  kept.set(name, found);
  return found;
}

async function load(blob) {
  const address = URL.createObjectURL(blob);
  const image = new Image();
  image.src = address;
  await image.decode().catch(() => undefined);
  return address;
}

// The picture with soft edges at the size at which it is shown; as it came, where it is large enough or the browser can't.
async function enlarged(blob) {
  try {
    const found = await createImageBitmap(blob);
    if (found.width >= LARGE) return blob;
    const size = { resizeWidth: LARGE, resizeHeight: Math.round((LARGE * found.height) / found.width), resizeQuality: "high" };
    const large = await createImageBitmap(found, size);
    const canvas = Object.assign(document.createElement("canvas"), { width: large.width, height: large.height });
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(large);
    return (await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95))) ?? blob;
  } catch {
    return blob;
  }
}

function drop(name) {
  kept.get(name).then(URL.revokeObjectURL, () => undefined);
  kept.delete(name);
}

export function forgetPictures() {
  for (const name of [...kept.keys()]) drop(name);
}
