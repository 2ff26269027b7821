// What a photograph is at, in words.

import { words } from "./failures.js";
import { number, or, t } from "./text.js";

/** styleTitle(name): with it, a picture that is drawn says in which look. */
export function state(job, styleTitle) {
  if (job.state === "uploading") {
    return t("state.uploading", { percent: number((job.fraction ?? 0) * 100) });
  }
  if (job.state === "failed") return words(job.error);
  if (job.state === "working" && job.stage) return or(`stage.${job.stage}`, t("state.working"));
  if (job.state === "done" && styleTitle) return styleTitle(job.result.sidecar.style);
  return t(`state.${job.state}`);
}

/** Seconds as one says them: under a minute in steps of five, then in minutes. */
export function timeLeft(seconds) {
  if (seconds < 5) return t("time.moment");
  if (seconds < 55) return t("time.seconds", { count: number(Math.ceil(seconds / 5) * 5) });
  const minutes = Math.ceil(seconds / 60);
  return minutes === 1 ? t("time.minute") : t("time.minutes", { count: number(minutes) });
}
