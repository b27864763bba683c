"""Curves through the running best of a search: power law, logarithm, exponential, constant.

Values are turned so that larger is better: the power law is a - b N^-c. Knows no campaign.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

Array = NDArray[np.float64]
Law = Literal["power", "logarithm", "exponential", "constant"]
Interval = tuple[float | None, float | None]
"""None: open, the data set no limit there."""

LEVEL = 0.95
FLAT = 1e-3
"""c ln N below which N^-c can't be told from a straight line in log N: where c is called 0."""
STEEPEST = 10.0
GRID = 200
"""Rates that are tried, and again where the interval is."""
WIDEST = 1e4
"""Times the range of the running best: a limit further off is none."""
PARAMETERS: dict[Law, int] = {"power": 3, "logarithm": 2, "exponential": 3, "constant": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A law fitted by least squares to a running best, larger being better."""

    law: Law
    a: float
    """Where it goes for ever more trials; of the logarithm and the constant, its value at N = 1."""
    b: float = 0.0
    """How far below `a` it begins; of the logarithm, the gain for each e-fold of trials."""
    c: float = 0.0
    """The power, or the exponential's rate per trial."""
    r2: float
    aicc: float
    """Akaike's criterion for small samples, of as many observations as there are steps; infinite
    where they are too few for the law."""
    at_bound: bool = False
    """Whether `a` would be beyond what the metric can be."""
    flat: bool = False
    """Whether `c` went to 0: the best power law is a logarithm."""
    a_interval: Interval = (None, None)
    b_interval: Interval = (None, None)
    c_interval: Interval = (None, None)
    band_of: tuple[tuple[float, float, float], ...] = ()
    """The a, b, c of the curves that the interval of `c` allows."""

    def at(self, n: Array) -> Array:
        """Return the law's values at numbers of trials, shape (n,)."""
        return _curve(self.law, n, (self.a, self.b, self.c))

    def band(self, n: Array) -> tuple[Array, Array]:
        """Return the lowest and the highest of the curves that `c`'s interval allows, at n."""
        curves = [_curve(self.law, n, one) for one in self.band_of] or [self.at(n)]
        return np.min(curves, axis=0), np.max(curves, axis=0)


def _curve(law: Law, n: Array, parameters: tuple[float, float, float]) -> Array:
    a, b, c = parameters
    match law:
        case "power":
            return np.asarray(a - b * n**-c)
        case "exponential":
            return np.asarray(a - b * np.exp(-c * (n - 1)))
        case "logarithm":
            return np.asarray(a + b * np.log(n))
    return np.full(len(n), a)


def steps_of(best: Array) -> int:
    """Return how many values a running best takes: what it tells, it tells in so many steps."""
    return 1 + int(np.count_nonzero(np.diff(best)))


def fit(law: Law, n: Array, best: Array, *, bound: float = math.inf) -> Fit:
    """Fit a law to the running best `best` after `n` trials, both of shape (k,), k >= 2.

    Least squares over all trials. `bound` is the most that `a` may be. What follows from the fit
    (intervals by the profile likelihood, AICc) counts the steps of the running best as the number
    of observations, not the trials: between two improvements it repeats itself.
    """
    if law in ("power", "exponential"):
        return _decaying(law, n, best, bound=bound)
    design = np.ones((len(n), 1)) if law == "constant" else np.stack([n**0, np.log(n)], axis=1)
    found = np.linalg.lstsq(design, best, rcond=None)[0]
    error = float(np.sum((best - design @ found) ** 2))
    return Fit(
        law=law,
        a=float(found[0]),
        b=float(found[1]) if law == "logarithm" else 0.0,
        r2=_r2(error, best),
        aicc=_aicc(error, len(best), steps_of(best), PARAMETERS[law]),
    )


def _r2(error: float, best: Array) -> float:
    total = float(np.sum((best - best.mean()) ** 2))
    return 1 - error / total if total > 0 else 1.0


def _aicc(error: float, n: int, steps: int, parameters: int) -> float:
    k = parameters + 1
    if steps <= k + 1:
        return math.inf
    spread = max(error / n, 1e-300)
    return steps * math.log(spread) + 2 * k + 2 * k * (k + 1) / (steps - k - 1)


def _decaying(law: Law, n: Array, best: Array, *, bound: float) -> Fit:
    scale = np.log(n) if law == "power" else n - 1
    least = FLAT / max(float(scale[-1]), FLAT)
    coarse = np.geomspace(least, STEEPEST, GRID)
    rough = _Profile(scale, best, coarse, bound)
    steps = steps_of(best)
    degrees = steps - PARAMETERS[law]
    more = 1 + float(fdtri(1, degrees, LEVEL)) / degrees if degrees > 0 else 1.0
    first, last = _outer(rough.errors <= rough.errors.min() * more)
    # Once more, only where the interval is.
    rates = np.geomspace(coarse[max(first - 1, 0)], coarse[min(last + 1, GRID - 1)], GRID)
    profile = _Profile(scale, best, rates, bound)
    at = int(np.argmin(profile.errors))
    error = float(profile.errors[at])
    found = Fit(
        law=law,
        a=float(profile.a[at]),
        b=float(profile.b[at]),
        c=float(rates[at]),
        r2=_r2(error, best),
        aicc=_aicc(error, len(best), steps, PARAMETERS[law]),
        at_bound=rough.beyond,
        flat=float(rates[at]) <= least,
    )
    if degrees < 1:
        return found
    inside = profile.errors <= error * more
    low, high = _outer(inside)
    open_low, open_high = bool(inside[0]) and first == 0, bool(inside[-1]) and last == GRID - 1
    curves = np.stack([profile.a, profile.b, rates], axis=1)[inside][:: GRID // 40]
    return replace(
        found,
        a_interval=profile.of_a(error * more, found.a, open_high=open_low),
        b_interval=profile.of_b(error * more, found.b, open_high=open_low),
        c_interval=(
            None if open_low else float(rates[low]),
            None if open_high else float(rates[high]),
        ),
        band_of=tuple((float(a), float(b), float(c)) for a, b, c in curves),
    )


def _outer(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """The first and the last place that are inside."""
    places = np.flatnonzero(inside)
    return int(places[0]), int(places[-1])


def _end(inside: Callable[[float], bool], found: float, step: float) -> float | None:
    """How far from `found` in the direction of `step` it is still inside; None if without end."""
    near, far = found, found + step
    while inside(far):
        if abs(far - found) > WIDEST * abs(step):
            return None
        near, far = far, found + 2 * (far - found)
    for _ in range(40):
        middle = (near + far) / 2
        near, far = (middle, far) if inside(middle) else (near, middle)
    return near


class _Profile:
    """Squared errors of a - b exp(-rate scale) for each rate, with the best a and b for it."""

    def __init__(self, scale: Array, best: Array, rates: Array, bound: float) -> None:
        self.n, self.mean = len(best), float(best.mean())
        self.bound, self.bounded = bound, math.isfinite(bound)
        self.range = float(np.ptp(best)) or 1.0
        shapes = np.exp(-rates[:, None] * scale)
        self.middle = shapes.mean(axis=1)
        shapes -= self.middle[:, None]
        self.square = np.maximum(np.sum(shapes**2, axis=1), 1e-300)
        self.product = shapes @ (best - self.mean)
        self.total = float(np.sum((best - self.mean) ** 2))
        self.b = np.maximum(-self.product / self.square, 0.0)
        self.a = self.mean + self.b * self.middle
        over = self.a > bound
        # Without the bound, which errors would be least, and would its a be beyond?
        freely = self.total + self.b * self.product
        self.beyond = bool(over[int(np.argmin(freely))])
        self.b = np.where(over, self.best_b(np.array(bound if self.bounded else 0.0)), self.b)
        self.a = np.where(over, bound, self.a)
        self.errors = self.error(self.a, self.b)

    def error(self, a: Array, b: Array) -> Array:
        """The squares left over, for as many a and b as there are rates, or shapes that spread."""
        lift = a - self.mean - b * self.middle
        left = self.total + self.n * lift**2 + b**2 * self.square + 2 * b * self.product
        return np.asarray(np.maximum(left, 0.0))

    def best_b(self, a: Array) -> Array:
        """The best b of each rate for a given a, not below 0."""
        above = self.n * (a - self.mean) * self.middle - self.product
        return np.asarray(np.maximum(above / (self.n * self.middle**2 + self.square), 0.0))

    def of_a(self, limit: float, found: float, *, open_high: bool) -> Interval:
        """The interval of a: those for which some b and rate leave no more than the limit."""

        def inside(a: float) -> bool:
            place = np.array(a)
            return bool(self.error(place, self.best_b(place)).min() <= limit)

        low = _end(inside, found, -self.range / 10)
        if self.bounded and inside(self.bound):
            return low, self.bound
        # What ends only where rates do has no end.
        return low, None if open_high else _end(inside, found, self.range / 10)

    def of_b(self, limit: float, found: float, *, open_high: bool) -> Interval:
        """The interval of b, likewise; not below 0."""

        def inside(b: float) -> bool:
            start = np.array(max(b, 0.0))
            a = np.minimum(self.mean + start * self.middle, self.bound)
            return b >= 0 and bool(self.error(a, start).min() <= limit)

        low = _end(inside, found, -self.range / 10)
        free = open_high and not self.bounded
        return low, None if free else _end(inside, found, self.range / 10)
