"""What MLflow keeps: the table of `search_runs`, a folder `mlruns`, a database. It isn't needed.

Of each metric the last value counts, as in `search_runs`; all of them are the run's curve.
A folder has a file per parameter, and per metric one with a line `timestamp value step` per value
(mlflow.org, "Backend Stores").
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import yaml

from trialwright.campaigns.assemble import assemble
from trialwright.campaigns.campaign import Campaign, Curve, Malformed
from trialwright.campaigns.given import Given
from trialwright.campaigns.sheet import Refused, Sheet, malformed
from trialwright.campaigns.tracked import Tracked, moment, number, scalar, sheet_of, without
from trialwright.errors import CampaignError
from trialwright.expression import Scalar

SIGNS = {"run_id", "experiment_id", "status"}
STATES = {"1": "running", "2": "scheduled", "3": "finished", "4": "failed", "5": "killed"}
"""Of the folder's `meta.yaml`."""
NAME, COMMIT = "mlflow.runName", "mlflow.source.git.commit"
_PREFIXES = ("params.", "metrics.", "tags.")


def is_mlflow_table(text: str) -> bool:
    """Say whether a text begins with the columns of `search_runs`."""
    header = set(next(csv.reader([text.lstrip().split("\n", 1)[0]]), []))
    return header >= SIGNS and any(name.startswith(_PREFIXES) for name in header)


def mlflow_table(text: str) -> Sheet:
    """Take the table of `search_runs`, written as CSV, apart.

    Raises:
        Refused: it has no rows that can be read.
    """
    lines = csv.reader(io.StringIO(text.lstrip()))
    header = next(lines, [])
    runs: list[Tracked] = []
    broken: list[Malformed] = []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        joined = ",".join(cells)
        if len(cells) != len(header):
            why = f"{len(cells)} fields where the header has {len(header)}"
            broken.append(malformed(lines.line_num, joined, why))
        else:
            row = dict(zip(header, cells, strict=True))
            runs.append(_of_table(row, lines.line_num, joined))
    if not runs:
        raise Refused("the columns of search_runs, but no run")
    found = sheet_of(runs, "MLflow", "the columns of search_runs")
    found.malformed += broken
    return found


def _of_table(row: Mapping[str, str], line: int, text: str) -> Tracked:
    began, ended = moment(row.get("start_time", "")), moment(row.get("end_time", ""))
    parts = {
        prefix: {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)}
        for prefix in _PREFIXES
    }
    params, metrics, tags = (parts[prefix] for prefix in _PREFIXES)
    return Tracked(
        line=line,
        text=text,
        name=tags.get(NAME) or row["run_id"],
        state=row["status"],
        configuration=without({k: scalar(v) for k, v in params.items()}, ()),
        results=without({k: scalar(v) for k, v in metrics.items()}, ()),
        at=began,
        seconds=None if began is None or ended is None else max(ended - began, 0.0),
        notes=tags.get("mlflow.note.content", ""),
        commit=tags.get(COMMIT, ""),
    )


def is_mlflow_folder(folder: Path) -> bool:
    """Say whether a folder is a file store, or holds one called `mlruns`."""
    return any(True for _ in _experiments(folder))


def _experiments(folder: Path) -> Iterator[tuple[Path, dict[str, object]]]:
    """Every experiment of a file store that is not deleted: its folder, its meta.yaml."""
    inner = folder / "mlruns"
    store = inner if inner.is_dir() else folder
    # One experiment's own folder is as good.
    for place in (store, *sorted(store.iterdir())):
        meta = _meta(place / "meta.yaml")
        if "experiment_id" in meta and "run_id" not in meta and "run_uuid" not in meta:
            if meta.get("lifecycle_stage", "active") == "active":
                yield place, meta
            if place == store:
                return


def _meta(path: Path) -> dict[str, object]:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return value if isinstance(value, dict) else {}


def mlflow_folder(folder: Path, given: Given | None = None) -> list[Campaign]:
    """Read a file store: a campaign per experiment that has runs.

    Raises:
        CampaignError: there are none, or what they report is no campaign.
    """
    found: list[tuple[str, Sheet]] = []
    for place, meta in _experiments(folder):
        runs: list[Tracked] = []
        broken: list[Malformed] = []
        listed = sorted(path for path in place.iterdir() if path.is_dir() and path.name != "tags")
        for number_, path in enumerate(listed, 1):
            about = _meta(path / "meta.yaml")
            if about.get("lifecycle_stage") == "deleted":
                continue
            if not about and not (path / "params").is_dir() and not (path / "metrics").is_dir():
                continue
            if not about:
                broken.append(malformed(number_, path.name, "a run without a meta.yaml"))
                continue
            runs.append(_of_folder(path, about, number_, broken))
        if runs or broken:
            sheet = sheet_of(runs, "MLflow", f"a folder of MLflow's, {place.name}")
            sheet.malformed += broken
            found.append((str(meta.get("name") or place.name), sheet))
    return _campaigns(found, str(folder), given)


def _of_folder(
    folder: Path, about: Mapping[str, object], line: int, broken: list[Malformed]
) -> Tracked:
    tags = {path.name: _text(path) for path in _files(folder / "tags")}
    results: dict[str, Scalar] = {}
    curves: dict[str, Curve] = {}
    for path in _files(folder / "metrics"):
        name = path.relative_to(folder / "metrics").as_posix()
        value = _last(path)
        if value is None:
            why = "a metric's file without a line `timestamp value step`"
            broken.append(malformed(line, f"{folder.name}/metrics/{name}", why))
        else:
            results[name] = value
            curves[name] = _curve(line.split() for line in _text(path).splitlines())
    params = {
        path.relative_to(folder / "params").as_posix(): scalar(_text(path))
        for path in _files(folder / "params")
    }
    state = str(about.get("status", ""))
    return Tracked(
        line=line,
        text=folder.name,
        name=str(about.get("run_name") or tags.get(NAME) or folder.name),
        state=STATES.get(state, state),
        configuration=without(params, ()),
        results=results,
        curves=curves,
        notes=tags.get("mlflow.note.content", ""),
        commit=tags.get(COMMIT, ""),
        **_times(about.get("start_time"), about.get("end_time")),
    )


def _times(began: object, ended: object) -> dict[str, float | None]:
    """Both times are milliseconds; a run that is not over has no second one."""
    start, end = number(began), number(ended)
    return {
        "at": None if start is None else start / 1000,
        "seconds": None if start is None or not end else max(end - start, 0.0) / 1000,
    }


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()


def _last(path: Path) -> float | None:
    """The value of the last line; steps may come again after a run was resumed."""
    values = [line.split() for line in _text(path).splitlines()]
    known = [(number(v[2]) if len(v) > 2 else 0.0, v[1]) for v in values if len(v) >= 2]
    if not known:
        return None
    step = max(at or 0.0 for at, _ in known)
    text = next(value for at, value in reversed(known) if (at or 0.0) == step)
    return float("nan") if number(text) is None else number(text)


def _curve(lines: Iterable[Sequence[object]]) -> Curve:
    """Points of `timestamp value step`, by step; the last one of a step counts."""
    points: dict[float, float] = {}
    for line in lines:
        value, step = (number(part) for part in line[1:3]) if len(line) > 2 else (None, None)
        if value is not None and step is not None:
            points[step] = value
    return tuple(sorted(points.items()))


def mlflow_database(path: Path, given: Given | None = None) -> list[Campaign]:
    """Read a SQLite database of MLflow's: a campaign per experiment that has runs.

    Raises:
        CampaignError: it can't be read, or holds no runs.
    """
    found: list[tuple[str, Sheet]] = []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            for identity, name in database.execute(
                "SELECT experiment_id, name FROM experiments WHERE lifecycle_stage = 'active'"
            ).fetchall():
                runs = _of_database(database, identity)
                if runs:
                    found.append((name, sheet_of(runs, "MLflow", "a database of MLflow's")))
    except sqlite3.Error as error:
        raise CampaignError(f"{path} is no database of MLflow's: {error}") from None
    return _campaigns(found, str(path), given)


def _of_database(database: sqlite3.Connection, experiment: object) -> list[Tracked]:
    def pairs(table: str, run: str) -> dict[str, object]:
        query = f"SELECT key, value FROM {table} WHERE run_uuid = ?"  # noqa: S608  # our own words
        return dict(database.execute(query, (run,)).fetchall())

    rows = database.execute(
        "SELECT run_uuid, name, status, start_time, end_time FROM runs"
        " WHERE experiment_id = ? AND lifecycle_stage = 'active' ORDER BY start_time, run_uuid",
        (experiment,),
    ).fetchall()
    found = []
    for line, (run, name, status, began, ended) in enumerate(rows, 1):
        tags = {key: str(value) for key, value in pairs("tags", run).items()}
        params = {key: scalar(str(value)) for key, value in pairs("params", run).items()}
        results = {key: number(value) for key, value in pairs("latest_metrics", run).items()}
        found.append(
            Tracked(
                line=line,
                text=run,
                name=tags.get(NAME) or name or run,
                state=status,
                configuration=without(params, ()),
                results={**results},
                curves=_series(database, run),
                notes=tags.get("mlflow.note.content", ""),
                commit=tags.get(COMMIT, ""),
                **_times(began, ended),
            )
        )
    return found


def _series(database: sqlite3.Connection, run: str) -> dict[str, Curve]:
    rows = database.execute(
        "SELECT key, timestamp, value, step FROM metrics WHERE run_uuid = ? AND NOT is_nan"
        " ORDER BY timestamp, step",
        (run,),
    ).fetchall()
    by: dict[str, list[Sequence[object]]] = {}
    for key, *line in rows:
        by.setdefault(key, []).append(line)
    return {key: _curve(lines) for key, lines in by.items()}


def _campaigns(
    found: Sequence[tuple[str, Sheet]], where: str, given: Given | None
) -> list[Campaign]:
    """Every experiment that is a campaign; what is none is said of the others."""
    campaigns: list[Campaign] = []
    refused: list[str] = []
    for name, sheet in found:
        try:
            campaigns.append(assemble(sheet, name=name, given=given or Given()))
        except Refused as reason:
            refused.append(f"experiment {name!r}: {reason}")
    if not campaigns:
        why = "".join(f"\n  {one}" for one in refused) or " no experiment has a run"
        raise CampaignError(f"{where}: MLflow's, but nothing to analyse:{why}")
    if refused:
        note = "left out: " + "; ".join(refused)
        campaigns[0] = replace(campaigns[0], notes=(*campaigns[0].notes, note))
    return campaigns
