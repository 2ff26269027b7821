// Looking closely: 100 % and more, by a button, a double tap, two fingers or Ctrl and the wheel;
// a drag or the arrow keys move what is seen.

const MAX_SCALE = 8; // of the size at which all of it is seen
const MIN_CLOSER = 1.5; // what one step enlarges at least, also where 100 % is hardly larger
const STEP = 0.15; // of the frame, for an arrow key
const DOUBLE_MS = 320;
const NEAR_PX = 24;

export class Zoom {
  scale = 1;
  #x = 0; // of the frame's own size: where its left edge lies within the enlarged picture
  #y = 0;
  #pointers = new Map();
  #tapped = { time: 0 };
  #isPanned = false;

  /** frame: whose pictures are enlarged; width: of the picture in pixels; onchange(percent or 0). */
  constructor(frame, width, onchange) {
    this.frame = frame;
    this.width = width;
    this.onchange = onchange;
    frame.addEventListener("pointerdown", (event) => this.#down(event));
    frame.addEventListener("pointermove", (event) => this.#moved(event));
    for (const end of ["pointerup", "pointercancel"]) {
      frame.addEventListener(end, (event) => this.#pointers.delete(event.pointerId));
    }
    frame.addEventListener("dblclick", (event) => {
      if (event.pointerType !== "touch") this.toggle(event);
    });
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get isOn() {
    return this.scale > 1;
  }

  get isPinched() {
    return this.#pointers.size > 1;
  }

  /** One pixel of the picture on one of the screen; never less than a step closer. */
  get #close() {
    const box = this.frame.getBoundingClientRect();
    return Math.min(MAX_SCALE, Math.max(MIN_CLOSER, this.width / devicePixelRatio / box.width));
  }

  /** To 100 % at a point, else in the middle, and back. */
  toggle(event) {
    if (this.isOn) this.#set(1, 0.5, 0.5);
    else this.#set(this.#close, ...this.#point(event));
  }

  reset = () => this.#set(1, 0.5, 0.5);

  /** By arrow keys: in steps of the frame. */
  pan(dx, dy) {
    this.#x += (dx * STEP) / this.scale;
    this.#y += (dy * STEP) / this.scale;
    this.#apply();
  }

  /** Keeps what lies under (x, y), 0 to 1 of the frame, where it is. */
  #set(scale, x, y) {
    const next = Math.min(MAX_SCALE, Math.max(1, scale));
    this.#x += x / this.scale - x / next;
    this.#y += y / this.scale - y / next;
    this.scale = next;
    this.#apply();
  }

  #apply() {
    const most = 1 - 1 / this.scale;
    this.#x = Math.min(most, Math.max(0, this.#x));
    this.#y = Math.min(most, Math.max(0, this.#y));
    const { style } = this.frame;
    style.setProperty("--scale", this.scale);
    style.setProperty("--x", `${-this.#x * this.scale * 100}%`);
    style.setProperty("--y", `${-this.#y * this.scale * 100}%`);
    this.frame.classList.toggle("zoomed", this.isOn);
    const shown = this.frame.getBoundingClientRect().width * this.scale * devicePixelRatio;
    this.onchange?.(this.isOn ? (shown / this.width) * 100 : 0);
  }

  #point(event) {
    if (!event) return [0.5, 0.5];
    const box = this.frame.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #down(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    this.#pointers.set(event.pointerId, event);
    this.#isPanned = !event.target.closest(".handle");
    if (this.isOn) this.frame.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch" && event.isPrimary) this.#tap(event);
  }

  /** Browsers give no dblclick for fingers where a touch does something else. */
  #tap(event) {
    const before = this.#tapped;
    this.#tapped = { time: event.timeStamp, x: event.clientX, y: event.clientY };
    const near = Math.hypot(event.clientX - before.x, event.clientY - before.y) < NEAR_PX;
    if (near && event.timeStamp - before.time < DOUBLE_MS) {
      this.#tapped = { time: 0 };
      this.toggle(event);
    }
  }

  #moved(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const box = this.frame.getBoundingClientRect();
    if (this.#pointers.size === 2) {
      const [other] = [...this.#pointers.values()].filter(({ pointerId }) => pointerId !== event.pointerId);
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const middle = {
        clientX: (event.clientX + other.clientX) / 2,
        clientY: (event.clientY + other.clientY) / 2,
      };
      this.#set((this.scale * apart(event)) / Math.max(1, apart(before)), ...this.#point(middle));
    } else if (this.isOn && this.#isPanned) {
      this.#x -= (event.clientX - before.clientX) / box.width / this.scale;
      this.#y -= (event.clientY - before.clientY) / box.height / this.scale;
      this.#apply();
    }
    this.#pointers.set(event.pointerId, event);
  }

  #wheel(event) {
    if (!event.ctrlKey && !this.isOn) return; // the page scrolls
    event.preventDefault();
    this.#set(this.scale * Math.exp(-event.deltaY / 400), ...this.#point(event));
  }
}
