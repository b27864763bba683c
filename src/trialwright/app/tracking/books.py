"""Which tracker is meant, and opening it: its address, its package, its name without secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from trialwright.app.tracking.mlflow_runs import MlflowRuns
from trialwright.app.tracking.tensorboard_files import TensorboardFiles
from trialwright.errors import StudyError
from trialwright.report.words import line
from trialwright.task import Task
from trialwright.tracker import PACKAGES, Tracker, shown
from trialwright.webhook import variable

MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"
"""Where MLflow's users say which store is theirs."""

_DATABASE = "sqlite:///"

Book = MlflowRuns | TensorboardFiles
"""A tracker that is open."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where one tracker of one study is."""

    tracker: Tracker
    name: str
    """For people, without secrets."""
    experiment: str
    place: Path
    """The folder of TensorBoard's files; for MLflow, where a database of our own would be."""
    uri: str = field(default="", repr=False)
    """Of MLflow; it may hold a password."""

    def opened(self, study: str) -> Book:
        """Open the tracker for the runs of `study`.

        Raises:
            Exception: whatever the tracker raises.
        """
        if self.tracker.kind == "tensorboard":
            return TensorboardFiles(self.place)
        ours = self.uri.startswith(_DATABASE)
        if ours:
            Path(self.uri.removeprefix(_DATABASE)).parent.mkdir(parents=True, exist_ok=True)
        folder = self.place if ours else None
        return MlflowRuns(self.uri, self.experiment, study=study, folder=folder)

    def fault(self, error: BaseException) -> str:
        """Say in a line what went wrong, without the secrets of the address."""
        text = f"{type(error).__name__}: {error}"
        for secret in (self.uri, *_login(self.uri)):
            text = text.replace(secret, shown(self.uri) if secret == self.uri else "...")
        return line(text, most=300)


def shelf(tracker: Tracker, task: Task, folder: Path, environ: Mapping[str, str]) -> Shelf:
    """Return where a tracker of a study with results in `folder` is.

    Raises:
        StudyError: its package is not installed, or its variable is not set.
    """
    if find_spec(PACKAGES[tracker.kind]) is None:
        raise StudyError(
            f"trackers: {tracker.kind} needs the package {PACKAGES[tracker.kind]}, which is not"
            ' installed: pip install "trialwright[trackers]"'
        )
    if tracker.kind == "tensorboard":
        place = Path(task.folder) / tracker.folder if tracker.folder else folder / "tensorboard"
        return Shelf(tracker, f"tensorboard in {place}", "", place)
    uri = _uri(tracker, task, folder, environ)
    experiment = tracker.experiment or task.name
    return Shelf(tracker, f"mlflow at {shown(uri)}", experiment, folder, uri)


def shelves(task: Task, folder: Path, environ: Mapping[str, str] = os.environ) -> list[Shelf]:
    """Return where each tracker of a study is.

    Raises:
        StudyError: as for `shelf`.
    """
    return [shelf(tracker, task, folder, environ) for tracker in task.trackers]


def _uri(tracker: Tracker, task: Task, folder: Path, environ: Mapping[str, str]) -> str:
    name = variable(tracker.uri)
    if name is not None:
        uri = environ.get(name, "").strip()
        if not uri:
            raise StudyError(
                f"trackers: the address of mlflow is what the variable {name} holds, and it is not"
                " set here: set it to http://... or sqlite:///..."
            )
    else:
        uri = tracker.uri or environ.get(MLFLOW_VARIABLE, "").strip()
    if not uri:
        return f"{_DATABASE}{folder.absolute() / 'mlflow.db'}"
    relative = uri.removeprefix(_DATABASE)
    if uri.startswith(_DATABASE) and tracker.uri and not Path(relative).is_absolute():
        return f"{_DATABASE}{(Path(task.folder) / relative).absolute()}"
    return uri


def _login(uri: str) -> list[str]:
    """What of an address is secret: who logs in, and its query."""
    login = uri.partition("://")[2].partition("/")[0].rpartition("@")[0]
    password, query = login.partition(":")[2], uri.partition("?")[2]
    return [text for text in (login, password, query) if text]
