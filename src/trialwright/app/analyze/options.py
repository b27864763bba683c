"""`analyze`: its options. The work is in `command`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help="Studies, storages of Optuna's, trackers' folders and exports, logs; else the study"
        " here.",
        metavar="PATH",
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="What a log's columns and words are: metric=loss, keep=PASS,BEST.",
        metavar="WHAT=COLUMN",
    ),
]


def analyze(
    sources: Sources = None,
    *,
    factor: Annotated[
        str | None,
        typer.Option(help="The setting that variance is told of, such as backbone."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Tell the parts of a campaign apart, and compare them, such as agent."),
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Experiments in a window of what changes.", min=2)
    ] = None,
    map_: Map = None,
    name: Annotated[
        str | None, typer.Option(help="Which study of a storage, or experiment; else all.")
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(help="The server that keeps the studies that are named.", metavar="URL"),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write a file per table, too.", metavar="FOLDER")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a report with figures, too.", metavar="FILE")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write a report as Markdown, too.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Say how a search behaved: what its variance goes to, what it kept, how it moved, its cost."""
    from trialwright.app.analyze.command import Wishes, analyze_sources
    from trialwright.app.analyze.measuring import Options

    wishes = Wishes(
        sources=tuple(sources or ()),
        options=Options(factor=factor, by=by, window=window),
        map=tuple(map_ or ()),
        name=name,
        ledger=ledger,
        csv=csv,
        html=html,
        markdown=markdown,
        force=force,
        json=json,
    )
    raise typer.Exit(analyze_sources(wishes))
