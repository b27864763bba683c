"""Says why each parameter is changed, in words that fit what it stands for and which way it goes.

A rule (`knowledge/moves.yaml`) speaks for a change of several parameters at once; here each gets
its own part of that. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from trialwright import knowledge
from trialwright.expression import Scalar
from trialwright.history import Trial
from trialwright.knowledge import Advice
from trialwright.propose.evidence import Evidence
from trialwright.propose.moves import Move
from trialwright.propose.prior import is_unordered, place_of
from trialwright.space import Configuration

_STEPS: Mapping[str, tuple[str, str]] = {
    "learning_rate": ("larger steps", "smaller steps"),
    "weight_decay": ("stronger weight decay", "weaker weight decay"),
    "momentum": ("more momentum", "less momentum"),
    "beta2": ("longer averages of the gradient's square", "shorter averages of it"),
    "dropout": ("more dropout", "less dropout"),
    "batch_size": ("larger batches", "smaller batches"),
    "epochs": ("longer training", "shorter training"),
    "warmup": ("a longer warm-up", "a shorter warm-up"),
    "gradient_clip": ("looser clipping", "harder clipping"),
    "label_smoothing": ("more label smoothing", "less label smoothing"),
    "augmentation": ("more augmentation", "less augmentation"),
    "width": ("a wider model", "a narrower model"),
    "embedding": ("a larger embedding", "a smaller embedding"),
    "layers": ("a deeper model", "a shallower model"),
    "heads": ("more heads", "fewer heads"),
    "n_estimators": ("more trees", "fewer trees"),
    "max_depth": ("deeper trees", "shallower trees"),
    "max_leaves": ("more leaves", "fewer leaves"),
    "min_leaf": ("larger leaves", "smaller leaves"),
    "min_child_weight": ("heavier leaves", "lighter leaves"),
    "subsample": ("more rows per tree", "fewer rows per tree"),
    "colsample": ("more columns per tree", "fewer columns per tree"),
    "split_gain": ("a higher bar for splits", "a lower bar for splits"),
    "l1": ("a stronger L1 penalty", "a weaker L1 penalty"),
    "l2_trees": ("a stronger L2 penalty", "a weaker L2 penalty"),
    "class_weight": ("more weight on the rarer class", "less weight on the rarer class"),
    "inverse_regularization": ("a weaker penalty", "a stronger penalty"),
    "kernel_gamma": ("a shorter reach of each case", "a longer reach of each case"),
    "penalty_strength": ("a stronger penalty", "a weaker penalty"),
    "l1_ratio": ("more L1 in the mixture", "less L1 in the mixture"),
    "neighbours": ("more neighbours", "fewer neighbours"),
}
"""What raising and lowering a parameter is, by its concept."""

_PURPOSE: Mapping[tuple[str, int], str] = {
    ("fit", 1): "to fit more closely",
    ("fit", -1): "to fit less closely",
    ("memory", -1): "to need less memory",
    ("time", -1): "to need less time",
}
"""What a rule is after, by the effect and the direction that it names."""

_MEANT: Mapping[tuple[str, str], str] = {
    ("smaller steps, more of them", "learning_rate"): "which usually generalise better",
    ("smaller steps, more of them", "epochs"): "to get further",
    ("smaller steps, more of them", "n_estimators"): "to get further",
    ("fewer steps, larger ones", "learning_rate"): "which get further in the same time",
    ("fewer steps, larger ones", "n_estimators"): "which may do as well",
    ("larger batches, larger steps", "learning_rate"): "which get further in the same time",
    ("larger batches, larger steps", "batch_size"): "whose gradients are steadier",
    ("smaller batches", "batch_size"): "which take more steps and regularise by their noise",
    ("calmer gradients", "batch_size"): "to average over more cases",
    ("escape the plateau", "learning_rate"): "which may reach further",
    ("anneal the plateau", "learning_rate"): "which may settle better",
}
"""What a rule's step is for, by the rule's name and the parameter's concept."""

_TOGETHER: Mapping[tuple[str, str], tuple[str, str]] = {
    ("smaller steps, more of them", "epochs"): ("learning_rate", "to make up for smaller steps"),
    ("smaller steps, more of them", "n_estimators"): ("learning_rate", "as smaller steps need"),
    ("fewer steps, larger ones", "n_estimators"): ("learning_rate", "as larger steps allow"),
    ("larger batches, larger steps", "learning_rate"): ("batch_size", "as larger batches allow"),
}
"""The same where the parameter of another concept is changed too."""

_IN_RANGE = "within the usual range"
_UNDERFITS = "training is no better than validation"


def reason(
    evidence: Evidence,
    name: str,
    configuration: Configuration,
    before: Configuration,
    move: Move | None,
) -> str:
    """Say why one parameter is changed: by the rule, by the model, or by what is known of it."""
    if move is not None and name in move.reasons:
        ruled = _ruled(evidence, name, configuration, before, move)
        return ruled.text if ruled else _stated(evidence, name, configuration, before, move)
    if name not in configuration:
        return "does not apply beside the other values"
    if name not in before:
        return "applies now, at a plausible value"
    step = _step(evidence, name, configuration, before)
    return f"{step}: {_expected(evidence, name, configuration, before)}"


def _stated(
    evidence: Evidence,
    name: str,
    configuration: Configuration,
    before: Configuration,
    move: Move,
) -> str:
    """Return a move's own reason; where it is what is known of a parameter, say the step as well.

    What is known speaks for a value, whichever way it lies from here.
    """
    given = move.reasons[name]
    known = {known.why for at in (configuration, before) if (known := _settled(evidence, name, at))}
    if given not in known or name not in configuration or name not in before:
        return given
    return f"{_step(evidence, name, configuration, before)}: {given}"


def _settled(evidence: Evidence, name: str, configuration: Configuration) -> Advice | None:
    return evidence.prior.settled(name, configuration)


def _expected(
    evidence: Evidence, name: str, configuration: Configuration, before: Configuration
) -> str:
    """Say what speaks for a step that no rule calls for."""
    if name in evidence.prior.idle:
        return "it weighs classes, and a number that is predicted has none"
    learnt = _learnt(evidence, name, configuration, before)
    if learnt:
        return learnt
    seen = next((t for t in evidence.trials if _has(t, name, configuration[name])), None)
    if seen is not None:
        return f"as in trial {seen.number}, not yet beside these values"
    known = evidence.prior.settled(name, configuration)
    if known is not None and _in_good(evidence, name, configuration):
        nearer = _nearer(evidence, name, configuration, before)
        return f"untried so far, and {'nearer to what is usual' if nearer else _IN_RANGE}"
    return "untried so far, and little is known there"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ruled:
    """One parameter's part in a rule: what was seen, what is done, and what for."""

    cause: str
    step: str
    purpose: str

    @property
    def text(self) -> str:
        """All of it, as far as there is any."""
        return _joined(self.cause, [self.step], self.purpose)


def _joined(cause: str, steps: Sequence[str], purpose: str) -> str:
    done = " and ".join([", ".join(steps[:-1]), steps[-1]]) if len(steps) > 1 else steps[0]
    return (f"{cause}: " if cause else "") + done + (f", {purpose}" if purpose else "")


def _ruled(
    evidence: Evidence,
    name: str,
    configuration: Configuration,
    before: Configuration,
    move: Move,
) -> _Ruled | None:
    """Put a rule's reason for one parameter into words that fit it; None if no rule gave it."""
    rule = _rules().get(move.reasons.get(name, ""))
    if rule is None or name not in configuration or name not in before:
        return None
    cause, comma, _ = rule.text.partition(", so ")
    cause = cause if comma else ""
    reading = evidence.reading(move.parent) if move.parent is not None else None
    if "underfitting" in rule.signs and reading and "still_improving" not in reading.findings:
        cause = _UNDERFITS
    effects = [_PURPOSE.get((effect, way), "") for effect, way in rule.effect.items()]
    known = evidence.prior.advice.get(name)
    concept = known.concept if known else ""
    purpose = effects[0] if effects else _purpose(evidence, rule.name, concept, move)
    return _Ruled(cause=cause, step=_step(evidence, name, configuration, before), purpose=purpose)


def _purpose(evidence: Evidence, rule: str, concept: str, move: Move) -> str:
    """What a step by a rule is for, where another parameter's step need not be beside it."""
    beside = {
        evidence.prior.advice[name].concept
        for name in move.reasons
        if name in evidence.prior.advice
    }
    other, purpose = _TOGETHER.get((rule, concept), ("", ""))
    return purpose if other in beside else _MEANT.get((rule, concept), "")


@cache
def _rules() -> dict[str, knowledge.MoveRule]:
    """The rules of what to change next, by their texts."""
    return {rule.text: rule for rule in knowledge.move_rules()}


def because(
    evidence: Evidence,
    names: Sequence[str],
    configuration: Configuration,
    before: Configuration,
    move: Move,
) -> str:
    """Say what speaks for a move, by what it really changes."""
    told = []
    for part in move.text.split("; "):
        ruled = [
            found
            for name in names
            if move.reasons.get(name) == part
            and (found := _ruled(evidence, name, configuration, before, move))
        ]
        groups: dict[tuple[str, str], list[str]] = {}
        for each in ruled:
            groups.setdefault((each.cause, each.purpose), []).append(each.step)
        told += [_joined(cause, steps, purpose) for (cause, purpose), steps in groups.items()]
        told += [] if ruled else [part]
    return "; ".join(told)


def _step(
    evidence: Evidence, name: str, configuration: Configuration, before: Configuration
) -> str:
    """Say which way a parameter goes, in the words of what it stands for."""
    parameter = evidence.task.space[name]
    value, old = configuration[name], before[name]
    if is_unordered(parameter):
        return f"{shown(value)} instead of {shown(old)}"
    up = place_of(parameter, value) >= place_of(parameter, old)
    known = evidence.prior.advice.get(name)
    if known is not None and known.concept in _STEPS and name not in evidence.prior.idle:
        return _STEPS[known.concept][0 if up else 1]
    return f"a {'larger' if up else 'smaller'} {name}"


def _has(trial: Trial, name: str, value: Scalar) -> bool:
    return name in trial.configuration and trial.configuration[name] == value


def _nearer(
    evidence: Evidence, name: str, configuration: Configuration, before: Configuration
) -> bool:
    """Whether a value is nearer to what is known to be sensible than the one before."""
    known = evidence.prior.settled(name, configuration)
    parameter = evidence.task.space[name]
    if known is not None and known.relative is not None:
        usual = known.relative[0]
    elif known is not None and known.default is not None:
        usual = place_of(parameter, known.default)
    else:
        return False
    now, then = (place_of(parameter, values[name]) for values in (configuration, before))
    return abs(now - usual) < abs(then - usual)


def _learnt(
    evidence: Evidence, name: str, configuration: Configuration, before: Configuration
) -> str:
    """Say what the model expects of this change alone, if it expects anything."""
    model = evidence.model
    space = evidence.task.space
    alone = space.canonical({**before, name: configuration[name]})
    if model is None or space.check(alone):
        return ""
    prediction = model.predict([before, alone])
    gain = evidence.sign * float(prediction.mean[1] - prediction.mean[0])
    spread = float(prediction.high[1] - prediction.low[1]) / 2.0
    if gain > 0.1 * spread:
        return f"the results so far point this way, {number(gain)} better from this alone"
    return ""


def _in_good(evidence: Evidence, name: str, configuration: Configuration) -> bool:
    known = evidence.prior.settled(name, configuration)
    value = configuration[name]
    if known is None or not isinstance(value, int | float):
        return False
    if known.relative is not None:
        low, high = known.relative[1]
        return low <= place_of(evidence.task.space[name], value) <= high
    if known.good is None:
        return False
    return known.good[0] <= value <= known.good[1]


def number(value: float) -> str:
    """Write a number with four significant digits."""
    return f"{value:.4g}"


def shown(value: Scalar) -> str:
    """Write a parameter's value: a number with four significant digits, else as it stands."""
    return number(value) if isinstance(value, float) else str(value)
