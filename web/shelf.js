// What is kept for the next visit, in this browser alone (IndexedDB). What a private window keeps is
// gone with the window. Tabs that are open at once do not show each other's.

const NAMES = ["kirei", "kirei-colour"]; // a database for each page
const SWITCH = "history"; // one for both pages
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
export class Shelf extends EventTarget {
  #name;
  #stores;
  #database = null;
  #own = new Set(); // what this tab shows
  #kept = new Set(); // of that, what the database has
  #elsewhere = new Set();
  #channel = null;

  /** stores: of the first the records do not change, and have the time they were added. */
  constructor(name, stores) {
    super();
    this.#name = name;
    this.#stores = stores;
    if ("BroadcastChannel" in window) this.#channel = new BroadcastChannel(name);
  }

  /** Not where it is switched off, where the browser forbids it, nor where it has no room. */
  get keepsAll() {
    return this.#database !== null && this.#own.size === this.#kept.size;
  }

  async open() {
    if (!isOn() || !("indexedDB" in window)) return;
    try {
      const asked = indexedDB.open(this.#name, 1);
      asked.onupgradeneeded = () => {
        for (const store of this.#stores) asked.result.createObjectStore(store, { keyPath: "id" });
      };
      this.#database = await request(asked);
    } catch (error) {
      console.info("nothing is kept:", error.message);
      return;
    }
    this.#database.onversionchange = () => this.#close(); // another tab forgets everything
    this.#database.onclose = () => this.#close(); // the browser does
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#heard(data);
  }

  /**
   * What earlier visits left, the oldest first, without what other open tabs show: for each a list of
   * its records, one a store. What is too old is dropped.
   */
  async left() {
    if (!this.#database) return [];
    try {
      const transaction = this.#database.transaction(this.#stores); // one, lest another tab's look torn
      const [[first, ...rest], elsewhere] = await Promise.all([
        Promise.all(this.#stores.map((name) => request(transaction.objectStore(name).getAll()))),
        this.#othersHave(),
      ]);
      const known = rest.map((records) => new Map(records.map((record) => [record.id, record])));
      const old = first.filter(({ added }) => added < Date.now() - KEPT_DAYS * DAY_MS);
      const whole = new Set(first.map(({ id }) => id));
      const torn = rest.flat().filter(({ id }) => !whole.has(id)); // for the first there was no room
      this.drop([...old, ...torn].map(({ id }) => id));
      return first
        .filter((record) => !old.includes(record) && !elsewhere.has(record.id))
        .sort((one, other) => one.added - other.added)
        .map((record) => [record, ...known.map((records) => records.get(record.id))]);
    } catch (error) {
      console.info("nothing is kept:", error.message);
      return [];
    }
  }

  /** This tab shows what was left: others that open leave it alone. */
  claim(id) {
    this.#own.add(id);
    this.#kept.add(id);
  }

  /** records: one for each store. The first is written once. */
  write(id, records) {
    this.#own.add(id);
    if (!this.#database) return;
    const isNew = !this.#kept.has(id);
    this.#kept.add(id);
    const change = (transaction) => {
      for (const [at, name] of this.#stores.entries()) {
        if (at || isNew) transaction.objectStore(name).put({ id, ...records[at] });
      }
    };
    this.#do(change, () => isNew && this.#kept.delete(id));
  }

  drop(ids) {
    for (const id of ids) {
      this.#own.delete(id);
      this.#kept.delete(id);
    }
    if (!this.#database || !ids.length) return;
    this.#do((transaction) => {
      for (const id of ids) for (const name of this.#stores) transaction.objectStore(name).delete(id);
    });
  }

  /** Switches it on or off; off forgets everything, of both pages. */
  async turn(on) {
    try {
      if (on) localStorage.removeItem(SWITCH);
      else localStorage.setItem(SWITCH, "off");
    } catch {
      // holds for this visit
    }
    if (on) return this.open();
    this.#close(); // after what is under way
    if ("indexedDB" in window) for (const name of NAMES) indexedDB.deleteDatabase(name);
  }

  #close() {
    this.#database?.close();
    this.#database = null;
    this.#kept.clear();
  }

  /** At once, and the browser is told that this is all: it ends it even when the page goes. */
  #do(change, onlost) {
    const lost = (error) => {
      console.info("not kept:", error?.message);
      onlost?.();
      this.dispatchEvent(new Event("full"));
    };
    try {
      const transaction = this.#database.transaction(this.#stores, "readwrite");
      transaction.onabort = () => lost(transaction.error);
      change(transaction);
      transaction.commit();
    } catch (error) {
      lost(error);
    }
  }

  #heard({ asks, has }) {
    if (asks) this.#channel.postMessage({ has: [...this.#own] });
    for (const id of has ?? []) this.#elsewhere.add(id);
  }

  /** What other open tabs show: these finish it. */
  async #othersHave() {
    this.#elsewhere.clear();
    this.#channel?.postMessage({ asks: true });
    if (this.#channel) await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    return this.#elsewhere;
  }
}

/** crypto.randomUUID is not there for a page that came without encryption, from a machine at home. */
export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
