// The leaderboard: as many rows as fit are there, the others are fetched as they scroll by.
"use strict";
(() => {
  const CHUNK = 50;
  const SPARE = 12;
  const board = document.getElementById("board");
  const lines = board.querySelector(".lines");
  const table = board.querySelector("[role=table]");
  const note = document.getElementById("board-note");
  const rows = new Map();
  const fetching = new Set();
  let total = 0;
  let best = null;
  let order = "rank";
  let down = false;
  let turn = 0;

  const height = () => parseFloat(getComputedStyle(board).getPropertyValue("--row")) || 42;

  const cell = (text, kind) => {
    const made = document.createElement("span");
    made.setAttribute("role", "cell");
    if (kind) made.className = kind;
    made.textContent = text;
    return made;
  };

  const drawn = (index, top) => {
    const line = document.createElement("div");
    line.setAttribute("role", "row");
    line.setAttribute("aria-rowindex", String(index + 2));
    line.className = "line";
    line.style.top = `${top}px`;
    const row = rows.get(index);
    if (!row) {
      line.append(cell("…"));
      return line;
    }
    if (row.number === best) line.classList.add("best");
    const number = cell("");
    const link = document.createElement("a");
    link.href = `${board.dataset.study}t/${row.number}`;
    link.textContent = row.number;
    link.setAttribute("aria-label", `Trial ${row.number}`);
    number.append(link);
    const value = cell(row.value);
    if (row.deviation) {
      const more = document.createElement("small");
      more.textContent = ` ${row.deviation}`;
      value.append(more);
    }
    const verdict = cell("");
    const pill = document.createElement("span");
    pill.className = `pill ${row.standing.replace(/[^a-z]/g, "")}`;
    pill.textContent = row.standing;
    verdict.append(pill);
    const what = cell(row.what, "what");
    what.title = row.what;
    line.append(number, value, verdict, cell(row.by), what);
    return line;
  };

  const window_ = () => {
    const tall = height();
    const first = Math.max(0, Math.floor(board.scrollTop / tall) - SPARE);
    const last = Math.min(total, Math.ceil((board.scrollTop + board.clientHeight) / tall) + SPARE);
    return [first, last, tall];
  };

  const draw = () => {
    const [first, last, tall] = window_();
    const focused = lines.contains(document.activeElement) && document.activeElement.href;
    lines.style.height = `${total * tall}px`;
    table.setAttribute("aria-rowcount", String(total + 1));
    const made = [];
    for (let index = first; index < last; index++) made.push(drawn(index, index * tall));
    lines.replaceChildren(...made);
    if (focused) {
      const again = [...lines.querySelectorAll("a")].find((link) => link.href === focused);
      again?.focus({ preventScroll: true });
    }
    for (let at = first - (first % CHUNK); at < last; at += CHUNK) {
      const gap = [...Array(Math.min(CHUNK, total - at)).keys()].some((i) => !rows.has(at + i));
      if (gap) load(at, CHUNK);
    }
  };

  const load = async (first, count) => {
    const mine = turn;
    const name = `${mine} ${first}`;
    if (fetching.has(name)) return;
    fetching.add(name);
    try {
      const query = new URLSearchParams({ first, count, order, down: down ? "1" : "0" });
      const answer = await fetch(`${board.dataset.source}?${query}`, { cache: "no-store" });
      if (!answer.ok || mine !== turn) return;
      const told = await answer.json();
      if (mine !== turn) return;
      ({ total, best } = told);
      told.rows.forEach((row, i) => rows.set(told.first + i, row));
      note.textContent = total ? `${total} ${total === 1 ? "trial" : "trials"}` : "There are no trials yet.";
      draw();
    } catch {
      // The next event, or the next scroll, asks again.
    } finally {
      fetching.delete(name);
    }
  };

  // What is seen is fetched anew before the old rows go, so that nothing flickers.
  const renew = () => {
    const [first, last] = window_();
    const seen = Math.min(Math.max(last - first, CHUNK), 200);
    const kept = new Map([...rows].filter(([index]) => index >= first && index < first + seen));
    turn += 1;
    rows.clear();
    for (const [index, row] of kept) rows.set(index, row);
    load(first, seen);
  };

  const sorted = (button) => {
    down = order === button.dataset.order && button.dataset.order !== "rank" ? !down : false;
    order = button.dataset.order;
    for (const heading of board.querySelectorAll("[aria-sort]")) {
      const own = heading.contains(button) && order !== "rank";
      heading.setAttribute("aria-sort", own ? (down ? "descending" : "ascending") : "none");
    }
    rows.clear();
    turn += 1;
    board.scrollTop = 0;
    load(0, CHUNK);
  };

  let waiting = false;
  board.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  });
  for (const button of board.querySelectorAll("button[data-order]")) {
    button.addEventListener("click", () => sorted(button));
  }
  addEventListener("resize", draw);
  document.addEventListener("fresh", renew);
  load(0, CHUNK);
})();
