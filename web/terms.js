// What a picture may be used for, in plain words, from the terms of all that it was made with.

import { h, icon } from "./dom.js";
import { t } from "./text.js";

const NON_COMMERCIAL = /non-commercial|\bNC\b|\bresearch\b/i;

const isFree = (terms) => !terms.some(({ licence }) => NON_COMMERCIAL.test(licence));

/** One line beside Save that opens to the terms themselves, which are in English. terms: [{weights, licence}]. */
export const termsLine = (terms) => fold(terms, "terms menu", "entries");

/** The same among the options, where it opens in its place. */
export const termsFold = (terms) => fold(terms, "terms", "told");

const fold = (terms, kind, body) =>
  h(
    "details",
    { class: kind },
    h("summary", {}, h("span", {}, t(isFree(terms) ? "terms.free" : "terms.private")), icon("i-next")),
    h(
      "div",
      { class: body },
      h("p", {}, t(isFree(terms) ? "terms.free.about" : "terms.private.about")),
      h(
        "dl",
        { lang: "en" },
        terms.flatMap(({ weights, licence }) => [h("dt", {}, weights), h("dd", {}, licence)]),
      ),
    ),
  );
