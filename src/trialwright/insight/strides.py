"""How large the steps were: of the best result per gain, of the configuration per proposal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from trialwright.analysis.correlation import Correlation, correlation
from trialwright.analysis.ranking import ranked
from trialwright.campaigns.campaign import Campaign
from trialwright.expression import Scalar
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.repeats import Scale, scales_of, settings_of
from trialwright.insight.sequence import IMPROVEMENT, UNDIRECTED, planned, progress
from trialwright.insight.telling import count, number, percent, span

LEAST = 4
"""Gains, or proposals, before a trend is told."""
MICRO = 0.001
"""A gain of less than this share of the best is a micro-step."""


@dataclass(frozen=True, slots=True)
class Gain:
    """An improvement of the running best."""

    place: int
    """In the log, from 0."""
    relative: float
    """By which share of the best before it; above 0."""


def gains(campaign: Campaign) -> list[Gain]:
    """Return the improvements of the running best, the first result of a task not being one.

    Improvements are what `costs` counts: whatever beat the best of its time, whether or not it was
    kept. Beside a best of 0 nothing is relative: such a gain is left out.
    """
    went = progress(campaign)
    if went is None:
        return []
    found = []
    for place, gain in enumerate(went.gains):
        now = went.best[place]
        if gain <= 0 or now is None:
            continue
        before = abs(now + gain)
        if before > 0:
            found.append(Gain(place, gain / before))
    return found


def strides(campaign: Campaign) -> Measured:
    """Measure whether the steps became smaller: of the metric per gain, of settings per proposal.

    A gain is relative to the best that it beat. A proposal's step is the mean difference, over the
    settings that are numbers, from what it was built on (its parent, else the best of its time), as
    a share of the range that the campaign has; a changed choice counts as 1. The trend is
    Spearman's correlation of size and place in the log; its interval is Fisher's, n told.
    """
    name, title = "strides", "How large the steps were"
    if campaign.direction is None:
        return refusal(name, title, UNDIRECTED)
    found = gains(campaign)
    moved = moves(campaign)
    if not found and not moved:
        return refusal(name, title, "nothing improved, and no two experiments have configurations")
    trend = _trend([(one.place, one.relative) for one in found])
    settings = _trend(moved)
    n = len(campaign.experiments)
    late = [one.relative for one in found if one.place * 2 >= n]
    early = [one.relative for one in found if one.place * 2 < n]
    values: dict[str, Cell] = {
        "gains": len(found),
        "median_gain": median(one.relative for one in found) if found else None,
        "early_gains": len(early), "early_median": median(early) if early else None,
        "late_gains": len(late), "late_median": median(late) if late else None,
        "micro_steps": sum(one.relative < MICRO for one in found),
        **_told("gain", trend), "proposals": len(moved),
        "median_move": median(size for _, size in moved) if moved else None,
        **_told("move", settings),
    }  # fmt: skip
    return Measured(
        name=name,
        title=title,
        sentence=_sentence([one.relative for one in found], early, late, trend),
        values=values,
        table=Table(columns=("experiment", "gain"),
                    rows=tuple((one.place + 1, one.relative) for one in found)),
        notes=tuple(_notes(trend, settings, moved)),
    )  # fmt: skip


def _sentence(
    found: Sequence[float],
    early: Sequence[float],
    late: Sequence[float],
    trend: Correlation | None,
) -> str:
    if not found:
        return "Nothing improved on the first result."
    halves = [
        f"{percent(median(part))} in the {word} half"
        for part, word in ((early, "first"), (late, "second")) if part
    ]  # fmt: skip
    typically = ", typically" if len(found) > 1 else ""
    text = f"{count(len(found), 'improvement')} of the running best{typically} by"
    text += f" {' and '.join(halves)} of the campaign"
    if trend is None or trend.low is None:
        return f"{text}; too few for a trend."
    return f"{text}; size against time: rank correlation {number(trend.r)}" + (
        f" ({span(trend.low, trend.high)}, n = {trend.n})."
    )


def _notes(
    trend: Correlation | None, settings: Correlation | None, moved: Sequence[tuple[int, float]]
) -> list[str]:
    found = [
        IMPROVEMENT,
        "later gains have less left to gain: small steps are no fault by themselves",
    ]
    if trend is None:
        found.append(f"a trend of gains takes {LEAST} of them that differ")
    if not moved:
        found.append("no two experiments have configurations: steps of settings are not known")
    elif settings is not None and settings.low is not None:
        found.append(
            f"steps of settings against time: rank correlation {number(settings.r)}"
            f" ({span(settings.low, settings.high)}, n = {settings.n})"
        )
    return found


def _told(word: str, trend: Correlation | None) -> dict[str, Cell]:
    known = trend is not None and trend.low is not None
    return {
        f"{word}_trend": trend.r if trend and known else None,
        f"{word}_trend_low": trend.low if trend and known else None,
        f"{word}_trend_high": trend.high if trend and known else None,
        f"{word}_trend_n": trend.n if trend else 0,
    }


def _trend(found: Sequence[tuple[int, float]]) -> Correlation | None:
    if len(found) < LEAST:
        return None
    return correlation(
        [float(rank) for rank in ranked([float(place) for place, _ in found])],
        [float(rank) for rank in ranked([size for _, size in found])],
    )


def moves(campaign: Campaign) -> list[tuple[int, float]]:
    """Return each proposal's place and how far its settings are from what it was built on.

    That is its parent, where the log names it, else the best of its time. Baselines, replicates,
    and what has nothing to be held against are left out.
    """
    went = progress(campaign)
    rows = campaign.experiments
    own = [settings_of(one) for one in rows]
    scales = scales_of([one for one in own if one])
    named = {one.label: place for place, one in enumerate(rows) if one.label}
    best: dict[str | None, int] = {}
    found = []
    for place, one in enumerate(rows):
        base = named.get(one.extra.get("parent", ""), best.get(one.task))
        if base is not None and base != place and own[place] and own[base] and not planned(one):
            found.append((place, _apart(own[place], own[base], scales)))
        if went is not None and went.improved[place]:
            best[one.task] = place
    return found


def _apart(
    one: Mapping[str, Scalar], other: Mapping[str, Scalar], scales: Mapping[str, Scale]
) -> float:
    """The mean difference over the settings that either has and the campaign varies."""
    keys = one.keys() | other.keys()
    total = 0.0
    for key in sorted(keys):
        if key not in one or key not in other:
            total += 1.0
        elif key in scales:
            total += abs(scales[key](one[key]) - scales[key](other[key]))
        else:
            total += float(one[key] != other[key])
    return total / max(1, len(keys))
