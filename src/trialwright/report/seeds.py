"""Seeds in words: how many, who got more and why, what fresh ones say of the winner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import chdtri, stdtrit

from trialwright.analysis import rates
from trialwright.analysis.validation import RATE, Checked, Validation, validation
from trialwright.history import History, Trial
from trialwright.report import words
from trialwright.robust import deviation, mean
from trialwright.task import FRESH, Task


def measure(task: Task) -> str:
    """Name the number that a trial is worth: the metric, or what the robust objective makes of it.

    >>> from trialwright.robust import Robust
    >>> from trialwright.space import Float, Space
    >>> from trialwright.task import Objective, Seeds
    >>> seeds = Seeds(objective=Robust(kind="worst"))
    >>> space = Space((Float("x", 0, 1),))
    >>> measure(Task(name="t", objective=Objective(metric="r2"), space=space, seeds=seeds))
    'worst r2'
    """
    return task.seeds.objective.called(task.objective.metric, sign=task.objective.sign)


def policy(task: Task) -> str:
    """Say how many seeds trials get; '' where each gets one and the mean counts."""
    seeds = task.seeds
    parts = [words.count(seeds.screen, "seed") + " each"]
    if seeds.confirm is not None:
        parts.append(f"contenders {seeds.confirm}")
    if seeds.most is not None and seeds.most != seeds.confirm:
        parts.append(f"one by one up to {seeds.most} while it is open who is best")
    if seeds.fresh:
        parts.append(f"{seeds.fresh} fresh ones for the winner")
    if seeds.objective.kind != "mean":
        parts.append(f"judged by {seeds.objective.text(sign=task.objective.sign)}")
    return ", ".join(parts) if len(parts) > 1 or seeds.screen > 1 else ""


def granted(history: History, trial: int | None = None) -> tuple[str, ...]:
    """Say who got more seeds and why, in order; of one trial if given."""
    return tuple(
        f"trial {one.trial} gets {words.count(one.seeds, _noun(fresh=one.fresh))}"
        f"{'' if one.fresh else ' in all'}: {words.line(one.reason)}"
        for one in history.promotions
        if trial in (None, one.trial)
    )


def name(index: int) -> str:
    """Name a seed by its index.

    >>> name(2), name(FRESH)
    ('seed 2', 'fresh seed 0')
    """
    return f"fresh seed {index - FRESH}" if index >= FRESH else f"seed {index}"


def announced(history: History) -> tuple[str, ...]:
    """Say what fresh seeds say of the best trial; () where none were asked for.

    Sentences: how much it shrank, its gain over the first trial, how many seeds failed.
    """
    best = history.best()
    if best is None or not (history.task.seeds.fresh or best.fresh):
        return ()
    found = validation(history)
    if found is None:
        return (_waiting(best),)
    return (
        _shrunk(found, history),
        *([_gain(found, history)] if found.difference is not None else []),
        *(_failed(one, history) for one in (found.winner, found.first) if one is not None),
        *([_needed(found.winner)] if found.winner.clean_needed != 0 else []),
    )


def _noun(*, fresh: bool) -> str:
    return "fresh seed" if fresh else "seed"


def _waiting(best: Trial) -> str:
    return (
        f"Trial {best.number} has not been run on fresh seeds yet: what it shows is what it was"
        " selected by, which flatters."
    )


def _shrunk(found: Validation, history: History) -> str:
    one, metric = found.winner, measure(history.task)
    if one.value is None or one.shrinkage is None:
        return f"None of {words.count(one.total, 'fresh seed')} of trial {one.trial} gave a value."
    over = words.count(len(one.values), "fresh seed")
    whole = "" if one.total >= found.planned else f" of {found.planned}"
    if one.shrinkage == 0:
        how = "just what it looked like"
    else:
        side = "better" if one.shrinkage > 0 else "worse"
        how = f"it looked {abs(one.shrinkage):.3g} {side} than it is"
    return (
        f"On {over}{whole}, which no selection saw, trial {one.trial} has {metric} ="
        f" {words.number(one.value)}, against {words.number(one.selected)} on the"
        f" {words.count(one.selected_seeds, 'seed')} that selected it: {how}."
    )


def _gain(found: Validation, history: History) -> str:
    assert found.difference is not None
    assert found.first is not None
    sign, first = history.task.objective.sign, found.first
    said = f"On fresh seeds it is {words.moved(found.difference, sign=sign, than='')}".rstrip()
    said = said.removesuffix(" than").removesuffix(" from")
    ends = "" if found.interval is None else _ends(found.interval)
    sure = (
        "nothing is known of the noise"
        if found.probability is None
        else f"real with probability {words.probability(found.probability)}"
    )
    verdict = "confirmed" if found.confirmed else "not confirmed"
    value = words.number(first.value)
    return f"{said} than trial {first.trial} ({value}){ends}, {sure}: {verdict}."


def _ends(interval: tuple[float, float]) -> str:
    return f", 95% interval of the gain {interval[0]:.3g} to {interval[1]:.3g}"


def _failed(one: Checked, history: History) -> str:
    threshold, sign = history.task.seeds.failure, history.task.objective.sign
    side = "below" if sign > 0 else "above"
    what = "" if threshold is None else f" ({history.task.objective.metric} {side} {threshold:g})"
    low, high = one.rate
    return (
        f"{one.failures} of {words.count(one.total, 'fresh seed')} of trial {one.trial} failed"
        f"{what}: exact 95% interval {low:.0%} to {high:.0%}."
    )


def _needed(one: Checked) -> str:
    if one.clean_needed is None:
        return f"No number of clean seeds would rule out soon that {RATE:.0%} of seeds fail."
    more = words.count(one.clean_needed, "more clean seed")
    return f"{more} of trial {one.trial} would rule out that {RATE:.0%} of seeds fail."


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The noise of one trial over its seeds."""

    trial: int
    values: tuple[float, ...]
    failed: int
    mean: float | None
    sd: float | None
    interval: tuple[float, float] | None
    """Of the standard deviation, at 95 %, where seeds scatter normally."""
    tells: Mapping[int, float]
    """Seeds per side -> the least gain that they tell from noise, with the task's confidence."""


def measured(trial: Trial, history: History) -> Measured:
    """Return the noise that a trial shows, and what gains it hides."""
    values = tuple(trial.values.values())
    outcomes = [run.observation.outcome for run in trial.latest.values() if run.observation]
    sd = deviation(values) if len(values) > 1 else None
    degrees = len(values) - 1
    tells: dict[int, float] = {}
    interval = None
    if sd is not None:
        quantile = float(stdtrit(degrees, history.task.confidence))
        tells = {n: quantile * sd * math.sqrt(2 / n) for n in (1, 4, 12)}
        low, high = (float(chdtri(degrees, tail)) for tail in (0.025, 0.975))
        interval = sd * math.sqrt(degrees / low), sd * math.sqrt(degrees / high)
    return Measured(
        trial=trial.number,
        values=values,
        failed=outcomes.count("failed"),
        mean=mean(values) if values else None,
        sd=sd,
        interval=interval,
        tells=tells,
    )


def noise_sentences(trial: Trial, history: History) -> tuple[str, ...]:
    """Say what the noise is, and which gains it hides."""
    found, metric = measured(trial, history), history.task.objective.metric
    if found.sd is None or found.mean is None or found.interval is None:
        got = words.count(len(found.values), "seed")
        return (f"Trial {found.trial} has a value on {got} only: the noise is not known.",)
    said = [
        f"Over {words.count(len(found.values), 'seed')} the defaults (trial {found.trial}) give"
        f" {metric} = {words.number(found.mean)}, with a standard deviation of {found.sd:.3g}"
        f" (95% interval {found.interval[0]:.3g} to {found.interval[1]:.3g}), from"
        f" {words.number(min(found.values))} to {words.number(max(found.values))}."
    ]
    if found.failed:
        low, high = rates.interval(found.failed, found.failed + len(found.values))
        said.append(
            f"{words.count(found.failed, 'further seed')} failed: exact 95% interval of the"
            f" failure rate {low:.0%} to {high:.0%}."
        )
    if found.sd == 0:
        return (*said, "No seed made any difference: one run of a trial tells all.")
    gains = [f"{gain:.3g} with {words.count(n, 'seed')} each" for n, gain in found.tells.items()]
    said.append(f"The least gain that is told from this noise: {words.listed(gains)}.")
    return tuple(said)
