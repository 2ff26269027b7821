// The page of drawings: one drawing, the colours that are put on it, and the picture that comes back.

import { fillBar } from "./bar.js";
import { colour, palettes } from "./colour-client.js";
import { button, ColourControls } from "./colour-controls.js";
import { Hints } from "./colour-hints.js";
import { Paper } from "./colour-paper.js";
import { Proposals } from "./colour-proposals.js";
import { findings } from "./colour-findings.js";
import { mapping } from "./colour-sheet.js";
import { check } from "./client.js";
import { Compare } from "./compare.js";
import { h, icon } from "./dom.js";
import { failure, learnPermanent, words } from "./failures.js";
import { canShare, saveBoth, saveJson, savePicture, share } from "./files.js";
import { intake } from "./intake.js";
import { forget } from "./memory.js";
import { serveOffline } from "./offline.js";
import { reduced, SENT_PX } from "./reduce.js";
import { termsLine } from "./terms.js";
import { current, other, remember, t, use } from "./text.js";
import { toast } from "./toast.js";

const SETTLE_MS = 450; // after the last dot, before the drawing is coloured anew
const SEEN = { max_side_px: SENT_PX, format: "webp", quality: 90 }; // what is shown; what is saved is whole
const MAX_DIRECT_BYTES = 4_000_000; // what a call takes in the cloud, with room for the rest

const hints = new Hints();
const live = document.querySelector("#live");
const say = (text) => (live.textContent = text);
const work = document.querySelector("#photo");
const report = document.querySelector("#report");
const proposals = new Proposals({ ask: (options, signal) => render(options, signal), choose });
const controls = new ColourControls(hints, { propose: () => drawing && proposals.open(asked()) });
const paper = new Paper({ hints, tool: () => controls.tool(), say });

let drawing; // {name, file, sent, width, height, url}: sent is what travels
let result; // {blob, url, sidecar, before}
let error;
let choice = {}; // the proposal that was taken
let isPainting = true;
let compare;
let asking; // an AbortController while the server colours
let settling;

/** What the server is asked for, beside files and hints. */
const asked = () => ({ ...controls.options(), ...choice });

/** Colours the drawing as it is painted now. full: the file itself instead of what is shown. */
async function render(options, signal, { isFull = false } = {}) {
  const text = hints.text();
  const whole = isFull && drawing.file.size <= MAX_DIRECT_BYTES;
  const parts = {
    image: whole ? drawing.file : drawing.sent,
    hint_layer: await hints.layer(drawing.width, drawing.height),
    reference: controls.reference,
  };
  return colour(parts, drawing.name, { ...options, ...(text && { hints: text }) }, signal);
}

/** Soon, and once for all that is done meanwhile. */
function colourSoon(wait_ms = SETTLE_MS) {
  if (!drawing) return;
  clearTimeout(settling);
  settling = setTimeout(colourNow, wait_ms);
}

async function colourNow() {
  asking?.abort();
  const here = new AbortController();
  asking = here;
  error = undefined;
  const of = drawing;
  status();
  try {
    const { blob, sidecar } = await render({ ...asked(), ...SEEN }, here.signal);
    if (of !== drawing || here.signal.aborted) return;
    if (result) URL.revokeObjectURL(result.url);
    result = { blob, sidecar, url: URL.createObjectURL(blob), before: of.before };
    asking = undefined;
    say(t("colour.done", { name: of.name }));
    picture();
  } catch (fault) {
    if (fault.name === "AbortError" || of !== drawing) return;
    asking = undefined;
    error = fault.told ? fault : { code: "unknown", told: { message: fault.message } };
    say(t("colour.failed", { name: of.name, why: words(error) }));
  }
  status();
  tools();
}

/** {name, result, preview} as files.js takes it; rejects where it cannot be had. */
async function finished(options) {
  const { signal } = new AbortController();
  toast(t("colour.saving"));
  const { blob, sidecar } = await render({ ...asked(), ...options }, signal, { isFull: true });
  return { name: drawing.name, result: { blob, sidecar, before: drawing.before }, preview: drawing.before };
}

const guarded = (act) => async () => {
  try {
    await act();
  } catch (fault) {
    console.info("not saved:", fault.message);
    toast(fault.told ? words(fault) : t("failed.share"));
  }
};
const save = (options) => guarded(async () => savePicture(await finished(options)));
const seen = () => ({ name: drawing.name, result, preview: drawing.before });

// --- what is shown ----------------------------------------------------------------------------

function picture() {
  const output = result?.sidecar.output;
  const source = result?.sidecar.source;
  const size = output ? { width: output.width_px, height: output.height_px } : drawing;
  const corners = result?.sidecar.drawing.corners ?? [];
  const upright = drawing.width ? drawing : { width: source?.width_px, height: source?.height_px };
  const map = mapping(corners, upright.width, upright.height);
  const url = result?.url ?? drawing.url;
  compare = undefined;
  if (!url) {
    stage.replaceChildren(h("div", { class: "unknown" }, icon("blossom")));
    return;
  }
  if (isPainting || !result) {
    paper.show({ url, ...size, map });
    if (paper.element.parentElement !== stage) stage.replaceChildren(paper.element);
    return;
  }
  const isSame = corners.length === 0 && drawing.url;
  compare = new Compare({
    photo: isSame ? { url: drawing.url } : null,
    picture: result.url,
    ...size,
    photoAlt: t("colour.drawing.alt", { name: drawing.name }),
    pictureAlt: t("colour.picture.alt", { name: drawing.name }),
  });
  stage.replaceChildren(compare.element);
  compare.sweep();
}

const stage = h("figure", { class: "viewer" });
const statusLine = h("div", { class: "status again" });
const toolbar = h("div", { class: "tools" });
const bar = h("div", { class: "actions" });
const terms = h("div", { class: "terms-line" });
const head = h("div", { class: "photo-head" });
work.append(head, h("div", { class: "stage" }, stage, statusLine), toolbar, h("div", { class: "foot" }, bar, terms));

function status() {
  stage.dataset.state = asking ? "working" : error ? "failed" : "done";
  statusLine.replaceChildren();
  if (asking) {
    statusLine.append(
      h("div", { class: "working" }, icon("blossom"), h("div", {}, h("p", { class: "doing" }, t("colour.working")))),
    );
  } else if (error) statusLine.append(failure(error, false));
}

function tools() {
  const mode = (key, on) => {
    const side = h("button", { type: "button", onclick: () => setMode(on) }, t(key));
    side.setAttribute("aria-pressed", isPainting === on);
    side.disabled = !on && !result;
    return side;
  };
  const modes = h("div", { class: "segments", role: "group" }, mode("colour.mode.paint", true), mode("colour.mode.compare", false));
  modes.setAttribute("aria-label", t("colour.mode"));
  const back = button("colour.undo", "i-undo", () => hints.undo());
  const forth = button("colour.redo", "i-redo", () => hints.redo());
  back.disabled = !hints.canUndo;
  forth.disabled = !hints.canRedo;
  const rubber = button("colour.erase", "i-erase", () => controls.erase(!controls.tool().erases));
  rubber.setAttribute("aria-pressed", controls.tool().erases);
  const clear = button("colour.clear", "i-close", () => hints.clear());
  clear.disabled = !hints.items.length;
  const focused = toolbar.contains(document.activeElement) && [...toolbar.querySelectorAll("button")].indexOf(document.activeElement);
  toolbar.replaceChildren(modes, back, forth, rubber, clear);
  if (focused !== false && focused >= 0) {
    const now = toolbar.querySelectorAll("button")[focused];
    (now?.disabled ? paper.element : now)?.focus();
  }
  const again = ["colour.again", "i-again", () => colourSoon(0)];
  fillBar(
    bar,
    [
      error && again,
      result && ["save", "i-save", save({ format: "png" })],
      result && canShare([seen()]) && ["share", "i-share", guarded(() => share([seen()]))],
      ["colour.next", "i-add", () => document.querySelector("#choose").click()],
    ].filter(Boolean),
    result
      ? [
          ["colour.save.ora", "i-layers", save({ layers: "ora" })],
          ["colour.save.tiff", "i-layers", save({ layers: "tiff" })],
          ["save.both", "i-both", guarded(() => saveBoth(seen()))],
          ["save.json", "i-json", () => saveJson(seen())],
        ].filter(([key]) => key !== "save.both" || drawing.before)
      : [],
  );
  terms.replaceChildren(...(result ? [termsLine(result.sidecar.terms)] : []));
  report.hidden = !result;
  report.replaceChildren(...(result ? findings(result.sidecar) : []));
}

function setMode(on) {
  isPainting = on;
  picture();
  tools();
}

// --- what is done -----------------------------------------------------------------------------

async function take(files) {
  const [file] = files;
  if (!file) return;
  try {
    check(file);
  } catch (fault) {
    toast(words(fault));
    return;
  }
  if (files.length > 1) toast(t("colour.first", { name: file.name }));
  const fitted = await reduced(file, SENT_PX);
  if (drawing?.url) URL.revokeObjectURL(drawing.url);
  if (result) URL.revokeObjectURL(result.url);
  const sent = fitted?.blob ?? file;
  const url = fitted && URL.createObjectURL(sent);
  const before = fitted && { blob: sent, url, width: fitted.width, height: fitted.height };
  drawing = { name: file.name || "drawing", file, sent, url, before, width: fitted?.width, height: fitted?.height };
  result = error = undefined;
  choice = {};
  isPainting = true;
  hints.forget();
  document.body.dataset.view = "photo";
  document.querySelector("#empty").hidden = true;
  work.hidden = false;
  title();
  picture();
  tools();
  scrollTo({ top: 0 });
  head.querySelector("h1").focus({ preventScroll: true });
  colourSoon(0);
}

function title() {
  document.title = drawing ? t("page.title.photo", { name: drawing.name }) : t("colour.title");
  if (!drawing) return;
  head.replaceChildren(h("h1", { tabIndex: -1, title: drawing.name }, drawing.name));
}

/** proposal: {proposals, choice} of the sheet. */
function choose(proposal) {
  choice = proposal;
  colourSoon(0);
}

hints.addEventListener("change", () => {
  tools();
  colourSoon();
});
controls.addEventListener("change", () => {
  choice = {};
  colourSoon(0);
});
controls.addEventListener("tool", () => {
  if (drawing) tools();
});

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !drawing || document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return;
  event.preventDefault();
  if (key === "y" || event.shiftKey) hints.redo();
  else hints.undo();
});
addEventListener("beforeunload", (event) => {
  if (hints.items.length) event.preventDefault();
});

// --- the page ---------------------------------------------------------------------------------

const switcher = document.querySelector("#language");
function label() {
  switcher.hidden = false;
  switcher.textContent = t("language.switch");
  switcher.setAttribute("aria-label", t("language.label"));
  switcher.lang = other() === "zh" ? "zh-Hans" : "en";
  paper.label();
  controls.render();
  title();
  if (!drawing) return;
  picture();
  tools();
  status();
}
switcher.addEventListener("click", async () => {
  await use(other());
  remember("language", current());
  label();
});

for (const example of document.querySelectorAll("#examples button")) {
  example.addEventListener("click", async () => {
    const name = example.dataset.name;
    try {
      const answer = await fetch(new URL(`examples/${name}`, import.meta.url));
      if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
      take([new File([await answer.blob()], name, { type: "image/png" })]);
    } catch (fault) {
      console.info("no example:", fault.message);
      toast(t("failed.example"));
    }
  });
}

async function begin() {
  forget("reloads"); // of boot.js: the modules are here
  await use(current());
  label();
  document.documentElement.classList.add("ready");
  intake(take, () => toast(t("failed.camera")));
  try {
    const offered = await palettes();
    learnPermanent(offered.permanent_errors);
    controls.adopt(offered.palettes);
  } catch (fault) {
    toast(words(fault));
  }
  await serveOffline(); // last: its fetches must not stand in the way of the page's own
}

begin();
