// Elements from script: no markup is ever made of text, so none can be smuggled in.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: "on…" are listeners, the rest properties or attributes; falsy children fall away. */
export const h = (tag, properties, ...children) =>
  build(document.createElement(tag), properties, children);

/** The same for SVG. */
export const svg = (tag, properties, ...children) =>
  build(document.createElementNS(SVG, tag), properties, children);

/** A drawing of index.html's <symbol>s. */
export const icon = (name) =>
  svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#${name}` }));

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "variables") {
      for (const [key, at] of Object.entries(value)) element.style.setProperty(`--${key}`, at);
    } else if (name in element && !(element instanceof SVGElement)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child || child === 0));
  return element;
}
