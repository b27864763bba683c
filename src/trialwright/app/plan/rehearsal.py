"""A campaign rehearsed: the real session over a copy of the ledger, in virtual time.

Nothing of the study itself is touched: the copy lies in a folder that is removed again, and its
command does nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from trialwright.app.plan.chance import Chance
from trialwright.app.plan.ground import Ground
from trialwright.app.plan.team import stand_ins
from trialwright.execute.provenance import CodeWatch
from trialwright.execute.runner import Event, Order
from trialwright.execute.simulate import Course, SimulatedRunner
from trialwright.history import History
from trialwright.ledger import SqliteLedger
from trialwright.records import Admission, CodeVersion, Entry, Launch, Opened, Record, RunKey
from trialwright.store import LEDGER
from trialwright.study import Study
from trialwright.task import Delivery, Environment, Keep, LedgerPlan, MetricRoute, RunnerPlan, Task

AGO_S = 3600.0
"""Seconds by which the copy's past is older: nothing waits for the clock on the wall."""

COMMAND = ("true",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one rehearsal varies: who proposes, on how many workers; how far, how closely."""

    team: tuple[str, ...]
    workers: int
    trials: int | None
    """In all, where the rehearsal ends at the latest."""
    every: int = 1
    """Of how many trials one is asked of the team itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of one."""

    trials: int
    """New ones."""
    runs: int
    finish_s: float
    run_s: float
    """Of all runs together."""
    cpu_s: float
    gpu_s: float | None
    """None: the study file does not say how many a run takes."""
    failed: int
    worth: float | None
    regret: float | None
    timed_out: bool = False
    """Whether the study's time ended it."""


class Stage:
    """Where campaigns of one study are rehearsed; `stage` makes one."""

    def __init__(self, ground: Ground, entries: Sequence[Entry], folder: Path) -> None:
        self._ground = ground
        self._folder = folder
        self._empty = folder / "task"
        self._empty.mkdir()
        self._task = self.plain(ground.task)
        self._known = ground.history
        self._code = CodeWatch(self._task).version().id
        if entries:
            self._copy(entries, folder / LEDGER)

    def plain(self, task: Task) -> Task:
        """Return a task that is decided like `task`, and does nothing."""
        return replace(
            task,
            command=COMMAND,
            function=None,
            folder=str(self._empty),
            workdir="task",
            delivery=Delivery(),
            environment=Environment(),
            metrics=MetricRoute(),
            keep=Keep(),
            code=(),
            team=("expert",),
            runner=RunnerPlan(
                workers=task.runner.workers, cpus=task.runner.cpus, gpus=task.runner.gpus
            ),
            budget=replace(task.budget, time_s=None, usd=None, tokens=None, model_time_s=None),
            heldout=None,
            block=None,
            instructions=None,
            notify=(),
            ledger=LedgerPlan(),
        )

    @property
    def left_s(self) -> float | None:
        """Seconds that are left of the study's time; None without a bound."""
        time_s = self._ground.task.budget.time_s
        return None if time_s is None else max(time_s - self._known.seconds, 0.0)

    def rehearse(self, cell: Cell, chance: Chance) -> Rehearsal:
        """Run a campaign to its end, or to as many trials as `cell` says."""
        task = replace(
            self._task,
            runner=replace(self._task.runner, workers=cell.workers),
            budget=replace(self._task.budget, trials=cell.trials),
        )
        taken = _Taken()
        thinking = self._ground.thinking
        left_s = self.left_s

        def course(order: Order) -> Course:
            taken.orders[order.run] = (order.cpus, order.gpus)
            return chance.course(order)

        ahead = task.schedule.ahead is not None
        with (
            tempfile.TemporaryDirectory(dir=self._folder) as folder,
            SimulatedRunner.of_courses(
                course, slots=cell.workers, thinking=lambda name: thinking.get(name, 0.0)
            ) as runner,
        ):

            def think(name: str) -> None:
                if not ahead and name in thinking:
                    runner.busy(thinking[name])

            template = self._folder / LEDGER
            if template.exists():
                shutil.copyfile(template, Path(folder) / LEDGER)
            team = stand_ins(self._ground.task, cell.team, every=cell.every, think=think)
            study = Study(task, folder, runner=runner, proposer=team, environ={})

            def watch(history: History, event: Event | None) -> None:  # noqa: ARG001
                if left_s is not None and runner.clock_s >= left_s and not taken.late:
                    taken.late = True
                    study.stop()

            if left_s is None or left_s > 0:
                history = study.run(watch)
            else:
                history, taken.late = study.history, True
            return self._measured(history, chance, taken, finish_s=runner.clock_s)

    def _measured(
        self, history: History, chance: Chance, taken: _Taken, *, finish_s: float
    ) -> Rehearsal:
        before = {run.key for trial in self._known.trials for run in trial.runs}
        runs = [
            run.observation
            for trial in history.trials
            for run in trial.runs
            if run.key not in before and run.observation is not None
        ]
        needs = [(taken.orders[one.run], one.seconds) for one in runs]
        told = [(gpus, seconds) for (_, gpus), seconds in needs if gpus is not None]
        reached = chance.reached(history)
        return Rehearsal(
            trials=len(history.trials) - len(self._known.trials),
            runs=len(runs),
            finish_s=finish_s,
            run_s=sum(one.seconds for one in runs),
            cpu_s=sum(cpus * seconds for (cpus, _), seconds in needs),
            gpu_s=sum(gpus * s for gpus, s in told) if len(told) == len(needs) else None,
            failed=sum(one.outcome == "failed" for one in runs),
            worth=reached[0] if reached and self._ground.rated else None,
            regret=reached[1] if reached and self._ground.rated else None,
            timed_out=taken.late,
        )

    def _copy(self, entries: Sequence[Entry], path: Path) -> None:
        """Write the study's past for a study whose command does nothing."""
        ledger = SqliteLedger(path)
        try:
            latest = self._known.code
            for at, group in groupby(entries, key=lambda entry: entry.at):
                batch = list(group)
                records = [self._moved(entry.record, latest) for entry in batch]
                ledger.append(records, batch[0].sequence - 1, at=at - AGO_S)
        finally:
            ledger.close()

    def _moved(self, record: Record, latest: str) -> Record:
        """A record of the copy: what was done under the latest code was done under ours."""
        match record:
            case Opened():
                return replace(record, task=self.plain(record.task), changes=())
            case CodeVersion(id=id_) if id_ == latest:
                return replace(record, id=self._code)
            case Admission(code=code) if code == latest:
                return replace(record, code=self._code)
            case Launch(code=code) if code is not None and code == latest:
                return replace(record, code=self._code)
        return record


class _Taken:
    """What a rehearsal notes while it goes on."""

    def __init__(self) -> None:
        self.orders: dict[RunKey, tuple[float, float | None]] = {}
        self.late = False


@contextmanager
def stage(ground: Ground, entries: Sequence[Entry]) -> Iterator[Stage]:
    """Set up where campaigns of a study with these entries are rehearsed; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="trialwright-plan-") as folder:
        yield Stage(ground, entries, Path(folder))
