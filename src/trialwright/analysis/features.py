"""How a study looks to a model: configurations as points, values as utilities.

It knows the kinds of parameters and how values are distributed. It fits no model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialwright.expression import Scalar
from trialwright.space import Choice, Configuration, Float, Int, Parameter, Space

Array = NDArray[np.float64]

WIDE = 30.0
"""A range of this ratio is felt on a log scale, whatever scale it is searched on."""
_UNKNOWN_SPREAD = 0.3
"""What other values are taken to differ by, as a share of the only one that was seen."""
_BEND = 3.0
"""Units below the good results from which on utilities fall as a logarithm."""


@dataclass(frozen=True)
class Features:
    """Where the configurations of a space stand for the model, shape (n, d).

    Numbers are in [0, 1], on a log scale where the range is wide; options without an order are
    codes that are the same or are not; an inactive number stands in the middle.
    """

    space: Space

    @property
    def unordered(self) -> NDArray[np.bool_]:
        """Whether each parameter is compared by equality only, shape (d,)."""
        return np.array([_is_unordered(p) for p in self.space.parameters])

    def of(self, configurations: Sequence[Configuration]) -> Array:
        """Place legal configurations."""
        points = self.of_units(self.space.encode(configurations))
        for column in np.flatnonzero(self.unordered):
            name = self.space.parameters[column].name
            absent = [name not in configuration for configuration in configurations]
            points[np.asarray(absent, dtype=bool), column] = -1.0
        return points

    def of_units(self, units: Array) -> Array:
        """Place points of the unit cube, shape (n, d), as `Space.encode` gives them."""
        points = np.array(units, dtype=np.float64)
        for column, parameter in enumerate(self.space.parameters):
            match parameter:
                case Float(log=False) | Int(log=False) if _is_wide(parameter):
                    span = parameter.high / parameter.low
                    points[:, column] = np.log1p(points[:, column] * (span - 1)) / math.log(span)
                case Choice(options=options) if not _is_unordered(parameter):
                    ranks = np.argsort(np.argsort([float(o) for o in options]))  # type: ignore[arg-type]
                    cells = (points[:, column] * len(options)).astype(int)
                    points[:, column] = (ranks[np.minimum(cells, len(ranks) - 1)] + 0.5) / len(
                        ranks
                    )
        return points


@dataclass(frozen=True)
class Scale:
    """A monotone map from values to utilities around 0, larger better, and back.

    Utilities are linear above the median of the better half, nearly so shortly below it, and
    logarithmic far below, so that one catastrophic trial does not flatten what distinguishes the
    good ones.
    """

    sign: int
    centre: float
    unit: float
    shift: float = 0.0
    stretch: float = 1.0

    @staticmethod
    def fitted(values: Array, *, sign: int, floor: float = 0.0) -> Scale:
        """Fit the map to values, shape (n,), n >= 1; `floor` is the least spread."""
        gains = sign * values
        better = np.sort(gains)[len(gains) // 2 :]
        centre = float(np.median(better))
        unit = float(np.mean(np.abs(better - centre)))
        if unit <= 1e-12 * (1.0 + abs(centre)):
            unit = float(np.std(gains))
        unit = max(unit, floor)
        if unit <= 1e-12 * (1.0 + abs(centre)):
            unit = abs(centre) * _UNKNOWN_SPREAD or 1.0
        raw = Scale(sign, centre, unit).to_utility(values)
        spread = float(np.std(raw)) if len(raw) > 2 else 1.0
        return Scale(sign, centre, unit, float(np.mean(raw)), max(spread, 0.5))

    def to_utility(self, values: Array) -> Array:
        """Map values to utilities."""
        gain = (self.sign * np.asarray(values) - self.centre) / self.unit
        bent = np.where(gain < 0, -_BEND * np.log1p(np.maximum(-gain, 0.0) / _BEND), gain)
        return np.asarray((bent - self.shift) / self.stretch)

    def to_value(self, utilities: Array) -> Array:
        """Map utilities to values."""
        bent = np.asarray(utilities) * self.stretch + self.shift
        below = _BEND * np.expm1(np.minimum(np.maximum(-bent, 0.0) / _BEND, 30.0))
        gain = np.where(bent < 0, -below, bent)
        return np.asarray(self.sign * (gain * self.unit + self.centre))


def _is_unordered(parameter: Parameter) -> bool:
    if not isinstance(parameter, Choice):
        return False
    return len(parameter.options) < 3 or not all(_is_number(option) for option in parameter.options)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_wide(parameter: Float | Int) -> bool:
    return parameter.low > 0 and parameter.high / parameter.low >= WIDE
