// Clips: what of a file moves, a still of it for tiles, and two films that play in step.

import { h, icon } from "./dom.js";
import { encode } from "./reduce.js";
import { t } from "./text.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const OPEN_MS = 120_000; // until a browser that says nothing counts as one that cannot play it
const NEAR_S = 0.02; // so far apart, both show the same frame
const FAR_S = 0.3; // further apart, one of them jumps to the other
const CATCH_UP = 2; // of its speed, for each second that one is behind
const HEAD_BYTES = 4096;

/** Whether a picture, by its media type, is a film for <video>; an animated picture is an <img>. */
export const isFilm = (type) => Boolean(type?.startsWith("video/"));

/**
 * Whether a picture's file may move: a canvas would keep its first frame alone, so that it travels
 * as it is. GIF; WebP with its animation flag; PNG with acTL; AVIF of the brand avis.
 */
export async function mayMove(file) {
  if (!/gif|webp|png|avif/.test(file.type)) return false;
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  if (text.startsWith("GIF8")) return true;
  if (text.startsWith("RIFF")) return text.slice(12, 16) === "VP8X" && (bytes[20] & 2) > 0;
  if (text.startsWith("\x89PNG")) return text.slice(0, text.indexOf("IDAT") >>> 0).includes("acTL");
  return text.slice(4, 12) === "ftypavis" || text.slice(16, 64).includes("avis");
}

/**
 * A film's first frame as a JPEG: {blob, width, height, film}, the last a URL of the file itself.
 * null where this browser cannot play it.
 */
export async function poster(file) {
  const film = URL.createObjectURL(file);
  const video = h("video", { muted: true, playsInline: true, preload: "auto" });
  try {
    await opened(video, film);
    const { videoWidth: width, videoHeight: height } = video;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return { blob: await encode(canvas, "image/jpeg"), width, height, is_reduced: false, film };
  } catch {
    URL.revokeObjectURL(film);
    return null;
  } finally {
    video.removeAttribute("src");
    video.load(); // lets go of the file
  }
}

function opened(video, url) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, OPEN_MS);
    const settle = (act) => () => {
      clearTimeout(timer);
      act();
    };
    video.addEventListener("loadeddata", settle(() => (video.videoWidth ? resolve() : reject())));
    video.addEventListener("error", settle(reject));
    video.src = url;
  });
}

/** The bar under one film, or under two that play in step: the first leads, and is heard. */
export class Player {
  constructor(lead, follower) {
    this.lead = lead;
    this.follower = follower;
    this.button = this.#round("film.play", () => this.toggle());
    this.sound = this.#round("film.sound", () => this.#hear(lead.muted));
    this.time = h("output", {});
    this.range = h("input", { type: "range", min: 0, step: 0.01, value: 0, oninput: () => this.#seek() });
    this.range.setAttribute("aria-label", t("film.place"));
    this.element = h("div", { class: "player" }, this.button, this.range, this.time, this.sound);
    for (const event of ["play", "pause"]) lead.addEventListener(event, () => this.#show());
    lead.addEventListener("loadedmetadata", () => this.#show());
    lead.addEventListener("loadeddata", () => !STILL.matches && this.play());
    lead.addEventListener("ended", () => this.#rewind());
    this.#hear(false);
    this.#show();
    this.#step();
  }

  play() {
    for (const film of this.#films()) film.play().catch(() => this.#show()); // forbidden, or too early
  }

  toggle() {
    if (this.lead.paused) this.play();
    else for (const film of this.#films()) film.pause();
  }

  #films = () => [this.lead, this.follower].filter(Boolean);

  #seek() {
    for (const film of this.#films()) film.currentTime = this.range.valueAsNumber;
  }

  #rewind() {
    for (const film of this.#films()) film.currentTime = 0;
    this.play();
  }

  #hear(on) {
    this.lead.muted = !on;
    this.#draw(this.sound, on ? "i-sound" : "i-mute", "film.sound");
    this.sound.setAttribute("aria-pressed", on);
  }

  #show() {
    const { lead, follower } = this;
    if (lead.paused) follower?.pause();
    this.#draw(this.button, lead.paused ? "i-play" : "i-pause", lead.paused ? "film.play" : "film.pause");
    if (lead.duration > 0) this.range.max = lead.duration;
  }

  /** With every frame of the screen, as long as it is there. */
  #step = () => {
    const { lead, follower } = this;
    if (lead.isConnected) {
      const gap = follower ? lead.currentTime - follower.currentTime : 0;
      if (follower && Math.abs(gap) > FAR_S && !follower.seeking) follower.currentTime = lead.currentTime;
      if (follower) follower.playbackRate = Math.abs(gap) < NEAR_S ? 1 : Math.min(2, Math.max(0.5, 1 + CATCH_UP * gap));
      if (follower && !lead.paused && follower.paused && !follower.ended) follower.play().catch(() => {});
      if (document.activeElement !== this.range || !lead.paused) this.range.value = lead.currentTime;
      this.time.textContent = clock(lead.currentTime);
    } else if (this.wasShown) return;
    this.wasShown ||= lead.isConnected;
    requestAnimationFrame(this.#step);
  };

  #round(key, onclick) {
    return h("button", { type: "button", class: "quiet round", onclick, title: t(key) });
  }

  #draw(button, symbol, key) {
    button.replaceChildren(icon(symbol));
    button.setAttribute("aria-label", t(key));
    button.title = t(key);
  }
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
