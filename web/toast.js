// A line at the foot of the page that says what happened, with a way back where there is one.

import { h, icon } from "./dom.js";
import { t } from "./text.js";

const SHOWN_MS = 10_000;
const element = document.querySelector("#toast");

let timer;
let over; // what is to be done when the way back is

/** action: {label, run()}; onend(): when it was not taken. */
export function toast(words, { action, onend } = {}) {
  close();
  over = onend;
  const button =
    action &&
    h("button", { type: "button", class: "quiet", onclick: () => take(action) }, action.label);
  const shut = h("button", { type: "button", class: "quiet round", onclick: close }, icon("i-close"));
  shut.setAttribute("aria-label", t("toast.close"));
  element.replaceChildren(...[h("p", {}, words), button, shut].filter(Boolean));
  element.hidden = false;
  element.action = action;
  wait();
}

/** The way back that is on offer, by the keyboard; false where there is none. */
export function undo() {
  if (element.hidden || !element.action) return false;
  take(element.action);
  return true;
}

function take(action) {
  over = undefined;
  close();
  action.run();
}

function close() {
  clearTimeout(timer);
  element.hidden = true;
  element.action = undefined;
  const end = over;
  over = undefined;
  end?.();
}

function wait() {
  clearTimeout(timer);
  timer = setTimeout(close, SHOWN_MS);
}

// whoever reads it, or is about to press it, is given the time
for (const begin of ["pointerenter", "focusin"]) element.addEventListener(begin, () => clearTimeout(timer));
for (const end of ["pointerleave", "focusout"]) element.addEventListener(end, wait);
