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

// A module that a shaky network lost leaves a page that does nothing: it is loaded anew, a few times.
addEventListener(
  "error",
  ({ target }) => {
    if (target.tagName !== "SCRIPT" || target.type !== "module") return;
    const again = () => {
      try {
        const times = Number(sessionStorage.getItem("reloads"));
        sessionStorage.setItem("reloads", times + 1);
        if (times < 3) location.reload();
      } catch {
        // without storage it cannot be counted, and must not go on for ever
      }
    };
    setTimeout(again, 1000);
  },
  true,
);
