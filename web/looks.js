// Every look on one's own photo: small drawings of a photo that was sent, one for each style.

import { outcome, redraw } from "./client.js";

const SIDE_PX = 320; // enough for a card on a fine screen
const AT_ONCE = 2; // the picture itself is drawn meanwhile

/**
 * Draws what is missing in job.looks, and calls onlook(style) for each that comes. complete(options):
 * every option with its value. Ends early, and without a word, when the signal says so or the
 * server does not want to: the cards show a sample then.
 */
export async function drawLooks(job, styles, { complete, onlook, signal }) {
  const missing = styles.filter((style) => !job.looks[style]);
  const next = async () => {
    for (let style; (style = missing.shift()); ) {
      // of what moves, a still of its best frame
      const format = job.moves ? "jpeg" : "webp";
      const options = complete({ style, max_side_px: SIDE_PX, format, quality: 80 });
      const result_url = await redraw(job.upload.id, options, signal);
      const { blob, sidecar } = await outcome(result_url, { onprogress: () => {}, signal });
      const ratio = sidecar.output.width_px / sidecar.output.height_px;
      job.looks[style] = { blob, url: URL.createObjectURL(blob), at: faceAt(sidecar), ratio };
      onlook(style);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  } catch (error) {
    if (error.name !== "AbortError") console.info("no small drawings:", error.message);
  }
}

/** Where the largest face is, in percent of the picture: what a card must not cut off. */
function faceAt({ faces, output }) {
  const size = ({ box: [left, top, right, bottom] }) => (right - left) * (bottom - top);
  const [largest] = [...faces].sort((one, other) => size(other) - size(one));
  if (!largest) return { x: 50, y: 50 };
  const [left, top, right, bottom] = largest.box;
  const percent = (from, to, side) => Math.min(100, Math.max(0, (50 * (from + to)) / side));
  return { x: percent(left, right, output.width_px), y: percent(top, bottom, output.height_px) };
}
