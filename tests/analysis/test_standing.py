"""Accounts of proposers: what is counted, with which intervals, and what is left unsaid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.propose.proposer_conformance import MIXED, Journal, task_of
from trialwright.analysis.standing import Account, Rate, accounts, interval_score
from trialwright.history import History
from trialwright.records import (
    Admission,
    CodeVersion,
    Exchange,
    Interval,
    Launch,
    Observation,
    Proposal,
    Refusal,
    Request,
    RunKey,
)
from trialwright.task import Agent

MODEL = Agent(name="claude", model="anthropic:any")


def proposal(number: int, by: str, predicted: Interval | None = None) -> Proposal:
    """A legal proposal, different for each number."""
    configuration = MIXED.sample(np.random.default_rng(number))
    return Proposal(configuration=configuration, by=by, predicted=predicted)


def played(*trials: tuple[str, float | None], direction: str = "maximize") -> Journal:
    """A study by the expert and a model, trials as (by, value); None fails."""
    task = replace(task_of(MIXED, direction=direction), team=("expert", MODEL))  # type: ignore[arg-type]
    journal = Journal(task)
    for number, (by, value) in enumerate(trials):
        cause = {} if value is not None else {"cause": "diverged"}
        journal.ended(proposal(number, by), value, **cause)  # type: ignore[arg-type]
    return journal


def by_name(history: History) -> dict[str, Account]:
    """The accounts, by name."""
    return {account.name: account for account in accounts(history)}


@pytest.mark.parametrize(("hits", "total"), [(0, 4), (4, 4), (3, 10), (1, 1), (57, 60)])
def test_the_interval_is_that_of_clopper_and_pearson(hits: int, total: int) -> None:
    """It agrees with SciPy's exact binomial interval."""
    rate = Rate.of(hits, total)
    exact = stats.binomtest(hits, total).proportion_ci(0.95, method="exact")
    assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high))
    assert rate.part == hits / total


def test_of_nothing_nothing_is_known() -> None:
    """No trial gives no rate, and an interval from 0 to 1."""
    assert (Rate.of(0, 0).part, Rate.of(0, 0).low, Rate.of(0, 0).high) == (None, 0.0, 1.0)


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_improvements_are_counted_against_the_best_at_the_time(direction: str, sign: int) -> None:
    """The first value improves on nothing; a failure is a chance missed; a tie improves nothing."""
    values = [("expert", 1.0), ("claude", 3.0), ("expert", 2.0), ("claude", None)]
    values += [("expert", 3.000000001), ("claude", 3.5)]
    journal = played(
        *((by, None if v is None else sign * v) for by, v in values), direction=direction
    )
    found = by_name(journal.history)
    expert, claude = found["expert"], found["claude"]
    assert (expert.trials, expert.improved.hits, expert.improved.total) == (3, 0, 2)
    assert (claude.trials, claude.improved.hits, claude.improved.total) == (3, 2, 3)
    assert claude.gain == pytest.approx(2.5)
    assert (expert.model, claude.model) == (False, True)


def test_results_of_different_code_are_not_compared() -> None:
    """The first value under new code improves on nothing, however good the old ones were."""
    journal = played(("expert", 1.0), ("expert", 2.0))
    journal.note(CodeVersion(id="other"))
    for number, value in ((2, 9.0), (3, 9.5)):
        key = RunKey(number, 0, 0)
        journal.note(
            Admission(number=number, proposal=proposal(number, "claude"), code="other"),
            Launch(run=key, seed=0, command=("python",), machine="m"),
            Observation(run=key, outcome="done", value=value),
        )
    found = by_name(journal.history)
    assert (found["claude"].improved.hits, found["claude"].improved.total) == (1, 1)
    assert found["claude"].gain == pytest.approx(0.5)
    assert found["expert"].improved.hits == 1


def test_costs_are_added_up_and_an_unknown_price_stays_unknown() -> None:
    """Tokens of all conversations count, failed ones too; one unknown price makes all unknown."""
    journal = played(("expert", 1.0), ("claude", 2.0), ("claude", 3.0))
    asked = Exchange(
        by="claude",
        purpose="propose",
        model="m",
        input_tokens=900,
        output_tokens=100,
        usd=0.01,
        seconds=2.0,
    )
    journal.note(asked, replace(asked, outcome="failed", purpose="diagnose"))
    account = by_name(journal.history)["claude"]
    assert (account.cost.exchanges, account.cost.failed, account.cost.tokens) == (2, 1, 2000)
    assert account.cost.usd == pytest.approx(0.02)
    journal.note(replace(asked, usd=None))
    account = by_name(journal.history)["claude"]
    assert account.cost.usd is None


def test_refusals_are_the_proposers_own_and_not_a_visitors() -> None:
    """What was refused of a request made at a door is not booked on the team's member."""
    journal = played(("expert", 1.0))
    journal.note(Request(what="propose", by="claude", proposal=proposal(9, "claude")))
    at = journal.history.sequence
    journal.note(Refusal(proposal=proposal(9, "claude"), faults=("no",), request=at))
    journal.note(Refusal(proposal=proposal(9, "claude"), faults=("no",)))
    assert by_name(journal.history)["claude"].refusals == 1


def test_coverage_and_score_of_predicted_intervals() -> None:
    """Results inside and outside are counted, and scored as Gneiting and Raftery do."""
    journal = played()
    interval = Interval(low=0.0, high=1.0, level=0.9)
    for number, value in enumerate((0.5, 1.0, 1.2, -0.1)):
        journal.ended(proposal(number, "claude", interval), value)
    journal.ended(proposal(4, "claude"), 7.0)
    journal.ended(proposal(5, "claude", Interval(low=-np.inf, high=1.0)), 7.0)
    held = by_name(journal.history)["claude"].calibration
    assert held is not None
    assert (held.inside.hits, held.inside.total, held.level) == (2, 4, pytest.approx(0.9))
    assert held.score == pytest.approx(1.0 + (20 * 0.2 + 20 * 0.1) / 4)
    assert by_name(journal.history)["expert"].calibration is None


def test_the_interval_score_is_proper() -> None:
    """Of all symmetric intervals for a normal, the honest one has the best mean score."""
    values = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    widths = (0.8, 1.2, 1.645, 2.2, 3.0)
    scores = [
        np.mean([interval_score(Interval(low=-w, high=w, level=0.9), v) for v in values])
        for w in widths
    ]
    assert int(np.argmin(scores)) == widths.index(1.645)


def test_members_without_a_trial_and_strangers_have_accounts_too() -> None:
    """The team stands first, in its order; a person who proposed stands behind it."""
    journal = played(("user", 1.0))
    assert [account.name for account in accounts(journal.history)] == ["expert", "claude", "user"]
    assert [account.trials for account in accounts(journal.history)] == [0, 0, 1]


def test_who_fails_in_three_turns_running_is_failing() -> None:
    """Three conversations without an answer, or three turns lost; one that works ends it."""
    journal = played(("expert", 1.0))
    broken = Exchange(
        by="claude", purpose="propose", model="m", outcome="failed", detail="HTTP 500"
    )
    journal.note(broken, broken)
    assert by_name(journal.history)["claude"].health == "well"
    journal.note(broken)
    account = by_name(journal.history)["claude"]
    assert (account.health, account.trouble) == ("failing", "HTTP 500")
    journal.note(replace(broken, outcome="answered", detail=""))
    assert by_name(journal.history)["claude"].health == "well"


def test_turns_that_a_member_lost_count_until_its_next_trial() -> None:
    """A member without a model that crashes is failing too; a refused repeat is no lost turn."""
    journal = played(("expert", 1.0))
    lost = Refusal(
        proposal=Proposal(configuration={}, by="expert"), faults=("ZeroDivisionError: x",)
    )
    journal.note(lost, lost, Refusal(proposal=proposal(3, "expert"), faults=("a repeat",)))
    assert by_name(journal.history)["expert"].health == "well"
    journal.note(lost)
    account = by_name(journal.history)["expert"]
    assert (account.health, account.trouble) == ("failing", "ZeroDivisionError: x")
    journal.ended(proposal(5, "expert"), 1.0)
    assert by_name(journal.history)["expert"].health == "well"
