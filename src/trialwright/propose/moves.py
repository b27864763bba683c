"""What a practitioner would change next, after what a trial has shown.

A move starts from a trial and changes a few parameters for a stated reason. The rules are data
(`knowledge/moves.yaml`). It does not judge whether a move will help: the expert scores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trialwright import knowledge
from trialwright.analysis.curves import overfits
from trialwright.expression import Scalar, evaluate
from trialwright.history import Trial
from trialwright.knowledge import Advice, MetricFacts, MoveRule
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
POOR = 2.0
"""Further log odds of starting over from what is known, where the results are poor."""
POOR_SHARE = 0.2
"""Share of the metric's usual range below which they are."""
LEARNT = 0.6
"""Change in weight for an equal change that paid, or did not."""
COMBINED = 3
"""Moves that are made at once at most."""
CALLED_FOR = 0.8
"""Further log odds of a recipe against what was found in the run that it starts from."""
_WHOLE = frozenset({"recipe", "switch", "go on"})
"""Kinds of moves that say something of a configuration as a whole."""
_CAUSES = frozenset({"out_of_memory_host", "out_of_memory_gpu", "killed", "timed_out"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A configuration that follows from a trial by a rule."""

    configuration: Mapping[str, Scalar]
    parent: Trial | None
    text: str
    """What speaks for it."""
    seen: str = ""
    """What was seen that calls for it, where that is more than the parent's result."""
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
    facts: MetricFacts
    """What is known of the metric."""
    sign: int = 1
    """+1 if larger is better, -1 if smaller is."""


def moves(prior: Prior, seen: Seen) -> list[Move]:
    """Return what a practitioner would try next, legal and without repeats of each other."""
    found: dict[str, Move] = {}
    every = list(_all_moves(prior, seen))
    record = record_of(prior, seen)
    for plain in [*every, *_combined(prior, seen, every)]:
        move = replace(plain, weight=plain.weight + _credit(prior, plain, record))
        key = prior.space.key(move.configuration)
        known = found.get(key)
        if (known is None or known.weight < move.weight) and not prior.space.check(
            move.configuration
        ):
            found[key] = move
    return list(found.values())


def _all_moves(prior: Prior, seen: Seen) -> Iterator[Move]:
    yield from _recipe_moves(prior, seen)
    for rank, trial in enumerate(seen.best[:EXPLORED]):
        yield from _rule_moves(prior, trial, signs_of(trial, seen), discount=0.3 * rank)
        yield from _momentum_moves(prior, trial, seen, discount=0.3 * rank)
        yield from _switches(prior, trial)
        yield from _weight_moves(prior, trial, seen.facts)
    for trial in seen.failed[:1]:
        yield from _rule_moves(prior, trial, failure_signs(trial), discount=0.0)


Signed = frozenset[tuple[str, int]]
"""Changes by name and direction; options count as upward."""


def record_of(prior: Prior, seen: Seen) -> list[tuple[Signed, int]]:
    """Return what was changed so far, each with whether it paid: +1 or -1."""
    found = []
    by_number = {trial.number: trial for trial in seen.best}
    for trial in seen.best:
        parent = by_number.get(-1 if trial.proposal.parent is None else trial.proposal.parent)
        if parent is not None and trial.value is not None and parent.value is not None:
            signed = _signed(prior, parent.configuration, trial.configuration)
            paid = seen.sign * (trial.value - parent.value) > 0
            found.append((signed, 1 if paid else -1))
    return found


def _signed(prior: Prior, before: Configuration, after: Configuration) -> Signed:
    changes = set()
    for name, value in after.items():
        if name not in before or value == before[name]:
            continue
        parameter = prior.space[name]
        upward = is_unordered(parameter) or place_of(parameter, value) > place_of(
            parameter, before[name]
        )
        changes.add((name, 1 if upward else -1))
    return frozenset(changes)


def _credit(prior: Prior, move: Move, record: Sequence[tuple[Signed, int]]) -> float:
    """What earlier changes of the same kind say of a move: what did not pay is not tried again."""
    if move.parent is None or not record:
        return 0.0
    signed = _signed(prior, move.parent.configuration, move.configuration)
    total = sum(
        paid * len(signed & earlier) / max(len(signed | earlier), 1) for earlier, paid in record
    )
    return min(max(LEARNT * total, -3 * LEARNT), LEARNT)


def _combined(prior: Prior, seen: Seen, every: Sequence[Move]) -> Iterator[Move]:
    """Do several things at once that do not touch the same parameters, as few trials call for."""
    for parent in seen.best[:2]:
        own = [m for m in every if m.parent is parent and m.reasons and m.kind not in _WHOLE]
        own.sort(key=lambda move: -move.weight)
        for first in own[:COMBINED]:
            yield from _merged(prior, parent, [first, *(m for m in own if m is not first)])


def _merged(prior: Prior, parent: Trial, ranked: Sequence[Move]) -> Iterator[Move]:
    """Join the first move with those behind it that leave its parameters alone."""
    joined = [ranked[0]]
    for move in ranked[1:]:
        touched = {name for part in joined for name in part.reasons}
        if move.weight <= 0.0 or touched & move.reasons.keys() or len(joined) == COMBINED:
            continue
        joined.append(move)
        changed = {
            name: part.configuration[name]
            for part in joined
            for name in part.reasons
            if name in part.configuration
        }
        yield Move(
            configuration=prior.complete({**parent.configuration, **changed}),
            parent=parent,
            text="; ".join(dict.fromkeys(part.text for part in joined)),
            seen=joined[0].seen,
            weight=0.8 * sum(part.weight for part in joined),
            reasons={name: why for part in joined for name, why in part.reasons.items()},
            kind="several",
        )


def signs_of(trial: Trial, seen: Seen) -> dict[str, str]:
    """Return the signs that rules look for, each with the words that tell of it."""
    diagnosis = seen.diagnoses.get(trial.number)
    signs = {"any": ""}
    if seen.facts.classes:
        signs["classes"] = ""
    if diagnosis is not None:
        signs |= dict.fromkeys(_findings(diagnosis), diagnosis.sentence)
    return signs


def _findings(diagnosis: Diagnosis) -> list[str]:
    """What was found, with training that is merely ahead told from held-out that got worse.

    Flexible models are always ahead of themselves; as long as the held-out curve rises, that is
    no reason to hold them back.
    """
    if "overfitting" not in diagnosis.findings or overfits(diagnosis):
        return list(diagnosis.findings)
    others = [one for one in diagnosis.findings if one != "overfitting"]
    numbers = diagnosis.numbers
    rising = numbers.get("best") == numbers.get("last") and numbers.get("slope", 0.0) != 0.0
    return [*others, "gap", *(["still_improving"] if rising else [])]


def failure_signs(trial: Trial) -> dict[str, str]:
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
        for steps in steps_of(rule, prior, trial.configuration):
            move = _stepped(prior, trial, steps, rule=rule, telling=telling)
            if move is not None:
                yield replace(move, weight=move.weight - discount)


def steps_of(rule: MoveRule, prior: Prior, configuration: Configuration) -> list[dict[str, float]]:
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
        text=rule.text,
        seen=telling,
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


def _weight_moves(prior: Prior, trial: Trial, facts: MetricFacts) -> Iterator[Move]:
    """Weigh the positive class as theory says that the value reached without a weight calls for."""
    value = trial.value
    if facts.positive_weight is None or value is None or not 0.0 < value < 1.0:
        return
    for name in prior.named("class_weight"):
        if name not in trial.configuration or trial.configuration[name] != 1:
            continue
        weight = evaluate(facts.positive_weight, {"value": value})
        fitted = nearest(prior.space[name], float(f"{weight:.2g}"))
        if fitted is None or fitted == trial.configuration[name]:
            continue
        known = prior.settled(name, trial.configuration)
        source = f" ({known.source})" if known is not None else ""
        yield Move(
            configuration=prior.complete(dict(trial.configuration) | {name: fitted}),
            parent=trial,
            text=f"at {value:.3g} the positive class is best claimed at a probability of"
            f" {value / 2:.2g}, which a weight of {fitted} brings about{source}",
            weight=1.0,
            reasons={name: "moves the decision to the threshold that is best for this metric"},
            kind="weigh",
        )


def _dependent(prior: Prior, before: Configuration, after: Configuration) -> list[str]:
    """Return the parameters whose advice changes with what was changed."""
    return [
        name
        for name in prior.advice
        if name in after and prior.settled(name, before) != prior.settled(name, after)
    ]


def _recipe_moves(prior: Prior, seen: Seen) -> Iterator[Move]:
    """Known configurations: laid over the best trial, and over what is known of the rest.

    One that answers what was found in the best trial goes with other moves: it is a remedy.
    """
    parent = seen.best[0] if seen.best else None
    signs = {} if parent is None else signs_of(parent, seen)
    poor = POOR if parent is not None and _is_poor(parent, seen) else 0.0
    finding = "the results are far below what a sensible run shows, so " if poor else ""
    if prior.known != prior.start():
        names = [name for name in prior.known if name in prior.advice]
        yield Move(
            configuration=prior.known,
            parent=parent,
            text=f"{finding}start from what is sensible for such a model, not from the defaults",
            weight=0.3 + poor,
            reasons={name: prior.advice[name].why for name in names},
            kind="recipe",
        )
    bases = [prior.known] if parent is None else [parent.configuration, prior.known]
    for rank, recipe in enumerate(prior.recipes):
        telling = next((signs[sign] for sign in recipe.signs if sign in signs), None)
        called = 0.0 if telling is None else CALLED_FOR
        name = recipe.fitting({known.concept for known in prior.advice.values()})
        for base in bases:
            configuration = prior.from_concepts(recipe.values, base)
            yield Move(
                configuration=configuration,
                parent=parent,
                text=f"{finding}take what is known to do well: {name} ({recipe.source})",
                seen=telling or "",
                weight=0.4 - 0.2 * rank + called + (poor if base is prior.known else 0.0),
                reasons={
                    parameter: f"part of a known recipe: {name}"
                    for parameter in configuration
                    if parameter in prior.advice
                    and prior.advice[parameter].concept in recipe.values
                },
                kind="recipe" if telling is None else "remedy",
            )


def _is_poor(best: Trial, seen: Seen) -> bool:
    """Say whether even the best result is at the poor end of what sensible first runs show."""
    if seen.facts.expects is None or best.value is None:
        return False
    low, high = seen.facts.expects
    share = (best.value - low) / (high - low)
    return (share if seen.sign > 0 else 1.0 - share) < POOR_SHARE


DRAWN = "drawn anew, from its usual range or near the best so far"
"""The reason for a value that was drawn from the usual ranges."""


def spread_move(parent: Trial, configuration: Mapping[str, Scalar]) -> Move:
    """Return the move to a configuration that was drawn from the usual ranges."""
    return Move(
        configuration=configuration,
        parent=parent,
        text="a model of the best results does not foretell how they differ, so small steps"
        " would tell nothing: draw anew from the usual ranges",
        weight=0.0,
        reasons={
            name: DRAWN
            for name, value in configuration.items()
            if value != parent.configuration.get(name)
        },
        kind="spread",
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
