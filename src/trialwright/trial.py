"""A trial with its runs: where it stands, what it is worth, and how two of them are compared.

A history builds trials from records, and keeps them current.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trialwright.expression import Scalar
from trialwright.records import (
    Admission,
    Diagnosis,
    Launch,
    Observation,
    Outcome,
    Proposal,
    RunKey,
    Verdict,
)
from trialwright.robust import Robust, shared
from trialwright.task import FRESH, Task

State = Literal["queued", "running", "done", "failed", "pruned", "cancelled"]


ROUNDING = 1e-7
"""Part of two values below which their difference is rounding, as of sums in another order."""


@dataclass(slots=True)
class Run:
    """One execution: its launch, and what it showed once it ended."""

    launch: Launch
    launched_at: float
    observation: Observation | None = None
    diagnosis: Diagnosis | None = None
    ended_at: float | None = None
    unwanted_by: str = ""
    """Who asked for it to be ended early, while it went on."""

    @property
    def key(self) -> RunKey:
        """Trial, seed index, attempt."""
        return self.launch.run

    @property
    def handed_out(self) -> bool:
        """Whether an outside agent has it, and has not told yet how it went."""
        return bool(self.launch.by) and self.observation is None


@dataclass(slots=True)
class Trial:
    """An admitted proposal with its runs."""

    admission: Admission
    admitted_at: float
    planned: int = 1
    """Seeds that the trial is to have: the task's `screen`, and what was added to them."""
    fresh_planned: int = 0
    """Fresh seeds that it is to have, which no selection sees."""
    runs: list[Run] = field(default_factory=list)
    """Every attempt, in the order of their launches."""
    verdict: Verdict | None = None
    first_verdict: Verdict | None = None
    """What it was worth when it was first judged; later seeds may have changed that."""
    value: float | None = None
    """The robust objective over the seeds done; None if there are too few, or one failed.

    Kept by the history: it is asked for far more often than it changes.
    """
    breach: str = ""
    """The requirement of the task that the trial does not meet, in words; such a one has no value.

    Kept by the history, as `value` is.
    """
    tree: str = ""
    """Id of the git tree that holds its code; '': the code as it was found."""
    size: int = 0
    """Syntax-tree nodes that its code has more than the code as it was found."""
    lines: int = 0
    """Lines that it has more."""
    rerun: bool = False
    """Whether a further attempt of the first seed was asked for and not yet launched."""

    @property
    def number(self) -> int:
        """The trial's number, from 0."""
        return self.admission.number

    @property
    def proposal(self) -> Proposal:
        """What was proposed, by whom and why."""
        return self.admission.proposal

    @property
    def configuration(self) -> Mapping[str, Scalar]:
        """The values that the runs get."""
        return self.admission.proposal.configuration

    @property
    def code(self) -> str:
        """Id of the code version under which the trial ran last, or was admitted."""
        return (self.runs[-1].launch.code if self.runs else None) or self.admission.code

    @property
    def latest(self) -> dict[int, Run]:
        """The latest attempt of each seed index, under the trial's code version; no fresh seeds."""
        return {seed: run for seed, run in self.every.items() if seed < FRESH}

    @property
    def fresh(self) -> dict[int, Run]:
        """The latest attempt of each fresh seed, which neither `value` nor `values` counts."""
        return {seed: run for seed, run in self.every.items() if seed >= FRESH}

    @property
    def every(self) -> dict[int, Run]:
        """The latest attempt of each seed index, fresh ones too."""
        code = self.code
        return {
            run.key.seed: run
            for run in self.runs
            if (run.launch.code or self.admission.code) == code
        }

    def attempts(self, seed: int) -> int:
        """Return how often seed index `seed` was launched, under any code version."""
        return sum(run.key.seed == seed for run in self.runs)

    @property
    def values(self) -> dict[int, float]:
        """The objective of each seed index whose latest attempt is done."""
        return {
            seed: run.observation.value
            for seed, run in self.latest.items()
            if run.observation
            and run.observation.outcome == "done"
            and run.observation.value is not None
        }

    @property
    def measures(self) -> dict[str, float]:
        """Each metric, `seconds` and `memory_gb` too: the mean over the seeds that are done."""
        found: dict[str, list[float]] = {}
        for seed in self.values:
            seen = self.latest[seed].observation
            for name, value in seen.measures.items() if seen else ():
                found.setdefault(name, []).append(value)
        return {name: sum(values) / len(values) for name, values in found.items()}

    @property
    def going(self) -> list[Run]:
        """The runs that have shown nothing yet and are not handed out."""
        runs = self.every.values()
        return [run for run in runs if run.observation is None and not run.handed_out]

    @property
    def missing(self) -> tuple[int, ...]:
        """The seed indices that are planned and not yet launched."""
        launched = self.every
        planned = (*range(self.planned), *range(FRESH, FRESH + self.fresh_planned))
        return tuple(seed for seed in planned if seed not in launched)

    @property
    def state(self) -> State:
        """Where the trial stands: a failed or pruned seed outweighs a done one."""
        if not self.runs:
            return "queued"
        worst = self._worst()
        if self._going():
            return "running"
        if worst in ("failed", "pruned", "cancelled"):
            return worst
        if any(run.observation and run.observation.outcome == "cancelled" for run in self.runs):
            ended = [run.observation for run in self.fresh.values()]
            if any(seen and seen.outcome == "cancelled" for seen in ended):
                return "cancelled"
        return "running" if self.missing or self.rerun else "done"

    def worth(self, robust: Robust, *, sign: int) -> float | None:
        """Compute `value` from the runs: for the history, after each change of them."""
        values = list(self.values.values())
        if not values or self._worst() not in (None, "done"):
            return None
        return robust.value(values, sign=sign)

    def has(self, seeds: int) -> bool:
        """Say whether so many seeds have a value; it saves looking where none are needed."""
        return not seeds or (len(self.runs) >= seeds and len(self.values) >= seeds)

    def _going(self) -> bool:
        return any(run.observation is None for run in self.every.values())

    def _worst(self) -> Outcome | None:
        outcomes = {run.observation.outcome for run in self.latest.values() if run.observation}
        order: tuple[Outcome, ...] = ("failed", "pruned", "cancelled", "done")
        return next((outcome for outcome in order if outcome in outcomes), None)

    @property
    def run(self) -> Run | None:
        """The latest attempt of the first seed: the run to show where one is shown."""
        return self.latest.get(0)


def sides(trial: Trial, other: Trial, task: Task | None = None) -> tuple[list[float], list[float]]:
    """Return the values over which two trials are compared: `shared`; enough is `seeds.confirm`."""
    if task is None:
        return shared(trial.values, other.values, None, robust=Robust(), sign=1)
    robust, sign = task.seeds.objective, task.objective.sign
    enough = robust.enough(task.seeds.confirm)
    return shared(trial.values, other.values, enough, robust=robust, sign=sign)


def lead(trial: Trial, other: Trial, task: Task | None = None) -> float:
    """Return by how much the robust objective of a trial is above another's; both have values.

    Over `sides`; between their values where they share no seed. Means are compared where the seeds
    are too few for the objective.
    """
    ours, theirs = sides(trial, other, task)
    if not ours:
        return told_apart((trial.value or 0.0) - (other.value or 0.0), trial.value, other.value)
    robust = task.seeds.objective if task else Robust()
    if robust.kind == "mean" and len(ours) == len(theirs):
        mean = math.fsum(a - b for a, b in zip(ours, theirs, strict=True)) / len(ours)
        return told_apart(mean, *ours, *theirs)
    sign = task.objective.sign if task else 1
    robust = robust if len(ours) >= robust.least else Robust()
    values = [robust.value(side, sign=sign) or 0.0 for side in (ours, theirs)]
    return told_apart(values[0] - values[1], *values)


def told_apart(difference: float, *values: float | None) -> float:
    """Return a difference of values, or 0 where rounding in a script's arithmetic may have made it.

    >>> told_apart(1.29e-9, 0.568090809, 0.568090808), told_apart(2e-9, 3e-9, 1e-9)
    (0.0, 2e-09)
    """
    size = max((abs(value) for value in values if value is not None), default=0.0)
    return difference if abs(difference) > ROUNDING * size else 0.0
