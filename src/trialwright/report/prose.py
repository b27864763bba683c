"""Prose that a model wrote about a study, held against the record number by number.

A model may phrase and connect; it may not measure. A number that the record does not bear out is
struck out, and counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trialwright.history import History

NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-+\u2212]?)(?P<digits>\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?|\.\d+)"
    r"(?P<percent>\s?%)?(?![\w])"
)
"""A number as people write one; not the digits of a name such as `resnet18`."""

_ORDINAL = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
"""The number of an item in a list."""

STRUCK = "[unsupported number]"
"""What stands in the place of a number that the record does not bear out."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Prose that says no number of its own."""

    text: str
    struck: tuple[str, ...]
    """The numbers that were taken out, in their order."""


def check(prose: str, supported: Iterable[float]) -> Checked:
    """Strike every number that no supported one rounds to.

    The supported ones count as they are, as percentages, and without their sign, since prose says
    "0.1 lower".

    >>> check("It rose to 0.939, a gain of 14 %, more than 0.99.", [0.9394, 0.139]).text
    'It rose to 0.939, a gain of 14 %, more than [unsupported number].'
    """
    known = [abs(number) for number in supported if math.isfinite(number)]
    listed = {match.start() + _leading(match[0]) for match in _ORDINAL.finditer(prose)}
    struck: list[str] = []

    def held(match: re.Match[str]) -> str:
        if match.start() in listed or _bears_out(match, known):
            return match[0]
        struck.append(match[0])
        return STRUCK

    return Checked(NUMBER.sub(held, prose), tuple(struck))


def numbers(history: History, facts: str) -> list[float]:
    """Return every number that prose about a study may say: the record's, and those of `facts`."""
    found = [float(match["digits"].replace(",", "")) for match in NUMBER.finditer(facts)]
    found += [value / 100 for value in found if value <= 100]
    found += [float(trial.number) for trial in history.trials]
    found.append(float(len(history.trials)))
    for trial in history.trials:
        found += _of(trial.configuration)
        if trial.value is not None:
            found.append(trial.value)
        for run in trial.runs:
            if run.observation is not None:
                found += [run.observation.seconds, *_of(run.observation.metrics)]
                found += [*run.observation.curve.steps]
                for series in run.observation.curve.series.values():
                    found += [value for value in series if value is not None]
    return found


def _of(values: Mapping[str, object]) -> Iterator[float]:
    for value in values.values():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield float(value)


def _bears_out(match: re.Match[str], known: Iterable[float]) -> bool:
    text = match["digits"].replace(",", "")
    said = float(text)
    mantissa, _, exponent = text.lower().partition("e")
    if not math.isfinite(said) or abs(int(exponent or 0)) > 300:
        return False
    decimals = len(mantissa.partition(".")[2])
    # Half a unit of the last digit that was said, and a little for binary fractions.
    reach = 0.5 * 10.0 ** (int(exponent or 0) - decimals) * (1 + 1e-9)
    scales = (1.0, 100.0) if match["percent"] else (1.0,)
    return any(abs(said - scale * number) <= reach for number in known for scale in scales)


def _leading(text: str) -> int:
    return len(text) - len(text.lstrip())
