"""What counts: the trials of one code version; and whether more seeds would tell anything.

Results before and after a change of the code are never pooled, so every number that a view shows of
a study is of one version.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trialwright.history import History, Trial
from trialwright.records import Observation
from trialwright.report import words
from trialwright.task import Task, placeholders

SEED_VARIABLE = "TRIALWRIGHT_SEED"
READ_BYTES = 1 << 20
"""Of each of the task's files: enough for any script."""


def version(history: History) -> str:
    """Return the id of the code version that counts: the best trial's, else the newest."""
    best = history.best()
    return best.code if best else history.code


def done(history: History) -> list[Trial]:
    """Return the trials with a value under the version that counts, by number."""
    return history.done(code=version(history))


def finished(history: History) -> list[Trial]:
    """Return the trials that have ended under the version that counts, by number."""
    code = version(history)
    return [trial for trial in history.finished() if trial.code == code]


def change(history: History) -> str:
    """Say which results count and which do not since the code changed; '' where all do."""
    here = len(done(history))
    others = len(history.done()) - here
    if here and version(history) != history.code:
        return (
            f"the code has changed: nothing has a result under its newest version"
            f" ({history.code}) yet, so this tells of the version before it ({version(history)})"
        )
    if not others:
        return ""
    return (
        f"the code has changed: {words.count(here, 'result')} of its newest version"
        f" ({history.code}) {'counts' if here == 1 else 'count'} here, and {others} of before"
        f" {'does' if others == 1 else 'do'} not"
    )


def warnings(history: History) -> tuple[str, ...]:
    """Return what a reader has to know before any number, a line each, the code's change first."""
    code = version(history)
    told = [
        words.line(notice.text)
        for notice in history.notices
        if notice.level != "info"
        and notice.topic != "code"
        and (notice.trial is None or history.trials[notice.trial].code == code)
    ]
    changed = change(history)
    return (changed, *told) if changed else tuple(told)


def identical(history: History) -> tuple[int, ...]:
    """Return the trials with several seeds if no seed made any difference, else none."""
    replicated = [trial for trial in done(history) if len(trial.values) > 1]
    if not all(_same(trial) for trial in replicated):
        return ()
    return tuple(trial.number for trial in replicated)


def unseeded(history: History) -> bool:
    """Say whether nothing is known to hand the script a seed, and no results tell otherwise.

    Found once for a state of the record: every row of a table asks.
    """
    key = ("report", "unseeded", history.sequence)
    if key not in history.memo:
        history.memo[key] = _unseeded(history)
    return bool(history.memo[key])


def _unseeded(history: History) -> bool:
    if any(len(trial.values) > 1 for trial in done(history)):
        return False
    task = history.task
    return bool(task.command) and not _handed(task) and not _mentioned(history)


def _same(trial: Trial) -> bool:
    """Whether all seeds of a trial showed the same numbers, over their curves too."""
    ended = [run.observation for run in trial.latest.values() if run.observation is not None]
    return all(_shown(observation) == _shown(ended[0]) for observation in ended)


def _shown(observation: Observation) -> object:
    series = observation.curve.series
    return (
        observation.value,
        dict(observation.metrics),
        {name: tuple(series[name]) for name in series},
    )


def _handed(task: Task) -> bool:
    """Whether a study file hands its script a seed by the command or the environment."""
    places: Iterable[str] = (*task.command, *task.environment.set.values())
    return any("seed" in placeholders(place) for place in places)


def _mentioned(history: History) -> bool:
    """Whether the task's files ask for the seed themselves; taken so of what can't be read."""
    code = history.codes.get(version(history))
    if code is None or not code.files:
        return True
    for name in code.files:
        try:
            with (Path(history.task.folder) / name).open("rb") as file:
                if SEED_VARIABLE.encode() in file.read(READ_BYTES):
                    return True
        except OSError:
            return True
    return False
