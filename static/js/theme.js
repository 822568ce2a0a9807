// Before the first paint, so that no other theme flashes: the chosen one, else the system's.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const ofSystem = system.matches ? "dark" : "light";
    document.documentElement.dataset.theme = localStorage.getItem("theme") ?? ofSystem;
  };
  system.addEventListener("change", show);
  show();
})();
