"""The commands that exchange studies with Optuna: `import` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def import_(
    url: Annotated[
        str,
        typer.Argument(
            help="Optuna's storage: sqlite:///study.db, another database's URL, or a journal file.",
            metavar="URL",
        ),
    ],
    *,
    to: Annotated[Path, typer.Option(help="The folder to write study.yaml and runs into.")],
    name: Annotated[str | None, typer.Option(help="Which study, if there are several.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="What your script calls the value; else 'value'.")
    ] = None,
    trials: Annotated[int, typer.Option(help="Further trials to write as budget.", min=1)] = 10,
    json: Json = False,
) -> None:
    """Take over an Optuna study: its trials into a ledger, its space into a study file."""
    from trialwright.app.optuna_import import Wishes, import_study

    import_study(Wishes(url=url, folder=to, name=name, metric=metric, trials=trials, json=json))


def export(
    *,
    to: Annotated[str, typer.Option(help="Optuna's storage, such as sqlite:///study.db.")],
    study: Annotated[
        Path | None,
        typer.Option("--study", help="The study: its file, or its folder.", metavar="PATH"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the Optuna study; else the study's own.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a study of that name.")] = False,
    json: Json = False,
) -> None:
    """Write the study as an Optuna study, which optuna-dashboard shows with every rationale."""
    from trialwright.app.optuna_export import Wishes, export_study

    export_study(Wishes(url=to, study=study, name=name, force=force, json=json))
