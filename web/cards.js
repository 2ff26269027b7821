// The looks as cards: a sample of each, or each on one's own photo where that was drawn.

import { h, icon } from "./dom.js";
import { termsFold } from "./terms.js";
import { or, t } from "./text.js";

// as they are shown; a look that is not named here comes after them
const ORDER = ["hayao", "shinkai", "paprika", "cel", "portrait", "cute"];
const WIDTHS = [3, 4, 2];
const MAX_IN_ROW = 6;

export const inOrder = (styles) => {
  const rank = ({ name }) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return [...styles].sort((one, other) => rank(one) - rank(other));
};

/** How many cards stand in a row, so that none stands alone in the last one. */
export const columns = (count) =>
  count <= 4 ? count % 2 || count === 2 ? count : 2 : WIDTHS.find((width) => count % width !== 1);

/** In a wider page: all in one row, up to six. */
const wide = (count) => (count <= MAX_IN_ROW ? count : columns(count));

export class Cards {
  #images = new Map();

  /** styles: as the server lists them; chosen: a name; title(name); set(name). */
  constructor(styles, chosen, { title, set }) {
    this.styles = styles;
    const legend = h("legend", {}, t("controls.style"));
    const list = h("div", { class: "cards", variables: { columns: columns(styles.length), wide: wide(styles.length) } });
    const terms = h("div");
    const choose = (name) => {
      terms.replaceChildren(termsFold(styles.find((style) => style.name === name).terms));
    };
    const chosenBy = (name) => {
      choose(name);
      set(name);
    };
    list.append(...styles.map((style) => this.#card(style, style.name === chosen, title, chosenBy)));
    choose(chosen);
    this.element = h("fieldset", { class: "styles" }, legend, list, terms);
  }

  #card({ name, description, thumbnail }, checked, title, set) {
    const image = thumbnail
      ? h("img", { src: thumbnail, alt: "", width: 216, height: 270, decoding: "async" })
      : h("img", { alt: "", width: 216, height: 270, hidden: true });
    this.#images.set(name, image);
    return h(
      "label",
      { class: "card" },
      h("input", { type: "radio", name: "style", value: name, checked, onchange: () => set(name) }),
      h("span", { class: "face" }, icon("blossom"), image),
      h("span", { class: "card-title" }, title(name)),
      h("span", { class: "card-about" }, or(`style.${name}.about`, description)),
    );
  }

  /** looks: {style: {url, at}} of a photo; the sample stays where there is none. */
  show(looks) {
    for (const { name, thumbnail } of this.styles) {
      const image = this.#images.get(name);
      const src = looks[name]?.url ?? thumbnail;
      const { x, y } = looks[name]?.at ?? { x: 50, y: 50 };
      image.hidden = !src;
      if (src && image.getAttribute("src") !== src) image.src = src;
      image.style.objectPosition = `${x}% ${y}%`;
    }
  }
}
