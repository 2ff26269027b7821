// Small charts in SVG. Numbers and names stand beside them as text, so the drawings are silent.

import { h, svg } from "./dom.js";

const WIDTH = 100; // the drawings are stretched to their place; strokes are not

const drawing = (...shapes) =>
  svg(
    "svg",
    { class: "bar", viewBox: `0 0 ${WIDTH} 10`, preserveAspectRatio: "none", "aria-hidden": "true" },
    shapes,
  );

const bar = (from, to, name) =>
  svg("rect", { class: name, x: from * WIDTH, y: 1, width: Math.max(0.6, (to - from) * WIDTH), height: 8 });

const mark = (at) =>
  svg("line", { class: "threshold", x1: at * WIDTH, x2: at * WIDTH, y1: -1, y2: 11 });

/** Rows of {name, value, at, threshold, note, kind}: at and threshold as parts of the scale, 0 to 1. */
export const gauges = (rows) =>
  h(
    "dl",
    { class: "chart" },
    rows.map(({ name, value, at, threshold, note, kind }) =>
      h(
        "div",
        { class: "row" },
        h("dt", {}, name),
        h(
          "dd",
          {},
          drawing(
            bar(0, 1, "track"),
            bar(0, part(at), kind ?? "plain"),
            threshold !== undefined && mark(part(threshold)),
          ),
          h("span", { class: "value" }, value, note && h("small", {}, note)),
        ),
      ),
    ),
  );

/** Rows of {name, value, from, to}: each where it lies in the whole, 0 to 1. */
export const waterfall = (rows) =>
  h(
    "dl",
    { class: "chart" },
    rows.map(({ name, value, from, to }) =>
      h(
        "div",
        { class: "row" },
        h("dt", {}, name),
        h(
          "dd",
          {},
          drawing(bar(0, 1, "track"), bar(from, to, "stage")),
          h("span", { class: "value" }, value),
        ),
      ),
    ),
  );

const part = (value) => Math.min(1, Math.max(0, value));
