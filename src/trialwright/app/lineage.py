"""`trialwright log` of a whole study, and `show --diff`: how code came about, how it differs.

What git calls trials is read from the repository; where that is gone, the ledger has every patch.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from trialwright.app.documents import Document, dumps, plain
from trialwright.app.logs import trial_of
from trialwright.app.place import to_read
from trialwright.errors import RepositoryError, StudyError
from trialwright.history import History, Trial
from trialwright.process.repository import repository
from trialwright.report import words
from trialwright.report.lineage import Lineage, lineage_of, lines
from trialwright.research.naming import branch_of, ref_of
from trialwright.research.workshop import workshop

START = "start"
SHORT = 10
"""Characters of a commit's id."""

_COLOURS = {"+++": "bold", "---": "bold", "@@": "cyan", "+": "green", "-": "red", "diff": "bold"}


def print_lineage(study: Path | None, *, every: bool, json: bool) -> None:
    """Print the steps from the first trial to the best one; with `every`, all other trials, too."""
    history = to_read(study).history()
    found = lineage_of(history, every=every)
    if json:
        typer.echo(dumps(document(found, history)))
        return
    if not found.links:
        typer.echo("no trial has a result yet" if history.trials else "there are no trials yet")
        return
    console = Console(highlight=False)
    for line in lines(found, history, marks=_marks(found, history)):
        console.print(Text(line), soft_wrap=not console.is_terminal)
    left = found.total - len(found.links)
    if left:
        others = words.count(left, "other trial")
        typer.echo(f"\n{others} did not lead to the best one: --all shows them, too")


def document(found: Lineage, history: History) -> Document:
    """Return a lineage as one JSON document, with what git calls each trial."""
    there = commits(history)
    trials: list[Document] = []
    for link in found.links:
        told = plain(link)
        assert isinstance(told, dict)
        commit = there.get(link.trial)
        ref = ref_of(history.task.name, link.trial) if commit else None
        trials.append({**told, "on_the_way": link.trial in found.way, "commit": commit, "ref": ref})
    return {
        "name": history.task.name,
        "goal": f"{history.task.objective.direction} {history.task.objective.metric}",
        "best": found.best,
        "way": list(found.way),
        "branch": _branch(history)[1],
        "total": found.total,
        "trials": list(trials),
    }


def commits(history: History) -> dict[int, str]:
    """Return the commit of each trial that git has one of; {} where trials change no code."""
    if history.task.research is None:
        return {}
    try:
        there = repository(Path(history.task.folder)).refs(_refs(history))
    except RepositoryError:
        return {}
    numbers = range(len(history.trials))
    named = {number: ref_of(history.task.name, number) for number in numbers}
    return {number: there[ref] for number, ref in named.items() if ref in there}


def committed(history: History) -> dict[int, str]:
    """Return the commit that holds each trial's code, also where that is as it was found."""
    if history.task.research is None:
        return {}
    root = next((version.commit for version in history.codes.values() if version.commit), None)
    plain = {trial.number: root for trial in history.trials if root and not trial.tree}
    return {**plain, **commits(history)}


def named(history: History, number: int) -> str:
    """Return a trial's commit and ref in words; '' where it has none."""
    commit = commits(history).get(number)
    return f"{commit}, {ref_of(history.task.name, number)}" if commit else ""


def patch_of(history: History, number: int, *, since: str | None = None) -> str:
    """Return a trial's code as a patch: from its parent's, or from that of the trial `since`.

    `since` is a number, or `start` for the code as it was found.

    Raises:
        StudyError: the study changes no code, there is no such trial, or the code is not there.
    """
    trial = trial_of(history, number)
    if history.task.research is None:
        raise StudyError(
            f"{history.task.name} changes no code, so there is no diff: `trialwright show {number}`"
            " says which of its parameters are others than its parent's"
        )
    if since is None:
        edit = trial.proposal.edit
        return edit.patch if edit else ""
    earlier = None if since == START else _earlier(history, since)
    try:
        shop = workshop(history.task)
        before = shop.tree(history, None if earlier is None else earlier.number)
        return shop.repository.patch(before, shop.tree(history, number))
    except RepositoryError as error:
        raise StudyError(
            f"the repository in {history.task.folder} does not have the code of trial {number}:"
            f" {error}. Without --from its own patch is read from the ledger"
        ) from None


def print_patch(study: Path | None, number: int, *, since: str | None) -> None:
    """Print how a trial's code differs: coloured on a terminal, else as git can apply it."""
    history = to_read(study).history()
    text = patch_of(history, number, since=since)
    if not text:
        what = "its parent's" if since is None else f"that of {since}"
        if number == 0:
            what = "that which was found"
        typer.echo(f"the code of trial {number} is {what}", err=True)
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
        return
    for line in text.splitlines():
        style = next((colour for head, colour in _COLOURS.items() if line.startswith(head)), "")
        console.print(Text(words.plain(line), style=style), soft_wrap=True)


def _earlier(history: History, since: str) -> Trial:
    if not since.isdecimal():
        raise StudyError(f"--from {since!r} must be a trial's number, or {START}")
    return trial_of(history, int(since))


def _marks(found: Lineage, history: History) -> dict[int, str]:
    """What git calls trials: short commits, and the branch that is at one."""
    there, (name, target) = committed(history), _branch(history)
    marks = {number: commit[:SHORT] for number, commit in there.items()}
    if target is not None and found.best is not None and there.get(found.best) == target:
        marks[found.best] += f", {name.removeprefix('refs/heads/')}"
    return marks


def _branch(history: History) -> tuple[str, str | None]:
    """The full name of the study's branch, and where it is; None where there is none."""
    name = branch_of(history.task.name)
    if history.task.research is None:
        return name, None
    try:
        return name, repository(Path(history.task.folder)).refs(name).get(name)
    except RepositoryError:
        return name, None


def _refs(history: History) -> str:
    return ref_of(history.task.name, 0).rpartition("/")[0]
