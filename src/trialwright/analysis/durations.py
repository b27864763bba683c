"""How long runs take, as a function of the configuration: what is known, and how surely. Pure.

The logarithm of the seconds, linear in the parameters and their squares, with conjugate priors
(Bishop 2006, section 3.3; the weight of the prior by evidence). It knows nothing of results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.features import Features
from trialwright.space import Configuration, Space

Array = NDArray[np.float64]

WEIGHTS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Of the prior on every slope, among which the evidence chooses."""

BEYOND = 3.0
"""Times the longest run, and the shortest, to which an extrapolation is held."""

_SHAPE, _RATE = 1.0, 0.05
"""Of the inverse gamma prior on the scatter: about a fifth, worth two runs."""


@dataclass(frozen=True, slots=True)
class Pace:
    """One possible truth about how long runs take."""

    durations: Durations
    slopes: Array
    scatter: float

    def seconds(self, configuration: Configuration, rng: np.random.Generator) -> float:
        """Draw how long one run takes."""
        row = self.durations.rows([configuration])[0]
        expected = float(row @ self.slopes)
        low, high = self.durations.ends
        return float(np.clip(np.exp(expected + self.scatter * rng.normal()), low, high))


@dataclass(frozen=True, slots=True)
class Durations:
    """What is known of how long runs take; `Durations.fitted` makes one.

    >>> from trialwright.space import Float
    >>> space, rng = Space((Float("x", 0.0, 1.0),)), np.random.default_rng(0)
    >>> runs = [{"x": x / 20} for x in range(21)]
    >>> found = Durations.fitted(space, runs, [60 * 4 ** run["x"] for run in runs])
    >>> bool(110 < np.median([found.draw(rng).seconds({"x": 0.5}, rng) for _ in range(99)]) < 131)
    True
    """

    features: Features
    mean: Array
    """Of intercept and slopes, shape (k,)."""
    precision: Array
    """Shape (k, k), in units of the scatter."""
    shape: float
    rate: float
    """Of the scatter's inverse gamma distribution."""
    ends: tuple[float, float]
    """Seconds between which a run is held to lie."""

    @staticmethod
    def fitted(
        space: Space, configurations: Sequence[Configuration], seconds: Sequence[float]
    ) -> Durations:
        """Fit to at least one run that ended well, with the seconds that it took."""
        assert len(configurations) == len(seconds) > 0
        features = Features(space)
        rows = _rows(features, configurations)
        logs = np.log(np.maximum(np.asarray(seconds, dtype=np.float64), 1e-6))
        ends = (float(min(seconds)) / BEYOND, float(max(seconds)) * BEYOND)
        fits = [_posterior(rows, logs, weight) for weight in WEIGHTS]
        _, mean, precision, rate = max(fits, key=lambda fit: fit[0])
        return Durations(features, mean, precision, _SHAPE + len(logs) / 2, rate, ends)

    def draw(self, rng: np.random.Generator, *, side: int = 1) -> Pace:
        """Draw one possible truth: slopes and scatter, as uncertain as they are.

        `side` -1 is the truth as far on the other side of what is likeliest; 0 the likeliest.
        """
        scatter = float(np.sqrt(self.rate / rng.gamma(self.shape)))
        lower = np.linalg.cholesky(self.precision)
        apart = np.linalg.solve(lower.T, rng.normal(size=len(self.mean)))
        if not side:
            return Pace(self, self.mean, float(np.sqrt(self.rate / self.shape)))
        return Pace(self, self.mean + side * scatter * apart, scatter)

    def rows(self, configurations: Sequence[Configuration]) -> Array:
        """Place configurations as the regression sees them, shape (n, k)."""
        return _rows(self.features, configurations)


def _rows(features: Features, configurations: Sequence[Configuration]) -> Array:
    points = features.of(configurations)
    columns = [np.ones(len(points))]
    for column, unordered in enumerate(features.unordered):
        place = points[:, column]
        if unordered:
            options = features.space.parameters[column].count or 0
            codes = [(option + 0.5) / options for option in range(options)]
            columns += [(np.abs(place - code) < 1e-9).astype(np.float64) for code in codes]
        else:
            columns += [place - 0.5, (place - 0.5) ** 2 - 1 / 12]
    return np.stack(columns, axis=1)


def _posterior(rows: Array, logs: Array, weight: float) -> tuple[float, Array, Array, float]:
    """Return log evidence, mean, precision and rate under a prior of that weight."""
    prior = np.full(rows.shape[1], weight)
    # Where the times lie is not known beforehand; slopes are around nothing.
    prior[0] = 1e-6
    precision = rows.T @ rows + np.diag(prior)
    mean = np.asarray(np.linalg.solve(precision, rows.T @ logs))
    rest = float(np.sum((logs - rows @ mean) ** 2) + np.sum(prior * mean**2))
    rate = _RATE + rest / 2
    _, volume = np.linalg.slogdet(precision)
    shape = _SHAPE + len(logs) / 2
    evidence = 0.5 * (float(np.sum(np.log(prior))) - float(volume)) - shape * math.log(rate)
    return evidence, mean, precision, rate
