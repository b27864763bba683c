"""A Gaussian process over a space: what a configuration will bring, and whether it will run.

Matern 5/2 with one length per parameter, options compared by equality, log-normal priors on every
hyperparameter, maximum a posteriori by analytic gradients. It knows points, values and noise; it
does not know what a parameter means, nor which point to try next.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import erfcx, log_ndtr, ndtr
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # has no types

from trialwright.analysis.features import Features, Scale
from trialwright.space import Configuration, Space

Array = NDArray[np.float64]

LARGEST = 200
"""Points in a fit at ten parameters: the best, and a spread of the others."""

_LENGTH = 0.5
"""Median length, in units of the cube's side times the root of the number of parameters: the
scaling of Hvarfner, Hellsten and Nardi (arXiv 2402.02229), which keeps the model's complexity
the same in 2 and in 50 parameters."""
_LENGTH_SPREAD = 0.9
_NOISE = 0.03
_NOISE_SPREAD = 1.2
_SIGNAL_SPREAD = 0.5
_MEAN_VARIANCE = 0.5
_JITTER = 1e-6
_BETTER = 2 / 3
"""Share of the results among which `explained` is measured."""
_SQRT5 = math.sqrt(5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Configurations, shape (n,), with the mean value of each over its seeds; finite."""

    configurations: Sequence[Configuration]
    values: Array
    sign: int = 1
    """+1 if larger is better, -1 if smaller is."""
    seeds: Array | None = None
    """Seeds behind each value; None: one each."""
    noise_sd: float | None = None
    """Of one seed, in the values' unit, where replicates tell; None: learnt."""
    scatter_sd: float = 0.0
    """Noise that is expected at least, in the values' unit, while it is learnt."""
    floor: float = 0.0
    """The least spread that the values are taken to have, in their unit."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model expects at m points, each shape (m,), in the unit of the values."""

    mean: Array
    low: Array
    """One standard deviation below `mean`."""
    high: Array
    """One standard deviation above."""


@dataclass(frozen=True)
class Surrogate:
    """A fitted model; `fit` makes one.

    >>> from trialwright.space import Float
    >>> space = Space((Float("x", 0.0, 1.0),))
    >>> points = [{"x": x / 8} for x in range(9)]
    >>> data = Data(configurations=points, values=np.array([-(c["x"] - 0.5) ** 2 for c in points]))
    >>> bool(abs(fit(space, data).predict([{"x": 0.45}]).mean[0] + 0.0025) < 0.01)
    True
    """

    features: Features
    scale: Scale
    points: Array
    targets: Array
    """Utilities, shape (n,)."""
    lengths: Array
    signal: float
    noise: Array
    """Variance per point, shape (n,), in utilities."""
    _lower: Array = field(repr=False)
    _weights: Array = field(repr=False)

    def predict(self, configurations: Sequence[Configuration]) -> Prediction:
        """Predict the value at legal configurations, the noise of a run left out."""
        mean, sd = self.utility(self.features.of(configurations))
        return self._in_units(mean, sd)

    def predict_run(self, configurations: Sequence[Configuration]) -> Prediction:
        """Predict what one run will show: as `predict`, with a run's noise added."""
        mean, sd = self.utility(self.features.of(configurations))
        return self._in_units(mean, np.sqrt(sd**2 + self.run_noise))

    @property
    def run_noise(self) -> float:
        """Variance of a run under one seed, in utilities."""
        return float(np.max(self.noise))

    @property
    def surprise(self) -> float:
        """How far results were from what the others foretold, in its own deviations; at least 1.

        Root mean square of the leave-one-out residuals (Rasmussen and Williams 2006, eq. 5.12).
        """
        if len(self.targets) < 3:
            return 1.0
        residuals, expected = self._left_out
        return max(1.0, float(np.sqrt(np.mean((residuals / expected) ** 2))))

    @property
    def explained(self) -> float:
        """Share of the spread of the better results that the others foretell; 1 if all of it.

        Each of the better two thirds is left out once, and foretold from all the rest (Rasmussen
        and Williams 2006, eq. 5.12); what is far behind says nothing of how to get further. 1 for
        fewer than three results.
        """
        count = max(math.ceil(len(self.targets) * _BETTER), 3)
        if len(self.targets) < 3:
            return 1.0
        better = np.argsort(-self.targets, kind="stable")[:count]
        missed = self._left_out[0][better]
        # The mean of the others, too, misses by more than the mean of all does.
        apart = (self.targets[better] - self.targets[better].mean()) * count / (count - 1)
        total = float(np.sum(apart**2))
        return 1.0 - float(np.sum(missed**2)) / total if total > 0.0 else 0.0

    @property
    def _left_out(self) -> tuple[Array, Array]:
        """By how much the others mistake each target, and by how much they expect to, each (n,)."""
        inverse = cho_solve((self._lower, True), np.eye(len(self.targets)), check_finite=False)
        precision = np.diag(inverse)
        return self._weights / precision, 1.0 / np.sqrt(precision)

    def utility(self, points: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation in utilities at points of `features`, each (m,)."""
        with _one_thread():
            cross = self._kernel(points)
            mean = cross @ self._weights
            half = solve_triangular(self._lower, cross.T, lower=True, check_finite=False)
        prior = self.signal + _MEAN_VARIANCE
        variance = np.maximum(prior - np.einsum("nm,nm->m", half, half), 1e-10)
        return mean, np.sqrt(variance)

    def log_improvement(self, points: Array, best: float) -> Array:
        """Return the log of the expected improvement over utility `best`, shape (m,)."""
        mean, sd = self.utility(points)
        return log_improvement(mean, sd, best)

    def best_utility(self) -> float:
        """Return the best posterior mean at a point seen: what noise alone did not bring."""
        mean, _ = self.utility(self.points)
        return float(np.max(mean))

    def believing(self, points: Array) -> Surrogate:
        """Return the model as it were if `points`, shape (m, d), showed what it expects there."""
        if not len(points):
            return self
        mean, _ = self.utility(points)
        noise = np.concatenate([self.noise, np.full(len(points), self.run_noise)])
        grown = replace(
            self,
            points=np.vstack([self.points, points]),
            targets=np.concatenate([self.targets, mean]),
            noise=noise,
        )
        return _conditioned(grown)

    def _kernel(self, points: Array) -> Array:
        unordered = self.features.unordered
        squares = np.zeros((len(points), len(self.points)))
        for column, length in enumerate(self.lengths):
            gap = _squares(points[:, column], self.points[:, column], equal=unordered[column])
            squares += gap / length**2
        return self.signal * _matern(np.sqrt(squares)) + _MEAN_VARIANCE

    def _in_units(self, mean: Array, sd: Array) -> Prediction:
        ends = self.scale.to_value(mean - sd), self.scale.to_value(mean + sd)
        return Prediction(self.scale.to_value(mean), np.minimum(*ends), np.maximum(*ends))


def fit(space: Space, data: Data, *, relevance: Array | None = None) -> Surrogate:
    """Fit the model to at least one finite value.

    `relevance`, shape (d,), around 1: how much each parameter is thought to matter beforehand; it
    shortens the length that is expected. Deterministic.
    """
    assert len(data.values) == len(data.configurations) > 0
    chosen = spread(data.values, sign=data.sign, most=_most(len(space)))
    features = Features(space)
    points = features.of([data.configurations[i] for i in chosen])
    scale = Scale.fitted(data.values[chosen], sign=data.sign, floor=data.floor)
    seeds = np.ones(len(chosen)) if data.seeds is None else data.seeds[chosen]
    known = None
    if data.noise_sd is not None:
        known = max((data.noise_sd / scale.unit / scale.stretch) ** 2, 1e-4)
    problem = _Problem(
        squares=_all_squares(points, features.unordered),
        targets=scale.to_utility(data.values[chosen]),
        shares=1.0 / seeds,
        prior=_length_prior(features, relevance),
        noise=known,
        usual_noise=max(_NOISE, min((data.scatter_sd / scale.unit / scale.stretch) ** 2, 1.0)),
    )
    with _one_thread():
        logs = _most_probable(problem)
    lengths, signal, noise = problem.unpack(logs)
    surrogate = Surrogate(
        features, scale, points, problem.targets, lengths, signal,
        noise * problem.shares, np.empty((0, 0)), np.empty(0),
    )  # fmt: skip
    return _conditioned(surrogate)


def log_improvement(mean: Array, sd: Array, best: float) -> Array:
    """Return log E[max(f - best, 0)] for f ~ N(mean, sd^2), each shape (m,).

    Stable far below `best` (Ament et al., arXiv 2310.20708, eq. 9).
    """
    z = (mean - best) / sd
    density = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    plain = np.log(np.maximum(np.exp(density) + z * ndtr(z), 1e-300))
    low = np.minimum(z, -1.0)
    mills = math.sqrt(math.pi / 2) * erfcx(-low / math.sqrt(2))
    with np.errstate(divide="ignore"):
        near = np.log(np.maximum(1.0 + low * mills, 0.0))
    tail = np.where(low < -1e4, -2 * np.log(-low), near)
    return np.asarray(np.log(sd) + np.where(z > -1.0, plain, density + tail))


@dataclass(frozen=True)
class Feasibility:
    """The probability that a configuration runs to its end at all.

    Least-squares classification (Rasmussen and Williams 2006, section 6.5): the same model over
    labels, 1 where a trial ended and -1 where it failed. It starts out confident that all run.
    """

    model: Surrogate | None = None

    @staticmethod
    def fitted(space: Space, data: Data) -> Feasibility:
        """Fit to `data.values` of 1 (ran) and 0 (failed)."""
        if not np.any(data.values < 0.5):
            return Feasibility()
        labels = Data(configurations=data.configurations, values=data.values)
        model = fit(space, labels)
        # The labels as they are, without the standardisation that suits an objective; what is far
        # from all data falls back to +0.8 (about nine in ten run), not to the mean of the labels.
        chosen = spread(data.values, sign=1, most=_most(len(space)))
        plain = replace(
            model,
            scale=Scale(1, 0.0, 1.0),
            targets=2.0 * data.values[chosen] - 1.0 - _OPTIMISM,
            noise=np.full(len(chosen), 0.05),
        )
        return Feasibility(_conditioned(plain))

    def log_probability(self, points: Array) -> Array:
        """Return the log of the probability at points of `Features`, shape (m,)."""
        if self.model is None:
            return np.zeros(len(points))
        mean, sd = self.model.utility(points)
        return np.asarray(log_ndtr(2.0 * (mean + _OPTIMISM) / np.sqrt(1.0 + 2.0 * sd**2)))


_OPTIMISM = 0.8


def spread(values: Array, *, sign: int, most: int) -> NDArray[np.intp]:
    """Choose at most `most` of n values: the best half of them, and the rest evenly over time.

    Returned in ascending order, shape (k,).
    """
    if len(values) <= most:
        return np.arange(len(values))
    order = np.argsort(-sign * values, kind="stable")
    best, rest = order[: most // 2], np.sort(order[most // 2 :])
    even = rest[np.linspace(0, len(rest) - 1, most - len(best)).astype(int)]
    return np.sort(np.concatenate([best, even]))


@dataclass(frozen=True)
class _Problem:
    """The negative log posterior of the hyperparameters, and its gradient, over their logs."""

    squares: Array
    """Squared differences per parameter, shape (n * n, d)."""
    targets: Array
    shares: Array
    """What part of a run's noise variance each target carries, shape (n,)."""
    prior: Array
    """Medians of the logs of the lengths, shape (d,)."""
    noise: float | None
    """Variance of a run's noise, where it is known."""
    usual_noise: float
    """The median of its prior where it is not."""

    def unpack(self, logs: Array) -> tuple[Array, float, float]:
        """Return lengths, signal variance, noise variance."""
        lengths, signal = np.exp(logs[: len(self.prior)]), math.exp(logs[len(self.prior)])
        return lengths, signal, self.noise or math.exp(logs[-1])

    def start(self) -> Array:
        """Return the medians of all priors."""
        tail = [0.0] if self.noise else [0.0, math.log(self.usual_noise)]
        return np.concatenate([self.prior, tail])

    def __call__(self, logs: Array) -> tuple[float, Array]:
        n = len(self.targets)
        lengths, signal, noise = self.unpack(logs)
        root = _SQRT5 * np.sqrt(self.squares @ lengths**-2.0).reshape(n, n)
        decay = np.exp(-root)
        shape = (1.0 + root + root**2 / 3.0) * decay
        covariance = signal * shape + _MEAN_VARIANCE
        covariance[np.diag_indices(n)] += noise * self.shares + _JITTER
        lower = cholesky(covariance, lower=True, check_finite=False)
        weights = cho_solve((lower, True), self.targets, check_finite=False)
        inverse = cho_solve((lower, True), np.eye(n), check_finite=False)
        pull = np.outer(weights, weights) - inverse
        stretch = (pull * (signal * 5.0 / 3.0 * (1.0 + root) * decay)).ravel()
        gradient = [
            *(-0.5 * (stretch @ self.squares) * lengths**-2.0),
            -0.5 * float(np.sum(pull * shape)) * signal,
            *([] if self.noise else [-0.5 * float(np.diag(pull) @ self.shares) * noise]),
        ]
        loss = 0.5 * float(self.targets @ weights) + float(np.sum(np.log(np.diag(lower))))
        gap = logs - self.start()
        widths = np.full(len(gap), _LENGTH_SPREAD)
        widths[len(self.prior)] = _SIGNAL_SPREAD
        if not self.noise:
            widths[-1] = _NOISE_SPREAD
        return loss + 0.5 * float(np.sum((gap / widths) ** 2)), np.array(gradient) + gap / widths**2


def _most_probable(problem: _Problem) -> Array:
    """Maximise the posterior from its prior median, and from shorter lengths if that is cheap."""
    bounds = [(-4.0, 5.0)] * len(problem.prior) + [(-3.0, 3.0)]
    bounds += [] if problem.noise else [(-9.0, 1.5)]
    starts = [problem.start()]
    if len(problem.targets) <= LARGEST // 4:
        short = problem.start()
        short[: len(problem.prior)] -= 1.0
        starts.append(short)
    found = [
        minimize(
            problem, np.clip(start, *np.transpose(bounds)), jac=True, method="L-BFGS-B",
            bounds=bounds, options={"maxiter": 40},
        )
        for start in starts
    ]  # fmt: skip
    return np.asarray(min(found, key=lambda result: float(result.fun)).x)


def _conditioned(surrogate: Surrogate) -> Surrogate:
    """Return the model with the factors that `points`, `targets` and its kernel imply."""
    with _one_thread():
        covariance = surrogate._kernel(surrogate.points)
        covariance[np.diag_indices(len(covariance))] += surrogate.noise + _JITTER
        lower = cholesky(covariance, lower=True, check_finite=False)
        weights = cho_solve((lower, True), surrogate.targets, check_finite=False)
    return replace(surrogate, _lower=lower, _weights=weights)


def _length_prior(features: Features, relevance: Array | None) -> Array:
    count = len(features.space)
    lengths = np.full(count, math.log(_LENGTH * math.sqrt(count)))
    # Two options are at distance 1, as the two ends of a number are.
    return lengths if relevance is None else lengths - np.log(relevance)


def _matern(distance: Array) -> Array:
    root = _SQRT5 * distance
    return np.asarray((1.0 + root + root**2 / 3.0) * np.exp(-root))


def _squares(left: Array, right: Array, *, equal: bool) -> Array:
    if equal:
        return (np.abs(left[:, None] - right[None, :]) > 1e-9).astype(np.float64)
    return np.asarray((left[:, None] - right[None, :]) ** 2)


def _all_squares(points: Array, unordered: NDArray[np.bool_]) -> Array:
    columns = [
        _squares(points[:, i], points[:, i], equal=bool(unordered[i])).ravel()
        for i in range(points.shape[1])
    ]
    return np.stack(columns, axis=1)


def _most(count: int) -> int:
    """Points in a fit: fewer where more parameters make each step dearer."""
    return max(60, min(LARGEST, int(LARGEST * math.sqrt(10.0 / max(count, 1)))))


@lru_cache(maxsize=1)
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep the linear algebra on one thread: more cost 16 to 23 times as much at these sizes."""
    with _threads().limit(limits=1):
        yield
