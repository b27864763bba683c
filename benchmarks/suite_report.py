"""What a suite has measured, as tables for people, CSV, figures in SVG, and a page."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.contenders import STARTUP
from benchmarks.measured import ARMS, BLIND, GIVEN, Measured
from benchmarks.regret import Mean
from benchmarks.standings import Standings

TITLES = {"without": "No default given", "default": "Peers given a person's default"}


def text(measured: Measured) -> str:
    """Return the figures for a terminal."""
    parts = [_plain(title, rows) for title, rows in _tables(measured).items()]
    return "\n\n".join(parts)


def write(folder: Path, measured: Measured, summary: Mapping[str, object]) -> None:
    """Write `trials.csv`, `regret.csv`, `ranks.csv`, `summary.json`, `page.md` and the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    _csv(folder / "trials.csv", _trials(measured))
    _csv(folder / "regret.csv", _regrets(measured))
    _csv(folder / "ranks.csv", _ranks(measured))
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    figures = [_curves(folder / "regret.svg", measured)]
    for arm in ARMS:
        for mark in measured.marks[1:]:
            standings = measured.standings(arm, mark)
            if len(standings.ranks) > 2 and math.isfinite(standings.critical):
                figures.append(_ranked(folder / f"ranks-{arm}-{mark}.svg", standings, arm, mark))
    (folder / "page.md").write_text(_page(measured, summary, figures))


Rows = list[list[str]]


def _tables(measured: Measured) -> dict[str, Rows]:
    """Return every table by its title; the first row is its head."""
    return {
        "Regret over tasks: mean with 95 % interval over tasks": _overall(measured),
        **{f"Mean rank over tasks. {TITLES[arm]}": _rank_rows(measured, arm) for arm in ARMS},
        f"Against {BLIND}: Wilcoxon's p over tasks": _p_rows(measured),
        "AgentHPO's measure: improvement in per cent": _improvements(measured),
        "Seconds per suggestion, and share of failed trials": _costs(measured),
        **{
            f"Regret on {task}: mean with 95 % interval over seeds": _on_task(measured, task)
            for task in measured.tasks
        },
    }


def _overall(measured: Measured) -> Rows:
    head = ["method", *(f"T = {mark}" for mark in measured.marks)]
    rows = [
        [method, *(_spread(measured.overall(method, mark)) for mark in measured.marks)]
        for method in measured.methods
    ]
    for arm in ARMS:
        if measured.arm(arm):
            names = [measured.best_peer(arm, mark) or "" for mark in measured.marks]
            rows.append([f"best peer, {arm}", *names])
    return [head, *rows]


def _on_task(measured: Measured, task: str) -> Rows:
    head = ["method", *(f"T = {mark}" for mark in measured.marks)]
    return [
        head,
        *(
            [method, *(_spread(measured.on_task(task, method, mark)) for mark in measured.marks)]
            for method in measured.methods
        ),
    ]


def _rank_rows(measured: Measured, arm: str) -> Rows:
    at = {mark: measured.standings(arm, mark) for mark in measured.marks}
    names = list(at[measured.marks[-1]].ranks)
    return [
        ["method", *(f"T = {mark}" for mark in measured.marks)],
        *([name, *(f"{at[mark].ranks[name]:.2f}" for mark in measured.marks)] for name in names),
        ["Friedman's p", *(_small(at[mark].p) for mark in measured.marks)],
        ["critical difference", *(_small(at[mark].critical) for mark in measured.marks)],
    ]


def _p_rows(measured: Measured) -> Rows:
    return [
        ["method", *(f"T = {mark}" for mark in measured.marks)],
        *(
            [method, *(_test(measured, method, mark) for mark in measured.marks)]
            for method in measured.methods
            if method != BLIND
        ),
    ]


def _test(measured: Measured, method: str, mark: int) -> str:
    lead = measured.paired(method, mark).mean
    return f"{_small(measured.p(method, mark))} ({lead:+.3f})"


def _improvements(measured: Measured) -> Rows:
    ours = [name for name in (BLIND, GIVEN) if name in measured.methods]
    return [
        ["method, over what", *(f"T = {mark}" for mark in measured.marks)],
        *(
            [
                f"{name} over random",
                *(f"{measured.over_random(name, m):+.1f}" for m in measured.marks),
            ]
            for name in ours
        ),
        *(
            [
                f"{name} over the best of {measured.humans_trials} random",
                *(f"{measured.over_human(name, m):+.1f}" for m in measured.marks),
            ]
            for name in ours
        ),
    ]


def _costs(measured: Measured) -> Rows:
    rows = [["method", "median", "95th percentile", "failed"]]
    for method in measured.methods:
        middle, high = measured.suggesting(method)
        rows.append([method, f"{middle:.3f}", f"{high:.3f}", f"{measured.failed(method):.1%}"])
    return rows


def _spread(estimate: Mean) -> str:
    half = estimate.high - estimate.mean
    return f"{estimate.mean:.3f} ± {half:.3f}" if math.isfinite(half) else f"{estimate.mean:.3f}"


def _small(number: float) -> str:
    return f"{number:.2g}" if math.isfinite(number) else "none"


def _plain(title: str, rows: Rows) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row)
        )
        for row in rows
    ]
    return "\n".join([title, *lines])


def _markdown(rows: Rows) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _page(measured: Measured, summary: Mapping[str, object], figures: Sequence[str]) -> str:
    met = summary["targets"]
    assert isinstance(met, dict)
    parts = [
        "# The suite's figures",
        f"{len(measured.tasks)} tasks ({', '.join(measured.tasks)}), {measured.seeds} seeds,"
        f" {measured.trials} trials. Peers model from trial {STARTUP + 1} on; `-stock` are Optuna's"
        " own settings. Regret is 0 at the best value seen on a task under a seed, 1 at a median"
        " random configuration.",
    ]
    skipped = summary["skipped"]
    assert isinstance(skipped, dict)
    parts += [f"- Left out: {name}: {reason}" for name, reason in skipped.items()]
    parts += ["## Targets", "\n".join(f"- {name}: {'met' if ok else 'missed'}"
                                      for name, ok in met.items()) or "None."]  # fmt: skip
    for title, rows in _tables(measured).items():
        parts += [f"## {title}", _markdown(rows)]
    parts += [f"![{name}]({name})" for name in figures]
    return "\n\n".join(parts) + "\n"


def _csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _trials(measured: Measured) -> Iterable[Sequence[object]]:
    yield "task", "method", "seed", "trial", "value", "seconds", "configuration"
    for task in measured.tasks:
        for method in measured.methods:
            for seed, run in enumerate(measured.steps[task][method]):
                for number, step in enumerate(run, 1):
                    value = "" if step.value is None else step.value
                    shown = json.dumps(step.configuration, sort_keys=True)
                    yield task, method, seed, number, value, round(step.seconds, 4), shown


def _regrets(measured: Measured) -> Iterable[Sequence[object]]:
    """Mean and interval per task, and over tasks (task `all`); best values in the task's metric."""
    yield "task", "method", "trials", "regret", "low", "high", "best"
    for method in measured.methods:
        for mark in measured.marks:
            reached = dict(zip(measured.tasks, measured.reached(method, mark), strict=True))
            for task in measured.tasks:
                mean = measured.on_task(task, method, mark)
                best = measured.signs[task] * reached[task]
                yield task, method, mark, mean.mean, mean.low, mean.high, best
            mean = measured.overall(method, mark)
            yield "all", method, mark, mean.mean, mean.low, mean.high, ""


def _ranks(measured: Measured) -> Iterable[Sequence[object]]:
    yield "arm", "trials", "method", "mean_rank", "friedman_p", "critical_difference"
    for arm in ARMS:
        for mark in measured.marks:
            standings = measured.standings(arm, mark)
            for name, rank in standings.ranks.items():
                yield arm, mark, name, rank, standings.p, standings.critical


def _curves(path: Path, measured: Measured) -> str:
    """Draw mean regret over tasks against trials, both arms, on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, arm in zip(panels, ARMS, strict=True):
        names = (BLIND, *([GIVEN] if arm == "default" else []), *measured.arm(arm))
        for name in names:
            if name in measured.methods:
                means = [max(measured.overall(name, mark).mean, 1e-3) for mark in measured.marks]
                width = 2.5 if name.startswith("expert") else 1.2
                panel.plot(measured.marks, means, marker="o", linewidth=width, label=name)
        panel.set(title=TITLES[arm], xlabel="trials", xscale="log", yscale="log")
        panel.set_xticks(measured.marks, [str(mark) for mark in measured.marks])
        panel.minorticks_off()
        panel.legend(fontsize="small")
    panels[0].set_ylabel("mean normalised regret")
    return _saved(figure, path)


def _ranked(path: Path, standings: Standings, arm: str, mark: int) -> str:
    """Draw a critical-difference plot: a bar joins those that can't be told apart."""
    from matplotlib.figure import Figure

    names, groups = list(standings.ranks), standings.groups
    depth = len(names) + len(groups) + 2
    figure = Figure(figsize=(8, 0.9 + 0.24 * depth), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0.8, len(names) + 0.2), ylim=(depth, -1.5))
    axes.set_title(f"{TITLES[arm]}: mean rank after {mark} trials", fontsize="medium")
    axes.xaxis.set_ticks_position("top")
    axes.set_yticks([])
    axes.spines[["left", "right", "bottom"]].set_visible(False)
    axes.plot([1, 1 + standings.critical], [-0.9, -0.9], color="black", linewidth=3)
    axes.text(1, -1.1, f"critical difference {standings.critical:.2f}", fontsize="small")
    for row, group in enumerate(groups):
        ends = [standings.ranks[group[0]] - 0.04, standings.ranks[group[-1]] + 0.04]
        axes.plot(ends, [row + 0.2, row + 0.2], color="black", linewidth=4)
    for row, name in enumerate(names, len(groups) + 1):
        rank = standings.ranks[name]
        weight = "bold" if name.startswith("expert") else "normal"
        axes.plot([rank, rank], [-0.5, row], color="grey", linewidth=0.8)
        axes.text(rank, row + 0.35, f" {name} {rank:.2f}", fontsize="small", weight=weight)
    return _saved(figure, path)


def _saved(figure: object, path: Path) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    # Without a salt and a date a figure of the same numbers is the same file.
    with rc_context({"svg.hashsalt": "suite"}):
        figure.savefig(path, metadata={"Date": None})
    return path.name
