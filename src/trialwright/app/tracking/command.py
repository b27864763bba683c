"""`trialwright mirror`: a study's runs for MLflow and TensorBoard, for studies that ran without."""

from __future__ import annotations

import json as json_text
import os
from dataclasses import replace
from pathlib import Path

import typer

from trialwright.app.place import Place, shown, to_read
from trialwright.app.tracking.books import Shelf, shelf
from trialwright.app.tracking.copyist import Copyist, brought_up_to_date
from trialwright.errors import StudyBusy, StudyError
from trialwright.studyfile import load
from trialwright.task import Task
from trialwright.tracker import TRACKERS, Tracker, TrackerKind, uri_fault


def mirror(study: Path | None, to: str | None, wish: dict[str, str], *, json: bool) -> int:
    """Bring trackers up to date with a study; return the exit status.

    `to` names one tracker, of which `wish` may say more; None: those of the study file.

    Raises:
        StudyError: there is none to be written, or it can't be written.
    """
    place = to_read(study)
    kind = next((one for one in TRACKERS if one == to), None)
    task = _task(place)
    found = [shelf(tracker, task, place.folder, os.environ) for tracker in _meant(task, kind, wish)]
    _check_free(place, found)
    done = [_copied(one, place) for one in found]
    if json:
        typer.echo(json_text.dumps([_document(one) for one in done], indent=2))
        return 0
    for one in done:
        typer.echo(
            f"{one.shelf.name}: {one.new} runs copied, {one.changed} brought up to date,"
            f" {one.same} there already"
        )
        typer.echo(f"look with: {_look(one.shelf)}")
    return 0


def _task(place: Place) -> Task:
    """The task as its file says it now, or where there is none as it was recorded."""
    recorded = place.history().task
    if not place.file.is_file():
        return recorded
    return replace(recorded, trackers=load(place.file).trackers)


def _meant(task: Task, kind: TrackerKind | None, wish: dict[str, str]) -> list[Tracker]:
    given = {key: text for key, text in wish.items() if text}
    if given and kind is None:
        raise StudyError(f"say with --to which tracker --{next(iter(given))} is about")
    fits = {"mlflow": ("uri", "experiment"), "tensorboard": ("folder",), None: ()}[kind]
    for key in given:
        if key not in fits:
            raise StudyError(f"--{key} says nothing to {kind}: it has --{', --'.join(fits)}")
    fault = uri_fault(given.get("uri", "sqlite:///x"))
    if fault:
        raise StudyError(f"--uri: {fault}")
    if "folder" in given:
        given["folder"] = str(Path(given["folder"]).absolute())
    stated = [one for one in task.trackers if kind in (None, one.kind)]
    if kind is not None and (given or not stated):
        return [Tracker(kind=kind, **given)]
    if not stated:
        raise StudyError("the study file names no `trackers`: say --to mlflow or --to tensorboard")
    return stated


def _check_free(place: Place, found: list[Shelf]) -> None:
    """Refuse to write what whoever runs the study writes just now."""
    going = place.store.going()
    mirrored = {tracker.kind for tracker in place.history().task.trackers} if going else set()
    for one in found:
        if one.tracker.kind in mirrored:
            raise StudyBusy(f"{going} is running this study, and copies it to {one.name}")


def _copied(one: Shelf, place: Place) -> Copyist:
    try:
        return brought_up_to_date(one, place.store)
    except StudyError:
        raise
    except Exception as error:
        if os.environ.get("TRIALWRIGHT_DEBUG"):
            raise
        raise StudyError(f"{one.name} can't be written: {one.fault(error)}") from None


def _document(done: Copyist) -> dict[str, object]:
    return {
        "tracker": done.shelf.tracker.kind,
        "name": done.shelf.name,
        "copied": done.new,
        "updated": done.changed,
        "there": done.same,
    }


def _look(one: Shelf) -> str:
    if one.tracker.kind == "tensorboard":
        return f"tensorboard --logdir {shown(one.place)}"
    where = one.name.removeprefix("mlflow at ")
    return where if where.startswith("http") else f"mlflow ui --backend-store-uri {where}"
