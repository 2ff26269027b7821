// What leaves the page: the picture, its JSON, all of them as a ZIP, or the phone's share sheet.

import { h } from "./dom.js";
import { asPng, both } from "./sheet.js";
import { zip } from "./zip.js";

const DETAILS = "details"; // the folder of the JSON files in a ZIP
const EXTENSIONS = { jpeg: "jpg", tiff: "tif" };

/** NAME.STYLE.EXT and NAME.STYLE.json, as the command line and the bucket name them; a task's name for a drawing. */
export function names(job) {
  const { sidecar } = job.result;
  const stem = job.name.replace(/\.[^.]*$/, "").replace(/[/\\:]/g, "_") || "photo";
  const extension = EXTENSIONS[sidecar.output.format] ?? sidecar.output.format;
  const base = `${stem}.${sidecar.style ?? sidecar.task}`;
  return {
    picture: `${base}.${extension}`,
    json: `${base}.json`,
    both: `${base}.before-after.jpg`,
  };
}

const json = (job) =>
  new Blob([JSON.stringify(job.result.sidecar, null, 2), "\n"], { type: "application/json" });

export const savePicture = (job) => save(job.result.blob, names(job).picture);
export const saveJson = (job) => save(json(job), names(job).json);

/** All pictures, their JSON in a folder beside them; two photos of one name both come along. */
export async function saveZip(jobs, name = "kirei.zip") {
  const files = [];
  const taken = new Set();
  for (const job of jobs) {
    const { picture, json: beside } = names(job);
    const number = free(taken, [picture, beside]);
    files.push({ name: numbered(picture, number), blob: job.result.blob });
    files.push({ name: `${DETAILS}/${numbered(beside, number)}`, blob: json(job) });
  }
  save(await zip(files), name);
}

/** Photo and picture as one. Rejects with a RangeError where they are too large for the browser. */
export async function saveBoth(job) {
  save(await both(job), names(job).both);
}

/** Whether the browser takes pictures into the clipboard. */
export const canCopy = () => Boolean(navigator.clipboard?.write && window.ClipboardItem);

/** The picture as PNG, the one kind that every clipboard takes. Rejects where that is forbidden. */
export const copyPicture = (job) =>
  navigator.clipboard.write([new ClipboardItem({ "image/png": asPng(job.result.blob) })]);

function free(taken, wanted) {
  let number = 1;
  while (wanted.some((name) => taken.has(numbered(name, number)))) number++;
  for (const name of wanted) taken.add(numbered(name, number));
  return number;
}

const numbered = (name, number) => (number === 1 ? name : name.replace(/^(.*)(\.[^.]+\.\w+)$/, `$1-${number}$2`));

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it meanwhile
}

/** Whether this device has a share sheet that takes these pictures. */
export function canShare(jobs) {
  return Boolean(jobs.length && navigator.canShare?.({ files: jobs.map(shared) }));
}

export const share = (jobs) => shareFiles(jobs.map(shared));

/** Photo and picture as one, to other apps. */
export async function shareBoth(job) {
  await shareFiles([new File([await both(job)], names(job).both, { type: "image/jpeg" })]);
}

async function shareFiles(files) {
  try {
    await navigator.share({ files });
  } catch (error) {
    if (error.name !== "AbortError") throw error; // closed without choosing
  }
}

const shared = (job) =>
  new File([job.result.blob], names(job).picture, { type: job.result.blob.type });
