"""How to come to the same result again: exact commands, seeds, code, machines."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from trialwright.history import History, Trial
from trialwright.records import UNKNOWN_SEED, CodeVersion, Machine
from trialwright.report import counting, seeds, words
from trialwright.report.asked import Point

PACKAGES = 400
"""Packages listed per machine."""

SEEDS = 40
"""Seeds that are listed with their numbers."""

LONGEST = 2000
"""Characters of a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command, and what it does."""

    command: str
    does: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A machine on which runs went on."""

    named: str
    packages: str
    """Of the interpreter that ran them, each as pip takes it; '' where none was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """All that somebody needs who wants to see it for themselves."""

    steps: tuple[Step, ...]
    direct: Step | None
    """The best trial's first run as a shell takes it; else the command of all runs."""
    points: tuple[Point, ...]
    places: tuple[Place, ...]


def again(history: History) -> Again:
    """Return commands, seeds, code versions and machines, as the record has them."""
    return Again(
        steps=tuple(_steps(history)),
        direct=_direct(history),
        points=tuple(_points(history)),
        places=tuple(_place(machine) for machine in history.machines.values()),
    )


def _steps(history: History) -> Iterator[Step]:
    best = history.best()
    if not history.task.command:
        yield from _of_a_function(best)
        return
    if best is not None:
        number = best.number
        if best.configuration:
            yield Step(command="trialwright best --as yaml", does="prints the best configuration.")
        if history.task.research is not None:
            yield Step(
                command=f"trialwright show {number} --diff", does="prints what its code changes."
            )
        yield Step(
            command=f"trialwright rerun {number}",
            does=f"runs trial {number} once more, under its first seed.",
        )
        if not counting.unseeded(history):
            yield Step(
                command=f"trialwright replicate {number} --seeds 3",
                does="runs it under 3 seeds that it has not had.",
            )
    yield Step(
        command=f"trialwright run --folder again --seed {history.seed}",
        does="searches anew, with its results in the folder again. The study's seed"
        f" ({history.seed}) fixes every draw of a proposer that is no language model; runs that go"
        " on side by side may end in another order, and then later trials may differ.",
    )


def _of_a_function(best: Trial | None) -> Iterator[Step]:
    """What is left to type where a Python program ran the study, which alone has its function."""
    if best is not None and best.configuration:
        yield Step(command="trialwright best --as yaml", does="prints the best configuration.")


def _direct(history: History) -> Step | None:
    best = history.best()
    run = best.run if best else None
    if best is not None and run is not None and run.launch.command:
        command = words.line(shlex.join(run.launch.command), most=LONGEST)
        return Step(command=command, does=f"The first run of trial {best.number}, as it was.")
    if history.task.command:
        command = words.line(" ".join(history.task.command), most=LONGEST)
        return Step(command=command, does="Every run, its values in the places of the braces.")
    return None


def _points(history: History) -> Iterator[Point]:
    numbers = _seeds(history)
    if numbers:
        yield "Seeds", words.sentence(words.listed(numbers, most=SEEDS))
    for code in history.codes.values():
        yield "Code", _code(code)


def _seeds(history: History) -> list[str]:
    """Each seed with its number; () where nothing hands the script one, or none is known."""
    if counting.unseeded(history):
        return []
    found = {
        run.key.seed: run.launch.seed
        for trial in history.trials
        for run in trial.runs
        if run.launch.seed != UNKNOWN_SEED
    }
    return [
        f"{seeds.name(index)} hands the script {number}" for index, number in sorted(found.items())
    ]


def _code(code: CodeVersion) -> str:
    commit = f", at commit {code.commit[:12]}" if code.commit else ""
    dirty = " with changes" if code.commit and code.dirty else ""
    files = words.line(words.listed(code.files, most=12)) if code.files else "no files"
    return f"{files}{commit}{dirty}. The digest of the contents is {code.id}."


def _place(machine: Machine) -> Place:
    parts = [machine.platform, f"Python {machine.python}", words.count(machine.cores, "core")]
    parts += machine.gpus
    pins = [f"{name}=={version}" for name, version in machine.packages.items()]
    more = f" # and {len(pins) - PACKAGES} more" if len(pins) > PACKAGES else ""
    return Place(
        named=f"Ran on {words.line(machine.host)}: {', '.join(map(words.line, parts))}.",
        packages=words.line(" ".join(pins[:PACKAGES])) + more,
    )
