// What can be taken along of a version: its file, a card of before and after, a link that brings it back.

import { editPath, imagePath } from "./api.js";
import { noun } from "./kind.js";
import { asFile } from "./pictures.js";
import { sentence } from "./words.js";

const SIDE = 480;
const EDGE = 40;
const GAP = 24;
const LINE = 34;

export function save(blob, file) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// "portrait, a hat, longer hair.png": what it shows, and nothing that only a machine reads.
export const fileName = (words, kind) => `${`${kind}, ${words}`.replace(/[^\p{L}\p{N} ,]/gu, "").slice(0, 100)}.png`;

export const download = async (image, edit, words) => save(await asFile(editPath(image, edit)), fileName(words, noun()));

// Hands a file to who shares it on this device, or saves it. Resolves to what was done with it.
async function handOver(blob, file) {
  const shared = new File([blob], file, { type: blob.type });
  if (matchMedia("(pointer: coarse)").matches && navigator.canShare?.({ files: [shared] })) {
    try {
      await navigator.share({ files: [shared] });
      return "Shared.";
    } catch (error) {
      if (error.name === "AbortError") return "";
    }
  }
  save(blob, file);
  return "Saved.";
}

export async function card(image, edit, words) {
  const [before, after] = await Promise.all([imagePath(image), editPath(image, edit)].map(async (path) => createImageBitmap(await asFile(path))));
  const canvas = Object.assign(document.createElement("canvas"), { width: 2 * SIDE + GAP + 2 * EDGE, height: SIDE + 2 * EDGE + 3 * LINE });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#f4f4f2";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  fitted(pen, before, EDGE);
  fitted(pen, after, EDGE + SIDE + GAP);
  const family = getComputedStyle(document.body).fontFamily;
  pen.font = `600 24px ${family}`;
  pen.fillStyle = "#1c1d1f";
  pen.fillText("As it is", EDGE, EDGE + SIDE + LINE);
  wrapped(pen, sentence(words), SIDE).slice(0, 3).forEach((line, row) => pen.fillText(line, EDGE + SIDE + GAP, EDGE + SIDE + LINE * (row + 1)));
  pen.font = `400 18px ${family}`;
  pen.fillStyle = "#5a5d62";
  pen.fillText("Beholder", EDGE, EDGE + SIDE + LINE * 2);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return handOver(blob, fileName(words, "before and after"));
}

// Draws a picture whole into a square place of the card, whatever its shape.
function fitted(pen, picture, left) {
  const scale = SIDE / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  pen.drawImage(picture, left + (SIDE - width) / 2, EDGE + (SIDE - height) / 2, width, height);
}

function wrapped(pen, text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width <= width || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export async function copyLink(hash) {
  const link = new URL(hash, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    return "The link is copied: it opens this version.";
  } catch {
    return "The address of this page opens this version: copy it from above.";
  }
}
