"""Two trials seed by seed: the difference on the seeds that both have, and how sure it is. Pure.

What a seed brings to both trials alike cancels. Nothing is judged by it: verdicts are `compare`'s,
over the objective that decides. This says what a reader could work out from the seeds by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtrit

from trialwright.expression import Scalar
from trialwright.history import Trial
from trialwright.robust import deviation, mean

LEVEL = 0.95
"""Of the interval of a mean difference."""

LIKELY = 0.75
"""Half widths of its interval from which on a gain is likely: 94 %, one-sided, for six seeds."""

FEWEST = 3
"""Common seeds below which an interval would say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One trial against another, over the seeds that both have."""

    trial: int
    against: int
    difference: float
    """The mean difference; positive means better, whichever way the metric points."""
    interval: tuple[float, float] | None
    """Of the mean difference, by Student's distribution; None of fewer than `FEWEST` seeds."""
    seeds: int
    wins: int
    """Seeds on which the trial is better."""

    @property
    def told(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    @property
    def gained(self) -> bool:
        """Whether the trial is better as far as its interval tells."""
        return self.interval is not None and self.interval[0] > 0

    @property
    def likely(self) -> bool:
        """Whether the trial is better with some likelihood, which its interval may not bear out."""
        return self.difference > 0 and self.weight >= LIKELY

    @property
    def weight(self) -> float:
        """How far the difference is from 0, in half widths of its interval; 0 without one."""
        if self.interval is None:
            return 0.0
        half = (self.interval[1] - self.interval[0]) / 2
        return abs(self.difference) / half if half else math.inf


def paired(trial: Trial, against: Trial, *, sign: int) -> Paired | None:
    """Compare two trials of one code version seed by seed; None where they share no seed.

    `sign` is that of the objective. With n common seeds, mean difference d and standard deviation
    s of the differences, the interval is d +- t(n - 1) s / sqrt(n).
    """
    ours, theirs = trial.values, against.values
    common = sorted(ours.keys() & theirs.keys())
    if not common or trial.code != against.code:
        return None
    apart = [sign * (ours[seed] - theirs[seed]) for seed in common]
    interval, centre = None, mean(apart)
    if len(apart) >= FEWEST:
        quantile = float(stdtrit(len(apart) - 1, (1 + LEVEL) / 2))
        half = quantile * deviation(apart) / math.sqrt(len(apart))
        interval = centre - half, centre + half
    return Paired(
        trial=trial.number,
        against=against.number,
        difference=centre,
        interval=interval,
        seeds=len(apart),
        wins=sum(difference > 0 for difference in apart),
    )


def differing(trial: Trial, against: Trial) -> tuple[str, ...]:
    """Return the parameters in which two trials differ, in the order of the first."""
    ours, theirs = trial.configuration, against.configuration
    return tuple(
        name
        for name in dict.fromkeys((*ours, *theirs))
        if (name in ours) != (name in theirs) or not same(ours[name], theirs[name])
    )


def same(left: Scalar, right: Scalar) -> bool:
    """Say whether two values of a parameter are one; true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right
