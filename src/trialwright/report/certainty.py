"""Is the best trial's lead real: against whom, by which number, over which seeds; and its price.

Two numbers are about, and a sentence here says which it means: what decides (such as the mean less
a deviation), and the mean of the metric, in which differences seed by seed are told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from trialwright.analysis.outliers import outlier
from trialwright.analysis.paired import paired
from trialwright.history import History, Trial
from trialwright.report import seeds, words
from trialwright.report.asked import Point
from trialwright.report.final import BestTrial, FinalAnalysis, Gain
from trialwright.report.notebook import opening, standings


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The best trials side by side, and the first."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    remarks: tuple[str, ...]
    """What the table hides: the seeds of the best, and each that makes a trial's spread."""


def verdict(history: History, analysis: FinalAnalysis) -> str:
    """Answer whether it is real, in a sentence; '' while there is nothing to ask it of."""
    best, gain = analysis.best, analysis.gain
    if best is None:
        return ""
    if gain is None:
        return f"Nothing beat trial {best.first}, the first: there is no gain to doubt."
    return _answer(gain, f"trial {best.number}", opening.rivalry(history))


def _answer(gain: Gain, name: str, rival: str) -> str:
    first = f"trial {gain.first}, the first"
    if gain.probability is None:
        return f"Not known yet: {name} came out ahead of {first}, and the noise was not measured."
    if gain.difference <= 0:
        return f"No: over the seeds that both have, {name} is no better than {first}."
    if not gain.confirmed:
        return f"Not confirmed: that {name} is better than {first} may be noise."
    if "not confirmed" in rival:
        return (
            f"Yes, against {first}. That {name} is also better than the best one before it is not"
            " confirmed: take it for one of the leaders."
        )
    return f"Yes, as far as the seeds tell: {name} is better than {first}."


def points(history: History, analysis: FinalAnalysis) -> tuple[Point, ...]:
    """Say what the answer rests on; each sentence names the number that it is about."""
    return () if analysis.best is None else tuple(_points(history, analysis, analysis.best))


def _points(history: History, analysis: FinalAnalysis, best: BestTrial) -> Iterator[Point]:
    measure, metric = (
        words.line(seeds.measure(history.task)),
        words.line(history.task.objective.metric),
    )
    if analysis.gain is not None:
        yield f"Gain over the first, in {measure}", analysis.gain.sentence
    equals = _equals(history.trials[best.number], history)
    if equals:
        yield "Equally good", equals
    rival = opening.rivalry(history)
    if rival:
        yield f"Against the next best, in {measure}", _stop(rival)
    yield from _by_means(history, best, measure=measure, metric=metric)
    if best.verdict and not rival:
        yield f"The verdict on it, in {measure}", _stop(best.verdict)
    if best.claim:
        judged = f"judged by {measure}; " if measure != metric else ""
        means = f" ({judged}{best.yardstick})" if best.yardstick else ""
        yield (
            "Its hypothesis",
            _stop(f"{best.claim}: {best.hypothesis}{means}"),
        )
    for said in seeds.announced(history):
        yield "On fresh seeds", said
    if best.diagnosis:
        yield "Its curve, of one seed", _stop(best.diagnosis)
    stands = outlier(history.trials[best.number])
    if stands is not None:
        yield "A seed of it", standings.apart(stands, history)


def _equals(best: Trial, history: History) -> str:
    """Name the trials with exactly the best one's value; '' where it stands alone."""
    others = [
        trial.number
        for trial in history.done(code=best.code)
        if trial is not best and trial.value == best.value and not trial.breach
    ]
    if not others:
        return ""
    whose = "Trial" if len(others) == 1 else "Trials"
    return f"{whose} {words.listed(others)} came to exactly the same value as trial {best.number}."


def _by_means(history: History, best: BestTrial, *, measure: str, metric: str) -> Iterator[Point]:
    """The gain over the first in plain means; and, where they don't decide, that they do not."""
    trial, first = history.trials[best.number], history.trials[best.first]
    seen = paired(trial, first, sign=history.task.objective.sign) if trial is not first else None
    if seen is not None and seen.seeds > 1:
        leaves = "leaves 0 out: a gain" if seen.gained else "reaches 0: not told from noise"
        told = f"; the 95% interval {leaves}" if seen.interval else ""
        yield (
            f"Gain over the first, in the mean of {metric}",
            f"{standings.difference(seen)}{told}. Positive is better.",
        )
    if measure != metric:
        yield (
            "Two numbers",
            f"What decides is {measure}; differences seed by seed are of the mean of {metric}."
            " One of them can be beyond noise while the other is not.",
        )


def _stop(said: str) -> str:
    """End a sentence; it may begin with a name, which keeps its small letter."""
    return words.line(said).rstrip(".") + "."


def verdicts(history: History) -> str:
    """Say what the words mean that stand for a trial's verdict."""
    simpler = ", or as good with less code" if history.task.research is not None else ""
    return (
        f"Kept: the first result, or better than the best before it{simpler}, with a"
        f" probability of {history.task.confidence:.0%} or more. Unconfirmed: better, but less"
        " surely than that, or with nothing known of the noise. Discarded: not better."
    )


def side_by_side(history: History) -> Side | None:
    """Return the table of the best trials; None while there is no best or nothing beside it."""
    if len(standings.leaders(history)) < 2:
        return None
    headings, rows = standings.table(history)
    measure = words.line(seeds.measure(history.task))
    return Side(
        headings=tuple(headings),
        rows=tuple(map(tuple, rows)),
        note=f"The score is {measure}. {standings.note(history)}",
        remarks=tuple(standings.sentences(history)),
    )


def costs(history: History) -> tuple[Point, ...]:
    """Say what the search took, and what one run of the best trial takes."""
    return tuple(_costs(history))


def _costs(history: History) -> Iterator[Point]:
    spent = math.fsum(
        run.observation.seconds for trial in history.trials for run in trial.runs if run.observation
    )
    trials = words.count(len(history.trials), "trial")
    yield (
        "The search",
        f"{trials} in {words.count(history.launches, 'run')} took {words.seconds(history.seconds)}"
        f" by the clock; the runs together, {words.seconds(spent)}.",
    )
    tokens, usd = history.spent
    if tokens:
        price = f", ${usd:.2f} as far as prices are known" if usd else ""
        yield "Language models", f"{tokens:,} tokens{price}."
    best = history.best()
    if best is not None:
        yield "A run of the best", _run(best, history)


def _run(best: Trial, history: History) -> str:
    measures, first = best.measures, history.done(code=best.code)[0]
    took, memory = measures.get("seconds"), measures.get("memory_gb")
    if took is None:
        return f"How long a run of trial {best.number} takes is not on record."
    room = f"{words.size(round(memory * 1e9))} of memory" if memory else ""
    dearer = standings.cost(best, first)
    if dearer:
        return f"{dearer} It uses {room}." if room else dearer
    also = f" and {room}" if room else ""
    said = f"Trial {best.number} takes {words.seconds(took)}{also} a run."
    return said if best is first else f"{said} That is about as long as trial {first.number} takes."
