"""`import` and `export`: studies of Optuna's, and logs of campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialwright.errors import StudyError

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def import_(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Logs of campaigns (results.tsv, JSONL, CSV); or one Optuna storage:"
            " sqlite:///study.db, another database's URL, or a journal file.",
            metavar="SOURCE...",
        ),
    ],
    *,
    to: Annotated[
        Path | None,
        typer.Option(help="The folder for study.yaml and runs; of a campaign, results.tsv."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Which study, if there are several; the campaign's name.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="What your script calls the value; of a campaign, the metric's column."),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="What a log's columns and words are: status=decision, keep=PASS,BEST.",
            metavar="WHAT=COLUMN",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Further trials to write as budget.", min=1)] = 10,
    json: Json = False,
) -> None:
    """Take over what was tried elsewhere: an Optuna study, or the log of an agent's campaign."""
    from trialwright.app.campaigns_command import is_storage

    stored = [source for source in sources if is_storage(source)]
    if not stored:
        from trialwright.app import campaigns_command as campaigns

        pairs = (*(map_ or ()), *((f"metric={metric}",) if metric else ()))
        campaigns.import_campaigns(
            campaigns.Wishes(files=tuple(sources), to=to, name=name, map=pairs, json=json)
        )
        return
    if len(sources) > 1:
        raise StudyError(f"{stored[0]} is a storage of Optuna's: import it alone")
    if map_:
        raise StudyError(f"--map is for logs of campaigns; {stored[0]} is a storage of Optuna's")
    if to is None:
        raise StudyError("--to FOLDER is missing: where study.yaml and runs are to be written")
    from trialwright.app.optuna_import import Wishes, import_study

    wishes = Wishes(url=stored[0], folder=to, name=name, metric=metric, trials=trials, json=json)
    import_study(wishes)


Dataset = Annotated[
    Path | None,
    typer.Option(help="Write an open data set: tables with a card.", metavar="FOLDER"),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="Of a data set: parquet or csv.", metavar="FORMAT"),
]


def export(
    place: Annotated[
        Path | None,
        typer.Argument(help="The study: its file or folder, as --study.", metavar="[STUDY]"),
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(help="Optuna's storage, such as sqlite:///study.db; or a .tsv file."),
    ] = None,
    dataset: Dataset = None,
    study: Annotated[
        Path | None,
        typer.Option("--study", help="The study: its file, or its folder.", metavar="PATH"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the Optuna study; else the study's own.")
    ] = None,
    form: Format = None,
    logs: Annotated[
        bool, typer.Option("--logs", help="Into a data set: the last lines of logs, too.")
    ] = False,
    code: Annotated[
        bool, typer.Option("--code", help="Into a data set: the patches of code, too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json: Json = False,
) -> None:
    """Write the study as one of Optuna's, as a results.tsv, or as an open data set."""
    from trialwright.app.place import one_of

    study = one_of(place, study)
    if dataset is not None:
        if to is not None or name is not None:
            raise StudyError("--to and --name are for studies of Optuna's: call --dataset alone")
        from trialwright.app.analyze import export as datasets
        from trialwright.app.analyze.tables import Extent

        datasets.export_dataset(
            datasets.Wishes(
                study=study,
                to=dataset,
                form=form,
                extent=Extent(logs=logs, code=code),
                force=force,
                json=json,
            )
        )
        return
    if form is not None or logs or code:
        raise StudyError("--format, --logs and --code are for a data set: name it with --dataset")
    if to is None:
        raise StudyError(
            "say what to write: --to sqlite:///study.db, --to results.tsv, --dataset FOLDER"
        )
    _export_elsewhere(to, study, name, force=force, json=json)


def _export_elsewhere(
    to: str, study: Path | None, name: str | None, *, force: bool, json: bool
) -> None:
    if "://" not in to and to.endswith(".tsv"):
        from trialwright.app.campaigns_command import export_results

        if name is not None:
            raise StudyError(f"--name is for a study of Optuna's: {to} has room for one study")
        export_results(study, Path(to), force=force, json=json)
        return
    from trialwright.app.optuna_export import Wishes, export_study

    export_study(Wishes(url=to, study=study, name=name, force=force, json=json))
