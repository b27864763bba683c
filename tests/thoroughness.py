"""How often a test repeats what it draws at random: some rounds at a desk, all for a commit.

`TRIALWRIGHT_THOROUGH=1` asks for all of them, as `.ci/run` does.
"""

from __future__ import annotations

import os

VARIABLE = "TRIALWRIGHT_THOROUGH"


def thorough() -> bool:
    """Say whether thoroughness is asked for."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def repeats(quick: int, every: int) -> int:
    """Return how many rounds a test plays: `quick` ones, or all where thoroughness is asked for."""
    return every if thorough() else quick
