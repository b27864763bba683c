"""Claims: which are refused, how they stand, and that they can be looked at at any time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from tests.histories import Recorder
from trialwright.analysis.claiming import Draft, drafted
from trialwright.analysis.claims import Standing, faults, standings
from trialwright.analysis.evalues import above, accepted, share_above, student, weight_of
from trialwright.errors import StudyError
from trialwright.records import (
    FAILURE,
    Claim,
    Extent,
    Launch,
    Observation,
    Proposal,
    RunKey,
)
from trialwright.space import Choice, Float, Space
from trialwright.task import Objective, Seeds, Task

SPACE = Space(
    (
        Float("x", 0.0, 1.0),
        Float("y", 0.0, 1.0),
        Float("z", 0.0, 1.0),
        Choice("act", ("relu", "gelu")),
    )
)
TASK = Task(
    name="t",
    objective=Objective(metric="score"),
    space=SPACE,
    command=("true",),
    seeds=Seeds(screen=2, failure=-10.0),
)
UP = Claim(by="me", text="x helps", what="direction", region=(Extent(parameter="x"),))
TOGETHER = Claim(
    by="me",
    text="x and y fail together",
    what="interaction",
    region=(Extent(parameter="x", low=0.6), Extent(parameter="y", low=0.6)),
    metric=FAILURE,
)
OFTEN = replace(TOGETHER, text="they fail often", what="rate", threshold=0.2)

Value = Callable[[Mapping[str, object], np.random.Generator], float]


def recorder(folder: Path, *claims: Claim) -> Recorder:
    """A study in which claims stand before the first trial."""
    found = Recorder(folder, TASK)
    found.note(*claims)
    return found


def trial(
    study: Recorder, values: Mapping[str, object], results: list[float], *, by: str = "inquirer"
) -> None:
    """Run a trial, a seed per result."""
    configuration = SPACE.complete(values)  # type: ignore[arg-type]
    number = study.admit(Proposal(configuration=configuration, by=by))
    for seed, value in enumerate(results):
        key = RunKey(number, seed, 0)
        study.note(Launch(run=key, seed=seed, command=("true",), machine="m1"))
        study.note(Observation(run=key, outcome="done", value=value, metrics={"score": value}))
        study.clock += 1


def experiments(study: Recorder, count: int, value: Value, *, seed: int = 0) -> None:
    """Compare two sides of x, `count` times, each before a background of its own."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        z = float(rng.random())
        for x in (0.8, 0.2):
            values = {"x": x, "y": 0.5, "z": z}
            trial(study, values, [value(values, rng) for _ in range(2)])


def stands(study: Recorder) -> Standing:
    """Where the first claim stands."""
    return standings(study.history)[0]


def rises(values: Mapping[str, object], rng: np.random.Generator) -> float:
    """Larger x is better by 2 from side to side; noise of 1."""
    return 3.3 * float(values["x"]) + float(rng.normal())  # type: ignore[arg-type]


def test_a_true_claim_is_tentative_then_supported_then_established(tmp_path: Path) -> None:
    """Its level rises as comparisons come, and the numbers are those of the trials."""
    study = recorder(tmp_path, UP)
    assert stands(study).status == "open"
    seen = []
    for count in range(14):
        experiments(study, 1, rises, seed=count)
        seen.append(stands(study).status)
    assert seen[0] == "tentative"
    assert "supported" in seen
    assert seen[-1] == "established"
    ranks = [("tentative", "supported", "established").index(s) for s in seen]
    assert ranks == sorted(ranks)
    standing = stands(study)
    assert standing.comparisons == 14
    assert standing.estimate == pytest.approx(2.0, abs=0.8)
    assert len(standing.trials) == 28


def test_a_false_claim_is_contradicted(tmp_path: Path) -> None:
    """The same trials speak against the claim of the other sense."""
    study = recorder(tmp_path, replace(UP, sense="lower"))
    experiments(study, 14, rises)
    assert stands(study).status == "contradicted"


def test_a_size_that_is_claimed_is_held_to(tmp_path: Path) -> None:
    """A gain of 2 contradicts one of 5, and says nothing is no effect below 0.5."""
    big = replace(UP, threshold=5.0)
    none = replace(UP, what="no_effect", threshold=0.5)
    within = replace(none, threshold=6.0)
    study = recorder(tmp_path, big, none, within)
    experiments(study, 16, rises)
    assert [one.status for one in standings(study.history)] == [
        "contradicted",
        "contradicted",
        "established",
    ]


def test_only_later_trials_count(tmp_path: Path) -> None:
    """What made somebody think of a claim is no evidence for it."""
    study = Recorder(tmp_path, TASK)
    experiments(study, 14, rises)
    study.note(UP)
    assert stands(study).status == "open"
    assert stands(study).comparisons == 0


def test_who_picks_a_side_by_its_result_establishes_nothing(tmp_path: Path) -> None:
    """The luckiest of many trials, and then its counterpart: noise looks like an effect there."""
    study = recorder(tmp_path, UP)
    rng = np.random.default_rng(1)
    for _ in range(15):
        best, at = -math.inf, 0.0
        for _ in range(6):
            z = float(rng.random())
            results = rng.normal(size=2).tolist()
            trial(study, {"x": 0.8, "z": z}, results, by="expert")
            best, at = max((best, at), (sum(results), z))
        trial(study, {"x": 0.2, "z": at}, rng.normal(size=2).tolist(), by="expert")
    assert stands(study).comparisons == 0
    assert stands(study).status != "established"


def test_one_seed_establishes_nothing(tmp_path: Path) -> None:
    """One seed may be a freak, however often it says the same."""
    study = Recorder(tmp_path, replace(TASK, seeds=Seeds(screen=1)))
    study.note(UP)
    for index in range(16):
        for x in (0.8, 0.2):
            trial(study, {"x": x, "z": index / 20}, [3 * x + 0.01 * (index % 3)])
    assert stands(study).status == "supported"
    assert "second seed" in stands(study).sentence


def test_without_a_match_a_regression_supports_at_most(tmp_path: Path) -> None:
    """Trials that differ in all else are adjusted for it, and establish nothing."""
    study = recorder(tmp_path, UP)
    rng = np.random.default_rng(3)
    for _ in range(40):
        values = {"x": float(rng.random()), "y": float(rng.random()), "z": float(rng.random())}
        value = 3 * values["x"] - 5 * values["y"]
        trial(study, values, (value + rng.normal(size=2) / 5).tolist(), by="random")
    assert stands(study).status == "supported"
    assert "adjusted for the rest" in stands(study).sentence


def fails(study: Recorder, count: int, *, alone: bool) -> None:
    """Half of the seeds fail where x and y are large; `alone`: where x is, whatever y."""
    rng = np.random.default_rng(5)
    for index in range(count):
        for x, y in ((0.8, 0.8), (0.8, 0.2), (0.2, 0.8)):
            bad = x > 0.5 and (alone or y > 0.5)
            results = [-50.0 if bad and rng.random() < 0.5 else 1.0 for _ in range(2)]
            trial(study, {"x": x, "y": y, "z": index / 50}, results)


def test_failures_that_need_both_are_established(tmp_path: Path) -> None:
    """The interaction and its rate, with the exact interval; not where one parameter will do."""
    study = recorder(tmp_path / "both", TOGETHER, OFTEN)
    fails(study, 24, alone=False)
    assert [one.status for one in standings(study.history)] == ["established"] * 2
    assert "exact 95 %" in standings(study.history)[1].sentence
    other = recorder(tmp_path / "one", TOGETHER, OFTEN)
    fails(other, 24, alone=True)
    assert standings(other.history)[0].status not in ("supported", "established")
    assert standings(other.history)[1].status == "established"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"region": (Extent(parameter="xx"),)}, "did you mean x?|there are x, y, z, act"),
        ({"what": "region"}, "say which values of x"),
        ({"what": "region", "region": (Extent(parameter="x", low=2.0),)}, "holds no value"),
        ({"what": "region", "region": (Extent(parameter="x", high=1.0),)}, "nothing could contra"),
        ({"what": "region", "region": (Extent(parameter="act", values=("elu",)),)}, "no value"),
        ({"region": (Extent(parameter="act"),)}, "say which values of act"),
        ({"what": "no_effect"}, "below which threshold"),
        ({"what": "rate", "region": (Extent(parameter="x", low=0.5),)}, "which share"),
        ({"what": "interaction"}, "2 parameters, not 1"),
        ({"contrast": (Extent(parameter="y", low=0.5),)}, "contrast names y"),
        ({"threshold": -1.0}, "from 0 on"),
        ({"where": "w > 1"}, "w"),
        ({"text": ""}, "1 to 400 characters"),
    ],
)
def test_what_cannot_be_tested_is_refused(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    """Each fault says what to do; a sound claim has none."""
    history = recorder(tmp_path).history
    assert faults(UP, history) == ()
    [fault, *_] = faults(replace(UP, **changes), history)  # type: ignore[arg-type]
    assert any(word in fault for word in words.split("|")), fault


def test_a_held_out_metric_is_nobodys_claim(tmp_path: Path) -> None:
    """A claim about it would show it."""
    study = Recorder(tmp_path, replace(TASK, heldout="test"))
    assert "held out" in faults(replace(UP, metric="test"), study.history)[0]


def test_words_become_a_claim() -> None:
    """Extents as they are written in a shell, and better as the goal has it."""
    low = replace(TASK, objective=Objective(metric="loss", direction="minimize"))
    claim = drafted(Draft(text="t", extents=("x=0.1..0.5",), against=("x=0.7..",)), low)
    assert (claim.what, claim.sense) == ("region", "lower")
    assert claim.region == (Extent(parameter="x", low=0.1, high=0.5),)
    assert claim.contrast == (Extent(parameter="x", low=0.7),)
    options = drafted(Draft(text="t", extents=("act=relu",), expect="higher"), TASK)
    assert options.region == (Extent(parameter="act", values=("relu",)),)
    failing = drafted(Draft(text="t", extents=("x",), metric=FAILURE, expect="worse"), TASK)
    assert failing.sense == "higher"
    for wrong in ("x=a..b", "act=elu", "act=1..2", "q"):
        with pytest.raises(StudyError):
            drafted(Draft(text="t", extents=(wrong,)), TASK)


# -- evidence


@pytest.mark.parametrize(("t", "degrees", "weight"), [(2.0, 3, 4), (5.0, 9, 10), (-2.0, 5, 6)])
def test_the_e_value_is_the_likelihood_ratio(t: float, degrees: int, weight: int) -> None:
    """Against the noncentral t distribution, integrated over a half-normal prior."""

    def ratio(effect: float) -> float:
        shifted = float(stats.nct.pdf(t, degrees, effect * math.sqrt(weight)))
        return 2 * float(stats.norm.pdf(effect)) * shifted

    wanted = integrate.quad(ratio, 0, 6)[0] / float(stats.t.pdf(t, degrees))
    assert student(t, degrees=degrees, weight=weight) == pytest.approx(wanted, rel=1e-4)


def test_looking_at_every_value_misleads_seldom() -> None:
    """Of 600 series without an effect, looked at 40 times each, at most 5 % ever pass 20."""
    rng = np.random.default_rng(11)
    values = sum(
        any(above(row[:n].tolist(), 0.0) >= 20 for n in range(2, 41))
        for row in rng.normal(size=(600, 40))
    )
    shares = sum(
        any(share_above(row[:n].tolist(), 0.25, low=0.0, high=1.0) >= 20 for n in range(2, 41))
        for row in (rng.random((600, 40)) < 0.25).astype(float)
    )
    assert values <= 30
    assert shares <= 30


def test_the_error_is_shared_among_all_claims_to_come() -> None:
    """The parts sum to 1 however many claims there will be; later ones take nothing from it."""
    assert math.fsum(weight_of(order) for order in range(100_000)) == pytest.approx(1, abs=1e-4)
    assert accepted([39.0], alpha=0.05) == frozenset()
    assert accepted([40.0], alpha=0.05) == {0}
    assert accepted([40.0, *[1.0] * 50], alpha=0.05) == {0}
    assert accepted([1.0, 60.0, 60.0], alpha=0.05) == frozenset()
    assert accepted([60.0, 60.0], alpha=0.05) == {0, 1}
