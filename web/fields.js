// One control for one option that the server lists, with a line that says what it does.

import { h } from "./dom.js";
import { number, or, t } from "./text.js";

const MAX_SLIDER = 1000; // a whole number with a wider range is typed, not dragged
const WIDE = 20; // a range beyond which a slider goes by whole numbers
const BY_HAND = 0.25; // of its range: where a slider begins that was automatic

/**
 * field: as the server lists it; value: as it is set; set(value) is called when it is changed, and
 * move(value) while a slider is on its way.
 */
export function control(field, value, { set, move }) {
  if (field.values) return choice(field, value, set);
  if (!field.range) return text(field, value, set);
  const [least, most] = field.range;
  if (field.words) return automatic(field, value, { set, move });
  return most - least > MAX_SLIDER ? typed(field, value, set) : slider(field, value, { set, move });
}

/** A switch of the page's own. */
export function tick(name, checked, set) {
  const input = h("input", { type: "checkbox", checked, onchange: () => set(input.checked) });
  input.setAttribute("aria-describedby", helpId(name));
  return h(
    "div",
    { class: "tick" },
    h("label", {}, input, h("span", {}, t(`option.${name}`))),
    help({ name }),
  );
}

function choice(field, value, set) {
  const { name, values } = field;
  return described(
    h("fieldset", { class: "choice" }, h("legend", {}, title(name)), help(field), segments(name, values, value, set)),
    name,
  );
}

/** A number that the server finds by itself unless it is set: the slider comes when it is. */
function automatic(field, value, { set, move }) {
  const { name, words: [word], range: [least, most] } = field;
  const begin = value === word ? least + BY_HAND * (most - least) : value;
  const dragged = slider({ ...field, isPart: true }, begin, { set, move });
  dragged.hidden = value === word;
  const chosen = (side) => {
    dragged.hidden = side === word;
    set(side === word ? word : dragged.querySelector("input").valueAsNumber);
  };
  const sides = segments(name, [word, "by_hand"], value === word ? word : "by_hand", chosen);
  return described(
    h("fieldset", { class: "choice" }, h("legend", {}, title(name)), help(field), sides, dragged),
    name,
  );
}

function slider(field, value, { set, move }) {
  const { name, kind, range: [least, most], isPart } = field;
  const whole = kind === "integer";
  const shown = (at) =>
    most === 1 && !whole ? t("unit.percent", { value: number(at * 100) }) : number(at, 2);
  const output = h("output", {}, shown(value));
  const input = h("input", {
    id: `option-${name}`,
    type: "range",
    min: least,
    max: most,
    step: whole || most - least > WIDE ? 1 : (most - least) / 20,
    value,
    oninput: () => {
      fill();
      move(input.valueAsNumber);
    },
    onchange: () => set(input.valueAsNumber),
  });
  const fill = () => {
    output.textContent = shown(input.valueAsNumber);
    input.style.setProperty("--at", (input.valueAsNumber - least) / (most - least));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  fill();
  input.setAttribute("aria-describedby", helpId(name));
  const ends = or(`option.${name}.low`, "") && [
    h("span", {}, t(`option.${name}.low`)),
    h("span", {}, t(`option.${name}.high`)),
  ];
  return h(
    "div",
    { class: "slider" },
    h("label", { htmlFor: input.id, class: isPart ? "unseen" : "" }, title(name)),
    output,
    input,
    ends && h("div", { class: "ends", "aria-hidden": "true" }, ends),
    !isPart && help(field),
  );
}

function typed(field, value, set) {
  const { name, kind, range: [least, most] } = field;
  const input = h("input", {
    type: "number",
    inputMode: "numeric",
    min: least,
    max: most,
    step: kind === "integer" ? 1 : "any",
    value,
    onchange: () => input.reportValidity() && set(input.valueAsNumber),
    required: true,
  });
  input.setAttribute("aria-describedby", helpId(name));
  const range = t("option.range", { least: number(least), most: number(most) });
  return h(
    "div",
    { class: "typed" },
    h("label", {}, h("span", {}, title(name), h("small", {}, range)), input),
    help(field),
  );
}

function text(field, value, set) {
  const { name } = field;
  const input = h("input", { value: value ?? "", onchange: () => set(input.value) });
  input.setAttribute("aria-describedby", helpId(name));
  return h("div", { class: "typed" }, h("label", {}, h("span", {}, title(name)), input), help(field));
}

/** Values of which one is chosen, side by side. */
const segments = (name, values, value, set) =>
  h(
    "div",
    { class: "segments" },
    values.map((side) =>
      h(
        "label",
        {},
        h("input", { type: "radio", name, value: side, checked: side === value, onchange: () => set(side) }),
        h("span", {}, valueTitle(name, side)),
      ),
    ),
  );

/** The line beneath: ours, or the server's own English where the page has no words yet. */
const help = ({ name, about }) =>
  h(
    "p",
    { class: "help", id: helpId(name), lang: or(`option.${name}.help`, "") ? undefined : "en" },
    or(`option.${name}.help`, about ?? ""),
  );
const helpId = (name) => `help-${name}`;

function described(element, name) {
  element.setAttribute("aria-describedby", helpId(name));
  return element;
}

// an option that the page has no words for yet appears under its own name
const title = (name) => or(`option.${name}`, plain(name));
const valueTitle = (name, value) =>
  or(`value.${name}.${value}`, or(`value.${value}`, plain(value)));
const plain = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
