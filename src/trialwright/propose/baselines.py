"""Proposing without a model: uniform chance. What every other proposer has to beat.

It knows the space and what was tried, and looks at no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import Hypothesis, Interval, Proposal
from trialwright.space import Space
from trialwright.task import Task

TRIES = 200
"""Draws in a row that may be repeats before a finite space is listed instead."""

LISTED = 20_000
"""Cells of the largest space that is listed: a second's work."""

LOOKED_AT = 30
"""Latest trials whose range is looked at: the cost of a draw must not grow with the history."""

ENOUGH = 5
"""Random values from which on their range says something about the next one."""


class Random:
    """Uniform over the space, on the parameters' scales; legal, and never a repeat.

    >>> from trialwright.space import Float
    >>> from trialwright.task import Objective
    >>> task = Task(name="t", objective=Objective(metric="y"), space=Space((Float("x", 0, 1),)))
    >>> len(Random()(task, History(), 3, np.random.default_rng(0)))
    3
    """

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "random"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return `n` proposals, or fewer once a finite space is used up.

        Raises:
            SpaceError: the constraints leave practically nothing to draw.
        """
        drawn: list[dict[str, Scalar]] = []
        for _ in range(n):
            configuration = fresh(task.space, history, drawn, rng=rng)
            if configuration is None:
                break
            drawn.append(configuration)
        predicted, hypothesis = _expected(history)
        return [
            Proposal(
                configuration=configuration,
                by=self.name,
                rationale="Drawn at random, uniform over the space: no result was looked at.",
                predicted=predicted,
                hypothesis=hypothesis,
                category="baseline",
            )
            for configuration in drawn
        ]


def fresh(
    space: Space,
    history: History,
    besides: Sequence[dict[str, Scalar]] = (),
    *,
    rng: np.random.Generator,
) -> dict[str, Scalar] | None:
    """Draw a legal configuration that is neither in the history nor in `besides`.

    None if a finite space is used up, or if chance finds nothing new in one too large to list.

    Raises:
        SpaceError: the constraints leave practically nothing to draw.
    """
    taken = {space.key(configuration) for configuration in besides}
    for _ in range(TRIES):
        configuration = space.sample(rng)
        if is_fresh(space, history, configuration) and space.key(configuration) not in taken:
            return configuration
    left = [
        configuration
        for configuration in _listed(space)
        if is_fresh(space, history, configuration) and space.key(configuration) not in taken
    ]
    return left[int(rng.integers(len(left)))] if left else None


def is_fresh(space: Space, history: History, configuration: dict[str, Scalar]) -> bool:
    """Say whether no trial of the present code has this configuration, whatever its state."""
    if not history.trials:
        return True
    return history.seen(space.canonical(configuration), code=history.code) is None


def _listed(space: Space) -> Iterator[dict[str, Scalar]]:
    """Every legal configuration of a finite space that is small enough to list."""
    if space.size is None or space.size > LISTED:
        return iter(())
    return space.grid(space.size)


def _expected(history: History) -> tuple[Interval | None, Hypothesis | None]:
    """What the latest random trials say about the next one.

    Of n + 1 exchangeable values the last lies within the range of the others with probability
    (n - 1)/(n + 1), and is their best with probability 1/(n + 1), whatever their distribution.
    """
    code = history.code
    values = [
        trial.value
        for trial in history.trials[-LOOKED_AT:]
        if trial.proposal.by == "random" and trial.value is not None and trial.code == code
    ]
    count = len(values)
    if count < ENOUGH:
        return None, None
    interval = Interval(low=min(values), high=max(values), level=(count - 1) / (count + 1))
    best = history.best()
    if best is None:
        return interval, None
    claim = (
        f"A random draw beats the best of {count} others once in {count + 1} times: this one"
        f" stays behind trial {best.number}."
    )
    return interval, Hypothesis(claim=claim, expects="worse", against=best.number)
