"""Agents side by side over seeds and tasks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy import stats

from tests.insight.made import AGENTS, BROAD, PERSISTENT, campaign, campaigns
from trialwright.campaigns.campaign import Campaign
from trialwright.insight.duels import CRITICAL, compared, duels, friedman, ranks, scores
from trialwright.insight.sides import area, final, sides


def several(seeds: int = 6, trials: int = 25) -> list[Campaign]:
    """Return short campaigns of two agents, one of which is better."""
    return [campaign(one, seed, trials=trials) for seed in range(seeds)
            for one in (BROAD, PERSISTENT)]  # fmt: skip


def test_the_better_agent_is_told_with_p_and_interval() -> None:
    """Six pairs that all go one way have the smallest p there is, and an interval above 0."""
    found = duels(several())
    assert found.table is not None
    first = found.table.records[0]
    assert (first["agent"], first["against"], first["pairs"]) == (BROAD.name, PERSISTENT.name, 6)
    assert (first["wins"], first["p"]) == (6, pytest.approx(2 / 2**6))
    assert float(str(first["better_by_low"])) > 0
    assert "broad 1M beats persistent 200k by the best at the end" in found.sentence


def test_area_rewards_who_is_early() -> None:
    """Of two campaigns with the same best the one that had it earlier has the smaller area."""
    early = several(1)[0]
    rows = list(early.experiments)
    late = replace(early, experiments=tuple(rows[:1] + sorted(
        rows[1:], key=lambda one: -(one.metric or 0))))  # fmt: skip
    best = replace(early, experiments=tuple(rows[:1] + sorted(
        rows[1:], key=lambda one: one.metric or 0)))  # fmt: skip
    one, two = sides([replace(best, name="early"), replace(late, name="late")])
    assert final(one, 25) == final(two, 25)
    a, b = area(one, 25), area(two, 25)
    assert a is not None
    assert b is not None
    assert a < b


def test_too_few_pairs_are_refused_with_how_many_it_takes() -> None:
    """Five replicates can't reach p = 0.05 whatever they say; six are asked for."""
    found = duels(several(5))
    assert found.refused
    assert "5 replicates" in found.sentence
    assert "it takes 6" in found.sentence


def test_equal_and_unequal_defaults_are_stated() -> None:
    """Campaigns that began alike are told so; one that began elsewhere is counted."""
    told = several()
    assert any("equal defaults: in all 6" in note for note in duels(told).notes)
    rows = told[0].experiments
    other = replace(rows[0], configuration=dict(rows[0].configuration or {}) | {"clip": True})
    moved = [replace(told[0], experiments=(other, *rows[1:])), *told[1:]]
    assert any("in 1 of 6 blocks" in note for note in duels(moved).notes)


def test_campaigns_are_cut_to_a_common_length() -> None:
    """Who has run longer is compared over as many experiments as the others have."""
    told = several()
    longer = [campaign(BROAD, seed, trials=60) for seed in range(6)]
    mixed = [*longer, *(one for one in told if one.experiments[0].agent == PERSISTENT.name)]
    assert duels(mixed).table == duels(
        [*(one for one in told if one.experiments[0].agent == BROAD.name),
         *(one for one in told if one.experiments[0].agent == PERSISTENT.name)]
    ).table  # fmt: skip


def test_seeds_pair_campaigns_in_any_order() -> None:
    """Replicates are matched by their seed, not by the order in which they are given."""
    told = several()
    shuffled = [*told[::2], *reversed(told[1::2])]
    assert compared(sides(shuffled), [BROAD.name, PERSISTENT.name], "final") == compared(
        sides(told), [BROAD.name, PERSISTENT.name], "final"
    )


def test_ranks_with_their_critical_difference() -> None:
    """Average ranks, Friedman's p as SciPy has it, and Nemenyi's difference by its formula."""
    told = campaigns(seeds=8)
    found = ranks(told)
    assert found.values["critical_difference"] == pytest.approx(CRITICAL[1] * (12 / 48) ** 0.5)
    scaled = scores(sides(told), "final")
    blocks = sorted(scaled[BROAD.name])
    columns = [[scaled[one.name][block] for block in blocks] for one in AGENTS]
    assert friedman(scaled, blocks) == pytest.approx(stats.friedmanchisquare(*columns).pvalue)
    assert "broad 1M before" in found.sentence


def test_critical_values_are_those_of_the_studentized_range() -> None:
    """The constants of Nemenyi's test are the studentized range's over the root of two."""
    expected = [float(stats.studentized_range.ppf(0.95, k, float("inf"))) / 2**0.5 for k in (2, 5)]
    assert [CRITICAL[0], CRITICAL[3]] == pytest.approx(expected, abs=2e-3)


def test_ranks_refuse_few_blocks_and_few_agents() -> None:
    """Two agents are no ranking; so few blocks that no ranks can differ enough are refused."""
    assert "three agents" in ranks(several()).sentence
    assert "it takes 3" in ranks(campaigns(seeds=2)).sentence


def test_opposite_directions_are_refused() -> None:
    """Campaigns of one task that go different ways can't be compared."""
    told = several()
    wrong = [replace(told[0], direction="maximize"), *told[1:]]
    assert "different ways" in duels(wrong).sentence
    assert "which way" in duels([replace(one, direction=None) for one in told]).sentence
