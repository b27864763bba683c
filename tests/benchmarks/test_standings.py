"""Ranks and tests over tasks, against examples worked by hand or printed in the literature."""

from __future__ import annotations

import math

import pytest
from benchmarks.measured import Measured
from benchmarks.ours import Step
from benchmarks.regret import Yardstick
from benchmarks.standings import Standings, best_of, critical_difference, signed_rank_p


def test_ties_share_their_rank() -> None:
    """Two methods that are alike on a task both get the mean of the two ranks."""
    standings = Standings.of({"a": [1.0, 2.0, 3.0], "b": [1.0, 3.0, 2.0], "c": [5.0, 5.0, 5.0]})
    assert standings.ranks == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_friedmans_test_is_demsars() -> None:
    """Four methods on three tasks, in the same order each time: chi2 = 9, 3 degrees, p = 0.0293."""
    standings = Standings.of({name: [float(i)] * 3 for i, name in enumerate("abcd")})
    assert standings.p == pytest.approx(0.0293, abs=1e-4)


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_nemenyis(methods: int, quantile: float) -> None:
    """The quantiles are those of table 5 in Demsar (2006)."""
    expected = quantile * math.sqrt(methods * (methods + 1) / (6 * 12))
    assert critical_difference(methods, 12) == pytest.approx(expected, abs=2e-3)


def test_groups_hold_neighbours_that_can_not_be_told_apart() -> None:
    """Each group is as large as can be, and none lies within another."""
    standings = Standings({"a": 1.0, "b": 2.0, "c": 2.9, "d": 4.5}, p=0.01, critical=1.5)
    assert standings.groups == [("a", "b"), ("b", "c")]


def test_signed_ranks_of_ten_tasks_all_one_way() -> None:
    """All ten differences of one sign: 2 of 1,024 orders are as extreme."""
    ours = [0.1 * i for i in range(1, 11)]
    assert signed_rank_p(ours, [2 * o for o in ours]) == pytest.approx(2 / 1024)


def test_with_one_task_nothing_is_told_apart() -> None:
    """Ranks are there, tests are not."""
    standings = Standings.of({"a": [1.0], "b": [2.0], "c": [3.0]})
    assert list(standings.ranks) == ["a", "b", "c"]
    assert math.isnan(standings.p)
    assert math.isnan(standings.critical)


def test_the_best_of_those_that_are_there() -> None:
    """The smallest mean wins, the first of equals; of none it is nobody."""
    assert best_of({"a": 0.3, "b": 0.2, "c": 0.2}, ["a", "b", "c"]) == "b"
    assert best_of({"a": 0.3}, ["b"]) is None


def test_regret_is_of_the_seeds_own_optimum() -> None:
    """Seeds whose optima differ by 10 have the same regret; a failed trial counts as the floor."""
    traces = {
        "random": [[0.0, 1.0, 2.0, 3.0, 4.0], [10.0, 11.0, 12.0, 13.0, 14.0]],
        "ours": [[5.0] * 5, [None, 15.0, 15.0, 15.0, 15.0]],
    }
    yardstick = Yardstick.of(traces)
    assert yardstick.best == (5.0, 15.0)
    assert yardstick.width == pytest.approx(3.0)
    assert yardstick.regrets(traces["random"], 3) == pytest.approx([1.0, 1.0])
    assert yardstick.regrets(traces["ours"], 1) == pytest.approx([0.0, (15 - 10.2) / 3])


def test_a_loss_of_a_million_is_not_the_mean_of_all_tasks() -> None:
    """What is worse than all but a twentieth of random's values counts as no worse than them."""
    loud = [[-1e6, *[-float(i) for i in range(1, 41)]]]
    yardstick = Yardstick.of({"random": loud, "ours": [[0.0] * 41]})
    assert yardstick.regrets(loud, 1)[0] < 3


def steps(*values: float | None) -> list[Step]:
    """Steps with these values."""
    return [Step({}, value, 0.1) for value in values]


def test_the_best_peer_is_chosen_per_number_of_trials_over_all_tasks() -> None:
    """Losses are turned, stock settings and ours are no peers, and who leads may change."""
    played = {
        "random": [steps(4.0, 3.0, 3.0)],
        "tpe": [steps(2.0, 2.0, 2.0)],
        "gp": [steps(3.0, 1.0, 1.0)],
        "gp-stock": [steps(0.5, 0.5, 0.5)],
        "expert-blind": [steps(1.0, 0.5, 0.0)],
    }
    measured = Measured({"task": played, "other": played}, {"task": -1, "other": -1}, trials=3)
    assert measured.marks == (1, 3)
    assert measured.best_peer("without", 1) == "tpe"
    assert measured.best_peer("without", 3) == "gp"
    assert measured.best_peer("default", 3) is None
    assert measured.overall("expert-blind", 3).mean == 0.0
    assert measured.over_random("expert-blind", 1) == pytest.approx(75.0)
    assert measured.over_human("expert-blind", 3) == pytest.approx(100.0)
    assert next(iter(measured.standings("without", 3).ranks)) == "expert-blind"
