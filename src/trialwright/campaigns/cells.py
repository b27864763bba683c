"""Numbers as agents write them in tables: with emphasis, units, commas, or a word instead."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from trialwright.campaigns.vocabulary import words

MISSING = words(
    "- -- --- – — n/a na n.a. nan none null nil ? . x inf -inf +inf infinity crash crashed fail"
    " failed failure error err oom diverged divergence timeout pending tbd skip skipped"
    " 失败 崩溃 无"
) | {""}
"""Cells that stand for no number, in lower case."""

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(_NUMBER + "%?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_SPREAD = re.compile(rf"({_NUMBER})\s*(?:±|\+/-|\+-)\s*{_NUMBER}")
_CHANGE = re.compile(rf"{_NUMBER}\s*(?:→|->|=>)\s*({_NUMBER})")
_DRESSED = re.compile(
    rf"[*`~≈=\s]*({_NUMBER})\s*(?:%|[A-Za-zµ]+(?:/[a-z]+)?)?\s*(?:\([^)]*\))?[*`\s✓✔★⭐!]*"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A cell that holds a number, or a word for none."""

    value: float | None
    repair: str = ""
    """How it was read, where it is not plainly a number."""


# A column is read once to see what it is for, and once for what stands in it.
@lru_cache(maxsize=65_536)
def reading(text: str) -> Reading | None:
    """Read a cell; None if it is neither a number nor a word for none.

    >>> reading("0.9979"), reading("n/a"), reading("spsa")
    (Reading(value=0.9979, repair=''), Reading(value=None, repair=''), None)
    >>> reading("1,024.5")
    Reading(value=1024.5, repair="'1,024.5' read as 1024.5")
    """
    text = text.strip()
    if text.casefold() in MISSING:
        return Reading(None)
    if _PLAIN.fullmatch(text):
        return Reading(_finite(float(text.rstrip("%"))))
    value = _repaired(text)
    return None if value is None else Reading(_finite(value), f"{text!r} read as {value:g}")


def _repaired(text: str) -> float | None:
    if _THOUSANDS.fullmatch(text):
        return float(text.replace(",", ""))
    if _COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    for pattern in (_SPREAD, _CHANGE, _DRESSED):
        found = pattern.fullmatch(text)
        if found:
            return float(found[1])
    return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def named(metric: str, text: str) -> float | None:
    """Return the number that a text gives for a metric; None if it gives none.

    >>> named("val_bpb", "wider MLP: val_bpb 2.14→1.83 (big win)")
    1.83
    """
    name = re.escape(metric).replace("_", "[_ ]")
    found = re.search(
        rf"(?<!\w){name}\s*[:=]?\s*({_NUMBER})(?:\s*(?:→|->|=>)\s*({_NUMBER}))?(?![\w%])",
        text,
        re.I,
    )
    return _finite(float(found[2] or found[1])) if found else None
