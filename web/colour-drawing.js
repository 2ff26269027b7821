// A drawing as this page has it: what is shown of its file, and what of it travels.

import { reduced, SENT_PX } from "./reduce.js";

const MAX_DIRECT_BYTES = 4_000_000; // what a call takes in the cloud, with room for the rest
const MAX_SAVED_PX = 4096; // longer side of what is coloured, as the option's default

/**
 * Adds to {id, file, added} its name, sent, which travels, and where the browser can show the file,
 * width and height as they are seen, url, and before as files.js takes it.
 */
export async function opened({ id, file, added }) {
  const fitted = await reduced(file, SENT_PX);
  const name = file.name || "drawing";
  if (!fitted) return { id, name, file, added, sent: file };
  const { blob, width, height } = fitted;
  const url = URL.createObjectURL(blob);
  return { id, name, file, added, sent: blob, url, width, height, before: { blob, url, width, height } };
}

/** The file itself, or as much of it as one call takes. */
export async function whole({ file, sent }) {
  if (file.size <= MAX_DIRECT_BYTES) return file;
  const large = (await reduced(file, MAX_SAVED_PX))?.blob;
  return large?.size <= MAX_DIRECT_BYTES ? large : sent;
}
