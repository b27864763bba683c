// Draws what the server made of the results, in the colours of the page.
"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const shown = new Map();
  // Dark on white for paper; on dark ground the same colours, lighter.
  const lighter = { "#0072B2": "#5bb4ea", "#767676": "#a2a9b1", "#1a1a1a": "#e8eaed", "#D55E00": "#ff9a52" };

  const dressed = (spec) => {
    const text = dark.matches
      ? spec.replace(/#0072B2|#767676|#1a1a1a|#D55E00/g, (found) => lighter[found])
      : spec;
    const { data, layout } = JSON.parse(text);
    const ink = colour("--ink");
    const narrow = document.body.clientWidth < 480;
    Object.assign(layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
    layout.font = { ...layout.font, color: ink, size: narrow ? 11 : 13 };
    if (narrow) layout.height = Math.max(layout.height, 380);
    layout.hoverlabel = { bgcolor: colour("--card"), font: { color: ink, size: 12 }, align: "left" };
    for (const axis of [layout.xaxis, layout.yaxis]) {
      Object.assign(axis, { gridcolor: colour("--line"), linecolor: colour("--soft") });
    }
    return [data, layout];
  };

  const draw = (plot, told) => {
    const reading = document.getElementById(`${plot.id}-reading`);
    if (!told) return;
    const [data, layout] = dressed(told.spec);
    reading.textContent = told.reading;
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", told.reading);
    Plotly.react(plot, data, layout, { responsive: true, displayModeBar: false });
  };

  const load = async (plot) => {
    try {
      const answer = await fetch(plot.dataset.figure, { cache: "no-store" });
      if (!answer.ok) return;
      const told = await answer.json();
      if (JSON.stringify(told) === JSON.stringify(shown.get(plot))) return;
      shown.set(plot, told);
      draw(plot, told);
    } catch {
      // The next event asks again.
    }
  };

  const plots = [...document.querySelectorAll("[data-figure]")];
  plots.forEach(load);
  document.addEventListener("fresh", () => plots.forEach(load));
  dark.addEventListener("change", () => shown.forEach((told, plot) => draw(plot, told)));
})();
