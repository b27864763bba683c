"""An Optuna study's trials as a history and as a space."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from trialwright import Choice, Float, Int, Objective, Ordinal, Task
from trialwright.history import History
from trialwright.optuna.space import aliases, inferred, latest, widest
from trialwright.optuna.trials import history_of

X = {"x": FloatDistribution(0.0, 1.0)}


def numbered(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The trials as a study has them, numbered in order."""
    study = optuna.create_study()
    study.add_trials(trials)
    return study.get_trials(deepcopy=False)


def done(value: float, **params: object) -> FrozenTrial:
    """A complete trial over `x` in [0, 1]."""
    return create_trial(value=value, params=params, distributions=dict.fromkeys(params, X["x"]))


def history(trials: list[FrozenTrial]) -> History:
    """The history that the sampler makes of trials."""
    found = numbered(trials)
    translation = inferred(found, latest)
    assert translation is not None
    task = Task(
        name="t",
        objective=Objective(metric="value", direction="minimize"),
        space=translation.space,
    )
    return history_of(found, translation, task)


def test_trials_keep_their_numbers_and_states() -> None:
    """Complete, pruned, failed and running trials are done, pruned, failed and pending."""
    shown = history(
        [
            done(3.0, x=0.1),
            create_trial(
                state=TrialState.PRUNED,
                params={"x": 0.2},
                distributions=X,
                intermediate_values={1: 5.0, 4: 4.5},
            ),
            create_trial(state=TrialState.FAIL, params={"x": 0.3}, distributions=X),
            create_trial(state=TrialState.RUNNING, params={"x": 0.4}, distributions=X),
            done(1.0, x=0.5),
        ]
    )
    assert [t.state for t in shown.trials] == ["done", "pruned", "failed", "queued", "done"]
    assert [t.number for t in shown.pending()] == [3]
    pruned = shown.trials[1].run
    assert pruned is not None
    assert pruned.observation is not None
    assert pruned.observation.curve.points("value") == [(1.0, 5.0), (4.0, 4.5)]
    best = shown.best()
    assert best is not None
    assert best.number == 4


def test_a_repeat_is_a_further_seed_of_the_first() -> None:
    """Equal parameters give replicates, and so an estimate of the noise; numbers stay."""
    shown = history([done(1.0, x=0.5), done(2.0, x=0.1), done(1.2, x=0.5), done(3.0, x=0.9)])
    assert shown.trials[0].values == {0: 1.0, 1: 1.2}
    assert [t.number for t in shown.done()] == [0, 1, 3]
    assert shown.spread(code=shown.code)[1] == 1


@pytest.mark.parametrize(
    "trial",
    [
        done(math.inf, x=0.5),
        create_trial(value=1.0, params={"x": 0.5}, distributions=X, constraints={"memory": 2.0}),
    ],
    ids=["infinite", "infeasible"],
)
def test_values_that_do_not_count_are_failures(trial: FrozenTrial) -> None:
    """An infinite value, and one that breaks a constraint, is never the best."""
    shown = history([done(5.0, x=0.1), trial])
    assert shown.trials[1].state == "failed"
    assert [t.number for t in shown.done()] == [0]


def test_conditions_are_inferred_from_who_has_what() -> None:
    """A parameter that one option of another brings along is conditional on it."""
    distributions: dict[str, BaseDistribution] = {
        "opt": CategoricalDistribution(("adam", "sgd", "lion")),
        "momentum": FloatDistribution(0.0, 0.9),
        "depth": IntDistribution(1, 3),
        "second": IntDistribution(1, 9),
    }
    rows: list[dict[str, object]] = [
        {"opt": "adam", "depth": 1},
        {"opt": "sgd", "momentum": 0.5, "depth": 2, "second": 4},
        {"opt": "lion", "depth": 3, "second": 2},
        {"opt": "sgd", "momentum": 0.1, "depth": 1},
    ]
    trials = [
        create_trial(value=1.0, params=row, distributions={n: distributions[n] for n in row})
        for row in rows
    ]
    translation = inferred(numbered(trials), latest)
    assert translation is not None
    assert translation.space["momentum"].when == "opt == 'sgd'"
    assert translation.space["second"].when == "depth >= 2"
    assert [dict(translation.configuration(row)) for row in rows] == rows


def test_what_nothing_tells_is_left_out_with_the_reason() -> None:
    """A parameter that comes and goes for no visible reason is not guessed at."""
    trials = numbered([done(1.0, x=0.1, y=0.2), done(1.0, x=0.3)])
    translation = inferred(trials, latest)
    assert translation is not None
    assert translation.space.names == ("x",)
    assert "no other parameter tells" in translation.omitted["y"]


def test_kinds_are_what_they_look_like() -> None:
    """Rising numbers are an order; other options are a choice."""
    distributions: dict[str, BaseDistribution] = {
        "batch": CategoricalDistribution((16, 32, 64)),
        "flag": CategoricalDistribution((False, True)),
        "n": IntDistribution(1, 8, log=True),
        "rate": FloatDistribution(1e-4, 1.0, log=True),
    }
    params = {"batch": 32, "flag": True, "n": 3, "rate": 0.1}
    [trial] = numbered([create_trial(value=1.0, params=params, distributions=distributions)])
    translation = inferred([trial], latest)
    assert translation is not None
    assert translation.space.parameters == (
        Ordinal("batch", (16, 32, 64)),
        Choice("flag", (False, True)),
        Int("n", 1, 8, log=True),
        Float("rate", 1e-4, 1.0, log=True),
    )


def test_ranges_that_changed_are_taken_whole_or_late() -> None:
    """`widest` holds every value; `latest` is what the user suggests now."""
    ranges = [FloatDistribution(0.0, 1.0, step=0.5), FloatDistribution(0.5, 3.0)]
    assert widest(ranges) == FloatDistribution(0.0, 3.0)
    assert latest(ranges) == FloatDistribution(0.5, 3.0)
    alike = [FloatDistribution(0.0, 1.0, step=0.5)] * 2
    assert widest(alike) == alike[0]


def test_names_become_legal_and_stay_different() -> None:
    """Any text can be a name in Optuna."""
    given = ("lr", "layer 1", "layer/1", "seed", "1st", "a", "a.b")
    found = aliases(given)
    assert len(set(found.values())) == len(given)
    assert found["lr"] == "lr"
    assert found["a.b"] == "a_b"
    assert found["seed"] == "seed_"
