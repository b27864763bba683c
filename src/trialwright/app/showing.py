"""The commands that only look: `status`, `show`, `best`, `tree`, `report`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import typer
from rich.console import Console, RenderableType

from trialwright.analysis.heldout import told
from trialwright.analysis.pareto import front
from trialwright.app.documents import Document, dumps, plain, study_document, trial_document
from trialwright.app.export import Form, best_of, written
from trialwright.app.export import export as export_file
from trialwright.app.lineage import commits, named, patch_of
from trialwright.app.logs import trial_of
from trialwright.app.place import shown, to_read
from trialwright.app.service.told import service_document, service_lines
from trialwright.history import History
from trialwright.propose.estimate import estimate
from trialwright.report import terminal, tree, write
from trialwright.report.dependence import looked
from trialwright.report.final import final_analysis
from trialwright.research.naming import ref_of


def status(study: Path | None, *, json: bool) -> None:
    """Print where a study stands, and its service."""
    place = to_read(study)
    with closing(place.store.open()) as ledger:
        entries = ledger.read()
    folder, history, going = place.folder, History(entries), place.store.going()
    if json:
        document = study_document(history, folder, running=bool(going))
        _print(dumps({**document, **service_document(folder, entries)}))
        return
    _render(terminal.overview(history, going=bool(going)))
    if going:
        _print(f"{going} is running this study")
    elif history.closed is None or history.pending():
        _print("no process is running this study; `trialwright run` resumes it")
    to_come = estimate(history.task, history) if going or history.closed is None else None
    if to_come is not None and to_come.trials:
        _print(str(to_come))
    for line in service_lines(folder, entries):
        _print(line)


def show(
    study: Path | None, number: int, *, json: bool, diff: bool = False, since: str | None = None
) -> None:
    """Print a trial; as JSON with `diff`, with its patch `since` another one."""
    place = to_read(study)
    folder, history = place.folder, place.history()
    trial = trial_of(history, number)
    if not json:
        _render(terminal.trial_view(history, number, commit=named(history, number)))
        return
    document = trial_document(trial, folder, curves=True)
    commit = commits(history).get(number)
    if commit is not None:
        document |= {"commit": commit, "ref": ref_of(history.task.name, number)}
    if diff:
        document["patch"] = patch_of(history, number, since=since)
    _print(dumps(document))


def best(study: Path | None, *, target: Path | None, form: Form | None, json: bool) -> None:
    """Print the best trial, or its configuration; export it."""
    place = to_read(study)
    folder, history = place.folder, place.history()
    trial = best_of(history)
    if target is not None:
        export_file(history, trial, target)
    if form is not None:
        _print(written(history, trial, form, folder).rstrip("\n"))
    elif json:
        _print(dumps(trial_document(trial, folder)))
    elif target is not None:
        _print(f"wrote the configuration of trial {trial.number} to {target}")
    else:
        _render(terminal.best_view(history))


def draw_tree(study: Path | None, *, draw: bool, json: bool) -> None:
    """Print the tree of trials with its scores; draw it."""
    place = to_read(study)
    folder, history = place.folder, place.history()
    path = write.write_tree(history, _made(folder)) if draw else None
    if json:
        _print(dumps(tree.document(history)))
        return
    for line in tree.lines(tree.grown(history), metric=history.task.objective.metric):
        _print(line)
    if path is not None:
        _print(f"tree: {shown(path)}")


def report(study: Path | None, *, json: bool) -> None:
    """Write the reports, and print where they are, or the analysis."""
    place = to_read(study)
    folder, history = place.folder, place.history()
    path = write.write(history, _made(folder))
    if json:
        document: Document = {
            "report": str(path),
            "analysis": plain(final_analysis(history)),
            "front": plain(front(history)),
            "dependence": plain(looked(history)),
            "heldout": plain(told(history)),
        }
        _print(dumps(document))
    else:
        _print(f"report: {shown(path)}")


def _made(folder: Path) -> Path:
    """The folder, made where a study on a server has none here."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _render(renderable: RenderableType) -> None:
    Console().print(renderable)


def _print(text: str) -> None:
    typer.echo(text)
