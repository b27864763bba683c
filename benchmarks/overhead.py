"""What the engine costs beside the runs themselves, and whether that grows.

Three figures: 1,000 trivial commands as a study against the same commands under `xargs -P2`; the
10,000th trial against the 100th; opening a study of 10,000 trials.

    python benchmarks/overhead.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from trialwright import Budget, Float, Objective, Space, Task
from trialwright.execute.runner import Event, Finished
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.study import Study
from trialwright.task import RunnerPlan

TARGETS = {"ratio_xargs": 1.25, "growth": 1.2, "open_s": 2.0}
WORKERS = 2
CODE = "print('@trialwright {{\"y\": {x}}}')"
SPACE = Space((Float("x", -1, 1),))


def task(**changes: object) -> Task:
    """A task of one parameter, proposed at random."""
    return Task(
        name="overhead",
        objective=Objective(metric="y"),
        space=SPACE,
        team=("random",),
        **changes,  # type: ignore[arg-type]
    )


def study_seconds(folder: Path, runs: int) -> tuple[float, list[tuple[str, ...]]]:
    """Run `runs` commands as a study; return the seconds and the commands."""
    plan = RunnerPlan(workers=WORKERS)
    command = (sys.executable, "-c", CODE)
    study = Study(task(command=command, budget=Budget(trials=runs), runner=plan), folder)
    began = time.perf_counter()
    history = study.run()
    seconds = time.perf_counter() - began
    assert len(history.done()) == runs, history.closed
    return seconds, [trial.runs[0].launch.command for trial in history.trials]


def xargs_seconds(commands: list[tuple[str, ...]]) -> float:
    """Run the same commands under xargs."""
    lines = b"\0".join(part.encode() for command in commands for part in command[1:])
    began = time.perf_counter()
    subprocess.run(
        ["xargs", "-0", "-n", "2", "-P", str(WORKERS), sys.executable],
        input=lines,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def ratio_to_xargs(root: Path, runs: int, repeats: int) -> float:
    """Return the median ratio over interleaved repeats."""
    ratios = []
    for repeat in range(repeats):
        ours, commands = study_seconds(root / f"xargs{repeat}", runs)
        theirs = xargs_seconds(commands)
        ratios.append(ours / theirs)
        print(f"{runs} runs: study {ours:.2f} s, xargs {theirs:.2f} s, ratio {ours / theirs:.3f}")
    return statistics.median(ratios)


def growth(folder: Path, trials: int) -> float:
    """Return the cost of a trial at the end of `trials` against one after the first hundred.

    Medians over 400 trials each, with a simulated runner: only the engine is timed.
    """
    stamps: list[float] = []

    def watch(_history: History, event: Event | None) -> None:
        if isinstance(event, Finished):
            stamps.append(time.perf_counter())

    with SimulatedRunner(lambda configuration, _seed: -(configuration["x"] ** 2)) as runner:
        study = Study(task(command=("true",), budget=Budget(trials=trials)), folder, runner=runner)
        study.run(watch)
    costs = [after - before for before, after in pairwise(stamps)]
    early, late = statistics.median(costs[100:500]), statistics.median(costs[-400:])
    print(f"trial 100: {early * 1e3:.3f} ms, trial {trials}: {late * 1e3:.3f} ms")
    return late / early


def open_seconds(folder: Path) -> float:
    """Return the seconds to read a study in a fresh process, imports left out."""
    code = (
        "import sys, time\nfrom trialwright.history import read\nbegan = time.perf_counter()\n"
        "history = read(sys.argv[1])\nprint(time.perf_counter() - began, len(history.trials))"
    )
    times = []
    for _ in range(3):
        printed = subprocess.run(
            [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True
        ).stdout
        seconds, trials = printed.split()
        times.append(float(seconds))
    print(f"opening {trials} trials: {min(times):.2f} to {max(times):.2f} s")
    return statistics.median(times)


def main() -> None:
    """Print the figures, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 runs, 2,000 trials")
    arguments = parser.parse_args()
    runs, trials, repeats = (200, 2000, 1) if arguments.quick else (1000, 10_000, 3)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        figures = {
            "ratio_xargs": round(ratio_to_xargs(root, runs, repeats), 3),
            "growth": round(growth(root / "growth", trials), 3),
            "open_s": round(open_seconds(root / "growth"), 3),
        }
    ok = all(figures[name] <= target for name, target in TARGETS.items())
    print(json.dumps({**figures, "runs": runs, "trials": trials, "targets": TARGETS, "ok": ok}))
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
