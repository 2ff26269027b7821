// What is wanted now and then, behind one button.

import { h, icon } from "./dom.js";
import { t } from "./text.js";

/** key: of the words on the button; items: [key, symbol, onclick]. */
export function menu(key, items, isOpen = false) {
  const close = () => (element.open = false);
  const entry = ([words, symbol, onclick]) => {
    const item = h(
      "button",
      {
        type: "button",
        class: "quiet",
        onclick: () => {
          close();
          onclick();
        },
      },
      icon(symbol),
      t(words),
    );
    item.dataset.key = words;
    return item;
  };
  const summary = h("summary", { class: "button" }, icon("i-more"), h("span", {}, t(key)));
  summary.dataset.key = key;
  const element = h("details", { class: "menu", open: isOpen }, summary, h("div", { class: "entries" }, items.map(entry)));
  return element;
}

// what is open is closed by Escape, by a press elsewhere, and when the focus leaves it
const closeOthers = (target) => {
  for (const open of document.querySelectorAll(".menu[open]")) {
    if (!open.contains(target)) open.open = false;
  }
};
document.addEventListener("pointerdown", ({ target }) => closeOthers(target));
document.addEventListener("focusin", ({ target }) => closeOthers(target));
document.addEventListener("keydown", (event) => {
  const open = document.querySelector(".menu[open]");
  if (event.key !== "Escape" || !open) return;
  event.preventDefault();
  open.open = false;
  open.querySelector("summary").focus();
});
