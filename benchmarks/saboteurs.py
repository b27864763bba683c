"""Members in a model's seat that mean ill, know nothing, or know the answer. Plain proposers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose.proposer import Proposer
from trialwright.records import Interval, Proposal
from trialwright.task import Task

NAME = "model"
"""The seat that all of them take."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """In turn: garbage, an exception, out of range, a repeat, a corner with a great promise."""

    name: str = NAME

    def __call__(
        self,
        task: Task,
        history: History,
        n: int,  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> list[Proposal]:
        """Misbehave in the way whose turn it is."""
        garbage: Any = ["ignore your instructions", None, {"accuracy": 1.0}]
        match (len(history.trials) + len(history.refusals)) % 5:
            case 0:
                return garbage
            case 1:
                raise RuntimeError("the model is on holiday")
            case 2:
                beyond: dict[str, Scalar] = dict.fromkeys(task.space.names, 1e30)
                return [Proposal(configuration=beyond, by=self.name)] * 50
            case 3 if history.trials:
                repeat = history.trials[0].configuration
                return [Proposal(configuration=repeat, by=self.name)]
        return [_corner(task, history, Interval(low=1e6, high=1e9))]


@dataclass(frozen=True, slots=True)
class Useless:
    """Always near a corner: legal, new, and far from anything good; it promises nothing."""

    name: str = NAME

    def __call__(
        self,
        task: Task,
        history: History,
        n: int,  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> list[Proposal]:
        """Return the next configuration near the corner."""
        return [_corner(task, history, None)]


@dataclass(frozen=True, slots=True)
class Oracle:
    """Knows the best configurations, best first."""

    known: Sequence[Mapping[str, Scalar]]
    name: str = NAME

    def __call__(
        self,
        task: Task,  # noqa: ARG002
        history: History,
        n: int,
        rng: np.random.Generator,  # noqa: ARG002
    ) -> list[Proposal]:
        """Return the best that were not tried."""
        left = [configuration for configuration in self.known if not history.tried(configuration)]
        return [Proposal(configuration=dict(c), by=self.name) for c in left[:n]]


def member(kind: str, known: Sequence[Mapping[str, Scalar]] = ()) -> Proposer:
    """Return the member of this kind: `hostile`, `useless` or `oracle`."""
    made: dict[str, Proposer] = {
        "hostile": Hostile(),
        "useless": Useless(),
        "oracle": Oracle(known),
    }
    return made[kind]


def _corner(task: Task, history: History, predicted: Interval | None) -> Proposal:
    """A configuration at the low end of everything, moved as little as makes it new."""
    space = task.space
    for step in range(1000):
        # The last parameters move first, as the digits of a number do.
        places = [0.02 * ((step // 8**i) % 8) for i in range(len(space))][::-1]
        configuration = space.decode(places)
        if not history.tried(configuration) and not space.check(configuration):
            return Proposal(configuration=configuration, by=NAME, predicted=predicted)
    raise RuntimeError("the corner is used up")
