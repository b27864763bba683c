"""The comparisons that later trials make of a claim: alike in all that the claim says nothing of.

Trials that differ in the claimed parameters alone share a background. Per background there is one
comparison, over the seeds that every trial gets: further ones went to whoever looked good. It
counts only where nobody could have picked a side by the other's result: one of the `designers`
made all of its sides, or all were admitted before the first of them ended. Where there is no such
comparison, a regression makes what can be made of the other later trials.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.extents import sides
from trialwright.errors import ExpressionError
from trialwright.expression import evaluate, names
from trialwright.history import Claimed, History, Run, Trial
from trialwright.records import FAILURE, Claim
from trialwright.space import Configuration
from trialwright.task import Task

Array = NDArray[np.float64]
Cell = tuple[bool, ...]
"""Per extent of the claim, whether a trial lies within."""

Value = Callable[[Run], float | None]

DESIGNER = "inquirer"
"""The proposer that finishes each comparison it begins, whatever the first side shows."""

FEWEST_FREE = 3
"""Degrees of freedom that a regression needs to say anything."""


@dataclass(slots=True)
class Evidence:
    """What later trials show of a claim, before any of it is judged."""

    units: list[tuple[float, ...]] = field(default_factory=list)
    """Per background: the differences that the claim is about, or of `rate` the share within."""
    trials: list[int] = field(default_factory=list)
    """The trials behind the units."""
    seeds: set[int] = field(default_factory=set)
    """Their seed indices."""
    failures: tuple[int, int] = (0, 0)
    """Of `rate`: seeds within the region that failed, and all."""
    left_out: int = 0
    """Backgrounds with a side that has no value, since its runs failed."""
    adjusted: tuple[float, float, float] | None = None
    """Without any unit, of a regression: the difference, standard error, degrees of freedom."""
    weight: float = 0.0
    """Of the regression: the inverse of the difference's variance, in units of the noise's."""


def evidence(history: History, claimed: Claimed) -> Evidence:
    """Return what the trials that came after a claim show of it; of the newest code with values."""
    claim = claimed.claim
    ended = [
        (trial, cell)
        for trial, cell in placed(history, claimed)
        if trial.state in ("done", "failed")
    ]
    read = _Reading(claim, history)
    if claim.what == "rate":
        return _rates([trial for trial, cell in ended if all(cell)], read)
    return _differences(claim, ended, read, history)


def placed(history: History, claimed: Claimed) -> list[tuple[Trial, Cell]]:
    """Return the later trials that a claim says something of, each with its side; pending ones too.

    Of the code version that the best trial has.
    """
    best = history.best()
    code = best.code if best else history.code
    return [
        (trial, place[0])
        for trial in history.trials[claimed.trials :]
        if trial.code == code and (place := _place(history, claimed.claim, trial)) is not None
    ]


def grouped(
    claim: Claim, found: Sequence[tuple[Trial, Cell]], history: History
) -> dict[str, dict[Cell, list[Trial]]]:
    """Return trials that were placed, by background and side."""
    groups: dict[str, dict[Cell, list[Trial]]] = defaultdict(lambda: defaultdict(list))
    for trial, cell in found:
        place = _place(history, claim, trial)
        assert place is not None
        groups[place[1]][cell].append(trial)
    return groups


def _place(history: History, claim: Claim, trial: Trial) -> tuple[Cell, str] | None:
    """The side and the background of a trial, which never change: worked out once."""
    known = history.memo.setdefault(("placed", claim), {})
    assert isinstance(known, dict)
    if trial.number not in known:
        cell = cell_of(claim, trial, history)
        behind = background(claim, trial.configuration, history)
        known[trial.number] = None if cell is None else (cell, behind)
    place: tuple[Cell, str] | None = known[trial.number]
    return place


class _Reading:
    """Reads the seeds of a trial for a claim: those that every trial gets."""

    def __init__(self, claim: Claim, history: History) -> None:
        self._value = value_of(claim, history.task)
        self._screen = history.task.seeds.screen

    def __call__(self, trial: Trial) -> dict[int, float]:
        found = {
            seed: self._value(run) for seed, run in trial.latest.items() if seed < self._screen
        }
        return {seed: value for seed, value in found.items() if value is not None}


def value_of(claim: Claim, task: Task) -> Value:
    """Return how a run is read for a claim: None of a run that says nothing.

    Whether seeds fail and how good they are otherwise are two questions: what fell beyond
    `seeds.failure` says nothing of values, where one failure outweighs every difference.
    """
    metric = claim.metric or task.objective.metric
    if claim.what == "rate" or metric == FAILURE:
        return lambda run: failed(run, task)

    def read(run: Run) -> float | None:
        seen = run.observation
        if seen is None or seen.outcome != "done" or failed(run, task):
            return None
        found = seen.value if metric == task.objective.metric else seen.measures.get(metric)
        return found if found is not None and math.isfinite(found) else None

    return read


def failed(run: Run, task: Task) -> float | None:
    """Return 1 for a seed that failed or fell beyond `seeds.failure`, 0 for one that did not."""
    seen, limit = run.observation, task.seeds.failure
    if seen is None or seen.outcome not in ("done", "failed"):
        return None
    if seen.outcome == "failed" or seen.value is None:
        return 1.0
    return float(limit is not None and task.objective.sign * (seen.value - limit) < 0)


def background(claim: Claim, configuration: Configuration, history: History) -> str:
    """Return a text that two trials share exactly if they differ in the claimed parameters alone.

    What a claimed parameter switches on or off belongs to it.
    """
    claimed = {extent.parameter for extent in claim.region}
    dependent = {
        parameter.name
        for parameter in history.space.parameters
        if parameter.when is not None and not claimed.isdisjoint(names(parameter.when))
    }
    rest = {name: value for name, value in configuration.items() if name not in claimed | dependent}
    return json.dumps(rest, sort_keys=True)


def cells(claim: Claim) -> tuple[Cell, ...]:
    """Return the sides that one comparison needs, the one that is claimed first."""
    if claim.what == "interaction":
        both = [(True, True), (True, False), (False, True), (False, False)]
        return tuple(both[:3] if claim.metric == FAILURE else both)
    within = (True,) * len(claim.region)
    return (within,) if claim.what == "rate" else (within, (False,) * len(claim.region))


def cell_of(claim: Claim, trial: Trial, history: History) -> Cell | None:
    """Return on which side of a claim a trial lies; None if it says nothing of it."""
    if not _meets(claim.where, trial.configuration):
        return None
    cell = sides(claim, history.space, trial.configuration)
    if cell is None or claim.what in ("interaction", "rate"):
        return cell
    # Of a region over several parameters, whatever is not within all of them is beyond it.
    return cell if all(cell) else (False,) * len(cell)


def _meets(where: str, configuration: Mapping[str, object]) -> bool:
    if not where:
        return True
    try:
        return bool(evaluate(where, configuration))  # type: ignore[arg-type]
    except ExpressionError:
        return False


def _rates(trials: Sequence[Trial], read: _Reading) -> Evidence:
    found = Evidence()
    bad = total = 0
    for trial in trials:
        seen = read(trial)
        if not seen:
            continue
        found.units.append((math.fsum(seen.values()) / len(seen),))
        found.trials.append(trial.number)
        found.seeds |= seen.keys()
        bad, total = bad + int(sum(seen.values())), total + len(seen)
    found.failures = (bad, total)
    return found


def _differences(
    claim: Claim, ended: Sequence[tuple[Trial, Cell]], read: _Reading, history: History
) -> Evidence:
    found = Evidence()
    needed = cells(claim)
    rest: list[tuple[Trial, Cell]] = []
    for group in grouped(claim, ended, history).values():
        chosen = _unpicked(group, needed, designers(history.task))
        if chosen:
            _compare(chosen, read, found=found)
        else:
            rest += [(trial, cell) for cell, trials in group.items() for trial in trials]
    if not found.units and claim.what in ("direction", "region") and claim.metric != FAILURE:
        _regress(claim, rest, read, history=history, found=found)
    return found


def designers(task: Task) -> frozenset[str]:
    """Return who finishes whatever comparison it begins: the inquirer, key-less skeptics."""
    return frozenset(
        {DESIGNER, *(name for name in task.delegates if task.roles.get(name) == "skeptic")}
    )


def _unpicked(
    group: Mapping[Cell, Sequence[Trial]], needed: Sequence[Cell], made_by: frozenset[str]
) -> list[list[Trial]]:
    """The sides of a comparison that nobody picked by a result; [] if there is none."""
    if any(cell not in group for cell in needed):
        return []
    for name in sorted(made_by):
        made = [[t for t in group[cell] if t.proposal.by == name] for cell in needed]
        if all(made):
            return made
    sides = [list(group[cell]) for cell in needed]
    trials = [trial for one in sides for trial in one]
    ends = [run.ended_at for trial in trials for run in trial.runs if run.ended_at is not None]
    together = max(trial.admitted_at for trial in trials) <= min(ends, default=math.inf)
    return sides if together else []


def _compare(sides: Sequence[Sequence[Trial]], read: _Reading, *, found: Evidence) -> None:
    """Add the comparison that one background makes."""
    tables = [_by_seed(trials, read) for trials in sides]
    common = set.intersection(*(set(table) for table in tables))
    if not common:
        found.left_out += 1
        return
    means = [math.fsum(table[seed] for seed in common) / len(common) for table in tables]
    match len(means):
        case 2:
            unit: tuple[float, ...] = (means[0] - means[1],)
        case 3:
            unit = (means[0] - means[1], means[0] - means[2])
        case _:
            unit = (means[0] - means[1] - means[2] + means[3],)
    found.units.append(unit)
    found.trials += [trial.number for trials in sides for trial in trials]
    found.seeds |= common


def _by_seed(trials: Sequence[Trial], read: _Reading) -> dict[int, float]:
    """The mean value of trials, by seed."""
    seen: dict[int, list[float]] = defaultdict(list)
    for trial in trials:
        for seed, value in read(trial).items():
            seen[seed].append(value)
    return {seed: math.fsum(values) / len(values) for seed, values in seen.items()}


def _regress(
    claim: Claim,
    rest: Sequence[tuple[Trial, Cell]],
    read: _Reading,
    *,
    history: History,
    found: Evidence,
) -> None:
    """Compare what has no match, adjusted for the other parameters by least squares."""
    rows = [(trial, all(cell), seen) for trial, cell in rest if (seen := read(trial))]
    if not rows:
        return
    claimed = {extent.parameter for extent in claim.region}
    columns = [i for i, name in enumerate(history.space.names) if name not in claimed]
    others = history.space.encode([trial.configuration for trial, _, _ in rows])[:, columns]
    varied = others[:, np.ptp(others, axis=0) > 0]
    inside = np.array([float(within) for _, within, _ in rows])
    design = np.column_stack([inside, np.ones(len(rows)), varied])
    free = len(rows) - design.shape[1]
    if free < FEWEST_FREE or np.linalg.matrix_rank(design) < design.shape[1]:
        return
    y = np.array([math.fsum(seen.values()) / len(seen) for _, _, seen in rows])
    fitted = np.linalg.lstsq(design, y, rcond=None)[0]
    variance = float(np.sum((y - design @ fitted) ** 2)) / free
    share = float(np.linalg.inv(design.T @ design)[0, 0])
    found.adjusted = (float(fitted[0]), math.sqrt(variance * share), float(free))
    found.weight = 1 / share
