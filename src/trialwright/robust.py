"""How a trial's seeds become one number: the mean, or something that asks for every seed to work.

Pure arithmetic over the values of seeds. Every result points the way of the metric: where larger is
better for the metric, larger is better here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

Kind = Literal["mean", "spread", "worst", "quantile", "success", "cv"]

LARGEST_CV = 1000.0
"""What a mean next to zero makes of a coefficient of variation, at most."""

COLLAPSE = 5.0
"""Deviations below the other seeds at which one has collapsed, whatever it is that seeds share."""

CLEARLY = 4.0
"""How many times less variance differences seed by seed must have: with few seeds, less is luck."""

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
_SPREAD = re.compile(rf"mean ([-+]) {_NUMBER} sd")
_QUANTILE = re.compile(rf"quantile {_NUMBER}")
_SUCCESS = re.compile(rf"success (above|below) {_NUMBER}")
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Robust:
    """What counts of a trial that has several seeds. `sign` is +1 where larger is better.

    `mean`; `spread`: the mean less `amount` standard deviations; `worst` seed; `quantile`: the
    value that a share of `amount` of the seeds falls short of; `success`: the share of seeds beyond
    the threshold `amount`; `cv`: the coefficient of variation.

    >>> Robust(kind="worst").value([0.9, 0.2, 0.8], sign=1)
    0.2
    >>> Robust.parse("mean - 1 sd", sign=1).value([1.0, 3.0], sign=1)
    0.5857864376269049
    """

    kind: Kind = "mean"
    amount: float = 0.0

    @classmethod
    def parse(cls, text: str, *, sign: int) -> Robust:
        """Read what a study file says.

        Raises:
            ValueError: it says nothing known, or points the other way; the message has a remedy.
        """
        text = " ".join(text.split())
        if text in ("mean", "worst", "cv"):
            return cls(kind=text)  # type: ignore[arg-type]  # one of the kinds, as just checked
        if found := _SPREAD.fullmatch(text):
            if (found[1] == "-") != (sign > 0):
                raise ValueError(
                    f"{text!r} rewards seeds that differ: {'larger' if sign > 0 else 'smaller'} is"
                    f" better here, so write mean {'-' if sign > 0 else '+'} {found[2]} sd"
                )
            if float(found[2]) <= 0:
                raise ValueError(f"{text!r} needs a number above 0, such as mean - 1 sd")
            return cls(kind="spread", amount=float(found[2]))
        if found := _QUANTILE.fullmatch(text):
            if not 0 < float(found[1]) < 1:
                raise ValueError(f"{text!r} needs a share between 0 and 1, such as quantile 0.25")
            return cls(kind="quantile", amount=float(found[1]))
        if found := _SUCCESS.fullmatch(text):
            right = "above" if sign > 0 else "below"
            if found[1] != right:
                better = "larger" if sign > 0 else "smaller"
                raise ValueError(
                    f"{text!r} counts seeds that fail: {better} is better here, so write"
                    f" success {right} {found[2]}"
                )
            return cls(kind="success", amount=float(found[2]))
        raise ValueError(
            f"{text!r} is unknown; write mean, mean {'-' if sign > 0 else '+'} 1 sd, worst,"
            f" quantile 0.25, success {'above' if sign > 0 else 'below'} 0.6, or cv (any numbers)"
        )

    @property
    def least(self) -> int:
        """How many seeds it takes to have a value: one seed has no spread."""
        return 2 if self.kind in ("spread", "cv") else 1

    def enough(self, confirm: int | None) -> int | None:
        """Return from how many seeds on different numbers of them can be compared; None: never.

        The worst of many seeds is worse than that of few.
        """
        return None if self.kind == "worst" else confirm

    def text(self, *, sign: int) -> str:
        """Say it as a study file does; `parse` reads it back."""
        match self.kind:
            case "spread":
                return f"mean {'-' if sign > 0 else '+'} {self.amount:g} sd"
            case "quantile":
                return f"quantile {self.amount:g}"
            case "success":
                return f"success {'above' if sign > 0 else 'below'} {self.amount:g}"
        return self.kind

    def called(self, metric: str, *, sign: int) -> str:
        """Name the number that comes out, for a reader.

        Success and variation are turned to point the way of the metric, and are named for it.

        >>> Robust(kind="cv").called("r2", sign=1)
        '1 - cv of r2'
        """
        match self.kind:
            case "mean":
                return metric
            case "success":
                return f"share of seeds with {metric} {'>' if sign > 0 else '>='} {self.amount:g}"
            case "cv":
                return f"{'1 - cv' if sign > 0 else 'cv'} of {metric}"
            case "quantile":
                return f"quantile {self.amount:g} of {metric}"
            case "spread":
                return self.text(sign=sign).replace("mean", f"mean {metric}")
        return f"worst {metric}"

    def value(self, values: Sequence[float], *, sign: int) -> float | None:
        """Return the number that the seeds' values make, shape (n,); None of fewer than `least`."""
        if len(values) < self.least:
            return None
        match self.kind:
            case "mean":
                found = mean(values)
            case "spread":
                found = mean(values) - sign * self.amount * deviation(values)
            case "worst":
                found = sign * min(sign * value for value in values)
            case "quantile":
                found = sign * _quantile(sorted(sign * v for v in values), self.amount)
            case "success":
                beyond = sum(sign * value > sign * self.amount for value in values)
                found = (beyond if sign > 0 else len(values) - beyond) / len(values)
            case "cv":
                found = 1 - _variation(values) if sign > 0 else _variation(values)
        return found

    def error(self, sd: float, *, seeds: int, centre: float = 1.0) -> float:
        """Return the standard error of `value` over `seeds` seeds that scatter by `sd`.

        For seeds that scatter normally: exact for the mean, by the usual expansions for the others
        (Kendall and Stuart, Advanced Theory of Statistics I, 10.10 to 10.13); about right for few
        seeds. `centre` is the mean, for `cv`, and the share itself, for `success`.
        """
        n = max(seeds, 1)
        match self.kind:
            case "spread":
                return sd * math.sqrt(1 / n + self.amount**2 / (2 * max(n - 1, 1)))
            case "worst" | "quantile":
                share = 1 / (n + 1) if self.kind == "worst" else self.amount
                share = min(max(share, 1 / (n + 1)), n / (n + 1))
                density = _NORMAL.pdf(_NORMAL.inv_cdf(share))
                return sd * math.sqrt(share * (1 - share) / n) / density
            case "success":
                # One success and one failure more than seen: else n of n would be certain.
                share = (min(max(centre, 0.0), 1.0) * n + 1) / (n + 2)
                return math.sqrt(share * (1 - share) / n)
            case "cv":
                varied = sd / max(abs(centre), sd / LARGEST_CV) if sd else 0.0
                return varied * math.sqrt((0.5 + varied**2) / max(n - 1, 1))
        return sd / math.sqrt(n)


def shared(
    ours: Mapping[int, float],
    theirs: Mapping[int, float],
    enough: int | None,
    *,
    robust: Robust,
    sign: int,
) -> tuple[list[float], list[float]]:
    """Return the values over which two sides are compared, both by seed; empty if there are none.

    Over the seeds that both have: else more seeds for the leader, whose first one was lucky, would
    hand the lead to a trial that it beats seed by seed. Two that have `enough` seeds are past that,
    and all of their seeds count. Not so for means where seeds move both alike, so that differences
    seed by seed say clearly more; but a seed on which a side collapsed, and which the other has not
    run, is never left out. What looks at the spread or at the worst counts all seeds.
    """
    common = sorted(ours.keys() & theirs.keys())
    matched = [ours[seed] for seed in common], [theirs[seed] for seed in common]
    if enough is None or min(len(ours), len(theirs)) < enough:
        return matched
    every = [ours[seed] for seed in sorted(ours)], [theirs[seed] for seed in sorted(theirs)]
    if robust.kind != "mean" or not _alike(matched, every):
        return every
    further = [[side[seed] for seed in side if seed not in common] for side in (ours, theirs)]
    collapsed = any(
        _collapsed(seen, rest, sign) for seen, rest in zip(matched, further, strict=True)
    )
    return every if collapsed else matched


def _alike(matched: Sequence[Sequence[float]], every: Sequence[Sequence[float]]) -> bool:
    """Whether seeds move both sides alike: differences seed by seed scatter clearly less."""
    apart = [a - b for a, b in zip(*matched, strict=True)]
    by_seed = deviation(apart) ** 2 / len(apart) if len(apart) >= 2 else math.inf
    by_side = sum(deviation(side) ** 2 / len(side) for side in every)
    return by_side > 0 and by_seed < by_side / CLEARLY


def _collapsed(seen: Sequence[float], further: Sequence[float], sign: int) -> bool:
    """Whether a further seed is worse than all `COLLAPSE` deviations of those seen allow."""
    if not further:
        return False
    least = sign * mean(seen) - COLLAPSE * deviation(seen)
    return min(sign * value for value in further) < least


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of values as a sample of more; 0 of a single one."""
    if len(values) < 2:
        return 0.0
    centre = mean(values)
    return math.sqrt(math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1))


def _variation(values: Sequence[float]) -> float:
    sd, centre = deviation(values), abs(mean(values))
    if sd == 0:
        return 0.0
    return min(sd / centre, LARGEST_CV) if centre else LARGEST_CV


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest values, as NumPy does by default."""
    at = share * (len(ordered) - 1)
    low = min(int(at), len(ordered) - 1)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])
