"""Kinds of change: how mixed, how new, what follows a failure, how far agents are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.insight.made import BROAD, FORGETFUL, PERSISTENT, campaign
from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.insight.entropy import categories, entropy, innovation
from trialwright.insight.pivots import pivots
from trialwright.insight.specialisation import specialisation, specialisation_between

OTHER: dict[str, Status] = {"k": "keep", "d": "discard", "c": "crash"}


def log(rows: Sequence[tuple[str, str]], agents: str = "") -> Campaign:
    """Return a campaign of categories with what became of them: k, d or c; agents by letter."""
    return Campaign(
        name="log", metric="loss", direction="minimize", dialect="made",
        experiments=tuple(
            Experiment(
                number=n, line=n, metric=1.0, status=OTHER[word], category=kind,
                agent=agents[n - 1] if agents else None,
            )
            for n, (kind, word) in enumerate(rows, 1)
        ),
    )  # fmt: skip


def test_entropy_with_its_correction_and_interval() -> None:
    """Two kinds alike are 1 bit, corrected upwards; baselines are left out and counted."""
    found = entropy(log([("baseline", "k")] + [("data", "d"), ("optimizer", "d")] * 20))
    values = found.values
    assert values["entropy_bits"] == pytest.approx(1.0)
    assert values["corrected_bits"] == pytest.approx(1.0 + 1 / (80 * math.log(2)))
    assert (values["n"], values["breadth"], values["unknown"]) == (40, 2, 1)
    assert values["normalised"] == pytest.approx(float(str(values["corrected_bits"])) / 3)
    assert float(str(values["corrected_bits_low"])) <= 1.0
    assert "1 baseline or replicate" in found.notes[0]


def test_entropy_per_window_shows_a_narrowing() -> None:
    """A campaign that begins broad and ends narrow has windows of falling entropy."""
    rows = [(kind, "d") for kind in ("data", "optimizer", "systems", "schedule") * 5]
    found = entropy(log(rows + [("data", "d")] * 20), window=20)
    assert found.table is not None
    bits = [row["bits"] for row in found.table.records]
    assert bits == [pytest.approx(2.0), 0.0]
    assert [row["experiments"] for row in found.table.records] == ["1-20", "21-40"]


def test_foreign_rows_have_both_categories() -> None:
    """Undeclared kinds are inferred from descriptions; where both are there, agreement is told."""
    said = [("arch", "DEPTH 12"), (None, "dropout 0.2"), ("lr", "weight decay 0.1")]
    one = Campaign(
        name="log", metric="loss", direction="minimize", dialect="made",
        experiments=tuple(
            Experiment(number=n, line=n, metric=1.0, status="keep", category=kind, description=text)
            for n, (kind, text) in enumerate(said, 1)
        ),
    )  # fmt: skip
    found = categories(one)
    assert found.table is not None
    tallies = {row["category"]: (row["n"], row["declared"]) for row in found.table.records}
    assert tallies == {"architecture": (1, 1), "regularization": (1, 0), "hyperparameter": (1, 1)}
    assert (
        "2 of 3 categories are declared; of 2 that descriptions speak of as well, 1 are"
        in (found.notes[0])
    )


def test_entropy_is_refused_without_kinds() -> None:
    """A log that says nothing of its changes has no entropy, and the sentence says why."""
    one = log([("data", "d")])
    bare = replace(one, experiments=(replace(one.experiments[0], category=None),))
    assert entropy(bare).refused
    assert "0 experiments of a known category" in entropy(bare).sentence


def test_innovation_counts_first_ever_cells() -> None:
    """Of six proposals in a grid of two settings four cells are new, none in the second window."""
    cells = [(a, b) for a in ("x", "y") for b in ("u", "v")]
    one = Campaign(
        name="grid", metric="loss", direction="minimize", dialect="made",
        experiments=tuple(
            Experiment(number=n, line=n, metric=1.0, status="discard",
                       configuration={"arch": a, "data": b})
            for n, (a, b) in enumerate(cells * 3, 1)
        ),
    )  # fmt: skip
    found = innovation(one, window=6)
    assert (found.values["first_ever"], found.values["cells"], found.values["n"]) == (4, 4, 12)
    assert found.table is not None
    assert [row["first_ever"] for row in found.table.records] == [4, 0]
    assert "a combination of arch, data" in found.notes[0]


def test_pivots_after_a_discard() -> None:
    """Only turns after a discarded change count; baselines are passed over; exact interval."""
    rows = [("data", "d"), ("data", "d"), ("optimizer", "k"), ("data", "c"), ("schedule", "d"),
            ("baseline", "k"), ("schedule", "d")]  # fmt: skip
    found = pivots(log(rows))
    assert (found.values["pivots"], found.values["n"]) == (1, 3)
    assert found.values["pivot_rate_low"] == pytest.approx(0.0084, abs=1e-4)
    assert found.values["pivot_rate_high"] == pytest.approx(0.9057, abs=1e-4)
    assert found.table is not None
    assert [row["n"] for row in found.table.records] == [3, 1, 1]


def test_agents_of_one_campaign_turn_each_for_itself() -> None:
    """Two agents that take turns and never change their kind have no pivot."""
    found = pivots(log([("data", "d"), ("optimizer", "d")] * 5, agents="ab" * 5))
    assert (found.values["pivots"], found.values["n"]) == (0, 8)


@pytest.mark.parametrize("agent", [BROAD, PERSISTENT, FORGETFUL], ids=lambda one: one.name)
def test_made_agents_pivot_as_they_were_made_to(agent) -> None:
    """Over six campaigns the rate at which an agent was made to pivot lies in the interval."""
    rows = [row for seed in range(6) for row in campaign(agent, seed).experiments]
    joined = Campaign(name="all", metric="loss", direction="minimize", experiments=tuple(rows),
                      dialect="made")  # fmt: skip
    values = pivots(joined).values
    assert float(str(values["pivot_rate_low"])) <= agent.pivot
    assert float(str(values["pivot_rate_high"])) >= agent.pivot


def test_specialised_agents_are_told_from_a_lucky_draw() -> None:
    """Agents with kinds of their own are 1 bit apart; the same agent twice is not told apart."""
    apart = log([("data", "d"), ("optimizer", "d")] * 20, agents="ab" * 20)
    mixed = log([(kind, "d") for kind in ("data", "optimizer", "systems", "data") * 10],
                agents="aabbbaab" * 5)  # fmt: skip
    far, near = specialisation(apart), specialisation(mixed)
    assert far.values["bits"] == pytest.approx(1.0)
    assert float(str(near.values["p"])) > 0.05
    assert "no more than chance" in near.sentence


def test_runs_of_one_kind_are_no_specialisation() -> None:
    """Persistent agents of the same habit dwell on kinds by luck: that does not tell them apart."""
    same = [replace(PERSISTENT, name=name, kinds=8) for name in ("x", "y")]
    found = specialisation_between([campaign(one, seed) for seed in (0, 1) for one in same])
    assert float(str(found.values["bits"])) > 0.1
    assert float(str(found.values["p"])) > 0.05


def test_specialisation_needs_two_agents() -> None:
    """A campaign of one agent is refused."""
    assert specialisation(campaign(BROAD, 0)).refused
