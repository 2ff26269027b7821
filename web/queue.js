// The photographs of this visit: each goes its own way, a few at a time, and fails alone.

import { check, contentType, outcome, redraw, Refusal, upload } from "./client.js";
import { lacksConnection } from "./failures.js";
import { isFilm, mayMove, poster } from "./film.js";
import { progress } from "./progress.js";
import { reduced, SENT_PX } from "./reduce.js";
import { MAX_RESUMED } from "./resume.js";
import { newId } from "./shelf.js";
import { Variants } from "./variants.js";

const AT_ONCE = 3;
const SAME_SHAPE = 0.02;

/**
 * Tells "change" (detail: the job), "list" (photographs came or went) and "kept" (detail: the job,
 * of which something is new that outlives the visit). A job:
 * {id, file, name, added, options, state, fraction, stage, frames, begun, preview, upload, variants, result,
 * looks, error}
 * state: queued, uploading, waiting, working, done, failed
 * preview: {blob, url, width, height, is_reduced, film}; undefined until tried, null where the browser
 * cannot. Of a clip the blob is a still, and film the URL of the clip itself; result.still is that of a film.
 * moves: whether it is a clip, or may be one
 * frames: {done, total} of a clip that is drawn; begun: {done, at}, when the first of them was told
 * upload: {id, side_px}, of the photo as the server has it, once it has it
 * result stays while the photo is drawn anew. looks: {style: {blob, url}}, small drawings.
 */
export class Queue extends EventTarget {
  jobs = [];
  #running = 0;
  #batch = { begun: 0, done: 0 };

  /** complete(options): every option with its value; keepsOriginal(): whether photos travel whole. */
  constructor(complete, keepsOriginal) {
    super();
    this.complete = complete;
    this.keepsOriginal = keepsOriginal;
  }

  add(files, options) {
    const added = files.map((file, index) => ({
      id: newId(),
      file,
      name: file.name,
      added: Date.now() + index / files.length, // in the order in which they were given
      options,
      state: "queued",
      variants: new Variants(),
      looks: {},
    }));
    this.jobs.push(...added);
    this.#tellList();
    for (const job of added) {
      this.#look(job);
      this.#keep(job);
    }
    this.#go();
    return added;
  }

  /** Photographs of an earlier visit: drawn ones as they were, the others go on. */
  restore(jobs) {
    const known = new Set(this.jobs.map(({ id }) => id));
    const restored = jobs.filter(({ id }) => !known.has(id));
    this.jobs = [...restored, ...this.jobs].sort((one, other) => one.added - other.added);
    this.#tellList();
    for (const job of restored) {
      if (job.preview === undefined) this.#look(job);
      if (job.result) this.#still(job);
    }
    this.#go();
  }

  /** With the options as they are now. The photo does not travel again, nor is it drawn twice. */
  redraw(job, options) {
    job.options = options;
    job.error = undefined;
    const picture = job.variants.get(this.complete(options));
    if (picture) {
      job.stop?.abort();
      job.result = { ...picture, options };
      job.state = "done";
      this.#keep(job);
    } else if (!this.working(job)) {
      job.state = "queued";
    } else if (job.state === "waiting" || job.state === "working") {
      job.stop.abort(); // #run begins with these options instead
    }
    this.#tell(job);
    this.#go();
  }

  /** What failed for want of a connection; a few times, for it may be something else. */
  resume() {
    for (const job of this.jobs) {
      if (!isLost(job)) continue;
      job.resumed = (job.resumed ?? 0) + 1;
      this.redraw(job, job.options);
    }
  }

  /** Takes photographs away; the answer, given to putBack, brings them back. */
  remove(jobs) {
    const removed = jobs.map((job) => ({ job, at: this.jobs.indexOf(job) }));
    for (const job of jobs) {
      job.removed = true;
      job.stop?.abort();
    }
    this.jobs = this.jobs.filter((job) => !job.removed);
    this.#tellList();
    return removed;
  }

  putBack(removed) {
    for (const { job, at } of [...removed].sort((one, other) => one.at - other.at)) {
      job.removed = false;
      if (this.working(job)) job.state = "queued";
      this.jobs.splice(at, 0, job);
      this.#keep(job);
    }
    this.#tellList();
    this.#go();
  }

  /** Lets go of the pictures of photographs that do not come back. */
  release(jobs) {
    for (const { preview, result, variants, looks } of jobs) {
      variants.clear();
      for (const shown of [preview, result, result?.before, result?.still, ...Object.values(looks)]) {
        if (shown) URL.revokeObjectURL(shown.url);
      }
      if (preview?.film) URL.revokeObjectURL(preview.film);
    }
  }

  find = (id) => this.jobs.find((job) => job.id === id);
  working = (job) => job.state !== "done" && job.state !== "failed";
  of = (state) => this.jobs.filter((job) => job.state === state);

  /** Of all photographs that were asked for together: 0 to 1, and the seconds left, if known. */
  total() {
    const open = this.jobs.filter(this.working);
    const { begun, done } = this.#batch;
    const over = done + open.reduce((sum, job) => sum + progress(job), 0);
    const share = over / (done + open.length || 1);
    const elapsed_s = (Date.now() - begun) / 1000;
    return { share, left_s: done > 0 && share > 0 ? (elapsed_s * (1 - share)) / share : undefined };
  }

  /** The photo as the browser shows it, and what of it travels. */
  async #look(job) {
    const isClip = isFilm(contentType(job.file));
    job.looking = isClip ? poster(job.file) : reduced(job.file, SENT_PX);
    job.moves = isClip || (await mayMove(job.file));
    const photo = await job.looking;
    job.preview = photo && { ...photo, url: URL.createObjectURL(photo.blob) };
    this.#tell(job);
  }

  /** A still of a drawn film, for its tile. */
  async #still(job) {
    const { result } = job;
    if (!isFilm(result.blob.type)) return;
    const still = await poster(result.blob);
    if (!still || job.result !== result) return;
    URL.revokeObjectURL(still.film);
    result.still = { url: URL.createObjectURL(still.blob) };
    this.#tell(job);
  }

  /**
   * The photo from the server, where this browser cannot show it, or the picture is a part of it:
   * strength 0 is the photo.
   */
  async #fetchBefore(job) {
    const { width_px: width, height_px: height } = job.result.sidecar.output;
    const { preview, result } = job;
    if (preview && isSameShape(preview.width / preview.height, width / height)) return;
    if (result.sidecar.clip) return; // it would be drawn as long once more, to be looked at
    const options = { ...result.options, strength: 0, enhance: "off", faces: "off" };
    try {
      const signal = job.stop.signal;
      const result_url = await redraw(job.upload.id, this.complete(options), signal);
      const { blob } = await outcome(result_url, { onprogress: () => {}, signal });
      if (job.result !== result || job.removed) return;
      result.before = { blob, width, height, url: URL.createObjectURL(blob) };
      this.#keep(job);
      this.#tell(job);
    } catch (error) {
      console.info("no photo to compare with:", error.message); // the picture is there all the same
    }
  }

  #go() {
    if (!this.#running) this.#batch = { begun: Date.now(), done: 0 };
    while (this.#running < AT_ONCE) {
      const job = this.jobs.find((queued) => queued.state === "queued");
      if (!job) return;
      this.#running++;
      this.#run(job).finally(() => {
        this.#running--;
        this.#batch.done++;
        this.#go();
      });
    }
  }

  /** Until the options that were drawn with are those that are asked for. */
  async #run(job) {
    const run = {};
    job.run = run; // a later one takes over
    for (let options; options !== job.options; ) {
      options = job.options;
      job.stop = new AbortController();
      try {
        const picture = await this.#draw(job, options, job.stop.signal);
        if (job.removed || job.run !== run) return;
        job.result = { ...job.variants.add(this.complete(options), picture), options };
        this.#still(job);
        job.resumed = 0;
        if (job.options === options) job.state = "done";
      } catch (error) {
        if (job.removed || job.run !== run || job.state === "done") return;
        if (job.options !== options) continue;
        if (error.name === "AbortError") return; // put back, and in the queue again
        if (!(error instanceof Refusal)) console.error(error);
        job.error = error instanceof Refusal ? error : new Refusal("unknown", { message: String(error) });
        job.state = "failed";
      }
      this.#keep(job);
      this.#tell(job);
    }
    if (job.state === "done") this.#fetchBefore(job);
  }

  async #draw(job, options, signal) {
    job.frames = job.begun = undefined;
    const onprogress = (news) => {
      Object.assign(job, news);
      if (job.frames) job.begun ??= { done: job.frames.done, at: Date.now() };
      this.#tell(job);
    };
    const side_px = Math.max(SENT_PX, this.complete(options).max_side_px ?? 0);
    let result_url;
    if (job.upload && side_px <= job.upload.side_px) {
      onprogress({ state: "waiting", stage: undefined });
      try {
        result_url = await redraw(job.upload.id, this.complete(options), signal);
      } catch (error) {
        if (error.code !== "object_not_found") throw error; // it was there too long: send it again
      }
    }
    result_url ??= await this.#send(job, options, side_px, signal, onprogress);
    onprogress({ state: "waiting", stage: undefined });
    return outcome(result_url, { onprogress, signal });
  }

  async #send(job, options, side_px, signal, onprogress) {
    onprogress({ state: "uploading", fraction: 0, stage: undefined });
    check(job.file);
    const isWhole = this.keepsOriginal() || (await travelsWhole(job.file, this.complete(options)));
    const photo = isWhole ? null : await this.#reduced(job, side_px);
    signal.throwIfAborted();
    const { id, result_url } = await upload(photo?.blob ?? job.file, job.name, options, {
      onfraction: (fraction) => onprogress({ fraction }),
      signal,
    });
    job.upload = { id, side_px: photo?.is_reduced ? side_px : Infinity };
    this.#keep(job);
    return result_url;
  }

  #reduced(job, side_px) {
    if (side_px > SENT_PX) return reduced(job.file, side_px);
    return job.looking ?? job.preview;
  }

  #tell(job) {
    if (!job.removed) this.dispatchEvent(new CustomEvent("change", { detail: job }));
  }

  #tellList() {
    this.dispatchEvent(new Event("list"));
  }

  #keep(job) {
    if (!job.removed) this.dispatchEvent(new CustomEvent("kept", { detail: job }));
  }
}

/** What would lose its movement in a canvas; and a motion photo, whose film lies behind its picture. */
const travelsWhole = async (file, { motion }) =>
  isFilm(contentType(file)) || motion === "on" || mayMove(file);

/** Of two widths over heights: else one picture is a part of the other. */
export const isSameShape = (one, two) => Math.abs(one / two - 1) < SAME_SHAPE;

/** Whether it waits for a connection, to go on by itself. */
export const isLost = (job) =>
  job.state === "failed" && lacksConnection(job.error) && (job.resumed ?? 0) < MAX_RESUMED;
