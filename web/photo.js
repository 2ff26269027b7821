// One photograph: the picture being made, then compared, looked at closely, saved and explained.

import { fillBar } from "./bar.js";
import { Compare } from "./compare.js";
import { h, icon } from "./dom.js";
import { failure, isWorthRetrying } from "./failures.js";
import { canCopy, canShare } from "./files.js";
import { isFilm } from "./film.js";
import { findings } from "./findings.js";
import { drawLooks } from "./looks.js";
import { progress, STAGES } from "./progress.js";
import { isLost, isSameShape } from "./queue.js";
import { state } from "./state.js";
import { termsLine } from "./terms.js";
import { number, t } from "./text.js";

const SHOWN = { photo: 100, compare: 50, picture: 0 };

export class PhotoView {
  #element = document.querySelector("#photo");
  #report = document.querySelector("#report");
  #looking; // the small drawings that are under way

  /** actions: back(), open(job), add(), redraw(job), remove(job), and what files.js does, guarded */
  constructor(queue, controls, actions) {
    this.queue = queue;
    this.controls = controls;
    this.actions = actions;
    document.addEventListener("fullscreenchange", () => this.#fill(Boolean(document.fullscreenElement)));
  }

  /** Anew, in the language of the page. */
  show(job) {
    this.hide();
    this.job = job;
    this.at = undefined;
    this.compare = undefined;
    this.facesShown = false;
    this.seen = {};
    this.figure = h("figure", { class: "viewer" });
    this.status = h("div", { class: "status" });
    this.tools = h("div", { class: "tools" });
    this.terms = h("div", { class: "terms-line" });
    this.actionBar = h("div", { class: "actions" });
    this.head = h("div", { class: "photo-head" });
    this.#element.replaceChildren(
      this.head,
      h("div", { class: "stage" }, this.figure, this.status),
      this.tools,
      h("div", { class: "foot" }, this.actionBar, this.terms),
    );
    this.controls.showLooks(job.looks);
    this.#top();
    this.update();
  }

  /** What changed about the job that is shown, and nothing else: focus stays where it is. */
  update() {
    const { job } = this;
    const before = job.result?.before ?? job.preview;
    this.#once("picture", [before, job.result], () => this.#picture(before));
    this.#once("preview", [job.state, job.options], () => this.#previewLook());
    this.#once("tools", [this.compare, job.result], () => this.#toolbar());
    this.#once("status", [job.state, job.error, job.result, Boolean(job.frames)], () => this.#statusPanel());
    this.#progress();
    this.#once("terms", [job.result], () => this.#termsLine());
    this.#once("actions", [job.state, job.result, before], () => this.#buttons(before));
    this.#once("report", [job.result], () => this.#findings());
    // the server has opened it: it is a photo
    const isSound = Boolean(job.result) || STAGES.indexOf(job.stage) > 0;
    this.#once("looks", [job.upload, isSound, this.controls.isLoaded], () => this.#drawLooks(isSound));
    this.figure.dataset.state = job.state;
    this.figure.hidden = job.state === "failed" && !this.compare;
  }

  hide() {
    this.#looking?.abort();
    this.job = undefined;
    this.#report.hidden = true;
    this.controls.showLooks({});
  }

  leaveFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    this.#fill(false);
  }

  /** The strength while its slider moves: the drawing mixed with the photo, as the server does it. */
  mix(strength) {
    const whole = this.job?.variants.whole(this.controls.complete(this.controls.chosen()));
    if (whole && this.compare?.range) this.compare.exchange(whole.url, strength);
  }

  /** Arrow keys and Escape; whether the key meant anything here. */
  key(name) {
    const zoom = this.compare?.zoom;
    const [dx, dy] = ARROWS[name] ?? [0, 0];
    if (zoom?.isOn && (dx || dy)) zoom.pan(dx, dy);
    else if (zoom?.isOn && name === "Escape") zoom.reset();
    else if (name === "Escape" && this.#element.classList.contains("filled")) this.leaveFull();
    else if (name === "Escape") this.actions.back();
    else if (name === " " && this.compare?.player && !document.activeElement.matches("button, summary, a")) {
      this.compare.player.toggle();
    }
    else if (dx) this.#step(dx);
    else return false;
    return true;
  }

  #step(by) {
    const { jobs } = this.queue;
    const next = jobs[jobs.indexOf(this.job) + by];
    if (next) this.actions.open(next);
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
    this.title = h("h1", { tabIndex: -1, title: this.job.name }, this.job.name);
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

  #picture(before) {
    const { job } = this;
    const { result } = job;
    const size = result
      ? { width: result.sidecar.output.width_px, height: result.sidecar.output.height_px }
      : before && { width: before.width, height: before.height };
    if (!size) {
      this.compare = undefined;
      this.figure.replaceChildren(h("div", { class: "unknown" }, icon("blossom")));
      return;
    }
    // a photo of another shape than the picture is the whole, of which the picture is a part
    const fits = before && isSameShape(before.width / before.height, size.width / size.height);
    const photo = fits ? before : null;
    const moves = isFilm(result?.blob.type);
    const place = [photo?.url, Boolean(result), moves, size.width, size.height].join();
    if (this.compare && this.place === place) {
      this.compare.exchange(result?.url);
      return;
    }
    this.place = place;
    this.compare = new Compare({
      photo,
      picture: result?.url,
      isFilm: moves,
      ...size,
      photoAlt: t("photo.alt", { name: job.name }),
      pictureAlt:
        result &&
        t("picture.alt", { name: job.name, style: this.controls.title(result.sidecar.style) }),
      onchange: (percent) => {
        this.at = percent;
        this.#mark(percent);
      },
      onzoom: (percent) => this.#zoomed(percent),
    });
    this.figure.replaceChildren(this.compare.element, this.#leaveButton());
    if (this.compare.player) this.figure.append(this.compare.player.element);
    if (result && !photo && job.preview === null) {
      const format = result.sidecar.source.format.toUpperCase();
      this.figure.append(h("figcaption", {}, t("photo.unseen", { format })));
    }
    if (this.at === undefined) this.compare.sweep();
    else this.compare.move(this.at);
    this.#faces();
  }

  /** Until the picture of another look is there: its small drawing in that place. */
  #previewLook() {
    const { job, compare } = this;
    if (!job.result || !compare) return;
    if (job.state === "failed") compare.exchange(job.result.url);
    const look = job.looks[job.options.style ?? this.controls.complete({}).style];
    if (!look || !this.queue.working(job) || job.options.style === job.result.options.style) return;
    const { width_px: width, height_px: height } = job.result.sidecar.output;
    // a part of the photo is not shown by a drawing of all of it
    if (isSameShape(look.ratio, width / height)) compare.exchange(look.url, job.options.strength ?? 1);
  }

  async #drawLooks(isSound) {
    const { job, controls } = this;
    if (!job.upload || !isSound || !controls.isLoaded) return;
    this.#looking?.abort();
    this.#looking = new AbortController();
    await drawLooks(job, controls.styles, {
      complete: controls.complete,
      onlook: () => {
        if (this.job === job) controls.showLooks(job.looks);
      },
      signal: this.#looking.signal,
    });
    this.actions.keep(job);
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
    const tool = (symbol, words, onclick) =>
      h("button", { type: "button", class: "quiet tool", onclick }, icon(symbol), h("span", {}, words));
    this.faceButton = tool("i-face", `${t("show.faces")} (${number(faces)})`, () => {
      this.facesShown = !this.facesShown;
      this.#faces();
    });
    this.zoomButton = tool("i-zoom", t("zoom"), () => this.compare.zoom.toggle());
    this.zoomButton.setAttribute("aria-pressed", false);
    const full = tool("i-full", t("full"), () => this.#enterFull());
    this.tools.replaceChildren(
      ...[compare?.range && group, faces > 0 && this.faceButton, compare && this.zoomButton, compare && full].filter(Boolean),
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

  #zoomed(percent) {
    if (!this.zoomButton) return;
    this.zoomButton.setAttribute("aria-pressed", percent > 0);
    this.zoomButton.querySelector("span").textContent = percent
      ? t("zoom.percent", { percent: number(percent) })
      : t("zoom");
  }

  #enterFull() {
    if (this.#element.requestFullscreen) {
      this.#element.requestFullscreen().catch(() => this.#fill(true));
    } else this.#fill(true); // an iPhone has it for films only
  }

  #fill(on) {
    this.#element.classList.toggle("filled", on);
    document.body.classList.toggle("full", on);
    this.compare?.zoom.reset();
  }

  #leaveButton() {
    const button = h(
      "button",
      { type: "button", class: "leave", onclick: () => this.leaveFull() },
      icon("i-close"),
    );
    button.setAttribute("aria-label", t("full.leave"));
    return button;
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
    this.progressBar = undefined;
    this.status.className = job.result ? "status again" : "status";
    if (job.state === "done") this.status.replaceChildren();
    else if (job.state === "failed") this.status.replaceChildren(failure(job.error, isLost(job)));
    else this.status.replaceChildren(this.#working());
  }

  #working() {
    const { job } = this;
    this.label = h("p", { class: "doing" });
    const stages = job.frames ? ["stylise"] : STAGES;
    this.parts = ["upload", ...stages].map((name) => h("span", { title: t(`stage.${name}`) }, h("i")));
    const kind = job.frames ? "stages film" : "stages";
    this.progressBar = h("div", { class: kind, role: "progressbar" }, this.parts);
    this.progressBar.setAttribute("aria-label", t("progress.label", { name: job.name }));
    const cancel =
      !job.result &&
      h(
        "button",
        { type: "button", class: "quiet", onclick: () => this.actions.remove(job) },
        t("cancel"),
      );
    return h("div", { class: "working" }, icon("blossom"), h("div", {}, this.label, this.progressBar), cancel);
  }

  #progress() {
    const { job } = this;
    if (!this.progressBar) return;
    const words = state(job);
    if (this.label.textContent !== words) this.label.textContent = words;
    this.progressBar.setAttribute("aria-valuenow", Math.round(progress(job) * 100));
    this.progressBar.setAttribute("aria-valuetext", words);
    if (job.frames) {
      const [sent, drawn] = this.parts;
      sent.style.setProperty("--full", 1);
      drawn.style.setProperty("--full", job.frames.done / job.frames.total);
      return;
    }
    const stage = job.state === "working" ? STAGES.indexOf(job.stage) : -1;
    for (const [index, part] of this.parts.entries()) {
      const upload = job.state === "uploading" ? (job.fraction ?? 0) : Number(job.state !== "queued");
      part.style.setProperty("--full", index ? Number(index - 1 < stage) : upload);
      part.classList.toggle("now", stage >= 0 && index - 1 === stage);
    }
  }

  #termsLine() {
    const { result } = this.job;
    this.terms.replaceChildren(...(result ? [termsLine(result.sidecar.terms)] : []));
  }

  #buttons(before) {
    const { job, actions } = this;
    const failed = job.state === "failed";
    const { result } = job;
    const compared = result && before && !isFilm(result.blob.type) && !before.film;
    const buttons = [
      failed && isWorthRetrying(job) && ["retry", "i-again", () => actions.redraw(job)],
      result && ["save", "i-save", () => actions.save(job)],
      result && canShare([job]) && ["share", "i-share", () => actions.share([job])],
      ["add", "i-add", actions.add],
      failed && !result && ["remove.short", "i-close", () => actions.remove(job)],
    ].filter(Boolean);
    const more = [
      compared && ["save.both", "i-both", () => actions.saveBoth(job)],
      compared && canShare([job]) && ["share.both", "i-share", () => actions.shareBoth(job)],
      result && !isFilm(result.blob.type) && canCopy() && ["copy", "i-copy", () => actions.copy(job)],
      result && ["save.json", "i-json", () => actions.saveJson(job)],
      result && ["remove.short", "i-close", () => actions.remove(job)],
    ].filter(Boolean);
    fillBar(this.actionBar, buttons, more);
  }

  #findings() {
    const { result } = this.job;
    this.#report.hidden = !result;
    this.#report.replaceChildren(
      ...(result ? findings(result.sidecar, (name) => this.controls.title(name)) : []),
    );
  }
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
