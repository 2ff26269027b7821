// The page: three views (nothing yet, one photograph, all of them) over one queue.

import { Controls } from "./controls.js";
import { examples } from "./examples.js";
import { words } from "./failures.js";
import { copyPicture, saveBoth, saveJson, savePicture, share, shareBoth } from "./files.js";
import { Grid } from "./grid.js";
import { History } from "./history.js";
import { intake, shared } from "./intake.js";
import { keepingSwitch } from "./keeping.js";
import { labelSwitch, onSwitch } from "./language.js";
import { forget } from "./memory.js";
import { serveOffline } from "./offline.js";
import { PhotoView } from "./photo.js";
import { isLost, Queue } from "./queue.js";
import { resumeWhenBack } from "./resume.js";
import { current, number, t, use } from "./text.js";
import { toast, undo } from "./toast.js";

const SETTLE_MS = 400; // after an option was set, before the picture is drawn anew

const controls = new Controls();
const queue = new Queue(controls.complete, () => controls.isOriginal);
const history_ = new History();
const live = document.querySelector("#live");
const say = (text) => (live.textContent = text);

// what the next photographs are drawn with; a photograph that is open shows its own
let general = {};
let settling;
let scrolled = 0; // where the grid was left

const same = (one, two) =>
  JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(two).sort());
const changed = (job) => Boolean(job.result) && !same(job.result.options, general);

/** Files that leave the page: one that cannot says why, and nothing is lost. */
const guarded = (act, key) => async (job) => {
  try {
    await act(job);
    if (act === copyPicture) toast(t("copied"));
  } catch (error) {
    console.info(key, error.message);
    toast(t(key));
  }
};

const actions = {
  add: () => document.querySelector("#choose").click(),
  open: (job) => go(job.id),
  back: () => go(""),
  redraw: (job) => queue.redraw(job, photo.job === job ? controls.chosen() : general),
  remove: (job) => remove([job]),
  clear: () => remove([...queue.jobs]),
  keep: (job) => queue.find(job.id) && history_.put(job),
  title: (name) => controls.title(name),
  changed: () => queue.jobs.some(changed),
  save: (job) => (queue.working(job) ? saveLater(job) : savePicture(job)),
  saveJson,
  saveBoth: guarded(saveBoth, "failed.both"),
  copy: guarded(copyPicture, "failed.copy"),
  share: guarded(share, "failed.share"),
  shareBoth: guarded(shareBoth, "failed.share"),
  say,
};
const grid = new Grid(queue, actions);
const photo = new PhotoView(queue, controls, actions);

/** The picture that is being drawn, as soon as it is there: what is seen is what is saved. */
function saveLater(job) {
  job.isAwaited = true;
  toast(t("save.later"));
}

function remove(jobs) {
  const at = queue.jobs.indexOf(jobs[0]);
  const removed = queue.remove(jobs);
  history_.drop(jobs.map(({ id }) => id));
  if (!photo.job) grid.focusAt(at);
  const [{ name }] = jobs;
  toast(jobs.length === 1 ? t("removed", { name }) : t("removed.many", { count: number(jobs.length) }), {
    onend: () => queue.release(jobs),
    action: {
      label: t("undo"),
      run: () => {
        queue.putBack(removed);
        if (queue.jobs.length === 1) actions.open(queue.jobs[0]);
        else show();
      },
    },
  });
}

/** At once: the browser tells of a new address only after what else it has to do, another key too. */
function go(id) {
  location.hash = id;
  show();
}

/** The photograph that the address names, if it is still there. */
const named = () => queue.find(location.hash.slice(1));

/** anew: in another language, with everything where it was. */
function show({ anew = false } = {}) {
  const job = named();
  const view = job ? "photo" : queue.jobs.length ? "grid" : "empty";
  const before = document.body.dataset.view;
  const left = photo.job;
  if (before === "grid" && view === "photo") scrolled = scrollY;
  document.body.dataset.view = view;
  for (const name of ["empty", "grid", "photo"]) {
    document.querySelector(`#${name}`).hidden = name !== view;
  }
  const stays = view === "photo" && left === job;
  if (left && (!stays || anew)) photo.hide();
  if (view !== "photo") photo.leaveFull();
  if (!stays) controls.adopt(job ? job.options : general);
  if (view === "photo" && (!stays || anew)) photo.show(job);
  if (view === "grid") (before === "grid" && !anew ? grid.sync() : grid.render());
  entitle();
  if (anew || (before === view && left === job)) return;
  scrollTo({ top: view === "grid" ? scrolled : 0 });
  if (view === "photo") photo.title.focus({ preventScroll: true });
  else if (view === "grid") (before === "photo" && left ? grid.focus(left) : grid.title.focus({ preventScroll: true }));
  else document.querySelector("#stage").focus({ preventScroll: true });
}

/** The tab says what is shown, or how far all of it is. */
function entitle() {
  const open = queue.jobs.filter(queue.working).length;
  const count = queue.jobs.length;
  if (open) document.title = t("page.title.working", { done: number(count - open), count: number(count) });
  else if (photo.job) document.title = t("page.title.photo", { name: photo.job.name });
  else document.title = t("page.title");
}

function take(files) {
  if (!files.length) return;
  const first = queue.jobs.length === 0;
  const added = queue.add(files, general);
  if (added.length > 1) say(t("live.added", { count: number(added.length) }));
  if (first && added.length === 1) actions.open(added[0]);
  else if (named()) actions.back();
  else show();
}

queue.addEventListener("list", () => {
  if (photo.job && !named()) actions.back();
  else if (photo.job) photo.sync();
  else if (!queue.jobs.length) show();
  grid.sync();
  entitle();
});
queue.addEventListener("change", ({ detail: job }) => {
  grid.update(job);
  if (photo.job === job) photo.update();
  if (job.state === "done" && job.isAwaited) {
    job.isAwaited = false;
    savePicture(job);
  }
  if (job.state === "done") say(t("live.done", { name: job.name }));
  if (job.state === "failed") say(t("live.failed", { name: job.name, why: words(job.error) }));
  entitle();
});
queue.addEventListener("kept", ({ detail: job }) => history_.put(job));

controls.addEventListener("move", ({ detail: { name, value } }) => {
  if (name === "strength") photo.mix(value);
});
controls.addEventListener("change", () => {
  general = controls.chosen();
  grid.sync();
  const { job } = photo;
  if (!job) return;
  clearTimeout(settling);
  const draw = () => photo.job === job && queue.redraw(job, general);
  if (general.style !== job.options.style) draw();
  else settling = setTimeout(draw, SETTLE_MS);
});

controls.addEventListener("load", () => {
  general = controls.chosen();
  if (photo.job) {
    controls.adopt(photo.job.options);
    photo.update();
  }
});

addEventListener("hashchange", () => show());
addEventListener("beforeunload", (event) => {
  if (!history_.keepsAll && queue.jobs.length) event.preventDefault();
});
addEventListener("keydown", (event) => {
  const { target } = event;
  if (event.defaultPrevented || event.altKey || document.querySelector("dialog[open]")) return;
  const isTyping = target.matches("input:not([type=range], [type=radio], [type=checkbox])");
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && !event.shiftKey && !isTyping) {
    if (undo()) event.preventDefault();
    return;
  }
  if (!photo.job || event.ctrlKey || event.metaKey) return;
  if (target.matches("input") && event.key !== "Escape") return;
  if (photo.key(event.key)) event.preventDefault();
});

function label() {
  labelSwitch();
  examples(document.querySelector("#examples"), take, () => toast(t("failed.example")));
}
onSwitch(() => {
  label();
  controls.render();
  show({ anew: true });
});

async function begin() {
  forget("reloads"); // of boot.js: the modules are here
  await use(current());
  label();
  keepingSwitch(history_, () => queue.jobs.forEach((job) => history_.put(job)));
  document.documentElement.classList.add("ready");
  intake(take, () => toast(t("failed.camera")));
  const look = resumeWhenBack({ isLost: () => queue.jobs.some(isLost), resume: () => queue.resume() });
  queue.addEventListener("change", look);
  await Promise.all([controls.load(), history_.open()]);
  queue.restore(await history_.load());
  take(await shared());
  if (location.hash && !named()) history.replaceState(null, "", location.pathname);
  if (queue.jobs.length) show();
  await serveOffline(); // last: its fetches must not stand in the way of the page's own
}

begin();
