"""Which way to lean, parameter by parameter, after what the best trials have shown.

A move (`moves`) is one configuration; a leaning bears on every candidate, so that exploration too
goes where the readings point: nobody raises the learning rate of what overfits or diverges. It
knows the rules of `moves`, and no scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trialwright import knowledge
from trialwright.propose.moves import Seen, failure_signs, record_of, signs_of, steps_of
from trialwright.propose.prior import Prior, is_unordered, place_of
from trialwright.space import Configuration

Array = NDArray[np.float64]

REACH = 0.25
"""Share of a range beyond which a change counts no more: further is not wiser."""
DOUBT = 2.0
"""How fast a leaning fades when changes that way have not paid."""


@dataclass(frozen=True, slots=True)
class Leaning:
    """Directions that readings call for, as seen from one configuration."""

    origin: Configuration
    toward: Mapping[str, float] = field(default_factory=dict)
    """Parameter -> log odds per usual change, positive upward."""

    def against(self, prior: Prior, configurations: Sequence[Configuration]) -> Array:
        """Return the log odds of each configuration, shape (m,): 0, or below where it goes back."""
        return np.array([self._against(prior, configuration) for configuration in configurations])

    def _against(self, prior: Prior, configuration: Configuration) -> float:
        total = 0.0
        for name, odds in self.toward.items():
            if name in configuration:
                parameter = prior.space[name]
                step = place_of(parameter, configuration[name]) - place_of(
                    parameter, self.origin[name]
                )
                # Only against the reading: how far to follow it is for the moves and the model.
                total += min(odds * min(max(step / REACH, -1.0), 1.0), 0.0)
        return total


def lean(prior: Prior, seen: Seen) -> Leaning:
    """Return the way to lean from the best trial, or from the last failure where there is none."""
    if seen.best:
        trial, signs = seen.best[0], signs_of(seen.best[0], seen)
        # What holds of any trial says nothing of this one.
        signs.pop("any", None)
    elif seen.failed:
        trial, signs = seen.failed[0], failure_signs(seen.failed[0])
    else:
        return Leaning({})
    toward = _called_for(prior, trial.configuration, signs)
    paid = _paid(prior, seen)
    return Leaning(
        trial.configuration,
        {
            name: odds / (1 + DOUBT * _doubt(odds, paid.get(name, 0.0)))
            for name, odds in toward.items()
        },
    )


def _called_for(
    prior: Prior, configuration: Configuration, signs: Mapping[str, str]
) -> dict[str, float]:
    """Add up the rules that the signs set off; each parameter's share of a rule is the same."""
    toward: dict[str, float] = {}
    for rule in knowledge.move_rules():
        if rule.weight <= 0.0 or not any(sign in signs for sign in rule.signs):
            continue
        merged = {
            name: step
            for steps in steps_of(rule, prior, configuration)
            for name, step in steps.items()
        }
        for name, step in merged.items():
            if not is_unordered(prior.space[name]):
                direction = 1.0 if step > 0 else -1.0
                toward[name] = toward.get(name, 0.0) + rule.weight * direction
    return toward


def _paid(prior: Prior, seen: Seen) -> dict[str, float]:
    """Return per parameter what changes of it have brought: positive if going up paid."""
    balance: dict[str, float] = {}
    for changes, paid in record_of(prior, seen):
        for name, direction in changes:
            balance[name] = balance.get(name, 0.0) + paid * direction / len(changes)
    return balance


def _doubt(odds: float, paid: float) -> float:
    return abs(paid) if odds * paid < 0 else 0.0
