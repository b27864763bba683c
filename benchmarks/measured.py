"""From the trajectories of all methods on all tasks to the figures of the suite. Pure.

It knows which methods are peers, which are ours, and which are ours with something taken away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks import regret
from benchmarks.ours import Step
from benchmarks.regret import Mean, Values, Yardstick
from benchmarks.standings import Standings, best_of, signed_rank_p

MARKS = (1, 3, 5, 10, 25, 50)
"""Trials after which the best so far is shown."""
BLIND, GIVEN = "expert-blind", "expert"
"""Ours without a default, and with one."""
FAIR = ("random", "tpe", "gp", "cmaes", "smac", "hebo")
"""Peers of whom the best one is taken, per number of trials; stock settings are shown beside."""
HUMAN = 100
"""Random trials of which AgentHPO takes the best for a person's result."""
ARMS = ("without", "default")


@dataclass(frozen=True)
class Measured:
    """All that a suite has played: task -> method -> its steps, one list per seed."""

    steps: Mapping[str, Mapping[str, Sequence[Sequence[Step]]]]
    signs: Mapping[str, int]
    """Of each task's objective: +1 if larger is better."""
    trials: int

    @cached_property
    def marks(self) -> tuple[int, ...]:
        """Numbers of trials that are shown; the last always is."""
        return (*(mark for mark in MARKS if mark < self.trials), self.trials)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, in order."""
        return tuple(self.steps)

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The methods that played every task."""
        return tuple(next(iter(self.steps.values())))

    @property
    def seeds(self) -> int:
        """How many seeds each method played, on each task."""
        return len(self.steps[self.tasks[0]][self.methods[0]])

    @cached_property
    def traces(self) -> Mapping[str, Mapping[str, list[Values]]]:
        """Task -> method -> the values of each seed, larger better."""
        return {
            task: {
                method: [
                    [None if s.value is None else self.signs[task] * s.value for s in run]
                    for run in runs
                ]
                for method, runs in methods.items()
            }
            for task, methods in self.steps.items()
        }

    @cached_property
    def yardsticks(self) -> Mapping[str, Yardstick]:
        """What regret is measured on, per task."""
        return {task: Yardstick.of(traces) for task, traces in self.traces.items()}

    def on_task(self, task: str, method: str, mark: int) -> Mean:
        """Return a method's regret on one task: the mean over seeds with its interval."""
        return Mean.of(self.yardsticks[task].regrets(self.traces[task][method], mark))

    def per_task(self, method: str, mark: int) -> list[float]:
        """Return a method's mean regrets, one per task."""
        return self._means[method][mark]

    @cached_property
    def _means(self) -> dict[str, dict[int, list[float]]]:
        return {
            method: {
                mark: [self.on_task(task, method, mark).mean for task in self.tasks]
                for mark in self.marks
            }
            for method in self.methods
        }

    def overall(self, method: str, mark: int) -> Mean:
        """Return a method's regret over tasks, with the interval that the tasks allow for."""
        return Mean.of(self.per_task(method, mark))

    def paired(self, method: str, mark: int) -> Mean:
        """Return by how much the blind expert's regret is smaller, task by task."""
        theirs, ours = self.per_task(method, mark), self.per_task(BLIND, mark)
        return Mean.of(regret.lead(ours, theirs))

    def p(self, method: str, mark: int, *, ours: str = BLIND) -> float:
        """Return Wilcoxon's p over tasks of the expert against a method."""
        return signed_rank_p(self.per_task(ours, mark), self.per_task(method, mark))

    def arm(self, arm: str) -> tuple[str, ...]:
        """Return the peers of an arm that played."""
        names = [name if arm == "without" else f"{name}+default" for name in FAIR]
        return tuple(name for name in names if name in self.methods)

    def best_peer(self, arm: str, mark: int) -> str | None:
        """Return the peer with the smallest mean regret over all tasks."""
        means = {name: self.overall(name, mark).mean for name in self.arm(arm)}
        return best_of(means, self.arm(arm))

    def standings(self, arm: str, mark: int) -> Standings:
        """Rank the peers of an arm and ours; the blind expert is in both."""
        mine = (BLIND,) if arm == "without" else (BLIND, GIVEN)
        names = (*(name for name in mine if name in self.methods), *self.arm(arm))
        return Standings.of({name: self.per_task(name, mark) for name in names})

    def reached(self, method: str, mark: int) -> list[float]:
        """Return the mean best value so far, one per task, larger better."""
        return [
            regret.means(self.traces[task][method], mark, worst=self._worst[task])
            for task in self.tasks
        ]

    @cached_property
    def _worst(self) -> Mapping[str, float]:
        return {
            task: min(v for runs in traces.values() for run in runs for v in run if v is not None)
            for task, traces in self.traces.items()
        }

    def over_random(self, method: str, mark: int) -> float:
        """Return AgentHPO's improvement over random search, in per cent."""
        return regret.improvement(self.reached(method, mark), self.reached("random", mark))

    def over_human(self, method: str, mark: int) -> float:
        """Return its improvement over the best of the first `HUMAN` random trials, in per cent."""
        best = []
        for task in self.tasks:
            drawn = regret.first_drawn(self.traces[task]["random"], HUMAN)
            best.append(max(value for value in drawn if value is not None))
        return regret.improvement(self.reached(method, mark), best)

    @property
    def humans_trials(self) -> int:
        """How many random trials that best was taken from."""
        return min(HUMAN, self.seeds * self.trials)

    def suggesting(self, method: str) -> tuple[float, float]:
        """Return median and 95th percentile of the seconds that a suggestion took."""
        seconds = [
            step.seconds for task in self.tasks for run in self.steps[task][method] for step in run
        ]
        middle, high = np.quantile(seconds, [0.5, 0.95])
        return float(middle), float(high)

    def failed(self, method: str) -> float:
        """Return the share of trials that failed."""
        runs = [run for task in self.tasks for run in self.traces[task][method]]
        return float(np.mean([value is None for run in runs for value in run]))
