// What was measured and decided about a drawing, in a sentence, with the details behind it.

import { h, icon } from "./dom.js";
import { list, number, or, t } from "./text.js";

export function findings(sidecar) {
  const { drawing, hints, warnings } = sidecar;
  const kept = hints.filter((hint) => hint.kept).length;
  const lost = hints.filter((hint) => !hint.kept);
  const came = or(`colour.came.${drawing.came_as}`, drawing.came_as);
  const facts = [
    ["colour.fact.lines", t("unit.percent", { value: number(drawing.line_coverage * 100, 1) })],
    hints.length && ["colour.fact.hints", t("colour.kept", { kept: number(kept), count: number(hints.length) })],
    ["colour.fact.time", t("colour.unit.seconds", { value: number(sidecar.timings_ms.total / 1000, 1) })],
  ].filter(Boolean);
  return [
    h("h2", { id: "found-title" }, t("colour.found")),
    h("p", {}, t("colour.plain", { came, regions: number(drawing.closed_regions) })),
    warnings.length > 0 && h("ul", { class: "warnings" }, warnings.map((words) => h("li", { lang: "en" }, words))),
    lost.length > 0 &&
      h("p", { class: "warnings" }, t("colour.lost", { colours: list(lost.map(({ colour }) => colour)) })),
    h(
      "details",
      { class: "fold" },
      h("summary", {}, h("span", {}, t("colour.details")), icon("i-next")),
      h(
        "dl",
        { class: "facts" },
        facts.map(([key, value]) => h("div", {}, h("dt", {}, t(key)), h("dd", {}, value))),
      ),
    ),
  ].filter(Boolean);
}
