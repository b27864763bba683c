"""The expert against every optimiser that one would take, on every task: one command, resumable.

    TRIALWRIGHT_DATA=folder python benchmarks/suite.py --out suite

Each method has as many trials on each task under each seed. Under one seed every method trains on
the same split of the data with the same seed. Peers run twice: from scratch, and from a person's
default configuration. What was trained and what a method did is remembered in `benchmarks/.cache`,
so that an interrupted suite goes on, and a second one needs no training.

Regret is 0 at the best value that anyone saw on a task under a seed, and 1 at a median random
configuration. `docs/suite.md` says how everything is measured.

Ok if, over tasks, the expert without a default has at most half the regret of the best peer
without one after 5 and 10 trials; is below the best peer that is given a default after 5, 10 and
25, with p below 0.05; has the best mean rank; and its first trial is 61 % better than random's and
has a regret of at most 0.08. `--quick` can't show significance on three tasks, and leaves it out.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import contenders, suite_report
from benchmarks.measured import ARMS, BLIND, Measured
from benchmarks.ours import Step
from benchmarks.rivals.client import RivalError
from benchmarks.tasks import evaluation
from benchmarks.tasks.evaluation import CACHE, NAMES, one_thread, task_of

QUICK_TASKS = ("iris", "digits_svm", "wine")
"""Fast ones that need neither torch nor a data folder."""
QUICK_METHODS = ("expert-blind", "expert", "random", "gp", "random+default", "gp+default")
NEEDED = (BLIND, "random")
"""Methods without which nothing can be said."""
HALF, BELOW, FIRST_GAIN, FIRST_REGRET, ALPHA = (5, 10), (5, 10, 25), 61.0, 0.08, 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared on what."""

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: range
    trials: int
    workers: int = 2
    cache: Path = CACHE
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Tasks and methods that can't run here, with the reason."""


def measure(plan: Plan) -> tuple[Measured, dict[str, str]]:
    """Play every method on every task under every seed; also return which methods died, and how.

    A method that died on one task is left out on all of them: it could not be ranked.
    """
    played: dict[tuple[str, str, int], list[Step]] = {}
    died: dict[str, str] = {}
    # Before any library is loaded, in the workers: more threads than cores slow each other down.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with ProcessPoolExecutor(
        plan.workers, mp_context=multiprocessing.get_context("spawn"), initializer=one_thread
    ) as pool:
        jobs = {
            pool.submit(_trace, task, method, seed, plan): (task, method, seed)
            for seed in plan.seeds
            for task in plan.tasks
            for method in plan.methods
        }
        for number, job in enumerate(as_completed(jobs), 1):
            task, method, seed = jobs[job]
            try:
                played[task, method, seed] = job.result()
            except RivalError as error:
                died.setdefault(method, f"{task}, seed {seed}: {error}")
            print(f"\r{number} of {len(jobs)} studies", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    alive = [method for method in plan.methods if method not in died]
    steps = {
        task: {m: [played[task, m, seed] for seed in plan.seeds] for m in alive}
        for task in plan.tasks
    }
    signs = {task: task_of(task).objective.sign for task in plan.tasks}
    return Measured(steps, signs, plan.trials), died


def _trace(task: str, method: str, seed: int, plan: Plan) -> list[Step]:
    return contenders.trace(task, method, seed, plan.trials, cache=plan.cache)


def targets(measured: Measured, *, quick: bool) -> dict[str, bool]:
    """Say what must hold, and whether it does; what was not played is not asked for."""
    found: dict[str, bool] = {}
    for mark in measured.marks:
        ours = measured.overall(BLIND, mark).mean
        without, default = (measured.best_peer(arm, mark) for arm in ARMS)
        if mark in HALF and without is not None:
            bar = measured.overall(without, mark).mean
            found[f"half_of_best_without_default_at_{mark}"] = ours <= bar / 2
        if mark in BELOW and default is not None:
            bar = measured.overall(default, mark).mean
            found[f"below_best_with_default_at_{mark}"] = ours < bar
            if not quick:
                found[f"significant_at_{mark}"] = ours < bar and measured.p(default, mark) < ALPHA
    if not quick:
        last = max(mark for mark in measured.marks if mark <= max(HALF))
        ranks = [measured.standings(arm, last).ranks for arm in ARMS]
        found["first_in_mean_rank"] = all(next(iter(each)).startswith("expert") for each in ranks)
        found["first_trial_over_random"] = measured.over_random(BLIND, 1) >= FIRST_GAIN
        found["first_regret"] = measured.overall(BLIND, 1).mean <= FIRST_REGRET
    return found


def summary(plan: Plan, measured: Measured, *, quick: bool) -> dict[str, object]:
    """Return what the last line of the output holds."""
    marks = measured.marks
    found = targets(measured, quick=quick)
    return {
        "benchmark": "suite",
        "tasks": list(measured.tasks),
        "seeds": list(plan.seeds),
        "trials": plan.trials,
        "skipped": dict(plan.skipped),
        "regret": {
            method: {str(mark): _round(measured.overall(method, mark).mean) for mark in marks}
            for method in measured.methods
        },
        "wilcoxon_p": {
            method: {str(mark): _round(measured.p(method, mark)) for mark in marks}
            for method in measured.methods
            if method != BLIND
        },
        "best_peer": {
            arm: {str(mark): measured.best_peer(arm, mark) for mark in marks}
            for arm in ARMS
            if measured.arm(arm)
        },
        "mean_rank": {
            arm: {
                str(mark): {n: _round(r) for n, r in measured.standings(arm, mark).ranks.items()}
                for mark in marks
            }
            for arm in ARMS
        },
        "over_random_percent": {
            str(mark): _round(measured.over_random(BLIND, mark)) for mark in marks
        },
        "suggestion_s": {
            method: [_round(seconds) for seconds in measured.suggesting(method)]
            for method in measured.methods
        },
        "targets": found,
        "ok": bool(found) and all(found.values()),
    }


def _round(number: float) -> float | None:
    return round(number, 4) if math.isfinite(number) else None


def _plan(arguments: argparse.Namespace) -> tuple[Plan, list[str]]:
    """Return what is to be played here, and what stands in the way of anything at all."""
    tasks = _names(arguments.tasks, QUICK_TASKS if arguments.quick else NAMES)
    methods = _names(arguments.methods, QUICK_METHODS if arguments.quick else contenders.METHODS)
    methods = (*(name for name in NEEDED if name not in methods), *methods)
    faults = [f"there is no task {t!r}: choose among {', '.join(NAMES)}"
              for t in tasks if t not in NAMES]  # fmt: skip
    faults += [f"there is no method {m!r}: choose among {', '.join(contenders.METHODS)}"
               for m in methods if m not in contenders.METHODS]  # fmt: skip
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    trials = arguments.trials or (10 if arguments.quick else 50)
    if not seeds or trials < 1:
        faults.append("give at least one seed and one trial")
    if faults:
        return Plan(tasks, methods, seeds, trials), faults
    skipped = {task: reason for task in tasks if (reason := evaluation.missing(task))}
    skipped |= {m: reason for m in methods if (reason := contenders.missing(m))}
    plan = Plan(
        tasks=tuple(task for task in tasks if task not in skipped),
        methods=tuple(method for method in methods if method not in skipped),
        seeds=seeds,
        trials=trials,
        workers=arguments.workers,
        cache=arguments.cache,
        skipped=skipped,
    )
    return plan, [] if plan.tasks else ["no task can be trained here"]


def _names(given: str | None, usual: Sequence[str]) -> tuple[str, ...]:
    return tuple(given.split(",")) if given else tuple(usual)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--methods", help=f"of {', '.join(contenders.METHODS)}; default: all")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=0, help="100 while a method is made")
    parser.add_argument("--trials", type=int, help="default 50, with --quick 10")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="folder for tables, figures and a page")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where trainings are remembered")
    parser.add_argument(
        "--quick", action="store_true", help="three fast tasks, six methods, ten trials"
    )
    return parser.parse_args()


def main() -> int:
    """Play the suite, print its tables, and write them."""
    arguments = _arguments()
    plan, faults = _plan(arguments)
    for name, reason in plan.skipped.items():
        print(f"left out: {name}: {reason}")
    if faults:
        print("\n".join(faults), file=sys.stderr)
        print(json.dumps({"benchmark": "suite", "reason": faults, "ok": False}))
        return 2
    measured, died = measure(plan)
    for method, reason in died.items():
        print(f"left out: {method} died: {reason}")
    skipped = {**plan.skipped, **died}
    told = summary(plan, measured, quick=arguments.quick) | {"skipped": skipped}
    print(suite_report.text(measured))
    if arguments.out:
        suite_report.write(arguments.out, measured, told)
    print(json.dumps(told))
    return 0 if told["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
