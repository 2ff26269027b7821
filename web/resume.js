// When the connection, or the server, is back: what failed for want of it goes on by itself.

import { answers } from "./client.js";
import { isLost } from "./queue.js";

const MIN_WAIT_MS = 2_000;
const MAX_WAIT_MS = 30_000;

export function resumeWhenBack(queue) {
  let timer;
  let wait_ms = MIN_WAIT_MS;
  const look = async () => {
    timer = undefined;
    if (!queue.jobs.some(isLost)) return;
    if (await answers()) {
      wait_ms = MIN_WAIT_MS;
      queue.resume();
    } else {
      wait_ms = Math.min(wait_ms * 1.5, MAX_WAIT_MS);
      timer = setTimeout(look, wait_ms);
    }
  };
  addEventListener("online", () => {
    clearTimeout(timer);
    look();
  });
  queue.addEventListener("change", ({ detail: job }) => {
    if (isLost(job)) timer ??= setTimeout(look, wait_ms);
  });
}
