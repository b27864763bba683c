"""What the winner is worth on seeds that no selection saw, beside what it looked like. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from trialwright.analysis import rates
from trialwright.analysis.bootstrap import effect
from trialwright.analysis.gains import Side, edge
from trialwright.analysis.noise import Noise, scatter_of
from trialwright.history import History, Trial
from trialwright.robust import deviation

RATE = 0.25
"""Failure rate that clean seeds are to rule out: a quarter of seeds is what goes unnoticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A trial on its fresh seeds."""

    trial: int
    selected: float
    """The robust objective over the seeds that it was selected by."""
    selected_seeds: int
    values: tuple[float, ...]
    """Of the fresh seeds that gave one."""
    value: float | None
    """The robust objective over them."""
    failures: int
    """Fresh seeds that gave no value, or one beyond `seeds.failure`."""
    total: int
    """Fresh seeds that have ended."""
    rate: tuple[float, float]
    """Exact 95 % interval of the failure rate."""
    clean_needed: int | None
    """More seeds, all clean, that rule out a failure rate of `RATE`; None: too many to say."""
    shrinkage: float | None
    """By how much it looked better than it is; negative where it looked worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The winner against the first trial, over fresh seeds."""

    winner: Checked
    first: Checked | None
    """None where the winner is the first trial, or that has no fresh seeds."""
    planned: int
    """Fresh seeds that each was to have."""
    difference: float | None
    """Of the robust objectives; positive means that the winner is better."""
    interval: tuple[float, float] | None
    """Of the difference, by the bootstrap, at 95 %."""
    probability: float | None
    """That the difference is truly positive; None without an estimate of the noise."""
    confirmed: bool
    """Whether it is as probable as the task asks for."""


def validation(history: History) -> Validation | None:
    """Return what fresh seeds say of the best trial; None while it has no result on any."""
    trial = history.best()
    if trial is None or (winner := checked(trial, history)) is None:
        return None
    baseline = first_of(trial, history)
    first = None if baseline is trial else checked(baseline, history)
    planned = max(trial.fresh_planned, winner.total)
    if first is None or winner.value is None or first.value is None:
        return Validation(
            winner=winner,
            first=first,
            planned=planned,
            difference=None,
            interval=None,
            probability=None,
            confirmed=False,
        )
    sides = [_side(one, history, values) for one, values in _pair(trial, baseline)]
    robust, sign = history.task.seeds.objective, history.task.objective.sign
    scatter = scatter_of(history, code=trial.code)
    common = scatter.common if scatter else 0.0
    found = edge(sides[0], sides[1], robust, sign=sign, common=common)
    sure = found.probability is not None and found.probability >= history.task.confidence
    return Validation(
        winner=winner,
        first=first,
        planned=planned,
        difference=found.difference,
        interval=effect(sides[0], sides[1], robust, sign=sign, common=common),
        probability=found.probability,
        confirmed=sure,
    )


def first_of(trial: Trial, history: History) -> Trial:
    """Return the first trial with a value under the code version of `trial`."""
    return history.done(code=trial.code)[0]


def fresh_values(trial: Trial) -> dict[int, float]:
    """Return the objective of each fresh seed that is done."""
    return {
        seed: run.observation.value
        for seed, run in trial.fresh.items()
        if run.observation
        and run.observation.outcome == "done"
        and run.observation.value is not None
    }


def checked(trial: Trial, history: History) -> Checked | None:
    """Return what a trial showed on fresh seeds; None before any of them has ended."""
    outcomes = [run.observation.outcome for run in trial.fresh.values() if run.observation]
    total = sum(outcome in ("done", "failed") for outcome in outcomes)
    if not total or trial.value is None:
        return None
    objective, seeds = history.task.objective, history.task.seeds
    values = tuple(fresh_values(trial).values())
    beyond = sum(
        seeds.failure is not None and objective.sign * (value - seeds.failure) < 0
        for value in values
    )
    failures = beyond + total - len(values)
    value = seeds.objective.value(values, sign=objective.sign) if values else None
    return Checked(
        trial=trial.number,
        selected=trial.value,
        selected_seeds=len(trial.values),
        values=values,
        value=value,
        failures=failures,
        total=total,
        rate=rates.interval(failures, total),
        clean_needed=rates.still_needed(failures, total, RATE),
        shrinkage=None if value is None else objective.sign * (trial.value - value),
    )


def _pair(trial: Trial, baseline: Trial) -> list[tuple[Trial, list[float]]]:
    return [(one, [*fresh_values(one).values()]) for one in (trial, baseline)]


def _side(trial: Trial, history: History, values: list[float]) -> Side:
    """A trial's fresh seeds with its noise: of selection, else of the fresh seeds themselves."""
    scatter = scatter_of(history, code=trial.code)
    if scatter is not None:
        return Side(values, scatter.of(trial.number))
    own = Noise(deviation(values), len(values) - 1) if len(values) > 1 else None
    return Side(values, own)
