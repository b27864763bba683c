"""What a proposer that can read is told of the notebook, and what it finds when it searches in it.

What the user says, instructions and wishes, stands first. All of it is bounded, and a study without
any of it adds nothing to what is read.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from trialwright.analysis import memory
from trialwright.history import History
from trialwright.propose import fence
from trialwright.task import Task

LONGEST_INSTRUCTIONS = 2_000
"""Characters of the user's instructions that are told."""

WISHES, LONGEST_WISH = 5, 300
"""Wishes that are told, the latest, and characters of each."""

LINES, CHARACTERS = 8, 1_200
"""Of the memory that are told."""

LONGEST_LINE = 400
"""Characters of a line that a search finds."""

_WORD = re.compile(r"[^\W_]+")


def kept(task: Task, history: History) -> bool:
    """Say whether a study keeps a notebook, or claims, so that there is a memory to tell of."""
    return task.block is not None or bool(history.claims)


def told(task: Task, history: History) -> list[str]:
    """Return what is told at every turn, a paragraph each; nothing where nothing was said."""
    found = []
    if history.instructions:
        text = fence.prose(history.instructions, most=LONGEST_INSTRUCTIONS)
        found.append(f"The user's instructions:\n{text}")
    wishes = [fence.prose(w.text, most=LONGEST_WISH) for w in history.wishes[-WISHES:][::-1]]
    if wishes:
        listed = "\n".join(f"- {wish}" for wish in wishes)
        found.append(f"The user's wishes, the latest first:\n{listed}")
    lines = memory.brief(history, lines=LINES, characters=CHARACTERS) if kept(task, history) else []
    if lines:
        listed = fence.clean("\n".join(lines), most=2 * CHARACTERS)
        found.append(f"From the notebook (claims with their evidence, by code):\n{listed}")
    return found


def search(history: History, words: str, *, most: int) -> str:
    """Return the lines of the notebook that have most of the words, rare words counting more."""
    wanted = set(_words(words))
    lines = [" ".join(line.split()) for line in _lines(history)]
    has = [wanted & set(_words(line)) for line in lines]
    often = Counter(word for found in has for word in found)
    scores = [sum(math.log(1 + len(lines) / often[word]) for word in found) for found in has]
    # Of equals the later, which knows more.
    order = sorted(range(len(lines)), key=lambda i: (-scores[i], -i))
    found, length = [], 0
    for index in order:
        line = fence.prose(lines[index], most=LONGEST_LINE)
        if scores[index] == 0 or length + len(line) + 1 > most:
            break
        found.append(line)
        length += len(line) + 1
    return "\n".join(found)


def _lines(history: History) -> Iterator[str]:
    """Everything that the notebook could tell, a line each, the oldest kinds first."""
    for trial in history.trials:
        verdict = f" {trial.verdict.status}." if trial.verdict else ""
        yield f"trial {trial.number} by {trial.proposal.by}:{verdict} {trial.proposal.rationale}"
    for note in history.notes:
        about = "" if note.trial is None else f" on trial {note.trial}"
        yield f"note by {note.by}{about}: {note.text}"
    for number, summary in history.summaries.items():
        for paragraph in filter(str.strip, summary.text.splitlines()):
            yield f"block {number}, by {summary.by}: {paragraph}"
    for wish in history.wishes:
        yield f"wish: {wish.text}"
    held, seen = memory.remembered(history)
    yield from (f"seen: {memory.trend(trend).removeprefix('- ')}" for trend in seen[::-1])
    yield from (memory.line(belief).removeprefix("- ") for belief in held[::-1])


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
