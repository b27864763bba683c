"""How likely a run fails, as a function of the configuration: what is known, how surely. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from trialwright.analysis.features import Features
from trialwright.analysis.surrogate import Data, Feasibility
from trialwright.space import Configuration, Space

Array = NDArray[np.float64]

SUREST = 0.98
"""The largest probability of a failure that is believed."""


@dataclass(frozen=True, slots=True)
class Risk:
    """One possible truth about failures."""

    features: Features
    model: Feasibility
    factor: float
    """By which more runs fail than the model says."""
    usual: float
    """Of all runs, where no configuration is known to be worse than another."""

    def of(self, configuration: Configuration) -> float:
        """Return the probability that a run fails."""
        if self.model.model is None:
            return self.usual
        logs = self.model.log_probability(self.features.of([configuration]))
        return min(float(-np.expm1(logs[0])) * self.factor, SUREST)


@dataclass(frozen=True, slots=True)
class Failing:
    """What is known of failures: where they lie, and how many there are in all.

    >>> from trialwright.space import Float
    >>> runs = [{"x": x / 20} for x in range(21)]
    >>> found = Failing.fitted(Space((Float("x", 0.0, 1.0),)), runs, [r["x"] > 0.8 for r in runs])
    >>> risk = found.draw(0.5)
    >>> risk.of({"x": 0.1}) < 0.1, risk.of({"x": 0.95}) > 0.5
    (True, True)
    """

    features: Features
    model: Feasibility
    logs: Array
    """What the model says of the runs that were seen, shape (n,)."""
    failed: int

    @staticmethod
    def fitted(
        space: Space, configurations: Sequence[Configuration], failed: Sequence[bool]
    ) -> Failing:
        """Fit to runs that ended, well or not; none is legal."""
        features = Features(space)
        ran = np.array([0.0 if one else 1.0 for one in failed])
        model = Feasibility()
        if len(ran):
            model = Feasibility.fitted(space, Data(configurations=configurations, values=ran))
        logs = model.log_probability(features.of(configurations)) if len(ran) else np.zeros(0)
        return Failing(features, model, logs, sum(failed))

    def draw(self, place: float) -> Risk:
        """Return one possible truth: how many fail is uncertain, where they lie is the model's.

        `place` in (0, 1) is its place among all of them: at 0.5 as many fail as is likely.
        """
        # Jeffreys' prior (Brown, Cai and DasGupta 2001).
        runs = len(self.logs)
        share = float(betaincinv(0.5 + self.failed, 0.5 + runs - self.failed, place))
        expected = float(np.mean(-np.expm1(self.logs))) if np.any(self.logs) else 0.0
        return Risk(self.features, self.model, share / expected if expected else 1.0, share)
