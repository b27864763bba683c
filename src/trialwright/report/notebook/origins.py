"""What the gain came from: the best trial's way step by step, and what can't be told from it."""

from __future__ import annotations

from collections.abc import Sequence

from trialwright.analysis.descent import (
    FEW,
    Ablation,
    Leap,
    Rest,
    ablations,
    clean,
    descent,
    rests,
)
from trialwright.analysis.ordering import Confounded, confounded
from trialwright.analysis.paired import Paired
from trialwright.history import History
from trialwright.report import words
from trialwright.report.notebook.opening import over, rivalry
from trialwright.report.notebook.standings import difference
from trialwright.robust import mean

PAIRS = 6
"""Pairs of trials that differ in few parameters, that are shown."""

CAUTIONS = 3
"""Parameters that are said to go along with the order of trials."""

HEADINGS = ("step", "what it changed", "difference")


def rows(history: History) -> list[tuple[str, str, str]]:
    """Return the line of descent, a row per step; every change in full."""
    return [
        (
            f"{leap.before} → {leap.trial}{'' if leap.built else ' (not built on it)'}",
            f"{_many(leap.changed)}: {_changed(leap.before, leap.trial, history)}",
            difference(leap.paired),
        )
        for leap in descent(history)
    ]


def told(history: History, telling: Sequence[str]) -> list[str]:
    """Say which steps gained, what stood still meanwhile, and what the order of trials hides.

    `telling` are the parameters that are said to matter.
    """
    leaps = descent(history)
    if not leaps:
        return []
    return [
        _gained(leaps),
        *_rests(history, leaps, telling),
        *cautions(history, telling),
        *_many_at_once(leaps),
    ]


def cautions(history: History, telling: Sequence[str] = ()) -> list[str]:
    """Say which trends can't be told from the search's own, in a sentence; those told first."""
    alone = {names[0] for _, names in clean(history, few=1)}
    found = sorted(confounded(history), key=lambda one: one.parameter not in telling)[:CAUTIONS]
    if not found:
        return []
    results = "better" if found[0].progress > 0 else "worse"
    never = [one.parameter for one in found if one.parameter not in alone]
    other = f" No two trials differ in {' alone, nor in '.join(never)} alone." if never else ""
    return [
        f"Beware: results got {results} as the search went on (rank correlation of the score with"
        f" the trial's number {found[0].progress:+.2f}), and with the number went"
        f" {words.listed([_moved(one) for one in found])}. What seems to be due to"
        f" {'this' if len(found) == 1 else 'these'} may be due to anything else that changed"
        f" meanwhile.{other}"
    ]


def pairs(history: History) -> list[str]:
    """Return pairs of trials that differ in few parameters; not those that `rows` tells."""
    known = {(leap.before, leap.trial) for leap in descent(history)}
    found = [one for one in clean(history) if (one[0].against, one[0].trial) not in known]
    return [
        f"{seen.against} → {seen.trial}, {_only(names)}"
        f" {_changed(seen.against, seen.trial, history)}: {difference(seen)}."
        for seen, names in found[:PAIRS]
    ]


def missing(history: History, telling: Sequence[str]) -> tuple[str, list[str]]:
    """Return a sentence, and the commands of the trials that would tell what the gain is due to."""
    best = history.best()
    found = ablations(history, descent(history), _suspects(history, telling))
    if best is None or not found:
        return "", []
    again = (
        " The budget is spent: raise it first, then give these, then run the study again."
        if over(history)
        else ""
    )
    said = (
        f"These trials are missing: trial {best.number} with one parameter put back, nothing else"
        f" changed. What it then loses is what that parameter brought.{again}"
    )
    return said, [_command(one) for one in found]


def questions(history: History, telling: Sequence[str]) -> list[str]:
    """Return what is open about the gain: over whom it is not sure, and what brought it."""
    best, found = history.best(), []
    unsure = rivalry(history)
    if best is not None and "not confirmed" in unsure:
        found.append(f"Is trial {best.number} better than the best before it? {unsure}")
    suspects = [
        one.parameter for one in ablations(history, descent(history), _suspects(history, telling))
    ]
    if best is not None and len(suspects) > 1:
        listed = words.listed(suspects).replace(" and ", " or ")
        found.append(
            f"What brought the gain: {listed}? Trials with one of them put back would tell."
        )
    return found


def _gained(leaps: Sequence[Leap]) -> str:
    best = leaps[-1].trial
    lead = f"Trial {best} came out of trial {leaps[0].before} in {_steps(leaps)}"
    roots = [place for place, leap in enumerate(leaps) if not leap.built]
    if roots:
        later = leaps[roots[-1] + 1 :]
        start = f"trial {leaps[roots[-1]].trial}, which was not built on another,"
        lead = f"Trial {best} came out of {start} in {_steps(later)}"
        lead = lead if later else f"Trial {best} was not built on another"
    seen = [leap.paired for leap in leaps if leap.paired is not None]
    sure = [_step(one) for one in seen if one.gained]
    likely = [_step(one) for one in seen if one.likely and not one.gained]
    if not any(one.interval is not None for one in seen):
        return f"{lead}; with so few seeds no step can be told from noise."
    if not sure:
        said = f"{lead}; no step by itself is beyond noise, seed by seed"
    else:
        which = "is the step" if len(sure) == 1 else "are the steps"
        said = f"{lead}. Beyond noise by itself, seed by seed, {which} {words.listed(sure)}"
    nearly = f"; nearly so is {words.listed(likely)}" if likely else ""
    rest = "" if len(sure) == len(seen) else " What the others brought may be chance."
    return f"{said}{nearly}.{rest}"


def _steps(leaps: Sequence[Leap]) -> str:
    return words.count(len(leaps), "step")


def _rests(history: History, leaps: Sequence[Leap], telling: Sequence[str]) -> list[str]:
    """Parameters that stood still over the same trials share a sentence."""
    groups: dict[tuple[int, ...], list[Rest]] = {}
    for one in rests(history, leaps, _suspects(history, telling)):
        groups.setdefault(one.trials, []).append(one)
    return [_rest(group, history) for group in groups.values()]


def _rest(group: Sequence[Rest], history: History) -> str:
    numbers, moved = group[0].trials, group[0].moved
    trials = [history.trials[number] for number in numbers]
    means = [words.number(mean(list(trial.values.values()))) for trial in trials]
    often = {2: "", 3: " both times"}.get(len(numbers), " each time")
    also = f"; {words.listed(moved, most=9)} moved{often}" if moved else ""
    whole = group[0].whole
    return (
        f"{words.listed([one.parameter for one in group])} did not bring all of it: trials"
        f" {words.listed(numbers)} have the same"
        f" {words.listed([f'{one.parameter} = {words.value(one.value)}' for one in group])}, and"
        f" their means go {' → '.join(means)} ({_step(whole)}: {difference(whole)}){also}."
    )


def _suspects(history: History, telling: Sequence[str]) -> list[str]:
    """The parameters that results seem to go along with: those told, and the confounded."""
    follow = [one.parameter for one in confounded(history)[:CAUTIONS]]
    return list(dict.fromkeys((*telling, *follow)))


def _moved(one: Confounded) -> str:
    return f"{one.parameter} ({'grew' if one.order > 0 else 'fell'}, {one.order:+.2f})"


def _many_at_once(leaps: Sequence[Leap]) -> list[str]:
    counts = [len(leap.changed) for leap in leaps]
    if min(counts) <= 1:
        return []
    if min(counts) <= FEW and sum(count > FEW for count in counts) * 2 < len(counts):
        return []
    low, high = min(counts), max(counts)
    how = f"{low}" if low == high else f"{low} to {high}"
    return [f"Each step changes {how} parameters at once: which of them did it can't be told."]


def _command(one: Ablation) -> str:
    value = words.value(one.value)
    return f'trialwright steer "try {one.parameter}={value}"'


def _changed(before: int, after: int, history: History) -> str:
    trials = history.trials
    found = words.changes(trials[before].configuration, trials[after].configuration)
    return words.listed(found, most=len(found) + 1) or "nothing of its configuration"


def _many(names: Sequence[str]) -> str:
    return words.count(len(names), "parameter")


def _only(names: Sequence[str]) -> str:
    return "only" if len(names) == 1 else f"{len(names)} parameters:"


def _step(one: Paired) -> str:
    return f"{one.against} → {one.trial}"
