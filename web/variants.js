// The pictures that were drawn of one photograph, by the options that they were drawn with: a look
// that was seen is there again at once.

const MAX_KEPT = 12;

/** Options as a key: the same whatever their order. */
const keyOf = (options) => JSON.stringify(Object.entries(options).sort());

/** Values: {blob, sidecar, url}. Keys: every option with its value, the usual ones too. */
export class Variants {
  #pictures = new Map();

  get = (options) => this.#pictures.get(keyOf(options));

  /** The drawing that, mixed with the photo, gives every strength; undefined where there is none. */
  whole = (options) => this.get({ ...options, strength: 1 });

  /** Adds what was drawn, with a URL for it; lets go of the picture that was added first. */
  add(options, { blob, sidecar }) {
    const key = keyOf(options);
    this.#drop(key);
    const picture = { blob, sidecar, url: URL.createObjectURL(blob) };
    this.#pictures.set(key, picture);
    for (const oldest of this.#pictures.keys()) {
      if (this.#pictures.size <= MAX_KEPT) break;
      this.#drop(oldest);
    }
    return picture;
  }

  clear() {
    for (const key of [...this.#pictures.keys()]) this.#drop(key);
  }

  #drop(key) {
    const picture = this.#pictures.get(key);
    if (picture) URL.revokeObjectURL(picture.url);
    this.#pictures.delete(key);
  }
}
