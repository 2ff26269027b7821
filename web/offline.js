// The service worker, for another visit without a connection.

/** For another visit without a connection, and for the share sheet; this one does without. */
export async function serveOffline() {
  try {
    const scope = new URL("../", import.meta.url).pathname;
    await navigator.serviceWorker?.register(new URL("sw.js", import.meta.url), { scope });
  } catch (error) {
    console.info("no service worker:", error.message);
  }
}
