// Kirei's API as the page uses it: an upload, then the result asked for until it is there.

import { isFilm } from "./film.js";
import { askToken, token } from "./token.js";

const ROOT = new URL("../", import.meta.url);
const MIN_POLL_MS = 120;
const MAX_POLL_MS = 2000;
const MAX_WAIT_MS = 15 * 60 * 1000;
const BUSY_S = 2; // where a gateway turns a call away without saying for how long
const MAX_ATTEMPTS = 4; // of a call that a busy server turns away, or of a poll that the network loses

// what an answer means that is not the API's own but a gateway's, a proxy's or a bucket's
const CODES = {
  403: "forbidden",
  413: "too_many_bytes",
  429: "too_many_requests",
  503: "too_many_requests",
};

// browsers know no type for these, or leave it out
const TYPES = {
  heic: "image/heic",
  heif: "image/heif",
  avif: "image/avif",
  webp: "image/webp",
  tif: "image/tiff",
  tiff: "image/tiff",
  bmp: "image/bmp",
  gif: "image/gif",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  mp4: "video/mp4",
  m4v: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  mkv: "video/x-matroska",
};

/** What went wrong: a code that the page has words for, and what the server said, if it did. */
export class Refusal extends Error {
  constructor(code, told = {}) {
    super(told.message || code);
    this.code = code;
    this.told = told;
  }
}

export const contentType = (file) =>
  file.type || TYPES[file.name.split(".").pop().toLowerCase()] || "application/octet-stream";

export const styles = () => request("v1/styles");
export const options = () => request("v1/options");

let takesClips = true;

/** Whether the server reads clips, as it says among its options. */
export const learnClips = (taken) => (takesClips = taken);

/** Refuses, before a byte travels, what no server would draw. */
export function check(file) {
  // an empty type may be a photo yet; one that says text is not
  if (file.type && !/^(image|video)\//.test(file.type)) throw new Refusal("not_an_image");
  if (isFilm(contentType(file)) && !takesClips) throw new Refusal("no_clips");
  if (!file.size) throw new Refusal("empty_input");
}

/**
 * Sends a photo, which the server then draws with the options.
 * onfraction(fraction): how much of it has left. Resolves to {id, result_url}.
 */
export async function upload(blob, name, options, { onfraction, signal }) {
  const type = contentType({ type: blob.type, name });
  const offer = await start("v1/uploads", { content_type: type, bytes: blob.size, ...options }, signal);
  await patiently(() => send(offer, blob, { name, type }, onfraction, signal), signal);
  return { id: offer.upload_id, result_url: offer.result_url };
}

/** Has a photo that was sent before drawn with these options; resolves to its result's address. */
export async function redraw(upload_id, options, signal) {
  return (await start("v1/stylise", { upload_id, ...options }, signal)).result_url;
}

/**
 * Waits for a picture. onprogress({state, stage, frames}): what the server does meanwhile; of a clip
 * also {done, total}, its drawn frames.
 * Resolves to {blob, sidecar}; rejects with a Refusal, or an AbortError when the signal says so.
 */
export async function outcome(result_url, { onprogress, signal }) {
  const result = await finished(result_url, onprogress, signal);
  const picture = await patiently(() => call(result.image_url, { signal }), signal);
  return { blob: await picture.blob(), sidecar: result.sidecar };
}

/** Whether the server answers, whoever asks. */
export async function answers() {
  try {
    return (await fetch(new URL("v1/health", ROOT), { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

function start(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify(body), signal };
  return patiently(() => request(path, init), signal);
}

/** Tries again what a busy server or a gateway turns away, each time after a longer pause. */
export async function patiently(attempt, signal) {
  for (let count = 1; ; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error.retry_after_s >= 0) || count === MAX_ATTEMPTS) throw error;
      await pause(error.retry_after_s * count * 1000, signal);
    }
  }
}

/** The bytes themselves. XMLHttpRequest, for fetch does not tell how much has left. */
function send(offer, blob, { name, type }, onfraction, signal) {
  const form = new FormData();
  for (const [field, value] of Object.entries(offer.fields)) form.append(field, value);
  form.append("file", blob.type === type ? blob : blob.slice(0, blob.size, type), name);
  const url = new URL(offer.url, ROOT);
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", url);
    if (ours(url) && token()) sending.setRequestHeader("Authorization", `Bearer ${token()}`);
    sending.upload.onprogress = (event) => {
      if (event.lengthComputable) onfraction(event.loaded / event.total);
    };
    sending.onload = () => {
      if (sending.status < 300) resolve();
      else reject(refused(sending, ours(url) ? sending.getResponseHeader("Retry-After") : null));
    };
    sending.onerror = () => reject(unreachable());
    sending.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => sending.abort(), { once: true });
    signal.throwIfAborted();
    sending.send(form);
  });
}

/** Ours answers JSON. A bucket answers XML of its own: its EntityTooLarge is our too_many_bytes. */
function refused({ status, responseText: text }, retry_after) {
  const own = { ...CODES, 403: "upload_refused" }; // the signature is too old
  const code = text.includes("EntityTooLarge") ? "too_many_bytes" : (own[status] ?? "upload_refused");
  return refusal(status, text, retry_after, code);
}

async function finished(url, onprogress, signal) {
  const until = Date.now() + MAX_WAIT_MS;
  let lost = 0;
  for (let wait_ms = MIN_POLL_MS; Date.now() < until; ) {
    try {
      const answer = await call(url, { signal, cache: "no-store" });
      const result = await answer.json();
      if (answer.status === 200) return result;
      lost = 0;
      onprogress({ state: result.status, stage: result.stage, frames: result.frames });
    } catch (error) {
      const passing = error.retry_after_s >= 0 || error.code === "network";
      if (!passing || ++lost === MAX_ATTEMPTS) throw error;
      wait_ms = Math.max(wait_ms, (error.retry_after_s ?? 0) * lost * 1000);
    }
    await pause(wait_ms, signal);
    wait_ms = Math.min(wait_ms * 1.3, MAX_POLL_MS);
  }
  throw new Refusal("timeout");
}

export const request = async (path, init) => (await call(path, init)).json();

/** One request, with the token where it goes to our own server; asks for a token where one is due. */
export async function call(path, init = {}) {
  const url = new URL(path, ROOT);
  for (;;) {
    const used = ours(url) ? token() : null;
    const headers = new Headers(init.headers);
    if (used) headers.set("Authorization", `Bearer ${used}`);
    let answer;
    try {
      answer = await fetch(url, { ...init, headers });
    } catch (error) {
      throw error.name === "AbortError" ? error : unreachable();
    }
    if (answer.ok) return answer;
    if (answer.status !== 401 || !ours(url)) {
      const { status, headers } = answer;
      throw refusal(status, await answer.text(), headers.get("Retry-After"), CODES[status] ?? "unknown");
    }
    if (!(await askToken(used))) throw new Refusal("unauthorized");
  }
}

/** code: for an answer that is not the API's own. */
function refusal(status, text, retry_after, code) {
  const told = parsed(text);
  const error = new Refusal(told?.code ?? code, told ?? {});
  if (status === 429 || status === 503) {
    const wait_s = Number(retry_after ?? BUSY_S);
    if (wait_s >= 0) error.retry_after_s = wait_s;
  }
  return error;
}

function parsed(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}

const unreachable = () => new Refusal(navigator.onLine ? "network" : "offline");
const ours = (url) => url.origin === ROOT.origin;

function pause(wait_ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, wait_ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(new DOMException("cancelled", "AbortError"));
      },
      { once: true },
    );
  });
}
