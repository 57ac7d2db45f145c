// Keeps the first page up to date, on a wall screen too: the panel of the work under way every few seconds, the rest less
// often. Without this script the page shows what was true when it was loaded.
(() => {
  const panel = document.querySelector("[data-live]");
  const stale = document.querySelector("[data-stale]");
  if (!panel || !stale) {
    return;
  }
  const busy = Number(panel.dataset.every) * 1000;
  const idle = 10 * busy;
  // The whole page is a hundred times the panel: every 15 seconds while something is at work, every 5 minutes otherwise.
  const looksForOverview = { busy: 5, idle: 10 };
  let looks = 0;
  let wasAtWork = !panel.hidden;

  const fetched = async (address) => {
    const response = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
    if (response.status === 401 || response.status === 403) {
      // The page that says so, and how to log in again.
      window.location.reload();
    }
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
      shown.className = fresh.className;
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
        if (atWork !== wasAtWork || looks % (atWork ? looksForOverview.busy : looksForOverview.idle) === 0) {
          await refreshOverview();
        }
        wasAtWork = atWork;
        wait = atWork ? busy : idle;
        stale.hidden = true;
      }
    } catch {
      // The server restarts, or the outbox is away: the page stays as it is, says so, and looks again.
      stale.hidden = false;
    }
    window.setTimeout(look, wait);
  };
  window.setTimeout(look, wasAtWork ? busy : idle);
})();
