// The drawing of the last visit, with what was painted on it.

import { Shelf } from "./shelf.js";

const DRAWINGS = "drawings"; // what does not change: the file, when it came
const PAINTINGS = "paintings"; // what was put on it so far

/** Tells "full" when the browser has no room for more. */
export class Drawings extends Shelf {
  constructor() {
    super("kirei-colour", [DRAWINGS, PAINTINGS]);
  }

  /** {id, file, added, painted} of the drawing that came last, unless another open tab shows it. */
  async last() {
    const [drawing, painted] = (await this.left()).at(-1) ?? [];
    if (!drawing) return undefined;
    this.claim(drawing.id);
    return { ...drawing, painted };
  }

  /** painted: {items, choice, palette, seed, reference}, as much as there is of it now. */
  put({ id, file, added }, painted) {
    this.write(id, [{ file, added }, painted]);
  }
}
