"""What mattered, parameter by parameter: what can be told, and in one line what can't."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trialwright.analysis.importance import Influence
from trialwright.report import words
from trialwright.report.asked import Point


def mattered(influences: Sequence[Influence]) -> tuple[Point, ...]:
    """Return a sentence for each parameter that can be told of, and one for each kind of rest."""
    return tuple(_mattered(influences))


def _mattered(influences: Sequence[Influence]) -> Iterator[Point]:
    for one in influences:
        if one.told:
            yield one.parameter, one.sentence
    rest = [one for one in influences if one.varied and not one.told]
    little = [one for one in rest if one.little]
    if little:
        most = max(one.high for one in little)
        yield "Hardly matter", f"At most {most:.0%} of the variation each: {_names(little)}."
    unknown = [one for one in rest if not one.little]
    if unknown:
        yield "Can't be told from chance with these trials", f"{_names(unknown)}."
    still = [one for one in influences if not one.varied]
    if still:
        yield "Never varied, so unknown", f"{_names(still)}."


def _names(influences: Sequence[Influence]) -> str:
    names = [one.parameter for one in influences]
    return words.listed(names, most=len(names))
