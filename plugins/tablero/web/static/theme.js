// The theme of Airflow's own pages, if someone chose one there; otherwise the system's, which the style sheet follows by itself.
// Runs before anything is drawn. Airflow keeps the choice in the local storage of the origin, which the frame shares.
(() => {
  const follow = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("theme");
    } catch {
      // Storage is closed to this frame: the system's theme it is.
    }
    if (chosen === "dark" || chosen === "light") {
      document.documentElement.dataset.theme = chosen;
    } else {
      delete document.documentElement.dataset.theme;
    }
  };
  follow();
  // Heard when another document of the origin, such as Airflow around the frame, changes it.
  window.addEventListener("storage", (event) => {
    if (event.key === "theme" || event.key === null) {
      follow();
    }
  });
})();
