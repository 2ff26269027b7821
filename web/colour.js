// The page of drawings: one drawing, the colours that are put on it, and the picture that comes back.

import { fillBar } from "./bar.js";
import { colour, palettes } from "./colour-client.js";
import { button, ColourControls } from "./colour-controls.js";
import { Hints } from "./colour-hints.js";
import { opened, whole } from "./colour-drawing.js";
import { Drawings } from "./colour-memory.js";
import { Paper } from "./colour-paper.js";
import { Proposals } from "./colour-proposals.js";
import { findings } from "./colour-findings.js";
import { mapping } from "./colour-sheet.js";
import { check } from "./client.js";
import { Compare } from "./compare.js";
import { h, icon } from "./dom.js";
import { example } from "./examples.js";
import { failure, isWorthRetrying, lacksConnection, learnPermanent, words } from "./failures.js";
import { canShare, saveBoth, saveJson, savePicture, share } from "./files.js";
import { intake } from "./intake.js";
import { keepingSwitch } from "./keeping.js";
import { labelSwitch, onSwitch } from "./language.js";
import { forget } from "./memory.js";
import { serveOffline } from "./offline.js";
import { SENT_PX } from "./reduce.js";
import { MAX_RESUMED, resumeWhenBack } from "./resume.js";
import { newId } from "./shelf.js";
import { termsLine } from "./terms.js";
import { current, t, use } from "./text.js";
import { toast } from "./toast.js";

const SETTLE_MS = 450; // after the last dot, before the drawing is coloured anew
const SEEN = { max_side_px: SENT_PX, format: "webp", quality: 90 }; // what is shown; what is saved is whole

const hints = new Hints();
const live = document.querySelector("#live");
const say = (text) => (live.textContent = text);
const work = document.querySelector("#photo");
const report = document.querySelector("#report");
const proposals = new Proposals({ ask: (options, signal) => render(options, signal), choose });
const controls = new ColourControls(hints, { propose: () => drawing && proposals.open(asked()) });
const paper = new Paper({ hints, tool: () => controls.tool(), say });
const drawings = new Drawings();

let drawing; // of colour-drawing.js
let result; // {blob, url, sidecar, before}
let error;
let resumed = 0; // times that it went on by itself
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
  const parts = {
    image: isFull ? await whole(drawing) : drawing.sent,
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
    resumed = 0;
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
  lookWhetherBack();
}

const isLost = () => Boolean(error && lacksConnection(error)) && resumed < MAX_RESUMED;
const lookWhetherBack = resumeWhenBack({
  isLost,
  resume: () => {
    resumed += 1;
    colourSoon(0);
  },
});

/** {name, result, preview} as files.js takes it; rejects where it cannot be had. */
async function finished(options) {
  toast(t("colour.saving"));
  const { signal } = new AbortController(); // nobody stops it
  const { blob, sidecar } = await render({ ...asked(), ...options }, signal, { isFull: true });
  return { name: drawing.name, result: { blob, sidecar, before: drawing.before }, preview: drawing.before };
}

const guarded = (act, key) => async () => {
  try {
    await act();
  } catch (fault) {
    console.info("not saved:", fault.message);
    toast(fault.told ? words(fault) : t(key));
  }
};
const save = (options) => guarded(async () => savePicture(await finished(options)), "error.unknown");
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
  } else if (error) statusLine.append(failure(error, isLost()));
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
      error && isWorthRetrying({ error }) && again,
      result && ["save", "i-save", save({ format: "png" })],
      result && canShare([seen()]) && ["share", "i-share", guarded(() => share([seen()]), "failed.share")],
      ["colour.next", "i-add", () => document.querySelector("#choose").click()],
    ].filter(Boolean),
    [
      result && ["colour.save.ora", "i-layers", save({ layers: "ora" })],
      result && ["colour.save.tiff", "i-layers", save({ layers: "tiff" })],
      result && drawing.before && ["save.both", "i-both", guarded(() => saveBoth(seen()), "failed.both")],
      result && ["save.json", "i-json", () => saveJson(seen())],
      ["remove.short", "i-close", remove],
    ].filter(Boolean),
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
  const left = drawing && putAside();
  const taken = { id: newId(), file, added: Date.now() };
  await show(taken);
  if (left) {
    toast(t("colour.aside", { name: left.file.name }), {
      onend: () => drawings.drop([left.id]),
      action: {
        label: t("undo"),
        run: () => {
          drawings.drop([taken.id]);
          show(left);
        },
      },
    });
  } else if (files.length > 1) toast(t("colour.first", { name: file.name }));
}

/** painted: what was on it when it was put aside, or kept. */
async function show({ painted, ...file }) {
  const next = await opened(file);
  if (drawing?.url) URL.revokeObjectURL(drawing.url);
  if (result) URL.revokeObjectURL(result.url);
  drawing = next;
  result = error = undefined;
  resumed = 0;
  choice = painted?.choice ?? {};
  isPainting = true;
  if (painted) controls.restore(painted);
  hints.begin(painted?.items ?? []);
  see("photo");
  picture();
  tools();
  scrollTo({ top: 0 });
  head.querySelector("h1").focus({ preventScroll: true });
  colourSoon(0);
}

/** Which of the two is seen: the invitation ("empty") or the drawing ("photo"). */
function see(view) {
  document.body.dataset.view = view;
  document.querySelector("#empty").hidden = view !== "empty";
  work.hidden = view === "empty";
  title();
}

/** The drawing as show() brings it back. */
const putAside = () => ({ ...drawing, painted: painted() });
const painted = () => ({ items: hints.items, choice, ...controls.kept() });

function keep() {
  if (drawing) drawings.put(drawing, painted());
}

function remove() {
  const left = putAside();
  clearTimeout(settling);
  asking?.abort();
  asking = drawing = result = error = undefined;
  report.hidden = true;
  see("empty");
  drawings.drop([left.id]);
  document.querySelector("#stage").focus({ preventScroll: true });
  toast(t("removed", { name: left.name }), { action: { label: t("undo"), run: () => show(left) } });
}

function title() {
  document.title = drawing ? t("page.title.photo", { name: drawing.name }) : t("colour.title");
  if (drawing) head.replaceChildren(h("h1", { tabIndex: -1, title: drawing.name }, drawing.name));
}

/** proposal: {proposals, choice} of the sheet. */
function choose(proposal) {
  choice = proposal;
  keep();
  colourSoon(0);
}

hints.addEventListener("change", () => {
  keep();
  tools();
  colourSoon();
});
controls.addEventListener("change", () => {
  choice = {};
  keep();
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
  if (!drawings.keepsAll && drawing && hints.items.length) event.preventDefault();
});

// --- the page ---------------------------------------------------------------------------------

function label() {
  labelSwitch();
  paper.label();
  controls.render();
  title();
  if (!drawing) return;
  picture();
  tools();
  status();
}
onSwitch(label);

for (const sample of document.querySelectorAll("#examples button")) {
  sample.addEventListener("click", async () => {
    try {
      take([await example(sample.dataset.name, "image/png")]);
    } catch (fault) {
      console.info("no example:", fault.message);
      toast(t("failed.example"));
    }
  });
}

async function offer() {
  try {
    const offered = await palettes();
    learnPermanent(offered.permanent_errors);
    controls.adopt(offered.palettes);
  } catch (fault) {
    toast(words(fault));
  }
}

async function begin() {
  forget("reloads"); // of boot.js: the modules are here
  await use(current());
  label();
  keepingSwitch(drawings, keep);
  document.documentElement.classList.add("ready");
  intake(take, () => toast(t("failed.camera")));
  const [last] = await Promise.all([drawings.open().then(() => drawings.last()), offer()]);
  if (last && !drawing) await show(last);
  await serveOffline(); // last: its fetches must not stand in the way of the page's own
}

begin();
