"""Near-repeats: code that an earlier trial had, but for trifles.

What is refused is told the trial that it repeats. Trials that the study itself made to take a
change back, and trials that failed by accident, keep nobody from trying again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from trialwright.code.forms import Form, Trifle, trifle
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


@dataclass(frozen=True, slots=True)
class Near:
    """An earlier trial with nearly the same code."""

    trial: int
    trifle: Trifle
    """What it differs in."""

    def told(self, moved: str = "") -> str:
        """Return it as a sentence; `moved`: which numbers differ.

        >>> Near(12, "names").told()
        'nearly the same code as trial 12 (differs in the names of local variables alone)'
        """
        more = f": {moved}" if moved else ""
        return (
            f"nearly the same code as trial {self.trial} (differs in {_WORDS[self.trifle]}{more})"
        )


@dataclass(slots=True)
class _Index:
    """The trials of a history by what is left of their code without trifles."""

    seen: int = 0
    trials: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    """By code version, configuration and shape."""


def alike(proposal: Proposal, history: History, form_of: Callable[[str], Form]) -> Near | None:
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
    for number in index.trials.get(key, ()):
        trial = history.trials[number]
        what = trifle(form_of(trial.tree), ours)
        if trial.tree == proposal.edit.tree or what is None or by_accident(trial):
            continue
        return Near(number, what)
    return None


def _indexed(history: History, form_of: Callable[[str], Form]) -> _Index:
    """The index of a history, brought up to its latest trial."""
    index = history.memo.setdefault(_MEMO, _Index())
    assert isinstance(index, _Index)
    for trial in history.trials[index.seen :]:
        if trial.proposal.by != ABLATION:
            shape = form_of(trial.tree).shape
            key = (trial.admission.code, history.space.key(trial.configuration), shape)
            index.trials.setdefault(key, []).append(trial.number)
    index.seen = len(history.trials)
    return index
