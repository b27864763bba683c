"""`export --dataset`: a study as an open data set, tables with a card that says what they are."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import typer
from jinja2 import Environment, StrictUndefined

from trialwright import __version__
from trialwright.app.analyze.tables import Column, Extent, Sheet, sheets
from trialwright.app.documents import Document, dumps, plain
from trialwright.app.place import shown, to_read
from trialwright.campaigns.dataset import DESCRIPTION, FORMAT, VERSION, Kind
from trialwright.errors import StudyError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.report import words

CARD = "README.md"
Form = Literal["parquet", "csv"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    study: Path | None
    to: Path
    form: str | None = None
    """`parquet` or `csv`; None: Parquet where pyarrow is installed."""
    extent: Extent = field(default_factory=Extent)
    force: bool = False
    json: bool = False


def export_dataset(wishes: Wishes) -> None:
    """Write a study's data set into a folder, and tell what is in it.

    Raises:
        StudyError: there is no such study, the folder holds something else, or can't be written.
    """
    form = _form(wishes.form)
    place = to_read(wishes.study)
    with closing(place.store.open()) as ledger:
        entries = ledger.read()
    history = History(entries)
    _check(wishes.to, force=wishes.force)
    found = sheets(entries, history, wishes.extent)
    about = _described(history, found, form)
    try:
        _write(wishes.to, found, about, form)
        card = _card(history, found, about, extent=wishes.extent, form=form)
        (wishes.to / CARD).write_text(card, encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{wishes.to} can't be written: {error.strerror}") from None
    rows = {sheet.name: len(sheet.rows) for sheet in found}
    if wishes.json:
        typer.echo(dumps({"folder": str(wishes.to), "format": form, "rows": plain(rows)}))
        return
    listed = ", ".join(f"{count} {name}" for name, count in rows.items())
    typer.echo(f"wrote {shown(wishes.to)}: {listed} ({form})")
    typer.echo(f"read {shown(wishes.to / CARD)} before you publish it: it lacks a licence")


def _form(wished: str | None) -> Form:
    there = find_spec("pyarrow") is not None
    match wished:
        case None:
            return "parquet" if there else "csv"
        case "csv":
            return "csv"
        case "parquet" if there:
            return "parquet"
        case "parquet":
            raise StudyError(
                'for Parquet: pip install "trialwright[data]"; else write --format csv'
            )
    raise StudyError(f"--format {wished} must be parquet or csv")


def _check(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"{folder} is a file: name a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    ours = (folder / DESCRIPTION).is_file()
    if not ours:
        raise StudyError(f"{folder} holds something else: name a new folder")
    if not force:
        raise StudyError(f"{folder} holds a data set: replace it with --force, or name another")


def _described(history: History, found: Sequence[Sheet], form: Form) -> Document:
    """What `dataset.json` says: enough to read the tables, and to know what they are of."""
    task = history.task
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": task.name,
        "metric": task.objective.metric,
        "direction": task.objective.direction,
        "trialwright": __version__,
        "written_at": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        "sequence": history.sequence,
        "space": {one.name: one.allowed for one in task.space.parameters},
        "seeds": plain(task.seeds),
        "budget": plain(task.budget),
        "code": [{"id": one.id, "commit": one.commit} for one in history.codes.values()],
        "machines": [
            {
                "id": one.id,
                "platform": one.platform,
                "python": one.python,
                "cores": one.cores,
                "gpus": list(one.gpus),
                "packages": plain(one.packages),
            }
            for one in history.machines.values()
        ],
        "tables": {
            sheet.name: {
                "file": f"{sheet.name}.{form}",
                "rows": len(sheet.rows),
                "what": sheet.what,
                "columns": [asdict(column) for column in sheet.columns],
            }
            for sheet in found
        },
    }


def _write(folder: Path, found: Sequence[Sheet], about: Document, form: Form) -> None:
    """Write the tables; the description last, so that what has one is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for sheet in found:
        for other in ("parquet", "csv"):
            (folder / f"{sheet.name}.{other}").unlink(missing_ok=True)
        path = folder / f"{sheet.name}.{form}"
        if form == "csv":
            _csv(path, sheet)
        else:
            _parquet(path, sheet)
    (folder / DESCRIPTION).write_text(dumps(about) + "\n", encoding="utf-8")


def _csv(path: Path, sheet: Sheet) -> None:
    names = [column.name for column in sheet.columns]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row.get(name)) for name in names] for row in sheet.rows)


def _cell(value: Scalar) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
    return str(value)


def _parquet(path: Path, sheet: Sheet) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs
    from pyarrow import parquet

    types: dict[Kind, object] = {
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "str": pa.string(),
    }
    arrays = {
        column.name: pa.array(
            [_of_kind(row.get(column.name), column) for row in sheet.rows], types[column.kind]
        )
        for column in sheet.columns
    }
    parquet.write_table(pa.table(arrays), path)


def _of_kind(value: Scalar, column: Column) -> Scalar:
    whole = column.kind == "float" and isinstance(value, int) and not isinstance(value, bool)
    # A lone surrogate, as broken output leaves it, can't be said in UTF-8.
    text = value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
    return float(value) if whole and isinstance(value, int) else text


def _card(
    history: History, found: Sequence[Sheet], about: Document, *, extent: Extent, form: Form
) -> str:
    """The data card: what it is, how it was made, what columns mean, how to read it."""
    surroundings = Environment(
        autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True  # noqa: S701  # Markdown
    )  # fmt: skip
    surroundings.filters["cell"] = _in_table
    text = (files("trialwright.app.analyze") / "card.md.j2").read_text(encoding="utf-8")
    rendered = surroundings.from_string(text).render(
        history=history,
        task=history.task,
        sheets=found,
        about=about,
        extent=extent,
        form=form,
        who=_who(history),
        spent=history.spent,
        words=words,
        version=__version__,
        description=DESCRIPTION,
    )
    return re.sub(r"\n{3,}", "\n\n", rendered).strip() + "\n"


def _who(history: History) -> dict[str, int]:
    """How many trials each proposer made."""
    counts: dict[str, int] = {}
    for trial in history.trials:
        counts[trial.proposal.by] = counts.get(trial.proposal.by, 0) + 1
    return counts


def _in_table(value: object) -> str:
    """A text as a cell of a Markdown table."""
    return words.line(str(value)).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
