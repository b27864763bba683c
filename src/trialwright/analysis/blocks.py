"""Blocks: so many trials at a time, after which a study stands back and writes down what it knows.

Which block is due, and what happened in one, in numbers. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from trialwright.analysis.compare import HypothesisStatus, hypothesis_status
from trialwright.history import History, Trial
from trialwright.records import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What happened in a block."""

    block: Block
    done: int
    failed: int
    pruned: int
    by: Mapping[str, int]
    """Trials of each proposer, the most first."""
    varied: Mapping[str, int]
    """Trials that changed each parameter of their parent, the most first."""
    before: tuple[int, float] | None
    """The best trial before the block, and its value then."""
    records: tuple[int, ...]
    """The block's trials that beat the best of their time, and still do."""
    expectations: Mapping[HypothesisStatus, int]
    """Where the expectations stand that the block's trials came with."""

    @property
    def gained(self) -> float | None:
        """How far the best value moved, in the metric's unit; None without one before."""
        if self.before is None or self.block.value is None:
            return None
        return self.block.value - self.before[1]


def due(history: History, *, size: int | None, ending: bool = False) -> Block | None:
    """Return the next block if all of its trials have been judged.

    `ending`: the study is over, so that a block is closed with the trials that there are.
    """
    first = history.blocks[-1].last + 1 if history.blocks else 0
    last = min(first + (size or 0), len(history.trials)) - 1
    if size is None or last < first or (last - first + 1 < size and not ending):
        return None
    if any(trial.verdict is None for trial in history.trials[first : last + 1]):
        return None
    best = _best(history, last=last)
    return Block(
        number=len(history.blocks) + 1,
        first=first,
        last=last,
        best=None if best is None else best.number,
        value=None if best is None else best.value,
    )


def course(history: History, block: Block) -> Course:
    """Return what happened in a block, as it is known now."""
    trials = history.trials[block.first : block.last + 1]
    states = Counter(trial.state for trial in trials)
    earlier = history.blocks[block.number - 2] if block.number > 1 else None
    before = None
    if earlier is not None and earlier.best is not None and earlier.value is not None:
        before = earlier.best, earlier.value
    return Course(
        block=block,
        done=sum(trial.value is not None for trial in trials),
        failed=states["failed"],
        pruned=states["pruned"],
        by=dict(Counter(trial.proposal.by for trial in trials).most_common()),
        varied=dict(
            Counter(name for trial in trials for name in changed(history, trial)).most_common()
        ),
        before=before,
        records=tuple(trial.number for trial in trials if _led(trial)),
        expectations=Counter(
            hypothesis_status(history, trial) for trial in trials if trial.proposal.hypothesis
        ),
    )


def changed(history: History, trial: Trial) -> list[str]:
    """Return the parameters in which a trial differs from its parent; () without a parent."""
    if trial.proposal.parent is None:
        return []
    before, after = history.trials[trial.proposal.parent].configuration, trial.configuration
    return [name for name in {**before, **after} if repr(before.get(name)) != repr(after.get(name))]


def _led(trial: Trial) -> bool:
    verdict = trial.verdict
    favoured = verdict is not None and verdict.status in ("kept", "unconfirmed")
    return favoured and verdict is not None and verdict.against is not None


def _best(history: History, *, last: int) -> Trial | None:
    """The best of the trials up to `last`."""
    best = history.best()
    if best is None or best.number <= last:
        return best
    sign = history.task.objective.sign
    found = [
        trial for trial in history.favoured() if trial.number <= last and trial.code == best.code
    ]
    valued = [trial for trial in found if trial.value is not None]
    return max(valued, key=lambda trial: sign * (trial.value or 0.0), default=None)
