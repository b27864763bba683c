"""`serve`: a study in the background, or in the foreground for systemd and containers."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import typer

from trialwright.app import notifying
from trialwright.app.place import made, shown, to_run
from trialwright.app.running import Changes, opened
from trialwright.app.service import card
from trialwright.app.service.log import NAME, last_line
from trialwright.app.service.plan import BROKEN, DONE, Plan
from trialwright.app.tracking.books import shelves
from trialwright.errors import StudyBusy
from trialwright.study import Study

START_S = 60.0
"""Seconds that a service may take to begin its work, before it is left to its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks of `serve`."""

    study: Path | None
    folder: Path | None = None
    ledger: str | None = None
    changes: Changes = field(default_factory=Changes)
    foreground: bool = False
    test_notify: bool = False


def serve(wishes: Wishes) -> int:
    """Start a study as a service; return the exit status.

    In the foreground it does not return: the process becomes the service's.

    Raises:
        TrialwrightError: the study can't be run here, or runs already.
    """
    place = to_run(wishes.study, wishes.folder, ledger=wishes.ledger)
    # All that can be wrong is told here, and not in a log.
    study = opened(place, wishes.changes)
    if wishes.test_notify:
        return DONE if notifying.test(study.task, _say, environ=os.environ) else BROKEN
    _check_free(study)
    notifying.targets(study.task, os.environ, say=_say)
    shelves(study.task, study.folder)
    plan = Plan(
        file=str(place.file.absolute()),
        folder=str(study.folder),
        ledger=wishes.ledger,
        trials=wishes.changes.trials,
        workers=wishes.changes.workers,
        seed=wishes.changes.seed,
        since=study.history.sequence,
    )
    command = plan.command("supervisor")
    with made(study.folder):
        study.folder.mkdir(parents=True, exist_ok=True)
        if wishes.foreground:
            os.execv(command[0], [*command, "--echo"])  # noqa: S606  # no shell
        return _detached(command, study.folder)


def _check_free(study: Study) -> None:
    """Refuse to serve what runs already.

    Raises:
        StudyBusy: somebody runs the study.
    """
    if card.alive(study.folder):
        raise StudyBusy(card.busy(study.folder, card.read(study.folder)))
    going = study.store.going()
    if going:
        place = shlex.quote(shown(study.folder))
        raise StudyBusy(
            f"{going} is running the study in {study.folder}: look with `trialwright status"
            f" {place}`, stop it with `trialwright stop {place}`"
        )


def _detached(command: list[str], folder: Path) -> int:
    """Start the supervisor in a session of its own, and say how to look, follow and stop."""
    with (folder / NAME).open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_S
    while not _at_work(folder, process.pid):
        status = process.poll()
        if status is not None:
            _say(f"the service has ended already, with status {status}: {last_line(folder)}")
            _say(f"log:    {shown(folder / NAME)}")
            return status
        if time.monotonic() > deadline:
            _say("the service is still starting: its log tells more")
            break
        time.sleep(0.05)
    place = shlex.quote(shown(folder))
    _say(f"the study runs as a service: process {process.pid}")
    _say(f"log:    {shown(folder / NAME)}")
    _say(f"follow: tail -F {shlex.quote(shown(folder / NAME))}")
    _say(f"status: trialwright status {place}")
    _say(f"stop:   trialwright stop {place}")
    return DONE


def _at_work(folder: Path, pid: int) -> bool:
    there = card.read(folder)
    return there is not None and there.pid == pid and there.state == "running"


def _say(text: str) -> None:
    typer.echo(text)
