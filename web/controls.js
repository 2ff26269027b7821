// How it is drawn: the style cards and a control for every option that the server lists.

import { options as askOptions, styles as askStyles } from "./client.js";
import { h, icon } from "./dom.js";
import { number, or, t } from "./text.js";

const FIRST = ["strength", "detail", "enhance"]; // in sight; the rest is folded away
const FOLDED = {
  faces: (name) => /face|alignment|eye|skin|parsing/.test(name),
  repair: (name) =>
    ["gate", "upscale", "denoise", "clahe", "sharpen", "post_sharpen_weight"].includes(name),
  file: (name) => ["max_side_px", "format", "quality"].includes(name),
  more: () => true,
};
const SLIDER_MOST = 1000; // a whole number with a wider range is typed, not dragged
const NON_COMMERCIAL = /non-commercial|\bNC\b|\bresearch\b/i;
const BY_HAND = 0.25; // of its range: where a slider begins that was automatic

/** Tells "change" when an option is set. */
export class Controls extends EventTarget {
  #form = document.querySelector("#controls form");
  #fields = [];
  #styles = [];
  #values = {};
  #open = new Set();

  constructor() {
    super();
    this.#form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Asks the server what it offers; says so on the page where it cannot be had. */
  async load() {
    this.#form.replaceChildren(h("p", { class: "hint", role: "status" }, t("controls.loading")));
    try {
      const [styles, options] = await Promise.all([askStyles(), askOptions()]);
      // the usual one first
      const rank = ({ name }) => (name === styles.default ? 0 : 1);
      this.#styles = styles.styles.sort((a, b) => rank(a) - rank(b));
      this.#fields = options.options;
      this.#values = Object.fromEntries(this.#fields.map((field) => [field.name, field.default]));
      this.#values.style = styles.default;
      this.render();
    } catch (error) {
      this.#form.replaceChildren(
        h("p", { class: "complaint", role: "alert" }, t("controls.failed"), " ", words(error)),
        h("button", { type: "button", class: "button", onclick: () => this.load() }, t("retry")),
      );
    }
  }

  /** What differs from the server's own defaults: nothing, too, while these are not known. */
  chosen() {
    const changed = this.#fields.filter(({ name, default: usual }) => this.#values[name] !== usual);
    return Object.fromEntries(changed.map(({ name }) => [name, this.#values[name]]));
  }

  title = (name) =>
    or(`style.${name}`, this.#styles.find((style) => style.name === name)?.title ?? name);

  /** Anew, in the language of the page; what was set stays set. */
  render() {
    if (!this.#fields.length) return;
    const rest = this.#fields.filter(({ name }) => name !== "style");
    const first = FIRST.map((name) => rest.find((field) => field.name === name)).filter(Boolean);
    const folded = rest.filter((field) => !first.includes(field));
    const groups = Object.groupBy
      ? Object.groupBy(folded, groupOf)
      : folded.reduce((all, field) => ((all[groupOf(field)] ??= []).push(field), all), {});
    this.#form.replaceChildren(
      this.#cards(),
      ...first.map((field) => this.#control(field)),
      ...Object.keys(FOLDED)
        .filter((name) => groups[name])
        .map((name) => this.#fold(name, groups[name])),
      h(
        "button",
        { type: "button", class: "quiet reset", onclick: () => this.#reset() },
        icon("i-again"),
        t("controls.reset"),
      ),
    );
    this.#mark();
  }

  #set(name, value) {
    this.#values[name] = value;
    this.#mark();
    this.dispatchEvent(new Event("change"));
  }

  #reset() {
    for (const { name, default: usual } of this.#fields) {
      if (name !== "style") this.#values[name] = usual;
    }
    this.render();
    this.#form.querySelector("input:checked")?.focus(); // the button hides itself
    this.dispatchEvent(new Event("change"));
  }

  #mark() {
    const changed = Object.keys(this.chosen()).some((name) => name !== "style");
    this.#form.querySelector(".reset").hidden = !changed;
  }

  #cards() {
    const kind = h("span");
    const list = h("dl", { lang: "en" });
    const tell = () => {
      const { terms } = this.#styles.find(({ name }) => name === this.#values.style);
      const kept = terms.some(({ licence }) => NON_COMMERCIAL.test(licence));
      kind.textContent = t(kept ? "licence.non_commercial" : "licence.terms");
      list.replaceChildren(
        ...terms.flatMap(({ weights, licence }) => [h("dt", {}, weights), h("dd", {}, licence)]),
      );
    };
    const card = ({ name, description, thumbnail }) =>
      h(
        "label",
        { class: "card" },
        h("input", {
          type: "radio",
          name: "style",
          value: name,
          checked: name === this.#values.style,
          onchange: () => {
            this.#set("style", name);
            tell();
          },
        }),
        thumbnail
          ? h("img", { src: thumbnail, alt: "", width: 216, height: 270, decoding: "async" })
          : h("span", { class: "no-thumbnail" }, icon("blossom")),
        h("span", { class: "card-title" }, this.title(name)),
        h("span", { class: "card-about" }, or(`style.${name}.about`, description)),
      );
    tell();
    return h(
      "fieldset",
      { class: "styles" },
      h("legend", {}, t("controls.style")),
      h("div", { class: "cards" }, this.#styles.map(card)),
      h("details", { class: "licence" }, h("summary", {}, kind, icon("i-next")), list),
    );
  }

  #fold(name, fields) {
    const opened = this.#open.has(name);
    const fold = h(
      "details",
      { class: "fold", open: opened },
      h("summary", {}, t(`group.${name}`), icon("i-next")),
      h("div", { class: "folded" }, fields.map((field) => this.#control(field))),
    );
    fold.addEventListener("toggle", () =>
      fold.open ? this.#open.add(name) : this.#open.delete(name),
    );
    return fold;
  }

  #control(field) {
    if (field.values) return this.#choice(field);
    if (field.range) {
      const [least, most] = field.range;
      if (field.words) return this.#automatic(field);
      return most - least > SLIDER_MOST ? this.#typed(field) : this.#slider(field);
    }
    return this.#text(field);
  }

  #choice({ name, values, about }) {
    const chosen = (value) => this.#set(name, value);
    return h(
      "fieldset",
      { class: "choice", title: about },
      h("legend", {}, optionTitle(name)),
      segments(name, values, this.#values[name], chosen),
    );
  }

  /** A number that the server finds by itself unless it is set: the slider comes when it is. */
  #automatic(field) {
    const { name, words: [word], range: [least, most], about } = field;
    const given = this.#values[name];
    const number = given === word ? least + BY_HAND * (most - least) : given;
    const slider = this.#slider(field, number);
    slider.hidden = given === word;
    slider.querySelector("label").className = "unseen"; // the legend says it
    const chosen = (value) => {
      slider.hidden = value === word;
      this.#set(name, value === word ? word : slider.querySelector("input").valueAsNumber);
    };
    return h(
      "fieldset",
      { class: "choice", title: about },
      h("legend", {}, optionTitle(name)),
      segments(name, [word, "by_hand"], given === word ? word : "by_hand", chosen),
      slider,
    );
  }

  #slider({ name, kind, range: [least, most], about }, value = this.#values[name]) {
    const whole = kind === "integer";
    const shown = (value) =>
      most === 1 && !whole ? t("unit.percent", { value: number(value * 100) }) : number(value, 2);
    const output = h("output", {}, shown(value));
    const input = h("input", {
      id: `option-${name}`,
      type: "range",
      min: least,
      max: most,
      step: whole ? 1 : (most - least) / 20,
      value,
      oninput: () => {
        output.textContent = shown(input.valueAsNumber);
        fill();
      },
      onchange: () => this.#set(name, input.valueAsNumber),
    });
    const fill = () => {
      input.style.setProperty("--at", (input.valueAsNumber - least) / (most - least));
      input.setAttribute("aria-valuetext", output.textContent);
    };
    fill();
    const ends = or(`option.${name}.low`, "") && [
      h("span", {}, t(`option.${name}.low`)),
      h("span", {}, t(`option.${name}.high`)),
    ];
    return h(
      "div",
      { class: "slider", title: about },
      h("label", { htmlFor: input.id }, optionTitle(name)),
      output,
      input,
      ends && h("div", { class: "ends", "aria-hidden": "true" }, ends),
    );
  }

  #typed({ name, kind, range: [least, most], about }) {
    const input = h("input", {
      type: "number",
      inputMode: "numeric",
      min: least,
      max: most,
      step: kind === "integer" ? 1 : "any",
      value: this.#values[name],
      onchange: () => input.reportValidity() && this.#set(name, input.valueAsNumber),
      required: true,
    });
    const range = t("option.range", { least: number(least), most: number(most) });
    return h(
      "label",
      { class: "typed", title: about },
      h("span", {}, optionTitle(name), h("small", {}, range)),
      input,
    );
  }

  #text({ name, about }) {
    const value = this.#values[name] ?? "";
    const input = h("input", { value, onchange: () => this.#set(name, input.value) });
    return h("label", { class: "typed", title: about }, optionTitle(name), input);
  }
}

/** Values of which one is chosen, side by side. */
const segments = (name, values, given, chosen) =>
  h(
    "div",
    { class: "segments" },
    values.map((value) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name,
          value,
          checked: value === given,
          onchange: () => chosen(value),
        }),
        h("span", {}, valueTitle(name, value)),
      ),
    ),
  );

/** An error as the page says it. */
export const words = (error) => or(`error.${error.code}`, t("error.unknown"));

const groupOf = ({ name }) => Object.keys(FOLDED).find((group) => FOLDED[group](name));

// an option that the page has no words for yet appears under its own name
const optionTitle = (name) => or(`option.${name}`, plain(name));
const valueTitle = (name, value) =>
  or(`value.${name}.${value}`, or(`value.${value}`, plain(value)));
const plain = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
