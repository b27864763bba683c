"""What a supervisor has its coordinators do, and what they answer by their exit status."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

DONE, HOPELESS, BROKEN = 0, 1, 2
"""As `run` has them: ended by plan or by request; all runs fail the same way; bad input."""
FAULT = 3
"""The ledger or the machine let the coordinator down: it may go on after another start."""
BUSY = 4
"""Somebody else has the study, or what is left of the last coordinator."""
ABANDONED = 3
"""Of the service itself: its coordinator crashed again and again."""

AT_WORK = "at work"
"""What a coordinator says first once it has the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which study to run, as the command line has it; it is given to processes as text."""

    file: str
    folder: str
    ledger: str | None = None
    trials: int | None = None
    workers: int | None = None
    seed: int | None = None
    since: int = 0
    """Sequence of the ledger when the service was started: a later `stop` is for the service."""

    @staticmethod
    def read(text: str) -> Plan:
        """Return the plan that a command of `command` holds."""
        return Plan(**json.loads(text))

    def command(self, module: str) -> list[str]:
        """Return the command of a process that runs a module of this package with the plan.

        `-P`: what lies in the current folder is not to be taken for a module of ours.
        """
        name = f"trialwright.app.service.{module}"
        return [sys.executable, "-P", "-m", name, json.dumps(asdict(self))]
