// One photograph: the picture being made, then compared, saved and explained.

import { Compare } from "./compare.js";
import { words } from "./controls.js";
import { h, icon } from "./dom.js";
import { canShare, savePicture, saveJson, share } from "./files.js";
import { findings } from "./findings.js";
import { state } from "./grid.js";
import { progress, STAGES, worthRetrying } from "./queue.js";
import { number, or, t } from "./text.js";

const SHOWN = { photo: 100, compare: 50, picture: 0 };

export class PhotoView {
  #element = document.querySelector("#photo");
  #report = document.querySelector("#report");

  /** actions: back(), open(job), add(), redraw(job), changed(job), cancel(job) */
  constructor(queue, controls, actions) {
    this.queue = queue;
    this.controls = controls;
    this.actions = actions;
  }

  /** Anew, in the language of the page. */
  show(job) {
    this.job = job;
    this.facesShown = false;
    this.seen = {};
    this.figure = h("figure", { class: "viewer" });
    this.status = h("div", { class: "status" });
    this.tools = h("div", { class: "tools" });
    this.actionBar = h("div", { class: "actions" });
    this.head = h("div", { class: "photo-head" });
    this.#element.replaceChildren(
      this.head,
      this.figure,
      this.status,
      this.tools,
      this.actionBar,
    );
    this.#top();
    this.update();
  }

  /** What changed about the job that is shown, and nothing else: focus stays where it is. */
  update() {
    const { job } = this;
    this.#once("picture", [job.preview, job.result], () => this.#picture());
    this.#once("tools", [this.compare, job.result], () => this.#toolbar());
    this.#once("status", [job.state, job.error], () => this.#statusPanel());
    this.#progress();
    this.#once("actions", [job.state, job.result, this.actions.changed(job)], () => this.#buttons());
    this.#once("report", [job.result], () => this.#findings());
    this.figure.dataset.state = job.state;
    this.figure.hidden = job.state === "failed" && !this.compare;
  }

  hide() {
    this.job = undefined;
    this.#report.hidden = true;
  }

  #once(name, values, render) {
    const before = this.seen[name];
    if (before && values.every((value, index) => value === before[index])) return;
    this.seen[name] = values;
    render();
  }

  #top() {
    const { jobs } = this.queue;
    const at = jobs.indexOf(this.job);
    const step = (key, symbol, job) => {
      const button = h(
        "button",
        { type: "button", class: "quiet round", disabled: !job, onclick: () => this.actions.open(job) },
        icon(symbol),
      );
      button.setAttribute("aria-label", t(key));
      button.title = t(key);
      return button;
    };
    this.title = h("h1", { tabIndex: -1 }, this.job.name);
    this.head.replaceChildren(
      h(
        "button",
        { type: "button", class: "quiet back", onclick: this.actions.back },
        icon("i-back"),
        h("span", {}, t("all")),
      ),
      this.title,
      ...(jobs.length > 1
        ? [h("div", { class: "steps" }, step("previous", "i-back", jobs[at - 1]), step("next", "i-next", jobs[at + 1]))]
        : []),
    );
  }

  /** Photographs came or went. */
  sync = () => this.#top();

  #picture() {
    const { job } = this;
    const { preview, result } = job;
    const size = result
      ? { width: result.sidecar.output.width_px, height: result.sidecar.output.height_px }
      : preview && { width: preview.width, height: preview.height };
    if (!size) {
      this.compare = undefined;
      this.figure.replaceChildren(h("div", { class: "unknown" }, icon("blossom")));
      return;
    }
    this.compare = new Compare({
      photo: preview,
      picture: result?.url,
      ...size,
      photoAlt: t("photo.alt", { name: job.name }),
      pictureAlt:
        result &&
        t("picture.alt", { name: job.name, style: this.controls.title(result.sidecar.style) }),
      onchange: (percent) => {
        if (result) result.at = percent;
        this.#mark(percent);
      },
    });
    this.figure.replaceChildren(this.compare.element);
    if (result && preview === null) {
      const format = result.sidecar.source.format.toUpperCase();
      this.figure.append(h("figcaption", {}, t("photo.unseen", { format })));
    }
    if (result?.at === undefined) this.compare.sweep();
    else this.compare.move(result.at);
    this.#faces();
  }

  #toolbar() {
    const { job, compare } = this;
    if (!job.result) {
      this.tools.replaceChildren();
      return;
    }
    this.segments = Object.fromEntries(
      Object.entries(SHOWN).map(([name, percent]) => [
        name,
        h("button", { type: "button", onclick: () => compare.move(percent) }, t(`show.${name}`)),
      ]),
    );
    const group = h("div", { class: "segments", role: "group" }, Object.values(this.segments));
    group.setAttribute("aria-label", t("show.label"));
    const faces = job.result.sidecar.faces.length;
    this.faceButton = h(
      "button",
      {
        type: "button",
        class: "quiet faces-button",
        onclick: () => {
          this.facesShown = !this.facesShown;
          this.#faces();
        },
      },
      icon("i-face"),
      `${t("show.faces")} (${number(faces)})`,
    );
    this.tools.replaceChildren(
      ...[compare?.range && group, faces > 0 && this.faceButton].filter(Boolean),
    );
    if (compare?.range) this.#mark(compare.at);
    this.#faces();
  }

  #mark(percent) {
    for (const [name, button] of Object.entries(this.segments ?? {})) {
      const pressed =
        name === "compare" ? percent > 0 && percent < 100 : percent === SHOWN[name];
      button.setAttribute("aria-pressed", pressed);
    }
  }

  /** The detector sees the photo at the picture's size, so that is what the boxes refer to. */
  #faces() {
    const sidecar = this.job.result?.sidecar;
    if (!sidecar || !this.compare) return;
    const { width_px: width, height_px: height } = sidecar.output;
    this.compare.drawFaces(this.facesShown ? sidecar.faces : [], width, height);
    this.faceButton?.setAttribute("aria-pressed", this.facesShown);
  }

  #statusPanel() {
    const { job } = this;
    this.bar = undefined;
    if (job.state === "done") this.status.replaceChildren();
    else if (job.state === "failed") this.status.replaceChildren(failure(job.error));
    else {
      this.label = h("p", { class: "doing" });
      this.parts = ["upload", ...STAGES].map((name) =>
        h("span", { title: t(`stage.${name}`) }, h("i")),
      );
      this.bar = h("div", { class: "stages", role: "progressbar" }, this.parts);
      this.bar.setAttribute("aria-label", t("progress.label", { name: job.name }));
      const cancel = h(
        "button",
        { type: "button", class: "quiet", onclick: () => this.actions.cancel(job) },
        t("cancel"),
      );
      this.status.replaceChildren(
        h(
          "div",
          { class: "working" },
          icon("blossom"),
          h("div", {}, this.label, this.bar),
          cancel,
        ),
      );
    }
  }

  #progress() {
    const { job } = this;
    if (!this.bar) return;
    const words = state(job);
    if (this.label.textContent !== words) this.label.textContent = words;
    this.bar.setAttribute("aria-valuenow", Math.round(progress(job) * 100));
    this.bar.setAttribute("aria-valuetext", words);
    const stage = job.state === "working" ? STAGES.indexOf(job.stage) : -1;
    for (const [index, part] of this.parts.entries()) {
      const upload = job.state === "uploading" ? (job.fraction ?? 0) : Number(job.state !== "queued");
      part.style.setProperty("--full", index ? Number(index - 1 < stage) : upload);
      part.classList.toggle("now", stage >= 0 && index - 1 === stage);
    }
  }

  #buttons() {
    const { job, actions } = this;
    const button = (key, symbol, onclick, main) =>
      h(
        "button",
        { type: "button", class: `button${main ? " main" : ""}`, onclick },
        icon(symbol),
        h("span", {}, t(key)),
      );
    const failed = job.state === "failed";
    const again = failed ? worthRetrying(job) : job.state === "done" && actions.changed(job);
    const buttons = [
      again && ["i-again", failed ? "retry" : "draw.again", () => actions.redraw(job)],
      job.result && ["i-save", "save", () => savePicture(job)],
      job.result && canShare(job) && ["i-share", "share", () => share(job)],
      job.result && ["i-json", "save.json", () => saveJson(job)],
      ["i-add", "add", actions.add],
      failed && ["i-close", "remove.short", () => actions.cancel(job)],
    ].filter(Boolean);
    // the first is what most will want next
    this.actionBar.replaceChildren(
      ...buttons.map(([symbol, key, onclick], index) => button(key, symbol, onclick, index === 0)),
    );
  }

  #findings() {
    const { result } = this.job;
    this.#report.hidden = !result;
    this.#report.replaceChildren(
      ...(result ? findings(result.sidecar, (name) => this.controls.title(name)) : []),
    );
  }
}

/** What went wrong: our words first, the server's own beneath. */
function failure(error) {
  const { message, stage, measured, limit, request_id: id } = error.told;
  const told = [
    message,
    measured !== null && measured !== undefined && limit !== null && limit !== undefined
      ? t("error.limits", { measured, limit })
      : null,
    stage && or(`stage.${stage}`, stage),
    id && t("error.request", { id }),
  ].filter(Boolean);
  return h(
    "div",
    { class: "failure", role: "alert" },
    icon("petal"),
    h(
      "div",
      {},
      h("p", {}, words(error)),
      told.length > 0 &&
        h(
          "details",
          {},
          h("summary", {}, t("error.detail")),
          told.map((line) => h("p", {}, line)),
        ),
    ),
  );
}
