"""Less code that is as good, more code that has to pay for itself: rules held against numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from trialwright.analysis.compare import judge, renewed
from trialwright.analysis.promote import promotions
from trialwright.analysis.simplicity import POWER, equal, price, settled
from trialwright.editable import Research
from trialwright.history import History, Trial
from trialwright.records import (
    Admission,
    CodeVersion,
    Edit,
    Entry,
    Launch,
    Observation,
    Opened,
    Promotion,
    Proposal,
    Record,
    RunKey,
)
from trialwright.space import Space
from trialwright.task import Objective, Seeds, Task

RESEARCH = Research(editable=("train.py",), sandbox="none")
TASK = Task(
    name="t",
    objective=Objective(metric="y"),
    space=Space(()),
    research=RESEARCH,
    seeds=Seeds(confirm=3),
)
WIDE = (-0.1, 0.0, 0.1)
"""Three seeds that scatter by 0.1."""


class Diary:
    """A study's history, written trial by trial: each is judged once its seeds are in."""

    def __init__(self, task: Task = TASK) -> None:
        self.history = History()
        self._add(Opened(task=task, seed=0, version="0"), CodeVersion(id="c"))

    def _add(self, *records: Record) -> None:
        for record in records:
            entry = Entry(self.history.sequence + 1, float(self.history.sequence), record)
            self.history.extend([entry])

    def trial(
        self,
        values: float | Sequence[float],
        *,
        nodes: int = 0,
        lines: int = 0,
        parent: int | None = None,
        without: int | None = None,
    ) -> Trial:
        """Run a trial whose code has so many nodes and lines more than its parent's; judge it.

        Of a number: three seeds around it, which move each trial in another way.
        """
        number = len(self.history.trials)
        if isinstance(values, float):
            turn = number % len(WIDE)
            values = around(values, WIDE[turn:] + WIDE[:turn])
        edit = Edit(patch="p", tree=f"tree{number}", files=(), added=lines, nodes=nodes)
        proposal = Proposal(
            configuration={},
            by="p",
            parent=parent if parent is not None or not number else 0,
            edit=edit if number else None,
            without=without,
        )
        self._add(Admission(number=number, proposal=proposal, code="c"))
        self.seeds(number, values)
        return self.history.trials[number]

    def seeds(self, number: int, values: Sequence[float]) -> None:
        """Give a trial further seeds, and judge whom they concern."""
        trial = self.history.trials[number]
        first = len(trial.values)
        self._add(Promotion(trial=number, seeds=first + len(values), reason="r"))
        for seed, value in enumerate(values, start=first):
            key = RunKey(number, seed, 0)
            self._add(Launch(run=key, seed=seed, command=("x",), machine="m"))
            self._add(Observation(run=key, outcome="done", value=float(value)))
        self._add(judge(trial, self.history))
        for verdict in renewed(trial, self.history):
            self._add(verdict)

    @property
    def best(self) -> int:
        """The number of the best trial."""
        found = self.history.best()
        assert found is not None
        return found.number


def around(centre: float, offsets: Sequence[float] = WIDE) -> list[float]:
    """Seeds that scatter about a value."""
    return [centre + offset for offset in offsets]


def said(trial: Trial) -> tuple[str, bool, str]:
    """Status, whether it was for being simpler, and the sentence."""
    assert trial.verdict is not None
    return trial.verdict.status, trial.verdict.simpler, trial.verdict.sentence


def test_less_code_that_is_as_good_is_kept_and_the_best() -> None:
    """A mean that is lower by a fifth of a deviation, with 40 nodes fewer: the best from then."""
    diary = Diary()
    diary.trial(1.0)
    status, simpler, sentence = said(diary.trial(0.98, nodes=-40))
    assert (status, simpler, diary.best) == ("kept", True, 1)
    assert "0.98 against 1 of trial 0 (0.02 lower over 3 seeds): as good within noise" in sentence
    assert sentence.endswith("with 40 nodes fewer than trial 0")
    # What is really better still takes its place.
    assert said(diary.trial(1.4, nodes=100))[:2] == ("kept", False)
    assert diary.best == 2


@pytest.mark.parametrize(
    ("values", "nodes"),
    [(0.85, -40), (0.98, 0), (0.98, 10), ([0.89], -40)],
    ids=["worse", "as large", "larger", "one seed"],
)
def test_what_is_worse_or_no_smaller_or_has_too_few_seeds_is_not(
    values: float | list[float], nodes: int
) -> None:
    """Each alone keeps a trial from taking the best one's place."""
    diary = Diary()
    diary.trial(1.0)
    assert said(diary.trial(values, nodes=nodes))[:2] == ("discarded", False)
    assert diary.best == 0


def test_a_study_that_changes_no_code_knows_no_such_rule() -> None:
    """The same results, without `research`: lower is discarded, a small gain is worth its while."""
    diary = Diary(replace(TASK, research=None))
    diary.trial(1.0)
    assert said(diary.trial(0.98, nodes=-40))[:2] == ("discarded", False)
    assert said(diary.trial(1.001, nodes=4000))[:2] == ("unconfirmed", False)


def test_lines_decide_where_nodes_are_equal() -> None:
    """Two lines fewer are less code; one line more is not."""
    diary = Diary()
    diary.trial(1.0)
    assert said(diary.trial(0.99, lines=1))[:2] == ("discarded", False)
    status, simpler, sentence = said(diary.trial(0.99, lines=-2))
    assert (status, simpler) == ("kept", True)
    assert "2 lines fewer" in sentence


def test_without_noise_only_what_is_equal_is_equal() -> None:
    """Also while nothing is known of the noise: one seed each."""
    for exact in (Diary(), Diary(replace(TASK, seeds=Seeds()))):
        seeds = 3 if exact.history.task.seeds.confirm else 1
        exact.trial([1.0] * seeds)
        assert said(exact.trial([1 - 1e-5] * seeds, nodes=-500))[:2] == ("discarded", False)
        status, simpler, sentence = said(exact.trial([1.0] * seeds, nodes=-5))
        assert (status, simpler, exact.best) == ("kept", True, 2)
        assert "as good, with 5 nodes fewer" in sentence


@dataclass(frozen=True)
class Told:
    """What two trials' seeds say of their difference."""

    difference: float
    error: float | None
    degrees: float = math.inf
    seeds: int = 3


@pytest.mark.parametrize(("seeds", "most"), [(3, 0.05), (12, 0.05)])
def test_the_tolerance_is_what_confirmed_seeds_would_find_four_times_of_five(
    seeds: int, most: float
) -> None:
    """A loss of that size passes once in twenty at most; code that is as good passes usually."""
    rng, one = np.random.default_rng(0), math.sqrt(2 / 3)
    tolerance = (stats.norm.ppf(0.95) + stats.norm.ppf(POWER)) * one
    # By the usual formula for the number of samples: so many find it, with these two chances.
    assert 2 * ((stats.norm.ppf(0.95) + stats.norm.ppf(POWER)) / tolerance) ** 2 == pytest.approx(3)
    error = math.sqrt(2 / seeds)

    def passing(loss: float) -> float:
        found = rng.normal(-loss, error, 4000)
        return sum(equal(Told(d, error, seeds=seeds), TASK) is not None for d in found) / 4000

    assert passing(tolerance) <= most + 0.01
    assert passing(0.0) >= POWER - 0.02
    told = equal(Told(0.0, error, seeds=seeds), TASK)
    assert told is not None
    assert told.tolerance == pytest.approx(tolerance)


def test_more_seeds_find_smaller_losses() -> None:
    """With many seeds a real loss is one, however small against the tolerance."""
    assert equal(Told(-0.4, math.sqrt(2 / 3)), TASK) is not None
    assert equal(Told(-0.4, math.sqrt(2 / 60), seeds=60), TASK) is None
    assert equal(Told(0.0, math.sqrt(2 / 3), seeds=2), TASK) is None


def test_small_losses_do_not_add_up() -> None:
    """A third trial is as good as the second, which stands for the first: and is held to that."""
    diary = Diary()
    diary.trial(1.0)
    diary.trial(0.95, nodes=-10)
    assert diary.best == 1
    assert said(diary.trial(0.90, nodes=-10, parent=1))[:2] == ("discarded", False)
    assert said(diary.trial(0.945, nodes=-10, parent=1))[:2] == ("kept", True)
    assert diary.best == 3


def test_what_more_seeds_show_is_taken_back() -> None:
    """A simpler trial that turns out worse is discarded, and who led before leads again."""
    diary = Diary()
    diary.trial(1.0)
    diary.trial(0.97, nodes=-10)
    assert diary.best == 1
    diary.seeds(1, [*around(0.75), *around(0.75)])
    assert said(diary.history.trials[1])[:2] == ("discarded", False)
    assert diary.best == 0


def test_of_several_that_are_as_good_the_smallest_is_the_best() -> None:
    """Both took the place of the same trial."""
    diary = Diary()
    diary.trial(1.0)
    diary.trial([0.98])
    first = diary.trial([0.97], nodes=-10)
    second = diary.trial([0.97], nodes=-30)
    for trial in (first, second):
        diary.seeds(trial.number, [0.87, 1.07])
    assert [said(trial)[1] for trial in (first, second)] == [True, True]
    assert diary.best == second.number


def test_a_gain_has_to_pay_for_its_code() -> None:
    """By 0.1 standard deviations per 100 nodes, unless the study says otherwise."""
    diary = Diary()
    diary.trial(1.0)
    status, _, sentence = said(diary.trial(1.03, nodes=500))
    assert status == "discarded"
    assert sentence.endswith(
        "better by 0.03, but 500 more nodes of code have to gain 0.05"
        " (0.1 of a seed's standard deviation, 0.1, per 100 nodes)"
    )
    assert said(diary.trial(1.03, nodes=200))[0] == "unconfirmed"
    free = Diary(replace(TASK, research=replace(RESEARCH, price=0.0)))
    free.trial(1.0)
    assert said(free.trial(1.03, nodes=500))[0] == "unconfirmed"


def test_a_verdict_is_about_the_gain_less_its_price() -> None:
    """Its probability is that of a t test against the first trial's values with the price added."""
    diary = Diary()
    first = around(1.0)
    second = around(1.19, (-0.08, 0.01, 0.1))
    diary.trial(first)
    verdict = diary.trial(second, nodes=400).verdict
    assert verdict is not None
    deviation = math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2)
    dearer = [value + 4 * 0.1 * deviation for value in first]
    p = stats.ttest_ind(second, dearer, alternative="greater").pvalue
    assert verdict.probability == pytest.approx(1 - p)
    assert (
        f"better, by more than the {0.4 * deviation:.3g} that 400 more nodes of code have to gain"
        f" with probability {1 - p:.2f}" in verdict.sentence
    )
    free = stats.ttest_ind(second, first, alternative="greater").pvalue
    assert 1 - free > 0.95 > 1 - p
    assert verdict.status == "unconfirmed"


def test_deleting_code_has_no_price() -> None:
    """Nor has code in a study whose seeds make no difference, or are unknown."""
    diary = Diary()
    one, two = diary.trial(1.0), diary.trial(1.2, nodes=-50)
    assert price(two, one, TASK, deviation=0.1) is None
    assert price(one, two, TASK, deviation=0.0) is None
    assert price(one, two, TASK, deviation=None) is None
    found = price(one, two, TASK, deviation=0.1)
    assert found is not None
    assert found.amount == pytest.approx(0.005)


def test_a_smaller_trial_that_is_about_as_good_gets_its_seeds() -> None:
    """One that looks a little worse is a contender until its seeds are in; a bad one is none."""
    diary = Diary()
    diary.trial(1.0)
    about = diary.trial([0.95], nodes=-60)
    bad = diary.trial([0.4], nodes=-90)
    for _ in range(2):
        given = promotions(TASK, diary.history, n=1)
        assert [(one.trial, one.seeds) for one in given] == [(about.number, len(about.values) + 1)]
        diary.seeds(about.number, [0.98])
    assert promotions(TASK, diary.history, n=1) == []
    assert said(about)[:2] == ("kept", True)
    assert diary.best == about.number
    assert len(bad.values) == 1


def test_a_verdict_on_a_change_taken_back_says_whether_it_is_needed() -> None:
    """Against the code that had it, whatever is the best by then."""
    diary = Diary()
    diary.trial(1.0)
    diary.trial(1.5, nodes=30)
    diary.trial(2.0, nodes=30, parent=1)
    back = {"parent": 1, "without": 1, "nodes": -30}
    needed = diary.trial(1.1, **back)  # type: ignore[arg-type]
    assert needed.verdict is not None
    assert needed.verdict.against == 1
    assert said(needed)[2].endswith("worse; the change of trial 1 is still needed")
    idle = diary.trial(1.49, **back)  # type: ignore[arg-type]
    assert said(idle)[:2] == ("kept", True)
    assert said(idle)[2].endswith("the change of trial 1 is no longer needed")
    early = diary.trial([1.37], **back)  # type: ignore[arg-type]
    assert said(early)[2].endswith("whether the change of trial 1 is still needed is open")
    same = diary.trial(1.5, parent=1, without=1)
    assert said(same)[2].endswith("not better; nothing is gained without the change of trial 1")
    assert [settled(trial, TASK) for trial in (needed, idle, early, same)] == [
        True, False, False, True,
    ]  # fmt: skip
    diary.seeds(early.number, around(1.37, (-0.1, 0.1)))
    assert said(early)[2].endswith("the change of trial 1 may still be needed, and stays")
    assert settled(early, TASK)
