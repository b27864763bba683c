"""Roles and areas of members without a model: they change what is proposed, and areas hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.propose.proposer_conformance import (
    MIXED,
    TINY,
    Journal,
    ProposerConformance,
    smooth,
    task_of,
)
from trialwright.analysis.claims import standings
from trialwright.desk import Desk
from trialwright.errors import ProposerError
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose.baselines import Random
from trialwright.propose.credit import DOUBT_MOST, of_team
from trialwright.propose.posts import Posted
from trialwright.propose.proposer import Proposer
from trialwright.propose.team import Team, member
from trialwright.records import Claim, Extent, Proposal
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.task import (
    TASK,
    Area,
    Budget,
    Delegate,
    Member,
    Objective,
    Role,
    RunnerPlan,
    Task,
)

LINE = Space((Float("x", 0.0, 1.0, default=0.4), Float("y", 0.0, 1.0, default=0.4)))
FALSE = Claim(by="", text="larger y helps", what="direction", region=(Extent(parameter="y"),))
SKEPTIC = Delegate(member="expert", name="doubter", role="skeptic")


class TestPostedConformance(ProposerConformance):
    """A member with a role keeps every promise of a proposer."""

    @pytest.fixture
    def proposer(self) -> Proposer:
        """The proposer under test."""
        return Posted(Random(), Delegate(member="random", name="scout", role="explorer"))


def posted(kind: Member, role: Role | None = None, area: Area | None = None) -> Delegate:
    """A member with a part of its own."""
    return Delegate(member=kind, name="own", role=role, area=area)


def tried(space: Space = MIXED, *, seed: int = 0, trials: int = 12) -> Journal:
    """A study with results at random places."""
    journal = Journal(task_of(space))
    journal.drawn(trials, seed=seed)
    return journal


def gap(journal: Journal, kind: Member, role: Role, seed: int) -> float:
    """How far from all that was tried the next proposal is, on average over parameters."""
    proposer = member(posted(kind, role), journal.task)
    [one] = proposer(journal.task, journal.history, 1, np.random.default_rng(seed))
    there = MIXED.encode([trial.configuration for trial in journal.history.trials])
    return float(np.min(np.mean(np.abs(there - MIXED.encode([one.configuration])), axis=1)))


@pytest.mark.parametrize("kind", ["expert", "random"])
def test_an_explorer_goes_far_and_an_exploiter_stays_near(kind: Member) -> None:
    """On the same histories, each explorer is farther from all trials than any exploiter."""
    journals = [tried(seed=seed) for seed in range(3)]
    far = [gap(one, kind, "explorer", i) for i, one in enumerate(journals)]
    near = [gap(one, kind, "exploiter", i) for i, one in enumerate(journals)]
    assert min(far) > 3 * max(near)


def test_an_explorer_goes_only_where_it_may_pay() -> None:
    """What is expected to be worse than half of the results is left, however new it is."""
    journal = Journal(task_of(LINE))
    for x in np.linspace(0.0, 1.0, 24):
        proposal = Random()(journal.task, journal.history, 1, np.random.default_rng(int(x * 99)))
        at = {"x": float(x), "y": float(proposal[0].configuration["y"] or 0)}
        journal.ended(replace(proposal[0], configuration=at), -5 * float(x))
    explorer = member(posted("random", "explorer"), journal.task)
    found = explorer(journal.task, journal.history, 5, np.random.default_rng(0))
    assert all(float(one.configuration["x"] or 0) < 0.7 for one in found)
    assert "may be better than half" in " ".join(one.rationale for one in found)


def moved(history: History, configuration: Mapping[str, Scalar], parent: int | None) -> set[str]:
    """What differs from the parent, or from the defaults."""
    space = history.space
    before = space.complete({}) if parent is None else history.trials[parent].configuration
    return {n for n in configuration if n in before and configuration[n] != before[n]}


def many(proposer: Proposer, journal: Journal) -> list[Proposal]:
    """200 proposals on one history, by twenty draws of ten."""
    draws = [np.random.default_rng(seed) for seed in range(20)]
    found = [p for rng in draws for p in proposer(journal.task, journal.history, 10, rng)]
    assert len(found) == 200
    return found


@pytest.mark.parametrize(
    ("role", "trials"), [(None, 0), (None, 8), ("explorer", 8), ("exploiter", 8)]
)
def test_an_area_of_parameters_holds(role: Role | None, trials: int) -> None:
    """Of 200 proposals none moves a parameter outside of its area."""
    journal = tried(trials=trials)
    area = Area(parameters=("wid*", "lr"))
    proposer = member(posted("random", role, area), journal.task)
    found = many(proposer, journal)
    seen = [moved(journal.history, one.configuration, one.parent) for one in found]
    assert set().union(*seen) == {"width", "lr"}


@pytest.mark.parametrize("kind", ["expert", "tpe", "tree"])
def test_an_area_holds_whoever_thinks(kind: Member) -> None:
    """Members that think of everything at once are held back as well."""
    journal = tried()
    proposer = member(posted(kind, None, Area(parameters=("dropout",))), journal.task)
    found = proposer(journal.task, journal.history, 3, np.random.default_rng(1))
    assert found
    for one in found:
        assert moved(journal.history, one.configuration, one.parent) == {"dropout"}


def test_a_condition_holds() -> None:
    """Of 200 proposals all meet the condition of the area."""
    journal = tried()
    area = Area(where="optimizer == 'sgd' and lr < 0.001")
    proposer = member(posted("random", "explorer", area), journal.task)
    found = many(proposer, journal)
    assert all(area.holds(one.configuration) for one in found)


def test_an_area_that_is_used_up_hands_its_turn_on_and_says_so() -> None:
    """The other member has the turn, and its rationale names the area."""
    journal = Journal(replace(task_of(TINY), team=("random",)))
    name = TINY.names[0]
    area = Area(parameters=(name,))
    own = member(posted("random", None, area), journal.task)
    rng = np.random.default_rng(0)

    def try_all() -> None:
        for _ in range(40):
            [proposal] = own(journal.task, journal.history, 1, rng)
            journal.ended(proposal, 1.0)

    with pytest.raises(ProposerError, match=f"nothing untried is left of its area .{name}."):
        try_all()
    assert 0 < len(journal.history.trials) < (TINY.size or 0)
    [one] = Team([own, Random()])(journal.task, journal.history, 1, rng)
    assert one.by == "random"


def played(folder: Path, *team: Member | Delegate, trials: int, claim: Claim | None) -> History:
    """A study of a noisy slope: x helps, y harms."""
    task = Task(
        name="t",
        objective=Objective(metric="score"),
        space=LINE,
        command=("true",),
        budget=Budget(trials=trials),
        team=team,
        runner=RunnerPlan(workers=1),
    )
    rng = np.random.default_rng(3)

    def value(values: Mapping[str, Scalar], _: int) -> float:
        x, y = float(values["x"] or 0), float(values["y"] or 0)
        return x - 4 * y + 0.3 * float(rng.normal())

    with SimulatedRunner(value, slots=1) as runner:
        study = Study(task, folder, runner=runner)
        if claim is not None:
            Desk(study, by="somebody").claim(claim)
        return study.run()


def test_a_skeptic_contradicts_a_false_claim_that_others_leave_standing(tmp_path: Path) -> None:
    """The same study with and without: only the skeptic's experiments settle the claim."""
    with_ = played(tmp_path / "with", "random", SKEPTIC, trials=50, claim=FALSE)
    without = played(tmp_path / "without", "random", trials=50, claim=FALSE)
    assert standings(with_)[0].status == "contradicted"
    assert standings(without)[0].status != "contradicted"
    tests = [t for t in with_.trials if t.proposal.tests == 0]
    assert {t.proposal.by for t in tests} == {"doubter"}
    assert "Doubts claim 0" in tests[0].proposal.rationale
    assert "It is wrong if" in tests[0].proposal.rationale
    # What it settled is its credit, though it improved on nothing; and it never has it all.
    doubter = next(one for one in of_team(with_.task, with_) if one.name == "doubter")
    assert doubter.credit > 0
    assert doubter.share <= DOUBT_MOST + 1e-9
    assert doubter.trust == 1.0


def test_a_skeptic_has_the_best_replicated_beside_the_one_it_beat(tmp_path: Path) -> None:
    """Both get the same further seed, under the skeptic's name; without a skeptic nobody does."""
    history = played(tmp_path / "with", "random", SKEPTIC, trials=24, claim=None)
    assert history.promotions
    assert {promotion.by for promotion in history.promotions} == {"doubter"}
    for promotion in history.promotions:
        assert promotion.doubts is not None
        assert "doubt" in promotion.reason
        assert len(history.trials[promotion.trial].values) >= promotion.seeds
    doubted = {promotion.doubts for promotion in history.promotions}
    assert {one.trial for one in history.promotions} - doubted
    without = played(tmp_path / "without", "random", trials=24, claim=None)
    assert not without.promotions


def test_a_skeptic_puts_changes_of_the_best_back(tmp_path: Path) -> None:
    """Its trial differs from the best in one thing, and claims that the best does better."""
    journal = Journal(replace(task_of(MIXED), team=("random", SKEPTIC)))
    journal.drawn(1)
    [second] = Random()(journal.task, journal.history, 1, np.random.default_rng(5))
    journal.ended(replace(second, parent=0), 99.0)
    skeptic = member(SKEPTIC, journal.task)
    found = skeptic(journal.task, journal.history, 3, np.random.default_rng(0))
    assert found
    for one in found:
        best = journal.history.trials[1].configuration
        changed = {n for n in one.configuration if one.configuration[n] != best.get(n)}
        assert len(changed) == 1
        assert one.hypothesis is not None
        assert (one.hypothesis.expects, one.hypothesis.against) == ("worse", 1)
        assert "is wrong if this does no worse than trial 1" in one.rationale


def test_nothing_to_doubt_no_proposal() -> None:
    """Before any result a skeptic hands its turn on; a smooth start is the others'."""
    journal = Journal(task_of(MIXED))
    assert smooth(journal.task, MIXED.complete({})) is not None
    skeptic = member(SKEPTIC, journal.task)
    assert skeptic(journal.task, journal.history, 2, np.random.default_rng(0)) == []


def test_a_ledger_keeps_roles_and_areas() -> None:
    """Read back from JSON, each member is what it was."""
    area = Area(parameters=("lr",))
    team = ("expert", posted("expert", "explorer", area), SKEPTIC, replace(SKEPTIC, name="b"))
    task = replace(task_of(MIXED), team=team)
    assert TASK.validate_json(TASK.dump_json(task)).team == team
    assert task.roles == {"own": "explorer", "doubter": "skeptic", "b": "skeptic"}
    assert task.areas == {"own": area}
