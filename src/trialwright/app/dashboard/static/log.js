// Shows a log as it grows: as text, the latest lines of it.
"use strict";
(() => {
  const MOST = 5000;
  const log = document.getElementById("log");
  const state = document.getElementById("log-state");
  const follow = document.getElementById("follow");
  let source = new EventSource(log.dataset.events);
  let begun = false;

  const add = (lines) => {
    if (!lines.length) return;
    log.append(document.createTextNode(`${lines.join("\n")}\n`));
    while (log.childNodes.length > 1 && log.childNodes.length > MOST) log.firstChild.remove();
    if (follow.checked) log.scrollTop = log.scrollHeight;
  };
  const over = (text) => {
    source.close();
    state.textContent = text;
  };

  source.addEventListener("open", () => {
    // A stream that was broken begins again.
    if (begun) log.replaceChildren();
    begun = true;
    state.textContent = "following";
  });
  source.addEventListener("error", () => (state.textContent = "the dashboard does not answer"));
  source.addEventListener("message", (event) => add(JSON.parse(event.data)));
  source.addEventListener("end", (event) => {
    add(JSON.parse(event.data));
    over(log.textContent ? "the run has ended" : "the run has ended; it printed nothing, or its log was removed");
  });
  source.addEventListener("problem", (event) => over(JSON.parse(event.data)));
  follow.addEventListener("change", () => {
    if (follow.checked) log.scrollTop = log.scrollHeight;
  });
})();
