"""The search tree: lineage, modes by measured state, words, and that it outlives its process."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from benchmarks import synthetic
from tests.analysis.test_ucb import replicate
from tests.app.started import Started
from tests.propose.proposer_conformance import (
    CONDITIONAL,
    MIXED,
    WIDE,
    Journal,
    ProposerConformance,
    smooth,
    task_of,
)
from tests.thoroughness import repeats
from trialwright.analysis.ucb import Node, lineage, nodes
from trialwright.history import History, read
from trialwright.propose import words
from trialwright.propose.baselines import Random
from trialwright.propose.proposer import Proposer
from trialwright.propose.tree import TreeSearch
from trialwright.records import Curve, Proposal
from trialwright.space import Configuration, Float, Int, Space
from trialwright.task import Objective, Task, Ucb

NETWORK = Space(
    (
        Float("learning_rate", 1e-5, 0.1, log=True, default=1e-3),
        Float("dropout", 0.0, 0.5, default=0.1),
        Int("epochs", 5, 100, default=20),
    )
)


class TestTree(ProposerConformance):
    """It keeps what every proposer promises."""

    @pytest.fixture
    def proposer(self) -> Proposer:
        """The tree."""
        return TreeSearch()


def next_parent(task: Task, history: History) -> int | None:
    """The trial that the tree would branch from now."""
    [proposal] = TreeSearch()(task, history, 1, np.random.default_rng(0))
    return proposal.parent


def ask(journal: Journal, n: int = 1, seed: int = 0) -> list[Proposal]:
    """What the tree proposes next."""
    return TreeSearch()(journal.task, journal.history, n, np.random.default_rng(seed))


def mode(proposal: Proposal) -> str:
    """What the tree does, as the first words of the rationale say."""
    return proposal.rationale.partition(":")[0]


def by_hand(parent: int | None = None, **values: float | str) -> Proposal:
    """A proposal of somebody else."""
    return Proposal(configuration=values, by="hand", parent=parent)


def network(metric: str = "accuracy", ucb: Ucb | None = None) -> Journal:
    """A study of a small network, its default tried."""
    task = Task(
        name="t", objective=Objective(metric=metric), space=NETWORK, description="an MLP in torch",
        tree=ucb or Ucb(),
    )  # fmt: skip
    journal = Journal(task)
    journal.ended(by_hand(learning_rate=1e-3, dropout=0.1, epochs=20), 0.8)
    return journal


def played(task: Task, trials: int, *, proposer: Proposer | None = None) -> Journal:
    """A study of a smooth function, one trial after the other."""
    journal = Journal(task)
    for number in range(trials):
        rng = np.random.default_rng([0, number])
        [proposal] = (proposer or TreeSearch())(task, journal.history, 1, rng)
        journal.ended(proposal, smooth(task, proposal.configuration))
    return journal


def with_score(found: Sequence[Node]) -> list[Node]:
    """The nodes that have a result, highest score first."""
    scored = [node for node in found if node.score is not None]
    return sorted(scored, key=lambda node: (-(node.score or 0.0), node.number))


def changed(journal: Journal, proposal: Proposal) -> list[str]:
    """The parameters in which a proposal differs from its parent."""
    assert proposal.parent is not None
    parent = journal.history.trials[proposal.parent]
    return words.changed(proposal.configuration, parent.configuration)


@pytest.mark.parametrize("rule", ["documented", "variant"])
def test_the_parent_is_the_trial_with_the_highest_score(
    rule: Literal["documented", "variant"],
) -> None:
    """While there are gains the tree exploits: its parent is the first by the formula chosen."""
    ucb = Ucb(c=0.7, rule=rule)
    journal = network(ucb=ucb)
    journal.ended(by_hand(0, learning_rate=2e-3, dropout=0.1, epochs=20), 0.7)
    journal.ended(by_hand(0, learning_rate=1e-3, dropout=0.2, epochs=20), 0.9)
    journal.ended(by_hand(2, learning_rate=5e-4, dropout=0.2, epochs=20), 0.85)
    [first, *_] = with_score(nodes(journal.history, ucb))
    [proposal] = ask(journal)
    assert mode(proposal) == "Exploit"
    assert proposal.parent == first.number
    assert f"score {first.score:.3f} = reward {first.reward:.3f}" in proposal.rationale
    assert next_parent(journal.task, journal.history) == first.number


def test_the_constant_decides_between_the_good_and_the_rarely_tried() -> None:
    """Without a bonus the best is branched from again and again; with a large one, a leaf is."""
    parents = {}
    for c in (0.0, 5.0):
        journal = network(ucb=Ucb(c=c))
        for i, value in enumerate((0.7, 0.6, 0.5)):
            journal.ended(by_hand(0, learning_rate=1e-3, dropout=0.2 + 0.1 * i, epochs=20), value)
        [proposal] = ask(journal)
        parents[c] = proposal.parent
    assert parents == {0.0: 0, 5.0: 1}


def test_four_parallel_siblings_have_one_parent_and_differ() -> None:
    """Where only one trial has a result all four hang on it, and the ledger says so."""
    journal = network()
    proposals = ask(journal, 4)
    for proposal in proposals:
        journal.pending(proposal)
    assert [proposal.parent for proposal in proposals] == [0, 0, 0, 0]
    assert len({str(proposal.configuration) for proposal in proposals}) == 4
    assert lineage(journal.history) == [None, 0, 0, 0, 0]
    assert [node.visits for node in nodes(journal.history, Ucb())] == [5, 1, 1, 1, 1]


def test_parents_in_a_batch_are_those_that_asking_one_by_one_gives() -> None:
    """What is planned counts as going on, so a batch spreads as single questions would."""
    task = task_of(MIXED)
    batch, single = played(task, 6), played(task, 6)
    together = [proposal.parent for proposal in ask(batch, 3)]
    for _ in range(3):
        [proposal] = ask(single)
        single.pending(proposal)
    assert [trial.proposal.parent for trial in single.history.trials[6:]] == together


@pytest.mark.parametrize("space", [MIXED, CONDITIONAL], ids=["mixed", "conditional"])
def test_a_mutation_changes_one_parameter_unless_told_otherwise(space: Space) -> None:
    """`mutate: 1` holds for every mode but recombining and probing; `mutate: 3` allows more."""
    for most in (1, 3):
        journal = played(replace(task_of(space), tree=Ucb(mutate=most)), 25)
        sizes = []
        for trial in journal.history.trials[1:]:
            if mode(trial.proposal) in ("Exploit", "Explore elsewhere", "Ablate", "Scale up"):
                assert trial.proposal.parent is not None
                parent = journal.history.trials[trial.proposal.parent].configuration
                sizes.append(
                    sum(
                        trial.configuration[name] != parent[name]
                        for name in trial.configuration
                        if name in parent
                    )
                )
        assert max(sizes) <= most
        assert max(sizes) > 1 or most == 1


def test_a_streak_without_a_gain_lets_it_do_other_things_in_turn() -> None:
    """From `patience` on each of the four has its turn, and the numbers are in the rationale."""
    journal = played(task_of(MIXED), 12)
    best = journal.history.best()
    assert best is not None
    seen: list[str] = []
    while len(seen) < 24:
        [proposal] = ask(journal)
        dry = len(journal.history.trials) - 1 - best.number
        if dry >= len(MIXED.names):
            seen.append(mode(proposal))
            assert f"for {dry} trials (patience {len(MIXED.names)})" in proposal.rationale
        else:
            assert mode(proposal) == "Exploit"
        # Worse than all before, so that the streak goes on.
        journal.ended(proposal, -1.0 - 0.01 * len(journal.history.trials))
    assert set(seen) == {"Exploit", "Explore elsewhere", "Recombine", "Ablate"}


def test_a_gain_within_the_noise_does_not_end_a_streak() -> None:
    """What replicates scatter by is no progress; more than that is."""
    for gain, expected in ((0.001, False), (0.1, True)):
        journal = Journal(task_of(WIDE))
        values = np.linspace(-1, 1, 80)
        base: dict[str, float | str] = dict.fromkeys(WIDE.names, 0.0)
        journal.ended(by_hand(None, **base), 0.5)
        for i in range(55):
            journal.ended(by_hand(0, **{**base, "p0": float(values[i])}), 0.5 + gain * (i == 54))
        with_seeds(journal, [0.5, 0.51, 0.49, 0.5, 0.51, 0.49])
        [proposal] = ask(journal)
        assert (mode(proposal) == "Exploit") is expected


def with_seeds(journal: Journal, values: Sequence[float]) -> None:
    """Run trial 0 under more seeds."""
    for value in values:
        replicate(journal, 0, value)


def test_recombining_takes_from_two_good_trials_that_lie_apart() -> None:
    """Every value of the child is that of one of the two parents, and some are of each."""
    journal = played(task_of(MIXED), 60)
    found = [t for t in journal.history.trials if mode(t.proposal) == "Recombine"]
    assert found
    for trial in found:
        assert trial.proposal.parent is not None
        named = {int(w.rstrip(".")) for w in trial.proposal.reasons[
            next(iter(trial.proposal.reasons))].split() if w.rstrip(".").isdigit()}  # fmt: skip
        [other] = named
        one: Configuration = journal.history.trials[trial.proposal.parent].configuration
        two: Configuration = journal.history.trials[other].configuration
        ours = trial.configuration
        assert all(ours[name] in (one.get(name), two.get(name)) for name in ours)
        assert any(ours[name] != one.get(name) for name in ours)
        assert any(ours[name] != two.get(name) for name in ours)


def test_ablation_puts_one_parameter_of_the_best_back_and_claims_that_it_is_no_worse() -> None:
    """The claim can fail, and is about the trial that was the best."""
    journal = played(task_of(MIXED), 60)
    found = [t for t in journal.history.trials if mode(t.proposal) == "Ablate"]
    assert found
    for trial in found:
        before = Journal(journal.task)
        for earlier in journal.history.trials[: trial.number]:
            before.ended(earlier.proposal, earlier.value)
        best = max(before.history.trials, key=lambda t: (t.value or 0.0, -t.number))
        hypothesis = trial.proposal.hypothesis
        assert hypothesis is not None
        assert (hypothesis.expects, hypothesis.against) == ("no_worse", best.number)
        assert [hypothesis.parameter] == words.changed(trial.configuration, best.configuration)


def test_failures_are_probed_half_way_back_to_what_ran() -> None:
    """With enough failures the boundary is bisected, once, and the claim is that it runs."""
    journal = network()
    journal.ended(by_hand(0, learning_rate=0.1, dropout=0.1, epochs=20), None)
    [probe, after] = ask(journal, 2)
    assert mode(probe) == "Probe failure"
    assert "1 of the last 2 trials failed" in probe.rationale
    assert probe.parent == 1
    # Half way on a log scale between 0.001 and 0.1.
    assert probe.configuration == {"learning_rate": 0.01, "dropout": 0.1, "epochs": 20}
    assert probe.hypothesis is not None
    assert (probe.hypothesis.expects, probe.hypothesis.against) == ("better", 1)
    assert mode(after) != "Probe failure"
    journal.ended(probe, None)
    assert mode(ask(journal)[0]) != "Probe failure"


def test_one_failure_among_many_results_is_not_probed() -> None:
    """Below a fifth of the latest trials it is not worth one."""
    journal = network()
    for i in range(8):
        journal.ended(by_hand(0, learning_rate=1e-3, dropout=0.02 * i, epochs=20), 0.5)
    journal.ended(by_hand(0, learning_rate=0.1, dropout=0.1, epochs=20), None)
    assert mode(ask(journal)[0]) != "Probe failure"


def test_failures_that_are_not_the_configurations_are_not_probed() -> None:
    """A missing file has no boundary in the space."""
    journal = network()
    for rate in (0.1, 0.05):
        proposal = by_hand(0, learning_rate=rate, dropout=0.1, epochs=20)
        journal.ended(proposal, None, cause="missing_file")
    assert mode(ask(journal)[0]) != "Probe failure"


def test_a_run_that_was_still_improving_is_scaled_up_once() -> None:
    """More epochs where the curve still rose; not again while a child has them."""
    steps = tuple(float(step) for step in range(1, 31))
    rising = tuple(0.3 + 0.018 * step for step in range(30))
    curve = Curve(steps=steps, series={"val_accuracy": rising, "train_accuracy": rising})
    journal = Journal(replace(network().task, objective=Objective(metric="val_accuracy")))
    start = by_hand(learning_rate=1e-3, dropout=0.1, epochs=20)
    journal.ended(start, rising[-1], curve=curve)
    [proposal, after] = ask(journal, 2)
    assert mode(proposal) == "Scale up"
    assert "trial 0, the best, was still improving" in proposal.rationale
    assert changed(journal, proposal) == ["epochs"]
    assert int(str(proposal.configuration["epochs"])) > 20
    assert mode(after) != "Scale up"


def test_steps_follow_what_siblings_showed() -> None:
    """Two worse siblings on either side of the parent, one nearer: the peak lies between."""
    journal = network()
    for rate, value in ((1e-4, 0.5), (1e-2, 0.75)):
        journal.ended(by_hand(0, learning_rate=rate, dropout=0.1, epochs=20), value)
    proposals = ask(journal, 6)
    told = [p for p in proposals if "parabola" in str(p.reasons)]
    assert told
    # Through (-4, 0.5), (-3, 0.8) and (-2, 0.75) in powers of ten the vertex is at -3 + 5/14.
    assert told[0].configuration["learning_rate"] == pytest.approx(10 ** (-3 + 5 / 14), rel=0.01)


def test_chance_has_no_part_once_there_are_results() -> None:
    """Whatever the generator, the same step is taken: it follows from what was shown."""
    journal = played(task_of(MIXED), 10)
    assert ask(journal, 3, seed=1) == ask(journal, 3, seed=2)


def test_every_step_has_reasons_and_a_claim_that_it_can_fail() -> None:
    """A reason per parameter changed, a hypothesis against the parent, and a predicted interval."""
    journal = played(task_of(MIXED), 30)
    for trial in journal.history.trials[1:]:
        proposal = trial.proposal
        assert proposal.hypothesis is not None
        assert proposal.hypothesis.against == proposal.parent
        assert proposal.predicted is not None
        assert set(changed(journal, proposal)) == set(proposal.reasons)


def test_what_others_proposed_is_part_of_the_tree() -> None:
    """A good trial of another member, without a parent, is branched from like any other."""
    journal = network(ucb=Ucb(c=0.1))
    journal.ended(by_hand(learning_rate=3e-3, dropout=0.3, epochs=50), 0.95)
    assert lineage(journal.history) == [None, 0]
    assert ask(journal)[0].parent == 1


@pytest.mark.parametrize("name", synthetic.NAMES)
def test_it_beats_chance_on_synthetic_tasks(name: str) -> None:
    """After 50 trials it is less than half as far from the known optimum as random search."""
    regret = {"tree": 0.0, "random": 0.0}
    for seed in range(4):
        for proposer in (TreeSearch(), Random()):
            journal = Journal(synthetic.task_of(name))
            for number in range(50):
                rng = np.random.default_rng([seed, number])
                [proposal] = proposer(journal.task, journal.history, 1, rng)
                value = synthetic.value(name, proposal.configuration, seed)
                journal.ended(proposal, value)
            best = max(trial.value or 0.0 for trial in journal.history.trials)
            regret[proposer.name] += synthetic.BEST - best
    assert regret["tree"] < 0.5 * regret["random"]


SCRIPT = """
import math, sys, time
from trialwright import emit
rate, width = float(sys.argv[1]), int(sys.argv[2])
time.sleep(0.05)
emit(y=-(math.log10(rate) + 2.4) ** 2 - 0.1 * (math.log2(width) - 6.3) ** 2)
"""
STUDY = """
goal: maximize y
command: ["{python}", train.py, "{{learning_rate}}", "{{width}}"]
space:
  learning_rate: {{float: [1e-5, 1.0], log: true}}
  width: {{int: [4, 512], log: true}}
budget: {{trials: 12}}
team: [tree]
runner: {{workers: 1}}
"""


def start(folder: Path) -> Started:
    """Start or resume the study in a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(SCRIPT)
    (folder / "study.yaml").write_text(STUDY.format(python=sys.executable))
    return Started(folder, "run", "study.yaml", "--plain", file=folder / "said")


def results(folder: Path) -> History:
    """What the ledger holds, as far as it is there."""
    return read(folder / "runs" / folder.name)


def admitted(folder: Path) -> int:
    """How many trials there are."""
    if not (folder / "runs" / folder.name / "ledger.db").exists():
        return 0
    return len(results(folder).trials)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_tree_survives_kill_9_and_resume(tmp_path: Path) -> None:
    """Killed again and again, a study grows the very tree of one that ran through.

    The same trials under the same parents with the same scores, and the same next parent; and so
    at each kill, for the part that was grown by then.
    """
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert start(whole).wait(timeout=90) == 0
    expected = results(whole)
    for trials in range(3, 3 * repeats(2, 3) + 1, 3):
        process = start(torn)
        while admitted(torn) < trials and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        grown = lineage(results(torn))
        assert grown == lineage(expected)[: len(grown)]
    assert start(torn).wait(timeout=90) == 0
    resumed = results(torn)
    assert [dict(t.configuration) for t in resumed.trials] == [
        dict(t.configuration) for t in expected.trials
    ]
    assert nodes(resumed, resumed.task.tree) == nodes(expected, expected.task.tree)
    assert next_parent(resumed.task, resumed) == next_parent(expected.task, expected) is not None
    assert resumed.launches >= expected.launches
    assert all(a < b for a, b in pairwise(t.number for t in resumed.trials))
