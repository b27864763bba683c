"""TPE, GP and CMA-ES over our history: what every proposer promises, and that they optimise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.util import find_spec

import numpy as np
import pytest

from tests.propose.proposer_conformance import (
    CONSTRAINED,
    MIXED,
    SPACES,
    TINY,
    WIDE,
    Journal,
    ProposerConformance,
    histories,
    smooth,
    task_of,
)
from trialwright.history import History
from trialwright.propose.baselines import Random
from trialwright.propose.mirror import Mirror
from trialwright.propose.optuna_samplers import STARTUP, CmaEs, Gp, Tpe
from trialwright.propose.proposer import Proposer
from trialwright.records import Curve, Entry, Proposal, Record, Request, RunKey
from trialwright.space import Float, Space

torch_only = pytest.mark.skipif(find_spec("torch") is None, reason="Optuna's GP needs torch")
CUBE = Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(4)))


class TestRandomConformance(ProposerConformance):
    """Chance keeps every promise of a proposer."""

    @pytest.fixture
    def proposer(self) -> Proposer:
        """The proposer under test."""
        return Random()


class TestTpeConformance(ProposerConformance):
    """TPE keeps every promise of a proposer."""

    @pytest.fixture
    def proposer(self) -> Proposer:
        """The proposer under test."""
        return Tpe()


class TestCmaEsConformance(ProposerConformance):
    """CMA-ES keeps every promise of a proposer."""

    @pytest.fixture
    def proposer(self) -> Proposer:
        """The proposer under test."""
        return CmaEs()


@torch_only
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["results", "mixed"])
@pytest.mark.parametrize("space", ["conditional", "constrained"])
def test_the_gp_keeps_the_promises_of_a_proposer(space: str, kind: str) -> None:
    """Legal, new, distinct, and the same again for the same history and generator.

    Not the whole conformance suite: each of its draws takes half a second.
    """
    task = task_of(SPACES[space])
    history = histories(task)[kind]
    proposals = Gp()(task, history, 2, np.random.default_rng(0))
    assert Gp()(task, histories(task)[kind], 2, np.random.default_rng(0)) == proposals
    keys = {task.space.key(proposal.configuration) for proposal in proposals}
    assert len(keys) == 2
    for proposal in proposals:
        assert proposal.by == "gp"
        assert task.space.check(proposal.configuration) == ()
        assert history.seen(proposal.configuration, code=history.code) is None


@torch_only
def test_the_gp_leaves_a_finite_space_when_it_is_used_up() -> None:
    """Every legal configuration of a small space is proposed once, and then none."""
    journal = Journal(task_of(TINY))
    for number in range(6):
        for proposal in Gp()(journal.task, journal.history, 1, np.random.default_rng(number)):
            journal.ended(proposal, smooth(journal.task, proposal.configuration))
    assert len(journal.history.trials) == 5


@torch_only
def test_the_gp_gives_torchs_threads_back() -> None:
    """One thread while it works, as many as before afterwards."""
    import torch

    before = torch.get_num_threads()
    journal = Journal(task_of(CUBE))
    journal.drawn(STARTUP)
    Gp()(journal.task, journal.history, 1, np.random.default_rng(0))
    assert torch.get_num_threads() == before


@dataclass
class Kept(Journal):
    """A journal whose entries can be read again."""

    entries: list[Entry] = field(default_factory=list)

    def note(self, *records: Record) -> None:
        """Append records, and keep them."""
        for record in records:
            entry = Entry(self.history.sequence + 1, float(self.history.sequence), record)
            self.history.extend([entry])
            self.entries.append(entry)


def search(proposer: Proposer, *, trials: int, seed: int, space: Space = CUBE) -> list[float]:
    """The values of a study of `smooth` by one proposer."""
    journal = Journal(task_of(space))
    for _ in range(trials):
        rng = np.random.default_rng([seed, journal.history.sequence])
        (proposal,) = proposer(journal.task, journal.history, 1, rng)
        journal.ended(proposal, smooth(journal.task, proposal.configuration))
    return [trial.value or 0.0 for trial in journal.history.trials]


@pytest.mark.parametrize("proposer", [Tpe(), CmaEs()], ids=lambda p: p.name)
def test_it_finds_better_values_than_chance(proposer: Proposer) -> None:
    """Over 3 seeds and 40 trials, the last ten are on average well above what chance draws."""
    found = [np.mean(search(proposer, trials=40, seed=seed)[-10:]) for seed in range(3)]
    chance = [np.mean(search(Random(), trials=40, seed=seed)[-10:]) for seed in range(3)]
    assert np.mean(found) > np.mean(chance) + 2 * np.std(chance)


@torch_only
@pytest.mark.slow
def test_the_gp_beats_chance_in_fifteen_trials() -> None:
    """On a smooth function the GP's last five trials are far above what chance draws."""
    found = search(Gp(), trials=15, seed=0)[-5:]
    chance = [np.mean(search(Random(), trials=15, seed=seed)[-5:]) for seed in range(5)]
    assert np.mean(found) > max(chance)


def test_a_live_mirror_gives_what_a_new_one_gives() -> None:
    """Proposals after growing along with a study equal those of a history read anew.

    Trials that run, fail, are pruned and get more seeds on the way make no difference.
    """
    live = Kept(task_of(MIXED))
    for number in range(12):
        rng = np.random.default_rng(number)
        (proposal,) = Tpe()(live.task, live.history, 1, rng)
        _end(live, proposal, number)
    for seed in range(3):
        anew = Tpe()(live.task, History(live.entries), 2, np.random.default_rng(seed))
        assert Tpe()(live.task, live.history, 2, np.random.default_rng(seed)) == anew


def _end(journal: Journal, proposal: Proposal, number: int) -> None:
    """End a trial in one of four ways; the first one gets a second seed, with another value."""
    value = smooth(journal.task, proposal.configuration)
    match number % 4:
        case 1:
            journal.pending(proposal)
        case 2:
            journal.ended(proposal, None)
        case 3:
            curve = Curve(steps=(1.0, 2.0), series={"score": (value - 1, value)})
            journal.ended(proposal, None, outcome="pruned", curve=curve)
        case _:
            journal.ended(proposal, value)
            if number:
                _second_seed(journal, value=value + number)


def _second_seed(journal: Journal, *, value: float) -> None:
    first = journal.history.trials[0].runs[0]
    key = RunKey(0, journal.history.trials[0].planned, 0)
    assert first.observation is not None
    journal.note(
        Request(what="replicate", trial=0, seeds=1),
        replace(first.launch, run=key),
        replace(first.observation, run=key, value=value),
    )


def test_startup_is_chance_and_says_so() -> None:
    """Before enough results TPE claims nothing; afterwards it predicts and can be contradicted."""
    journal = Journal(task_of(MIXED))
    journal.drawn(STARTUP - 1)
    (before,) = Tpe()(journal.task, journal.history, 1, np.random.default_rng(0))
    assert "drawn at random" in before.rationale
    assert before.hypothesis is None
    journal.drawn(1, seed=5)
    (after,) = Tpe()(journal.task, journal.history, 1, np.random.default_rng(0))
    assert after.hypothesis is not None
    assert after.predicted is not None


def test_pending_trials_are_kept_away_from() -> None:
    """With 20 trials pending at once, TPE still spreads: no two closer than one in a thousand."""
    journal = Journal(task_of(CUBE))
    journal.drawn(10)
    for number in range(20):
        (proposal,) = Tpe()(journal.task, journal.history, 1, np.random.default_rng(number))
        journal.pending(proposal)
    points = CUBE.encode([t.configuration for t in journal.history.pending()])
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(20)
    assert gaps.min() > 1e-3


def test_a_mirror_stays_lean_over_many_draws() -> None:
    """Draws that are never admitted don't pile up: the mirror is renewed when they outnumber it."""
    journal = Journal(task_of(CONSTRAINED))
    journal.drawn(6)
    for number in range(60):
        Tpe()(journal.task, journal.history, 2, np.random.default_rng(number))
    (mirror,) = (kept for kept in journal.history.memo.values() if isinstance(kept, Mirror))
    assert not mirror.worn


def test_cmaes_starts_where_others_stopped() -> None:
    """Its first draws lie around the best trial of somebody else, not around the middle."""
    journal = Journal(task_of(WIDE))
    corner = WIDE.decode([0.9] * len(WIDE))
    journal.ended(Proposal(configuration=corner, by="hand"), 1.0)
    drawn = CmaEs()(journal.task, journal.history, 20, np.random.default_rng(0))
    assert WIDE.encode([p.configuration for p in drawn]).mean() > 0.75


def test_choices_alone_leave_cmaes_to_chance() -> None:
    """With fewer than two ordered parameters it says that it can't work, and draws at random."""
    journal = Journal(task_of(Space((Float("x", 0.0, 1.0),))))
    (proposal,) = CmaEs()(journal.task, journal.history, 1, np.random.default_rng(0))
    assert "needs two parameters" in proposal.rationale
