"""The best configuration as a file, as arguments, or as a Python dict."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from trialwright.errors import StudyError
from trialwright.execute.configfile import render
from trialwright.execute.order import make_order
from trialwright.history import History, Trial
from trialwright.records import RunKey
from trialwright.task import Delivery, Task, placeholders

Form = Literal["args", "dict", "yaml", "json"]


def best_of(history: History) -> Trial:
    """Return the best trial.

    Raises:
        StudyError: there is none yet.
    """
    best = history.best()
    if best is None:
        counted = f"{len(history.trials)} trials" if history.trials else "no trials"
        raise StudyError(
            f"there is no best trial yet: the study has {counted}, and none has a"
            f" {history.task.objective.metric}; see `trialwright status`"
        )
    return best


def written(history: History, trial: Trial, form: Form, folder: Path) -> str:
    """Return a trial's configuration: a file with the base's other keys, arguments, or a dict.

    Raises:
        StudyError: the base file can't be read.
    """
    task = history.task
    match form:
        case "dict":
            return repr(dict(trial.configuration))
        case "args":
            return shlex.join(_arguments(task, trial, folder))
    return _file(task, trial, form)


def export(history: History, trial: Trial, path: Path) -> None:
    """Write a trial's configuration to a YAML or JSON file, whole or not at all.

    Raises:
        StudyError: the name has another ending, or the file can't be written.
    """
    form = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}.get(path.suffix.lower())
    if form is None:
        raise StudyError(f"{path} must end in .yaml, .yml or .json: the ending chooses the format")
    text = _file(history.task, trial, "json" if form == "json" else "yaml")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StudyError(f"{path} can't be written: {error.strerror}") from None


def _file(task: Task, trial: Trial, form: Literal["yaml", "json"]) -> str:
    delivery = Delivery(base=task.delivery.base, format=form)
    text = render(delivery, trial.configuration, folder=Path(task.folder)).decode()
    if form == "json":
        text = json.dumps(json.loads(text), indent=2)
    return text.rstrip("\n") + "\n"


def _arguments(task: Task, trial: Trial, folder: Path) -> list[str]:
    """The arguments of the command that carry parameters; without any, one for each."""
    elements = tuple(_carriers(task))
    order = make_order(
        replace(task, command=elements or ("{args}",)),
        run=RunKey(trial.number, 0, 0),
        seed=0,
        configuration=trial.configuration,
        study_folder=folder,
        environ=os.environ,
    )
    return list(order.command)


def _carriers(task: Task) -> Iterator[str]:
    names = {"args", *task.space.names}
    for before, element in zip(("", *task.command), task.command, strict=False):
        held = placeholders(element)
        if not names.intersection(held):
            continue
        if before.startswith("-") and not placeholders(before) and element == f"{{{held[0]}}}":
            yield before  # `--lr {lr}` in two words
        yield element
