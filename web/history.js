// The photographs of earlier visits, in this browser alone (IndexedDB). What a private window keeps
// is gone with the window.

import { Refusal } from "./client.js";
import { Variants } from "./variants.js";

const NAME = "kirei";
const PHOTOS = "photos"; // what does not change: the file, its name, when it came
const STATES = "states"; // what was made of it so far
const SWITCH = "history";
const KEPT_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;
const ANSWER_MS = 250; // for other tabs to say what they have

const request = (asked) =>
  new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });

export const isOn = () => {
  try {
    return localStorage.getItem(SWITCH) !== "off";
  } catch {
    return true;
  }
};

/** Tells "full" when the browser has no room for more. */
export class History extends EventTarget {
  #database = null;
  #own = new Set(); // the photographs of this tab
  #elsewhere = new Set();
  #channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
  #work = Promise.resolve();

  /** Whether anything is kept: not where it is switched off, nor where the browser forbids it. */
  get isOpen() {
    return this.#database !== null;
  }

  async open() {
    if (!isOn() || !("indexedDB" in window)) return;
    try {
      const asked = indexedDB.open(NAME, 1);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore(PHOTOS, { keyPath: "id" });
        asked.result.createObjectStore(STATES, { keyPath: "id" });
      };
      this.#database = await request(asked);
    } catch (error) {
      console.info("no history:", error.message);
      return;
    }
    this.#database.onversionchange = () => this.#database.close();
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#heard(data);
  }

  /** The jobs of earlier visits, the oldest first, without those of other open tabs. */
  async load() {
    if (!this.isOpen) return [];
    try {
      const store = (name) => this.#database.transaction(name).objectStore(name);
      const [photos, states, elsewhere] = await Promise.all([
        request(store(PHOTOS).getAll()),
        request(store(STATES).getAll()),
        this.#othersHave(),
      ]);
      const stateOf = new Map(states.map((state) => [state.id, state]));
      const old = photos.filter(({ added }) => added < Date.now() - KEPT_DAYS * DAY_MS);
      this.drop(old.map(({ id }) => id));
      const ours = photos.filter((photo) => !old.includes(photo) && !elsewhere.has(photo.id));
      for (const { id } of ours) this.#own.add(id);
      return ours
        .sort((one, other) => one.added - other.added)
        .map((photo) => revived(photo, stateOf.get(photo.id)));
    } catch (error) {
      console.info("no history:", error.message);
      return [];
    }
  }

  /** What is new of a job. One after the other, so that the last word is the last that was said. */
  put(job) {
    this.#own.add(job.id);
    const known = job.isKept;
    job.isKept = true;
    this.#do((transaction) => {
      const { id, file, name, added, options, upload, result, looks, error, state } = job;
      if (!known) transaction.objectStore(PHOTOS).put({ id, file, name, added });
      const failed = state === "failed" && error ? { code: error.code, told: error.told } : null;
      const small = Object.entries(looks).map(([style, { url, ...look }]) => ({ style, ...look }));
      const drawn = result && {
        blob: result.blob,
        sidecar: result.sidecar,
        options: result.options,
        before: result.before && { ...result.before, url: undefined },
      };
      transaction.objectStore(STATES).put({ id, options, upload, failed, drawn, looks: small });
    });
  }

  drop(ids) {
    if (!ids.length) return;
    this.#do((transaction) => {
      for (const id of ids) {
        transaction.objectStore(PHOTOS).delete(id);
        transaction.objectStore(STATES).delete(id);
      }
    });
  }

  /** Switches it on or off; off forgets everything. */
  async turn(on) {
    try {
      if (on) localStorage.removeItem(SWITCH);
      else localStorage.setItem(SWITCH, "off");
    } catch {
      // holds for this visit
    }
    if (on) return this.open();
    await this.#work;
    this.#database?.close();
    this.#database = null;
    if ("indexedDB" in window) indexedDB.deleteDatabase(NAME);
  }

  #do(change) {
    this.#work = this.#work.then(async () => {
      if (!this.isOpen) return;
      try {
        const transaction = this.#database.transaction([PHOTOS, STATES], "readwrite");
        const over = new Promise((resolve, reject) => {
          transaction.oncomplete = resolve;
          transaction.onabort = () => reject(transaction.error);
        });
        change(transaction);
        await over;
      } catch (error) {
        console.info("not kept:", error?.message);
        this.dispatchEvent(new Event("full"));
      }
    });
  }

  #heard({ asks, has }) {
    if (asks) this.#channel.postMessage({ has: [...this.#own] });
    for (const id of has ?? []) this.#elsewhere.add(id);
  }

  /** The photographs of other tabs that are open: these show them, and finish them. */
  async #othersHave() {
    this.#elsewhere.clear();
    this.#channel?.postMessage({ asks: true });
    if (this.#channel) await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    return this.#elsewhere;
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
    isKept: true,
    variants: new Variants(),
    looks: Object.fromEntries(looks.map(({ style, ...look }) => [style, withUrl(look)])),
    error: failed ? new Refusal(failed.code, failed.told) : undefined,
    state: failed ? "failed" : drawn ? "done" : "queued",
  };
}
