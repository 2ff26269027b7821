// All photographs at once: a tile for each, with its own progress, failure and second try.

import { words } from "./controls.js";
import { h, icon } from "./dom.js";
import { saveZip } from "./files.js";
import { progress, worthRetrying } from "./queue.js";
import { number, or, t } from "./text.js";

/** What a job is doing, in words. */
export function state(job) {
  if (job.state === "uploading") {
    return t("state.uploading", { percent: number((job.fraction ?? 0) * 100) });
  }
  if (job.state === "failed") return words(job.error);
  if (job.state === "working" && job.stage) return or(`stage.${job.stage}`, t("state.working"));
  return t(`state.${job.state}`);
}

export class Grid {
  #element = document.querySelector("#grid");
  #tiles = new Map();

  /** actions: add(), open(job), redraw(job), changed() whether anything is to be drawn anew, say(words) */
  constructor(queue, actions) {
    this.queue = queue;
    this.actions = actions;
  }

  /** Anew, in the language of the page. */
  render() {
    this.#tiles.clear();
    this.title = h("h1", { tabIndex: -1 });
    this.count = h("p", { class: "count" });
    this.bar = h("div", { class: "actions" });
    this.list = h("ul", { class: "tiles" });
    this.#element.replaceChildren(
      h("div", { class: "grid-head" }, h("div", {}, this.title, this.count), this.bar),
      this.list,
    );
    this.sync();
  }

  /** Tiles for the photographs there are, and none for those that went. */
  sync() {
    if (!this.list) return;
    for (const [job, tile] of this.#tiles) {
      if (!this.queue.jobs.includes(job)) {
        tile.element.remove();
        this.#tiles.delete(job);
      }
    }
    for (const job of this.queue.jobs) {
      if (this.#tiles.has(job)) continue;
      const tile = new Tile(job, this);
      this.#tiles.set(job, tile);
      this.list.append(tile.element);
    }
    this.#head();
  }

  update(job) {
    this.#tiles.get(job)?.update();
    if (this.list) this.#head();
  }

  focus = (job) => this.#tiles.get(job)?.open.focus();

  #head() {
    const { jobs } = this.queue;
    const count = jobs.length;
    const done = this.queue.of("done").length;
    const failed = this.queue.of("failed");
    const again = failed.filter(worthRetrying);
    this.title.textContent =
      count === 1 ? t("grid.title.one") : t("grid.title", { count: number(count) });
    this.count.textContent = [
      t("grid.done", { done: number(done), count: number(count) }),
      failed.length && t("grid.failed", { failed: number(failed.length) }),
    ]
      .filter(Boolean)
      .join(" · ");
    const button = (key, symbol, onclick, shown, main) =>
      shown && [key, symbol, onclick, main];
    this.#buttons(
      [
        button("add", "i-add", this.actions.add, true, !done),
        button("draw.all", "i-again", () => this.#redraw(jobs), this.actions.changed(), true),
        button("retry.all", "i-again", () => this.#redraw(again), again.length > 1, false),
        button("save.zip", "i-save", (event) => this.#zip(event), done > 0, true),
        button("clear", "i-close", () => this.#clear(), count > 0, false),
      ].filter(Boolean),
    );
  }

  /** Only when there are other ones: a button that is being pressed must stay. */
  #buttons(wanted) {
    const names = wanted.map(([key, , , main]) => `${key}${main}`).join();
    if (this.shown === names && this.bar.children.length) return;
    this.shown = names;
    const focused = document.activeElement?.dataset?.key;
    this.bar.replaceChildren(
      ...wanted.map(([key, symbol, onclick, main]) => {
        const classes = `button${main ? " main" : ""}${key === "clear" ? " quiet" : ""}`;
        const made = h("button", { type: "button", class: classes, onclick }, icon(symbol), h("span", {}, t(key)));
        made.dataset.key = key;
        return made;
      }),
    );
    if (focused) this.bar.querySelector(`[data-key="${focused}"]`)?.focus();
  }

  #redraw(jobs) {
    for (const job of [...jobs]) this.actions.redraw(job);
  }

  #clear() {
    for (const job of [...this.queue.jobs]) this.queue.remove(job);
  }

  async #zip(event) {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      await saveZip(this.queue.jobs.filter((job) => job.result));
      this.actions.say(t("live.zip"));
    } finally {
      button.disabled = false;
    }
  }
}

class Tile {
  constructor(job, grid) {
    this.job = job;
    const { actions, queue } = grid;
    this.image = h("img", { alt: "", decoding: "async", hidden: true });
    this.state = h("span", { class: "state" });
    this.progress = h("progress", { max: 1, value: 0 });
    this.progress.setAttribute("aria-label", t("progress.label", { name: job.name }));
    this.open = h(
      "button",
      { type: "button", class: "open", onclick: () => actions.open(job) },
      h("span", { class: "frame" }, icon("blossom"), this.image),
      h("span", { class: "name" }, job.name),
      this.state,
    );
    this.retry = h(
      "button",
      { type: "button", class: "button retry", onclick: () => actions.redraw(job) },
      icon("i-again"),
      t("retry"),
    );
    const remove = h(
      "button",
      { type: "button", class: "remove", onclick: () => queue.remove(job) },
      icon("i-close"),
    );
    remove.setAttribute("aria-label", t("remove", { name: job.name }));
    remove.title = t("remove.short");
    this.element = h("li", { class: "tile" }, this.open, this.progress, this.retry, remove);
    this.update();
  }

  update() {
    const { job } = this;
    const shown = job.result?.url ?? job.preview?.url;
    if (shown && this.image.src !== shown) this.image.src = shown;
    this.image.hidden = !shown;
    this.element.dataset.state = job.state;
    const words = state(job);
    if (this.state.textContent !== words) this.state.textContent = words;
    this.open.setAttribute("aria-label", t("open", { name: job.name, state: words }));
    this.progress.value = progress(job);
    this.progress.hidden = job.state === "done" || job.state === "failed";
    this.retry.hidden = job.state !== "failed" || !worthRetrying(job);
    this.element.querySelector(".frame .icon").style.visibility = shown ? "hidden" : "";
  }
}
