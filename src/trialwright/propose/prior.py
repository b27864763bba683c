"""What is believed of a space before any result: where to start, and where good values lie.

It lays the knowledge base over a task's own space and defaults. It knows no history.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trialwright import knowledge
from trialwright.errors import SpaceError
from trialwright.expression import Scalar
from trialwright.knowledge import Advice, Recipe
from trialwright.space import Choice, Configuration, Float, Int, Ordinal, Parameter, Space
from trialwright.task import Task

Array = NDArray[np.float64]

FLOOR = 0.03
"""Density far from everything believed, against 1 at the best place: nothing is ruled out."""
NARROWEST = 0.12
"""Least standard deviation of a belief, as a share of the range: knowledge is never that sharp."""
VAGUE = 0.3
"""The same of a default of which nothing more is known."""
ADVENTURE = 0.15
"""Share of draws, per parameter, that ignore the belief."""
KEPT = 0.7
"""Share of the scattered configurations in which an option stays as it is."""

_OPTIMIZERS = r"\b(SGD|Adam|AdamW|NAdam|RAdam|RMSprop|Adagrad|Lion|LBFGS)\b"

_WITHIN = 0.5
"""How far the log density of a normal falls within one deviation."""

_RELEVANCE = {1: 1.5, 2: 1.0, 3: 0.6}
"""How much shorter the surrogate expects the length of a parameter of each rank to be."""


@dataclass(frozen=True, slots=True)
class Bump:
    """A belief about one number, on its parameter's line from 0 to 1: a two-sided normal."""

    centre: float
    below: float
    above: float
    """Standard deviations to either side."""

    def density(self, place: float) -> float:
        """Return the density, 1 at the centre."""
        width = self.below if place < self.centre else self.above
        return math.exp(-0.5 * ((place - self.centre) / width) ** 2)


@dataclass(frozen=True)
class Prior:
    """Beliefs about the parameters of a task.

    >>> from trialwright.task import Objective
    >>> space = Space((Float("lr", 1e-5, 0.1, log=True), Choice("optimizer", ("sgd", "adam"))))
    >>> prior = Prior(Task(name="t", objective=Objective(metric="acc"), space=space))
    >>> prior.start()
    {'lr': 0.001, 'optimizer': 'adam'}
    """

    task: Task
    learnt: Mapping[str, float] = field(default_factory=dict)
    """Facts that runs have told (`knowledge.FACTS`), where the task does not."""

    @cached_property
    def facts(self) -> Mapping[str, float]:
        """What is known of data and model: stated, else as the description says, else learnt."""
        described = knowledge.facts_in(self.task.description)
        return {**self.learnt, **described, **self.task.facts}

    @property
    def space(self) -> Space:
        """The task's space."""
        return self.task.space

    @cached_property
    def family(self) -> str | None:
        """The kind of model: as the task says, or guessed from its words or its parameters."""
        task = self.task
        words = " ".join([task.description, task.name, *task.command])
        return (
            (knowledge.family_of(task.model) if task.model else None)
            or knowledge.family_of(words)
            or knowledge.family_of_names(self.space.names)
        )

    @cached_property
    def advice(self) -> dict[str, Advice]:
        """What is known, by parameter; nothing is known of those that are absent."""
        found = {
            name: knowledge.advice(name, family=knowledge.family_of_prefix(name) or self.family)
            for name in self.space.names
        }
        return {name: known for name, known in found.items() if known is not None}

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """Configurations that are known to do well for this kind of model."""
        return knowledge.recipes(self.family)

    @cached_property
    def relevance(self) -> Array:
        """How much each parameter is thought to matter, shape (d,), around 1."""
        ranks = [self.advice[n].rank if n in self.advice else 2 for n in self.space.names]
        return np.array([_RELEVANCE[rank] for rank in ranks])

    def named(self, concept: str) -> list[str]:
        """Return the parameters that stand for a concept."""
        return [name for name, known in self.advice.items() if known.concept == concept]

    @cached_property
    def idle(self) -> frozenset[str]:
        """Parameters that mean nothing here: weights of classes where numbers are predicted."""
        facts = knowledge.metric_facts(self.task.objective.metric)
        return frozenset(self.named("class_weight") if facts.numbers else ())

    def concepts(self, configuration: Configuration) -> dict[str, Scalar]:
        """Return a configuration by concept instead of by name, and what kind of metric it has."""
        return (
            self._metric_kind
            | self._trained_by
            | {
                self.advice[name].concept: value
                for name, value in configuration.items()
                if name in self.advice
            }
        )

    @cached_property
    def _trained_by(self) -> dict[str, Scalar]:
        """The optimizer, where the description names one and no parameter does."""
        named = re.search(_OPTIMIZERS, self.task.description)
        return {} if named is None or self.named("optimizer") else {"optimizer": named[0].lower()}

    @cached_property
    def _metric_kind(self) -> dict[str, Scalar]:
        facts = knowledge.metric_facts(self.task.objective.metric)
        if facts.numbers:
            return {"metric": "numbers"}
        return {"metric": "classes"} if facts.classes else {}

    def settled(self, name: str, configuration: Configuration) -> Advice | None:
        """Return what is known of a parameter beside the other values of a configuration."""
        known = self.advice.get(name)
        if known is None or not known.variants:
            return known
        beside = self.concepts(configuration)
        numbers = {
            concept: float(value)
            for concept, value in beside.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        return knowledge.settled(known, beside, {**self.facts, **numbers})

    def start(self) -> dict[str, Scalar]:
        """Return the first configuration that a practitioner would try; constraints not asked.

        The space's own defaults where it has them, else what is known, else the middle.
        """
        return self.space.canonical(self.start_values)

    @cached_property
    def known(self) -> dict[str, Scalar]:
        """What is known to be sensible, whatever defaults the space gives; the start otherwise."""
        values: dict[str, Scalar] = {}
        for parameter in self._in_order:
            known = parameter.name in self.advice
            values[parameter.name] = (
                self._sensible(parameter, values) if known else self.start_values[parameter.name]
            )
        return self.space.canonical(values)

    def from_concepts(self, values: Mapping[str, Scalar], base: Configuration) -> dict[str, Scalar]:
        """Lay values that are given by concept over `base`, clipped into the space."""
        changed = dict(base)
        for concept, value in values.items():
            for name in self.named(concept)[:1]:
                fitted = nearest(self.space[name], value)
                if fitted is not None:
                    changed[name] = fitted
        return self.space.canonical(self._completed(changed))

    def complete(self, configuration: Configuration) -> dict[str, Scalar]:
        """Give active parameters without a value a sensible one, and drop inactive ones."""
        return self.space.canonical(self._completed(dict(configuration)))

    def log_density(self, configurations: Sequence[Configuration]) -> Array:
        """Return the log of how plausible each configuration is beforehand, 0 at most, (n,)."""
        return np.asarray(self.log_terms(configurations).sum(axis=1))

    def log_terms(self, configurations: Sequence[Configuration]) -> Array:
        """Return what each parameter adds to `log_density`, shape (n, d); 0 where inactive."""
        # Within a deviation all is equally plausible: with densities that peak, many
        # parameters would hold each other at the centre, where nothing is learnt.
        return np.minimum(self.log_peaks(configurations) + self._within, 0.0)

    def log_peaks(self, configurations: Sequence[Configuration]) -> Array:
        """Return the same with densities that peak where a belief is centred."""
        found = [self._remembered(configuration) for configuration in configurations]
        return np.array(found).reshape(len(found), len(self.space.names))

    @cached_property
    def _within(self) -> Array:
        """How far below its peak a number is as plausible as there; nothing for options."""
        return np.array([0.0 if is_unordered(one) else _WITHIN for one in self.space.parameters])

    def draw(self, rng: np.random.Generator, count: int) -> list[dict[str, Scalar]]:
        """Draw legal configurations from the belief: `count`, or fewer where constraints bind."""
        drawn = [self._draw_one(rng) for _ in range(count)]
        return [c for c in drawn if not self.space.constraints or self.space.feasible(c)]

    def scatter(
        self, rng: np.random.Generator, base: Configuration, count: int
    ) -> list[dict[str, Scalar]]:
        """Draw configurations with each number evenly over its usual range.

        Options mostly stay as in `base`; a number of which nothing is known stays near it; what the
        metric calls for is not taken back. As many as `count`, or fewer where constraints bind.
        """
        drawn = []
        for _ in range(count):
            values: dict[str, Scalar] = {}
            for parameter in self._in_order:
                values[parameter.name] = self._scattered(parameter, values, base=base, rng=rng)
            drawn.append(self.space.canonical(values))
        return [c for c in drawn if not self.space.constraints or self.space.feasible(c)]

    def _scattered(
        self,
        parameter: Parameter,
        values: Configuration,
        *,
        base: Configuration,
        rng: np.random.Generator,
    ) -> Scalar:
        name = parameter.name
        if name not in base:
            return self._draw_value(parameter, values, rng)
        if isinstance(parameter, Choice) and is_unordered(parameter):
            return base[name] if rng.random() < KEPT else self._draw_value(parameter, values, rng)
        here = place_of(parameter, base[name])
        low, high = self._usual(parameter, values) or _around(here)
        if self._serves_metric(name):
            low, high = max(low, here - NARROWEST), max(high, here)
        return at_place(parameter, float(rng.uniform(low, high)))

    def _serves_metric(self, name: str) -> bool:
        """Whether what is best depends on the metric, as the weight of a class does."""
        known = self.advice.get(name)
        return known is not None and any("metric" in variant.when for variant in known.variants)

    def _usual(self, parameter: Parameter, values: Configuration) -> tuple[float, float] | None:
        """Return the ends of the range that usually holds the best value, as places."""
        known = self.settled(parameter.name, values)
        if known is None:
            return None
        if known.relative is not None:
            return known.relative[1]
        if known.good is None:
            return None
        return place_of(parameter, known.good[0]), place_of(parameter, known.good[1])

    def _completed(self, values: dict[str, Scalar]) -> dict[str, Scalar]:
        start = self.start_values
        return {**{n: start[n] for n in self.space.names if n not in values}, **values}

    @cached_property
    def start_values(self) -> dict[str, Scalar]:
        """A sensible value for every parameter, active or not."""
        values: dict[str, Scalar] = {}
        for parameter in self._in_order:
            given = self.space.defaults.get(parameter.name)
            known = parameter.name in self.space.defaults
            values[parameter.name] = given if known else self._sensible(parameter, values)
        return values

    @cached_property
    def _in_order(self) -> list[Parameter]:
        """Parameters in an order in which what a sensible value depends on comes before it."""

        def place(parameter: Parameter) -> int:
            known = self.advice.get(parameter.name)
            if isinstance(parameter, Choice):
                return 0
            return 1 if known is None else 1 + knowledge.depth(known)

        return sorted(self.space.parameters, key=place)

    def _sensible(self, parameter: Parameter, values: Configuration) -> Scalar:
        if is_unordered(parameter):
            assert isinstance(parameter, Choice)
            odds = self._odds(parameter)
            return parameter.options[int(np.argmax(odds))]
        known = self.settled(parameter.name, values)
        if known is not None and known.relative is not None:
            return at_place(parameter, known.relative[0])
        if known is not None and known.default is not None:
            fitted = nearest(parameter, known.default)
            if fitted is not None:
                return fitted
        return at_place(parameter, 0.5)

    def _odds(self, parameter: Choice) -> Array:
        known = self.settled(parameter.name, {})
        table = known.options if known else {}
        odds = np.array(
            [table.get(str(o).lower(), 0.7 if table else 1.0) for o in parameter.options]
        )
        if parameter.name in self.space.defaults:
            given = [o == self.space.defaults[parameter.name] for o in parameter.options]
            odds[given] = odds.max() * (1.0 if table else 1.5)
        return np.asarray(odds / odds.max())

    def _bumps(self, name: str, configuration: Configuration) -> tuple[Bump, ...]:
        known = self.settled(name, configuration)
        variant = "" if known is None else f"{known.default}:{known.good}"
        key = (name, variant)
        if key not in self._cache:
            self._cache[key] = self._new_bumps(self.space[name], known)
        return self._cache[key]

    @cached_property
    def _cache(self) -> dict[tuple[str, str], tuple[Bump, ...]]:
        return {}

    def _new_bumps(self, parameter: Parameter, known: Advice | None) -> tuple[Bump, ...]:
        bumps = []
        if known is not None and known.relative is not None:
            share, (low, high) = known.relative
            bumps.append(_bump(share, low, high))
        elif known is not None and known.good is not None:
            ends = [place_of(parameter, end) for end in known.good]
            middle = known.default if known.default is not None else known.good[0]
            bumps.append(_bump(place_of(parameter, middle), *ends))
        if parameter.name in self.space.defaults:
            centre = place_of(parameter, self.space.defaults[parameter.name])
            width = VAGUE if not bumps else NARROWEST
            bumps.append(Bump(centre, width, width))
        # Whoever gives a range expects the best inside it, not at its ends.
        return tuple(bumps) or (Bump(0.5, VAGUE, VAGUE),)

    @cached_property
    def _densities(self) -> dict[str, tuple[float, ...]]:
        return {}

    def _remembered(self, configuration: Configuration) -> tuple[float, ...]:
        """The same candidates are weighed again and again for several trials at once."""
        key = str(configuration)
        if key not in self._densities:
            self._densities[key] = tuple(
                self._log_term(name, configuration) if name in configuration else 0.0
                for name in self.space.names
            )
        return self._densities[key]

    def _log_term(self, name: str, configuration: Configuration) -> float:
        parameter, value = self.space[name], configuration[name]
        if isinstance(parameter, Choice) and is_unordered(parameter):
            index = parameter.options.index(value)
            return math.log(max(float(self._odds_of(name)[index]), FLOOR))
        place = place_of(parameter, value)
        density = max(bump.density(place) for bump in self._bumps(name, configuration))
        return math.log((1 - FLOOR) * density + FLOOR)

    def odds(self, name: str) -> dict[Scalar, float]:
        """Return how plausible each option of a choice is beforehand, 1 at most; {} for numbers."""
        parameter = self.space[name]
        if not isinstance(parameter, Choice) or not is_unordered(parameter):
            return {}
        return dict(zip(parameter.options, map(float, self._odds_of(name)), strict=True))

    def _odds_of(self, name: str) -> Array:
        if name not in self._odds_cache:
            parameter = self.space[name]
            assert isinstance(parameter, Choice)
            self._odds_cache[name] = self._odds(parameter)
        return self._odds_cache[name]

    @cached_property
    def _odds_cache(self) -> dict[str, Array]:
        return {}

    def _draw_one(self, rng: np.random.Generator) -> dict[str, Scalar]:
        values: dict[str, Scalar] = {}
        for parameter in self._in_order:
            values[parameter.name] = self._draw_value(parameter, values, rng)
        return self.space.canonical(values)

    def _draw_value(
        self, parameter: Parameter, values: Configuration, rng: np.random.Generator
    ) -> Scalar:
        if rng.random() < ADVENTURE:
            return parameter.from_unit(float(rng.random()))
        if isinstance(parameter, Choice) and is_unordered(parameter):
            odds = self._odds_of(parameter.name)
            return parameter.options[int(rng.choice(len(odds), p=odds / odds.sum()))]
        bumps = self._bumps(parameter.name, values)
        if not bumps:
            return parameter.from_unit(float(rng.random()))
        bump = bumps[int(rng.integers(len(bumps)))]
        side = rng.normal()
        place = bump.centre + side * (bump.below if side < 0 else bump.above)
        return at_place(parameter, float(place % 1.0 if not 0 <= place <= 1 else place))


def place_of(parameter: Parameter, value: Scalar) -> float:
    """Place a number on the parameter's line from 0 to 1, wide ranges on a log scale; clipped.

    `value` need not be in the domain, but is a number, or one of the levels.
    """
    match parameter:
        case Float() | Int():
            number = min(max(float(value or 0.0), parameter.low), parameter.high)
            if parameter.high == parameter.low:
                return 0.5
            if is_logarithmic(parameter):
                return math.log(number / parameter.low) / math.log(parameter.high / parameter.low)
            return (number - parameter.low) / (parameter.high - parameter.low)
        case Choice() | Ordinal():
            levels = levels_of(parameter)
            if value in levels:
                return (levels.index(value) + 0.5) / len(levels)
            if not all(_is_number(level) for level in levels) or not _is_number(value):
                return 0.5
            order = [float(level) for level in levels]  # type: ignore[arg-type]
            index = float(np.interp(float(value), order, range(len(order))))  # type: ignore[arg-type]
            return (index + 0.5) / len(levels)


def at_place(parameter: Parameter, place: float) -> Scalar:
    """Return the legal value at a place on the parameter's line; the inverse of `place_of`."""
    place = min(max(place, 0.0), 1.0)
    match parameter:
        case Float() | Int():
            low, high = parameter.low, parameter.high
            if is_logarithmic(parameter):
                number = low * (high / low) ** place
            else:
                number = low + place * (high - low)
            return snapped(parameter, number)
        case Choice() | Ordinal():
            levels = levels_of(parameter)
            return levels[min(int(place * len(levels)), len(levels) - 1)]


def nearest(parameter: Parameter, value: Scalar) -> Scalar:
    """Return the legal value nearest to `value`; None if an option has no such thing."""
    if parameter.admits(parameter.coerce(value)):
        return parameter.coerce(value)
    if is_unordered(parameter):
        assert isinstance(parameter, Choice)
        wanted = str(value).lower()
        return next((o for o in parameter.options if str(o).lower() == wanted), None)
    return at_place(parameter, place_of(parameter, value)) if _is_number(value) else None


def snapped(parameter: Float | Int, number: float) -> Scalar:
    """Return the legal value at a number, rounded to what a person would write."""
    number = min(max(number, parameter.low), parameter.high)
    if isinstance(parameter, Int):
        steps = min(round((number - parameter.low) / parameter.step), parameter.count - 1)
        return parameter.low + steps * parameter.step
    if parameter.step:
        return parameter.from_unit(parameter.to_unit(number))
    short = float(f"{number:.3g}")
    return min(max(short, float(parameter.low)), float(parameter.high))


def levels_of(parameter: Choice | Ordinal) -> tuple[Scalar, ...]:
    """Return the options in ascending order where they are numbers, else as they stand."""
    if isinstance(parameter, Ordinal):
        return parameter.levels
    if all(_is_number(option) for option in parameter.options):
        return tuple(sorted(parameter.options, key=float))  # type: ignore[arg-type]
    return parameter.options


def is_unordered(parameter: Parameter) -> bool:
    """Say whether a parameter's options have no order."""
    return isinstance(parameter, Choice) and not (
        len(parameter.options) > 2 and all(_is_number(option) for option in parameter.options)
    )


def is_logarithmic(parameter: Float | Int) -> bool:
    """Say whether a range is to be felt on a log scale."""
    return parameter.low > 0 and (parameter.log or parameter.high / parameter.low >= 30)


def legal_start(prior: Prior, rng: np.random.Generator) -> dict[str, Scalar] | None:
    """Return the start, or where a constraint forbids it the legal configuration nearest to it."""
    start = prior.start()
    if not prior.space.check(start):
        return start
    near = prior.draw(rng, 500)
    if not near:
        try:
            near = [prior.space.sample(rng)]
        except SpaceError:
            return None
    return max(near, key=lambda configuration: float(prior.log_density([configuration])[0]))


def _bump(centre: float, low: float, high: float) -> Bump:
    return Bump(centre, max(centre - low, NARROWEST), max(high - centre, NARROWEST))


def _around(place: float) -> tuple[float, float]:
    return max(place - VAGUE, 0.0), min(place + VAGUE, 1.0)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
