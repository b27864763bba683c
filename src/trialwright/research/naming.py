"""What git calls the code of a study, and what people call an edit."""

from __future__ import annotations

import textwrap

from trialwright.records import Proposal

REWRITE = "rewrite"
"""In a proposal's reasons: the name of the rewrite that it makes."""

LONGEST_TITLE = 80
"""Characters of a reason that stand for an edit."""


def title(proposal: Proposal) -> str:
    """Return a proposal's edit in a line; '' where it has none.

    Literals speak for themselves (`train.py: LR 0.1 -> 0.2`). Before other changes stands what
    they are called: a rewrite's name, or the first line of the reason. It is text of an agent's.
    """
    edit = proposal.edit
    if edit is None:
        return ""
    shown = edit.summary or ", ".join(edit.files)
    said = proposal.reasons.get(REWRITE, "").replace("-", " ")
    if not said and "->" not in shown and proposal.rationale.strip():
        first = proposal.rationale.strip().splitlines()[0]
        said = textwrap.shorten(first, LONGEST_TITLE, placeholder=" ...")
    return f"{said} ({shown})" if said else shown


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
