// Small choices for the next visit, where the browser remembers anything.

export function remember(key, value) {
  try {
    if (value) localStorage.setItem(key, value);
    else localStorage.removeItem(key);
  } catch {
    // storage is switched off: the choice holds for this visit
  }
}

export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Of this tab alone. */
export function forget(key) {
  try {
    sessionStorage.removeItem(key);
  } catch {
    // there is nothing
  }
}
