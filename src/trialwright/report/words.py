"""Values in words, the same in every view: numbers, times, sizes, changes, counts.

It also makes text from outside (rationales, logs) safe to show at all: without control characters,
which could rewrite a terminal or reverse a line. Escaping for HTML or Markdown is the renderers'.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialwright.analysis.compare import shift
from trialwright.expression import Scalar
from trialwright.records import Analysis
from trialwright.task import Task

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_MORE = "…"
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A parameter that two configurations differ in; an absent value is None in words."""

    parameter: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.parameter} = {self.after}"
        if self.after is None:
            return f"{self.parameter} dropped (was {self.before})"
        return f"{self.parameter} {self.before} → {self.after}"


def plain(text: str, *, most: int | None = None) -> str:
    r"""Return text without escape sequences and control or direction characters, cut at `most`.

    >>> plain("\x1b[31mred\x1b[0m\x07 text", most=7)
    'red te…'
    """
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs")
    )
    return text if most is None or len(text) <= most else text[: max(most - 1, 0)] + _MORE


def line(text: str, *, most: int | None = None) -> str:
    """Return text as one line: `plain`, with every run of white space as one blank."""
    return plain(" ".join(plain(text).split()), most=most)


def sentence(text: str, *, most: int | None = None) -> str:
    """Return text as a sentence on one line: with a capital, and a full stop at its end.

    >>> sentence("the loss is NaN: lower the rate")
    'The loss is NaN: lower the rate.'
    """
    said = line(text, most=most)
    end = "" if not said or said.endswith((".", "!", "?", _MORE)) else "."
    return said[:1].upper() + said[1:] + end


def claimed(claim: str) -> str:
    """Return a claim as it stands before a colon and its status: without its own full stop.

    >>> claimed("Depth helps.")
    'Depth helps'
    """
    return line(claim).rstrip(".:; ")


def value(scalar: Scalar) -> str:
    """Write a parameter's value: four significant digits, names as they are.

    >>> value(0.00316228), value(True), value(None), value("adam")
    ('0.003162', 'true', 'null', 'adam')
    """
    match scalar:
        case None:
            return "null"
        case bool():
            return str(scalar).lower()
        case float():
            return f"{scalar:.4g}"
        case str():
            return line(scalar, most=60)
    return str(scalar)


def number(metric: float | None) -> str:
    """Write a metric: five significant digits, a dash for none."""
    return "–" if metric is None else f"{metric:.5g}"


def probability(chance: float) -> str:
    """Write a probability, never as certain.

    >>> probability(0.9999), probability(0.734)
    ('over 0.999', '0.73')
    """
    if chance > 0.999:
        return "over 0.999"
    return f"{chance:.3f}" if chance >= 0.95 else f"{chance:.2f}"


def moved(difference: float, *, sign: int, than: str) -> str:
    """Say a difference as the metric shows it, and whether it is for the better.

    `difference` is positive where it is; `sign` is that of the objective.

    >>> moved(0.12, sign=-1, than="trial 3"), moved(0.0, sign=1, than="trial 3")
    ('0.12 lower (better) than trial 3', 'no different from trial 3')
    """
    said = shift(difference, sign=sign)
    if difference == 0:
        return f"{said} from {than}"
    return f"{said} ({'better' if difference > 0 else 'worse'}) than {than}"


def seconds(duration: float) -> str:
    """Write a duration in seconds as people say it.

    >>> seconds(0.25), seconds(75), seconds(7260)
    ('0.2 s', '1 min 15 s', '2 h 1 min')
    """
    if duration < 10:
        return f"{duration:.1f} s"
    whole = round(duration)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    hours, minutes = divmod(round(duration / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(count: int) -> str:
    """Write a number of bytes in binary units."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def goals(task: Task) -> str:
    """Say what is asked for, the objective that decides first."""
    return ", ".join(f"{one.direction} {line(one.metric)}" for one in task.goals)


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: `1 trial`, `3 trials`."""
    return f"{amount} {noun if amount == 1 else plural or noun + 's'}"


def listed(items: Sequence[object], *, most: int = 6) -> str:
    """Join items as in a sentence; of many, the first few and how many more.

    >>> listed([1, 2, 3]), listed(range(9), most=3)
    ('1, 2 and 3', '0, 1, 2 and 6 more')
    """
    words = [str(item) for item in items]
    if len(words) > most + 1:
        return ", ".join(words[:most]) + f" and {len(words) - most} more"
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def configuration(values: Mapping[str, Scalar]) -> str:
    """Write a configuration on one line."""
    return ", ".join(f"{name} = {value(scalar)}" for name, scalar in values.items())


def changes(before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> tuple[Change, ...]:
    """Return what differs from `before` to `after`, in the order of `after`."""
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        Change(
            parameter=name,
            before=value(before[name]) if name in before else None,
            after=value(after[name]) if name in after else None,
        )
        for name in names
        if (name in before) != (name in after) or repr(before[name]) != repr(after[name])
    )


def sparkline(series: Sequence[float], *, width: int = 24) -> str:
    """Draw finite values as a row of bars, lowest to highest; '' if there are fewer than two."""
    finite = [point for point in series if abs(point) < float("inf")]
    if len(finite) < 2:
        return ""
    if len(finite) > width:
        finite = [finite[round(i * (len(finite) - 1) / (width - 1))] for i in range(width)]
    # As shares of the largest: the difference of two floats may be none.
    scale = max(map(abs, finite)) or 1.0
    finite = [point / scale for point in finite]
    low, high = min(finite), max(finite)
    step = (high - low) / (len(_BARS) - 1) or 1.0
    return "".join(_BARS[round((point - low) / step)] for point in finite)


def held(analysis: Analysis) -> str:
    """Say that a model wrote a text, and what was struck out of it."""
    stem = f"Written by a model after {analysis.trials} trials; its claims were held against the"
    if not analysis.struck:
        return f"{stem} record."
    count = len(analysis.struck)
    many = "thing that it said was" if count == 1 else "things that it said were"
    return f"{stem} record: {count} {many} not borne out, and struck out."
