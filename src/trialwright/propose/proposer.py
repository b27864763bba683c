"""The seam between the study and whoever proposes: one call, no state.

The same task, history and generator state give the same proposals, so a replay sees what a live
study saw. A proposer's answers are hostile until the study has checked them.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import numpy as np

from trialwright.history import History
from trialwright.records import Proposal
from trialwright.task import Task


class Proposer(Protocol):
    """Anything that turns (task, history) into proposals."""

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        ...

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` proposals, best first; fewer, or none, if there is nothing to try.

        `history.pending()` holds what is queued or running: propose something else.

        Raises:
            ProposerError: it can't work here; it loses its turn, not the study.
        """
        ...


def draws(name: str, history: History) -> np.random.Generator:
    """Return the draws of member `name` in its present turn, by the study's seed and its own turns.

    What others do does not change its luck.
    """
    turn = sum(trial.proposal.by == name for trial in history.trials)
    turn += sum(refusal.proposal.by == name for refusal in history.refusals)
    return np.random.default_rng([history.seed, zlib.crc32(name.encode()), turn])
