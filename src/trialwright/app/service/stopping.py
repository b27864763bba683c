"""`stop`: asks whoever runs a study to end, through the ledger, and waits until it is down."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from trialwright.app.documents import Document, dumps, plain
from trialwright.app.door import append
from trialwright.app.place import Place, shown, to_read
from trialwright.app.service import card
from trialwright.records import Request
from trialwright.report import words

LOOK_S = 0.2


def stop(study: Path | None, *, now: bool, json: bool) -> None:
    """Stop a study, wherever it runs: after its running runs, or `now`; say what happened.

    Raises:
        TrialwrightError: there is no such study, or its ledger can't be written.
    """
    place = to_read(study)
    if not _up(place):
        _tell(place, f"nothing is running the study in {shown(place.folder)}", json=json)
        return
    append(place.store, Request(what="stop", now=now, by="user"))
    if not json:
        how = "stopping its running trials" if now else "it finishes its running trials first"
        typer.echo(f"asked to stop: {how}; a Ctrl-C here ends the waiting alone")
    while _up(place):
        time.sleep(LOOK_S)
    history = place.history()
    closed = history.closed
    if closed is None:
        said = "it is down, without having ended in order; `trialwright run` or `serve` resumes it"
    else:
        said = f"it is down: {words.line(closed.sentence)}"
    left = len(history.pending())
    if left:
        said += f" ({words.count(left, 'trial')} to be run again on resume)"
    _tell(place, said, json=json)


def _up(place: Place) -> bool:
    return bool(place.store.going()) or card.alive(place.folder)


def _tell(place: Place, said: str, *, json: bool) -> None:
    if not json:
        typer.echo(said)
        return
    history = place.history()
    document: Document = {
        "folder": str(place.folder),
        "sentence": said,
        "closed": plain(history.closed),
        "pending": [trial.number for trial in history.pending()],
    }
    typer.echo(dumps(document))
