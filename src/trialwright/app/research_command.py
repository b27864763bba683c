"""`trialwright research`: its options; `researching` does the work.

Imports here are light, so that `--help` answers at once.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer


class Sandbox(StrEnum):
    """How runs of edited code are kept from the rest of the machine."""

    bubblewrap = "bubblewrap"
    none = "none"


class Begins(StrEnum):
    """From when a time budget counts."""

    start = "start"
    first_metric = "first-metric"


Where = Annotated[
    Path | None,
    typer.Argument(help="The repository, or a study file; else here.", metavar="[REPO]"),
]
Editable = Annotated[
    list[str] | None, typer.Option(help="What may be edited.", metavar="GLOB", show_default=False)
]
Frozen = Annotated[
    list[str] | None, typer.Option(help="What no run may change; else all other files.")
]
Command = Annotated[str | None, typer.Option(help="What a run is, such as 'python train.py'.")]
Aim = Annotated[str | None, typer.Option(help="Such as 'minimize val_bpb'.")]
Regex = Annotated[str | None, typer.Option(help="Finds the metric in what a run prints.")]
Span = Annotated[str | None, typer.Option(help="That every run gets, such as 5m.", metavar="TIME")]
Since = Annotated[
    Begins | None, typer.Option("--from", help="From when the time budget counts; else start.")
]
Memory = Annotated[str | None, typer.Option(help="The most that a run may use, such as 40GB.")]
Program = Annotated[
    str | None, typer.Option(help="Notes for agents; else program.md, if there.", metavar="FILE")
]
Trials = Annotated[int | None, typer.Option(help="Trials in all; else 20.", min=1)]
Time = Annotated[str | None, typer.Option(help="For the whole study, such as 8h.")]
Runs = Annotated[int | None, typer.Option(help="Runs in all.", min=1)]
Team = Annotated[
    list[str] | None,
    typer.Option(help="Who edits: editor, provider:model, 'claude -p'.", metavar="MEMBER"),
]
Confined = Annotated[
    Sandbox | None, typer.Option(help="none: run edited code with your own rights.")
]
Name = Annotated[str | None, typer.Option(help="Of the study; else the folder's.")]
Workers = Annotated[int | None, typer.Option(help="Runs at a time; else 1.", min=1)]
Output = Annotated[
    Path | None, typer.Option(help="The study file to write; else study.yaml in the repository.")
]
Results = Annotated[Path | None, typer.Option(help="For results; else runs/NAME beside the file.")]
Limit = Annotated[str, typer.Option(help="Time limit of the dry run.")]
Dry = Annotated[
    bool, typer.Option("--dry-run/--no-dry-run", help="Run the code once, to prove it.")
]
Plain = Annotated[bool, typer.Option("--plain", help="Print plain lines, also on a terminal.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def research(
    place: Where = None,
    *,
    editable: Editable = None,
    frozen: Frozen = None,
    command: Command = None,
    goal: Aim = None,
    metric_regex: Regex = None,
    time_budget: Span = None,
    begins: Since = None,
    memory: Memory = None,
    program: Program = None,
    trials: Trials = None,
    time: Time = None,
    runs: Runs = None,
    team: Team = None,
    sandbox: Confined = None,
    name: Name = None,
    workers: Workers = None,
    output: Output = None,
    runs_folder: Results = None,
    limit: Limit = "10m",
    dry_run: Dry = True,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Improve a repository's code by trials: edits are run, judged, kept or discarded."""
    from trialwright.app.init.repository import Wishes
    from trialwright.app.researching import study

    wishes = Wishes(
        folder=place or Path(),
        editable=tuple(editable or ()),
        frozen=tuple(frozen or ()),
        command=command,
        goal=goal,
        regex=metric_regex,
        time_budget=time_budget,
        budget_from=_begins(begins),
        memory=memory,
        program=program,
        trials=trials,
        time=time,
        runs=runs,
        team=tuple(team or ()),
        sandbox=_confined(sandbox),
        name=name,
        workers=workers,
        output=output,
        limit=limit,
        dry_run=dry_run,
    )
    raise typer.Exit(study(wishes, runs_folder, plain=plain, json=json))


def _begins(begins: Begins | None) -> Literal["start", "first_metric"] | None:
    if begins is None:
        return None
    return "first_metric" if begins is Begins.first_metric else "start"


def _confined(sandbox: Sandbox | None) -> Literal["bubblewrap", "none"] | None:
    if sandbox is None:
        return None
    return "none" if sandbox is Sandbox.none else "bubblewrap"
