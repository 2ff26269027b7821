// The colours that somebody put on a drawing: dots and strokes, with the way back and forth again.
// Places are shares of the drawing as it was sent, from its left and top edge, so that they hold at
// every size; a radius is a share of its longer side.

const MAX_DOTS = 256; // of the API's hints; what is more travels on the layer
const MAX_LAYER_PX = 1024; // longer side of the layer: colours are made at half of that
const MAX_STEPS = 200; // back

/** Tells "change" whenever what is on the drawing is another. */
export class Hints extends EventTarget {
  #past = [];
  #items = [];
  #future = [];

  /** Each {points: [[x, y], …], colour: "#rrggbb", radius}; one point is a dot. Never written to. */
  get items() {
    return this.#items;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  add(item) {
    this.#set([...this.#items, item]);
  }

  remove(item) {
    this.#set(this.#items.filter((other) => other !== item));
  }

  clear() {
    if (this.#items.length) this.#set([]);
  }

  /** Of another drawing: what is on it, which is where the way back ends. */
  begin(items) {
    this.#past = [];
    this.#items = items;
    this.#future = [];
    this.#tell();
  }

  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.#items);
    this.#items = this.#past.pop();
    this.#tell();
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.#items);
    this.#items = this.#future.pop();
    this.#tell();
  }

  /** The dots as the API reads them. */
  text() {
    const percent = (share) => `${(share * 100).toFixed(3)}%`;
    return this.#dots()
      .map(({ points: [[x, y]], colour, radius }) => [percent(x), percent(y), colour, percent(radius)].join())
      .join(";");
  }

  /** The strokes as a PNG with the shape of a drawing of that size; null where there are none. */
  async layer(width, height) {
    const dots = new Set(this.#dots());
    const items = this.#items.filter((item) => !dots.has(item));
    if (!items.length) return null;
    const scale = Math.min(1, MAX_LAYER_PX / Math.max(width, height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    const context = canvas.getContext("2d");
    context.lineCap = context.lineJoin = "round";
    for (const { points, colour, radius } of items) {
      context.strokeStyle = colour;
      context.lineWidth = Math.max(1, 2 * radius * Math.max(canvas.width, canvas.height));
      context.beginPath();
      context.moveTo(points[0][0] * canvas.width, points[0][1] * canvas.height);
      // a line to its own beginning is a dot
      for (const [x, y] of points) context.lineTo(x * canvas.width, y * canvas.height);
      context.stroke();
    }
    return new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new RangeError("no memory"))), "image/png"),
    );
  }

  #dots() {
    return this.#items.filter(({ points }) => points.length === 1).slice(0, MAX_DOTS);
  }

  #set(items) {
    this.#past = [...this.#past.slice(1 - MAX_STEPS), this.#items];
    this.#future = [];
    this.#items = items;
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
