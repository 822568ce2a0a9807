// Before the first paint, so that no other theme flashes: the chosen one, else the system's.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const ofSystem = system.matches ? "dark" : "light";
    const chosen = localStorage.getItem("theme") ?? ""; // the admin writes "auto" there
    const isOurs = chosen === "dark" || chosen === "light";
    document.documentElement.dataset.theme = isOurs ? chosen : ofSystem;
  };
  system.addEventListener("change", show);
  show();
})();
