"""The team: who takes the next trial, and what happens when a member fails, cheats or is better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from trialwright.admission import ask
from trialwright.errors import ProposerError
from trialwright.history import History
from trialwright.propose.baselines import Random
from trialwright.propose.credit import (
    FLOOR,
    Standing,
    distrusted,
    of_team,
    shares,
    standings,
)
from trialwright.propose.expert import Expert
from trialwright.propose.proposer import Proposer
from trialwright.propose.team import Team, member
from trialwright.records import Exchange, Interval, Proposal, Refusal
from trialwright.task import Agent, Budget, Task


@dataclass
class Named:
    """Chance under another name, with a promise if one is given."""

    name: str
    predicted: Interval | None = None

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return random proposals."""
        drawn = Random()(task, history, n, rng)
        return [replace(proposal, by=self.name, predicted=self.predicted) for proposal in drawn]


@dataclass
class Hostile:
    """Answers whatever it was given, or raises it."""

    answer: Any
    name: str = "hostile"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Misbehave."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


LEGAL = MIXED.decode([0.4] * len(MIXED))
HOSTILE = {
    "raises ProposerError": ProposerError("no key in the environment"),
    "raises anything": ZeroDivisionError("oops"),
    "nothing": [],
    "None": None,
    "text": "learning_rate=0.1",
    "rubbish": [None, 3, {"lr": 0.1}],
    "illegal": [Proposal(configuration={"lr": 99.0}, by="hostile")] * 50,
    "no mapping": [Proposal(configuration=[1, 2], by="hostile")],  # type: ignore[arg-type]
    "unhashable": [Proposal(configuration={"lr": [1]}, by="hostile")],  # type: ignore[dict-item]
}


class TestTeamConformance(ProposerConformance):
    """A team of one keeps every promise of a proposer."""

    @pytest.fixture
    def proposer(self) -> Proposer:
        """The proposer under test."""
        return Team([Named("team")])


def played(
    *members: Proposer,
    trials: int,
    values: dict[str, float] | None = None,
    models: Sequence[str] = (),
) -> Journal:
    """A study by a team; a trial's value is its member's in `values`, else smooth."""
    team = Team(members, models=models)
    journal = Journal(replace(task_of(MIXED), team=tuple(m.name for m in members)))  # type: ignore[arg-type]
    for _ in range(trials):
        rng = np.random.default_rng(journal.history.sequence)
        proposal = team(journal.task, journal.history, 1, rng)[0]
        value = smooth(journal.task, proposal.configuration)
        bonus = (values or {}).get(proposal.by, 0.0) * len(journal.history.trials)
        journal.ended(proposal, value + bonus)
    return journal


def turns(journal: Journal) -> Counter[str]:
    """Trials per member."""
    return Counter(trial.proposal.by for trial in journal.history.trials)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_member_costs_itself_its_turn_and_nobody_else(kind: str) -> None:
    """Whatever it does, each call ends in one usable proposal by the other member."""
    team = Team([Hostile(HOSTILE[kind]), Named("sound")])
    journal = Journal(task_of(MIXED))
    lost = []
    for number in range(8):
        *refused, offered = team(journal.task, journal.history, 1, np.random.default_rng(number))
        assert offered.by == "sound"
        assert not MIXED.check(offered.configuration)
        assert {proposal.by for proposal in refused} <= {"hostile"}
        lost.append("hostile lost its turn" in offered.rationale)
        journal.ended(offered, 1.0)
    assert any(lost) == (kind != "nothing")


@pytest.mark.parametrize("kind", sorted(HOSTILE.keys() - {"raises ProposerError", "nothing"}))
def test_a_lost_turn_is_recorded_once_and_costs_share(kind: str) -> None:
    """Through admission each lost turn leaves one refusal by name, and the share goes to the floor.

    Who says that it can't work here, or that nothing is left to try, has done no wrong.
    """
    team = Team([Hostile(HOSTILE[kind]), Named("sound")])
    journal = Journal(task_of(MIXED))
    for number in range(30):
        sifted = ask(team, journal.task, journal.history, n=1, seed=0)
        journal.note(*sifted.refusals)
        journal.ended(sifted.admissions[0].proposal, 1.0)
        assert len(journal.history.refusals) <= number + 1
    assert {refusal.proposal.by for refusal in journal.history.refusals} == {"hostile"}
    assert 4 <= len(journal.history.refusals) < 15
    [share] = [s.share for s in team.standings(journal.history) if s.name == "hostile"]
    assert share < 3 * FLOOR


def test_what_can_not_be_used_is_handed_on_for_the_record() -> None:
    """One illegal proposal per lost turn stands before the usable, so that it is refused by name.

    Two members that think alike lose nothing by it.
    """
    team = Team([Hostile(HOSTILE["illegal"]), Named("sound")])
    history = Journal(task_of(MIXED)).history
    offered = team(task_of(MIXED), history, 1, np.random.default_rng(0))
    assert [p.by for p in offered] == ["hostile", "sound"]
    assert offered[0].configuration == {"lr": 99.0}
    same = [Proposal(configuration=LEGAL, by="x")]
    alike = Team([Hostile(same, name="a"), Hostile(same, name="b")])
    assert len(alike(task_of(MIXED), history, 2, np.random.default_rng(0))) == 1


def test_nobody_proposes_under_another_name() -> None:
    """A member that signs as somebody else is booked under its own name."""
    forged = Proposal(configuration=LEGAL, by="expert")
    (proposal,) = Team([Hostile([forged])])(task_of(MIXED), History(), 1, np.random.default_rng(0))
    assert proposal.by == "hostile"


def test_when_nobody_can_propose_everyones_reason_is_told() -> None:
    """The error names each member and what it said."""
    team = Team([Hostile(ProposerError("no key")), Hostile(ValueError("bad"), name="other")])
    with pytest.raises(ProposerError, match=r"hostile: no key; other: ValueError: bad"):
        team(task_of(MIXED), History(), 1, np.random.default_rng(0))


def test_a_space_used_up_is_no_error() -> None:
    """When every member has nothing left, the team has nothing left."""
    journal = Journal(task_of(TINY))
    journal.drawn(5)
    team = Team([Named("a"), Named("b")])
    assert team(journal.task, journal.history, 2, np.random.default_rng(0)) == []


def test_a_batch_is_shared_and_holds_no_repeat() -> None:
    """Of nine at once each of three equal members makes two to four, all different."""
    team = Team([Named("a"), Named("b"), Named("c")])
    offered = team(task_of(MIXED), History(), 9, np.random.default_rng(0))
    count = Counter(p.by for p in offered)
    assert all(2 <= count[name] <= 4 for name in "abc")
    assert len({MIXED.key(p.configuration) for p in offered}) == 9


def test_members_that_think_alike_repeat_nothing() -> None:
    """Two members that offer the same configuration give one trial, and chance the other."""
    same = [Proposal(configuration=LEGAL, by="x")]
    team = Team([Hostile(same, name="a"), Hostile(same, name="b"), Named("random")])
    offered = team(task_of(MIXED), History(), 3, np.random.default_rng(0))
    assert len({MIXED.key(p.configuration) for p in offered}) == len(offered) == 3


def test_judgement_leads_the_first_ten_trials() -> None:
    """With equal results the expert is first, and makes more of the first ten than anyone else."""
    journal = played(Named("tpe"), Named("gp"), Named("expert"), Named("random"), trials=10)
    assert journal.history.trials[0].proposal.by == "expert"
    count = turns(journal)
    assert count["expert"] > max(count[name] for name in ("tpe", "gp", "random"))


def test_models_lead_once_there_is_data() -> None:
    """By prior alone, at 200 trials gp and tpe each have a larger share than the expert."""
    journal = Journal(task_of(MIXED))
    journal.drawn(200)
    standing = {s.name: s for s in standings(("expert", "gp", "tpe", "random"), journal.history)}
    assert standing["gp"].prior > standing["tpe"].prior > standing["expert"].prior
    assert "no results of its own" in standing["gp"].sentence


def test_a_member_that_keeps_improving_gets_more_turns() -> None:
    """Of two members with equal priors, the one whose trials keep improving gets most turns."""
    journal = played(Named("a"), Named("b"), trials=60, values={"a": 0.05})
    count = turns(journal)
    assert count["a"] > 1.5 * count["b"]
    assert count["b"] >= 60 * FLOOR / 2
    (best,) = (s for s in standings(("a", "b"), journal.history) if s.name == "a")
    assert best.credit > 0
    assert "times the average gain" in best.sentence


def test_broken_promises_cost_and_low_ones_gain_nothing() -> None:
    """Same results: who promised too much ends below who promised nothing, or too little."""
    high, low = Interval(low=5.0, high=6.0), Interval(low=-9.0, high=-8.0)
    members = (Named("boaster", high), Named("modest", low), Named("silent"))
    gains = dict.fromkeys(("boaster", "modest", "silent"), 0.01)
    journal = played(*members, trials=60, values=gains)
    credit = {s.name: s.credit for s in standings([m.name for m in members], journal.history)}
    assert credit["boaster"] < credit["silent"]
    assert credit["boaster"] < credit["modest"]
    assert credit["modest"] < 2 * credit["silent"]


MODEL = Agent(name="model", model="openai:any")


def against_expert(model: Proposer, *, trials: int, seed: int = 100) -> tuple[Journal, list[float]]:
    """A study by the expert and a model: its history, and the model's share after each trial."""
    task = replace(task_of(MIXED), team=("expert", replace(MODEL, name=model.name)))
    journal, held = Journal(task), []
    team = Team([member("expert", task), model], models=[model.name])
    while len(journal.history.trials) < trials:
        sifted = ask(team, task, journal.history, n=1, seed=seed)
        journal.note(*sifted.refusals)
        for admission in sifted.admissions:
            proposal = admission.proposal
            journal.ended(proposal, smooth(task, proposal.configuration))
        held.append(shares(task, journal.history)[model.name])
    return journal, held


def standings_of(journal: Journal) -> list[Standing]:
    """Where the members of the journal's team stand."""
    return of_team(journal.task, journal.history)


@dataclass
class Ranked:
    """Knows the truth, and proposes the best that is left, or the worst."""

    best: bool
    name: str = "model"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return the best or the worst configurations of a thousand that were not tried."""
        drawn = np.random.default_rng(5)
        known = [MIXED.canonical(MIXED.sample(drawn)) for _ in range(1000)]
        known.sort(key=lambda c: smooth(task, c), reverse=self.best)
        left = [configuration for configuration in known if not history.tried(configuration)]
        return [Proposal(configuration=c, by=self.name) for c in left[:n]]


def test_a_model_that_knows_the_answer_holds_the_lead() -> None:
    """A perfect oracle in a model's seat has more than half of the share at the tenth trial."""
    journal, held = against_expert(Ranked(best=True), trials=10)
    assert journal.history.trials[0].proposal.by == "expert"
    assert held[-1] >= 0.5
    assert turns(journal)["model"] >= 5


def test_the_first_trials_are_what_a_model_is_measured_by() -> None:
    """A judge goes first, three times; without a judge the model does, from the start."""

    def order(first: str) -> list[str]:
        journal = played(Named(first), Named("model"), trials=6, models=["model"])
        return [trial.proposal.by for trial in journal.history.trials]

    judged = order("expert")
    assert set(judged[:3]) == {"expert"}
    assert judged[3] == "model"
    assert "model" in order("other")[:3]


def test_what_others_do_does_not_change_a_members_luck() -> None:
    """The first, second, ... draw of a member is the same alone and beside another one."""

    def drawn(*members: Proposer) -> list[dict[str, Any]]:
        trials = played(*members, trials=12).history.trials
        return [dict(trial.configuration) for trial in trials if trial.proposal.by == "one"]

    beside = drawn(Named("one"), Named("two"))
    assert 2 <= len(beside) < 12
    assert drawn(Named("one"))[: len(beside)] == beside


def test_what_lost_all_trust_does_not_change_what_the_expert_proposes() -> None:
    """Beside a model that offers the worst there is, it proposes just what it does alone."""
    journal, _ = against_expert(Ranked(best=False), trials=20)
    assert distrusted(journal.history) == {"model"}
    own = [t.configuration for t in journal.history.trials if t.proposal.by == "expert"]
    alone = [t.configuration for t in played(Expert(), trials=20).history.trials]
    assert own == alone[: len(own)]
    better, _ = against_expert(Ranked(best=True), trials=12)
    assert not distrusted(better.history)
    others = [t.configuration for t in better.history.trials if t.proposal.by == "expert"]
    assert others != alone[: len(others)]


def test_a_model_that_does_badly_loses_its_share_within_a_few_trials() -> None:
    """One that proposes the worst there is starts with the lead, and has few of twenty trials."""
    journal, held = against_expert(Ranked(best=False), trials=20)
    assert held[0] > 0.5
    assert held[9] < 0.25
    assert turns(journal)["model"] <= 5
    standing = {s.name: s for s in standings_of(journal)}
    assert standing["model"].trust < 0.3 < standing["expert"].trust
    assert "fell short of what was to be expected" in standing["model"].sentence


def test_a_capable_model_leads_early_and_the_surrogate_at_hundreds() -> None:
    """By prior alone a model has the largest share of ten trials, and the least of two hundred.

    Several models share one model's prior.
    """
    team: tuple[Any, ...] = ("expert", MODEL, "gp")
    early, late = (Journal(replace(task_of(MIXED), team=team)) for _ in range(2))
    late.drawn(200)
    first, last = ({s.name: s.prior for s in standings_of(j)} for j in (early, late))
    assert first["model"] == max(first.values())
    assert last["gp"] == max(last.values())
    assert last["model"] == pytest.approx(min(last.values()))
    two = Journal(replace(task_of(MIXED), team=(*team, replace(MODEL, name="second"))))
    halves = {s.name: s.prior for s in standings_of(two)}
    assert halves["model"] + halves["second"] == pytest.approx(first["model"])


def test_conversations_that_failed_cost_share() -> None:
    """A model whose conversations fail is down to a fifth after three; a diagnosis is no turn."""
    journal = Journal(replace(task_of(MIXED), team=("expert", MODEL)))
    before = shares(journal.task, journal.history)["model"]
    journal.note(*[Exchange(by="model", purpose="diagnose", model="m", outcome="failed")] * 3)
    assert shares(journal.task, journal.history)["model"] == before
    journal.note(*[Exchange(by="model", purpose="propose", model="m", outcome="failed")] * 3)
    [standing] = [s for s in standings_of(journal) if s.name == "model"]
    assert standing.share < 0.2 < before
    assert "lost 3 turns" in standing.sentence


@pytest.mark.parametrize("budget", [Budget(trials=50), Budget(trials=None, time_s=3600.0)])
def test_a_slow_model_costs_where_the_budget_is_in_time(budget: Budget) -> None:
    """A minute per answer costs credit in a study bounded by time, none in one by trials."""
    team = (replace(MODEL, name="a"), replace(MODEL, name="b"))
    journal = Journal(replace(task_of(MIXED), team=team, budget=budget))
    for number in range(12):
        by = "ab"[number % 2]
        configuration = MIXED.sample(np.random.default_rng(number))
        journal.ended(Proposal(configuration=configuration, by=by), float(number))
        seconds = 60.0 if by == "a" else 0.1
        journal.note(Exchange(by=by, purpose="propose", model="m", seconds=seconds))
    slow, quick = standings_of(journal)
    if budget.trials is None:
        assert slow.credit < 0.5 * quick.credit
    else:
        assert slow.credit == pytest.approx(quick.credit, rel=0.2)


def test_a_trial_that_fails_counts_against_its_member() -> None:
    """A member whose trials fail loses trust, one whose trials were stopped early does not."""
    journal = Journal(replace(task_of(MIXED), team=("expert", MODEL)))
    journal.drawn(4)
    trust = []
    for seed, outcome in enumerate(("pruned", "failed")):
        proposal = Proposal(configuration=MIXED.sample(np.random.default_rng(seed)), by="model")
        journal.ended(proposal, None, outcome=outcome)  # type: ignore[arg-type]
        trust.append({s.name: s.trust for s in standings_of(journal)}["model"])
    assert trust[0] == 1.0 > trust[1]


def test_refusals_cost_turns() -> None:
    """A member whose proposals keep being refused falls to the floor."""
    journal = played(Named("a"), Named("b"), trials=30, values={"a": 0.02, "b": 0.02})
    before = shares(journal.task, journal.history)
    for _ in range(40):
        refused = Proposal(configuration={}, by="a")
        journal.note(Refusal(proposal=refused, faults=("empty",)))
    after = shares(journal.task, journal.history)
    assert after["a"] < before["a"]
    assert sum(after.values()) == pytest.approx(1.0)
    assert after["a"] >= FLOOR


def test_shares_are_a_function_of_the_history_alone() -> None:
    """Two teams that read the same history give the same shares, and each is above the floor."""
    journal = played(Named("a"), Named("b"), trials=20)
    first, second = (shares(journal.task, journal.history) for _ in range(2))
    assert first == second
    assert min(first.values()) >= FLOOR


def test_a_team_needs_distinct_members() -> None:
    """No members, or two of one name, is an error at once."""
    for members in ([], [Named("a"), Named("a")]):
        with pytest.raises(ProposerError, match="different names"):
            Team(members)


@pytest.mark.parametrize("name", ["expert", "tree", "random", "tpe", "gp", "cmaes"])
def test_every_name_that_a_task_may_give_is_a_proposer(name: Any) -> None:
    """`member` gives a proposer of that very name."""
    assert member(name, task_of(MIXED)).name == name


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """The error lists what a team may have."""
    with pytest.raises(ProposerError, match="expert, gp, tpe, cmaes, random"):
        member("oracle", task_of(MIXED))  # type: ignore[arg-type]
