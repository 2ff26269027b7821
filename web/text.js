// The words of the page: one flat JSON for each language, the same keys in both.

const LANGUAGES = ["en", "zh"];
const loaded = {};
let language = document.documentElement.dataset.language;

export const current = () => language;
export const other = () => LANGUAGES.find((name) => name !== language);

/**
 * Loads a language and makes it the page's, with the words that a page has beside those of all
 * (data-words). Rejects where it cannot be had.
 */
export async function use(name) {
  if (!loaded[name]) {
    const own = document.documentElement.dataset.words;
    const files = [`${name}.json`, own && `${own}.${name}.json`].filter(Boolean);
    loaded[name] = Object.assign({}, ...(await Promise.all(files.map(read))));
  }
  language = name;
  const root = document.documentElement;
  root.lang = name === "zh" ? "zh-Hans" : "en";
  root.dataset.language = name;
  document.title = t("page.title");
  apply(document);
}

async function read(file) {
  const answer = await fetch(new URL(file, import.meta.url));
  if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
  return answer.json();
}

export const has = (key) => key in loaded[language];

/** The words for a key, with {name} replaced by the values. */
export const t = (key, values = {}) => fill(loaded[language][key] ?? key, values);

/** The words for a key, or what the server said where the page has none. */
export const or = (key, otherwise) => (has(key) ? t(key) : otherwise);

/**
 * Why the pipeline did something: its own English sentence, in the page's language where that is
 * known. A # in a key stands for a number, which is {0}, {1}, … in the words.
 */
export function why(sentence) {
  const values = [];
  const key = sentence.replace(/\d+(\.\d+)?%?/g, (value) => {
    values.push(value);
    return "#";
  });
  return has(`why.${key}`) ? t(`why.${key}`, values) : sentence;
}

const fill = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

/** A number as the language writes it, with at most so many decimals. */
export const number = (value, decimals = 0) =>
  new Intl.NumberFormat(document.documentElement.lang, {
    maximumFractionDigits: decimals,
  }).format(Math.abs(value) < 0.5 / 10 ** decimals ? 0 : value); // never -0

/** Bytes in the unit that is read most easily: 840 kB, 12.4 MB. */
export const size = (bytes) =>
  new Intl.NumberFormat(document.documentElement.lang, {
    style: "unit",
    unit: bytes < 1e6 ? "kilobyte" : "megabyte",
    maximumFractionDigits: bytes < 1e6 ? 0 : 1,
  }).format(bytes / (bytes < 1e6 ? 1e3 : 1e6));

export const list = (words) =>
  new Intl.ListFormat(document.documentElement.lang, { type: "conjunction" }).format(words);

/** Elements say which words they hold: data-text for their content, data-label for their name. */
export function apply(within) {
  for (const item of within.querySelectorAll("[data-text]")) item.textContent = t(item.dataset.text);
  for (const item of within.querySelectorAll("[data-label]")) {
    item.setAttribute("aria-label", t(item.dataset.label));
    if (item.tagName === "BUTTON") item.title = t(item.dataset.label);
  }
}
