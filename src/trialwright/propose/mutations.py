"""What one step from a trial could be, and how much speaks for each: for the search tree.

Steps come from three places: what trials showed that differ in that parameter alone, what the
knowledge base calls a usual step or a usual value, and the scale of the space. There is no chance
in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.surrogate import Surrogate
from trialwright.expression import Scalar
from trialwright.history import Trial
from trialwright.propose import words
from trialwright.propose.evidence import Evidence
from trialwright.propose.moves import Move, Seen, moves, stepped
from trialwright.propose.prior import at_place, is_unordered, nearest, place_of
from trialwright.space import Choice, Configuration, Parameter

Array = NDArray[np.float64]

AMOUNTS = (1.0, -1.0, 0.5, -0.5, 2.0, -2.0)
"""Usual steps that are looked at, in the unit of the knowledge base."""
ONWARD = (0.5, 1.0)
"""How far to go on in a direction that paid, as a share of the way that led there."""
ALIKE = 400
"""Latest trials among which those are looked for that differ in one parameter alone."""
FINE, PATIENT = 2.0, 10.0
"""The least step as a share of its range is `FINE` over the number of results and `PATIENT`."""
LEARNT = 0.5
"""Change in log score for each earlier change of the same parameter and direction that paid."""
MOST_LEARNT = 1.5
"""The largest such change."""
BELIEVED = 10.0
"""Weight of the prior, divided by the number of results, as the expert has it."""
RULED = 1.0
"""Largest factor on what rules say; it falls with the weight of the prior."""
CAUTION = 2.0
"""Weight of the log probability that a run ends well."""
NEGLIGIBLE = 0.05
"""Gain in score below which a further change is left out."""

Way = tuple[str, int | str]
"""A parameter with a direction, or with the option that it is set to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One parameter set to another value, and why to that one."""

    name: str
    value: Scalar
    why: str


class Steps:
    """Steps from the trials of a study, and their scores.

    `parents`: of every trial of the history, by number; `taken`: configurations that are about to
    be tried, which nobody is to propose again.
    """

    def __init__(
        self, evidence: Evidence, parents: Sequence[int | None], taken: Sequence[Configuration]
    ) -> None:
        self.evidence = evidence
        self._prior = evidence.prior
        self._space = evidence.task.space
        self._parents = parents
        self._taken = {self._space.key(configuration) for configuration in taken}
        assert evidence.model is not None
        self.model: Surrogate = evidence.model.believing(evidence.model.features.of(list(taken)))

    def best(self, trial: Trial, *, most: int) -> Move | None:
        """Return the step from a trial that promises most, of at most `most` parameters."""
        start = trial.configuration
        ruled = [m for m in self._ruled(trial) if self._size(m.configuration, start) <= most]
        single = [self.moved(trial, start, [step]) for step in self.of(trial)]
        found = self.usable([*ruled, *single])
        if not found:
            return None
        scores = self.scores(found, start)
        first = int(np.argmax(scores))
        best, score = found[first], float(scores[first])
        while (more := self._joined(trial, best, score, most=most)) is not None:
            best, score = more
        return best

    def usable(self, candidates: Sequence[Move]) -> list[Move]:
        """Return those that are legal, new, and not taken; each configuration once."""
        found: dict[str, Move] = {}
        for move in candidates:
            key = self._space.key(move.configuration)
            if key in found or key in self._taken or self._space.check(move.configuration):
                continue
            if self.evidence.is_new(move.configuration):
                found[key] = move
        return list(found.values())

    def moved(self, trial: Trial, start: Configuration, steps: Sequence[Step]) -> Move:
        """Return the move from `start`, at or beside a trial, that takes these steps."""
        values = dict(start) | {step.name: step.value for step in steps}
        return Move(
            configuration=self._prior.complete(values),
            parent=trial,
            text=" and ".join(step.why for step in steps).replace("; ", ", "),
            weight=0.0,
            reasons={step.name: step.why for step in steps},
            kind="step",
        )

    def scores(self, candidates: Sequence[Move], start: Configuration) -> Array:
        """Score moves, shape (m,): what model, prior, rules, failures and earlier changes say."""
        configurations = [move.configuration for move in candidates]
        weight = BELIEVED / (1.0 + len(self.evidence.values))
        points = self.model.features.of(configurations)
        total = self.model.log_improvement(points, self.model.best_utility())
        total = total + CAUTION * self.evidence.feasibility.log_probability(points)
        total = total + weight * self._prior.log_density(configurations)
        total += min(RULED, weight) * np.array([move.weight for move in candidates])
        return np.asarray(total + [self._learnt(c, start) for c in configurations])

    def means(self, configurations: Sequence[Configuration]) -> Array:
        """Return the utilities that the model expects, larger better, shape (m,)."""
        return self.model.utility(self.model.features.of(configurations))[0]

    def of(self, trial: Trial) -> Iterator[Step]:
        """Yield every step that makes sense from a trial, one parameter each."""
        for name, value in trial.configuration.items():
            parameter = self._space[name]
            if is_unordered(parameter):
                yield from self._options(parameter, value)
            else:
                here = place_of(parameter, value)
                steps = [
                    *self._shown(trial, parameter, value),
                    *self._usual(trial, parameter, value),
                ]
                for step in steps:
                    if abs(place_of(parameter, step.value) - here) >= self._least:
                        yield step

    @property
    def _least(self) -> float:
        """The least step that is worth a trial, as a share of the range: finer as results grow."""
        return FINE / (PATIENT + len(self.evidence.values))

    def _options(self, parameter: Parameter, value: Scalar) -> Iterator[Step]:
        assert isinstance(parameter, Choice)
        known = self._prior.advice.get(parameter.name)
        for option in parameter.options:
            if option == value and isinstance(option, bool) == isinstance(value, bool):
                continue
            paid, tried = self.tally.get((parameter.name, str(option)), (0.0, 0.0))
            why = f"{option} instead of {value}: " + (
                f"it paid in {paid:.2g} of {tried:.2g} changes" if tried else "not yet changed to"
            )
            if not tried and known is not None and str(option).lower() in known.options:
                why = f"{option} instead of {value}: {known.why}"
            yield Step(name=parameter.name, value=option, why=why)

    def _usual(self, trial: Trial, parameter: Parameter, value: Scalar) -> Iterator[Step]:
        """Steps and values that the knowledge base or the scale of the space suggests."""
        known = self._prior.settled(parameter.name, trial.configuration)
        for amount in AMOUNTS:
            there = stepped(parameter, value, known, amount=amount)
            if there is not None and there != value:
                way = "up" if amount > 0 else "down"
                size = {0.5: "half a usual step", 1.0: "a usual step", 2.0: "two usual steps"}
                told = self._told(parameter, value, there)
                yield Step(name=parameter.name, value=there, why=f"{size[abs(amount)]} {way}{told}")
        if known is not None and known.default is not None and known.relative is None:
            usual = nearest(parameter, known.default)
            if usual is not None and usual != value:
                yield Step(name=parameter.name, value=usual, why=f"the usual value: {known.why}")

    def _shown(self, trial: Trial, parameter: Parameter, value: Scalar) -> Iterator[Step]:
        """Steps that follow from trials that differ in this parameter alone."""
        line = self._line(trial, parameter)
        here, own = place_of(parameter, value), self._gain(trial)
        for place, gain, number in line:
            if gain > own:
                for share in ONWARD:
                    further = at_place(parameter, place + share * (place - here))
                    yield self._to(
                        parameter, further, f"trial {number}, alike but for this, did better: on"
                    )
            else:
                back = at_place(parameter, here - 0.5 * (place - here))
                yield self._to(
                    parameter, back, f"trial {number}, alike but for this, did worse: away from it"
                )
        peak = _peak([(here, own), *((place, gain) for place, gain, _ in line)])
        if peak is not None:
            told = words_of([number for *_, number in line])
            yield self._to(
                parameter, at_place(parameter, peak), f"the peak of a parabola through {told}"
            )

    def _to(self, parameter: Parameter, value: Scalar, why: str) -> Step:
        return Step(name=parameter.name, value=value, why=why)

    def _line(self, trial: Trial, parameter: Parameter) -> list[tuple[float, float, int]]:
        """Trials that differ from one in a parameter alone: place, gain, number; by number."""
        name = parameter.name
        rest = {key: value for key, value in trial.configuration.items() if key != name}
        return [
            (place_of(parameter, other.configuration[name]), self._gain(other), other.number)
            for other in self._recent
            if other.configuration.get(name) != trial.configuration[name]
            and name in other.configuration
            and {key: value for key, value in other.configuration.items() if key != name} == rest
        ]

    @cached_property
    def _recent(self) -> list[Trial]:
        numbers = sorted(self.evidence.values)[-ALIKE:]
        return [self.evidence.history.trials[number] for number in numbers]

    def _gain(self, trial: Trial) -> float:
        return self.evidence.sign * self.evidence.values[trial.number]

    @cached_property
    def tally(self) -> Mapping[Way, tuple[float, float]]:
        """Per way to change a parameter: how often it paid, of how often it was tried.

        Over the edges of the tree; a change of several parameters counts for each in part.
        """
        found: dict[Way, tuple[float, float]] = {}
        for trial in self._recent:
            number = self._parents[trial.number]
            if number is None or number not in self.evidence.values:
                continue
            parent = self.evidence.history.trials[number]
            ways = self._ways(trial.configuration, parent.configuration)
            paid = self._gain(trial) > self._gain(parent)
            for way in ways:
                before = found.get(way, (0.0, 0.0))
                part = 1.0 / len(ways)
                found[way] = (before[0] + part * paid, before[1] + part)
        return found

    def _ways(self, configuration: Configuration, start: Configuration) -> list[Way]:
        return [
            self._way(self._space[name], start[name], configuration[name])
            for name in words.changed(configuration, start)
            if name in configuration and name in start
        ]

    def _way(self, parameter: Parameter, before: Scalar, after: Scalar) -> Way:
        if is_unordered(parameter):
            return parameter.name, str(after)
        return parameter.name, 1 if place_of(parameter, after) > place_of(parameter, before) else -1

    def _learnt(self, configuration: Configuration, start: Configuration) -> float:
        total = 0.0
        for way in self._ways(configuration, start):
            paid, tried = self.tally.get(way, (0.0, 0.0))
            total += LEARNT * (2.0 * paid - tried)
        return min(max(total, -MOST_LEARNT), MOST_LEARNT)

    def _told(self, parameter: Parameter, before: Scalar, after: Scalar) -> str:
        paid, tried = self.tally.get(self._way(parameter, before, after), (0.0, 0.0))
        return f", which paid in {paid:.2g} of {tried:.2g} changes" if tried else ", untried so far"

    def _ruled(self, trial: Trial) -> list[Move]:
        """What a practitioner would change after what the trial's own run showed."""
        reading = self.evidence.reading(trial)
        seen = Seen(
            best=[trial],
            diagnoses={} if reading is None else {trial.number: reading},
            facts=self.evidence.facts,
            sign=self.evidence.sign,
        )
        return [move for move in moves(self._prior, seen) if move.parent is trial]

    def _joined(
        self, trial: Trial, move: Move, score: float, *, most: int
    ) -> tuple[Move, float] | None:
        """One more step beside those of a move, where that is allowed and promises more."""
        done = words.changed(move.configuration, trial.configuration)
        if len(done) >= most:
            return None
        further = []
        for step in self.of(trial):
            if step.name in done or step.name not in move.configuration:
                continue
            one = self.moved(trial, move.configuration, [step])
            further.append(
                Move(
                    configuration=one.configuration,
                    parent=trial,
                    text=f"{move.text}; {one.text}",
                    seen=move.seen,
                    weight=move.weight,
                    reasons={**move.reasons, **one.reasons},
                    kind="several",
                )
            )
        found = self.usable(further)
        if not found:
            return None
        scores = self.scores(found, trial.configuration)
        first = int(np.argmax(scores))
        if scores[first] <= score + NEGLIGIBLE:
            return None
        return found[first], float(scores[first])

    def _size(self, configuration: Configuration, start: Configuration) -> int:
        """How many parameters were set: those that only begin or cease to apply do not count."""
        names = words.changed(configuration, start)
        return len([name for name in names if name in start and name in configuration])


def words_of(numbers: Sequence[int]) -> str:
    """Name trials.

    >>> words_of([3]), words_of([3, 7])
    ('trial 3', 'trials 3 and 7')
    """
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    return f"trials {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _peak(points: Sequence[tuple[float, float]]) -> float | None:
    """Where the parabola through the best of several points and its two neighbours peaks.

    None unless the best has a worse one on either side: outside of what was seen it is no guide.
    """
    ordered = sorted(points)
    index = max(range(len(ordered)), key=lambda i: ordered[i][1])
    if not 0 < index < len(ordered) - 1:
        return None
    (a, left), (b, middle), (c, right) = ordered[index - 1 : index + 2]
    if not a < b < c:
        return None
    rise, fall = (b - a) * (middle - right), (b - c) * (middle - left)
    if rise == fall:
        return None
    return b - 0.5 * ((b - a) * rise - (b - c) * fall) / (rise - fall)
