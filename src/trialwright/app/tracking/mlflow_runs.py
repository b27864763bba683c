"""Runs in MLflow: each of ours once, known again by its tag.

MLflow's own client does the writing, to its databases and to its servers.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trialwright.app.tracking.copies import PREFIX, Copy, Status, whole
from trialwright.execute.runner import Reported

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

DIGEST = PREFIX + "digest"
RUN = PREFIX + "run"
OUTCOME = PREFIX + "outcome"

BATCH = 500
"""Points of metrics, and parameters, that are written at a time; MLflow takes 1000 and 100."""

_STATUS: Mapping[Status, str] = {
    "running": "RUNNING",
    "done": "FINISHED",
    "failed": "FAILED",
    "pruned": "KILLED",
    "cancelled": "KILLED",
}
_UNFIT = re.compile(r"[^\w./ :-]")
"""What MLflow does not take in a name."""


@dataclass(slots=True)
class _There:
    """A run as MLflow has it."""

    id: str
    digest: str = ""
    ended: bool = False
    """Whether it has all that the run showed."""
    deleted: bool = False
    sent: set[tuple[str, int, str]] | None = None
    """The points that it has; None: not looked up."""
    parameters: dict[str, str] = field(default_factory=dict)


class MlflowRuns:
    """The runs of one study in one MLflow store.

    Raises:
        Exception: whatever MLflow raises; whoever calls takes any.
    """

    def __init__(self, uri: str, experiment: str, *, study: str, folder: Path | None) -> None:
        self._study = study
        self._there: dict[str, _There] = {}
        self._client = _client(uri)
        self._experiment = self._found(experiment, folder)
        self._look()

    def digest(self, key: str) -> str:
        """Return the digest of a run as it was copied last; '' if it was not."""
        there = self._there.get(key)
        return there.digest if there else ""

    def put(self, copy: Copy) -> None:
        """Bring one run up to date."""
        from mlflow.entities import Param, RunTag

        there = self._there.get(copy.key) or self._create(copy)
        if there.deleted:
            there.digest = copy.digest  # somebody does not want it
            return
        names = _names(copy.parameters)
        missing = [
            Param(names[name], str(value))
            for name, value in copy.parameters.items()
            if names[name] not in there.parameters
        ]
        for start in range(0, len(missing), 100):
            self._client.log_batch(there.id, params=missing[start : start + 100])
        there.parameters |= {param.key: param.value for param in missing}
        over = copy.status != "running" and not there.ended
        if over:
            self._send(there, copy.points())
        # The digest goes last: with it, all before it is there.
        tags = [*_tags(copy).items(), (DIGEST, copy.digest)]
        self._client.log_batch(there.id, tags=[RunTag(name, text) for name, text in tags])
        if over:
            end = None if copy.ended_at is None else round(copy.ended_at * 1000)
            self._client.set_terminated(there.id, _STATUS[copy.status], end)
            there.ended, there.sent = OUTCOME in copy.tags, None
        there.digest = copy.digest

    def point(self, key: str, reported: Sequence[tuple[Reported, float]]) -> None:
        """Add what a run that goes on reported, each with its time."""
        there = self._there.get(key)
        if there is None or there.ended or there.deleted:
            return
        points = [
            (name, event.step, value, at)
            for event, at in reported
            for name, value in event.metrics.items()
        ]
        self._send(there, points)

    def close(self) -> None:
        """Let go."""

    def _send(self, there: _There, points: Sequence[tuple[str, float, float, float]]) -> None:
        from mlflow.entities import Metric

        if there.sent is None:
            there.sent = set(self._known(there))
        new: list[Metric] = []
        for name, step, value, at in points:
            one = Metric(_fit(name), float(value), round(at * 1000), whole(step))
            mark = (one.key, one.step, _told(one.value))
            if mark not in there.sent:
                there.sent.add(mark)
                new.append(one)
        for start in range(0, len(new), BATCH):
            try:
                self._client.log_batch(there.id, metrics=new[start : start + BATCH])
            except Exception:
                # What arrived is not known: it is looked up before the next attempt.
                there.sent = None
                raise

    def _known(self, there: _There) -> Iterator[tuple[str, int, str]]:
        for name in self._client.get_run(there.id).data.metrics:
            for metric in self._client.get_metric_history(there.id, name):
                yield name, metric.step, _told(metric.value)

    def _create(self, copy: Copy) -> _There:
        tags = _tags(copy)
        begun = round(copy.began_at * 1000)
        made = self._client.create_run(self._experiment, begun, tags, copy.name)
        there = self._there[copy.key] = _There(made.info.run_id, sent=set())
        return there

    def _found(self, name: str, folder: Path | None) -> str:
        there = self._client.get_experiment_by_name(name)
        if there is not None:
            if there.lifecycle_stage == "deleted":
                raise LookupError(
                    f"its experiment {name!r} is deleted: restore it, or name another"
                )
            return str(there.experiment_id)
        # Nothing of ours is stored there; without a place MLflow would say the working directory.
        place = None if folder is None else (folder / "mlflow-artifacts").as_uri()
        return str(self._client.create_experiment(name, artifact_location=place))

    def _look(self) -> None:
        """Find out which runs of the study are there, those that somebody deleted too."""
        from mlflow.entities import ViewType

        wanted = self._study.replace("'", "")
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                f"tags.`{PREFIX}study` = '{wanted}'",
                ViewType.ALL,
                max_results=1000,
                page_token=token,
            )
            for run in page:
                tags = run.data.tags
                self._there[tags.get(RUN, "")] = _There(
                    run.info.run_id,
                    digest=tags.get(DIGEST, ""),
                    ended=OUTCOME in tags,
                    deleted=run.info.lifecycle_stage == "deleted",
                    parameters=dict(run.data.params),
                )
            token = page.token
            if not token:
                return


def _client(uri: str) -> MlflowClient:
    """Make a client for an address; nothing is set for others who use MLflow in this process."""
    # Read by MLflow from the environment alone. It would tell its makers of its use, and try a
    # server that is away for minutes.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow import MlflowClient

    # The terminal is the live view's.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri)


def _tags(copy: Copy) -> dict[str, str]:
    """Our tags, and those that MLflow's own pages show."""
    tags = dict(copy.tags)
    shown = {
        "mlflow.note.content": tags.get(PREFIX + "rationale", ""),
        "mlflow.source.git.commit": tags.get(PREFIX + "commit", ""),
    }
    return tags | {name: text for name, text in shown.items() if text}


def _names(names: Mapping[str, object]) -> dict[str, str]:
    """Return the name under which MLflow has each parameter; none has another's."""
    found: dict[str, str] = {}
    for name in names:
        fit = _fit(name)
        while fit in found.values():
            fit += "_"
        found[name] = fit
    return found


def _fit(name: str) -> str:
    return _UNFIT.sub("_", name)[:250] or "_"


def _told(value: float) -> str:
    """A value as it comes back: infinities are cut to the largest number, all NaN are alike."""
    largest = 1.7976931348623157e308
    return "nan" if value != value else repr(max(min(value, largest), -largest))  # noqa: PLR0124
