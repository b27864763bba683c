"""What a bad member costs a team, and what a perfect one gets: beside the expert, seed by seed.

    TRIALWRIGHT_DATA=folder python benchmarks/team.py --tasks water,house,cora --seeds 8

In the seat of a language model, beside the expert, sits one that is hostile (garbage, exceptions,
values out of range, repeats, corners with great promises), one that is useless (always near a
corner), or an oracle. Under one seed every team trains with the same seed as the expert alone, and
the expert's draws in its first, second, ... turn are the same in all of them.
Regret is 0 at the best value that anyone saw on the task, and 1 at random search's mean first
trial. On real tasks the oracle knows the best of the expert's trials and of a local search around
them, under the same seed; on synthetic ones (`--quick`) it knows the optimum.

Ok if the upper end of the 95 % interval of (regret of the team) - (regret of the expert alone),
after the last trial and over tasks, is at most 0.03 for each of the two bad members, and the oracle
has on average at least half of the share after ten trials. `--quick` holds the mean loss to 0.03,
since two tasks are too few for more.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import regret, saboteurs, synthetic
from benchmarks.tasks import evaluation
from benchmarks.tasks.data import DataError
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose.expert import Expert
from trialwright.propose.proposer import Proposer
from trialwright.propose.team import Team
from trialwright.records import Proposal
from trialwright.study import Study
from trialwright.task import Budget, RunnerPlan, Seeds, Task

BAD = ("hostile", "useless")
KINDS = (*BAD, "oracle")
MARKS = (5, 10, 20)
"""Trials after which regret is shown."""
SHARED = 10
"""Trials after which the oracle's share is read."""
MOST_LOSS, LEAST_SHARE = 0.03, 0.5
SEARCHED, ROUNDS = 12, 2
"""Neighbours that the oracle's local search trains per round, and its rounds."""
NEEDS = {"water": "xgboost", "house": "xgboost", "cora": "torch"}


@dataclass(frozen=True, slots=True)
class Played:
    """What came of the studies of one task under one seed, larger always better."""

    traces: Mapping[str, list[float | None]]
    """Of the expert alone, of each team, and random search's first trial."""
    turns: Mapping[str, int]
    """Trials of the member in question, per kind."""
    shares: Mapping[str, float]
    """Its share after `SHARED` trials."""


@dataclass
class Watched:
    """A team that notes the share of the seat each time that it is asked."""

    team: Team
    shares: dict[int, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.team.name

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        for standing in self.team.standings(history):
            if standing.name == saboteurs.NAME:
                self.shares.setdefault(len(history.trials), standing.share)
        return self.team(task, history, n, rng)


def play(name: str, seed: int, trials: int) -> Played:
    """Run the expert alone and with each kind of member, on one task under one seed."""
    task = _task(name)
    sign, value = task.objective.sign, _value(name, seed)
    # As a team of one it has the draws that it has in a larger one.
    alone = _study(task, Team([Expert()]), value, seed=seed, trials=trials)
    known = _known(name, seed, alone)
    histories, shares = {"expert": alone}, {}
    for kind in KINDS:
        team = Team([Expert(), saboteurs.member(kind, known)], models=[saboteurs.NAME])
        watched = Watched(team)
        histories[kind] = _study(task, watched, value, seed=seed, trials=trials)
        shares[kind] = watched.shares.get(min(SHARED, trials - 1), 0.0)
    traces = {
        kind: [None if t.value is None else sign * t.value for t in history.trials]
        for kind, history in histories.items()
    }
    chance = value(task.space.sample(np.random.default_rng(seed)))
    traces["random"] = [None if chance is None else sign * chance]
    turns = {
        kind: sum(trial.proposal.by == saboteurs.NAME for trial in histories[kind].trials)
        for kind in KINDS
    }
    return Played(traces, turns, shares)


Value = Callable[[Mapping[str, Scalar]], float | None]


def _task(name: str) -> Task:
    return synthetic.task_of(name) if name in synthetic.NAMES else evaluation.task_of(name)


def _value(name: str, seed: int) -> Value:
    if name in synthetic.NAMES:
        return lambda configuration: synthetic.value(name, configuration, seed)
    objective = evaluation.task_of(name).objective
    return lambda configuration: evaluation.evaluate(name, configuration, seed).value(objective)


def _study(task: Task, proposer: Proposer, value: Value, *, seed: int, trials: int) -> History:
    """Run a real study, with the training simulated: refusals and verdicts are the product's."""
    task = replace(
        task,
        budget=Budget(trials=trials),
        seeds=Seeds(study=seed),
        runner=RunnerPlan(workers=1),
    )

    def train(configuration: Mapping[str, Scalar], _: int) -> Mapping[str, float]:
        found = value(configuration)
        return {} if found is None else {task.objective.metric: found}

    with tempfile.TemporaryDirectory() as folder, SimulatedRunner(train) as runner:
        return Study(task, folder, runner=runner, proposer=proposer).run()


def _known(name: str, seed: int, alone: History) -> list[Mapping[str, Scalar]]:
    """The best configurations that the oracle knows, best first."""
    if name in synthetic.NAMES:
        return list(synthetic.known(name, seed, 60))
    task, value = evaluation.task_of(name), _value(name, seed)
    rng = np.random.default_rng([seed, 7])
    space, sign = task.space, task.objective.sign
    pool = {space.key(t.configuration): (t.configuration, t.value) for t in alone.trials}

    def ranked() -> list[Mapping[str, Scalar]]:
        scored = [(c, sign * v) for c, v in pool.values() if v is not None]
        return [configuration for configuration, _ in sorted(scored, key=lambda pair: -pair[1])]

    for _ in range(ROUNDS):
        for start in [best for best in ranked()[:3] for _ in range(SEARCHED // 3)]:
            point = space.encode([start])[0]
            moved = space.decode(np.clip(point + rng.normal(0, 0.08, len(point)), 0, 1))
            if not space.check(moved):
                pool.setdefault(space.key(moved), (moved, value(moved)))
    return ranked()


def measure(tasks: Sequence[str], *, seeds: range, trials: int, workers: int) -> list[list[Played]]:
    """Play every task under every seed: per task, one result per seed."""
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_one_thread,
    ) as pool:
        jobs = {
            pool.submit(play, task, seed, trials): (task, seed) for seed in seeds for task in tasks
        }
        played: dict[tuple[str, int], Played] = {}
        for job in as_completed(jobs):
            played[jobs[job]] = job.result()
            print(f"\r{len(played)} of {len(jobs)} played", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    return [[played[task, seed] for seed in seeds] for task in tasks]


def _one_thread() -> None:
    """More threads per worker than cores would slow every training down."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)


def figures(
    tasks: Sequence[str], results: Sequence[Sequence[Played]], *, trials: int, quick: bool
) -> dict[str, Any]:
    """Return what the last line of the output holds."""
    regrets = {mark: _regrets(results, mark) for mark in (*MARKS, trials) if mark <= trials}
    losses = {kind: _losses(regrets[trials], kind) for kind in BAD}
    shares = [played.shares["oracle"] for per_seed in results for played in per_seed]
    hostile = max(loss.high for loss in losses.values())
    share = float(np.mean(shares))
    mean = max(loss.mean for loss in losses.values())
    worst = {"hostile_loss": mean} if quick else {"hostile_upper95": hostile}
    targets = {key: found <= MOST_LOSS for key, found in worst.items()}
    targets["oracle_share"] = share >= LEAST_SHARE
    return {
        "benchmark": "team",
        "tasks": list(tasks),
        "seeds": len(results[0]),
        "trials": trials,
        "hostile_upper95": round(hostile, 4),
        "oracle_share": round(share, 4),
        "oracle_share_least": round(min(shares), 4),
        "loss": {kind: round(loss.mean, 4) for kind, loss in losses.items()},
        "upper95": {kind: round(loss.high, 4) for kind, loss in losses.items()},
        "regret": {
            kind: {
                str(mark): round(float(np.mean([at[kind] for at in per_task])), 4)
                for mark, per_task in regrets.items()
            }
            for kind in ("expert", *KINDS)
        },
        "targets": targets,
        "ok": all(targets.values()),
    }


def _regrets(results: Sequence[Sequence[Played]], mark: int) -> list[dict[str, list[float]]]:
    """Per task: regret after `mark` trials per contender, one per seed."""
    found = []
    for per_seed in results:
        traces = {kind: [p.traces[kind] for p in per_seed] for kind in per_seed[0].traces}
        found.append(regret.regrets(traces, regret.Scale.of(traces), mark))
    return found


def _losses(per_task: Sequence[Mapping[str, list[float]]], kind: str) -> regret.Mean:
    """What a member costs: the team's regret less the expert's, over tasks."""
    return regret.over_tasks([regret.lead(at["expert"], at[kind]) for at in per_task])


def table(tasks: Sequence[str], results: Sequence[Sequence[Played]], trials: int) -> str:
    """Return the figures for people."""
    marks = [mark for mark in MARKS if mark < trials] + [trials]
    lines = []
    for index, (task, per_seed) in enumerate(zip(tasks, results, strict=True)):
        heads = "".join(f"{f'after {mark}':>10}" for mark in marks)
        lines += ["", f"{task}, {len(per_seed)} seeds: mean regret", f"{'in the seat':14}{heads}"]
        lines[-1] += f"{'loss':>10}{'its trials':>12}{'share at 10':>13}"
        for kind in ("expert", *KINDS):
            at = [_regrets(results, mark)[index] for mark in marks]
            cells = "".join(f"{np.mean(each[kind]):10.3f}" for each in at)
            line = f"{'nobody' if kind == 'expert' else kind:14}{cells}"
            if kind != "expert":
                loss = np.mean(at[-1][kind]) - np.mean(at[-1]["expert"])
                turns = np.mean([played.turns[kind] for played in per_seed])
                share = np.mean([played.shares[kind] for played in per_seed])
                line += f"{loss:+10.3f}{turns:12.1f}{share:13.2f}"
            lines.append(line)
    lines += ["", f"over tasks, after {trials} trials: regret of the team less the expert's"]
    for kind in KINDS:
        loss = _losses(_regrets(results, trials), kind)
        lines.append(f"{kind:14}{loss.mean:+.3f} [{loss.low:+.3f}, {loss.high:+.3f}]")
    return "\n".join(lines)


def _faults(tasks: Sequence[str]) -> list[str]:
    """What stands in the way, in words."""
    there = (*evaluation.NAMES, *synthetic.NAMES)
    faults = [f"there is no task {t!r}: choose among {', '.join(there)}"
              for t in tasks if t not in there]  # fmt: skip
    needed = {NEEDS[task] for task in tasks if task in NEEDS}
    return faults + [f"{name} is not installed" for name in sorted(needed) if not find_spec(name)]


def main() -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default=",".join(evaluation.NAMES))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=0, help="100 while developing")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="synthetic tasks")
    arguments = parser.parse_args()
    tasks = synthetic.NAMES if arguments.quick else tuple(arguments.tasks.split(","))
    faults = _faults(tasks)
    if not faults:
        try:
            first = arguments.first_seed
            seeds = range(first, first + arguments.seeds)
            results = measure(
                tasks, seeds=seeds, trials=arguments.trials, workers=arguments.workers
            )
        except DataError as error:
            faults = [str(error)]
    if faults:
        print("\n".join(faults), file=sys.stderr)
        print(json.dumps({"benchmark": "team", "reason": faults, "ok": False}))
        return 2
    summary = figures(tasks, results, trials=arguments.trials, quick=arguments.quick)
    print(table(tasks, results, arguments.trials))
    print(json.dumps(summary))
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
