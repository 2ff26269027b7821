// The button that switches the language of a page.

import { remember } from "./memory.js";
import { current, other, t, use } from "./text.js";

const button = document.querySelector("#language");

/** Names the other language. */
export function labelSwitch() {
  button.hidden = false;
  button.textContent = t("language.switch");
  button.setAttribute("aria-label", t("language.label"));
  button.lang = other() === "zh" ? "zh-Hans" : "en";
}

/** then(): the page's words are those of the other language now. */
export function onSwitch(then) {
  button.addEventListener("click", async () => {
    await use(other());
    remember("language", current());
    labelSwitch();
    then();
  });
}
