// Links to Airflow's own pages open in the window around the frame, not within it. The frame may not navigate that window, so
// the window is asked to follow a link of its own. Without this script such a link opens within the frame.
(() => {
  const around = () => {
    try {
      return window.parent !== window && window.parent.document ? window.parent.document : null;
    } catch {
      return null;
    }
  };
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-airflow]") : null;
    const outside = around();
    if (!link || !outside || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
      return;
    }
    event.preventDefault();
    const own = outside.createElement("a");
    own.href = link.href;
    outside.body.append(own);
    own.click();
    own.remove();
  });

  const print = document.querySelector("[data-print]");
  if (print) {
    print.hidden = false;
    print.addEventListener("click", () => window.print());
  }
})();
