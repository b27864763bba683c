"""The editor: improves code without a language model.

It works on the best code so far: tunes its literals, and makes named rewrites where that brings
nothing any more. Where rewrites bring nothing either, the rules of the study send it to another
trial, or let it take larger steps. What it can do to code is the `workbench`'s.
"""

from __future__ import annotations

from itertools import islice

import numpy as np

from trialwright.errors import ProposerError
from trialwright.history import History
from trialwright.propose.workbench import Workbench
from trialwright.records import Proposal
from trialwright.research.rules import plateau
from trialwright.task import Task


class Editor:
    """Proposes edits of literals, and named rewrites."""

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "editor"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` edits of the best code so far; fewer if there is nothing to try.

        Raises:
            ProposerError: the study changes no code.
        """
        if task.research is None:
            raise ProposerError("the editor changes code: the study needs a section `research`")
        due, best = plateau(history), history.best()
        trial = due.trial if due is not None else best.number if best is not None else None
        bench = Workbench(task, history, trial, due=due)
        if due is not None and due.what == "larger":
            return larger(bench, len(history.trials), n, rng) or usual(bench, n, rng)
        return usual(bench, n, rng)


def usual(bench: Workbench, n: int, rng: np.random.Generator) -> list[Proposal]:
    """Return up to `n` single changes: tunings, rewrites where those have brought nothing."""
    first = list(islice(bench.rewritten(), n)) if bench.stuck or bench.turned else []
    found = [*first, *bench.tuned(n - len(first), rng)] if len(first) < n else first
    return found or list(islice(bench.rewritten(), n))


def larger(bench: Workbench, turn: int, n: int, rng: np.random.Generator) -> list[Proposal]:
    """Return up to `n` large changes, one of three sorts after the other.

    Two rewrites at once; one that was not tried yet; tunings far from all that were.
    """
    sorts = (bench.doubled, bench.rewritten, lambda: bench.far(n, rng))
    for sort in (*sorts[turn % 3 :], *sorts[: turn % 3]):
        found = list(islice(sort(), n))
        if found:
            return found
    return []
