// Before the first paint: the language, so that nobody sees another one first. Everything else
// of the page is in modules, which wait for the document.
(() => {
  const known = { en: "en", zh: "zh" };
  const read = () => {
    try {
      return localStorage.getItem("language");
    } catch {
      return null; // storage is switched off: the browser's language holds
    }
  };
  const asked = [read(), ...navigator.languages].map((tag) => known[(tag || "").slice(0, 2)]);
  const language = asked.find(Boolean) || "en";
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.documentElement.dataset.language = language;
})();
