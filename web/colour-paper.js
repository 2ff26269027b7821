// The drawing that is painted on: a tap sets a dot, a drag paints a stroke, and the keyboard can do
// the same with a cross that the arrow keys move.

import { h, svg } from "./dom.js";
import { number, t } from "./text.js";

const TAP_PX = 7; // a finger that moved less meant a dot
const APART_PX = 3; // between two points of a stroke
const REACH_PX = 24; // of the eraser
const STEP = 0.02; // of the picture, for an arrow key; with Shift five times that
const VIEW = 1000; // longer side of the overlay's own units

/**
 * hints: a Hints. tool(): {colour, radius, erases}. map: of colour-sheet.js, from what is shown to
 * the drawing as it was sent. say(words): for screen readers.
 */
export class Paper {
  #cross = [0.5, 0.5];
  #stroke; // being painted: points on what is shown

  constructor({ hints, tool, say }) {
    Object.assign(this, { hints, tool, say });
    this.image = h("img", { alt: "" });
    this.image.draggable = false; // else the browser would carry the picture away
    this.marks = svg("svg", { class: "hints", "aria-hidden": "true" });
    this.element = h("div", { class: "compare paper", tabIndex: 0, variables: { ratio: 1 } }, this.image, this.marks);
    this.element.setAttribute("role", "application");
    this.element.addEventListener("pointerdown", (event) => this.#down(event));
    this.element.addEventListener("pointermove", (event) => this.#move(event));
    this.element.addEventListener("pointerup", (event) => this.#up(event));
    this.element.addEventListener("pointercancel", () => this.#end());
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("focus", () => this.draw());
    this.element.addEventListener("blur", () => this.draw());
    hints.addEventListener("change", () => this.draw());
  }

  /** url: of the drawing, or of the picture; width and height as seen. */
  show({ url, width, height, map }) {
    if (this.image.getAttribute("src") !== url) this.image.src = url;
    this.map = map;
    this.ratio = width / height;
    this.element.style.setProperty("--ratio", this.ratio);
    const scale = VIEW / Math.max(width, height);
    this.size = [width * scale, height * scale];
    this.marks.setAttribute("viewBox", `0 0 ${this.size.join(" ")}`);
    this.draw();
  }

  /** In the language of the page. */
  label() {
    this.element.setAttribute("aria-label", t("colour.paper"));
    this.image.alt = t("colour.paper.alt");
  }

  draw() {
    if (!this.map) return;
    const items = this.#stroke ? [...this.hints.items, this.#painted()] : this.hints.items;
    const [width, height] = this.size;
    const at = ([x, y]) => [x * width, y * height];
    const shown = items.map(({ points, colour, radius }) => {
      const places = points.map((point) => at(this.map.inward(point)));
      const size = Math.max(radius * VIEW, 2);
      if (places.length === 1) {
        const [[cx, cy]] = places;
        return svg("circle", { cx, cy, r: Math.max(size, 9), fill: colour });
      }
      const line = places.map((place) => place.join()).join(" ");
      return svg(
        "g",
        {},
        svg("polyline", { points: line, class: "rim", "stroke-width": 2 * size + 5 }),
        svg("polyline", { points: line, stroke: colour, "stroke-width": 2 * size }),
      );
    });
    const [x, y] = at(this.#cross);
    const isFocused = this.element.matches(":focus-visible");
    const cross = isFocused && svg("path", { class: "cross", d: `M${x - 22} ${y}h44M${x} ${y - 22}v44` });
    this.marks.replaceChildren(...shown, ...(cross ? [cross] : []));
  }

  #point(event) {
    const box = this.element.getBoundingClientRect();
    const within = (share) => Math.min(1, Math.max(0, share));
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  }

  #down(event) {
    if (event.button !== 0) return;
    if (!event.isPrimary) {
      this.#end(); // a second finger: the picture is enlarged, not painted
      return;
    }
    if (this.tool().erases) {
      this.#erase(this.#point(event));
      return;
    }
    this.element.setPointerCapture(event.pointerId);
    this.#stroke = { points: [this.#point(event)], from: event, to: event, hasMoved: false };
  }

  #move(event) {
    const stroke = this.#stroke;
    if (!stroke || !event.isPrimary) return;
    const apart = (other) => Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY);
    stroke.hasMoved ||= apart(stroke.from) > TAP_PX;
    if (!stroke.hasMoved || apart(stroke.to) < APART_PX) return;
    stroke.to = event;
    stroke.points.push(this.#point(event));
    this.draw();
  }

  #up(event) {
    if (!this.#stroke || !event.isPrimary) return;
    const item = this.#painted();
    this.#end();
    this.hints.add(item);
  }

  #end() {
    this.#stroke = undefined;
    this.draw();
  }

  #painted() {
    const { points, hasMoved } = this.#stroke;
    return this.#item(hasMoved ? points : points.slice(0, 1));
  }

  #item(points) {
    const { colour, radius } = this.tool();
    return { points: points.map(this.map.outward), colour, radius };
  }

  /** What lies nearest, if the eraser reaches it. */
  #erase(point) {
    const box = this.element.getBoundingClientRect();
    const far = ([x, y]) => Math.hypot((x - point[0]) * box.width, (y - point[1]) * box.height);
    const reach = (item) => Math.min(...item.points.map((each) => far(this.map.inward(each))));
    const found = this.hints.items
      .map((item) => [reach(item) - item.radius * Math.max(box.width, box.height), item])
      .sort(([one], [other]) => one - other)[0];
    if (found && found[0] < REACH_PX) this.hints.remove(found[1]);
  }

  #key(event) {
    const way = ARROWS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way) {
      const step = STEP * (event.shiftKey ? 5 : 1);
      this.#cross = this.#cross.map((at, axis) => Math.min(1, Math.max(0, at + way[axis] * step)));
      this.say(t("colour.cross", { x: number(this.#cross[0] * 100), y: number(this.#cross[1] * 100) }));
      this.draw();
    } else if (event.key === "Enter" || event.key === " ") {
      if (this.tool().erases) this.#erase(this.#cross);
      else this.hints.add(this.#item([this.#cross]));
    } else if (event.key === "Delete" || event.key === "Backspace") this.#erase(this.#cross);
    else return;
    event.preventDefault();
  }
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
