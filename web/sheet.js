// Before and after as one picture.

import { encode } from "./reduce.js";

const MAX_SIDE_PX = 3840;
const GAP = 0.012; // of the longer side of one
const LYING = 1.15; // wider than this, they lie above each other

/** A JPEG of photo and picture: side by side, or above each other where they are wide. */
export async function both(job) {
  const { result, preview } = job;
  const images = await Promise.all([decoded((result.before ?? preview).blob), decoded(result.blob)]);
  const { width, height } = images[1];
  const lies = width / height > LYING;
  const gap = Math.round(GAP * Math.max(width, height));
  const whole = lies ? [width, 2 * height + gap] : [2 * width + gap, height];
  const scale = Math.min(1, MAX_SIDE_PX / Math.max(...whole));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(whole[0] * scale);
  canvas.height = Math.round(whole[1] * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(scale, scale);
  for (const [index, image] of images.entries()) {
    const x = lies ? 0 : index * (width + gap);
    const y = lies ? index * (height + gap) : 0;
    context.drawImage(image, x, y, width, height);
    image.close();
  }
  return encode(canvas, "image/jpeg");
}

/** A picture of any kind as a PNG. */
export async function asPng(blob) {
  if (blob.type === "image/png") return blob;
  const image = await decoded(blob);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  image.close();
  return encode(canvas, "image/png");
}

const decoded = (blob) => createImageBitmap(blob);
