"""The seven hypotheses of the five-agent study, over campaigns whose behaviour is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.insight.made import AGENTS, BROAD, FORGETFUL, KINDS, PERSISTENT, campaign, campaigns
from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.insight.hypotheses import (
    agents_have_characters,
    breadth_predicts,
    context_matters,
    discoveries_separate,
    efficiency_varies,
    hypotheses,
    judgements,
    late_steps_differ,
)
from trialwright.insight.measures import SEVERAL
from trialwright.insight.verdicts import Judgement


@cache
def told() -> dict[str, Judgement]:
    """Return the seven judgements over six campaigns of each of the three made agents."""
    return {one.name: one for one in judgements(campaigns())}


def plain(agent: str, breadth: int, best: float, *, trials: int = 12) -> Campaign:
    """Return a campaign with so many categories and such a best; lower is better."""
    kinds = [KINDS[i % breadth] for i in range(trials - 1)]
    rows = [Experiment(number=1, line=1, metric=1.0, status="keep", category="baseline")]
    rows += [
        Experiment(number=n, line=n, metric=best if n == trials else 2.0, category=kind,
                   status="keep" if n == trials else "discard")
        for n, kind in enumerate(kinds, 2)
    ]  # fmt: skip
    named = tuple(replace(one, agent=agent) for one in rows)
    return Campaign(name=agent, metric="loss", direction="minimize", experiments=named,
                    dialect="made")  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["h1_breadth", "h2_shifting", "h3_context", "h4_efficiency", "h5_late_steps",
     "h6_discoveries", "h7_character"],
)  # fmt: skip
def test_made_agents_bear_out_what_they_were_made_to(name: str) -> None:
    """The broad agent pivots, finds the discovery and wins; the verdict follows the interval."""
    found = told()[name]
    assert found.verdict == "supported"
    assert found.low is not None
    assert found.high is not None
    assert found.estimate is not None
    least = {"h4_efficiency": 1.0, "h5_late_steps": 1.0, "h7_character": 1 / 3}.get(name, 0.0)
    assert least < found.low <= found.estimate <= found.high
    assert (found.n, found.agents) == (18, 3)
    assert found.p is not None
    assert found.p <= 0.05


def test_who_did_what_is_told() -> None:
    """The discovery is the planted one, and the extremes are the agents made to be so."""
    found = told()
    assert str(found["h6_discoveries"].values["discovery"]).startswith("clip=True")
    assert f"late step of {BROAD.name}" in found["h5_late_steps"].why
    assert f"that of {PERSISTENT.name}" in found["h5_late_steps"].why
    assert f"that of {FORGETFUL.name}" in found["h4_efficiency"].why
    context = found["h3_context"].values
    assert float(str(context["repeats_smallest"])) > 0.3 > float(str(context["repeats_largest"]))


def test_campaigns_of_few_agents_speak_of_these_agents() -> None:
    """That three agents stand behind eighteen campaigns is told, with what their means say."""
    found = told()["h1_breadth"]
    assert "over the means of the 3 agents" in found.why
    assert "too few for an interval" in found.why
    assert any("by 3 agents" in note for note in found.notes)


def test_three_campaigns_alone_tell_of_no_correlation() -> None:
    """One campaign per agent is too few for H1 to H3, and for a character; the reasons are told."""
    found = {one.name: one for one in judgements(campaigns(seeds=1))}
    for name in ("h1_breadth", "h2_shifting", "h3_context", "h6_discoveries", "h7_character"):
        assert found[name].verdict == "can't tell"
        assert found[name].refused
        assert found[name].why
    assert "no interval below 4" in found["h1_breadth"].why


def test_agents_that_are_the_same_are_not_told_apart() -> None:
    """Three names for one agent: no hypothesis about agents is supported."""
    same = [replace(BROAD, name=name) for name in ("x", "y", "z")]
    found = [campaign(one, 10 * seed + i) for seed in range(6) for i, one in enumerate(same)]
    verdicts = {judge(found).name: judge(found).verdict for judge in
                (efficiency_varies, late_steps_differ, agents_have_characters)}  # fmt: skip
    assert "supported" not in verdicts.values(), verdicts
    assert verdicts["h7_character"] == "contradicted"


def test_the_published_five_agents() -> None:
    """Breadths and bests as published give r = 0.946 over n = 5, at best p = 0.05."""
    study = {"opus 1M": (5, 0.5757), "sonnet 1M": (5, 0.5794), "opus 200k": (5, 0.5802),
             "gemini": (3, 0.5848), "gpt": (2, 0.5923)}  # fmt: skip
    found = breadth_predicts([plain(agent, *row) for agent, row in study.items()])
    assert found.estimate == pytest.approx(0.946, abs=5e-4)
    assert (found.low, found.high) == pytest.approx((0.384, 0.9965), abs=1e-3)
    assert (found.n, found.agents, found.p) == (5, 5, pytest.approx(0.05))


def test_breadth_that_hurts_contradicts() -> None:
    """Where the broad campaigns are the worse ones, all of the interval lies below 0."""
    found = breadth_predicts([plain(f"a{i}", i, 0.5 + 0.01 * i) for i in range(1, 9)])
    assert found.verdict == "contradicted"
    assert found.high is not None
    assert found.high < 0


def test_no_relation_is_not_told_by_few_and_ruled_out_by_many() -> None:
    """Unrelated results: few campaigns can't tell, very many leave no room for a correlation."""
    rng = np.random.default_rng(4)
    many = [plain(f"a{i}", 1 + i % 8, float(rng.uniform(0.5, 0.9))) for i in range(160)]
    assert breadth_predicts(many[:12]).verdict == "can't tell"
    assert breadth_predicts(many).verdict == "contradicted"


def test_tasks_are_no_evidence_for_breadth() -> None:
    """An easy task with broad agents and a hard one with narrow ones: results count within each."""
    easy = [replace(plain(f"a{i}", 7 + i % 2, 0.1 + 0.01 * (i % 3)), metric="easy")
            for i in range(6)]  # fmt: skip
    hard = [replace(plain(f"b{i}", 1 + i % 2, 0.8 + 0.01 * (i % 3)), metric="hard")
            for i in range(6)]  # fmt: skip
    assert breadth_predicts(easy + hard).verdict == "can't tell"


def test_context_is_refused_where_nobody_says_it() -> None:
    """Without a column and without a size in the names H3 is refused, saying what would help."""
    named = [replace(one, name="abc"[i % 3]) for i, one in enumerate(AGENTS)]
    found = context_matters([campaign(one, s, trials=20) for s in range(3) for one in named])
    assert found.refused
    assert "'context_tokens'" in found.why


def test_context_may_stand_in_a_column() -> None:
    """A column of the log goes before what names say."""
    cases = [(8_000.0, 0.9), (32_000.0, 0.8), (128_000.0, 0.75), (1e6, 0.6), (2e6, 0.5)]
    found = []
    for size, best in cases:
        one = plain(f"agent {size:g}", 3, best)
        rows = tuple(replace(row, metrics={"context_tokens": size}) for row in one.experiments)
        found.append(replace(one, experiments=rows))
    assert context_matters(found).verdict == "supported"


def test_one_discovery_in_two_campaigns_is_no_proof() -> None:
    """What two of five campaigns have can't separate them once all discoveries are looked at."""
    found = discoveries_separate([campaign(BROAD, seed, trials=25) for seed in range(5)])
    assert found.verdict == "can't tell"


def test_the_seven_in_one_table() -> None:
    """The summary has a row each with n, interval and verdict, and the same words as each alone."""
    found = hypotheses(campaigns(seeds=4))
    assert found.table is not None
    assert [row["hypothesis"] for row in found.table.records] == [f"H{n}" for n in range(1, 8)]
    alone = SEVERAL["h4_efficiency"](campaigns(seeds=4))
    assert alone.values["verdict"] == found.values["h4_efficiency"]
    assert hypotheses(campaigns(seeds=4)[:1]).refused
