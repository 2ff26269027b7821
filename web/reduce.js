// What travels of a photo, and what is shown of it: no more pixels than the drawing needs.

export const SENT_PX = 1920; // the longer side of what is sent, unless a larger picture is asked for
const QUALITY = 0.92;
const MAY_BE_TRANSPARENT = /png|webp|avif/;

let turn = Promise.resolve();

/**
 * One photo after the other: each takes four bytes of memory for a pixel while it is open.
 * Resolves to {blob, width, height, is_reduced}: a Blob with a longer side of at most side_px, turned
 * by its EXIF orientation and in sRGB, and the photo's own size as it is seen; the file itself where
 * it is that small. Resolves to null for what this browser cannot decode: HEIC and TIFF in most.
 */
export function reduced(file, side_px) {
  const result = turn.then(() => reduce(file, side_px));
  turn = result.catch(() => undefined);
  return result;
}

async function reduce(file, side_px) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return null;
  }
  const { width, height } = bitmap;
  const scale = side_px / Math.max(width, height);
  try {
    const blob = scale < 1 ? await smaller(bitmap, scale, file.type) : file;
    return { blob, width, height, is_reduced: blob !== file };
  } catch {
    return { blob: file, width, height, is_reduced: false }; // too large for a canvas: as it is
  } finally {
    bitmap.close();
  }
}

async function smaller(bitmap, scale, type) {
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const fitted = await createImageBitmap(bitmap, {
    resizeWidth: width,
    resizeHeight: height,
    resizeQuality: "high",
  });
  context.drawImage(fitted, 0, 0, width, height);
  fitted.close();
  const kind = MAY_BE_TRANSPARENT.test(type) && isTransparent(context) ? "image/png" : "image/jpeg";
  return encode(canvas, kind);
}

function isTransparent(context) {
  const { data } = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
  for (let at = 3; at < data.length; at += 4) if (data[at] < 255) return true;
  return false;
}

/** A canvas as a Blob. Rejects where the browser has no memory for it. */
export const encode = (canvas, type) =>
  new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new RangeError("the canvas is too large"))),
      type,
      QUALITY,
    ),
  );
