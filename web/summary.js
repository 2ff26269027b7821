// What was found and done, in a sentence or two of plain words.

import { current, list, number, t } from "./text.js";

// the repairs in the order in which they are told
const REPAIRS = ["clahe", "denoise", "sharpen", "upscale"];
const VERY_DARK = 1.5; // stops
const STOPS = [
  [0.42, "third"],
  [0.58, "half"],
  [0.84, "two_thirds"],
  [1.25, "one"],
];

/** Sentences after each other, as the language puts them. */
export const sentences = (...told) => told.join(current() === "zh" ? "" : " ");

/** Attributes after each other: Chinese sets them apart and needs no "and". */
const together = (words) => (current() === "zh" ? words.join("、") : list(words));

export const summary = (sidecar) =>
  sentences(...[clip(sidecar), repairs(sidecar), faceCount(sidecar), inventions(sidecar)].filter(Boolean));

function clip({ clip: told }) {
  if (!told) return undefined;
  const { drawn_frames: count, shots } = told;
  const many = { count: number(count), shots: number(shots.length) };
  return t(shots.length > 1 ? "plain.clip.shots" : "plain.clip", many);
}

function repairs({ decisions, clip: moves }) {
  const ran = REPAIRS.map((step) => decisions.find((one) => one.step === step && one.ran)).filter(Boolean);
  if (!ran.length) return t(moves ? "plain.clip.none" : "plain.none");
  const cures = together(ran.map(cure));
  const asked = ran.every(({ why }) => why.startsWith("switched on"));
  if (asked) return t(moves ? "plain.clip.asked" : "plain.asked", { cures });
  return t(moves ? "plain.clip.repaired" : "plain.repaired", { faults: together(ran.map(fault)), cures });
}

function fault({ step, measured }) {
  if (step === "clahe" && measured >= VERY_DARK) return t("plain.fault.very_dark");
  return t(`plain.fault.${step}`);
}

function cure({ step, why }) {
  const stops = step === "clahe" && Number(why.match(/(\d+(?:\.\d+)?) stops/)?.[1]);
  return stops ? t("plain.cure.brighter", { stops: stopsInWords(stops) }) : t(`plain.cure.${step}`);
}

function stopsInWords(stops) {
  const word = STOPS.find(([most]) => stops < most)?.[1];
  return word ? t(`plain.stops.${word}`) : t("plain.stops.many", { count: number(Math.round(stops * 2) / 2, 1) });
}

function inventions({ faces }) {
  const count = faces.filter(({ invented }) => invented).length;
  return count && t(count > 1 ? "found.invented.many" : "found.invented.one", { count: number(count) });
}

function faceCount({ faces, decisions }) {
  const cared = faces.filter(({ refined }) => refined.length).length;
  const count = number(faces.length);
  if (faces.length > 1) return t(cared ? "found.faces.many" : "found.faces.many.left", { count, cared: number(cared) });
  if (faces.length) return t(cared ? "found.faces.one" : "found.faces.one.left");
  const looked = decisions.find(({ step }) => step === "faces");
  return t(looked && looked.measured === null && !looked.ran ? "found.faces.absent" : "found.faces.none");
}
