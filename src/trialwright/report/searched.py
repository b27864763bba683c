"""How the search behaved: what `insight` measures of it, beside what the ledger counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from trialwright.analysis.compare import HypothesisStatus
from trialwright.history import History
from trialwright.insight.measured import Measured
from trialwright.insight.measures import measured
from trialwright.insight.ours import campaign_of
from trialwright.report import words
from trialwright.report.final import FinalAnalysis

_ENDED = {
    "failed": "failed",
    "pruned": "stopped early",
    "cancelled": "interrupted",
    "going": "going on or interrupted",
}

_MEANINGS = {
    "consistent": " (as foretold, but not beyond noise, which is unknown)",
    "undecided": " (too close to tell)",
    "open": " (without a result)",
}
"""Of the words for where a hypothesis stands that don't say it themselves."""

FEWEST = 5
"""Trials with a verdict below which a search has no behaviour to speak of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """How it was searched."""

    sentences: tuple[str, ...]
    measures: tuple[Measured, ...]
    """Those that can be told."""
    untold: tuple[Measured, ...]
    """Those that can't, each with its reason."""


def searched(history: History, analysis: FinalAnalysis) -> Searched:
    """Return counts and measures of the search."""
    found = measures_of(history)
    return Searched(
        sentences=_sentences(history, analysis),
        measures=tuple(one for one in found if not one.refused),
        untold=tuple(one for one in found if one.refused),
    )


def ended(history: History) -> str:
    """Say how many runs gave a result, and what became of the others."""
    outcomes = Counter(
        "going" if run.observation is None else run.observation.outcome
        for trial in history.trials
        for run in trial.runs
    )
    total = outcomes.total()
    if not total:
        return "Nothing has run yet."
    said = f"All {total} runs gave a result" if total > 1 else "The one run gave a result"
    if outcomes["done"] < total:
        parts = [f"{outcomes[name]} {_ENDED[name]}" for name in _ENDED if outcomes[name]]
        said = f"{outcomes['done']} of {words.count(total, 'run')} gave a result;"
        said += f" {words.listed(parts)}"
    threshold = history.task.seeds.failure
    if threshold is None:
        return f"{said}."
    side = "below" if history.task.objective.sign > 0 else "above"
    metric = words.line(history.task.objective.metric)
    return (
        f"{said}. A result with {metric} {side} {threshold:g} counts as failed, too: what depends"
        " on the seed has the rates."
    )


def measures_of(history: History) -> tuple[Measured, ...]:
    """Return every measure of a study, computed once; () of a search that has hardly begun."""
    if sum(trial.verdict is not None for trial in history.trials) < FEWEST:
        return ()
    key = ("report", "measures", history.sequence)
    if key not in history.memo:
        history.memo[key] = tuple(measured(campaign_of(history)))
    return cast("tuple[Measured, ...]", history.memo[key])


def _foretold(standings: Mapping[HypothesisStatus, int]) -> str:
    """Say what became of what proposals said about their results, with what the words mean."""
    counts = [f"{count} {status}{_MEANINGS.get(status, '')}" for status, count in standings.items()]
    total = words.count(sum(standings.values()), "hypothesis", "hypotheses")
    return f"{total} came with the proposals: {', '.join(counts)}."


def _sentences(history: History, analysis: FinalAnalysis) -> tuple[str, ...]:
    said = []
    if analysis.calibration:
        said.append(f"{analysis.calibration.sentence} {analysis.calibration.width}".strip())
    if analysis.hypotheses:
        said.append(_foretold(analysis.hypotheses))
    if history.refusals and history.task.research is None:  # else its story tells
        noun = words.count(len(history.refusals), "proposal")
        verb = "was" if len(history.refusals) == 1 else "were"
        said.append(f"{noun} {verb} refused before becoming a trial.")
    return tuple(said)
