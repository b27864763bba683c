// Keeps a page current: on each event of the study the page is fetched again, and what changed of
// the parts marked `data-live` is put in place. Text comes in as the server escaped it.
"use strict";
(() => {
  const PAUSE_MS = 600;
  const address = document.body.dataset.events;
  const link = document.getElementById("link");
  if (!address) return;

  const tell = (state, text) => {
    link.className = `link ${state}`;
    if (link.textContent !== text) link.textContent = text;
  };

  const nameOf = (element) => element.id || element.getAttribute("href") || element.name || "";

  const swap = (old, fresh) => {
    if (old.innerHTML === fresh.innerHTML) return;
    const selection = document.getSelection();
    // Whoever is marking text to copy it keeps it until the next change.
    if (selection && !selection.isCollapsed && old.contains(selection.anchorNode)) return;
    const open = new Set([...old.querySelectorAll("details[open]")].map((one) => one.id));
    const focused = old.contains(document.activeElement) ? nameOf(document.activeElement) : "";
    old.replaceChildren(...fresh.childNodes);
    for (const one of old.querySelectorAll("details")) one.open = open.has(one.id);
    if (focused) {
      const again = [...old.querySelectorAll("a, button, input, [tabindex]")];
      again.find((one) => nameOf(one) === focused)?.focus({ preventScroll: true });
    }
  };

  let busy = false;
  let asked = false;
  const refresh = async () => {
    if (busy) {
      asked = true;
      return;
    }
    busy = true;
    const began = performance.now();
    try {
      const answer = await fetch(location.pathname, { cache: "no-store" });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of document.querySelectorAll("[data-live]")) {
          const part = fresh.getElementById(old.id);
          if (part) swap(old, document.importNode(part, true));
        }
        document.dispatchEvent(new CustomEvent("fresh"));
      }
    } catch {
      // The stream says whether the dashboard is still there.
    }
    // A page that takes long to make is asked for less often.
    setTimeout(() => {
      busy = false;
      if (asked) {
        asked = false;
        refresh();
      }
    }, Math.max(PAUSE_MS, 2 * (performance.now() - began)));
  };

  let source = null;
  let version = null;
  const listen = () => {
    if (source) return;
    source = new EventSource(address);
    source.addEventListener("open", () => tell("on", "live"));
    source.addEventListener("error", () => tell("off", "the dashboard does not answer"));
    source.addEventListener("message", (event) => {
      const first = version === null;
      if (version === event.data) return;
      version = event.data;
      if (!first) refresh();
    });
  };
  const leave = () => {
    source?.close();
    source = null;
  };

  // Browsers hold few connections to one host: pages that nobody sees let go of theirs.
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", () => document.hidden || listen());
  if (location.search.includes("said=")) history.replaceState(null, "", location.pathname);
  // Between the page and the stream something may have happened.
  addEventListener("load", () => setTimeout(refresh, 300));
})();
