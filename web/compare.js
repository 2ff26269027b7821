// Photo and picture on top of each other with a divider: drag anywhere, or the arrow keys. Enlarged,
// a drag moves the picture instead, and the divider is moved by its handle.

import { h, svg } from "./dom.js";
import { Player } from "./film.js";
import { number, t } from "./text.js";
import { Zoom } from "./zoom.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const SWEEP_MS = 1100;
const REST = 50; // percent that the photo keeps after the sweep

/**
 * photo: {url, film} or null where the browser cannot show it; picture: its URL or null while it is
 * drawn; isFilm: whether that is a film; width and height as seen. Films have a .player. Where both are there, .at is the photo's share in percent.
 * onchange(percent); onzoom(percent of the picture's own pixels, 0 where all of it is shown).
 */
export class Compare {
  constructor({ photo, picture, isFilm, width, height, photoAlt, pictureAlt, onchange, onzoom }) {
    this.onchange = onchange;
    const still = (src, alt) => h("img", { src, alt, draggable: false });
    const layer = (name, shown) => {
      shown.classList.add(IMAGES[name]);
      return h("div", { class: name }, shown);
    };
    const moves = photo?.film && (isFilm || !picture); // beside a still, the photo is one, too
    const before = photo && (moves ? film(photo.film, photoAlt) : still(photo.url, photoAlt));
    const after = picture && (isFilm ? film(picture, pictureAlt) : still(picture, pictureAlt));
    this.faces = svg("svg", { class: "faces", "aria-hidden": "true" });
    this.element = h(
      "div",
      { class: "compare", variables: { ratio: width / height, at: 0, mix: 1 } },
      before && layer("under", before),
      after && layer("over", after),
      h("div", { class: "marks" }, this.faces),
    );
    this.zoom = new Zoom(this.element, width, onzoom);
    if (isFilm) this.player = new Player(after, moves ? before : null);
    else if (moves) this.player = new Player(before);
    if (photo && picture) this.#divide();
    this.element.addEventListener("pointerdown", (event) => this.#press(event));
  }

  /** Another picture in the same place, of which the photo shows through: mix 1 is the picture alone. */
  exchange(url, mix = 1) {
    const image = this.element.querySelector(".after");
    if (image && image.getAttribute("src") !== url) image.src = url;
    this.element.style.setProperty("--mix", mix);
  }

  #divide() {
    this.range = h("input", {
      type: "range",
      min: 0,
      max: 100,
      value: 0,
      class: "unseen",
      oninput: () => this.move(this.range.valueAsNumber),
    });
    this.range.setAttribute("aria-label", t("compare.label"));
    this.handle = h("span", { class: "handle", "aria-hidden": "true" });
    this.element.append(this.range, this.handle);
  }

  #press(event) {
    if (event.button !== 0) return;
    if (this.zoom.isOn && !this.handle?.contains(event.target)) return; // it pans
    if (this.range) this.#drag(event);
  }

  #drag(event) {
    const to = ({ clientX }) => {
      const box = this.element.getBoundingClientRect();
      this.move(((clientX - box.left) / box.width) * 100);
    };
    const stop = new AbortController();
    this.element.setPointerCapture(event.pointerId);
    this.element.addEventListener("pointermove", (moved) => !this.zoom.isPinched && to(moved), {
      signal: stop.signal,
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.element.addEventListener(end, () => stop.abort(), { once: true });
    }
    this.range.focus({ preventScroll: true });
    to(event);
  }

  /** percent: how much of the photo is shown. */
  move(percent) {
    if (!this.range) return;
    this.#halt();
    this.#set(percent);
  }

  #set(percent) {
    this.at = Math.min(100, Math.max(0, percent));
    this.range.value = this.at;
    this.range.setAttribute("aria-valuetext", t("compare.value", { percent: number(this.at) }));
    this.element.style.setProperty("--at", this.at);
    this.onchange?.(this.at);
  }

  /** From the photo to the middle: how the picture is first seen. */
  sweep() {
    if (!this.range) return;
    if (STILL.matches) {
      this.#set(REST);
      return;
    }
    const begun = performance.now();
    const step = (now) => {
      const part = Math.min(1, (now - begun) / SWEEP_MS);
      this.#set(100 - (100 - REST) * (1 - (1 - part) ** 3));
      this.frame = part < 1 ? requestAnimationFrame(step) : undefined;
    };
    this.#set(100);
    this.frame = requestAnimationFrame(step);
  }

  #halt() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
  }

  /** faces: boxes and landmarks in pixels of a photo of this width and height; none hides them. */
  drawFaces(faces, width, height) {
    this.faces.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const dot = Math.max(width, height) / 220;
    this.faces.replaceChildren(
      ...faces.flatMap(({ box: [left, top, right, bottom], landmarks }, index) => [
        svg("rect", {
          x: left,
          y: top,
          width: right - left,
          height: bottom - top,
          rx: (right - left) / 12,
        }),
        ...landmarks.map(([cx, cy]) => svg("circle", { cx, cy, r: Math.min(dot, (right - left) / 24) })),
        svg("text", { x: left, y: top - dot, "font-size": dot * 6 }, String(index + 1)),
      ]),
    );
  }
}

function film(src, name) {
  const video = h("video", { muted: true, playsInline: true, preload: "auto", draggable: false });
  video.setAttribute("aria-label", name);
  video.src = src;
  return video;
}

const IMAGES = { under: "before", over: "after" };
