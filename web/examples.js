// Photographs and drawings to try the pages with, before one has any at hand.

import { h } from "./dom.js";
import { t } from "./text.js";

const NAMES = ["pavilion", "astronaut", "chelsea", "coffee"];
const at = (file) => new URL(`examples/${file}`, import.meta.url);

/** An example as a file. Rejects where it cannot be had. */
export async function example(name, type) {
  const answer = await fetch(at(name));
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return new File([await answer.blob()], name, { type });
}

/** Fills the list with the photographs; take(files) gets the one that is chosen, fail() where it cannot be had. */
export function examples(list, take, fail) {
  const choose = async (name) => {
    try {
      take([await example(`${name}.jpg`, "image/jpeg")]);
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
