"""The tree of trials in words and numbers: as text, as a table of scores, as data for programs.

Lineage and scores are `analysis.ucb`'s; what a picture of it looks like is `branches`'. It decides
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trialwright.analysis.ucb import State, ancestry, children, nodes, state_of
from trialwright.history import History, Trial
from trialwright.report import words
from trialwright.report.words import Change
from trialwright.robust import deviation, mean

COLUMNS = (
    "trial", "parent", "state", "value", "mean", "sd", "seeds", "reward", "visits", "bonus",
    "score", "by", "changed",
)  # fmt: skip
"""Of the table of scores."""


Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A trial in the tree, as a reader wants it."""

    number: int
    parent: int | None
    state: State
    value: float | None
    reward: float | None
    visits: int
    bonus: float
    score: float | None
    changed: tuple[Change, ...]
    """Against the parent; nothing where there is none."""
    by: str

    @property
    def step(self) -> str:
        """What was changed, in words."""
        if self.parent is None:
            return "the first" if self.number == 0 else "from nothing before it"
        return words.listed(self.changed, most=2) or "nothing changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """The whole tree."""

    branches: tuple[Branch, ...]
    """By number."""
    best: int | None
    following: int | None
    """The trial with the highest score, from which the tree would grow next."""
    way: tuple[int, ...]
    """From the root to the best."""
    rule: str
    c: float

    @property
    def parents(self) -> list[int | None]:
        """The parent of each trial, by number."""
        return [branch.parent for branch in self.branches]


def grown(history: History) -> Grown:
    """Read the tree off a history."""
    ucb = history.task.tree
    found = nodes(history, ucb)
    trials = history.trials
    branches = tuple(
        Branch(
            number=node.number,
            parent=node.parent,
            state=state_of(trials[node.number]),
            value=trials[node.number].value,
            reward=node.reward,
            visits=node.visits,
            bonus=node.bonus,
            score=node.score,
            changed=()
            if node.parent is None
            else words.changes(
                trials[node.parent].configuration, trials[node.number].configuration
            ),
            by=words.line(trials[node.number].proposal.by, most=40),
        )
        for node in found
    )
    best = history.best()
    scored = [b for b in branches if b.value is not None and trials[b.number].code == history.code]
    first = max(scored, key=lambda b: (b.score or 0.0, -b.number), default=None)
    return Grown(
        branches=branches,
        best=best.number if best else None,
        following=first.number if first else None,
        way=tuple(ancestry([b.parent for b in branches], best.number)) if best else (),
        rule=ucb.rule,
        c=ucb.c,
    )


def reading(tree: Grown) -> str:
    """Say in a sentence or two what the tree shows."""
    count = words.count(len(tree.branches), "trial")
    tips = len(tree.branches) - len({p for p in tree.parents if p is not None})
    said = f"{count}, {words.count(tips, 'of them has', 'of them have')} no child."
    if tree.best is not None:
        steps = len(tree.way) - 1
        way = " → ".join(map(str, tree.way if steps < 9 else (*tree.way[:3], "…", *tree.way[-4:])))
        said += f" The best, trial {tree.best}, was reached in {words.count(steps, 'step')}: {way}."
    if tree.following is not None:
        branch = tree.branches[tree.following]
        said += (
            f" Trial {branch.number} has the highest score, {branch.score:.3f} ="
            f" {branch.reward:.3f} for its rank + {branch.bonus:.3f} for having"
            f" {words.count(branch.visits, 'trial')} in its branch."
        )
    return said


def lines(tree: Grown, *, metric: str) -> Iterator[str]:
    """Yield the tree as text, a trial per line, children below their parent.

    An only child stands right below its parent, without a mark, or a long chain would run out of
    the page.
    """
    formula = "c √(ln N / n)" if tree.rule == "documented" else "c √N / (1 + n)"
    yield f"trial: {metric} (score = reward + {formula}, c = {tree.c:g}, N = {len(tree.branches)})"
    yield "├ and └ are siblings; without a mark, a trial is the only child of the one above"
    below = children(tree.parents)
    waiting = [(number, "", "") for number in reversed(below.get(None, []))]
    while waiting:
        number, lead, rest = waiting.pop()
        yield f"{lead}{_line(tree.branches[number])}{_marks(tree, number)}"
        own = below.get(number, [])
        if len(own) == 1:
            waiting.append((own[0], rest, rest))
            continue
        for child in reversed(own):
            last = child == own[-1]
            waiting.append(
                (child, rest + ("└ " if last else "├ "), rest + ("  " if last else "│ "))
            )


def _line(branch: Branch) -> str:
    value = words.number(branch.value) if branch.value is not None else branch.state
    score = (
        f"{branch.score:.3f} = {branch.reward:.3f} + {branch.bonus:.3f}, n = {branch.visits}"
        if branch.score is not None
        else f"no score yet, n = {branch.visits}"
    )
    return f"{branch.number}: {value} ({score}) {words.line(branch.step, most=80)}"


def _marks(tree: Grown, number: int) -> str:
    marks = ["best"] * (number == tree.best) + ["highest score"] * (number == tree.following)
    return f"  <- {', '.join(marks)}" if marks else ""


def scores_tsv(history: History) -> str:
    """Return the table of all scores, highest first, those that go on last; tab-separated.

    What `notebook/ucb_scores.tsv` holds.
    """
    tree = grown(history)
    ranked = sorted(tree.branches, key=lambda b: (b.score is None, -(b.score or 0.0), b.number))
    rows = [
        (
            str(b.number),
            _cell(b.parent),
            b.state,
            _cell(b.value),
            *_seeds(history.trials[b.number]),
            _cell(b.reward),
            str(b.visits),
            _cell(b.bonus),
            _cell(b.score),
            b.by,
            words.line(words.listed(b.changed, most=len(b.changed)) or b.step),
        )
        for b in ranked
    ]
    return "".join("\t".join(row) + "\n" for row in [COLUMNS, *rows])


def _seeds(trial: Trial) -> tuple[str, str, str]:
    """Mean and standard deviation of a trial's seeds, and how many have a value."""
    values = list(trial.values.values())
    return (
        _cell(mean(values) if values else None),
        _cell(deviation(values) if len(values) > 1 else None),
        str(len(values)),
    )


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def document(history: History) -> dict[str, Json]:
    """Return the tree as JSON has it: what `tree/tree.json` holds."""
    tree = grown(history)
    return {
        "rule": tree.rule,
        "c": tree.c,
        "trials": len(tree.branches),
        "best": tree.best,
        "next": tree.following,
        "way": list(tree.way),
        "nodes": [
            {
                "trial": b.number,
                "parent": b.parent,
                "state": b.state,
                "value": b.value,
                "reward": b.reward,
                "visits": b.visits,
                "bonus": b.bonus,
                "score": b.score,
                "by": b.by,
                "changed": _changes(b.changed),
            }
            for b in tree.branches
        ],
    }


def _changes(changed: Sequence[Change]) -> list[Json]:
    return [{"parameter": c.parameter, "before": c.before, "after": c.after} for c in changed]
