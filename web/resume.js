// When the connection, or the server, is back: what failed for want of it goes on by itself.

import { answers } from "./client.js";

export const MAX_RESUMED = 8; // times that one thing goes on by itself, if it fails each time
const MIN_WAIT_MS = 2_000;
const MAX_WAIT_MS = 30_000;

/**
 * isLost(): whether something waits for the connection; resume(): has it go on.
 * Returns what is to be called whenever something may have failed.
 */
export function resumeWhenBack({ isLost, resume }) {
  let timer;
  let wait_ms = MIN_WAIT_MS;
  const look = async () => {
    timer = undefined;
    if (!isLost()) return;
    if (await answers()) {
      wait_ms = MIN_WAIT_MS;
      resume();
    } else {
      wait_ms = Math.min(wait_ms * 1.5, MAX_WAIT_MS);
      timer = setTimeout(look, wait_ms);
    }
  };
  addEventListener("online", () => {
    clearTimeout(timer);
    look();
  });
  return () => {
    if (isLost()) timer ??= setTimeout(look, wait_ms);
  };
}
