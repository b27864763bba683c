"""From a git repository to a study of its code that runs; called again, the study goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from trialwright.app.init.repository import (
    Wishes,
    init_repository,
    member_name,
    octets_of,
    patterned,
    span_of,
    words_of,
)
from trialwright.app.place import to_run
from trialwright.app.running import Changes, Output, opened, run
from trialwright.errors import StudyError
from trialwright.store import begun
from trialwright.studyfile import load
from trialwright.task import Task

YAML = (".yaml", ".yml")


def study(wishes: Wishes, results: Path | None, *, plain: bool, json: bool) -> int:
    """Run the study that is there already, or one that is written now; return the exit status.

    `results` is the folder for its results, if not the usual one.

    Raises:
        TrialwrightError: it can't be written, or run.
    """
    file = _there(wishes)
    if file is None:
        file = init_repository(wishes, lambda line: typer.echo(line, err=json))
        place = to_run(file, results)
    else:
        place = to_run(file, results)
        _agree(place.file, wishes)
    time_s = None if wishes.time is None else span_of(wishes.time, option="--time")
    changes = Changes(trials=wishes.trials, runs=wishes.runs, time_s=time_s, workers=wishes.workers)
    return run(opened(place, changes), Output(plain, json))


def _there(wishes: Wishes) -> Path | None:
    """The study file, or the folder of results, that there is; None: one is to be written."""
    if wishes.folder.is_file() or begun(wishes.folder):
        if wishes.output is not None:
            raise StudyError(f"{wishes.folder} is a study already: leave --output out")
        return wishes.folder
    if wishes.folder.suffix in YAML:
        raise StudyError(f"{wishes.folder} does not exist: name a git repository, or a study file")
    return wishes.file if wishes.file.is_file() else None


def _agree(file: Path, wishes: Wishes) -> None:
    """Hold what was asked for against the study file that is there.

    Raises:
        StudyError: it changes no code, or says otherwise.
    """
    task = load(file)
    if task.research is None:
        raise StudyError(
            f"{file} has no section `research`: `trialwright run {file}` runs it. For a study of"
            " the code beside it name another file with --output"
        )
    differing = list(_differing(task, wishes))
    if differing:
        raise StudyError(
            f"{file} is there, and says otherwise: {'; '.join(differing)}. Change it there, or name"
            " another file with --output"
        )


def _differing(task: Task, wishes: Wishes) -> Iterator[str]:
    """What the command line says otherwise than the study, each in words."""
    plan, limits = task.research, task.limits
    assert plan is not None
    goal = f"{task.objective.direction} {task.objective.metric}"
    budget_s = wishes.time_budget and span_of(wishes.time_budget, option="--time-budget")
    pattern = wishes.regex and patterned(wishes.regex, wishes.goal or goal)[1]
    pairs: tuple[tuple[str, object, object], ...] = (
        ("--editable", wishes.editable, plan.editable),
        ("--frozen", wishes.frozen, plan.frozen),
        ("--command", wishes.command and words_of(wishes.command), task.command),
        ("--goal", wishes.goal and " ".join(wishes.goal.split()), goal),
        ("--time-budget", budget_s, limits.budget_s),
        ("--from", wishes.budget_from, limits.budget_from),
        ("--memory", wishes.memory and octets_of(wishes.memory), limits.memory_bytes),
        ("--program", wishes.program, plan.program),
        ("--team", tuple(map(member_name, wishes.team)), task.member_names),
        ("--sandbox", wishes.sandbox, plan.sandbox),
        ("--name", wishes.name, task.name),
    )
    for option, asked, stated in pairs:
        if asked and asked != stated:
            yield f"{option} {_shown(asked)} is {_shown(stated)} there"
    if pattern and pattern not in task.metrics.patterns:
        yield f"--metric-regex {pattern} is not among its expressions"


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
