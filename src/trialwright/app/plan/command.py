"""The command `plan`: reads what was asked for, plans, and prints."""

from __future__ import annotations

import math
import sys
from contextlib import closing
from pathlib import Path

import typer
from rich.console import Console

from trialwright.app.documents import dumps
from trialwright.app.place import to_run
from trialwright.app.plan.ground import Wishes
from trialwright.app.plan.outlook import plan
from trialwright.app.plan.showing import document, show
from trialwright.edits import changed
from trialwright.errors import StudyError
from trialwright.history import History
from trialwright.studyfile import load

LARGEST = 4096
"""Workers."""


def plan_study(study: Path | None, wishes: Wishes, *, json: bool) -> None:
    """Plan a study's campaign, and print the plan; the study is only read.

    Raises:
        TrialwrightError: its file can't be used, or what has to be known is not.
    """
    place = to_run(study, None)
    task = load(place.file)
    ledger = place.store.find()
    entries = []
    if ledger is not None:
        with closing(ledger):
            entries = ledger.read()
    history = History(entries)
    changed(history, task)
    found = plan(task, history, entries, wishes, _told)
    if json:
        typer.echo(dumps(document(found, task)))
    else:
        show(found, task, Console())


def wishes_of(
    *,
    workers: str | None,
    team: str | None,
    trials: int | None,
    run_s: float | None,
    failures: float | None,
    table: Path | None,
) -> Wishes:
    """Return what the command line wishes, checked.

    Raises:
        StudyError: a value is none.
    """
    if run_s is not None and not (0 < run_s < math.inf):
        raise StudyError(f"--seconds-per-run {run_s:g}: a run takes more than 0 seconds")
    if failures is not None and not 0 <= failures < 1:
        raise StudyError(f"--failures {failures:g}: give a share from 0 to below 1, such as 0.05")
    return Wishes(
        workers=_counts(workers),
        teams=_teams(team),
        trials=trials,
        run_s=run_s,
        failures=failures,
        table=table,
    )


def _counts(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and 1 <= int(word) <= LARGEST for word in words):
        raise StudyError(
            f"--workers {text}: give numbers from 1 to {LARGEST}, separated by commas: 1,2,4,8"
        )
    return tuple(sorted({int(word) for word in words}))


def _teams(text: str | None) -> tuple[tuple[str, ...], ...]:
    if text is None:
        return ()
    teams = [tuple(name.strip() for name in team.split("+")) for team in text.split(",")]
    return tuple(dict.fromkeys(teams))


def _told(text: str) -> None:
    """Say on a terminal what is going on; elsewhere nobody waits before it."""
    if sys.stderr.isatty():
        typer.echo(f"{text} ...", err=True)
