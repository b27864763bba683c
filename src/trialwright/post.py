"""What a session works with: the parts that a study hands it, and what it hears from them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trialwright.asking import Ahead, Offered
from trialwright.crew import Crew
from trialwright.execute.runner import Event, Runner
from trialwright.history import History
from trialwright.ledger import Ledger
from trialwright.propose.proposer import Proposer
from trialwright.records import Notice
from trialwright.task import Task
from trialwright.tryout import Tried

Happening = Event | Offered | Tried
"""What reaches a session: from its runner, or from who was asked."""

Watch = Callable[[History, Event | None], None]
"""Called after each change, with the event that caused it."""


class SteadyClock:
    """Tells the time of day as of its making, and goes on evenly when the machine's clock jumps."""

    def __init__(self) -> None:
        self._ahead_s = time.time() - _steady_s()

    def __call__(self) -> float:
        """Return what time it is."""
        return _steady_s() + self._ahead_s


def _steady_s() -> float:
    # Of the steady clocks the one that also goes on while the machine sleeps, where there is one.
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a session works with."""

    task: Task
    folder: Path
    ledger: Ledger
    runner: Runner
    proposer: Proposer
    environ: Mapping[str, str]
    watch: Watch
    crew: Crew
    """The task's team; its models explain failures, and write the final analysis."""
    publish: Callable[[History], Sequence[Notice]] = lambda _: ()
    """Has git show what the history says, where trials change code."""
    by: str = ""
    """Who runs what is launched and tells how it went; '': the runner itself."""
    ahead: Callable[[Callable[[Offered], None]], Ahead] | None = None
    """Makes of the team one whose members are asked side by side, ahead of need."""
