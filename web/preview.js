// What the browser itself can show of a photo before anything is drawn.

const SIDE_PX = 1600; // enough beside the picture; a phone's 48 megapixels would fill its memory
const SMALL_PX = 1600 * 1600;

/**
 * A Blob to show and the photo's size as it is seen, turned by its EXIF orientation; or null for
 * a file that this browser cannot decode: HEIC and TIFF in most of them.
 */
export async function preview(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return null;
  }
  const { width, height } = bitmap;
  const scale = Math.min(1, SIDE_PX / Math.max(width, height));
  const shown = width * height <= SMALL_PX ? file : await smaller(bitmap, scale);
  bitmap.close();
  return { url: URL.createObjectURL(shown), width, height };
}

function smaller(bitmap, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  // WebP keeps a photo's transparency; a browser that cannot write it gives PNG
  return new Promise((resolve) => canvas.toBlob(resolve, "image/webp", 0.9));
}
