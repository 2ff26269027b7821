// How it is drawn: the looks, the few options that most will want, and the others folded away.

import { learnClips, options as askOptions, styles as askStyles } from "./client.js";
import { Cards, inOrder } from "./cards.js";
import { h, icon } from "./dom.js";
import { control, tick } from "./fields.js";
import { learnPermanent, words } from "./failures.js";
import { recall, remember } from "./memory.js";
import { or, t } from "./text.js";

const FIRST = ["strength", "crop", "enhance"]; // in sight; the rest is folded away
const FOLDED = {
  drawing: (name) => ["detail", "post_sharpen_weight"].includes(name),
  faces: (name) => /face|alignment|eye|skin|parsing/.test(name),
  repair: (name) => ["gate", "upscale", "denoise", "clahe", "sharpen"].includes(name),
  clips: (name) => ["steady", "fps", "motion"].includes(name),
  file: (name) => ["max_side_px", "format", "quality"].includes(name),
  more: () => true,
};
const KEPT = "options";
const ORIGINAL = "original";

/**
 * Tells "load" when the server's options are there, "change" when one is set, and "move" (detail:
 * {name, value}) while a slider is dragged.
 */
export class Controls extends EventTarget {
  #form = document.querySelector("#controls form");
  #fields = [];
  #styles = [];
  #values = {};
  #open = new Set();
  #looks = {};
  isOriginal = recall(ORIGINAL) === "yes";

  constructor() {
    super();
    this.#form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Asks the server what it offers; says so on the page where it cannot be had. */
  async load() {
    this.#form.replaceChildren(h("p", { class: "hint", role: "status" }, t("controls.loading")));
    try {
      const [styles, options] = await Promise.all([askStyles(), askOptions()]);
      this.#styles = inOrder(styles.styles);
      this.#fields = options.options.map((field) =>
        field.name === "style" ? { ...field, default: styles.default } : field,
      );
      learnPermanent(options.permanent_errors ?? []);
      learnClips(options.clips !== false);
      this.#take(stored());
      this.render();
      this.dispatchEvent(new Event("load"));
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

  /** Every option with its value. */
  complete = (options) => ({
    ...Object.fromEntries(this.#fields.map(({ name, default: usual }) => [name, usual])),
    ...options,
  });

  /** Shows these options; nobody is told of a change. */
  adopt(options) {
    this.#take(options);
    this.render();
  }

  get styles() {
    return this.#styles.map(({ name }) => name);
  }

  get isLoaded() {
    return this.#fields.length > 0;
  }

  title = (name) =>
    or(`style.${name}`, this.#styles.find((style) => style.name === name)?.title ?? name);

  /** The small drawings on the cards: of a photo, or {} for the samples. */
  showLooks(looks) {
    this.#looks = looks;
    this.cards?.show(looks);
  }

  /** Anew, in the language of the page; what was set stays set. */
  render() {
    if (!this.isLoaded) return;
    const rest = this.#fields.filter(({ name }) => name !== "style");
    const first = FIRST.map((name) => rest.find((field) => field.name === name)).filter(Boolean);
    const folded = Object.keys(FOLDED).map((group) => [
      group,
      rest.filter((field) => !first.includes(field) && groupOf(field) === group),
    ]);
    this.cards = new Cards(this.#styles, this.#values.style, {
      title: this.title,
      set: (name) => this.#set("style", name),
    });
    this.cards.show(this.#looks);
    this.#form.replaceChildren(
      this.cards.element,
      ...first.map((field) => this.#control(field)),
      h(
        "div",
        { class: "folds" },
        folded.filter(([, fields]) => fields.length).map(([name, fields]) => this.#fold(name, fields)),
      ),
      h(
        "button",
        { type: "button", class: "quiet reset", onclick: () => this.#reset() },
        icon("i-again"),
        t("controls.reset"),
      ),
    );
    this.#mark();
  }

  #take(options) {
    this.#values = this.complete(
      Object.fromEntries(
        Object.entries(options).filter(([name, value]) => {
          const field = this.#fields.find((known) => known.name === name);
          if (name === "style") return this.styles.includes(value);
          return field && (!field.values || field.values.includes(value));
        }),
      ),
    );
  }

  #set(name, value) {
    this.#values[name] = value;
    this.#mark();
    remember(KEPT, JSON.stringify(this.chosen()));
    this.dispatchEvent(new Event("change"));
  }

  #reset() {
    this.#take({ style: this.#values.style });
    this.isOriginal = false;
    remember(ORIGINAL, "");
    remember(KEPT, JSON.stringify(this.chosen()));
    this.render();
    this.#form.querySelector("input:checked")?.focus(); // the button hides itself
    this.dispatchEvent(new Event("change"));
  }

  #mark() {
    const changed = Object.keys(this.chosen()).some((name) => name !== "style");
    this.#form.querySelector(".reset").hidden = !changed && !this.isOriginal;
  }

  #fold(name, fields) {
    const opened = this.#open.has(name);
    const fold = h(
      "details",
      { class: "fold", open: opened },
      h(
        "summary",
        {},
        h("span", {}, t(`group.${name}`), h("small", {}, t(`group.${name}.about`))),
        icon("i-next"),
      ),
      h(
        "div",
        { class: "folded" },
        fields.map((field) => this.#control(field)),
        name === "file" &&
          tick(ORIGINAL, this.isOriginal, (on) => {
            this.isOriginal = on;
            remember(ORIGINAL, on ? "yes" : "");
            this.#mark();
          }),
      ),
    );
    fold.addEventListener("toggle", () =>
      fold.open ? this.#open.add(name) : this.#open.delete(name),
    );
    return fold;
  }

  #control(field) {
    const { name } = field;
    return control(field, this.#values[name], {
      set: (value) => this.#set(name, value),
      move: (value) => this.dispatchEvent(new CustomEvent("move", { detail: { name, value } })),
    });
  }
}

const groupOf = ({ name }) => Object.keys(FOLDED).find((group) => FOLDED[group](name));

function stored() {
  try {
    const options = JSON.parse(recall(KEPT));
    return options && typeof options === "object" ? options : {};
  } catch {
    return {};
  }
}
