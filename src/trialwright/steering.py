"""What people say to a study while it goes on: wishes, trials that they want, instructions.

Code acts on no words. It keeps them, so that whoever proposes and can read has them; only a wish of
the form `try x=0.1, y=2` is offered as a trial, and admission decides on it as on any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from trialwright.errors import TrialwrightError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import Instructions, Proposal, Request
from trialwright.report.notebook import write as notebook
from trialwright.space import NAME, Space
from trialwright.studyfile.fields import scalar
from trialwright.studyfile.instructions import instructions
from trialwright.studyfile.tree import Unreadable, read
from trialwright.task import Task

BY = "user"
"""Who proposes what a person wished to be tried."""

_VALUE = r"\"[^\"]*\"|'[^']*'|[^,;\s]+"
_PAIR = rf"{NAME.pattern}\s*=\s*(?:{_VALUE})"
_SETTING = re.compile(rf"(?P<name>{NAME.pattern})\s*=\s*(?P<value>{_VALUE})")
_TRY = re.compile(rf"try:?\s+{_PAIR}(?:(?:\s*[,;]\s*|\s+and\s+|\s+){_PAIR})*", re.IGNORECASE)


def heard(task: Task, folder: Path, history: History) -> Iterator[Instructions | Request]:
    """Yield what was said and is not in the ledger: changed instructions, wishes of the inbox."""
    text = instructions(task)
    # A file that can't be read just now, because somebody is saving it, changes nothing.
    if text is not None and text != history.instructions:
        yield Instructions(text=text)
    for wish in notebook.wishes(history, folder):
        yield Request(what="steer", text=wish)


def wished(text: str, history: History) -> Proposal | None:
    """Return the trial that a wish spells out, not yet checked; None where it is only words.

    What it does not name is as in the best trial so far, or at its default before there is one.
    """
    if _TRY.fullmatch(text.strip()) is None:
        return None
    space, best = history.space, history.best()
    settings = _SETTING.finditer(text)
    change = {one["name"]: _value(one["name"], one["value"], space) for one in settings}
    values = {**(best.configuration if best else {}), **change}
    return Proposal(
        configuration={**_fitted(values, change, space), **change},
        by=BY,
        rationale=f"A person's wish: {text.strip()}",
        reasons=dict.fromkeys(change, "wished"),
        parent=best.number if best else None,
    )


def _fitted(
    values: dict[str, Scalar], change: dict[str, Scalar], space: Space
) -> dict[str, Scalar]:
    """The values completed; what the change has switched off is left out."""
    known = {name: value for name, value in values.items() if name in space}
    try:
        completed, active = space.complete(known), space.active(known)
    except (TrialwrightError, TypeError, ValueError, OverflowError):
        # A condition that can't be worked out for such values: admission says what is wrong.
        return known
    return {name: value for name, value in completed.items() if name in active or name in change}


def _value(name: str, given: str, space: Space) -> Scalar:
    """Read a value as the study file would."""
    if name in space and space[name].admits(given):
        return given
    try:
        tree = read(given)
    except Unreadable:
        return given
    return given if isinstance(tree.value, tuple | dict) else scalar(tree)
