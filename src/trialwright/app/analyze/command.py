"""`analyze`: reads what is named, measures it, prints it, and writes it where that is wished."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import typer
from rich.console import Console

from trialwright import __version__
from trialwright.app.analyze.measuring import Analysed, Analysis, Options, analysed
from trialwright.app.analyze.sources import Wish, opened
from trialwright.app.analyze.telling import show
from trialwright.app.campaigns_command import document
from trialwright.app.documents import Document, dumps, plain
from trialwright.app.place import shown
from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.given import given
from trialwright.errors import CampaignError
from trialwright.insight.measured import Measured, Table
from trialwright.report import words

UNREAD = 2
"""The exit status where some source could not be read, though others could."""
COMPARED = "side-by-side"
"""The folder of tables about all campaigns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    sources: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    map: tuple[str, ...] = ()
    name: str | None = None
    ledger: str | None = None
    csv: Path | None = None
    html: Path | None = None
    markdown: Path | None = None
    force: bool = False
    json: bool = False

    def written(self) -> Iterator[Path]:
        """Yield the files and folders that are to be written."""
        yield from (path for path in (self.csv, self.html, self.markdown) if path is not None)


def analyze_sources(wishes: Wishes) -> int:
    """Do what the command line asks for; return the exit status.

    Raises:
        TrialwrightError: nothing can be read, or a file is there already.
    """
    for path in wishes.written():
        if path.exists() and not wishes.force and not (path.is_dir() and not any(path.iterdir())):
            raise CampaignError(f"{path} is there already: replace it with --force")
    wish = Wish(given=given(wishes.map), name=wishes.name, ledger=wishes.ledger)
    found = opened(list(wishes.sources or (".",)), wish)
    analysis = analysed(found.campaigns, wishes.options)
    if wishes.json:
        told = told_document(analysis)
        told["unread"] = [{"source": source, "why": why} for source, why in found.unread]
        typer.echo(dumps(told))
    else:
        show(analysis, Console(highlight=False))
    for source, why in found.unread:
        typer.echo(f"trialwright: not read: {source}: {why}", err=True)
    try:
        _write(analysis, wishes)
    except OSError as error:
        raise CampaignError(f"{error.filename} can't be written: {error.strerror}") from None
    return UNREAD if found.unread else 0


def told_document(analysis: Analysis) -> Document:
    """Return everything that was measured as one JSON document."""
    return {
        "campaigns": [
            {**_about(part.campaign), "measures": [_measured(one) for one in part.measures]}
            for part in analysis.parts
        ],
        "compared": [_measured(one) for one in analysis.compared],
    }


def _about(campaign: Campaign) -> Document:
    about = document(campaign)
    del about["experiments"]
    return about


def _measured(one: Measured) -> Document:
    return {
        "name": one.name,
        "title": one.title,
        "refused": one.refused,
        "sentence": one.sentence,
        "values": plain(one.values),
        "table": None if one.table is None else [plain(row) for row in one.table.records],
        "notes": list(one.notes),
    }


def _write(analysis: Analysis, wishes: Wishes) -> None:
    said = sys.stderr if wishes.json else sys.stdout
    if wishes.csv is not None:
        count = write_tables(analysis, wishes.csv)
        typer.echo(f"\nwrote {words.count(count, 'table')} to {shown(wishes.csv)}", file=said)
    if wishes.html is None and wishes.markdown is None:
        return
    from trialwright.app.analyze import page

    call = page.call(wishes.sources, wishes.options, wishes.map)
    for path, render in ((wishes.html, page.to_html), (wishes.markdown, page.to_markdown)):
        if path is not None:
            path.write_text(render(analysis, call, version=__version__), encoding="utf-8")
            typer.echo(f"\nwrote {shown(path)}", file=said)


def write_tables(analysis: Analysis, folder: Path) -> int:
    """Write every table into a folder, one per campaign below it; return how many.

    Of each: `figures.csv` with the figures of all measures, `experiments.csv` and `malformed.csv`
    with what was read, and a file per measure that has a table.
    """
    written = 0
    names = _folders([part.campaign.name for part in analysis.parts])
    for part, name in zip(analysis.parts, names, strict=True):
        tables = {**_tables(part.measures), **_read(part)}
        written += _write_all(folder / name if len(names) > 1 else folder, tables)
    if analysis.compared:
        written += _write_all(folder / COMPARED, _tables(analysis.compared))
    return written


def _write_all(folder: Path, tables: dict[str, Table]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(table.csv(), encoding="utf-8")
    return len(tables)


def _folders(names: list[str]) -> list[str]:
    """Names as folders may have them, each its own."""
    found: list[str] = []
    for name in names:
        plain_name = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:80] or "campaign"
        number = sum(re.sub(r"-\d+$", "", one) == plain_name for one in found)
        found.append(f"{plain_name}-{number + 1}" if number else plain_name)
    return found


def _tables(measures: tuple[Measured, ...]) -> dict[str, Table]:
    figures = [
        (one.name, key, value) for one in measures if not one.refused
        for key, value in one.values.items()
    ]  # fmt: skip
    refused = [(one.name, one.sentence) for one in measures if one.refused]
    return {
        "figures": Table(columns=("measure", "figure", "value"), rows=tuple(figures)),
        **({"refused": Table(columns=("measure", "why"), rows=tuple(refused))} if refused else {}),
        **{one.name: one.table for one in measures if one.table is not None},
    }


def _read(part: Analysed) -> dict[str, Table]:
    """The experiments as they were read, and the lines that were not."""
    campaign = part.campaign
    settings = sorted({key for one in campaign.experiments for key in one.configuration or {}})
    columns = (
        "number", "line", "label", "status", "word", "metric", "category", "agent", "task",
        "seconds", "memory_gb", "at", "seed", "commit", "description",
    )  # fmt: skip
    rows = tuple(
        (
            *(getattr(one, column) for column in columns),
            *((one.configuration or {}).get(key) for key in settings),
        )
        for one in campaign.experiments
    )
    experiments = Table(columns=(*columns, *(f"config.{key}" for key in settings)), rows=rows)
    broken = tuple((one.line, one.why, one.text) for one in campaign.malformed)
    return {
        "experiments": experiments,
        **({"malformed": Table(columns=("line", "why", "text"), rows=broken)} if broken else {}),
    }
