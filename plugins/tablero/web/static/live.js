// Keeps the first page up to date while a run is at work: the panel every few seconds, the rest less often. Without this script
// the page shows what was true when it was loaded.
(() => {
  const panel = document.querySelector("[data-live]");
  if (!panel) {
    return;
  }
  const busy = Number(panel.dataset.every) * 1000;
  const idle = 10 * busy;
  // The whole page is a few hundred times the panel.
  const looksForOverview = 5;
  let looks = 0;
  let wasAtWork = !panel.hidden;

  const fetched = async (address) => {
    const response = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!response.ok) {
      throw new Error(String(response.status));
    }
    return response;
  };

  const refreshOverview = async () => {
    const response = await fetched(window.location.href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("[data-refresh]");
    const shown = document.querySelector("[data-refresh]");
    // Whoever is in the middle of it with the keyboard is not thrown out.
    if (fresh && shown && !shown.contains(document.activeElement)) {
      shown.replaceChildren(...fresh.childNodes);
    }
  };

  const look = async () => {
    let wait = idle;
    try {
      if (!document.hidden) {
        const response = await fetched(panel.dataset.live);
        const atWork = Number(response.headers.get("x-tablero-at-work")) > 0;
        const text = await response.text();
        if (!panel.contains(document.activeElement)) {
          panel.innerHTML = text;
        }
        panel.hidden = !atWork;
        looks += 1;
        if ((atWork && looks % looksForOverview === 0) || atWork !== wasAtWork) {
          await refreshOverview();
        }
        wasAtWork = atWork;
        wait = atWork ? busy : idle;
      }
    } catch {
      // The server restarts, or the login has ended: the page stays as it is, and the next look may succeed.
    }
    window.setTimeout(look, wait);
  };
  window.setTimeout(look, wasAtWork ? busy : idle);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      looks = looksForOverview - 1;
    }
  });
})();
