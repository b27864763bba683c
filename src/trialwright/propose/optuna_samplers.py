"""Optuna's TPE and GP, and CMA-ES, as proposers over our history. None keeps any state.

TPE and GP are Optuna's samplers over a mirror of the history. CMA-ES is the `cmaes` package, which
Optuna's own sampler wraps too: that one keeps its state in trials that it asked for itself, so here
the generations are told again from the history. None knows what a parameter means.

What they can't do is done around them: draws that break a constraint or repeat a trial are drawn
again, and after a bounded number of draws chance decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray
from optuna.samplers import GPSampler, TPESampler

from trialwright.analysis.surrogate import Data, fit
from trialwright.errors import ProposerError
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.propose.baselines import fresh, is_fresh
from trialwright.propose.mirror import Mirror, quiet
from trialwright.records import Hypothesis, Interval, Proposal
from trialwright.space import Choice, Configuration
from trialwright.task import Task

STARTUP = 5
"""Finished trials before a model speaks; until then chance does. Optuna waits for 10, which in a
study of ten trials leaves nothing to the model."""

TRIES = 20
"""Draws per proposal, if they are repeats or illegal."""
GP_TRIES = 3
"""The same for the GP, whose draws take half a second."""

GP_TRIALS = 200
"""Trials that the GP is told: the best half, and the newest. 1,000 would take it 5 s."""

PREDICTED = 5
"""Results from which on an interval is worth stating."""
LEVEL, _Z = 0.9, 1.6449

SIGMA = 1 / 6
"""First step size of CMA-ES, in units of a parameter's range: Optuna's."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Source:
    """A way to draw one configuration, given those drawn in the same call."""

    name: str
    draw: Callable[[Sequence[Configuration]], dict[str, Scalar]]
    words: str
    """How it draws."""
    tries: int = TRIES
    modelled: bool = True
    """Whether results stand behind a draw, so that it claims to be better than the best."""


class Tpe:
    """Optuna's multivariate TPE: draws where good trials are dense and others are not.

    >>> Tpe().name
    'tpe'
    """

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "tpe"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return `n` proposals, or fewer once a finite space is used up.

        Raises:
            SpaceError: the constraints leave practically nothing to draw.
        """
        trials = _of_this_code(history)
        known = [trial for trial in trials if trial.state in ("done", "pruned")]
        mirror = _followed(task, history, trials)

        def draw(besides: Sequence[Configuration]) -> dict[str, Scalar]:
            with quiet():
                sampler = TPESampler(seed=_seed(rng), n_startup_trials=STARTUP)
            return mirror.draw(sampler, besides)

        if len(known) < STARTUP:
            source = _Source(self.name, draw, _collecting("TPE", len(known)), modelled=False)
        else:
            words = (
                f"TPE: of a sample from where the better of {len(known)} trials are dense, the"
                " point where the others are rarest."
            )
            source = _Source(self.name, draw, words)
        return _proposals(source, task, history, n=n, rng=rng)


class Gp:
    """Optuna's Gaussian process with log expected improvement. Needs torch; one thread.

    >>> Gp().name
    'gp'
    """

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "gp"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return `n` proposals, or fewer once a finite space is used up.

        Raises:
            ProposerError: torch is not installed.
            SpaceError: the constraints leave practically nothing to draw.
        """
        if find_spec("torch") is None:
            raise ProposerError(
                "Optuna's GP needs torch, which is not installed: install torch, or take gp out of"
                " the team"
            )
        told = _instructive(history, task.objective.sign)
        mirror = Mirror(task)
        mirror.follow(told, {trial.number for trial in history.pending()})
        known = sum(trial.value is not None for trial in told)

        def draw(besides: Sequence[Configuration]) -> dict[str, Scalar]:
            with quiet():
                sampler = GPSampler(
                    seed=_seed(rng), n_startup_trials=STARTUP, warn_independent_sampling=False
                )
            with _one_torch_thread():
                return mirror.draw(sampler, besides)

        if known < STARTUP:
            words = _collecting("GP", known)
            source = _Source(self.name, draw, words, tries=GP_TRIES, modelled=False)
        else:
            words = (
                f"GP: the highest expected improvement under a Gaussian process of {known} trials."
            )
            source = _Source(self.name, draw, words, tries=GP_TRIES)
        return _proposals(source, task, history, n=n, rng=rng)


class CmaEs:
    """CMA-ES over its own trials, generation by generation (Hansen, arXiv 1604.00772).

    It starts at the best trial that others have made, else in the middle. Choices have no direction
    and are drawn at random, as Optuna does; with fewer than two other parameters all are.

    >>> CmaEs().name
    'cmaes'
    """

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "cmaes"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return `n` proposals, or fewer once a finite space is used up.

        Raises:
            SpaceError: the constraints leave practically nothing to draw.
        """
        space = task.space
        moved = [i for i, p in enumerate(space.parameters) if not isinstance(p, Choice)]
        if len(moved) < 2:
            words = "CMA-ES needs two parameters that are no choices: drawn at random instead."
            blind = _Source(self.name, lambda _: space.sample(rng), words, modelled=False)
            return _proposals(blind, task, history, n=n, rng=rng)
        optimizer = _evolved(task, history, moved, seed=_seed(rng))

        def draw(_: Sequence[Configuration]) -> dict[str, Scalar]:
            point = rng.random(len(space))
            point[moved] = optimizer.ask()
            return space.decode(point)

        words = (
            f"CMA-ES, generation {optimizer.generation + 1} of {optimizer.population_size} trials:"
            " drawn round the weighted mean of the best."
        )
        source = _Source(self.name, draw, words, modelled=optimizer.generation > 0)
        return _proposals(source, task, history, n=n, rng=rng)


def _proposals(
    source: _Source, task: Task, history: History, *, n: int, rng: np.random.Generator
) -> list[Proposal]:
    drawn: list[dict[str, Scalar]] = []
    by_chance: list[bool] = []
    for _ in range(n):
        found = _legal(source, task, history, drawn)
        by_chance.append(found is None)
        configuration = found or fresh(task.space, history, drawn, rng=rng)
        if configuration is None:
            break
        drawn.append(configuration)
    intervals = _intervals(task, history, drawn)
    best = history.best(code=history.code) if history.opened else None
    return [
        Proposal(
            configuration=configuration,
            by=source.name,
            rationale=_rationale(source, lost=lost),
            predicted=interval,
            hypothesis=_claim(task, best, interval) if source.modelled and not lost else None,
        )
        for configuration, lost, interval in zip(drawn, by_chance, intervals, strict=False)
    ]


def _legal(
    source: _Source, task: Task, history: History, besides: Sequence[dict[str, Scalar]]
) -> dict[str, Scalar] | None:
    """Draw until a configuration is legal and new; None if `source.tries` draws were not."""
    space = task.space
    taken = {space.key(configuration) for configuration in besides}
    for _ in range(source.tries):
        drawn = source.draw(besides)
        if space.check(drawn) or space.key(drawn) in taken:
            continue
        if is_fresh(space, history, drawn):
            return drawn
    return None


def _rationale(source: _Source, *, lost: bool) -> str:
    if not lost:
        return source.words
    return f"{source.words} Its {source.tries} draws were repeats or broke a constraint: so chance."


def _claim(task: Task, best: Trial | None, interval: Interval | None) -> Hypothesis | None:
    """Better than the best, unless our surrogate doubts that even at its most hopeful."""
    if best is None or best.value is None:
        return None
    value, objective = f"the {best.value:.4g} of trial {best.number}", task.objective
    if interval is not None:
        hoped = interval.high if objective.sign > 0 else interval.low
        if not objective.better(hoped, best.value):
            claim = f"This explores, and stays behind {value}."
            return Hypothesis(claim=claim, expects="worse", against=best.number)
    claim = f"This improves on {value}."
    return Hypothesis(claim=claim, expects="better", against=best.number)


def _collecting(model: str, known: int) -> str:
    return f"{model} has {known} of the {STARTUP} results that it needs: drawn at random till then."


def _intervals(
    task: Task, history: History, configurations: Sequence[Configuration]
) -> list[Interval | None]:
    """What our surrogate expects one run of each to show; None while results are few."""
    done = history.done(code=history.code)
    values = np.array([trial.value for trial in done], dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite) < PREDICTED or not configurations:
        return [None] * len(configurations)
    data = Data(
        configurations=[done[i].configuration for i in finite],
        values=values[finite],
        sign=task.objective.sign,
    )
    model = fit(task.space, data)
    mean, sd = model.utility(model.features.of(configurations))
    reach = _Z * np.sqrt(sd**2 + model.run_noise)
    ends = np.sort([model.scale.to_value(mean - reach), model.scale.to_value(mean + reach)], axis=0)
    return [Interval(low=float(a), high=float(b), level=LEVEL) for a, b in ends.T]


def _followed(task: Task, history: History, trials: Sequence[Trial]) -> Mirror:
    """The mirror of these trials: the one kept beside the history if it can follow, else a new one.

    A kept mirror only saves time: it holds what a new one would.
    """
    key = ("mirror", history.code)
    kept = history.memo.get(key)
    pending = {trial.number for trial in history.pending()}
    if (
        isinstance(kept, Mirror)
        and kept.space == task.space
        and not kept.worn
        and kept.follow(trials, pending)
    ):
        return kept
    mirror = Mirror(task)
    mirror.follow(trials, pending)
    history.memo[key] = mirror
    return mirror


def _of_this_code(history: History) -> list[Trial]:
    code = history.code
    return [trial for trial in history.trials if trial.admission.code == code]


def _instructive(history: History, sign: int) -> list[Trial]:
    """The trials that the GP is told: all pending ones, the best finished ones and the newest."""
    pending = history.pending()
    done = history.done(code=history.code)
    if len(done) > GP_TRIALS:
        ranked = sorted(done, key=lambda trial: -sign * (trial.value or 0.0))
        chosen = {trial.number: trial for trial in ranked[: GP_TRIALS // 2]}
        for trial in reversed(done):
            if len(chosen) == GP_TRIALS:
                break
            chosen.setdefault(trial.number, trial)
        done = list(chosen.values())
    both = {trial.number: trial for trial in [*done, *pending]}
    return [both[number] for number in sorted(both)]


def _evolved(task: Task, history: History, moved: Sequence[int], *, seed: int) -> CMA:
    """CMA-ES after all finished generations of its own trials, told in order; ready to be asked."""
    sign = task.objective.sign
    done = [t for t in history.done(code=history.code) if math.isfinite(t.value or 0.0)]
    own = [trial for trial in done if trial.proposal.by == "cmaes"]
    first = own[0].number if own else math.inf
    others = [trial for trial in done if trial.number < first]
    points = task.space.encode([trial.configuration for trial in own])[:, moved]
    start = np.full(len(moved), 0.5)
    if others:
        best = max(others, key=lambda trial: sign * (trial.value or 0.0))
        start = task.space.encode([best.configuration])[0][moved]
    optimizer = _started(start, seed)
    size = optimizer.population_size
    for begin in range(0, len(own) - size + 1, size):
        generation = range(begin, begin + size)
        optimizer.tell([(points[i], -sign * (own[i].value or 0.0)) for i in generation])
        if optimizer.should_stop():
            best_of_all = max(range(begin + size), key=lambda i: sign * (own[i].value or 0.0))
            optimizer = _started(points[best_of_all], seed)
    return optimizer


def _started(mean: Array, seed: int) -> CMA:
    bounds = np.tile([0.0, 1.0], (len(mean), 1))
    return CMA(mean=mean.copy(), sigma=SIGMA, bounds=bounds, seed=seed)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Keep torch on one thread: with more, Optuna's GP took 16 to 23 times as long."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
