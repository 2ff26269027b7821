// Photographs to try the page with, before one has any at hand.

import { h } from "./dom.js";
import { t } from "./text.js";

const NAMES = ["pavilion", "astronaut", "chelsea", "coffee"];
const at = (file) => new URL(`examples/${file}`, import.meta.url);

/** Fills the list with them; take(files) gets the one that is chosen, fail() where it cannot be had. */
export function examples(list, take, fail) {
  const choose = async (name) => {
    try {
      const answer = await fetch(at(`${name}.jpg`));
      if (!answer.ok) throw new Error(`${name}.jpg: ${answer.status}`);
      take([new File([await answer.blob()], `${name}.jpg`, { type: "image/jpeg" })]);
    } catch (error) {
      console.info("no example:", error.message);
      fail();
    }
  };
  list.replaceChildren(
    ...NAMES.map((name) => {
      const image = h("img", { alt: t(`example.${name}`), width: 72, height: 72, loading: "lazy" });
      image.src = at(`${name}.small.webp`);
      return h("li", {}, h("button", { type: "button", onclick: () => choose(name) }, image));
    }),
  );
}
