// Several colourings of the same drawing on one sheet, of which one tap chooses.

import { failure } from "./failures.js";
import { h, icon } from "./dom.js";
import { number, t } from "./text.js";

const COUNT = 4;
const SHEET = { format: "webp", quality: 85, max_side_px: 1024 };

export class Proposals {
  #dialog = document.querySelector("#sheet");
  #asking;

  /** ask(options, signal) resolves to {blob, sidecar}; choose({proposals, choice}). */
  constructor({ ask, choose }) {
    this.ask = ask;
    this.choose = choose;
    this.#dialog.addEventListener("close", () => this.#asking?.abort());
  }

  async open(options) {
    const body = this.#dialog.querySelector(".sheet");
    body.replaceChildren(h("div", { class: "working" }, icon("blossom"), h("p", { class: "doing" }, t("colour.proposing"))));
    this.#dialog.showModal();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    const { choice: _, ...rest } = options;
    try {
      const { blob, sidecar } = await this.ask({ ...rest, ...SHEET, proposals: COUNT }, signal);
      body.replaceChildren(this.#sheet(URL.createObjectURL(blob), sidecar));
      body.querySelector("button").focus();
    } catch (error) {
      if (error.name === "AbortError") return;
      body.replaceChildren(failure(error.told ? error : { code: "unknown", told: {} }, false));
    }
  }

  /** The sheet, with a button over each of its pictures, in rows. */
  #sheet(url, { output }) {
    const columns = Math.ceil(Math.sqrt(COUNT));
    const image = h("img", { src: url, alt: t("colour.sheet.alt"), width: output.width_px, height: output.height_px });
    const picks = Array.from({ length: COUNT }, (_, index) => {
      const pick = h("button", { type: "button", onclick: () => this.#take(index + 1, url) });
      pick.setAttribute("aria-label", t("colour.pick", { number: number(index + 1) }));
      return pick;
    });
    return h("div", { class: "picks", variables: { columns, ratio: output.width_px / output.height_px } }, image, h("div", {}, picks));
  }

  #take(choice, url) {
    this.#dialog.close();
    URL.revokeObjectURL(url);
    this.choose({ proposals: COUNT, choice });
  }
}
