// The page: three views (nothing yet, one photograph, all of them) over one queue.

import { Controls, words } from "./controls.js";
import { Grid } from "./grid.js";
import { intake, shared } from "./intake.js";
import { PhotoView } from "./photo.js";
import { Queue } from "./queue.js";
import { current, number, other, remember, t, use } from "./text.js";

const queue = new Queue();
const controls = new Controls();
const live = document.querySelector("#live");
const say = (text) => (live.textContent = text);

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const changed = (job) => Boolean(job.result) && !same(job.result.options, controls.chosen());

const actions = {
  add: () => document.querySelector("#choose").click(),
  open: (job) => (location.hash = job.id),
  back: () => (location.hash = ""),
  redraw: (job) => queue.redraw(job, controls.chosen()),
  cancel: (job) => queue.remove(job),
  say,
};
const grid = new Grid(queue, { ...actions, changed: () => queue.jobs.some(changed) });
const photo = new PhotoView(queue, controls, { ...actions, changed });

/** The photograph that the address names, if it is still there. */
const named = () => queue.find(Number(location.hash.slice(1)));

/** anew: in another language, with everything where it was. */
function show({ anew = false } = {}) {
  const job = named();
  const view = job ? "photo" : queue.jobs.length ? "grid" : "empty";
  const before = document.body.dataset.view;
  const left = photo.job;
  document.body.dataset.view = view;
  for (const name of ["empty", "grid", "photo"]) {
    document.querySelector(`#${name}`).hidden = name !== view;
  }
  photo.hide();
  if (view === "photo") photo.show(job);
  if (view === "grid") (before === "grid" && !anew ? grid.sync() : grid.render());
  if (anew || (before === view && left === job)) return;
  scrollTo({ top: 0 });
  if (view === "photo") photo.title.focus({ preventScroll: true });
  else if (view === "grid") (before === "photo" && left ? grid.focus(left) : grid.title.focus());
  else document.querySelector("#stage").focus();
}

function take(files) {
  if (!files.length) return;
  const first = queue.jobs.length === 0;
  const added = queue.add(files, controls.chosen());
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
});
queue.addEventListener("change", ({ detail: job }) => {
  grid.update(job);
  if (photo.job === job) photo.update();
  if (job.state === "done") say(t("live.done", { name: job.name }));
  if (job.state === "failed") say(t("live.failed", { name: job.name, why: words(job.error) }));
});
controls.addEventListener("change", () => {
  if (photo.job) photo.update();
  grid.sync();
});
addEventListener("hashchange", () => show());
addEventListener("beforeunload", (event) => {
  if (queue.jobs.some((job) => queue.working(job))) event.preventDefault();
});

const switcher = document.querySelector("#language");
function label() {
  switcher.hidden = false;
  switcher.textContent = t("language.switch");
  switcher.setAttribute("aria-label", t("language.label"));
  switcher.lang = other() === "zh" ? "zh-Hans" : "en";
}
switcher.addEventListener("click", async () => {
  await use(other());
  remember(current());
  label();
  controls.render();
  show({ anew: true });
});

/** For another visit without a connection, and for the share sheet; this one does without. */
async function serveOffline() {
  try {
    const scope = new URL("../", import.meta.url).pathname;
    await navigator.serviceWorker?.register(new URL("sw.js", import.meta.url), { scope });
  } catch (error) {
    console.info("no service worker:", error.message);
  }
}

async function begin() {
  await use(current());
  label();
  if (location.hash) history.replaceState(null, "", location.pathname); // of a visit that is over
  document.documentElement.classList.add("ready");
  intake(take);
  await controls.load();
  take(await shared());
  await serveOffline(); // last: its fetches must not stand in the way of the page's own
}

begin();
