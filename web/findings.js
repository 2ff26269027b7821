// What the gate found and what was done, told from the sidecar: words first, then the numbers.

import { gauges, waterfall } from "./charts.js";
import { h, icon } from "./dom.js";
import { sentences, summary } from "./summary.js";
import { list, number, or, size, t, why } from "./text.js";

const SAME = 1e-3; // the sidecar's numbers have four decimals
const REPAIRS = ["upscale", "denoise", "clahe", "sharpen"];
const MAX_FACES = 6; // that are told of one by one

const linear = (most) => (value) => value / most;
const decades = (most) => (value) => Math.log10(1 + value) / Math.log10(1 + most);

// how each measure of the photo is shown; "more" is worse where the gate has an upper threshold
const MEASURES = {
  blur_variance: { scale: decades(10_000), decimals: 0, least: true },
  noise_sigma: { scale: linear(25), decimals: 1 },
  brightness: { scale: linear(100), decimals: 0, least: true },
  contrast: { scale: linear(50), decimals: 0 },
  blur_px: { scale: linear(4), decimals: 2, unit: "px" },
  noise: { scale: linear(25), decimals: 1 },
  artefacts: { scale: linear(100), decimals: 0 },
  darkness: { scale: linear(3), decimals: 2, unit: "stops" },
  score: { scale: linear(1), decimals: 0, factor: 100, unit: "percent" },
};

// what a step may have been decided on
const DECIDED_BY = {
  upscale: ["blur_variance"],
  denoise: ["noise", "artefacts", "blur_variance"],
  clahe: ["darkness", "brightness", "blur_variance"],
  sharpen: ["blur_px", "blur_variance"],
};

const LIKENESS = {
  ssim: { scale: linear(1), decimals: 0, factor: 100, unit: "percent" },
  edge_preservation: { scale: linear(1), decimals: 0, factor: 100, unit: "percent" },
  psnr_db: { scale: linear(40), decimals: 1, unit: "db" },
  colour_shift_ciede2000: { scale: linear(20), decimals: 1, unit: "delta_e" },
  face_shift: { scale: linear(0.2), decimals: 1, factor: 100, unit: "percent" },
};

/** The content of the panel for a sidecar; styleTitle(name) as the cards call it. */
export function findings(sidecar, styleTitle) {
  return [
    h("h2", { id: "found-title" }, t("found.title")),
    h("p", { class: "lead" }, summary(sidecar)),
    sidecar.warnings.length > 0 &&
      h(
        "div",
        { class: "warnings" },
        h("h3", {}, t("found.warnings")),
        h("ul", {}, sidecar.warnings.map((words) => h("li", { lang: "en" }, words))),
      ),
    h(
      "details",
      { class: "fold" },
      h("summary", {}, t("found.details"), icon("i-next")),
      h("p", { class: "lead" }, drawn(sidecar)),
      h(
        "div",
        { class: "panels" },
        panel("found.steps", t("found.steps.about"), decisions(sidecar)),
        panel("found.quality", t("found.quality.about"), gauges(measures(sidecar))),
        panel("found.likeness", t("found.likeness.about"), gauges(likeness(sidecar))),
        sidecar.faces.length > 0 && panel("found.faces", null, faces(sidecar)),
        panel(
          "found.time",
          t("found.time.about", { seconds: number(sidecar.timings_ms.total / 1000, 2) }),
          waterfall(stages(sidecar)),
        ),
        panel("found.made", null, made(sidecar, styleTitle)),
      ),
    ),
  ].filter(Boolean);
}

const panel = (title, about, content) =>
  h("section", { class: "panel" }, h("h3", {}, t(title)), about && h("p", {}, about), content);

/** At which size it was drawn, and why at that. */
function drawn({ drawing, output, timings_ms: timings }) {
  const told = t("found.drawn", {
    width: number(drawing.working_width_px),
    height: number(drawing.working_height_px),
    out_width: number(output.width_px),
    out_height: number(output.height_px),
    seconds: number(timings.total / 1000, 2),
  });
  return sentences(told, t(`found.scale.${drawing.chosen_by}`, { face: number(drawing.face_px ?? 0) }));
}

const decisions = (sidecar) =>
  h(
    "ul",
    { class: "decisions" },
    sidecar.decisions.map(({ step, ran, why: reason, measured, threshold }) =>
      h(
        "li",
        { class: ran ? "ran" : "left" },
        ran && icon("blossom"),
        h("span", { class: "step" }, or(`step.${step}`, step)),
        h("span", { class: "unseen" }, t(ran ? "found.ran" : "found.left")),
        h("span", { class: "why" }, why(reason)),
        REPAIRS.includes(step) &&
          threshold !== null &&
          h("span", { class: "against" }, `${short(measured)} / ${short(threshold)}`),
      ),
    ),
  );

const short = (value) => number(value, value >= 100 ? 0 : value >= 10 ? 1 : 2);

/** Each measure once, with the threshold that a decision held against it. */
function measures({ quality, decisions: taken }) {
  const { estimate } = quality;
  const { blur_variance, noise_sigma, brightness, contrast } = quality;
  const isLearned = estimate && !taken.some(({ step, measured }) => DECIDED_BY[step] && measured === blur_variance);
  const values = isLearned
    ? {
        blur_px: estimate.blur_px,
        noise: estimate.noise,
        artefacts: 100 - estimate.jpeg_quality,
        darkness: -estimate.exposure_stops,
        contrast,
        score: estimate.score,
      }
    : { blur_variance, noise_sigma, brightness, contrast };
  const thresholds = isLearned ? {} : { blur_variance: quality.blur_variance_min };
  for (const { step, measured, threshold } of taken) {
    if (threshold === null) continue;
    const name = DECIDED_BY[step]?.find((key) => Math.abs(values[key] - measured) < SAME);
    if (name) thresholds[name] = threshold;
  }
  return Object.entries(values).map(([name, value]) => {
    const { scale, decimals, factor = 1, unit = "plain", least = false } = MEASURES[name];
    const threshold = thresholds[name];
    const bad = threshold !== undefined && (least ? value < threshold : value > threshold);
    return {
      name: t(`measure.${name}`),
      value: t(`unit.${unit}`, { value: number(Math.max(0, value) * factor, decimals) }),
      note: threshold !== undefined && t("threshold", { value: number(threshold, decimals) }),
      at: scale(value),
      threshold: threshold === undefined ? undefined : scale(threshold),
      kind: threshold === undefined ? "plain" : bad ? "bad" : "good",
    };
  });
}

const likeness = ({ metrics }) =>
  Object.entries(LIKENESS)
    .filter(([name]) => metrics[name] !== null && metrics[name] !== undefined)
    .map(([name, { scale, decimals, factor = 1, unit }]) => ({
      name: t(`measure.${name}`),
      value: t(`unit.${unit}`, { value: number(metrics[name] * factor, decimals) }),
      at: scale(metrics[name]),
    }));

function stages({ timings_ms: timings }) {
  let begun = 0;
  return Object.entries(timings)
    .filter(([name]) => name !== "total")
    .map(([name, elapsed_ms]) => {
      const from = begun / timings.total;
      begun += elapsed_ms;
      return {
        name: or(`stage.${name}`, name),
        value: t("unit.ms", { value: number(elapsed_ms, elapsed_ms < 10 ? 1 : 0) }),
        from,
        to: begun / timings.total,
      };
    });
}

const faces = (sidecar) =>
  h(
    "ol",
    { class: "face-list" },
    sidecar.faces.slice(0, MAX_FACES).map(({ score, refined, not_refined: kept, shift, drawn_why: other }, index) =>
      h(
        "li",
        {},
        h("strong", {}, t("found.face", { number: index + 1 })),
        " ",
        t("found.face.score", { percent: number(score * 100) }),
        h(
          "small",
          {},
          refined.length
            ? t("found.face.refined", { what: list(refined.map((name) => or(`treatment.${name}`, name))) })
            : kept && t("found.face.kept", { why: why(kept) }),
        ),
        other && h("small", {}, t("found.face.other", { why: why(other) })),
        typeof shift === "number" &&
          h("small", {}, t("found.face.shift", { percent: number(shift * 100, 1) })),
      ),
    ),
    sidecar.faces.length > MAX_FACES &&
      h("li", {}, t("found.faces.more", { count: number(sidecar.faces.length - MAX_FACES) })),
  );

function made(sidecar, styleTitle) {
  const { source, output } = sidecar;
  const file = ({ format, width_px: width, height_px: height, bytes }) =>
    `${format.toUpperCase()}, ${width} × ${height}, ${size(bytes)}`;
  const facts = {
    style: styleTitle(sidecar.style),
    source: file(source),
    output: file(output),
    engine: sidecar.engine,
    weights: sidecar.weights.map(({ name, sha256 }) => h("code", { title: sha256 }, `${name} ${sha256.slice(0, 8)}`)),
    terms: sidecar.terms.map(({ weights, licence }) => h("p", { lang: "en" }, `${weights}: ${licence}`)),
    version: h("code", {}, sidecar.pipeline_version),
    fingerprint: h("code", { title: sidecar.fingerprint }, sidecar.fingerprint.slice(0, 16)),
  };
  return h(
    "dl",
    { class: "facts" },
    Object.entries(facts).map(([name, value]) =>
      h("div", {}, h("dt", {}, t(`made.${name}`)), h("dd", {}, value)),
    ),
  );
}
