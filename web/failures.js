// What went wrong, as the page says it: our words with the limit in them, the server's own beneath.

import { h, icon } from "./dom.js";
import { current, has, number, or, size, t } from "./text.js";

// how the two numbers of an error are read
const UNITS = {
  too_many_bytes: size,
  // counted in millions, in Chinese in tens of thousands
  too_many_pixels: (pixels) =>
    t("unit.megapixels", { value: number(pixels / (current() === "zh" ? 1e4 : 1e6), 1) }),
  clip_too_long: (seconds) => t("unit.seconds", { value: number(seconds, 1) }),
  too_much_memory: (megabytes) => size(megabytes * 1e6),
  extreme_aspect: (ratio) => t("unit.ratio", { value: number(ratio, 0) }),
};

const LOST = new Set(["offline", "network"]);

let permanent = new Set();

/** codes: of the errors that the same photo with the same options would meet again. */
export const learnPermanent = (codes) => (permanent = new Set(codes));

/** Whether the same again could end otherwise. */
export const isWorthRetrying = (job) => !permanent.has(job.error.code);

/** Whether there was no way to the server: once there is, it goes on by itself. */
export const lacksConnection = (error) => LOST.has(error.code);

/** An error in one sentence. */
export function words(error) {
  const { measured, limit } = error.told;
  const unit = UNITS[error.code];
  if (unit && Number.isFinite(measured) && Number.isFinite(limit) && has(`error.${error.code}.limit`)) {
    return t(`error.${error.code}.limit`, { measured: unit(measured), limit: unit(limit) });
  }
  return or(`error.${error.code}`, t("error.unknown"));
}

export function failure(error, isResumed) {
  const { message, stage, request_id: id } = error.told;
  const told = [message, stage && or(`stage.${stage}`, stage), id && t("error.request", { id })];
  const lines = told.filter(Boolean);
  return h(
    "div",
    { class: "failure", role: "alert" },
    icon("petal"),
    h(
      "div",
      {},
      h("p", {}, words(error)),
      isResumed && h("p", { class: "resumes" }, t("error.resumes")),
      lines.length > 0 &&
        h(
          "details",
          {},
          h("summary", {}, t("error.detail")),
          lines.map((line) => h("p", { lang: line === message ? "en" : undefined }, line)),
        ),
    ),
  );
}
