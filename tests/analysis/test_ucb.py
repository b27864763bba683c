"""The tree of trials: who hangs on whom, and scores recomputed by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.propose.proposer_conformance import CODE, ONE, Journal, task_of
from trialwright.analysis.ucb import Node, ancestry, bonus, lineage, nodes, rewards, state_of
from trialwright.records import CodeVersion, Launch, Observation, Proposal, Request, RunKey
from trialwright.task import Objective, Ucb

DOCUMENTED, VARIANT = Ucb(c=1.414), Ucb(c=0.5, rule="variant")


def proposal(x: float, parent: int | None = None) -> Proposal:
    """A proposal at `x` that changes trial `parent`."""
    return Proposal(configuration={"x": x}, by="hand", parent=parent)


def grown() -> Journal:
    """Six trials: 0 with children 1 and 2, 3 below 1, 4 failed below 1, 5 going on below 2.

    Values: trial 0 has 0.5, 1 has 0.8, 2 has 0.3, 3 has 0.8.
    """
    journal = Journal(task_of(ONE))
    journal.ended(proposal(0.0), 0.5)
    journal.ended(proposal(0.1, 0), 0.8)
    journal.ended(proposal(0.2, 0), 0.3)
    journal.ended(proposal(0.3, 1), 0.8)
    journal.ended(proposal(0.4, 1), None)
    journal.pending(proposal(0.5, 2))
    return journal


def test_scores_of_the_documented_formula_are_those_worked_out_by_hand() -> None:
    """Reward + 1.414 * sqrt(ln 6 / n), with pending trials in n and N, and failed ones at 0."""
    found = {node.number: node for node in nodes(grown().history, DOCUMENTED)}
    # ln 6 = 1.791759; n by hand: the whole tree, three, two, and leaves.
    assert [found[i].visits for i in range(6)] == [6, 3, 2, 1, 1, 1]
    # Of four values the ranks are 0.3 < 0.5 < 0.8 = 0.8, so 1, 2 and twice 3.5, over 4.
    assert found[0].score == pytest.approx(0.5 + 1.414 * 0.546468, abs=1e-5)
    assert found[1].score == pytest.approx(0.875 + 1.414 * 0.772821, abs=1e-5)
    assert found[2].score == pytest.approx(0.25 + 1.414 * 0.946509, abs=1e-5)
    assert found[3].score == pytest.approx(0.875 + 1.414 * 1.338566, abs=1e-5)
    assert found[4].score == pytest.approx(0.0 + 1.414 * 1.338566, abs=1e-5)
    assert found[5].score is None


def test_scores_of_the_variant_are_those_worked_out_by_hand() -> None:
    """Reward + 0.5 * sqrt(6) / (1 + n)."""
    found = {node.number: node for node in nodes(grown().history, VARIANT)}
    # sqrt(6) = 2.449490, halved 1.224745.
    assert found[0].score == pytest.approx(0.5 + 1.224745 / 7, abs=1e-5)
    assert found[1].score == pytest.approx(0.875 + 1.224745 / 4, abs=1e-5)
    assert found[2].score == pytest.approx(0.25 + 1.224745 / 3, abs=1e-5)
    assert found[3].score == pytest.approx(0.875 + 1.224745 / 2, abs=1e-5)
    assert found[4].score == pytest.approx(1.224745 / 2, abs=1e-5)
    assert found[5].score is None


def test_the_first_trial_has_no_bonus_by_the_documented_formula() -> None:
    """The logarithm of one is 0."""
    assert bonus(DOCUMENTED, total=1, visits=1) == 0.0


def test_planned_children_count_as_trials_all_the_way_up() -> None:
    """Two more below trial 3: N is 8, and n grows by two for 3, 1 and 0, and for nobody else."""
    before = nodes(grown().history, DOCUMENTED)
    after = nodes(grown().history, DOCUMENTED, planned=[3, 3])
    added = [a.visits - b.visits for a, b in zip(after, before, strict=True)]
    assert added == [2, 2, 0, 2, 0, 0]
    assert after[3].bonus == pytest.approx(1.414 * math.sqrt(math.log(8) / 3))


def test_smaller_is_better_where_the_objective_says_so() -> None:
    """The rewards of a loss are those of the metric turned round."""
    task = replace(task_of(ONE), objective=Objective(metric="loss", direction="minimize"))
    journal = Journal(task)
    for x, value in ((0.0, 3.0), (0.1, 1.0), (0.2, 1e9)):
        journal.ended(proposal(x), value)
    assert rewards(journal.history) == pytest.approx({0: 2 / 3, 1: 1.0, 2: 1 / 3})


def test_rewards_of_other_code_are_ranked_apart() -> None:
    """What the old code showed says nothing of how good a result of the new code is."""
    journal = Journal(task_of(ONE))
    journal.ended(proposal(0.0), 100.0)
    journal.ended(proposal(0.1), 50.0)
    journal.note(CodeVersion(id="new"))
    journal.ended(proposal(0.2), 1.0)
    assert rewards(journal.history) == {0: 1.0, 1: 0.5, 2: 1.0}


def test_more_seeds_move_the_reward() -> None:
    """The mean over seeds is ranked, not the first seed."""
    journal = Journal(task_of(ONE))
    journal.ended(proposal(0.0), 0.5)
    journal.ended(proposal(0.1), 0.9)
    assert rewards(journal.history) == {0: 0.5, 1: 1.0}
    replicate(journal, 1, 0.0)
    assert rewards(journal.history) == {0: 1.0, 1: 0.5}


def test_a_trial_without_a_parent_hangs_on_the_best_that_it_saw() -> None:
    """Not on what was best later, nor on what was still going on when it was proposed."""
    journal = Journal(task_of(ONE))
    journal.ended(proposal(0.0), 0.5)
    going = journal.pending(proposal(0.1))
    journal.ended(proposal(0.2), 0.4)
    journal.note(Observation(run=going, outcome="done", value=0.9))
    journal.ended(proposal(0.3), None)
    journal.ended(proposal(0.4), 0.7)
    assert lineage(journal.history) == [None, 0, 0, 1, 1]


def test_the_best_that_was_seen_can_lose_its_place() -> None:
    """A lucky first seed leads only until a second one shows it."""
    journal = Journal(task_of(ONE))
    journal.ended(proposal(0.0), 0.5)
    journal.ended(proposal(0.1), 0.9)
    journal.ended(proposal(0.2), 0.1)
    replicate(journal, 1, -0.9)
    journal.ended(proposal(0.3), 0.2)
    assert lineage(journal.history) == [None, 0, 1, 0]


def test_four_parallel_siblings_hang_on_one_parent() -> None:
    """Admitted together, ended in another order, one of them failed: the lineage is the same."""
    journal = Journal(task_of(ONE))
    journal.ended(proposal(0.0), 0.5)
    keys = [journal.pending(proposal(0.1 * i, 0)) for i in range(1, 5)]
    assert lineage(journal.history) == [None, 0, 0, 0, 0]
    assert [node.visits for node in nodes(journal.history, DOCUMENTED)] == [5, 1, 1, 1, 1]
    for key, value in ((keys[2], 0.9), (keys[0], 0.1), (keys[3], None), (keys[1], 0.6)):
        outcome = "failed" if value is None else "done"
        journal.note(Observation(run=key, outcome=outcome, value=value))
    journal.ended(proposal(0.9), 0.2)
    assert lineage(journal.history) == [None, 0, 0, 0, 0, 3]
    assert [node.visits for node in nodes(journal.history, DOCUMENTED)] == [6, 1, 1, 2, 1, 1]


def test_the_way_to_a_node_starts_at_the_root() -> None:
    """Both ends are on it."""
    assert ancestry(lineage(grown().history), 4) == [0, 1, 4]


def test_a_pending_trial_has_no_score_and_an_ended_one_has() -> None:
    """What has shown nothing yet can't be a parent, but is counted."""
    node = Node(number=0, parent=None, reward=None, visits=1, bonus=1.0)
    assert node.score is None
    assert replace(node, reward=0.25).score == 1.25


def replicate(journal: Journal, trial: int, value: float) -> None:
    """Give a trial one more seed, with this value."""
    key = RunKey(trial, journal.history.trials[trial].planned, 0)
    journal.note(
        Request(what="replicate", trial=trial, seeds=1),
        Launch(run=key, seed=2, command=(), machine="m"),
        Observation(run=key, outcome="done", value=value),
    )
    assert journal.history.trials[trial].code == CODE


def test_what_does_not_meet_a_requirement_is_worth_nothing_as_a_parent() -> None:
    """It ended well, but has no value that counts: reward 0, and told apart from a failure."""
    journal = Journal(replace(task_of(ONE), require=("memory <= 4",)))
    for x, memory in ((0.0, 2.0), (0.1, 8.0)):
        key = journal.pending(proposal(x))
        seen = Observation(run=key, outcome="done", value=0.5 + x, metrics={"memory": memory})
        journal.note(seen)
    journal.ended(proposal(0.2), None)
    assert [state_of(trial) for trial in journal.history.trials] == ["done", "infeasible", "failed"]
    assert rewards(journal.history) == {0: 1.0, 1: 0.0, 2: 0.0}
