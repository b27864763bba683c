"use strict";
(() => {
  // What fits within the margins of A4 and of Letter, in CSS pixels.
  const PAPER = 680;

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const draw = (holder) => {
    const spec = JSON.parse(holder.textContent);
    const plot = document.getElementById(holder.dataset.plot);
    if (plot.clientWidth < 480) {
      spec.layout.margin.l = 44;
      spec.layout.font.size = 11;
      if (spec.layout.xaxis.ticktext) spec.layout.xaxis.tickangle = -60;
    }
    // What is fitted to a new width takes its height from its holder.
    plot.style.height = `${spec.layout.height}px`;
    Plotly.newPlot(plot, spec.data, spec.layout, { responsive: true, displayModeBar: false });
  };

  const toggle = (row, open) => {
    const button = row.querySelector(".open");
    button.setAttribute("aria-expanded", String(open));
    document.getElementById(button.getAttribute("aria-controls")).hidden = !open;
  };

  const keyOf = (body, column) => {
    const cell = body.rows[0].cells[column];
    const text = cell.dataset.key ?? cell.textContent.trim().toLowerCase();
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  };

  // What has no value stays at the end, whichever way the rest is sorted.
  const compare = (left, right, sign) => {
    if (left === "" || right === "") return (left === "") - (right === "");
    if (typeof left === "number" && typeof right === "number") return sign * (left - right);
    return sign * String(left).localeCompare(String(right));
  };

  const sort = (table, heading) => {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    const column = heading.cellIndex;
    for (const other of all("th", table.tHead)) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const keyed = [...table.tBodies].map((body) => [keyOf(body, column), body]);
    keyed.sort((left, right) => compare(left[0], right[0], ascending ? 1 : -1));
    table.append(...keyed.map((pair) => pair[1]));
  };

  all("script[data-plot]").forEach(draw);
  for (const table of all("table.trials")) {
    table.addEventListener("click", (event) => {
      const heading = event.target.closest("thead th");
      const row = event.target.closest("tr.row");
      if (heading) sort(table, heading);
      else if (row) toggle(row, document.getElementById(`trial-${row.querySelector(".open").textContent}`).hidden);
    });
  }
  const plots = () => all(".plot").filter((plot) => plot.layout);

  // On paper nothing can be opened any more, and a page is narrower than most windows.
  window.addEventListener("beforeprint", () => {
    for (const plot of plots()) Plotly.relayout(plot, { width: PAPER, height: plot.clientHeight });
    for (const details of all("details")) details.open = true;
    const rows = all("tr.row");
    if (rows.length <= 12) for (const row of rows) toggle(row, true);
  });
  window.addEventListener("afterprint", () => {
    for (const plot of plots()) Plotly.relayout(plot, { width: null, height: null, autosize: true });
  });
})();
