// The API as the page of drawings uses it: one call, whose answer is the sidecar with a link.

import { call, contentType, patiently, request } from "./client.js";

/** What the server offers: {palettes: [{name, title, colours}], options, permanent_errors}. */
export const palettes = () => request("v1/palettes");

/**
 * Has a drawing coloured. parts: blobs by the names of the form's fields, the drawing as image;
 * those that are null stay away. Resolves to {blob, sidecar}.
 */
export async function colour(parts, name, options, signal) {
  const form = new FormData();
  for (const [field, value] of Object.entries(options)) form.append(field, value);
  for (const [field, blob] of Object.entries(parts)) {
    if (!blob) continue;
    const type = contentType({ type: blob.type, name: blob.name ?? name });
    form.append(field, blob.type === type ? blob : blob.slice(0, blob.size, type), field);
  }
  const init = { method: "POST", headers: { Accept: "application/json" }, body: form, signal };
  const sidecar = await patiently(() => request("v1/colour", init), signal);
  const answer = await patiently(() => call(sidecar.output.url, { signal }), signal);
  return { blob: await answer.blob(), sidecar };
}
