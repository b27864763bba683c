"""What git calls the code of a study: a ref for each trial, a branch for the best one."""

from __future__ import annotations


def ref_of(study: str, trial: int) -> str:
    """Return the ref that keeps a trial's commit.

    >>> ref_of("bits", 7)
    'refs/trialwright/bits/0007'
    """
    return f"refs/trialwright/{study}/{trial:04d}"


def branch_of(study: str) -> str:
    """Return the full name of the branch that is at the best trial.

    >>> branch_of("bits")
    'refs/heads/trialwright/bits'
    """
    return f"refs/heads/trialwright/{study}"
