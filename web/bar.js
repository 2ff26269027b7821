// The buttons under the thumb: the first is what most will want next, what is wanted now and then
// lies in a menu.

import { h, icon } from "./dom.js";
import { menu } from "./menu.js";
import { t } from "./text.js";

/** in sight and in the menu: [key of the words, symbol, onclick]. Focus and an open menu stay. */
export function fillBar(bar, inSight, inMenu) {
  const focused = bar.contains(document.activeElement) && document.activeElement.dataset.key;
  const button = ([key, symbol, onclick], index) => {
    const element = h(
      "button",
      { type: "button", class: `button${index === 0 ? " main" : ""}`, onclick },
      icon(symbol),
      h("span", {}, t(key)),
    );
    element.dataset.key = key;
    return element;
  };
  const isOpen = bar.querySelector(".menu")?.open ?? false;
  bar.replaceChildren(...inSight.map(button), ...(inMenu.length ? [menu("more", inMenu, isOpen)] : []));
  if (focused) bar.querySelector(`[data-key="${focused}"]`)?.focus();
}
