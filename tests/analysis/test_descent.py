"""How the best came about: steps seed by seed, what stood still meanwhile, what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from tests.report.strangers import PLANTED, planted
from trialwright.analysis.descent import ablations, clean, descent, rests
from trialwright.analysis.ordering import confounded
from trialwright.analysis.outliers import collapses, outlier
from trialwright.analysis.paired import differing, paired


def test_a_pair_is_compared_on_common_seeds_alone(tmp_path: Path) -> None:
    """Mean, wins and interval are those of SciPy's paired test on the six seeds both have."""
    history = planted(tmp_path)
    best, first = history.trials[9], history.trials[0]
    found = paired(best, first, sign=1)
    assert found is not None
    seeds = range(6)
    ours, theirs = [best.values[s] for s in seeds], [first.values[s] for s in seeds]
    told = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert found.interval == pytest.approx((told.low, told.high))
    assert (found.seeds, found.wins) == (6, 6)
    turned = paired(first, best, sign=1)
    assert turned is not None
    assert turned.difference == pytest.approx(-found.difference)
    assert paired(first, best, sign=-1) == replace(found, trial=0, against=9)


def test_the_line_of_descent_has_every_step_with_its_changes(tmp_path: Path) -> None:
    """From the first trial to the best, what each changed, and what it brought seed by seed."""
    found = descent(planted(tmp_path))
    assert [(leap.before, leap.trial) for leap in found] == [(0, 3), (3, 5), (5, 7), (7, 8), (8, 9)]
    assert found[-1].changed == ("rate", "width")
    assert found[-2].paired is not None
    assert found[-2].paired.gained
    assert found[-2].paired.difference == pytest.approx(0.09)


def test_what_stood_still_while_the_line_gained_did_not_bring_it(tmp_path: Path) -> None:
    """Loops are the same over the last two steps; rate and width moved in both of them."""
    history = planted(tmp_path)
    (found,) = rests(history, descent(history), ["loops"])
    assert (found.parameter, found.value, found.trials) == ("loops", 11, (7, 8, 9))
    assert set(found.moved) == {"rate", "width"}
    assert not rests(history, descent(history), ["rate"])


def test_pairs_that_differ_in_few_are_found_wherever_they_are(tmp_path: Path) -> None:
    """One that changed the rate alone comes first; none differs in more than three."""
    history = planted(tmp_path)
    found = clean(history)
    assert (found[0][0].against, found[0][0].trial, found[0][1]) == (3, 4, ("rate",))
    assert all(len(names) <= 3 for _, names in found)
    for seen, names in found:
        pair = history.trials[seen.trial], history.trials[seen.against]
        assert differing(*pair) == names
    assert all(names == ("rate",) for _, names in clean(history, few=1))


def test_ablations_put_back_one_parameter_of_the_best(tmp_path: Path) -> None:
    """What matters goes back to the first trial; what moved with the gains, to before them."""
    history = planted(tmp_path)
    found = ablations(history, descent(history), ["loops"])
    assert (found[0].parameter, found[0].value) == ("loops", 2)
    assert all(one.value != history.trials[9].configuration[one.parameter] for one in found)
    assert {one.parameter for one in found} >= {"rate", "width"}
    worse = replace(PLANTED[9], change={"loops": 2}, parent=9, values=(0.5,) * 3)
    tried = planted(tmp_path / "tried", (*PLANTED, worse))
    again = ablations(tried, descent(tried), ["loops"])
    assert "loops" not in {one.parameter for one in again}


def test_a_parameter_that_follows_the_search_is_named(tmp_path: Path) -> None:
    """Loops rise with the trial's number, as results do; turned round in time, nothing does."""
    found = {one.parameter: one for one in confounded(planted(tmp_path))}
    assert found["loops"].order > 0.6
    assert found["loops"].progress > 0.6
    shuffled = [PLANTED[i] for i in (0, 9, 1, 8, 2, 7, 3, 5)]
    alone = [replace(row, parent=None) for row in shuffled]
    assert not confounded(planted(tmp_path / "shuffled", alone))


def test_a_seed_that_stands_apart_is_named_and_none_where_seeds_scatter(tmp_path: Path) -> None:
    """Seed 5 of the first trial, seed 1 of the best; the even trials have none."""
    history = planted(tmp_path)
    named = {one.trial: one for trial in history.trials if (one := outlier(trial))}
    assert {trial: one.seed for trial, one in named.items()} == {0: 5, 9: 1}
    assert named[9].sd > 3 * named[9].without


def test_a_total_collapse_is_one_seed_at_the_floor(tmp_path: Path) -> None:
    """Seed 1 of trial 2 gave 0 beside 0.6; a trial that is poor throughout has not collapsed."""
    (found,) = collapses(planted(tmp_path))
    assert (found.trial, found.seed, found.value) == (2, 1, 0.0)
    poor = (*PLANTED[:2], replace(PLANTED[2], values=(0.01, 0.0, 0.02)), *PLANTED[3:])
    assert not collapses(planted(tmp_path / "poor", poor))
