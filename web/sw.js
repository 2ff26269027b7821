// The service worker: the page opens without a connection, and phones can share photos to it.
// The API is none of its business.

const SHELL = "kirei-shell";
const SHARED = "kirei-shared";
const ROOT = new URL("../", self.location);
// of the page of photographs, which are kept from the first visit on
const FIRST = [
  "./",
  "app/boot.js",
  "app/page.css",
  "app/work.css",
  "app/bundle.js",
  "app/en.json",
  "app/zh.json",
  "app/manifest.webmanifest",
  "app/icon.svg",
  "app/icon-192.png",
];
// of the page of drawings: kept once it was opened
const LATER = [
  "colour",
  "app/colour.css",
  "app/colour.bundle.js",
  "app/colour.en.json",
  "app/colour.zh.json",
];
const [SOON, FILES] = [FIRST, [...FIRST, ...LATER]].map((paths) =>
  paths.map((path) => new URL(path, ROOT).href),
);

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(SHELL);
      // one by one: in the cloud each is a run of the function, and the page has photos to draw;
      // and what the page has just loaded does not travel a second time
      for (const file of SOON) await cache.add(new Request(file, { cache: "force-cache" }));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method === "POST" && url.href === new URL("share", ROOT).href) {
    event.respondWith(takeIn(request));
    return;
  }
  if (request.method !== "GET" || url.origin !== ROOT.origin) return;
  url.search = "";
  url.hash = "";
  if (FILES.includes(url.href)) event.respondWith(fresh(event, url.href));
});

/** From the network, so that no page is ever made of two versions; from the cache without one. */
async function fresh(event, key) {
  const cache = await caches.open(SHELL);
  try {
    const answer = await fetch(event.request);
    if (answer.ok) event.waitUntil(cache.put(key, answer.clone()));
    return answer;
  } catch (error) {
    const kept = await cache.match(key);
    if (kept) return kept;
    throw error;
  }
}

/** Photos from the share sheet are laid aside for the page, which opens and fetches them. */
async function takeIn(request) {
  const form = await request.formData();
  const cache = await caches.open(SHARED);
  const files = form.getAll("photos").filter((entry) => entry instanceof File);
  for (const [number, file] of files.entries()) {
    const headers = {
      "Content-Type": file.type || "application/octet-stream",
      "X-Name": encodeURIComponent(file.name || "photo"),
    };
    const key = new URL(`shared/${Date.now()}-${number}`, ROOT);
    await cache.put(key, new Response(file, { headers }));
  }
  return Response.redirect(ROOT, 303);
}
