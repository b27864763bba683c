"""Runs as TensorBoard's event files: a folder for each, with its hyperparameters.

Event files only grow. So the files of a run that has ended are written anew, whole, whenever what
is known of it has changed; while it goes on its points are appended.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialwright.app.tracking.copies import PREFIX, VALUE, Copy, whole
from trialwright.execute.runner import Reported

if TYPE_CHECKING:
    from tensorboardX.event_file_writer import EventsWriter  # type: ignore[import-untyped]  # has none

CARD = "trialwright.json"
"""In a run's folder: which run it is, what of it is there, and in which files."""


class TensorboardFiles:
    """The runs of one study in one folder, in a folder each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, EventsWriter] = {}
        """By run that goes on: the file that its points go to."""
        self._there: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(f"*/{CARD}"):
            card = _card(path.parent)
            self._there[str(card.get("run", ""))] = str(card.get("digest", ""))

    def digest(self, key: str) -> str:
        """Return the digest of a run as it was copied last; '' if it was not."""
        return self._there.get(key, "")

    def put(self, copy: Copy) -> None:
        """Bring one run up to date."""
        if copy.status == "running" and copy.key in self._open:
            # What is new of it comes with its end.
            self._there[copy.key] = copy.digest
            return
        if copy.key in self._open:
            self._open.pop(copy.key).close()
        place = self._place(copy)
        old = _card(place)
        if old and old.get("run") != copy.key:
            raise FileExistsError(f"{place} holds a run of another study: name another folder")
        writer, name = _writer(place, copy)
        # A file that no card names is nobody's: so the card has both until the old one is gone.
        before = [str(one) for one in old.get("files", ()) if one != name]
        _write_card(place, copy.key, "", [*before, name])
        _describe(writer, copy)
        if copy.status == "running":
            writer.flush()
            self._open[copy.key] = writer
        else:
            for tag, step, value, at in copy.points():
                _point(writer, tag, value, whole(step), at)
            writer.close()
        for other in before:
            (place / Path(other).name).unlink(missing_ok=True)
        _write_card(place, copy.key, "" if copy.status == "running" else copy.digest, [name])
        self._there[copy.key] = copy.digest

    def point(self, key: str, reported: Sequence[tuple[Reported, float]]) -> None:
        """Add what a run that goes on reported, each with its time."""
        writer = self._open.get(key)
        if writer is None:
            return
        for event, at in reported:
            for name, value in event.metrics.items():
                _point(writer, name, value, whole(event.step), at)
        writer.flush()

    def close(self) -> None:
        """Let go of the files of runs that go on."""
        while self._open:
            self._open.popitem()[1].close()

    def _place(self, copy: Copy) -> Path:
        run = copy.run
        again = f"-attempt-{run.attempt}" if run.attempt else ""
        return self._folder / f"trial-{run.trial:04d}-seed-{run.seed}{again}"


def _writer(place: Path, copy: Copy) -> tuple[EventsWriter, str]:
    """Open a new event file; return it with its name."""
    from tensorboardX.event_file_writer import EventsWriter

    place.mkdir(parents=True, exist_ok=True)
    before = set(place.iterdir())
    ending = f".{copy.digest}"
    writer = EventsWriter(str(place / "events"), ending)
    new = set(place.glob(f"events.out.tfevents.*{ending}"))
    return writer, max((path for path in new - before or new), key=lambda path: path.name).name


def _describe(writer: EventsWriter, copy: Copy) -> None:
    """Write a run's hyperparameters for the plugin of that name, and its tags as text."""
    from tensorboardX.summary import text  # type: ignore[import-untyped]  # has none

    for summary in _hyperparameters(copy):
        _write(writer, summary, 0, copy.began_at)
    rows = ["| | |", "|---|---|"]
    for name, said in copy.tags.items():
        cell = said.replace("|", "\\|")
        rows.append(f"| {name.removeprefix(PREFIX)} | {cell} |")
    _write(writer, text("trialwright", "\n".join(rows)), 0, copy.began_at)


def _point(writer: EventsWriter, tag: str, value: float, step: int, at: float) -> None:
    from tensorboardX.summary import scalar

    _write(writer, scalar(tag, value), step, at)


def _write(writer: EventsWriter, summary: Any, step: int, at: float) -> None:
    from tensorboardX.proto.event_pb2 import Event  # type: ignore[import-untyped]  # has none

    writer.write_event(Event(wall_time=at, step=step, summary=summary))


def _hyperparameters(copy: Copy) -> list[Any]:
    from tensorboardX.proto.api_pb2 import Status  # type: ignore[import-untyped]  # has none
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData  # type: ignore[import-untyped]  # has none
    from tensorboardX.summary import hparams

    told = dict(copy.parameters)
    told["seed"] = told.get("seed", copy.tags[PREFIX + "seed"])
    told[PREFIX + "by"] = copy.tags.get(PREFIX + "by", "")
    told[PREFIX + "verdict"] = copy.tags.get(PREFIX + "verdict", "")
    made = hparams(told, {VALUE: 0.0})
    kept = []
    for summary in made:
        plugin = summary.value[0].metadata.plugin_data
        data = HParamsPluginData.FromString(plugin.content)
        match data.WhichOneof("data"):
            case "session_start_info":
                # Seeds of one trial are one group: the plugin shows their mean.
                data.session_start_info.group_name = f"trial {copy.run.trial}"
                data.session_start_info.start_time_secs = copy.began_at
            case "session_end_info":
                if copy.status == "running":
                    continue
                good = copy.status in ("done", "pruned")
                word = "STATUS_SUCCESS" if good else "STATUS_FAILURE"
                data.session_end_info.status = Status.Value(word)
                data.session_end_info.end_time_secs = copy.ended_at or copy.began_at
        plugin.content = data.SerializeToString()
        kept.append(summary)
    return kept


def _card(place: Path) -> dict[str, Any]:
    """What a run's folder says of itself; nothing where it is torn or not there."""
    try:
        found = json.loads((place / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_card(place: Path, run: str, digest: str, files: Sequence[str]) -> None:
    temporary = place / (CARD + ".tmp")
    card = {"run": run, "digest": digest, "files": list(files)}
    temporary.write_text(json.dumps(card) + "\n", encoding="utf-8")
    temporary.replace(place / CARD)
