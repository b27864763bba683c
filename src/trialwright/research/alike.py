"""Near-repeats: code that an earlier trial had, but for trifles.

What is refused is told the trial that it repeats. A trial that failed by accident keeps nobody from
trying again, and the study itself may take a change back whatever was tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from trialwright.code.forms import Form, Trifle, alike
from trialwright.history import History
from trialwright.records import Proposal
from trialwright.research.rules import ABLATION, by_accident

_WORDS: dict[Trifle, str] = {
    "layout": "comments, docstrings or layout alone",
    "names": "the names of local variables alone",
    "seeds": "a seed or an order alone",
    "numbers": "numbers alone, none of them by more than 1 %",
}

_MEMO = "alike"


def told(trial: int, what: Trifle, moved: str = "") -> str:
    """Return in a sentence which trial a near-repeat repeats; `moved`: which numbers differ.

    >>> told(12, "names")
    'nearly the same code as trial 12 (differs in the names of local variables alone)'
    """
    more = f": {moved}" if moved else ""
    return f"nearly the same code as trial {trial} (differs in {_WORDS[what]}{more})"


@dataclass(slots=True)
class _Index:
    """The trials of a history by what is left of their code without trifles."""

    seen: int = 0
    trials: dict[tuple[str, str, str], list[tuple[int, Form]]] = field(default_factory=dict)
    """By code version, configuration and shape: numbers, and the forms of their code."""


def near_repeat(proposal: Proposal, history: History, form_of: Callable[[str], Form]) -> int | None:
    """Return the first trial with nearly the code of a proposal, and its configuration; else None.

    `form_of` returns the form of a tree, '' being the code as it was found. A trial with the very
    same tree is no near-repeat: it is a repeat.
    """
    if proposal.edit is None or proposal.by == ABLATION:
        return None
    if history.space.check(proposal.configuration):
        return None
    index = _indexed(history, form_of)
    ours = form_of(proposal.edit.tree)
    key = (history.code, history.space.key(proposal.configuration), ours.shape)
    for number, form in index.trials.get(key, ()):
        trial = history.trials[number]
        repeated = trial.tree == proposal.edit.tree or by_accident(trial)
        if alike(form, ours) and not repeated:
            return number
    return None


def _indexed(history: History, form_of: Callable[[str], Form]) -> _Index:
    """The index of a history, brought up to its latest trial."""
    index = history.memo.setdefault(_MEMO, _Index())
    assert isinstance(index, _Index)
    for trial in history.trials[index.seen :]:
        form = form_of(trial.tree)
        key = (trial.admission.code, history.space.key(trial.configuration), form.shape)
        index.trials.setdefault(key, []).append((trial.number, form))
    index.seen = len(history.trials)
    return index
