"""Whether kept changes are still needed: from a study's history to the next one taken back.

After each few kept changes comes a round, in which changes that the best code is made of are taken
back, one at a time, the newest first. What comes of it is judged as any trial; that less code is
enough where it is as good, `analysis.simplicity` knows. It keeps no state: the ledger has it all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from trialwright.analysis.simplicity import settled
from trialwright.errors import RepositoryError, StudyError
from trialwright.history import History, Trial
from trialwright.records import Edit, Hypothesis, Notice, Proposal
from trialwright.research.rules import ABLATION
from trialwright.research.workshop import Workshop, workshop

__all__ = ["ABLATION", "MOST", "TOPIC", "Due", "due"]

MOST = 4
"""Trials of one round."""

TOPIC = "ablation"
"""Of the notice that a change can't be taken back."""


@dataclass(frozen=True, slots=True)
class Due:
    """What there is to try, and what there is to say."""

    proposals: tuple[Proposal, ...] = ()
    """At most one: what it shows decides on the next."""
    notices: tuple[Notice, ...] = ()


def due(history: History) -> Due:
    """Return the best code without one of its changes, where it is time to ask for that.

    `research: {ablate: n}` is after how many kept changes there is a round. A change that made code
    smaller is not asked about, since taking it back adds code, nor one that set literals alone:
    that is tuning. One that was found to be needed is not asked about again.
    """
    plan, best = history.task.research, history.best()
    if plan is None or not plan.ablate or best is None or not best.tree:
        return Due()
    if any(trial.proposal.by == ABLATION for trial in history.pending()):
        return Due()
    line = _line(best, history)
    before = _round(history, {trial.number for trial in line}, every=plan.ablate)
    asked = [trial for trial in line if trial.number < before]
    open_ = [trial for trial in reversed(asked) if _worth_asking(trial, line, history)]
    try:
        return _first(open_, best, history) if open_ else Due()
    except (StudyError, RepositoryError) as error:
        text = f"no change can be taken back to see whether it is needed: {error}"
        return Due(notices=(Notice(level="warning", topic="git", text=text),))


def _line(best: Trial, history: History) -> list[Trial]:
    """The trials whose edits make up the code of the best one, the first edit first."""
    line = [best]
    while line[-1].proposal.parent is not None and line[-1].tree:
        line.append(history.trials[line[-1].proposal.parent])
    return [trial for trial in reversed(line) if trial.proposal.edit is not None]


def _round(history: History, line: set[int], *, every: int) -> int:
    """The trial before which a change came that is asked about now; 0: no round is open.

    A round opens when enough changes were kept since the last one began, and ends with its `MOST`
    trials, or when none of its changes is left to ask about.
    """
    kept = used = begun = 0
    for trial in history.trials:
        if trial.proposal.by == ABLATION:
            if kept >= every or not used:
                kept = used = 0
                begun = trial.number
            used += 1
        elif _kept(trial, line):
            kept += 1
    if kept >= every:
        return len(history.trials)
    return begun if 0 < used < MOST else 0


def _kept(trial: Trial, line: set[int]) -> bool:
    """Whether a change counts as kept: judged so, or part of the best code."""
    if trial.proposal.edit is None or trial.verdict is None:
        return False
    return trial.verdict.status == "kept" or trial.number in line


def _worth_asking(change: Trial, line: list[Trial], history: History) -> bool:
    """Whether it is open if a change of the best code's line is still needed."""
    edit = change.proposal.edit
    assert edit is not None
    if change.proposal.by == ABLATION or _grows_back(edit):
        return False
    if any(trial.proposal.without == change.number for trial in line):
        return False
    asked = [t for t in history.trials if t.proposal.without == change.number]
    if any(trial.proposal.by == ABLATION and settled(trial, history.task) for trial in asked):
        return False
    return change.number not in _hopeless(history)


def _grows_back(edit: Edit) -> bool:
    """Whether code can only grow when an edit is taken back, or is only tuned otherwise."""
    return edit.nodes < 0 or (edit.nodes == 0 and edit.inferred == "hyperparameter")


def _hopeless(history: History) -> set[int]:
    """The changes that could not be taken back, or were not allowed to be."""
    said = {notice.trial for notice in history.notices if notice.topic == TOPIC}
    refused = {
        refusal.proposal.without for refusal in history.refusals if refusal.proposal.by == ABLATION
    }
    return {number for number in said | refused if number is not None}


def _first(changes: list[Trial], best: Trial, history: History) -> Due:
    """The first of some changes that comes off the best code; notices for those that do not."""
    notices = []
    for change in changes:
        found = _without(change, best, history)
        if isinstance(found, str):
            notices.append(_stuck(change, found))
        elif history.seen(best.configuration, code=best.code, tree=found.tree) is None:
            return Due((_proposal(change, best, found),), tuple(notices))
    return Due(notices=tuple(notices))


def _without(change: Trial, best: Trial, history: History) -> Edit | str:
    """The edit that takes a change off the best code; why there is none, if it does not come off.

    The code as it was found is no edit of its own: then the edit's tree is '', as of trial 0.
    """
    key = (ABLATION, best.number, change.number)
    if key not in history.memo:
        shop = workshop(history.task)
        history.memo[key] = _taken_off(change, best, shop, root=shop.tree(history, None))
    return cast("Edit | str", history.memo[key])


def _taken_off(change: Trial, best: Trial, shop: Workshop, *, root: str) -> Edit | str:
    assert change.proposal.edit is not None
    try:
        tree = shop.repository.without(best.tree, change.proposal.edit.patch)
    except RepositoryError:
        tree = best.tree
    if tree == best.tree:
        return (
            f"it does not come off the code of trial {best.number} by itself, since later changes"
            " build on it"
        )
    if tree == root:
        return Edit(patch="", tree="", files=())
    edit = shop.between(best.tree, tree)
    wrong = shop.faults(edit, before=best.tree)
    return (
        f"to take it off trial {best.number} is no edit to be made: {wrong[0]}" if wrong else edit
    )


def _stuck(change: Trial, why: str) -> Notice:
    text = f"whether the change of trial {change.number} is still needed can't be tried: {why}"
    return Notice(level="info", topic=TOPIC, text=text, trial=change.number)


def _proposal(change: Trial, best: Trial, edit: Edit) -> Proposal:
    made = change.proposal.edit
    what = f" ({made.summary})" if made is not None and made.summary else ""
    return Proposal(
        configuration=dict(best.configuration),
        by=ABLATION,
        rationale=f"Trial {best.number} without the change of trial {change.number}{what}: is that"
        " still needed?",
        hypothesis=Hypothesis(
            claim=f"the change of trial {change.number} is still needed",
            expects="worse",
            against=best.number,
        ),
        parent=best.number,
        edit=edit,
        category=change.proposal.category,
        without=change.number,
    )
