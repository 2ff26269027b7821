// All photographs at once: a tile for each, with its own progress, failure and second try.

import { fillBar } from "./bar.js";
import { h, icon } from "./dom.js";
import { isWorthRetrying } from "./failures.js";
import { canShare, saveZip } from "./files.js";
import { isFilm } from "./film.js";
import { progress } from "./progress.js";
import { state, timeLeft } from "./state.js";
import { number, t } from "./text.js";

const IN_SIGHT = 3; // buttons: more do not fit under a thumb

export class Grid {
  #element = document.querySelector("#grid");
  #tiles = new Map();

  /**
   * actions: add(), open(job), redraw(job), changed() whether anything is to be drawn anew,
   * remove(job), clear(), share(jobs), title(style), say(words)
   */
  constructor(queue, actions) {
    this.queue = queue;
    this.actions = actions;
  }

  /** Anew, in the language of the page. */
  render() {
    this.#tiles.clear();
    this.shown = undefined;
    this.title = h("h1", { tabIndex: -1 });
    this.count = h("p", { class: "count" });
    this.total = h("progress", { max: 1, hidden: true });
    this.total.setAttribute("aria-label", t("grid.total"));
    this.bar = h("div", { class: "actions" });
    this.list = h("ul", { class: "tiles" });
    this.#element.replaceChildren(
      h("div", { class: "grid-head" }, h("div", { class: "counts" }, this.title, this.count, this.total), this.bar),
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
    for (const [index, job] of this.queue.jobs.entries()) {
      if (!this.#tiles.has(job)) this.#tiles.set(job, new Tile(job, this));
      const { element } = this.#tiles.get(job);
      const there = this.list.children[index];
      if (there !== element) this.list.insertBefore(element, there ?? null);
    }
    this.#head();
  }

  update(job) {
    this.#tiles.get(job)?.update();
    if (this.list) this.#head();
  }

  focus = (job) => this.#tiles.get(job)?.open.focus();

  /** The tile that stands where one was taken away. */
  focusAt(index) {
    const job = this.queue.jobs[Math.min(index, this.queue.jobs.length - 1)];
    if (job) this.focus(job);
  }

  #head() {
    const { jobs } = this.queue;
    const count = jobs.length;
    const done = this.queue.of("done");
    const failed = this.queue.of("failed");
    const isOver = done.length + failed.length === count;
    const { share, left_s } = this.queue.total();
    this.title.textContent =
      count === 1 ? t("grid.title.one") : t("grid.title", { count: number(count) });
    this.count.textContent = [
      t("grid.done", { done: number(done.length), count: number(count) }),
      failed.length && t("grid.failed", { failed: number(failed.length) }),
      !isOver && left_s !== undefined && timeLeft(left_s),
    ]
      .filter(Boolean)
      .join(" · ");
    this.total.hidden = isOver || count < 2;
    this.total.value = share;
    const { changed } = this.actions;
    this.#buttons(
      [
        done.length > 0 && ["save.zip", "i-save", (event) => this.#zip(event)],
        canShare(done) && ["share.all", "i-share", () => this.actions.share(this.queue.of("done"))],
        ["add", "i-add", this.actions.add],
        changed() && ["draw.all", "i-again", () => this.#redraw(this.queue.jobs)],
        this.#failed().length > 1 && ["retry.all", "i-again", () => this.#redraw(this.#failed())],
        ["clear", "i-close", () => this.actions.clear()],
      ].filter(Boolean),
    );
  }

  /**
   * Only when there are other ones: a button that is being pressed must stay. So what a button is
   * about, it looks up when it is pressed.
   */
  #buttons(wanted) {
    const names = wanted.map(([key]) => key).join();
    if (this.shown === names) return;
    this.shown = names;
    fillBar(this.bar, wanted.slice(0, IN_SIGHT), wanted.slice(IN_SIGHT));
  }

  /** Those that a second try may mend. */
  #failed = () => this.queue.of("failed").filter(isWorthRetrying);

  #redraw(jobs) {
    for (const job of [...jobs]) this.actions.redraw(job);
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
    const { actions } = grid;
    this.styleTitle = actions.title;
    this.image = h("img", { alt: "", hidden: true });
    this.state = h("span", { class: "state" });
    this.open = h(
      "button",
      { type: "button", class: "open", onclick: () => actions.open(job) },
      h("span", { class: "frame" }, icon("blossom"), this.image),
      h("span", { class: "name", title: job.name }, job.name),
      this.state,
    );
    this.progress = h("progress", { max: 1 });
    this.progress.setAttribute("aria-label", t("progress.label", { name: job.name }));
    this.retry = h(
      "button",
      { type: "button", class: "button retry", onclick: () => actions.redraw(job) },
      icon("i-again"),
      t("retry"),
    );
    const remove = h(
      "button",
      { type: "button", class: "remove", onclick: () => actions.remove(job) },
      icon("i-close"),
    );
    remove.setAttribute("aria-label", t("remove", { name: job.name }));
    remove.title = t("remove.short");
    this.element = h("li", { class: "tile" }, this.open, this.progress, this.retry, remove);
    this.update();
  }

  update() {
    const { job } = this;
    const { result } = job;
    const shown = (isFilm(result?.blob.type) ? result.still?.url : result?.url) ?? job.preview?.url;
    if (shown && this.image.src !== shown) this.image.src = shown;
    this.image.hidden = !shown;
    this.element.dataset.state = job.state;
    const words = state(job, this.styleTitle);
    if (this.state.textContent !== words) this.state.textContent = words;
    this.open.setAttribute("aria-label", t("open", { name: job.name, state: words }));
    this.progress.value = progress(job);
    this.progress.hidden = job.state === "done" || job.state === "failed";
    this.retry.hidden = job.state !== "failed" || !isWorthRetrying(job);
    this.element.querySelector(".frame .icon").style.visibility = shown ? "hidden" : "";
  }
}
