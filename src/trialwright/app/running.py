"""Run a study from the command line: overrides, signals, the watcher, the reports at the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich.console import Console

from trialwright.app.interrupt import interrupts
from trialwright.app.live import JsonWatcher, LiveWatcher, PlainWatcher, Watcher
from trialwright.app.notifying import Notifier
from trialwright.app.place import Place, made, shown
from trialwright.app.tracking.books import shelves
from trialwright.app.tracking.mirror import Mirrors
from trialwright.errors import TrialwrightError
from trialwright.execute.runner import Event
from trialwright.history import History
from trialwright.propose.estimate import estimate
from trialwright.report import html, terminal, write
from trialwright.study import Study
from trialwright.studyfile import load
from trialwright.task import Task
from trialwright.webhook import without_addresses

DONE, HOPELESS, BROKEN = 0, 1, 2
"""Exit statuses: ended by plan or by request; all runs fail the same way; bad input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the command line sets instead of the study file."""

    trials: int | None = None
    workers: int | None = None
    seed: int | None = None
    runs: int | None = None
    time_s: float | None = None

    def applied(self, task: Task) -> Task:
        """Return the task with the changes."""
        if self.trials is not None:
            task = replace(task, budget=replace(task.budget, trials=self.trials))
        if self.runs is not None:
            task = replace(task, budget=replace(task.budget, runs=self.runs))
        if self.time_s is not None:
            task = replace(task, budget=replace(task.budget, time_s=self.time_s))
        if self.workers is not None:
            task = replace(task, runner=replace(task.runner, workers=self.workers))
        if self.seed is not None:
            task = replace(task, seeds=replace(task.seeds, study=self.seed))
        return task


@dataclass(frozen=True, slots=True)
class Output:
    """How to show what happens: `live` on a terminal, else `plain`, or `json`."""

    plain: bool
    json: bool

    def watcher(self, study: Study) -> Watcher:
        """Return what watches the study."""
        if self.json:
            return JsonWatcher(study.folder)
        console = Console()
        if self.plain or not console.is_interactive:
            return PlainWatcher()
        return LiveWatcher(console, study.asking)


def opened(place: Place, changes: Changes = Changes(), replay: Path | None = None) -> Study:
    """Open the study at a place; `replay` plays a recording back where models would be asked.

    Raises:
        TrialwrightError: its file can't be used, or the study can't be run here.
    """
    task = replace(changes.applied(load(place.file)), ledger=place.store.plan)
    environ = without_addresses(os.environ, task.notify, passed=task.environment.passed)
    return Study(task, place.folder, environ=environ, replay=replay)


def run(study: Study, output: Output, *, replay: bool = False, wait: bool = True) -> int:
    """Run a study to its end, write its reports, and return the exit status.

    In a `replay` no model is asked, and none costs anything. Whoever runs the study from another
    machine is waited for with `wait`.

    Raises:
        TrialwrightError: it can't be run.
    """
    html.ready()
    trackers = shelves(study.task, study.folder)
    with (
        Notifier(study.task, study.store, _complain) as notifier,
        Mirrors(trackers, study.store, _complain) as mirrors,
    ):
        return _watched(study, output, (notifier, mirrors), replay=replay, wait=wait)


def _watched(
    study: Study, output: Output, told: tuple[Notifier, Mirrors], *, replay: bool, wait: bool
) -> int:
    notifier, mirrors = told
    with ExitStack() as stack:
        stack.enter_context(made(study.folder))
        watcher = stack.enter_context(output.watcher(study))
        stack.enter_context(interrupts(study, watcher.say))
        expected = None if replay else estimate(study.task, study.history)
        if expected is not None:
            watcher.expect(expected)

        def watch(history: History, event: Event | None) -> None:
            watcher(history, event)
            notifier(history, event)
            mirrors(history, event)

        history = study.run(watch, wait=watcher.say if wait else None)
    report = reported(history, study.folder, _complain)
    notifier.finish(history, report)
    _conclude(history, report, watcher)
    return HOPELESS if history.closed and history.closed.reason == "failed" else DONE


def reported(history: History, folder: Path, say: Callable[[str], None]) -> Path | None:
    """Write the reports; a study without a result still has its ledger."""
    if not history.trials:
        return None
    try:
        return write.write(history, folder)
    except (TrialwrightError, OSError) as error:
        say(f"the report can't be written: {error}")
        return None


def _complain(text: str) -> None:
    typer.echo(text, err=True)


def _conclude(history: History, report: Path | None, watcher: Watcher) -> None:
    closed = history.closed
    if isinstance(watcher, JsonWatcher):
        watcher.close(history, report)
        return
    console = Console()
    if closed is not None and closed.reason == "failed":
        console.print(f"\nstopped: {closed.sentence}", style="red", markup=False, soft_wrap=True)
    elif closed is not None:
        console.print(f"\n{closed.sentence}", markup=False, soft_wrap=True)
    if history.trials:
        console.print(terminal.summary(history))
    if report is not None:
        console.print(f"report: {shown(report)}", markup=False, soft_wrap=True)
