"""Edits that crashed, and tries to repair them: how many are left, and on which code they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from trialwright.history import History, Trial
from trialwright.records import Proposal, Refusal
from trialwright.research.rules import by_accident, kind_shown
from trialwright.research.workshop import workshop

_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line \d+')
_LIBRARY = re.compile(r"[/\\](site-packages|dist-packages|python3\.\d+)[/\\]")


def crashed(attempt: Trial | Refusal) -> bool:
    """Say whether an edit's code failed: in its run, or when it was run for a moment."""
    if isinstance(attempt, Refusal):
        return attempt.cause is not None
    return attempt.state == "failed" and not by_accident(attempt)


def crashes(history: History, by: str) -> list[Trial | Refusal]:
    """Return the tries of one edit that a member made last, if all crashed; newest last.

    Tries of one edit follow each other, and have their parent and their category in common. One
    that has not ended says nothing yet.
    """
    mine = [one for one in history.attempts if one.proposal.by == by and _ended(one)]
    found: list[Trial | Refusal] = []
    for one in reversed(mine):
        if not crashed(one) or (found and _what(one) != _what(found[0])):
            break
        found.append(one)
    return found[::-1]


def repairs_left(history: History, by: str) -> int:
    """Return how often a member may still answer its latest crash by another try of the same edit.

    The study says how often in all (`research: {repairs: 2}`). 0: it is to leave the edit alone.
    """
    plan = history.task.research
    if plan is None:
        return 0
    made = len(crashes(history, by)) - 1
    return plan.repairs - max(made, 0)


def repaired_by(chain: Sequence[Trial | Refusal], history: History) -> Trial | None:
    """Return the trial that is a further try of the edit whose tries crashed, and has not ended."""
    return next(
        (
            trial
            for trial in reversed(history.trials)
            if not _ended(trial)
            and trial.proposal.by == chain[-1].proposal.by
            and _what(trial) == _what(chain[-1])
        ),
        None,
    )


def own_frames(printed: str) -> str:
    r"""Return what a script printed without the frames of libraries in its tracebacks.

    An edit's mistake is in the edited code; libraries are deep, and their frames take the room.
    Left alone where no other frame is there.

    >>> own_frames('  File "t.py", line 1, in f\n    g(1)\n'
    ...            '  File "/a/site-packages/g.py", line 2, in g\n    raise OSError\nOSError')
    '  File "t.py", line 1, in f\n    g(1)\nOSError'
    """
    kept: list[str] = []
    dropping, own = False, False
    for line in printed.splitlines():
        frame = _FRAME.match(line)
        if frame:
            dropping = bool(_LIBRARY.search(frame["file"]))
            own = own or not dropping
        elif not line.startswith("    "):
            dropping = False
        if not dropping:
            kept.append(line)
    return "\n".join(kept) if own else printed


def onto_sound(proposal: Proposal, history: History) -> tuple[Proposal, tuple[str, ...]]:
    """Return a repair as an edit of code that works, with what is then wrong with it.

    Whatever is built on a trial that crashed becomes a child of that trial's parent, so that the
    two are tries of one edit.
    """
    number, edit = proposal.parent, proposal.edit
    while number is not None and _broken(history.trials[number]):
        number = history.trials[number].proposal.parent
    if number == proposal.parent or edit is None:
        return proposal, ()
    shop = workshop(history.task)
    before = shop.tree(history, number)
    whole = shop.between(before, edit.tree)
    hypothesis = proposal.hypothesis
    if hypothesis is not None and hypothesis.against == proposal.parent:
        hypothesis = replace(hypothesis, against=number)
    moved = replace(proposal, parent=number, edit=whole, hypothesis=hypothesis)
    return moved, shop.faults(whole, before=before)


def _broken(trial: Trial) -> bool:
    return trial.proposal.edit is not None and crashed(trial)


def _ended(attempt: Trial | Refusal) -> bool:
    return isinstance(attempt, Refusal) or attempt.verdict is not None


def _what(attempt: Trial | Refusal) -> tuple[int | None, str]:
    return attempt.proposal.parent, kind_shown(attempt.proposal)
