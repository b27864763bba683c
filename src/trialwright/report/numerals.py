"""Numbers as people write them: what each says, and how far it commits itself.

It knows percent forms, powers of ten, units of time and memory, and small numbers in words. A
number is held against another at the digits at which it was written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

_SCALES = {
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "ms": 1e-3,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
}

_UNIT = (
    r"(?:(?P<suffix>[kKMx\u00d7])"
    r"|\s?(?P<unit>ms|s|secs?|seconds?|min|minutes?|h|hours?|[KMG]i?B))?"
)

NUMBER = re.compile(
    r"(?<![\w.])(?P<written>(?P<sign>[-+\u2212]?)"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+\u2212]?\d+)?|\.\d+)"
    r"(?P<power>(?:\s?[x\u00d7\u00b7]\s?10)?\s?\^\s?\(?[-+\u2212]?\d{1,3}\)?)?"
    rf"(?P<percent>\s?%|\s(?:percent|per\scent)\b)?){_UNIT}(?!\w)"
)
"""A number with what belongs to it; not the digits of a name such as `resnet18`."""

_TWO_PARTS = re.compile(
    r"(?<![\w.])(?P<written>(?P<large>\d+)\s?(?P<first>h|min)\s(?P<small>\d+)\s?(?P<second>min|s))"
    r"(?!\w)"
)
"""A duration such as 1 min 15 s."""

WORDS = {
    word: number
    for number, word in enumerate(
        [
            "no",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
}
"""Small numbers in words; `none` is said otherwise."""


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in a text."""

    start: int
    end: int
    """Of the number itself, a unit left out."""
    stop: int
    """Of the number with its unit."""
    text: str
    said: float
    """Without its sign, since prose says "0.1 lower"; NaN where it is beyond all floats."""
    reach: float
    """Half a unit of the last digit that was written."""
    negative: bool
    percent: bool
    unit: str

    def says(self, number: float, *, slack: float = 0.0) -> bool:
        """Say whether `number` rounds to this, as it is or, with a percent sign, as a share."""
        scales = (1.0, 100.0) if self.percent else (1.0,)
        reach = self.reach + slack
        return any(abs(self.said - abs(scale * number)) <= reach for scale in scales)

    def among(self, numbers: Iterable[float]) -> bool:
        """Say whether any of `numbers` rounds to this."""
        return any(self.says(number) for number in numbers)

    @property
    def whole(self) -> int | None:
        """The number as a count; None if it can't be one."""
        bare = not self.percent and not self.unit and self.said == self.said // 1
        return int(self.said) if bare and "." not in self.text else None


def numerals(text: str) -> list[Numeral]:
    """Return the numbers of a text in their order.

    >>> [(n.text, n.said) for n in numerals("3 % in 1 min 15 s at 2 x 10^-3, not resnet18")]
    [('3 %', 3.0), ('1 min 15 s', 75.0), ('2 x 10^-3', 0.002)]
    """
    found = [_duration(match) for match in _TWO_PARTS.finditer(text)]
    taken = [(one.start, one.end) for one in found]
    found += [
        _numeral(match)
        for match in NUMBER.finditer(text)
        if not any(start <= match.start() < end for start, end in taken)
    ]
    return sorted(found, key=lambda one: one.start)


def _numeral(match: re.Match[str]) -> Numeral:
    digits = match["digits"].replace(",", "").replace("\u2212", "-").lower()
    mantissa, _, exponent = digits.partition("e")
    power, bare = _power(match["power"] or "")
    shift = int(exponent or 0) + power
    if bare:  # 10^-3 is a power alone; of other bases nothing is known
        mantissa, shift = ("1", power) if mantissa == "10" else ("1", 999)
    unit = match["suffix"] or (match["unit"] or "")
    scale = _SCALES.get(unit, _SCALES.get(unit.removesuffix("s"), 1.0))
    within = abs(shift) <= 300
    said = float(f"{mantissa}e{shift}") * scale if within else math.nan
    decimals = len(mantissa.partition(".")[2])
    # A little more, for binary fractions.
    reach = 0.5 * 10.0 ** (shift - decimals) * scale * (1 + 1e-9) if within else 0.0
    return Numeral(
        start=match.start(),
        end=match.end("written"),
        stop=match.end(),
        text=match["written"],
        said=said if math.isfinite(said) else math.nan,
        reach=reach,
        negative=match["sign"] in ("-", "\u2212"),
        percent=bool(match["percent"]),
        unit=unit,
    )


def _power(text: str) -> tuple[int, bool]:
    """Return the exponent of a power of ten, and whether ten is the number itself."""
    if not text:
        return 0, False
    exponent = text.rpartition("^")[2].strip(" ()").replace("\u2212", "-")
    return int(exponent), "10" not in text.partition("^")[0]


def _duration(match: re.Match[str]) -> Numeral:
    unit = 3600.0 if match["first"] == "h" else 60.0
    part = 60.0 if match["second"] == "min" else 1.0
    return Numeral(
        start=match.start(),
        end=match.end(),
        stop=match.end(),
        text=match[0],
        said=float(match["large"]) * unit + float(match["small"]) * part,
        reach=0.5 * part,
        negative=False,
        percent=False,
        unit="s",
    )
