"""What every proposer promises, whatever it thinks: subclass `ProposerConformance` and give one.

Histories are made here from records, without a runner: their values come from a smooth function of
the unit cube, so that a proposer that models them has something to find.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pytest

from trialwright.analysis.curves import diagnose
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose.proposer import Proposer
from trialwright.records import (
    Admission,
    Cause,
    CodeVersion,
    Curve,
    Entry,
    Launch,
    Observation,
    Opened,
    Outcome,
    Proposal,
    Record,
    RunKey,
    Verdict,
)
from trialwright.space import Choice, Float, Int, Ordinal, Space
from trialwright.task import Budget, Objective, Task

MIXED = Space(
    (
        Float("lr", 1e-5, 0.1, log=True, default=0.001),
        Float("dropout", 0.0, 0.5, step=0.05),
        Int("epochs", 1, 200),
        Int("width", 8, 512, log=True),
        Choice("optimizer", ("adam", "sgd")),
        Choice("flag", (True, False)),
        Ordinal("batch_size", (16, 32, 64, 128)),
    )
)
CONDITIONAL = Space(
    (
        Choice("kind", ("tree", "net")),
        Int("depth", 1, 12, when="kind == 'tree'"),
        Choice("optimizer", ("adam", "sgd"), when="kind == 'net'"),
        Float("momentum", 0.0, 0.99, when="optimizer == 'sgd'"),
        Float("lr", 1e-4, 1.0, log=True),
    )
)
CONSTRAINED = Space(
    (Int("depth", 1, 12), Int("trees", 10, 1000, log=True), Float("x", -1.0, 1.0)),
    ("depth * trees <= 600", "x >= 0 or depth < 6"),
)
TINY = Space((Int("a", 1, 3), Choice("b", ("x", "y"))), ("a != 2 or b == 'x'",))
ONE = Space((Float("x", 0.0, 1.0),))
FIXED = Space((Choice("only", (None,)), Float("point", 2.0, 2.0)))
WIDE = Space(tuple(Float(f"p{i}", -1.0, 1.0) for i in range(50)))
SPACES: Mapping[str, Space] = {
    "mixed": MIXED,
    "conditional": CONDITIONAL,
    "constrained": CONSTRAINED,
    "tiny": TINY,
    "one": ONE,
    "wide": WIDE,
}
CODE = "code"


def task_of(
    space: Space, *, direction: Literal["maximize", "minimize"] = "maximize", metric: str = "score"
) -> Task:
    """A task over a space, with a metric of which nothing is known unless it is named."""
    objective = Objective(metric=metric, direction=direction)
    return Task(name="conformance", objective=objective, space=space, budget=Budget(trials=20))


@dataclass
class Journal:
    """Grows a history, one finished, failed or pending trial at a time."""

    task: Task
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.note(Opened(task=self.task, seed=0, version="0"), CodeVersion(id=CODE))

    def note(self, *records: Record) -> None:
        """Append records."""
        for record in records:
            entry = Entry(self.history.sequence + 1, float(self.history.sequence), record)
            self.history.extend([entry])

    def pending(self, proposal: Proposal) -> RunKey:
        """Admit and launch a trial."""
        key = RunKey(len(self.history.trials), 0, 0)
        self.note(
            Admission(number=key.trial, proposal=proposal, code=self.history.code),
            Launch(run=key, seed=1, command=(), machine="m"),
        )
        return key

    def ended(
        self,
        proposal: Proposal,
        value: float | None,
        *,
        cause: Cause = "diverged",
        outcome: Outcome | None = None,
        curve: Curve | None = None,
    ) -> None:
        """Admit, launch and finish a trial; without a value it has failed for `cause`."""
        key = self.pending(proposal)
        outcome = outcome or ("failed" if value is None else "done")
        observation = Observation(
            run=key,
            outcome=outcome,
            value=value,
            cause=cause if outcome == "failed" else None,
            curve=curve or Curve(),
        )
        self.note(observation, diagnose(observation, self.task.objective))
        if value is not None:
            self.note(Verdict(trial=key.trial, status="unconfirmed", sentence=""))

    def drawn(self, count: int, *, seed: int = 0) -> None:
        """Add `count` finished random trials, no configuration twice, with smooth values."""
        rng = np.random.default_rng(seed)
        for _ in range(20 * count):
            if not count:
                return
            configuration = self.task.space.sample(rng)
            if self.history.seen(configuration, code=CODE) is None:
                self.ended(_by_hand(configuration), smooth(self.task, configuration))
                count -= 1


def smooth(task: Task, configuration: Mapping[str, Scalar]) -> float:
    """A smooth function with its optimum at 0.3 of every parameter."""
    gaps = task.space.encode([configuration])[0] - 0.3
    return float(task.objective.sign * -np.mean(gaps**2))


def _by_hand(configuration: Mapping[str, Scalar]) -> Proposal:
    return Proposal(configuration=configuration, by="hand")


def histories(task: Task) -> dict[str, History]:
    """Histories of every kind that a study can come to."""
    empty, results, failed, pending = (Journal(task) for _ in range(4))
    results.drawn(6)
    rng = np.random.default_rng(1)
    for cause in ("diverged", "out_of_memory_gpu", "bad_argument"):
        failed.ended(_by_hand(task.space.sample(rng)), None, cause=cause)  # type: ignore[arg-type]
    for _ in range(2):
        pending.pending(_by_hand(task.space.sample(rng)))
    mixed = Journal(task)
    mixed.drawn(4)
    mixed.ended(_by_hand(task.space.sample(rng)), None, cause="timed_out")
    mixed.ended(_by_hand(task.space.sample(rng)), None, outcome="pruned")
    mixed.pending(_by_hand(task.space.sample(rng)))
    return {
        "unopened": History(),
        "empty": empty.history,
        "results": results.history,
        "failed": failed.history,
        "pending": pending.history,
        "mixed": mixed.history,
    }


class ProposerConformance:
    """Subclass it in the tests of a proposer, and override `proposer`."""

    @pytest.fixture
    def proposer(self) -> Proposer:
        """The proposer under test."""
        raise NotImplementedError

    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("kind", histories(task_of(ONE)))
    def test_proposals_are_legal_new_distinct_and_no_more_than_asked(
        self, proposer: Proposer, space: str, kind: str
    ) -> None:
        """Any space and any history: at most n, each legal, none tried before, none twice."""
        task = task_of(SPACES[space])
        history = histories(task)[kind]
        proposals = proposer(task, history, 3, np.random.default_rng(0))
        assert len(proposals) <= 3
        assert proposals or space == "tiny"
        keys = [task.space.key(proposal.configuration) for proposal in proposals]
        assert len(set(keys)) == len(keys)
        for proposal in proposals:
            assert task.space.check(proposal.configuration) == ()
            if history.opened:
                assert history.seen(proposal.configuration, code=history.code) is None

    @pytest.mark.parametrize("kind", ["empty", "results", "mixed"])
    def test_every_proposal_says_by_whom_and_why(self, proposer: Proposer, kind: str) -> None:
        """`by` is the proposer's name, a rationale is there, and a parent exists."""
        task = task_of(MIXED)
        history = histories(task)[kind]
        for proposal in proposer(task, history, 2, np.random.default_rng(0)):
            assert proposal.by == proposer.name
            assert proposal.rationale.strip()
            assert proposal.parent is None or proposal.parent < len(history.trials)
            if proposal.predicted is not None:
                assert math.isfinite(proposal.predicted.low)
                assert proposal.predicted.low <= proposal.predicted.high

    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("kind", ["empty", "results", "mixed"])
    def test_same_history_and_generator_give_the_same_proposals(
        self, proposer: Proposer, space: str, kind: str
    ) -> None:
        """A replay sees what the live study saw, also when the history is read anew."""
        task = task_of(SPACES[space])
        first, second = (
            proposer(task, histories(task)[kind], 2, np.random.default_rng(7)) for _ in range(2)
        )
        assert first == second

    def test_a_call_leaves_the_history_as_it_is(self, proposer: Proposer) -> None:
        """Asking twice with equal generators gives equal answers: no state is left behind."""
        task = task_of(MIXED)
        history = histories(task)["mixed"]
        sequence = history.sequence
        first = proposer(task, history, 2, np.random.default_rng(3))
        assert proposer(task, history, 2, np.random.default_rng(3)) == first
        assert history.sequence == sequence

    def test_a_finite_space_runs_out(self, proposer: Proposer) -> None:
        """Every legal configuration of a small space is proposed once, and then none."""
        task = task_of(TINY)
        journal = Journal(task)
        for number in range(10):
            proposals = proposer(task, journal.history, 1, np.random.default_rng(number))
            if not proposals:
                break
            journal.ended(proposals[0], smooth(task, proposals[0].configuration))
        assert len(journal.history.trials) == 5

    @pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
    @pytest.mark.parametrize("direction", ["maximize", "minimize"])
    def test_any_scale_of_the_metric_will_do(
        self, proposer: Proposer, scale: float, direction: Literal["maximize", "minimize"]
    ) -> None:
        """Metrics of 1e-9 and of 1e12, larger or smaller better, work like any other."""
        task = task_of(MIXED, direction=direction)
        journal = Journal(task)
        rng = np.random.default_rng(0)
        for _ in range(5):
            configuration = task.space.sample(rng)
            journal.ended(_by_hand(configuration), scale * smooth(task, configuration))
        assert len(proposer(task, journal.history, 2, rng)) == 2

    def test_equal_results_will_do(self, proposer: Proposer) -> None:
        """A metric that never moves breaks nothing."""
        task = task_of(MIXED)
        journal = Journal(task)
        rng = np.random.default_rng(0)
        for _ in range(6):
            journal.ended(_by_hand(task.space.sample(rng)), 0.5)
        assert len(proposer(task, journal.history, 1, rng)) == 1

    def test_results_of_an_older_code_version_are_no_obstacle(self, proposer: Proposer) -> None:
        """After the code has changed, a study goes on, and what was tried may be tried again."""
        task = task_of(TINY)
        journal = Journal(task)
        journal.drawn(5)
        assert proposer(task, journal.history, 1, np.random.default_rng(0)) == []
        journal.note(CodeVersion(id="newer"))
        assert len(proposer(task, journal.history, 1, np.random.default_rng(0))) == 1

    def test_a_task_may_have_a_space_of_its_own(self, proposer: Proposer) -> None:
        """A widened space is searched as it is now, though all trials are older."""
        narrow = Space((Float("x", 0.0, 1.0), Choice("c", ("a", "b"))))
        wider = Space((Float("x", 0.0, 4.0), Choice("c", ("a", "b", "c"))))
        journal = Journal(task_of(narrow))
        journal.drawn(4)
        journal.note(Opened(task=task_of(wider), seed=0, version="0"))
        proposals = proposer(task_of(wider), journal.history, 2, np.random.default_rng(0))
        assert len(proposals) == 2
        assert all(not wider.check(proposal.configuration) for proposal in proposals)


def fixed_task() -> Task:
    """A task with nothing to vary: one configuration is all there is."""
    return replace(task_of(FIXED), name="fixed")
