// What leaves the page: the picture, its JSON, all of them as a ZIP, or the phone's share sheet.

import { h } from "./dom.js";
import { zip } from "./zip.js";

const EXTENSIONS = { jpeg: "jpg" };

/** NAME.STYLE.EXT and NAME.STYLE.json, as the command line and the bucket name them. */
export function names(job) {
  const { sidecar } = job.result;
  const stem = job.name.replace(/\.[^.]*$/, "").replace(/[/\\:]/g, "_") || "photo";
  const extension = EXTENSIONS[sidecar.output.format] ?? sidecar.output.format;
  const base = `${stem}.${sidecar.style}`;
  return { picture: `${base}.${extension}`, json: `${base}.json` };
}

const json = (job) =>
  new Blob([JSON.stringify(job.result.sidecar, null, 2), "\n"], { type: "application/json" });

export const savePicture = (job) => save(job.result.blob, names(job).picture);
export const saveJson = (job) => save(json(job), names(job).json);

/** All pictures with their JSON; two photos of one name both come along. */
export async function saveZip(jobs, name = "kirei.zip") {
  const files = [];
  const taken = new Set();
  for (const job of jobs) {
    const { picture, json: beside } = names(job);
    const number = free(taken, [picture, beside]);
    files.push({ name: numbered(picture, number), blob: job.result.blob });
    files.push({ name: numbered(beside, number), blob: json(job) });
  }
  save(await zip(files), name);
}

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

/** Whether this device has a share sheet that takes pictures. */
export function canShare(job) {
  return Boolean(navigator.canShare?.({ files: [shared(job)] }));
}

export async function share(job) {
  try {
    await navigator.share({ files: [shared(job)] });
  } catch (error) {
    if (error.name !== "AbortError") throw error; // closed without choosing
  }
}

const shared = (job) =>
  new File([job.result.blob], names(job).picture, { type: job.result.blob.type });
