// The photographs of earlier visits, and what was made of them so far.

import { Refusal } from "./client.js";
import { Shelf } from "./shelf.js";
import { Variants } from "./variants.js";

const PHOTOS = "photos"; // what does not change: the file, its name, when it came
const STATES = "states"; // what was made of it so far

/** Tells "full" when the browser has no room for more. */
export class History extends Shelf {
  constructor() {
    super("kirei", [PHOTOS, STATES]);
  }

  /** The jobs of earlier visits, the oldest first, without those of other open tabs. */
  async load() {
    const left = await this.left();
    for (const [{ id }] of left) this.claim(id);
    return left.map(([photo, state]) => revived(photo, state));
  }

  /** What is new of a job. */
  put(job) {
    const { id, file, name, added, options, upload, result, looks, error, state } = job;
    const failed = state === "failed" && error ? { code: error.code, told: error.told } : null;
    const small = Object.entries(looks).map(([style, { url, ...look }]) => ({ style, ...look }));
    const drawn = result && {
      blob: result.blob,
      sidecar: result.sidecar,
      options: result.options,
      before: result.before && { ...result.before, url: undefined },
    };
    this.write(id, [{ file, name, added }, { options, upload, failed, drawn, looks: small }]);
  }
}

function revived({ id, file, name, added }, state = {}) {
  const { options = {}, upload, failed, drawn, looks = [] } = state;
  const withUrl = (picture) => ({ ...picture, url: URL.createObjectURL(picture.blob) });
  const result = drawn && { ...withUrl(drawn), before: drawn.before && withUrl(drawn.before) };
  return {
    id,
    file,
    name,
    added,
    options,
    upload,
    result,
    variants: new Variants(),
    looks: Object.fromEntries(looks.map(({ style, ...look }) => [style, withUrl(look)])),
    error: failed ? new Refusal(failed.code, failed.told) : undefined,
    state: failed ? "failed" : drawn ? "done" : "queued",
  };
}
