"""What to try next, each piece from a number that the study found, the most pressing first.

It looks at the best trial, at what mattered and at what failed. It changes nothing: where a command
would do it, the command is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from trialwright.analysis.compare import compare, scatter
from trialwright.analysis.curves import overfits
from trialwright.analysis.gains import MOST_SEEDS
from trialwright.analysis.importance import Influence
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.knowledge import Advice as Knowledge
from trialwright.propose.prior import Prior, at_place, place_of
from trialwright.records import Cause, Diagnosis
from trialwright.report import counting, words
from trialwright.report.failures import FailureGroup
from trialwright.space import Choice, Float, Int, Ordinal, Parameter
from trialwright.task import fixed_seed

SEEDS = 3
"""Seeds to add where nothing is known of the noise: the least that gives an estimate."""
AFFORDABLE = 20
"""More seeds than this are not advised: a gain that small is better left."""
NEAR = 0.02
"""How near to a bound, as a part of the range, counts as at it."""
SELDOM = 0.2
"""An option whose odds to be best are below this part of the likeliest one's is not advised."""
LATE = 0.5
"""Part of what the better half of the results differ by, beyond which a late gain counts."""
GAP = 0.3
"""Part of a range without any trial that is worth a look."""
MOST = 7

_LENGTH = re.compile(r"epoch|iter|(?:^|_)steps?$|n_estimators|rounds", re.IGNORECASE)
_OF_CONFIGURATION: frozenset[Cause] = frozenset(
    {"out_of_memory_host", "out_of_memory_gpu", "diverged", "timed_out", "stalled"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing to do next."""

    sentence: str
    command: str | None = None


def advice(
    history: History, influences: Sequence[Influence], groups: Sequence[FailureGroup]
) -> tuple[Advice, ...]:
    """Return up to `MOST` pieces of advice, from the trials of the code version that counts."""
    best = history.best()
    found: list[Advice] = []
    if best is not None:
        found += _confirm(best, history)
        found += _bounds(best, history)
        found += _length(best, history)
    found += _avoid(groups)
    found += _unexplored(history, influences)
    if best is not None:
        found += _momentum(best, history)
    return tuple(found[:MOST])


def _confirm(best: Trial, history: History) -> Iterator[Advice]:
    """More seeds for the best, as many as would tell."""
    rival = _rival(best, history)
    if rival is None:
        return
    comparison = compare(best, rival, history)
    if comparison is None:
        return
    probability, needed = comparison.probability, comparison.seeds_needed
    sign = history.task.objective.sign
    pointless = _pointless(best, history)
    if pointless:
        yield Advice(sentence=pointless)
    elif probability is not None and probability >= history.task.confidence:
        return
    elif probability is None:
        yield _replicate(
            best,
            SEEDS,
            f"Run trial {best.number} under {SEEDS} more seeds: no trial has several yet, so"
            " nothing is known of the noise, and its lead is unconfirmed",
        )
    elif needed is not None and needed <= AFFORDABLE:
        lead = (
            f"Trial {best.number} is"
            f" {words.moved(comparison.difference, sign=sign, than=f'trial {rival.number}')} with"
            f" probability {probability:.2f}; about"
            f" {words.count(comparison.seeds + max(needed, 1), 'seed')} of each would bring that"
            f" to {history.task.confidence:g}, if the difference stays"
        )
        for trial in (best, rival):
            missing = comparison.seeds + max(needed, 1) - len(trial.values)
            if missing > 0:
                yield _replicate(trial, missing, lead)
                lead = f"To the same end, more seeds of trial {rival.number}"
    elif comparison.difference > 0:
        many = f"about {needed}" if needed else f"more than {MOST_SEEDS}"
        yield Advice(
            sentence=f"Trials {best.number} and {rival.number} are as good as each other: telling"
            f" them apart would take {many} more seeds each. Take the cheaper one."
        )


def _pointless(best: Trial, history: History) -> str:
    """Say why no more seeds are advised: what can't differ would only seem to confirm itself."""
    same = counting.identical(history)
    if same:
        which = "Trial" if len(same) == 1 else "Trials"
        give = "gives" if len(same) == 1 else "give"
        return (
            f"{which} {words.listed(same)} {give} identical results under different seeds: the"
            " script is deterministic, or does not use its seed. As it stands there is no noise to"
            f" measure, and more seeds of trial {best.number} would tell nothing."
        )
    if counting.unseeded(history):
        fixed = fixed_seed(history.task)
        if fixed:
            return (
                f"The command gives every run the same seed: replace {fixed} by {{seed}}. Until"
                f" then more seeds of trial {best.number} would tell nothing."
            )
        return (
            "Nothing hands the script a seed: its command has no {seed}, and its files do not"
            f" mention {counting.SEED_VARIABLE}. Unless it draws numbers by itself, more seeds of"
            f" trial {best.number} would tell nothing: pass it the seed first."
        )
    return ""


def _rival(best: Trial, history: History) -> Trial | None:
    """The trial that the best was judged against, else the first one."""
    if best.verdict is not None and best.verdict.against is not None:
        return history.trials[best.verdict.against]
    first = history.done(code=best.code)[0]
    return None if first is best else first


def _replicate(trial: Trial, seeds: int, sentence: str) -> Advice:
    command = f"trialwright replicate {trial.number} --seeds {seeds}"
    return Advice(sentence=words.sentence(sentence), command=command)


def _bounds(best: Trial, history: History) -> Iterator[Advice]:
    if len(history.done(code=best.code)) < 3:
        return
    for parameter in history.space.parameters:
        if parameter.name not in best.configuration:
            continue
        sentence = _bound(parameter, best)
        if sentence and _moved(parameter, history):
            yield Advice(sentence=sentence)


def _moved(parameter: Parameter, history: History) -> bool:
    trials = counting.done(history)
    values = {repr(trial.configuration.get(parameter.name)) for trial in trials}
    return len(values) > 1


def _bound(parameter: Parameter, best: Trial) -> str:
    """Say at which bound the best trial sits, and how far to widen; '' if at none.

    A bound of 0 or 1 is taken for the nature of the parameter, not for a choice.
    """
    value = best.configuration[parameter.name]
    where = f"{parameter.name} = {words.value(value)} of trial {best.number} is at the"
    match parameter:
        case Choice():
            return ""
        case Ordinal(levels=levels):
            ends = {repr(levels[0]): "first", repr(levels[-1]): "last"}
            if len(levels) < 3 or repr(value) not in ends:
                return ""
            return f"{where} {ends[repr(value)]} of its levels: add a level beyond it."
        case Float() | Int():
            end, further = _beyond(parameter, parameter.to_unit(value))
            return f"{where} {end} end of its range: let it reach {further}." if end else ""


def _beyond(parameter: Float | Int, unit: float) -> tuple[str, str]:
    """Name the end of the range that `unit` is at, and a bound beyond it; blanks if at none."""
    low, high, log = parameter.low, parameter.high, parameter.log
    near = max(NEAR, 0.5 / parameter.count) if parameter.count else NEAR
    if low == high or near < unit < 1 - near:
        return "", ""
    end = "upper" if unit > 0.5 else "lower"
    if (high if end == "upper" else low) in (0, 1):
        return "", ""
    if end == "upper":
        further = high * 3 if log else high + (high - low) / 2
    else:
        further = low / 3 if log else low - (high - low) / 2
        # What was above 0 is likely to have to be.
        further = max(further, low / 3) if low > 0 else further
    if isinstance(parameter, Int):
        if end == "upper":
            return end, str(max(round(further), int(high) + 1))
        return end, str(min(max(round(further), min(int(low) - 1, 1)), int(low) - 1))
    if low >= 0 and high < 1 <= further:
        # A share, such as momentum: what was below 1 is likely to have to be.
        return end, f"{(1 + high) / 2:.3g}"
    return end, f"{further:.2g}"


def _length(best: Trial, history: History) -> Iterator[Advice]:
    """Longer or shorter training, as the curve of the best run says."""
    diagnosis = best.run.diagnosis if best.run else None
    if diagnosis is None:
        return
    names = [name for name in history.space.names if _LENGTH.search(name)]
    knob = f" ({names[0]})" if names else ""
    last = diagnosis.numbers.get("last_step")
    at = "" if last is None else f" at its last step, {last:g}"
    if "still_improving" in diagnosis.findings:
        yield Advice(sentence=f"Trial {best.number} was still improving{at}: train longer{knob}.")
    elif "overfitting" in diagnosis.findings:
        yield Advice(sentence=_ahead(best.number, diagnosis, knob=knob))


def _ahead(number: int, reading: Diagnosis, *, knob: str) -> str:
    """What to do about training that is ahead: to stop earlier helps only where it got worse."""
    step, last = reading.numbers.get("best_step"), reading.numbers.get("last_step")
    if overfits(reading) and step != last:
        seen = "" if step is None else f", best at step {step:g}"
        return f"Trial {number} overfits{seen}: stop earlier{knob} or regularise more."
    gap = f" {reading.numbers['gap']:.2g}" if "gap" in reading.numbers else ""
    return (
        f"Training ends{gap} ahead of validation in trial {number}, which has not turned for the"
        " worse: regularise more rather than stop earlier."
    )


def _avoid(groups: Sequence[FailureGroup]) -> Iterator[Advice]:
    for group in groups:
        if group.common is not None and group.cause in _OF_CONFIGURATION:
            kept = _negated(group.common.condition)
            yield Advice(
                sentence=f"Spare the failures ({group.cause.replace('_', ' ')}) with the constraint"
                f' "{kept}", or lift the limit that they ran into.'
            )
        elif group.cause not in _OF_CONFIGURATION and group.remedy:
            yield Advice(sentence=f"Trial {group.trials[-1]} failed: {group.remedy}")


def _negated(condition: str) -> str:
    for sign, other in ((">=", "<"), ("<=", ">"), ("==", "!=")):
        if f" {sign} " in condition:
            return condition.replace(f" {sign} ", f" {other} ")
    return f"not ({condition})"


def _unexplored(history: History, influences: Sequence[Influence]) -> Iterator[Advice]:
    trials = counting.finished(history)
    if len(trials) < 5 or not counting.done(history):
        return
    prior = Prior(history.task)
    for influence in influences:
        parameter = history.space[influence.parameter]
        if parameter.name in prior.idle:
            continue
        having = [t for t in trials if parameter.name in t.configuration]
        if not influence.varied:
            if having and (said := _unvaried(parameter, having[0], prior)):
                yield Advice(sentence=said)
        elif isinstance(parameter, Choice):
            tried = [trial.configuration[parameter.name] for trial in having]
            left = _left(parameter, tried, prior)
            if left:
                yield Advice(sentence=f"{parameter.name}: {words.listed(left)} was never tried.")
        elif influence.told:
            yield from _gap(parameter, having, sign=history.task.objective.sign)


def _unvaried(parameter: Parameter, trial: Trial, prior: Prior) -> str:
    """Say what else to try of a parameter that was the same throughout; '' where nothing is."""
    found = _other(parameter, trial, prior)
    if not found:
        return ""
    other = f"try {found}"
    if isinstance(parameter, Float | Int):
        value = trial.configuration[parameter.name]
        end, further = _beyond(parameter, parameter.to_unit(value))
        if end:
            return (
                f"{parameter.name} was never varied from {words.value(value)}, the {end} end of its"
                f" range: {other}, or let it reach {further}."
            )
    return f"{parameter.name} was never varied: {other}."


def _left(parameter: Choice, tried: Sequence[Scalar], prior: Prior) -> list[str]:
    """Return the options not tried, in words, without those that are known to be seldom best."""
    known = prior.advice.get(parameter.name)
    odds = dict(known.options) if known else {}
    best = max((odds.get(str(one).lower(), 0.0) for one in parameter.options), default=0.0)
    done = {repr(one) for one in tried}
    left = [one for one in parameter.options if repr(one) not in done]
    return [words.value(o) for o in left if odds.get(str(o).lower(), best) >= SELDOM * best]


def _other(parameter: Parameter, trial: Trial, prior: Prior) -> str:
    """Name a value that was not tried: the default, a usual one, the middle of what is left."""
    value = trial.configuration[parameter.name]
    default = prior.space.given_defaults.get(parameter.name, value)
    if repr(default) != repr(value):
        return f"{words.value(default)}, its default"
    if isinstance(parameter, Choice):
        return words.listed(_left(parameter, [value], prior)).replace(" and ", " or ")
    known = prior.settled(parameter.name, trial.configuration)
    usual = _usual(parameter, value, known) if known is not None else None
    if usual is not None:
        return words.value(usual)
    unit = parameter.to_unit(value)
    further = parameter.from_unit((1 + unit) / 2 if unit < 0.5 else unit / 2)
    return words.value(further) if repr(further) != repr(value) else "another value"


def _usual(parameter: Float | Int | Ordinal, value: Scalar, known: Knowledge) -> Scalar | None:
    """Return another value within the range that usually holds the best; None if none is known."""
    if known.relative is not None:
        ends = known.relative[1]
    elif known.good is not None:
        ends = (place_of(parameter, known.good[0]), place_of(parameter, known.good[1]))
    else:
        return None
    at = place_of(parameter, value)
    far = max((min(max(end, 0.0), 1.0) for end in ends), key=lambda end: abs(end - at))
    others = (at_place(parameter, place) for place in ((at + far) / 2, far))
    return next((one for one in others if repr(one) != repr(value)), None)


def _gap(parameter: Parameter, trials: Sequence[Trial], *, sign: int) -> Iterator[Advice]:
    """The widest part of an important range that no trial has been in, if it may be good there.

    Where results only get worse towards a gap at the end of the range, it is left alone.
    """
    units = [parameter.to_unit(trial.configuration[parameter.name]) for trial in trials]
    valued = [(unit, t.value) for unit, t in zip(units, trials, strict=True) if t.value is not None]
    best = max(valued, key=lambda pair: sign * pair[1])[0] if valued else 0.5
    edges = sorted({0.0, 1.0, *units})
    width, low, high = max((b - a, a, b) for a, b in pairwise(edges))
    at_end = (low == 0.0 and best > min(units)) or (high == 1.0 and best < max(units))
    if width >= GAP and not at_end:
        ends = [words.value(parameter.from_unit(unit)) for unit in (low, high)]
        if ends[0] != ends[1]:
            yield Advice(
                sentence=f"{parameter.name} matters, and no trial lies between {ends[0]} and"
                f" {ends[1]} ({width:.0%} of its range)."
            )


def _is_real(best: Trial, history: History) -> bool:
    """Whether the last trials brought more than noise, as far as that is known.

    Where no trial has several seeds: more than the end of the curve scatters, and a good part of
    what the better half of the results differ by.
    """
    sign = history.task.objective.sign
    results = [sign * t.value for t in history.done(code=best.code) if t.value is not None]
    gain = max(results) - max(results[: max(7 * len(results) // 10, 1)])
    squares, degrees = history.spread(code=best.code)
    if degrees:
        return gain > math.sqrt(squares / degrees)
    better = sorted(results)[len(results) // 2 :]
    return gain > max(scatter(best), LATE * (better[-1] - better[0]))


def _momentum(best: Trial, history: History) -> Iterator[Advice]:
    """Whether the search was still finding better trials when it ended."""
    numbers = [trial.number for trial in counting.finished(history)]
    total = len(numbers)
    before = sum(number < best.number for number in numbers)
    if total >= 8 and before >= 0.8 * (total - 1) and _is_real(best, history):
        yield Advice(
            sentence=f"The best came late (trial {best.number} of {total}): more trials are likely"
            " to find better ones. Raise the budget, and run the study again."
        )
