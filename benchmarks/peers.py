"""The expert against random search, TPE and GP on three real tasks, seed by seed.

    TRIALWRIGHT_DATA=folder python benchmarks/peers.py --tasks water,house,cora --seeds 8

Each seed has a split of the data of its own, so that a lead is no luck of one split; under one seed
every method trains on the same split with the same seed. Peers run twice: from scratch, and from
the task's default configuration, which is also the expert's first trial. Regret is 0 at the best
value that anyone saw on the task, and 1 at random search's mean first trial. Trainings are
remembered in `benchmarks/.cache`, so that an interrupted benchmark goes on.

Ok if, after the last trial, the expert's mean is better than random's and TPE's on each task whose
default is not already the optimum (within one training's noise of the best configuration found, all
trained under every seed), and the 95 % intervals of its mean lead over tasks exclude 0.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import contenders, regret
from benchmarks.contenders import METHODS, USUAL, Trial, play
from benchmarks.tasks.data import DataError
from benchmarks.tasks.evaluation import (
    AGENTHPO,
    NAMES,
    default_of,
    evaluate,
    missing,
    one_thread,
    task_of,
)
from trialwright.expression import Scalar

MARKS = (1, 3, 5, 10)
"""Trials after which the best so far is shown."""
RIVALS = ("random", "tpe")
"""The methods that the expert must beat."""
TOP = 3
"""Configurations per task that are trained under every seed, to know the noise and the best."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared on what."""

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: int
    trials: int
    workers: int

    @property
    def marks(self) -> tuple[int, ...]:
        """Trials after which the best so far is shown; the last trial always is."""
        return (*(mark for mark in MARKS if mark < self.trials), self.trials)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one task, larger always better."""

    traces: Mapping[str, list[list[float | None]]]
    """Method -> one series per seed."""
    default: regret.Default


def measure(plan: Plan) -> dict[str, Result]:
    """Run every method on every task under every seed."""
    with ProcessPoolExecutor(
        plan.workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=one_thread,
    ) as pool:
        jobs = {
            pool.submit(play, task, method, seed, plan.trials): (task, method, seed)
            for seed in range(plan.seeds)
            for method in plan.methods
            for task in plan.tasks
        }
        played: dict[tuple[str, str, int], list[Trial]] = {}
        for job in as_completed(jobs):
            played[jobs[job]] = job.result()
            print(f"\r{len(played)} of {len(jobs)} studies", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return {task: _result(task, plan, played, pool=pool) for task in plan.tasks}


def _result(
    task: str,
    plan: Plan,
    played: Mapping[tuple[str, str, int], list[Trial]],
    *,
    pool: ProcessPoolExecutor,
) -> Result:
    sign = task_of(task).objective.sign
    traces = {
        method: [
            [None if value is None else sign * value for _, value in played[task, method, seed]]
            for seed in range(plan.seeds)
        ]
        for method in plan.methods
    }
    trials = [trial for key, trace in played.items() if key[0] == task for trial in trace]
    configurations = [default_of(task), *_best(trials, sign=sign)]
    jobs = [
        [pool.submit(_value, task, configuration, seed) for seed in range(plan.seeds)]
        for configuration in configurations
    ]
    values = [[sign * job.result() for job in per_seed] for per_seed in jobs]
    return Result(traces, regret.Default.of(values[0], values[1:]))


def _best(trials: Iterable[Trial], *, sign: int) -> list[Mapping[str, Scalar]]:
    """The `TOP` different configurations with the best values."""
    ranked = sorted(
        (trial for trial in trials if trial[1] is not None),
        key=lambda trial: (-sign * (trial[1] or 0.0), json.dumps(trial[0], sort_keys=True)),
    )
    found: dict[str, Mapping[str, Scalar]] = {}
    for configuration, _ in ranked:
        found.setdefault(json.dumps(configuration, sort_keys=True), configuration)
        if len(found) == TOP:
            break
    return list(found.values())


def _value(task: str, configuration: Mapping[str, Scalar], seed: int) -> float:
    objective = task_of(task).objective
    value = evaluate(task, configuration, seed).value(objective)
    # A configuration that diverges under another seed is as bad as nothing.
    return -objective.sign * 1e9 if value is None else value


def figures(plan: Plan, results: Mapping[str, Result]) -> dict[str, object]:
    """Return what the last line of the output holds."""
    scales = {task: regret.Scale.of(result.traces) for task, result in results.items()}
    at = {
        mark: {task: regret.regrets(r.traces, scales[task], mark) for task, r in results.items()}
        for mark in plan.marks
    }
    last = at[plan.trials]
    leads = {
        rival: {task: regret.lead(last[task]["expert"], last[task][rival]) for task in plan.tasks}
        for rival in plan.methods
        if rival != "expert"
    }
    overall = {rival: regret.over_tasks(list(per.values())) for rival, per in leads.items()}
    targets = _targets(plan, results, leads=leads, overall=overall)
    return {
        "benchmark": "peers",
        "tasks": list(plan.tasks),
        "seeds": plan.seeds,
        "trials": plan.trials,
        "regret": {
            method: {
                str(mark): _round(
                    sum(sum(per[method]) for per in at[mark].values())
                    / (plan.seeds * len(plan.tasks))
                )
                for mark in plan.marks
            }
            for method in plan.methods
        },
        "lead": {rival: _round(estimate.mean) for rival, estimate in overall.items()},
        "interval": {rival: [_round(e.low), _round(e.high)] for rival, e in overall.items()},
        "default_is_optimum": {task: r.default.is_optimum for task, r in results.items()},
        "targets": targets,
        "ok": bool(targets) and all(targets.values()),
    }


def _targets(
    plan: Plan,
    results: Mapping[str, Result],
    *,
    leads: Mapping[str, Mapping[str, list[float]]],
    overall: Mapping[str, regret.Mean],
) -> dict[str, bool]:
    """What must hold; two seeds can't decide more than who leads over all tasks together."""
    if plan.seeds <= 2:
        return {f"better_than_{rival}_over_tasks": overall[rival].mean > 0 for rival in RIVALS}
    open_tasks = [task for task, result in results.items() if not result.default.is_optimum]
    better = {
        f"better_than_{rival}_on_{task}": sum(leads[rival][task]) > 0
        for rival in RIVALS
        for task in open_tasks
    }
    return better | {f"interval_above_0_against_{r}": overall[r].positive for r in RIVALS}


def table(plan: Plan, results: Mapping[str, Result]) -> str:
    """Return the figures for people: per task, best so far and the expert's lead."""
    lines: list[str] = []
    for task, result in results.items():
        scale = regret.Scale.of(result.traces)
        objective, default = task_of(task).objective, result.default
        known = " (the optimum, within noise)" if default.is_optimum else ""
        lines += [
            "",
            f"{task}: {objective.metric}, {plan.seeds} seeds; default {default.value:.4f}{known},"
            f" best configuration {default.best:.4f}, noise {default.noise_sd:.4f},"
            f" best run {scale.best:.4f}",
            f"{'method':16}"
            + "".join(f"{f'best of {mark}':>20}" for mark in plan.marks)
            + f"{'regret':>8}  lead of the expert, in regret",
        ]
        final = regret.regrets(result.traces, scale, plan.trials)
        for method, runs in result.traces.items():
            bests = [regret.best_so_far(run, worst=scale.worst) for run in runs]
            cells = "".join(_cell([best[mark - 1] for best in bests]) for mark in plan.marks)
            mean = sum(final[method]) / plan.seeds
            lines.append(f"{method:16}{cells}{mean:8.3f}{_lead(final, method)}")
    return "\n".join(lines)


def _cell(numbers: Sequence[float]) -> str:
    estimate = regret.Mean.of(numbers)
    return f"{estimate.mean:>11.4f} ±{estimate.high - estimate.mean:7.4f}"


def _lead(final: Mapping[str, Sequence[float]], method: str) -> str:
    if method == "expert":
        return ""
    estimate = regret.Mean.of(regret.lead(final["expert"], final[method]))
    return f"  {estimate.mean:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def _overall(summary: Mapping[str, object]) -> str:
    regrets, intervals, leads = summary["regret"], summary["interval"], summary["lead"]
    assert isinstance(regrets, dict)
    assert isinstance(intervals, dict)
    assert isinstance(leads, dict)
    lines = ["", "all tasks: mean regret after trials, and the expert's lead at the end"]
    for method, marks in regrets.items():
        cells = "".join(f"{f'{mark}: {value:.3f}':>12}" for mark, value in marks.items())
        low, high = intervals.get(method, (0.0, 0.0))
        lead = f"  {leads[method]:+.3f} [{low:+.3f}, {high:+.3f}]" if method in leads else ""
        lines.append(f"{method:16}{cells}{lead}")
    return "\n".join(lines)


def _round(number: float) -> float:
    return round(number, 4)


def _plan(arguments: argparse.Namespace) -> Plan:
    usual = () if arguments.quick else USUAL
    methods = tuple(arguments.methods.split(",")) if arguments.methods else usual
    needed = tuple(method for method in ("expert", *RIVALS) if method not in methods)
    return Plan(
        tasks=tuple(arguments.tasks.split(",")),
        methods=(*needed, *methods),
        seeds=2 if arguments.quick else arguments.seeds,
        trials=5 if arguments.quick else arguments.trials,
        workers=arguments.workers,
    )


def _faults(plan: Plan) -> list[str]:
    """What stands in the way, in words."""
    faults = [f"there is no task {t!r}: choose among {', '.join(NAMES)}"
              for t in plan.tasks if t not in NAMES]  # fmt: skip
    faults += [f"there is no method {m!r}: choose among {', '.join(METHODS)}"
               for m in plan.methods if m not in METHODS]  # fmt: skip
    if plan.seeds < 1 or plan.trials < 1:
        faults.append("give at least one seed and one trial")
    if faults:
        return faults
    faults = [f"{task}: {fault}" for task in plan.tasks if (fault := missing(task))]
    faults += [f"{m}: {fault}" for m in plan.methods if (fault := contenders.missing(m))]
    return faults


def main() -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default=",".join(AGENTHPO))
    parser.add_argument("--methods", help=f"of {', '.join(METHODS)}; default {', '.join(USUAL)}")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="2 seeds, 5 trials, random and TPE as peers"
    )
    plan = _plan(parser.parse_args())
    faults = _faults(plan)
    if not faults:
        try:
            results = measure(plan)
        except DataError as error:
            faults = [str(error)]
    if faults:
        print("\n".join(faults), file=sys.stderr)
        print(json.dumps({"benchmark": "peers", "reason": faults, "ok": False}))
        return 2
    summary = figures(plan, results)
    print(table(plan, results))
    print(_overall(summary))
    print(json.dumps(summary))
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
