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

  const followOutside = (outside, address) => {
    const link = outside.createElement("a");
    link.href = address;
    outside.body.append(link);
    link.click();
    link.remove();
  };

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-airflow]") : null;
    const outside = around();
    if (!link || !outside || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
      return;
    }
    event.preventDefault();
    followOutside(outside, link.href);
  });

  // A frame may not print either: the document opens by itself, and prints from there.
  const print = document.querySelector("[data-print]");
  if (print) {
    const wanted = "#print";
    print.hidden = false;
    print.addEventListener("click", () => {
      const outside = around();
      if (outside) {
        followOutside(outside, window.location.href.split("#")[0] + wanted);
      } else {
        window.print();
      }
    });
    if (window.location.hash === wanted && !around()) {
      window.addEventListener("load", () => window.print());
    }
  }
})();
