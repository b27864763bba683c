"""From a task and a configuration to an order: command, environment, files, all filled in.

It decides nothing and starts nothing. What is the same for all runs of a study is kept, since a
thousand orders must not be felt.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import cloudpickle
import numpy as np

from trialwright.errors import ExpressionError, StudyError
from trialwright.execute import environment
from trialwright.execute.configfile import render
from trialwright.execute.runner import Order, code_folder, output_folder, run_folder
from trialwright.expression import Scalar
from trialwright.process.checkout import Checkout
from trialwright.process.sandbox import Confinement
from trialwright.records import RunKey
from trialwright.research.workshop import workshop
from trialwright.space import Choice, Configuration, Ordinal
from trialwright.task import (
    EMPTY,
    PLACEHOLDER,
    SWITCH,
    MetricRoute,
    Task,
    expression_problems,
    placeholder_problems,
    placeholders,
    worked_out,
)

CALL = (sys.executable, "-P", "-m", "trialwright.execute.call")
"""The command that calls a Python function in a process of its own."""

_PRIVATE = frozenset({"folder", "trial"})
"""Placeholders that give each run a path of its own."""


def make_order(
    task: Task,
    *,
    run: RunKey,
    seed: int,
    configuration: Configuration,
    study_folder: Path,
    environ: Mapping[str, str],
    tree: str = "",
) -> Order:
    """Fill in everything that one run needs.

    `seed` is the seed itself, as the script gets it. `environ` is what the run may inherit from.
    `tree` is the git tree that holds its code, where trials change code.

    Raises:
        StudyError: a variable to be passed on is missing, a placeholder has no value, or the base
            file can't be read or does not fit.
    """
    study_folder, task_folder = _absolute(study_folder), _absolute(task.folder)
    folder = run_folder(study_folder, run)
    config = folder / f"config.{task.delivery.format}"
    code = _checkout(task, tree, code_folder(folder)) if tree else None
    workdir = folder if task.workdir == "run" else task_folder
    if code is not None:
        workdir = code.into / workshop(task).repository.prefix
    # Where edited code runs, what we write of a run is not the run's to change.
    private = output_folder(folder) if tree else folder
    own = {
        "config": str(config), "seed": str(seed), "trial": str(run.trial), "folder": str(private),
    }  # fmt: skip
    words = _values(task, configuration) | own
    ours = {
        **{f"TRIALWRIGHT_{name.upper()}": value for name, value in own.items()},
        "TRIALWRIGHT_RUN": f"{study_folder}#{run}",
        "TRIALWRIGHT_STUDY_FOLDER": str(study_folder),
    }
    if task.limits.budget_s is not None:
        ours["TRIALWRIGHT_BUDGET_S"] = f"{task.limits.budget_s:g}"
    return Order(
        run=run,
        configuration=configuration,
        seed=seed,
        objective=task.objective,
        command=tuple(_command(task, configuration, words=words, folder=task_folder)),
        environment=_variables(task, environ, words=words, folder=task_folder) | ours,
        workdir=workdir,
        folder=folder,
        files={config: render(task.delivery, configuration, folder=task_folder)},
        code=code,
        confinement=_confinement(task, code, config, private) if code is not None else None,
        stdin=_call(task, configuration, seed) if task.function is not None else b"",
        limits=task.limits,
        metrics=_route(task.metrics, words),
        cpus=_need(task.runner.cpus, task, configuration) or 1.0,
        gpus=_need(task.runner.gpus, task, configuration),
    )


def _checkout(task: Task, tree: str, into: Path) -> Checkout:
    shop = workshop(task)
    return Checkout(
        repository=shop.folder,
        tree=tree,
        into=into,
        frozen=shop.frozen(tree),
        links=tuple(shop.repository.prefix + path for path in shop.plan.links),
    )


def _confinement(task: Task, code: Checkout, config: Path, private: Path) -> Confinement | None:
    """What a run of edited code may see and write; None where the user lets it do anything."""
    shop = workshop(task)
    plan = shop.plan
    if plan.sandbox == "none":
        return None
    elsewhere = {
        name: tuple(_elsewhere(path, shop.folder) for path in paths)
        for name, paths in (("readable", plan.readable), ("writable", plan.writable))
    }
    return Confinement(
        writable=(code.into, private, *elsewhere["writable"]),
        readable=(
            config,
            *(shop.repository.root / path for path in code.links),
            *elsewhere["readable"],
        ),
        frozen=tuple(code.into / path for path in shop.mounts(code.tree)),
        network=plan.network,
        processes=plan.processes,
        disk_bytes=plan.disk_bytes,
        gpus=bool(task.runner.gpus),
    )


def _elsewhere(path: str, folder: Path) -> Path:
    return folder / Path(path).expanduser()


def check_command(task: Task, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return one sentence for everything that would keep every run from starting; () if nothing.

    With `environ`, also for variables that are to be passed on and are not there.
    """
    problems = [
        *_what_runs(task),
        *placeholder_problems(task),
        *_smoke_problems(task),
        *_argument_problems(task),
        *_variable_problems(task),
        *_route_problems(task),
        *(problem for _, problem in expression_problems(task)),
        *(environment.missing(environ, task.environment) if environ is not None else ()),
    ]
    try:
        names = dict.fromkeys(task.space.names)
        render(task.delivery, names, folder=_absolute(task.folder))
        if task.function is not None:
            _pickled(task.function)
    except StudyError as error:
        problems.append(str(error))
    return tuple(problems)


@lru_cache(maxsize=1024)
def run_seed(study: int, index: int) -> int:
    """Return seed `index` of a study with seed `study`: common to all of its trials, below 2^31."""
    return int(np.random.SeedSequence([study, index]).generate_state(1)[0] >> 1)


# -- what is the same for all runs is cached by its text


@lru_cache(maxsize=256)
def _absolute(path: str | Path) -> Path:
    return Path(path).absolute()


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[tuple[str, str], ...]:
    """Cut a text into (literal text, name of the placeholder behind it or '')."""
    parts = []
    at = 0
    for match in PLACEHOLDER.finditer(text):
        literal = text[at : match.start()]
        parts.append((literal, match[1]) if match[1] else (literal + match[0][0], ""))
        at = match.end()
    return (*parts, (text[at:], ""))


@lru_cache(maxsize=256)
def _in_folder(word: str, folder: Path) -> str:
    """Make a word that names a file of the task absolute: the run works in another folder."""
    try:
        return str(folder / word) if (folder / word).is_file() else word
    except (OSError, ValueError):
        return word


@lru_cache(maxsize=8)
def _pickled(function: Callable[..., Any]) -> bytes:
    try:
        return cast("bytes", cloudpickle.dumps(function))
    except Exception as error:  # whatever the function closes over may raise while it is pickled
        raise StudyError(
            f"the function can't be sent to a process of its own: {error}; let it open files,"
            " connections and locks itself instead of closing over them"
        ) from error


# -- filling in


def _text(value: Scalar) -> str:
    """Print a value for a command line: floats to their shortest exact form, None as nothing."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
    return str(value)


def _values(task: Task, configuration: Configuration) -> dict[str, str]:
    """The parameters in words; an inactive one is at its default."""
    values = {name: _text(value) for name, value in configuration.items()}
    if len(values) < len(task.space):
        defaults = task.space.given_defaults
        values = {name: _text(value) for name, value in defaults.items()} | values
    return values


def _fill(text: str, words: Mapping[str, str]) -> str:
    try:
        return "".join(literal + (words[name] if name else "") for literal, name in _parts(text))
    except KeyError as error:
        raise StudyError(
            f"{{{error.args[0]}}} in {text!r} has no value in this run: give the parameter a"
            " default, or use {args} or {config}"
        ) from None


def _command(
    task: Task, configuration: Configuration, *, words: Mapping[str, str], folder: Path
) -> Iterator[str]:
    if task.function is not None:
        yield from CALL
        return
    for element in task.command:
        if element == "{args}":
            yield from _arguments(task.delivery.argument, configuration)
        elif switch := SWITCH.fullmatch(element):
            held = configuration.get(switch["name"])
            chosen = switch["no" if held is None or held is False else "yes"]
            if chosen:
                yield _fill(chosen, words)
        elif task.workdir == "run":
            yield _in_folder(_fill(element, words), folder)
        else:
            yield _fill(element, words)


def _arguments(template: str, configuration: Configuration) -> Iterator[str]:
    """Repeat the template per parameter.

    None is left out where options stand, and is `null` in `name=value` words (Hydra's, OmegaConf's,
    our own `constants`), since what is left out there keeps the script's default.
    """
    pieces = template.split()
    option = template.startswith("-")
    for name, value in configuration.items():
        if value is None and option:
            continue
        words = {"name": name, "value": "null" if value is None else _text(value)}
        for piece in pieces:
            yield _fill(piece, words)


def _variables(
    task: Task, environ: Mapping[str, str], *, words: Mapping[str, str], folder: Path
) -> dict[str, str]:
    absent = environment.missing(environ, task.environment)
    if absent:
        raise StudyError("\n".join(absent))
    variables = environment.inherited(environ, task.environment)
    variables.setdefault("PYTHONUNBUFFERED", "1")
    if task.workdir == "run" and "-m" in task.command:
        paths = [str(folder), variables.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    for name, value in task.environment.set.items():
        variables[name] = _fill(value, words)
    return variables


def _need(given: float | str | None, task: Task, configuration: Configuration) -> float | None:
    """What a run takes of something: a number, or what an expression says for it."""
    if not isinstance(given, str):
        return given
    try:
        return worked_out(given, task, configuration)
    except ExpressionError as error:
        raise StudyError(f"runner: {error}") from None


def _route(route: MetricRoute, words: Mapping[str, str]) -> MetricRoute:
    if route.file is None and route.tensorboard is None:
        return route
    return replace(
        route,
        file=None if route.file is None else _fill(route.file, words),
        tensorboard=None if route.tensorboard is None else _fill(route.tensorboard, words),
    )


def _call(task: Task, configuration: Configuration, seed: int) -> bytes:
    """What `execute.call` reads: through a pipe, never from disk."""
    assert task.function is not None
    function = _pickled(task.function)
    return pickle.dumps((sys.path, dict(configuration), seed, task.objective.metric, function))


# -- checking


def _what_runs(task: Task) -> Iterator[str]:
    if bool(task.command) == (task.function is not None):
        given = "both" if task.command else "neither"
        yield f"a task runs either a command or a Python function; {given} is given"
    if task.command and not task.command[0].strip():
        yield "the first word of the command is empty: it names the program"
    if not task.space.parameters and task.research is None:
        yield EMPTY
    if not Path(task.folder).is_dir():
        yield f"the folder {task.folder} is not there"
    texts = [*task.command, *(text for p in task.space.parameters for text in _options(p))]
    for text in texts:
        if "\0" in text:
            yield f"{text!r} holds a NUL character, which no argument can"


def _smoke_problems(task: Task) -> Iterator[str]:
    shorter = task.research.smoke if task.research else ()
    if shorter:
        for problem in placeholder_problems(replace(task, command=shorter)):
            if problem.startswith("command"):
                yield f"research.smoke: {problem}"


def _options(parameter: object) -> tuple[str, ...]:
    match parameter:
        case Choice(options=values) | Ordinal(levels=values):
            return tuple(value for value in values if isinstance(value, str))
    return ()


def _argument_problems(task: Task) -> Iterator[str]:
    template = task.delivery.argument
    for name in placeholders(template):
        if name not in ("name", "value"):
            yield f"argument: {{{name}}} in {template!r} is neither {{name}} nor {{value}}"
    if "{args}" in task.command and "value" not in placeholders(template):
        yield f"argument: {template!r} lacks {{value}}, so no run would get its configuration"


def _variable_problems(task: Task) -> Iterator[str]:
    for name, value in task.environment.set.items():
        if not name or "=" in name or "\0" in name:
            yield f"environment: {name!r} can't be a variable's name"
        if name.startswith("TRIALWRIGHT_"):
            yield f"environment: {name} is set by Trialwright itself; choose another name"
        if "\0" in value:
            yield f"environment: the value of {name} holds a NUL character"


def _route_problems(task: Task) -> Iterator[str]:
    for pattern in task.metrics.patterns:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            yield f"metrics: {pattern!r} is no regular expression: {error}"
            continue
        if not groups:
            yield (
                f"metrics: {pattern!r} has no named group; write the metric's value as"
                f" (?P<{re.sub(r'[^0-9A-Za-z_]', '_', task.objective.metric)}>...)"
            )
    for what, path in (("file", task.metrics.file), ("tensorboard", task.metrics.tensorboard)):
        if path is not None and task.runner.workers != 1 and _shared(path, task):
            yield (
                f"metrics: {what}: runs at the same time would all write {path}: put {{folder}}"
                " into the path and the command, or set `workdir: run` or `runner: {workers: 1}`"
            )


def _shared(path: str, task: Task) -> bool:
    own_folder = task.workdir == "run" and not Path(path).is_absolute()
    return not own_folder and not _PRIVATE.intersection(placeholders(path))
