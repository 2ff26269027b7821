// The access token: asked for when the server wants one, kept for this tab alone.

import { t } from "./text.js";

const KEY = "token";
let asking = null;
let kept = null; // where session storage is switched off

export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

function keep(value) {
  kept = value;
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    // the variable above serves
  }
}

// A link with the token behind its #, which no server is sent: `kirei serve` prints one for phones.
const linked = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
if (linked) {
  keep(linked);
  history.replaceState(null, "", location.pathname);
}

/** Resolves to whether there is another token than the one that was refused. Asks once for all. */
export function askToken(refused) {
  if (token() !== refused) return Promise.resolve(true); // somebody else was asked meanwhile
  asking ??= ask(refused).finally(() => (asking = null));
  return asking;
}

function ask(refused) {
  const dialog = document.querySelector("#token");
  const field = dialog.querySelector("input");
  const complaint = dialog.querySelector("[role=alert]");
  complaint.textContent = refused ? t("token.wrong") : "";
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        const given = dialog.returnValue === "given" ? field.value.trim() : "";
        if (given) keep(given);
        resolve(Boolean(given));
      },
      { once: true },
    );
  });
}
