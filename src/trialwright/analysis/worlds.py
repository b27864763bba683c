"""Landscapes that a study's results leave possible: draws from what the surrogate believes. Pure.

A draw is a function over the whole space: random Fourier features for the prior, corrected by what
was seen (Wilson et al., arXiv 2002.09309, eq. 13).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from trialwright.analysis.surrogate import Surrogate
from trialwright.space import Configuration, Space

Array = NDArray[np.float64]

WAVES = 600
"""Fourier features of a draw: they err by about a twenty-fifth of the signal's deviation."""

LOOKED_AT = 1500
"""Configurations among which the best of a landscape is looked for at first."""

ROUNDS, CLIMBERS, NEARBY = 4, 4, 60
"""How often the best are varied, how many of them, and variations of each."""

_OFFSET = 0.5
"""Variance of the mean, as the surrogate has it."""
_FREEDOM = 5
"""Degrees of freedom of Matern 5/2's spectrum, a multivariate t distribution."""


@dataclass(frozen=True, slots=True)
class World:
    """One landscape that the results leave possible; `drawn` makes one."""

    model: Surrogate
    waves: Array
    phases: Array
    heights: Array
    offset: float
    places: Array
    """Where results were seen, embedded."""
    pull: Array
    """What each of them corrects."""

    def utility(self, configurations: Sequence[Configuration]) -> Array:
        """Return the utility of configurations, without noise, shape (m,)."""
        places = _embedded(self.model, self.model.features.of(configurations))
        return self._prior(places) + _kernel(self.model, places, self.places) @ self.pull

    def value(self, configuration: Configuration) -> float:
        """Return what a configuration is worth, without noise, in the metric's unit."""
        return float(self.model.scale.to_value(self.utility([configuration]))[0])

    def seen(self, configuration: Configuration, rng: np.random.Generator) -> float:
        """Draw what one run of a configuration shows."""
        noise = math.sqrt(self.model.run_noise) * rng.normal()
        return float(self.model.scale.to_value(self.utility([configuration]) + noise)[0])

    def best(
        self, space: Space, tried: Sequence[Configuration], rng: np.random.Generator
    ) -> list[Configuration]:
        """Return the best configurations that a search finds, the best first."""
        found = [*tried, *(space.sample(rng) for _ in range(LOOKED_AT))]
        for turn in range(ROUNDS):
            ranks = np.argsort(-self.utility(found), kind="stable")
            found = [found[rank] for rank in ranks[: CLIMBERS * NEARBY]]
            width = 0.2 / 2**turn
            for one in found[:CLIMBERS]:
                found += varied(space, one, NEARBY, width=width, rng=rng)
        ranks = np.argsort(-self.utility(found), kind="stable")
        return [found[rank] for rank in ranks]

    def _prior(self, places: Array) -> Array:
        waves = np.cos(places @ self.waves + self.phases)
        scale = math.sqrt(2 * self.model.signal / len(self.phases))
        return np.asarray(scale * waves @ self.heights + self.offset)


def drawn(model: Surrogate, rng: np.random.Generator) -> World:
    """Draw a landscape that agrees with what the model has seen, as far as its noise goes.

    >>> from trialwright.analysis.surrogate import Data, fit
    >>> from trialwright.space import Float
    >>> space = Space((Float("x", 0.0, 1.0),))
    >>> points = [{"x": x / 8} for x in range(9)]
    >>> data = Data(configurations=points, values=np.array([-(c["x"] - 0.5) ** 2 for c in points]))
    >>> world = drawn(fit(space, data), np.random.default_rng(0))
    >>> bool(abs(world.value({"x": 0.45}) + 0.0025) < 0.02)
    True
    """
    places = _embedded(model, model.points)
    spectrum = rng.normal(size=(places.shape[1], WAVES))
    waves = spectrum * np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, size=WAVES))
    empty = World(
        model=model,
        waves=waves,
        phases=rng.uniform(0, 2 * math.pi, size=WAVES),
        heights=rng.normal(size=WAVES),
        offset=math.sqrt(_OFFSET) * float(rng.normal()),
        places=places,
        pull=np.zeros(len(places)),
    )
    noise = model.noise + 1e-6
    covariance = _kernel(model, places, places) + np.diag(noise)
    missed = model.targets - empty._prior(places) - np.sqrt(noise) * rng.normal(size=len(places))
    pull = cho_solve(cho_factor(covariance, lower=True), missed)
    return World(model, waves, empty.phases, empty.heights, empty.offset, places, np.asarray(pull))


def varied(
    space: Space, one: Configuration, n: int, *, width: float, rng: np.random.Generator
) -> list[Configuration]:
    """Return up to `n` legal variations of a configuration, by `width` of a parameter's range."""
    start = space.encode([one])[0]
    moved = rng.random((n, len(start))) < max(1.0 / len(start), 0.4)
    points = np.clip(start + moved * width * rng.normal(size=(n, len(start))), 0.0, 1.0)
    jumps = (rng.random(points.shape) < 0.1) & moved
    points = np.where(jumps, rng.random(points.shape), points)
    found = [space.decode(point) for point in points]
    return [configuration for configuration in found if space.feasible(configuration)]


def _embedded(model: Surrogate, points: Array) -> Array:
    """Points as they lie at the distances that the surrogate sees between them, shape (n, e)."""
    columns = []
    for column, unordered in enumerate(model.features.unordered):
        place, length = points[:, column], model.lengths[column]
        if unordered:
            options = model.features.space.parameters[column].count or 0
            codes = [-1.0, *((option + 0.5) / options for option in range(options))]
            # Two options differ in two of these columns, and lie at distance 1.
            same = [np.abs(place - code) < 1e-6 for code in codes]
            columns += [one.astype(np.float64) / (math.sqrt(2) * length) for one in same]
        else:
            columns.append(place / length)
    return np.stack(columns, axis=1)


def _kernel(model: Surrogate, left: Array, right: Array) -> Array:
    squares = np.sum(left**2, axis=1)[:, None] + np.sum(right**2, axis=1)[None, :]
    root = np.sqrt(5 * np.maximum(squares - 2 * left @ right.T, 0.0))
    return np.asarray(model.signal * (1 + root + root**2 / 3) * np.exp(-root) + _OFFSET)
