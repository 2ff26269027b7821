// How photographs get onto the page: chosen, shot, dropped, pasted, or shared by another app.

const SHARED = "kirei-shared";

/** Calls take(files) for every way in but the share sheet; notShot() where the camera gave nothing. */
export function intake(take, notShot) {
  document.querySelector("#shoot").addEventListener("cancel", notShot);
  for (const field of document.querySelectorAll("#choose, #shoot")) {
    field.addEventListener("change", () => {
      take([...field.files]);
      field.value = ""; // the same file may be chosen again
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return; // text pasted into a field
    event.preventDefault();
    take(files);
  });
  drops(take);
}

function drops(take) {
  const veil = document.querySelector("#veil");
  let inside = 0; // elements entered and not left: the veil must not flicker between them
  const show = (count) => {
    inside = count;
    veil.hidden = count === 0;
  };
  const files = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => files(event) && show(inside + 1));
  addEventListener("dragleave", (event) => files(event) && show(Math.max(0, inside - 1)));
  addEventListener("dragover", (event) => files(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault(); // else the browser would open the photo in place of the page
    show(0);
    take([...event.dataTransfer.files]);
  });
}

/** The files that the service worker took from the share sheet; they are handed out once. */
export async function shared() {
  if (!("caches" in window)) return [];
  const cache = await caches.open(SHARED);
  const files = [];
  for (const key of await cache.keys()) {
    const answer = await cache.match(key);
    const name = decodeURIComponent(answer.headers.get("X-Name"));
    const blob = await answer.blob();
    files.push(new File([blob], name, { type: blob.type }));
    await cache.delete(key);
  }
  return files;
}
