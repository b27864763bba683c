"""What a practitioner would change next, after what a trial has shown.

A move starts from a trial and changes a few parameters for a stated reason. The rules are data
(`knowledge/moves.yaml`). It does not judge whether a move will help: the expert scores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from trialwright.expression import Scalar
from trialwright.history import Trial
from trialwright.propose import knowledge
from trialwright.propose.knowledge import Advice, MoveRule
from trialwright.propose.prior import (
    Prior,
    at_place,
    is_logarithmic,
    is_unordered,
    nearest,
    place_of,
    snapped,
)
from trialwright.records import Diagnosis
from trialwright.space import Choice, Configuration, Float, Int, Parameter

EXPLORED = 3
"""Parents that moves start from: the best trials."""
PLAIN_STEP = 0.15
"""A usual change of a parameter of which nothing is known, as a share of its range."""
_CAUSES = frozenset({"out_of_memory_host", "out_of_memory_gpu", "killed", "timed_out"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A configuration that follows from a trial by a rule."""

    configuration: Mapping[str, Scalar]
    parent: Trial | None
    text: str
    """What was seen, and what that calls for."""
    weight: float
    """Log odds that it helps, before any result."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Per parameter that the rule changes."""
    kind: str = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What moves start from: the best trials, best first, and what is known of runs that ended."""

    best: Sequence[Trial]
    diagnoses: Mapping[int, Diagnosis]
    """By trial number."""
    failed: Sequence[Trial] = ()
    """Latest first."""
    classes: bool = False
    """Whether the metric lives on the rarer class."""


def moves(prior: Prior, seen: Seen) -> list[Move]:
    """Return what a practitioner would try next, legal and without repeats of each other."""
    found: dict[str, Move] = {}
    for move in _all_moves(prior, seen):
        key = prior.space.key(move.configuration)
        known = found.get(key)
        if (known is None or known.weight < move.weight) and not prior.space.check(
            move.configuration
        ):
            found[key] = move
    return list(found.values())


def _all_moves(prior: Prior, seen: Seen) -> Iterator[Move]:
    yield from _recipe_moves(prior, seen.best[0] if seen.best else None)
    for rank, trial in enumerate(seen.best[:EXPLORED]):
        yield from _rule_moves(prior, trial, _signs(trial, seen), discount=0.3 * rank)
        yield from _momentum_moves(prior, trial, seen, discount=0.3 * rank)
        yield from _switches(prior, trial)
    for trial in seen.failed[:1]:
        yield from _rule_moves(prior, trial, _failure_signs(trial), discount=0.0)


def _signs(trial: Trial, seen: Seen) -> dict[str, str]:
    """Return the signs that rules look for, each with the words that tell of it."""
    diagnosis = seen.diagnoses.get(trial.number)
    signs = {"any": ""}
    if seen.classes:
        signs["classes"] = ""
    if diagnosis is not None:
        signs |= dict.fromkeys(diagnosis.findings, diagnosis.sentence)
    return signs


def _failure_signs(trial: Trial) -> dict[str, str]:
    """Return what a failed trial calls for: its causes that a configuration can cure."""
    signs: dict[str, str] = {}
    for run in trial.runs:
        if run.observation is None or run.observation.cause is None:
            continue
        cause = run.observation.cause
        if cause in _CAUSES or cause == "diverged":
            signs[cause] = run.observation.detail or f"it failed: {cause.replace('_', ' ')}"
    return signs


def _rule_moves(
    prior: Prior, trial: Trial, signs: Mapping[str, str], *, discount: float
) -> Iterator[Move]:
    for rule in knowledge.move_rules():
        telling = next((signs[sign] for sign in rule.signs if sign in signs), None)
        if telling is None:
            continue
        for steps in _steps_of(rule, prior, trial.configuration):
            move = _stepped(prior, trial, steps, rule=rule, telling=telling)
            if move is not None:
                yield _discounted(move, discount)


def _steps_of(rule: MoveRule, prior: Prior, configuration: Configuration) -> list[dict[str, float]]:
    """Return the changes that a rule calls for: parameter -> usual steps, upward positive.

    A rule about an effect gives one change per parameter that has it, and one of all that matter.
    """
    if rule.concepts:
        steps = {
            name: amount
            for concept, amount in rule.concepts.items()
            for name in prior.named(concept)
            if name in configuration
        }
        return [steps] if steps else []
    every = {
        name: float(direction * known.raises[effect])
        for effect, direction in rule.effect.items()
        for name, known in prior.advice.items()
        if effect in known.raises and name in configuration
    }
    together = {name: 0.7 * step for name, step in every.items() if prior.advice[name].rank <= 2}
    return [{name: step} for name, step in every.items()] + (
        [together] if len(together) > 1 else []
    )


def _stepped(
    prior: Prior, trial: Trial, steps: Mapping[str, float], *, rule: MoveRule, telling: str
) -> Move | None:
    changed = dict(trial.configuration)
    reasons = {}
    for name, amount in steps.items():
        value = stepped(prior.space[name], changed[name], prior.advice.get(name), amount=amount)
        if value is not None and value != changed[name]:
            changed[name] = value
            reasons[name] = rule.text
    if not reasons:
        return None
    return Move(
        configuration=prior.complete(changed),
        parent=trial,
        text=f"{telling.rstrip('.')}: {rule.text}" if telling else rule.text,
        weight=rule.weight,
        reasons=reasons,
        kind=rule.name,
    )


def _momentum_moves(prior: Prior, trial: Trial, seen: Seen, *, discount: float) -> Iterator[Move]:
    """Go on in the direction that has just paid: beyond the trial, as seen from its parent."""
    parent = next((t for t in seen.best if t.number == trial.proposal.parent), None)
    if parent is None:
        return
    for stride in (0.6, 1.2):
        changed, reasons = dict(trial.configuration), {}
        for name, value in trial.configuration.items():
            parameter = prior.space[name]
            before = parent.configuration.get(name)
            if before is None or before == value or is_unordered(parameter):
                continue
            here, there = place_of(parameter, value), place_of(parameter, before)
            further = at_place(parameter, here + stride * (here - there))
            if further != value:
                changed[name], reasons[name] = further, "go on in the direction that paid"
        if reasons:
            yield Move(
                configuration=prior.complete(changed),
                parent=trial,
                text=f"trial {trial.number} gained on trial {parent.number}: go on that way",
                weight=0.3 - discount,
                reasons=reasons,
                kind="go on",
            )


def _switches(prior: Prior, trial: Trial) -> Iterator[Move]:
    """Try another option where the knowledge base thinks it as good; shift what depends on it."""
    for name, value in trial.configuration.items():
        parameter = prior.space[name]
        if not isinstance(parameter, Choice) or not is_unordered(parameter):
            continue
        for option in parameter.options:
            if option == value:
                continue
            changed = dict(trial.configuration) | {name: option}
            reasons = {name: f"see whether {option} does better than {value}"}
            for other in _dependent(prior, trial.configuration, changed):
                known = prior.settled(other, changed)
                fitted = nearest(prior.space[other], known.default if known else None)
                if known is not None and fitted is not None:
                    changed[other] = fitted
                    reasons[other] = known.why
            yield Move(
                configuration=prior.complete(changed),
                parent=trial,
                text=f"try {name} = {option}, all else as suits it",
                weight=-0.2,
                reasons=reasons,
                kind="switch",
            )


def _dependent(prior: Prior, before: Configuration, after: Configuration) -> list[str]:
    """Return the parameters whose advice changes with what was changed."""
    return [
        name
        for name in prior.advice
        if name in after and prior.settled(name, before) != prior.settled(name, after)
    ]


def _recipe_moves(prior: Prior, parent: Trial | None) -> Iterator[Move]:
    for rank, recipe in enumerate(prior.recipes):
        base = prior.start()
        configuration = prior.from_concepts(recipe.values, base)
        yield Move(
            configuration=configuration,
            parent=parent,
            text=f"a configuration that is known to do well: {recipe.name} ({recipe.source})",
            weight=0.4 - 0.2 * rank,
            reasons={
                name: f"part of a known recipe: {recipe.name}"
                for name in configuration
                if name in prior.advice and prior.advice[name].concept in recipe.values
            },
            kind="recipe",
        )


def stepped(
    parameter: Parameter, value: Scalar, known: Advice | None, *, amount: float
) -> Scalar | None:
    """Return `value` moved by `amount` usual steps; None if the parameter has no order.

    Always at least one step of the domain, unless its end is reached.
    """
    if is_unordered(parameter):
        return None
    place = place_of(parameter, value)
    if isinstance(parameter, Float | Int) and isinstance(value, int | float) and known is not None:
        moved = float(value)
        if known.step.factor != 1.0:
            moved = moved * known.step.factor**amount if moved else _off_zero(parameter, amount)
        moved += known.step.amount * amount
        result = snapped(parameter, moved)
        if result == value and isinstance(parameter, Int):
            result = snapped(parameter, float(value) + parameter.step * (1 if amount > 0 else -1))
        return result
    if isinstance(parameter, Float | Int):
        return at_place(parameter, place + PLAIN_STEP * amount)
    assert parameter.count
    return at_place(
        parameter, place + max(abs(amount), 1.0) * (1 if amount > 0 else -1) / parameter.count
    )


def _off_zero(parameter: Float | Int, amount: float) -> float:
    """Where a factor leads from zero: a tenth of the range, if upward."""
    assert not is_logarithmic(parameter)
    return parameter.low + 0.1 * (parameter.high - parameter.low) * max(amount, 0.0)


def _discounted(move: Move, discount: float) -> Move:
    return Move(
        configuration=move.configuration,
        parent=move.parent,
        text=move.text,
        weight=move.weight - discount,
        reasons=move.reasons,
        kind=move.kind,
    )
