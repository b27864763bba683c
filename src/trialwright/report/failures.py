"""What failed, why, and what the configurations that failed have in common.

Counts speak: "4 of the 5 trials with batch_size >= 512 ran out of memory, and none of the 12
others". Where so clear a split could be chance, it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trialwright.history import History, Trial
from trialwright.records import Cause, Observation
from trialwright.report import counting, words
from trialwright.space import Choice, Parameter, Space

CHANCE = 0.05
"""Probability of a split as clear by chance, above which it is not shown."""

_SAID: dict[Cause, str] = {
    "out_of_memory_host": "ran out of memory on the host",
    "out_of_memory_gpu": "ran out of memory on the GPU",
    "diverged": "diverged",
    "timed_out": "ran into the time limit",
    "stalled": "stalled",
    "killed": "got killed from outside",
    "import_error": "could not import a module",
    "syntax_error": "met a syntax error in the script",
    "bad_argument": "gave the script an argument that it refused",
    "missing_file": "missed a file",
    "command_not_found": "could not find the command",
    "no_metric": "printed no metric",
    "transient": "failed from a passing fault of the machine",
    "other": "failed otherwise",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """A condition that sets failed trials apart from the others."""

    parameter: str
    condition: str
    """As an expression of a study file: `batch_size >= 256`."""
    inside: int
    """Trials that meet it and failed this way."""
    meeting: int
    """Trials that meet it."""
    outside: int
    """Trials that do not meet it and failed this way."""
    others: int
    """Trials that do not meet it."""
    chance: float
    """Probability of so clear a split if the parameter had nothing to do with it (Fisher)."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Trials that failed from one cause."""

    cause: Cause
    trials: tuple[int, ...]
    sentence: str
    remedy: str
    """From the latest of them: what happened, and what to do about it."""
    log_tail: str
    common: Common | None


def failures(history: History) -> tuple[FailureGroup, ...]:
    """Return the finished trials that failed, grouped by cause, the largest group first.

    Those of the code version that counts, and of the newest: it may have nothing but failures.
    """
    grouped: dict[Cause, list[tuple[Trial, Observation]]] = {}
    finished = _finished(history)
    for trial in finished:
        failed = _failed(trial)
        if failed is not None:
            grouped.setdefault(failed.cause or "other", []).append((trial, failed))
    groups = [
        _group(cause, pairs, finished, space=history.space) for cause, pairs in grouped.items()
    ]
    return tuple(sorted(groups, key=lambda group: -len(group.trials)))


def _finished(history: History) -> list[Trial]:
    codes = (counting.version(history), history.code)
    return [trial for trial in history.finished() if trial.code in codes]


def _failed(trial: Trial) -> Observation | None:
    if trial.state != "failed":
        return None
    observations = [run.observation for run in trial.latest.values() if run.observation]
    return next(o for o in observations if o.outcome == "failed")


def _group(
    cause: Cause,
    pairs: Sequence[tuple[Trial, Observation]],
    finished: Sequence[Trial],
    *,
    space: Space,
) -> FailureGroup:
    trials = [trial for trial, _ in pairs]
    latest = pairs[-1][1]
    common = _common(trials, finished, space=space)
    listed = words.listed([trial.number for trial in trials])
    noun = "Trial" if len(trials) == 1 else "Trials"
    return FailureGroup(
        cause=cause,
        trials=tuple(trial.number for trial in trials),
        sentence=f"{noun} {listed} {_SAID[cause]}." + (f" {common.sentence}" if common else ""),
        remedy=words.sentence(latest.detail, most=400),
        log_tail=words.plain(latest.log_tail, most=4000),
        common=common,
    )


def _common(failed: Sequence[Trial], finished: Sequence[Trial], *, space: Space) -> Common | None:
    """Return the condition that sets `failed` apart most clearly, if any does."""
    numbers = {trial.number for trial in failed}
    if len(numbers) < 2 or len(numbers) == len(finished):
        return None
    candidates = [
        common
        for parameter in space.parameters
        for common in _splits(parameter, finished, failed=numbers)
    ]
    best = min(candidates, key=lambda c: (c.chance, c.meeting), default=None)
    if best is None or best.chance > CHANCE:
        return None
    return best


def _splits(parameter: Parameter, trials: Sequence[Trial], *, failed: set[int]) -> Iterator[Common]:
    name = parameter.name
    having = [trial for trial in trials if name in trial.configuration]
    hit = [trial for trial in having if trial.number in failed]
    if not hit:
        return
    if isinstance(parameter, Choice):
        for option in {repr(t.configuration[name]): t.configuration[name] for t in hit}.values():
            meeting = {t.number for t in having if t.configuration[name] == option}
            shown = f"'{option}'" if isinstance(option, str) else words.value(option)
            yield _counted(
                f"{name} == {shown}", trials, meeting=meeting, failed=failed, parameter=name
            )
        return
    units = {t.number: parameter.to_unit(t.configuration[name]) for t in having}
    ordered = sorted(hit, key=lambda trial: units[trial.number])
    # The ends of the failed trials are where a threshold can be; an odd one out moves it by one.
    for edge, sign in [(t, 1) for t in ordered[:2]] + [(t, -1) for t in ordered[-2:]]:
        bound = units[edge.number]
        meeting = {n for n, unit in units.items() if sign * (unit - bound) >= 0}
        comparison = ">=" if sign > 0 else "<="
        condition = f"{name} {comparison} {words.value(edge.configuration[name])}"
        yield _counted(condition, trials, meeting=meeting, failed=failed, parameter=name)


def _counted(
    condition: str,
    trials: Sequence[Trial],
    *,
    meeting: set[int],
    failed: set[int],
    parameter: str,
) -> Common:
    inside, others = len(meeting & failed), len(trials) - len(meeting)
    outside = len(failed) - inside
    from scipy import stats  # takes a second to import: not for who only looks

    chance = float(stats.hypergeom.sf(inside - 1, len(trials), len(failed), len(meeting)))
    sentence = (
        f"{inside} of the {words.count(len(meeting), 'trial')} with {condition} did,"
        f" against {outside} of the {others} others."
    )
    if chance > CHANCE / 5:
        sentence += " With so few trials that may be chance."
    return Common(
        parameter=parameter,
        condition=condition,
        inside=inside,
        meeting=len(meeting),
        outside=outside,
        others=others,
        chance=chance,
        sentence=sentence,
    )
