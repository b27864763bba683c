"""The surrogate: it learns known functions, agrees with scikit-learn's, and is quick and stable."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from trialwright.analysis import surrogate
from trialwright.analysis.features import Features, Scale
from trialwright.analysis.surrogate import (
    Data,
    Feasibility,
    fit,
    log_improvement,
    spread,
)
from trialwright.space import Choice, Configuration, Float, Int, Ordinal, Space

PLANE = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))
MIXED = Space(
    (
        Float("x", 0.0, 1.0),
        Float("rate", 1e-4, 1.0, log=True),
        Int("k", 1, 10),
        Choice("c", ("a", "b", "c")),
        Choice("size", (64, 16, 32)),
        Ordinal("level", ("low", "mid", "high")),
    )
)


def draw(space: Space, count: int, seed: int = 0) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]  # type: ignore[misc]


def bowl(configuration: Configuration) -> float:
    return -((float(configuration["x"]) - 0.3) ** 2) - 0.5 * (float(configuration["y"]) - 0.7) ** 2  # type: ignore[arg-type]


def data_of(space: Space, function, count: int, seed: int = 0, **more: object) -> Data:  # type: ignore[no-untyped-def]
    points = draw(space, count, seed)
    values = np.array([function(point) for point in points])
    return Data(configurations=points, values=values, **more)  # type: ignore[arg-type]


def test_it_knows_how_much_it_explains() -> None:
    """Nearly all of a bowl, next to nothing of chance; of two results nobody can tell."""
    rng = np.random.default_rng(3)
    chance = [
        fit(PLANE, data_of(PLANE, lambda _: float(rng.normal()), 20, seed)).explained
        for seed in range(8)
    ]
    assert fit(PLANE, data_of(PLANE, bowl, 20)).explained > 0.8
    assert np.median(chance) < 0.2
    assert max(chance) <= 1.0
    assert fit(PLANE, data_of(PLANE, bowl, 2)).explained == 1.0


def test_one_catastrophe_is_no_explanation() -> None:
    """A result far behind, which is easily told apart, does not make chance look explained."""
    rng = np.random.default_rng(4)
    points = [*draw(PLANE, 8, seed=1), {"x": 1.0, "y": 1.0}, {"x": 0.98, "y": 0.98}]
    values = np.array([*(0.58 + 0.005 * rng.normal(size=8)), 0.30, 0.31])
    model = fit(PLANE, Data(configurations=points, values=values))  # type: ignore[arg-type]
    assert model.explained < 0.4


def test_it_learns_a_bowl() -> None:
    """Thirty points of a smooth function: unseen values within 2 % of its range."""
    model = fit(PLANE, data_of(PLANE, bowl, 30))
    unseen = draw(PLANE, 200, seed=9)
    truth = np.array([bowl(point) for point in unseen])
    error = np.abs(model.predict(unseen).mean - truth)
    assert float(np.quantile(error, 0.9)) < 0.02 * float(np.ptp(truth))


def test_it_tells_options_apart_and_sees_what_does_not_matter() -> None:
    """An option's effect is found, and a parameter without any gets a long length."""

    def function(c: Configuration) -> float:
        return float(c["x"]) + (0.5 if c["c"] == "b" else 0.0)  # type: ignore[arg-type]

    model = fit(MIXED, data_of(MIXED, function, 60))
    base = draw(MIXED, 1, seed=5)[0] | {"x": 0.5}
    means = model.predict([base | {"c": option} for option in "abc"]).mean
    assert means[1] - means[0] == pytest.approx(0.5, abs=0.1)
    assert means[2] == pytest.approx(means[0], abs=0.1)
    assert model.lengths[2] > 4 * model.lengths[0]


def test_prediction_agrees_with_scikit_learn() -> None:
    """With equal hyperparameters, mean and deviation are those of scikit-learn's process."""
    model = fit(PLANE, data_of(PLANE, bowl, 25))
    kernel = ConstantKernel(model.signal) * Matern(model.lengths, nu=2.5)
    peer = GaussianProcessRegressor(
        kernel + ConstantKernel(surrogate._MEAN_VARIANCE) + WhiteKernel(model.run_noise + 1e-6),
        optimizer=None,
        alpha=0.0,
    ).fit(model.points, model.targets)
    points = model.features.of(draw(PLANE, 50, seed=3))
    mean, sd = model.utility(points)
    theirs, spread_ = peer.predict(points, return_std=True)
    assert mean == pytest.approx(theirs, abs=1e-6)
    without_noise = np.sqrt(np.maximum(spread_**2 - model.run_noise - 1e-6, 0.0))
    assert sd == pytest.approx(without_noise, abs=1e-4)


def test_gradient_is_that_of_the_loss() -> None:
    """The analytic gradient equals central differences, for every hyperparameter."""
    model = fit(MIXED, data_of(MIXED, lambda c: float(c["x"]), 20))
    problem = surrogate._Problem(
        squares=surrogate._all_squares(model.points, model.features.unordered),
        targets=model.targets,
        shares=np.linspace(0.5, 1.0, 20),
        prior=np.zeros(len(MIXED)),
        noise=None,
        usual_noise=0.05,
    )
    logs = problem.start() + np.random.default_rng(0).normal(0, 0.4, len(MIXED) + 2)
    step = 1e-5 * np.eye(len(logs))
    numeric = [(problem(logs + e)[0] - problem(logs - e)[0]) / 2e-5 for e in step]
    assert problem(logs)[1] == pytest.approx(numeric, abs=1e-5)


def test_direction_only_turns_the_sign() -> None:
    """Minimising the negative is the same model."""
    up = fit(PLANE, data_of(PLANE, bowl, 20))
    down = fit(PLANE, data_of(PLANE, lambda c: -bowl(c), 20, sign=-1))
    points = draw(PLANE, 10, seed=4)
    assert up.predict(points).mean == pytest.approx(-down.predict(points).mean)
    assert up.best_utility() == pytest.approx(down.best_utility())


def test_a_catastrophe_does_not_flatten_the_good_results() -> None:
    """One value of -1e6 among values near 0: the best region is found all the same."""
    points = draw(PLANE, 30)
    values = np.array([bowl(point) for point in points])
    values[3] = -1e6
    model = fit(PLANE, Data(configurations=points, values=values))
    grid = [{"x": x / 20, "y": y / 20} for x in range(21) for y in range(21)]
    best = grid[int(np.argmax(model.predict(grid).mean))]
    assert math.hypot(best["x"] - 0.3, best["y"] - 0.7) < 0.2


def test_more_seeds_count_for_more() -> None:
    """Of two contradicting results at one point, the one with more seeds prevails."""
    points = [{"x": 0.5, "y": 0.5}, {"x": 0.5, "y": 0.5}, {"x": 0.0, "y": 0.0}]
    values = np.array([1.0, 0.0, 0.5])
    seeds = np.array([20.0, 1.0, 1.0])
    data = Data(configurations=points, values=values, seeds=seeds, noise_sd=0.3)
    assert fit(PLANE, data).predict([points[0]]).mean[0] > 0.6


def test_known_noise_is_taken() -> None:
    """Where replicates tell the noise, the model uses it instead of fitting it."""
    model = fit(PLANE, data_of(PLANE, bowl, 20, noise_sd=0.05))
    in_units = math.sqrt(model.run_noise) * model.scale.unit * model.scale.stretch
    assert in_units == pytest.approx(0.05, rel=0.01)


def test_believing_lowers_the_doubt_and_leaves_the_mean() -> None:
    """A pending point counts as if it showed what is expected: no second look is worth much."""
    model = fit(PLANE, data_of(PLANE, bowl, 10))
    point = model.features.of([{"x": 0.95, "y": 0.05}])
    mean, sd = model.utility(point)
    after_mean, after_sd = model.believing(point).utility(point)
    assert after_mean[0] == pytest.approx(mean[0], abs=1e-6)
    assert after_sd[0] < 0.7 * sd[0]


def test_log_improvement_is_the_log_of_the_formula() -> None:
    """It equals the textbook formula where that is accurate, and goes on smoothly below."""
    mean, sd = np.array([0.5, 0.0, -2.0, -4.0]), np.array([1.0, 0.5, 1.0, 1.0])
    z = (mean - 0.2) / sd
    textbook = np.log(sd * (z * norm.cdf(z) + norm.pdf(z)))
    assert log_improvement(mean, sd, 0.2) == pytest.approx(textbook, rel=1e-6)
    far = log_improvement(-np.logspace(0, 8, 200), np.ones(200), 0.0)
    assert np.all(np.isfinite(far))
    assert np.all(np.diff(far) < 0)


def test_feasibility_learns_where_runs_fail() -> None:
    """Failures in one half of the space: that half becomes improbable, the other stays likely."""
    points = draw(PLANE, 20)
    ran = np.array([float(float(point["x"]) < 0.5) for point in points])  # type: ignore[arg-type]
    feasible = Feasibility.fitted(PLANE, Data(configurations=points, values=ran))
    features = Features(PLANE)
    inside, outside = features.of([{"x": 0.1, "y": 0.5}, {"x": 0.9, "y": 0.5}])
    good, bad = np.exp(feasible.log_probability(np.array([inside, outside])))
    assert good > 0.85
    assert bad < 0.3


def test_without_failures_everything_is_feasible() -> None:
    """No failure, no doubt."""
    data = Data(configurations=draw(PLANE, 5), values=np.ones(5))
    assert np.all(Feasibility.fitted(PLANE, data).log_probability(np.zeros((3, 2))) == 0)


def test_features_order_numbers_and_mark_what_is_inactive() -> None:
    """Numeric options stand in ascending order, wide ranges on a log scale, inactive ones apart."""
    space = Space(
        (
            Choice("size", (64, 16, 32)),
            Int("epochs", 1, 1000),
            Choice("opt", ("a", "b")),
            Choice("kind", ("p", "q"), when="opt == 'a'"),
        )
    )
    rows = [
        {"size": 16, "epochs": 1, "opt": "a", "kind": "p"},
        {"size": 32, "epochs": 30, "opt": "b"},
        {"size": 64, "epochs": 1000, "opt": "b"},
    ]
    points = Features(space).of(rows)
    assert list(points[:, 0]) == sorted(points[:, 0])
    assert points[1, 1] == pytest.approx(0.5, abs=0.03)
    assert points[1, 3] == points[2, 3] != points[0, 3]


def test_fit_is_deterministic() -> None:
    """The same data give the same model to the last bit."""
    first, second = (fit(MIXED, data_of(MIXED, lambda c: float(c["x"]), 30)) for _ in range(2))
    assert np.array_equal(first.lengths, second.lengths)
    assert first.run_noise == second.run_noise


@given(
    st.lists(st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=12),
    st.sampled_from([-1, 1]),
)
@settings(max_examples=40, deadline=None)
def test_any_finite_values_can_be_fitted(values: list[float], sign: int) -> None:
    """Ties, single points and wild scales give finite predictions that bracket their mean."""
    points = draw(PLANE, len(values))
    data = Data(configurations=points, values=np.array(values), sign=sign)
    prediction = fit(PLANE, data).predict(draw(PLANE, 5, seed=8))
    assert np.all(np.isfinite(prediction.mean))
    assert np.all(prediction.low <= prediction.mean + 1e-9 * np.abs(prediction.mean))
    assert np.all(prediction.mean <= prediction.high + 1e-9 * np.abs(prediction.mean))


ROUNDED = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(st.lists(ROUNDED, min_size=2, max_size=30), st.sampled_from([-1, 1]))
@settings(deadline=None)
def test_scale_is_monotone_and_invertible(values: list[float], sign: int) -> None:
    """Better values have larger utilities, and values come back from utilities."""
    array = np.array(values)
    scale = Scale.fitted(array, sign=sign)
    utilities = scale.to_utility(array)
    order = np.argsort(sign * array, kind="stable")
    assert np.all(np.diff(utilities[order]) >= -1e-9)
    assert scale.to_value(utilities) == pytest.approx(array, rel=1e-6, abs=1e-6 * scale.unit)


def test_spread_keeps_the_best_and_covers_the_time() -> None:
    """Of many points the best half of the allowance stays, and the rest is evenly taken."""
    values = np.random.default_rng(0).normal(size=1000)
    chosen = spread(values, sign=1, most=100)
    assert len(set(chosen)) == len(chosen) <= 100
    assert set(np.argsort(-values)[:50]) <= set(chosen)
    assert chosen[0] < 100
    assert chosen[-1] > 900


def test_ten_thousand_points_are_fitted_quickly() -> None:
    """The model looks at a bounded part of a long history, also with many parameters."""
    for space in (PLANE, Space(tuple(Float(f"p{i}", 0.0, 1.0) for i in range(50)))):
        points = draw(space, 50) * 200
        values = np.random.default_rng(0).normal(size=len(points))
        began = time.process_time()
        fit(space, Data(configurations=points, values=values))
        assert time.process_time() - began < 3.0
