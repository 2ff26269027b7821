// What a photograph is at, in words.

import { words } from "./failures.js";
import { number, or, t } from "./text.js";

const MIN_DRAWN = 5; // frames, before the time of the others is reckoned from theirs

/** styleTitle(name): with it, a picture that is drawn says in which look. */
export function state(job, styleTitle) {
  if (job.state === "uploading") {
    return t("state.uploading", { percent: number((job.fraction ?? 0) * 100) });
  }
  if (job.state === "failed") return words(job.error);
  if (job.state === "working" && job.frames) return drawnFrames(job);
  if (job.state === "working" && job.stage) return or(`stage.${job.stage}`, t("state.working"));
  if (job.state === "done" && styleTitle) return styleTitle(job.result.sidecar.style);
  return t(`state.${job.state}`);
}

/** How many frames of a clip are drawn, and the time left as soon as that is known. */
function drawnFrames({ frames: { done, total }, begun }) {
  const told = t("state.frames", { done: number(done), total: number(total) });
  const drawn = done - (begun?.done ?? done);
  if (drawn < MIN_DRAWN) return told;
  const left_s = ((Date.now() - begun.at) / 1000 / drawn) * (total - done);
  return `${told} · ${timeLeft(left_s)}`;
}

/** Seconds as one says them: under a minute in steps of five, then in minutes. */
export function timeLeft(seconds) {
  if (seconds < 5) return t("time.moment");
  if (seconds < 55) return t("time.seconds", { count: number(Math.ceil(seconds / 5) * 5) });
  const minutes = Math.ceil(seconds / 60);
  return minutes === 1 ? t("time.minute") : t("time.minutes", { count: number(minutes) });
}
