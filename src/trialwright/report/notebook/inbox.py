"""The inbox: a file in which a person writes wishes, a line each, and in which they are ticked.

An open line that is not in the ledger is a new wish. Ticks are a view of the ledger, and so are the
wishes that came another way; what else a person wrote in the file stays as it is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from trialwright.history import History, Wish
from trialwright.records import Admission, Refusal
from trialwright.report import words

LONGEST = 1_000
"""Characters of a wish."""

MOST = 20
"""New wishes that are taken in at a time."""

LARGEST = 100_000
"""Bytes of an inbox that is read."""

HEAD = """\
# Inbox

> Write a wish on a line of its own below, and save. It is ticked once the study has taken it in:
> from then on whoever proposes and can read is told of it. A line such as `try lr=0.1, depth=4`
> is offered as a trial, the other values being those of the best one so far.
"""

_ITEM = re.compile(r"\s*(?:[-*+]\s+)?(?:\[(?P<tick>[ xX])\]\s*)?(?P<text>.*)")
_TAKEN = re.compile(r" \(taken in \d{4}-\d\d-\d\d .*\)$")


def new(text: str, history: History) -> list[str]:
    """Return the wishes of an inbox that are not in the ledger, at most `MOST`, in their order."""
    known = {wish.text for wish in history.wishes}
    found = [wish for line in text.splitlines() if (wish := _open(line))]
    return [wish for wish in dict.fromkeys(found) if wish not in known][:MOST]


def amended(text: str, history: History) -> str:
    """Return an inbox with every wish of the ledger ticked, those that it lacks at its end."""
    wishes = {wish.text: wish for wish in history.wishes}
    lines, there = [], set[str]()
    for line in (text or HEAD).splitlines():
        wish = wishes.get(_open(line) or _ticked(line))
        lines.append(line if wish is None else _item(wish, history))
        if wish is not None:
            there.add(wish.text)
    lines += [_item(wish, history) for wish in wishes.values() if wish.text not in there]
    return "\n".join(lines) + "\n"


def cleaned(text: str) -> str:
    """Return a wish as it is kept: one line, bounded."""
    return words.line(text, most=LONGEST)


def _item(wish: Wish, history: History) -> str:
    return f"- [x] {wish.text} ({came(wish, history)})"


def came(wish: Wish, history: History) -> str:
    """Say when a wish was taken in, and what became of a wished trial."""
    when = f"taken in {datetime.fromtimestamp(wish.at, UTC):%Y-%m-%d %H:%M} UTC"
    match history.answers.get(wish.request):
        case Admission(number=number):
            return f"{when}; trial {number}"
        case Refusal(faults=faults):
            return f"{when}; refused: {words.line('; '.join(faults), most=300)}"
    return when


def _open(line: str) -> str:
    """The wish of a line that nobody has ticked; '' if it is none."""
    if line.startswith(("#", ">")):
        return ""
    match = _ITEM.fullmatch(line)
    return cleaned(match["text"]) if match and match["tick"] not in ("x", "X") else ""


def _ticked(line: str) -> str:
    """The wish of a line that is ticked; '' if it is not."""
    match = _ITEM.fullmatch(line)
    if match is None or match["tick"] not in ("x", "X"):
        return ""
    return cleaned(_TAKEN.sub("", match["text"]))
