"""The memory of one process tree over time: its peak, and whether it has outgrown a limit.

Summed resident memory counts pages that forked processes share once for each, so it can only raise
suspicion; the proportional measure, dearer to take, decides.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from trialwright.process import tree

SHARE = 0.1
"""The most of its time that a meter spends on proportional measures."""


class Meter:
    """Takes samples of one tree. `limit_bytes` None is no limit."""

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.peak_bytes = 0
        """The most that was seen, shared pages counted once."""
        self.tree: Sequence[tree.Process] = ()
        """As last seen."""
        self._limit_bytes = limit_bytes
        self._next_at = 0.0

    def take(self, processes: Sequence[tree.Process]) -> bool:
        """Take a sample; say whether the tree is over its limit."""
        self.tree = processes
        taken = tree.resident_bytes(processes)
        if taken <= self.peak_bytes:
            return False
        if len(processes) > 1 or self._over(taken):
            began = time.monotonic()
            if began < self._next_at:
                return False
            taken = tree.proportional_bytes(processes)
            now = time.monotonic()
            self._next_at = now + (now - began) / SHARE
        self.peak_bytes = max(self.peak_bytes, taken)
        return self._over(taken)

    def _over(self, taken: int) -> bool:
        return self._limit_bytes is not None and taken > self._limit_bytes
