"""Members with a role or an area: the same judgement, told where to look and what to look for.

What a member proposes is one part of what is weighed, small steps from the best trial and draws
another. An area holds back what leaves it: of a parameter that is not of the area the parent's
value stays. Then the role decides. An explorer takes whoever is farthest from all that was tried,
among those that might be better than half of the results; an exploiter, of the third that is
nearest to the best trial, whoever is expected to be best. No state is kept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trialwright.errors import ProposerError, SpaceError
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.propose import words
from trialwright.propose.baselines import is_fresh
from trialwright.propose.evidence import Evidence
from trialwright.propose.moves import Move
from trialwright.propose.proposer import Proposer
from trialwright.records import Proposal
from trialwright.space import Choice, Configuration, Space
from trialwright.task import Area, Delegate, Task

Array = NDArray[np.float64]

OFFERED = 6
"""Proposals of the member itself that are weighed per one that is wanted."""
STEPS = 60
"""Small steps from the best trial that are weighed beside them."""
DRAWN = 60
"""Draws from the whole of the space, or of the area."""
REACH = (0.02, 0.05, 0.15)
"""Deviations of small steps, as parts of a range."""
LISTED = 2000
"""Configurations of a finite area up to which all of them are weighed."""
NEAREST = 3
"""An exploiter looks at the nearest of so many parts of what is weighed."""
LIKELY = math.log(0.5)
"""Log probability of ending well that an explorer asks for, where anything has it."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A configuration that may be proposed."""

    configuration: dict[str, Scalar]
    own: Proposal | None = None
    """The member's proposal of just this; None: it was changed to fit, or is not the member's."""


class Posted:
    """A proposer with a role, an area or both; see the module.

    >>> from trialwright.propose.baselines import Random
    >>> Posted(Random(), Delegate(member="random", name="scout", role="explorer")).name
    'scout'
    """

    def __init__(self, member: Proposer, delegate: Delegate) -> None:
        self._member = member
        self._delegate = delegate
        self._area = delegate.area or Area()

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return self._delegate.name

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` proposals, best first.

        Raises:
            ProposerError: nothing that is new is left of its area.
        """
        evidence = Evidence.of(task, history)
        best = self._best(evidence)
        pool = self._pool(evidence, best, n, rng)
        if not pool and self._area != Area():
            raise ProposerError(f"nothing untried is left of its area ({self._area})")
        ranking = _Ranking(evidence, best)
        match self._delegate.role:
            case "explorer":
                chosen = ranking.novel(pool, n)
            case "exploiter":
                chosen = ranking.close(pool, n)
            case _:
                chosen = ranking.promising(pool, n)
        return [self._worded(evidence, one, best, why) for one, why in chosen]

    def _best(self, evidence: Evidence) -> Trial | None:
        """The best trial; where that is not of the area, the best of those that are."""
        history = evidence.history
        best = history.best(code=history.code) if history.opened else None
        ranked = [*([best] if best else []), *evidence.best]
        return next((trial for trial in ranked if self._area.holds(trial.configuration)), None)

    # -- what is weighed

    def _pool(
        self, evidence: Evidence, best: Trial | None, n: int, rng: np.random.Generator
    ) -> list[Weighed]:
        """What is legal, new and of the area; each configuration once, the member's own first."""
        space, history = evidence.task.space, evidence.history
        base = space.complete({}) if best is None else dict(best.configuration)
        found: dict[str, Weighed] = {}
        for one in self._offers(evidence, base, n, rng):
            configuration = one.configuration
            key = space.key(configuration)
            if key in found or space.check(configuration) or not self._area.holds(configuration):
                continue
            if is_fresh(space, history, configuration):
                found[key] = one
        return list(found.values())

    def _offers(
        self, evidence: Evidence, base: Configuration, n: int, rng: np.random.Generator
    ) -> Iterator[Weighed]:
        space, inside = evidence.task.space, self._area.names(evidence.task.space)
        for proposal in self._asked(evidence, n * OFFERED, rng):
            given = space.canonical(proposal.configuration)
            held = self._held(given, base, space)
            whole = held == given and self._is_from(proposal, evidence, base)
            yield Weighed(held, proposal if whole else None)
        yield Weighed(dict(base))
        listed = _listed(space, inside, base)
        yield from (Weighed(self._held(one, base, space)) for one in listed)
        for index in range(0 if listed else STEPS):
            reach = REACH[index % len(REACH)]
            yield Weighed(space.complete(_stepped(space, base, inside, rng=rng, reach=reach)))
        for _ in range(0 if listed else DRAWN):
            try:
                yield Weighed(self._held(self._narrowed(space).sample(rng), base, space))
            except SpaceError:
                return

    def _narrowed(self, space: Space) -> Space:
        """The space with the condition that an area makes, as one more constraint."""
        if not self._area.where:
            return space
        return replace(space, constraints=(*space.constraints, self._area.where))

    def _asked(self, evidence: Evidence, n: int, rng: np.random.Generator) -> list[Proposal]:
        task = evidence.task
        narrowed = replace(task, space=self._narrowed(task.space))
        try:
            return self._member(narrowed, evidence.history, n, rng)
        except SpaceError:
            return []  # chance finds nothing that meets the condition: small steps still may

    def _held(self, given: Configuration, base: Configuration, space: Space) -> dict[str, Scalar]:
        """A configuration held back to the area: all else as in `base`."""
        if not self._area.parameters:
            return dict(given)
        inside = self._area.names(space)
        moved = {name: given[name] for name in inside if name in given}
        return space.complete({**base, **moved})

    def _is_from(self, proposal: Proposal, evidence: Evidence, base: Configuration) -> bool:
        """Whether a proposal's own parent will do: in an area it is the best trial, or none."""
        if not self._area.parameters:
            return True
        parent = proposal.parent
        return parent is not None and evidence.history.trials[parent].configuration == base

    # -- words

    def _worded(self, evidence: Evidence, one: Weighed, best: Trial | None, why: str) -> Proposal:
        proposal = one.own
        if proposal is None:
            move = Move(configuration=one.configuration, parent=best, text=why, weight=0.0)
            proposal = words.proposal(evidence, one.configuration, move=move)
        role = (self._delegate.role or "").capitalize()
        area = f"keeps to {self._area}" if self._area != Area() else ""
        lead = ", ".join(part for part in (role, area) if part)
        told = f": {why}" if why and one.own is not None else ""
        said = f"{lead[:1].upper()}{lead[1:]}{told}."
        return replace(proposal, by=self.name, rationale=f"{said} {proposal.rationale}")


class _Ranking:
    """What a role makes of what may be proposed."""

    def __init__(self, evidence: Evidence, best: Trial | None) -> None:
        self._evidence = evidence
        self._space = evidence.task.space
        self._best = best

    def promising(self, pool: Sequence[Weighed], n: int) -> list[tuple[Weighed, str]]:
        """What the member itself proposes; then what promises most."""
        own = [one for one in pool if one.own is not None]
        others = [one for one in pool if one.own is None]
        model = self._evidence.model
        if model is not None and others:
            points = model.features.of([one.configuration for one in others])
            gain = model.log_improvement(points, model.best_utility())
            gain = gain + self._evidence.feasibility.log_probability(points)
            others = [others[int(i)] for i in np.argsort(-gain, kind="stable")]
        return [(one, "") for one in [*own, *others][:n]]

    def close(self, pool: Sequence[Weighed], n: int) -> list[tuple[Weighed, str]]:
        """Of the nearest third, what is expected to be best."""
        model, best = self._evidence.model, self._best
        if model is None or best is None:
            return self.promising(pool, n)
        gaps = self._gaps(pool, [best.configuration])
        near = np.argsort(gaps, kind="stable")[: max(len(pool) // NEAREST, n)]
        points = model.features.of([pool[int(i)].configuration for i in near])
        mean, _ = model.utility(points)
        mean = mean + self._evidence.feasibility.log_probability(points)
        order = [int(near[int(i)]) for i in np.argsort(-mean, kind="stable")[:n]]
        return [
            (pool[i], f"near the best, trial {best.number} ({gaps[i]:.2f} of a range away on"
             " average), and expected to be the best there")
            for i in order
        ]  # fmt: skip

    def novel(self, pool: Sequence[Weighed], n: int) -> list[tuple[Weighed, str]]:
        """Of what might be better than half of the results, what is farthest from all of it."""
        model = self._evidence.model
        if model is None:
            return self.promising(pool, n)
        points = model.features.of([one.configuration for one in pool])
        mean, sd = model.utility(points) if pool else (np.zeros(0), np.zeros(0))
        results = np.array(list(self._evidence.values.values()))
        middle = float(np.median(model.scale.to_utility(results)))
        likely = self._evidence.feasibility.log_probability(points) >= LIKELY
        fine = [i for i in range(len(pool)) if mean[i] + sd[i] >= middle and likely[i]]
        left = list(fine or range(len(pool)))
        tried = [trial.configuration for trial in self._evidence.trials]
        gaps = self._gaps(pool, tried)
        chosen: list[tuple[Weighed, str]] = []
        while left and len(chosen) < n:
            first = max(left, key=lambda i: gaps[i])
            left.remove(first)
            text = (
                f"{gaps[first]:.2f} of a range away on average from anything tried, and it may be"
                " better than half of it"
            )
            chosen.append((pool[first], text if first in fine else text.partition(", and")[0]))
            gaps = np.minimum(gaps, self._gaps(pool, [pool[first].configuration]))
        return chosen

    def _gaps(self, pool: Sequence[Weighed], others: Sequence[Configuration]) -> Array:
        """The distance of each to the nearest of `others`: the mean over parameters, in ranges."""
        if not pool or not others:
            return np.zeros(len(pool))
        points = self._space.encode([one.configuration for one in pool])
        there = self._space.encode(others)
        return np.asarray(
            np.min(np.stack([np.mean(np.abs(points - row), axis=1) for row in there]), axis=0)
        )


def _listed(space: Space, inside: Sequence[str], base: Configuration) -> list[dict[str, Scalar]]:
    """Every configuration of a finite area; [] where there are too many to list."""
    counts = [space[name].count for name in inside]
    finite = [count for count in counts if count is not None]
    if len(finite) < len(counts) or math.prod(finite) > LISTED:
        return []
    sides = [
        [space[name].from_unit((i + 0.5) / count) for i in range(count)]
        for name, count in zip(inside, finite, strict=True)
    ]
    return [
        space.complete({**base, **dict(zip(inside, values, strict=True))})
        for values in itertools.product(*sides)
    ]


def _stepped(
    space: Space,
    base: Configuration,
    inside: Sequence[str],
    *,
    rng: np.random.Generator,
    reach: float,
) -> dict[str, Scalar]:
    """A small step from `base`: one to three of the parameters moved."""
    names = [name for name in inside if name in base]
    values = dict(base)
    if not names:
        return values
    count = min(int(rng.integers(1, 4)), len(names))
    for index in rng.choice(len(names), size=count, replace=False):
        parameter = space[names[int(index)]]
        if isinstance(parameter, Choice):
            values[parameter.name] = parameter.from_unit(float(rng.random()))
            continue
        grain = 1.0 / parameter.count if parameter.count is not None else 0.0
        step = float(rng.normal()) * reach
        step = math.copysign(max(abs(step), grain), step)
        unit = parameter.to_unit(values[parameter.name]) + step
        values[parameter.name] = parameter.from_unit(min(max(unit, 0.0), 1.0))
    return values
