// The photographs of this visit: each goes its own way, a few at a time, and fails alone.

import { draw, Refusal } from "./client.js";
import { preview } from "./preview.js";

const AT_ONCE = 3;

// the stages as the server names them while it works, for how far along it is
export const STAGES = [
  "decode",
  "quality",
  "enhance",
  "faces",
  "open_weights",
  "stylise",
  "enlarge",
  "redraw",
  "repair",
  "measure",
  "encode",
];
const UPLOAD_SHARE = 0.4;

// the photo is at fault, whatever the options: the same again would end the same
const HOPELESS = new Set([
  "not_an_image",
  "truncated_image",
  "unsupported_variant",
  "empty_input",
  "too_many_bytes",
  "too_many_pixels",
  "extreme_aspect",
]);

/**
 * Tells "change" (detail: the job) and "list" (photographs came or went). A job:
 * {id, file, name, options, state, fraction, stage, preview, result, error}
 * state: queued, uploading, waiting, working, done, failed
 * preview: undefined until tried, null where the browser cannot; result stays while it is redrawn.
 */
export class Queue extends EventTarget {
  jobs = [];
  #next = 1;
  #running = 0;

  add(files, options) {
    const added = files.map((file) => ({
      id: this.#next++,
      file,
      name: file.name,
      options,
      state: "queued",
    }));
    this.jobs.push(...added);
    this.dispatchEvent(new CustomEvent("list", { detail: added }));
    for (const job of added) this.#look(job);
    this.#go();
    return added;
  }

  /** Again, with the options as they are now. */
  redraw(job, options) {
    if (this.working(job)) return;
    Object.assign(job, { options, state: "queued", error: undefined });
    this.#tell(job);
    this.#go();
  }

  remove(job) {
    job.removed = true;
    job.stop?.abort();
    this.jobs = this.jobs.filter((one) => one !== job);
    for (const shown of [job.preview, job.result]) if (shown) URL.revokeObjectURL(shown.url);
    this.dispatchEvent(new CustomEvent("list", { detail: [] }));
  }

  find = (id) => this.jobs.find((job) => job.id === id);
  working = (job) => job.state !== "done" && job.state !== "failed";
  of = (state) => this.jobs.filter((job) => job.state === state);

  async #look(job) {
    const seen = await preview(job.file);
    if (job.removed) {
      if (seen) URL.revokeObjectURL(seen.url);
      return;
    }
    job.preview = seen;
    this.#tell(job);
  }

  #go() {
    while (this.#running < AT_ONCE) {
      const job = this.jobs.find((one) => one.state === "queued");
      if (!job) return;
      this.#running++;
      this.#run(job).finally(() => {
        this.#running--;
        this.#go();
      });
    }
  }

  async #run(job) {
    job.stop = new AbortController();
    Object.assign(job, { state: "uploading", fraction: 0, stage: undefined });
    this.#tell(job);
    try {
      const { blob, sidecar } = await draw(job.file, job.options, {
        signal: job.stop.signal,
        onprogress: (news) => {
          if (news.stage && !STAGES.includes(news.stage)) delete news.stage; // a newer server's
          Object.assign(job, news);
          this.#tell(job);
        },
      });
      if (job.removed) return;
      if (job.result) URL.revokeObjectURL(job.result.url);
      job.result = { blob, sidecar, url: URL.createObjectURL(blob), options: job.options };
      job.state = "done";
    } catch (error) {
      if (job.removed) return;
      if (!(error instanceof Refusal)) console.error(error);
      job.error = error instanceof Refusal ? error : new Refusal("unknown", { message: String(error) });
      job.state = "failed";
    }
    this.#tell(job);
  }

  #tell(job) {
    if (!job.removed) this.dispatchEvent(new CustomEvent("change", { detail: job }));
  }
}

export const worthRetrying = (job) => !HOPELESS.has(job.error.code);

/** 0 to 1: the bytes that are up, then the stages that are over. */
export function progress(job) {
  if (job.state === "uploading") return UPLOAD_SHARE * (job.fraction ?? 0);
  if (job.state === "waiting") return UPLOAD_SHARE;
  if (job.state === "working") {
    const over = Math.max(0, STAGES.indexOf(job.stage));
    return UPLOAD_SHARE + ((1 - UPLOAD_SHARE) * over) / STAGES.length;
  }
  return job.state === "queued" ? 0 : 1;
}
