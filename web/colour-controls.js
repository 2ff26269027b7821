// What is painted with, and what the colours are drawn from: swatches, a picker, the brush, palettes,
// a reference picture, proposals.

import { h, icon } from "./dom.js";
import { recall, remember } from "./memory.js";
import { or, t } from "./text.js";

// skin, hair, cloth, plants, sky and water, and the ends of the scale
const SWATCHES = {
  skin: "#f7d3bd",
  brown_skin: "#a8714f",
  black: "#2b2530",
  brown: "#6b4433",
  blond: "#efc778",
  white: "#fbfaf7",
  red: "#d9434e",
  pink: "#f29bb5",
  orange: "#ee8b3c",
  yellow: "#f6d84c",
  green: "#5fa35b",
  teal: "#3f9d9b",
  sky: "#8fc7ea",
  blue: "#3f63b5",
  violet: "#8a6bbd",
  grey: "#9a98a3",
};
const RECENT = 6;
const KEPT = "colours";
const NONE = "none";
const MIN_BRUSH = 0.4; // percent of the drawing's longer side
const MAX_BRUSH = 4;
const FIRST_BRUSH = 1.2;

/**
 * Tells "change" when the drawing is to be coloured anew, and "tool" when it is painted with
 * something else. .options() is what the server is asked for beside the hints.
 */
export class ColourControls extends EventTarget {
  #form = document.querySelector("#controls form");
  #palettes = [];
  #recent = stored();
  #colour = SWATCHES.red;
  #brush = FIRST_BRUSH;
  #erases = false;
  #palette = NONE;
  #reference = null; // {blob, url}
  #seed = 0;

  /** actions: propose() opens the sheet of proposals. */
  constructor(hints, actions) {
    super();
    this.hints = hints;
    this.actions = actions;
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    hints.addEventListener("change", () => this.#list());
  }

  adopt(palettes) {
    this.#palettes = palettes;
    this.render();
  }

  tool = () => ({ colour: this.#colour, radius: this.#brush / 100, erases: this.#erases });

  options() {
    return Object.fromEntries(
      Object.entries({ palette: this.#palette, seed: this.#seed }).filter(([, value]) => value && value !== NONE),
    );
  }

  get reference() {
    return this.#reference?.blob ?? null;
  }

  /** What colours are drawn from, as restore() takes it. */
  kept = () => ({ palette: this.#palette, seed: this.#seed, reference: this.reference });

  restore({ palette, seed, reference }) {
    this.#palette = palette;
    this.#seed = seed;
    this.#show(reference);
    this.render();
  }

  /** Colours from another throw of the dice. */
  throwAgain() {
    this.#seed += 1;
    this.dispatchEvent(new Event("change"));
  }

  /** In the language of the page. */
  render() {
    this.list = h("ol", { class: "dots" });
    this.count = h("span", {});
    this.#form.replaceChildren(
      this.#swatches(),
      this.#brushes(),
      h("details", { class: "fold" }, h("summary", {}, this.count, icon("i-next")), this.list),
      h(
        "div",
        { class: "dice" },
        button("colour.propose", "i-sheet", this.actions.propose, "button"),
        button("colour.other", "i-again", () => this.throwAgain(), "button"),
        h("p", { class: "help" }, t("colour.propose.help")),
      ),
      this.#palettesField(),
      this.#referenceField(),
    );
    this.#list();
  }

  #swatches() {
    this.picker = h("input", {
      type: "color",
      id: "picker",
      value: this.#colour,
      oninput: () => this.#take(this.picker.value),
      onchange: () => this.#keep(this.picker.value),
    });
    const known = Object.entries(SWATCHES).map(([name, colour]) => [t(`colour.swatch.${name}`), colour]);
    const recent = this.#recent.map((colour) => [colour, colour]);
    return h(
      "fieldset",
      { class: "swatches" },
      h("legend", {}, t("colour.paint")),
      h(
        "div",
        { class: "row-of-swatches" },
        [...recent, ...known].map(([name, colour]) => this.#swatch(name, colour)),
      ),
      h("label", { class: "picker", htmlFor: "picker" }, this.picker, h("span", {}, t("colour.picker"))),
    );
  }

  #swatch(name, colour) {
    const input = h("input", {
      type: "radio",
      name: "swatch",
      value: colour,
      checked: colour === this.#colour && !this.#erases,
      onchange: () => this.#take(colour),
    });
    input.setAttribute("aria-label", name);
    return h(
      "label",
      { class: "swatch", title: name },
      input,
      h("span", { variables: { colour }, "aria-hidden": "true" }),
    );
  }

  #brushes() {
    const input = h("input", {
      id: "brush",
      type: "range",
      min: MIN_BRUSH,
      max: MAX_BRUSH,
      step: 0.1,
      value: this.#brush,
      oninput: () => {
        this.#brush = input.valueAsNumber;
        fill();
      },
    });
    const fill = () => input.style.setProperty("--at", (this.#brush - MIN_BRUSH) / (MAX_BRUSH - MIN_BRUSH));
    fill();
    return h(
      "div",
      { class: "slider" },
      h("label", { htmlFor: input.id }, t("colour.brush")),
      input,
      h(
        "div",
        { class: "ends", "aria-hidden": "true" },
        h("span", {}, t("colour.brush.low")),
        h("span", {}, t("colour.brush.high")),
      ),
    );
  }

  #palettesField() {
    const choices = [{ name: NONE, colours: [] }, ...this.#palettes];
    return h(
      "fieldset",
      { class: "palettes" },
      h("legend", {}, t("colour.palette")),
      choices.map(({ name, title, colours }) =>
        h(
          "label",
          { class: "palette" },
          h("input", {
            type: "radio",
            name: "palette",
            value: name,
            checked: name === this.#palette,
            onchange: () => this.#choose(name),
          }),
          h(
            "span",
            {},
            h("span", { class: "chips", "aria-hidden": "true" }, colours.map((colour) => h("i", { variables: { colour } }))),
            or(`colour.palette.${name}`, title),
          ),
        ),
      ),
    );
  }

  /** A palette or a picture: the colours are drawn from one of them. */
  #choose(palette) {
    this.#palette = palette;
    if (this.#reference && palette !== NONE) this.#refer(null);
    else this.dispatchEvent(new Event("change"));
  }

  #referenceField() {
    const field = h("input", {
      type: "file",
      id: "reference",
      accept: "image/*",
      onchange: () => field.files[0] && this.#refer(field.files[0]),
    });
    const chosen = this.#reference;
    return h(
      "div",
      { class: "reference" },
      h("label", { class: "button" }, icon("i-photo"), h("span", {}, t("colour.reference")), field),
      chosen && h("img", { src: chosen.url, alt: t("colour.reference.alt"), width: 56, height: 56 }),
      chosen && button("colour.reference.remove", "i-close", () => this.#refer(null), "quiet round", true),
      h("p", { class: "help" }, t("colour.reference.help")),
    );
  }

  #show(blob) {
    if (this.#reference) URL.revokeObjectURL(this.#reference.url);
    this.#reference = blob && { blob, url: URL.createObjectURL(blob) };
  }

  #refer(blob) {
    this.#show(blob);
    if (blob) this.#palette = NONE;
    this.render();
    this.#form.querySelector(blob ? "#reference" : "[name=palette]:checked").focus();
    this.dispatchEvent(new Event("change"));
  }

  /** Each dot and stroke by itself: for whoever cannot see them, and to take one away. */
  #list() {
    if (!this.list) return;
    const { items } = this.hints;
    this.count.textContent = t("colour.dots", { count: items.length });
    this.list.replaceChildren(
      ...items.map((item, index) => {
        const values = { number: index + 1, colour: item.colour };
        const remove = button("colour.dot.remove", "i-close", () => this.hints.remove(item), "quiet round", true);
        remove.setAttribute("aria-label", t("colour.dot.remove.one", values));
        return h(
          "li",
          {},
          h("span", { class: "chip", variables: { colour: item.colour }, "aria-hidden": "true" }),
          h("span", {}, t(item.points.length > 1 ? "colour.stroke" : "colour.dot", values)),
          remove,
        );
      }),
    );
  }

  erase(on) {
    this.#erases = on;
    this.dispatchEvent(new Event("tool"));
  }

  #take(colour) {
    this.#colour = colour;
    this.#erases = false;
    this.picker.value = colour;
    const same = [...this.#form.querySelectorAll("[name=swatch]")];
    for (const input of same) input.checked = input.value === colour;
    this.dispatchEvent(new Event("tool"));
  }

  /** A colour that was mixed is offered again. */
  #keep(colour) {
    const others = this.#recent.filter((kept) => kept !== colour);
    this.#recent = [colour, ...others].slice(0, RECENT);
    remember(KEPT, this.#recent.join());
  }
}

/** A button with its words, or with them as its name alone. */
export function button(key, symbol, onclick, kind = "quiet tool", isBare = false) {
  const element = h("button", { type: "button", class: kind, onclick }, icon(symbol), !isBare && h("span", {}, t(key)));
  if (isBare) {
    element.setAttribute("aria-label", t(key));
    element.title = t(key);
  }
  return element;
}

function stored() {
  const colours = (recall(KEPT) ?? "").split(",");
  return colours.filter((colour) => /^#[0-9a-f]{6}$/.test(colour)).slice(0, RECENT);
}
