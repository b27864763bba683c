"""The two quadratics of AgentHPO (arXiv 2402.01881, section 5.2), their formulas hidden.

    python benchmarks/quadratics.py [--quick] [--out quadratics.svg]

(x - 2)^2 + (y - 3)^2 on [-5, 5]^2, and (x - 3)^2 + (y - 5)^2 on [-10, 10]^2: two parameters without
noise, so that the shape of a search can be seen. Every method of `contenders.py` can be run. The
table has the best value so far, its mean over seeds; the figure has, over the contours, where
random search, a Gaussian process and ours went under the first seed. Searches are remembered in
`benchmarks/.cache`.

Ok if ours is below random search on both after the last trial.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import regret
from benchmarks.contenders import METHODS, USUAL, Trial, missing, play
from benchmarks.tasks.evaluation import task_of
from trialwright.space import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TASKS = ("quadratic_near", "quadratic_far")
OURS = "expert-blind"
"""The expert without a given default, as the others have none."""
DRAWN = ("random", "gp", OURS)
"""The methods in the figure."""
MARKS = (1, 3, 5, 10, 25, 50)
"""Trials after which the best so far is shown."""
QUICK_SEEDS, QUICK_TRIALS = 3, 10

Searches = Mapping[tuple[str, str], Sequence[Sequence[Trial]]]
"""(task, method) -> the trials under each seed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run."""

    methods: tuple[str, ...]
    seeds: int
    trials: int
    workers: int

    @property
    def marks(self) -> tuple[int, ...]:
        """Trials after which the best so far is shown; the last trial always is."""
        return (*(mark for mark in MARKS if mark < self.trials), self.trials)


def searches(plan: Plan) -> Searches:
    """Run every method on both functions under every seed."""
    with ProcessPoolExecutor(plan.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = {
            (task, method): [
                pool.submit(play, task, method, seed, plan.trials) for seed in range(plan.seeds)
            ]
            for task in TASKS
            for method in plan.methods
        }
        return {key: [job.result() for job in group] for key, group in jobs.items()}


def best(trials: Sequence[Trial], mark: int) -> float:
    """Return the lowest value of the first `mark` trials.

    >>> best([({}, 4.0), ({}, None), ({}, 1.0)], 2)
    4.0
    """
    return min(value for _, value in trials[:mark] if value is not None)


def table(plan: Plan, found: Searches) -> str:
    """Return, per function and method, the mean of the best value so far."""
    lines: list[str] = []
    for task in TASKS:
        header = "".join(f"{f'best of {mark}':>20}" for mark in plan.marks)
        lines += ["", f"{task}: lower is better, 0 the best, {plan.seeds} seeds"]
        lines.append(f"{'method':16}{header}")
        for method in plan.methods:
            cells = "".join(
                _cell([best(trials, mark) for trials in found[task, method]]) for mark in plan.marks
            )
            lines.append(f"{method:16}{cells}")
    return "\n".join(lines)


def _cell(numbers: Sequence[float]) -> str:
    estimate = regret.Mean.of(numbers)
    return f"{estimate.mean:>11.4f} ±{estimate.high - estimate.mean:7.3f}"


def figures(plan: Plan, found: Searches, picture: Path) -> dict[str, object]:
    """Return what the last line of the output holds."""
    value = {
        task: {
            method: {
                str(mark): round(float(np.mean([best(t, mark) for t in found[task, method]])), 6)
                for mark in plan.marks
            }
            for method in plan.methods
        }
        for task in TASKS
    }
    last = str(plan.trials)
    targets = {
        f"below_random_on_{task}": value[task][OURS][last] < value[task]["random"][last]
        for task in TASKS
    }
    return {
        "benchmark": "quadratics",
        "seeds": plan.seeds,
        "trials": plan.trials,
        "value": value,
        "figure": str(picture),
        "targets": targets,
        "ok": all(targets.values()),
    }


def draw(plan: Plan, found: Searches, path: Path) -> None:
    """Draw where each method of `DRAWN` went under the first seed, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same searches give the same file.
    with mpl.rc_context({"svg.hashsalt": "quadratics", "font.size": 9}):
        figure = Figure(figsize=(3.4 * len(DRAWN), 3.4 * len(TASKS)), layout="constrained")
        panels = figure.subplots(len(TASKS), len(DRAWN), squeeze=False)
        for row, task in zip(panels, TASKS, strict=True):
            for axes, method in zip(row, DRAWN, strict=True):
                trials = found[task, method][0]
                _contours(axes, task)
                _path(axes, trials)
                axes.set_title(f"{method}: {best(trials, plan.trials):.3g} after {plan.trials}")
            row[0].set_ylabel(task)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def optimum(task: str) -> tuple[float, float]:
    """Return where the value is 0."""
    x, y = import_module(f"benchmarks.tasks.{task}.train").OPTIMUM
    return float(x), float(y)


def _contours(axes: Axes, task: str) -> None:
    sides = [
        np.linspace(parameter.low, parameter.high, 101)
        for parameter in task_of(task).space.parameters
        if isinstance(parameter, Float)
    ]
    x, y = np.meshgrid(*sides)
    centre = optimum(task)
    distance = np.hypot(x - centre[0], y - centre[1])
    rings = np.linspace(0, float(distance.max()), 12)[1:]
    axes.contour(x, y, distance**2, levels=rings**2, colors="0.8", linewidths=0.7)
    axes.plot(*centre, marker="*", color="black", markersize=10, linestyle="none")
    axes.set_aspect("equal")


def _path(axes: Axes, trials: Sequence[Trial]) -> None:
    points = np.array([[float(c["x"]), float(c["y"])] for c, _ in trials])
    axes.plot(*points.T, color="0.5", linewidth=0.6)
    axes.scatter(*points.T, c=np.arange(len(points)), cmap="viridis", s=22, zorder=3)
    for number, point in enumerate(points[:3], start=1):
        axes.annotate(str(number), point, textcoords="offset points", xytext=(4, 4))


def _plan(arguments: argparse.Namespace) -> Plan:
    usual = () if arguments.quick else USUAL
    methods = tuple(arguments.methods.split(",")) if arguments.methods else usual
    return Plan(
        methods=(*DRAWN, *(method for method in methods if method not in DRAWN)),
        seeds=QUICK_SEEDS if arguments.quick else arguments.seeds,
        trials=QUICK_TRIALS if arguments.quick else arguments.trials,
        workers=arguments.workers,
    )


def _faults(plan: Plan) -> list[str]:
    """What stands in the way, in words."""
    faults = [f"there is no method {m!r}: choose among {', '.join(METHODS)}"
              for m in plan.methods if m not in METHODS]  # fmt: skip
    if plan.seeds < 1 or plan.trials < 1:
        faults.append("give at least one seed and one trial")
    absent = {method: missing(method) for method in plan.methods if method in METHODS}
    faults += [f"{method}: {reason}" for method, reason in absent.items() if reason]
    if not find_spec("matplotlib"):
        faults.append("matplotlib is not installed (it draws the figure)")
    return faults


def main() -> int:
    """Run the searches, print the table and draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", help=f"of {', '.join(METHODS)}; default {', '.join(USUAL)}")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/quadratics.svg"), help="the figure")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_SEEDS} seeds, {QUICK_TRIALS} trials,"
        f" {', '.join(DRAWN)} only"
    )  # fmt: skip
    arguments = parser.parse_args()
    plan = _plan(arguments)
    faults = _faults(plan)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        print(json.dumps({"benchmark": "quadratics", "reason": faults, "ok": False}))
        return 2
    found = searches(plan)
    draw(plan, found, arguments.out)
    summary = figures(plan, found, arguments.out)
    print(table(plan, found))
    print(json.dumps(summary))
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
