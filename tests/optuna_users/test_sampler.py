"""Our team in the user's own `study.optimize`."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import Trial, TrialState

from trialwright import Choice, Float, Space
from trialwright.optuna import Sampler
from trialwright.optuna.trials import PROPOSED


@pytest.fixture(autouse=True)
def silence() -> None:
    """Optuna tells of each trial on the terminal otherwise."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def smooth(trial: Trial) -> float:
    """A bowl over three parameters, one of them on a log scale."""
    rate = math.log10(trial.suggest_float("rate", 1e-5, 1.0, log=True))
    return (
        (rate + 1.7) ** 2
        + (trial.suggest_float("a", -5, 5) - 2) ** 2
        + 0.1 * (trial.suggest_int("b", 0, 20) - 13) ** 2
    )


def studied(
    sampler: BaseSampler,
    objective: Callable[[Trial], float] = smooth,
    *,
    trials: int = 20,
    direction: str = "minimize",
) -> optuna.Study:
    """An Optuna study that has run."""
    study = optuna.create_study(sampler=sampler, direction=direction)
    study.optimize(objective, n_trials=trials)
    return study


@pytest.mark.slow
def test_beats_random_search_on_a_smooth_function() -> None:
    """Over eight seeds of 20 trials each, the expert's best is far below random search's."""
    ours = [studied(Sampler(seed=seed)).best_value for seed in range(8)]
    chance = [studied(RandomSampler(seed=seed)).best_value for seed in range(8)]
    assert sum(a < b for a, b in zip(ours, chance, strict=True)) >= 7
    assert float(np.median(ours)) < 0.2 * float(np.median(chance))


def test_first_trial_starts_where_experience_puts_it() -> None:
    """Before any trial has shown the space, each parameter has the expert's start."""
    study = studied(Sampler(seed=0), lambda t: t.suggest_float("lr", 1e-5, 1, log=True), trials=1)
    assert study.trials[0].params == {"lr": 0.001}
    assert "No trial has shown the space" in study.trials[0].user_attrs["trialwright:rationale"]


def test_reasons_stand_in_the_trials_attributes() -> None:
    """Rationale, hypothesis and predicted interval are there, and name Optuna's trial numbers."""
    study = studied(Sampler(seed=0), trials=6)
    said = study.trials[-1].user_attrs
    assert said["trialwright:by"] == "expert"
    assert f"trial {study.best_trial.number}" in said["trialwright:rationale"]
    assert said["trialwright:hypothesis"]["against"] in range(5)
    assert said["trialwright:predicted"]["low"] < said["trialwright:predicted"]["high"]
    assert said[PROPOSED] == study.trials[-1].params


def test_stated_space_is_proposed_for_from_the_first_trial() -> None:
    """With `space`, the first trial is the team's, defaults and conditions included."""
    space = Space(
        (
            Float("rate", 1e-4, 1.0, log=True, default=0.25),
            Choice("opt", ("adam", "sgd"), default="sgd"),
            Float("momentum", 0.0, 0.99, default=0.5, when="opt == 'sgd'"),
        )
    )

    def objective(trial: Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        if trial.suggest_categorical("opt", ["adam", "sgd"]) == "sgd":
            return rate + trial.suggest_float("momentum", 0.0, 0.99)
        return rate

    first = studied(Sampler(space=space, seed=0), objective, trials=1).trials[0]
    assert first.params == {"rate": 0.25, "opt": "sgd", "momentum": 0.5}
    stated = Sampler(space={"rate": FloatDistribution(1e-4, 1.0, log=True)}, seed=0)
    assert studied(stated, objective, trials=1).trials[0].user_attrs["trialwright:by"] == "expert"


def test_maximizing_goes_up() -> None:
    """The direction is the study's."""
    study = studied(Sampler(seed=1), lambda t: -smooth(t), trials=20, direction="maximize")
    assert study.best_value > -1.0


def conditional(trial: Trial) -> float:
    """Another parameter for each optimizer, and one per layer."""
    if trial.suggest_categorical("opt", ["adam", "sgd"]) == "sgd":
        value = abs(trial.suggest_float("momentum", 0.0, 0.99) - 0.8)
    else:
        value = 0.5 + trial.suggest_float("beta", 0.8, 0.99)
    return value + sum(
        abs(trial.suggest_int(f"units {i}", 8, 64) - 32) / 100
        for i in range(trial.suggest_int("layers", 1, 3))
    )


def test_conditional_space_is_learned_from_the_trials() -> None:
    """What a proposal holds is what the objective asks for: no more, no less."""
    study = studied(Sampler(seed=0), conditional, trials=25)
    late = study.trials[-10:]
    assert [set(t.user_attrs[PROPOSED]) == set(t.params) for t in late].count(False) <= 1
    assert study.best_trial.params["opt"] == "sgd"


def test_pruned_and_failed_trials_are_taken_as_such() -> None:
    """The search goes on past failures and stops, and keeps away from where trials fail."""

    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", -5, 5)
        trial.suggest_float("y", 0, 1)
        if x > 2:
            raise ValueError("out of memory")
        trial.report(x * x, 3)
        if x < -3:
            raise optuna.TrialPruned
        return x * x - x

    study = optuna.create_study(sampler=Sampler(seed=3))
    study.optimize(objective, n_trials=25, catch=(ValueError,))
    states = [trial.state for trial in study.trials[10:]]
    assert {*states} <= {TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED}
    assert states.count(TrialState.COMPLETE) > len(states) / 2
    assert study.best_value < 0.0


def test_another_worker_sees_what_is_proposed(tmp_path: Path) -> None:
    """Workers with one seed on one storage never run the same configuration at a time."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=url, study_name="s", sampler=Sampler(seed=0))
    study.optimize(smooth, n_trials=4)
    proposed = []
    for _ in range(4):
        worker = optuna.load_study(storage=url, study_name="s", sampler=Sampler(seed=0))
        trial = worker.ask()
        trial.suggest_float("a", -5, 5)  # the others are not suggested yet
        proposed.append(trial.user_attrs[PROPOSED])
    assert len({str(values) for values in proposed}) == 4
    points = np.array([[math.log10(v["rate"]) / 5, v["a"] / 10, v["b"] / 20] for v in proposed])
    gaps = [np.abs(p - q).max() for i, p in enumerate(points) for q in points[:i]]
    assert min(gaps) > 0.01


def test_threads_of_one_study_propose_different_trials() -> None:
    """`n_jobs=2` works, and no configuration comes twice."""
    study = optuna.create_study(sampler=Sampler(seed=0))
    study.optimize(smooth, n_trials=12, n_jobs=2)
    assert len(study.trials) == 12
    late = [str(sorted(trial.params.items())) for trial in study.trials[2:]]
    assert len(set(late)) == len(late)


def test_same_seed_same_trials() -> None:
    """A seed fixes every draw, and another seed draws otherwise."""
    first, again, other = (
        [trial.params for trial in studied(Sampler(seed=seed), trials=6).trials]
        for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_reseeding_and_pickling() -> None:
    """A reseeded sampler draws otherwise; a pickled one draws the same."""
    sampler = Sampler(seed=5)
    copied = pickle.loads(pickle.dumps(sampler))
    reseeded = Sampler(seed=5)
    reseeded.reseed_rng()
    plain, same, new = (
        [trial.params for trial in studied(one, trials=6).trials]
        for one in (sampler, copied, reseeded)
    )
    assert plain == same
    assert plain != new


def test_enqueued_trials_are_told_apart() -> None:
    """Values that the user gave are used, and are not said to be the team's."""
    study = optuna.create_study(sampler=Sampler(seed=0))
    study.optimize(smooth, n_trials=3)
    study.enqueue_trial({"rate": 0.02, "a": 2.0, "b": 13})
    study.enqueue_trial({"a": -4.0})
    study.optimize(smooth, n_trials=2)
    whole, part = study.trials[3:]
    assert whole.params == {"rate": 0.02, "a": 2.0, "b": 13}
    assert whole.user_attrs["trialwright:by"] == "user"
    assert part.user_attrs["trialwright:by"] == "expert"
    assert part.params["a"] == -4.0
    assert "(a: given by `enqueue_trial`)" in part.user_attrs["trialwright:rationale"]


def test_finite_space_that_is_used_up_goes_on_at_random() -> None:
    """When nothing new is left, trials repeat and say so."""
    study = studied(Sampler(seed=0), lambda t: t.suggest_int("n", 1, 3), trials=5)
    assert {trial.params["n"] for trial in study.trials[:3]} == {1, 2, 3}
    assert "has been tried" in study.trials[-1].user_attrs["trialwright:rationale"]


def test_changed_range_and_new_parameter_are_followed() -> None:
    """The range of the last trials counts, and a parameter that comes later is taken in."""
    study = studied(Sampler(seed=0), lambda t: t.suggest_float("x", 0, 1), trials=3)

    def wider(trial: Trial) -> float:
        extra = trial.suggest_float("extra", 0, 1)
        return abs(trial.suggest_float("x", 0, 4) - 3) + extra

    study.optimize(wider, n_trials=12)
    assert study.trials[-1].user_attrs[PROPOSED].keys() == {"x", "extra"}
    assert max(trial.params["x"] for trial in study.trials) > 1


@pytest.mark.parametrize("team", [("tpe",), ("expert", "random")])
def test_any_team_can_sample(team: tuple[str, ...]) -> None:
    """Members are those of a study file; each trial says which one made it."""
    study = studied(Sampler(team, seed=0), trials=8)  # type: ignore[arg-type]
    assert {t.user_attrs["trialwright:by"] for t in study.trials[1:]} <= {*team}


def test_several_objectives_are_refused() -> None:
    """A study with two objectives gets a clear error, not half an answer."""
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=Sampler(seed=0))
    with pytest.raises(ValueError, match="multi-objective"):
        study.ask().suggest_float("x", 0, 1)


def test_optuna_is_loaded_by_this_module_only() -> None:
    """`import trialwright` stays light."""
    code = "import sys, trialwright; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
