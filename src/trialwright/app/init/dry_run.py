"""One run of the script as its author wrote it, to prove that the study file works."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from trialwright.app.init.discover import in_files, in_output, seen
from trialwright.app.script.setting import Reported
from trialwright.execute.local import LocalRunner
from trialwright.execute.order import make_order, run_seed
from trialwright.execute.runner import Event, Finished
from trialwright.history import History
from trialwright.records import Observation, RunKey
from trialwright.research.workshop import workshop
from trialwright.task import MetricRoute, RunnerPlan, Task

PULSE_S = 0.5
"""Seconds between looks at whether to go on waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the dry run showed, and a way to ask what other routes would have found."""

    observation: Observation
    series: list[float]
    """Of the metric, as the study would have read it."""
    log: bytes
    found: tuple[Reported, ...]
    """Metrics in what the script really printed and wrote."""
    values: Callable[[MetricRoute], dict[str, list[float]]]
    """What a route finds in this run; to be asked before the run's folder is gone."""


@contextmanager
def dry_run(task: Task, *, limit_s: float, say: Callable[[str], None]) -> Iterator[Proof]:
    """Run the task's defaults once, in a temporary folder that lasts as long as the block.

    `say` is told the command. Where the task's trials change code, it is run as they are: in a copy
    of what is committed, in the sandbox.

    Raises:
        TrialwrightError: the run can't be started here.
        KeyboardInterrupt: Ctrl-C, or SIGTERM; no process is left.
    """
    with tempfile.TemporaryDirectory(prefix="trialwright-") as place:
        limits = replace(task.limits, run_s=limit_s)
        order = make_order(
            replace(task, limits=limits),
            run=RunKey(0, 0, 0),
            seed=run_seed(task.seeds.study, 0),
            configuration=task.space.complete({}),
            study_folder=Path(place).resolve(),
            environ=os.environ,
            tree="" if task.research is None else workshop(task).tree(History(), None),
        )
        say(f"dry run: {shlex.join(order.command)}")
        began = time.time()
        inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        with _terminable(), LocalRunner(RunnerPlan(workers=1)) as runner:
            runner.start(order, inbox.put)
            observation = _ended(inbox)
        log = _read(order.folder / "stdout.log")

        def values(route: MetricRoute) -> dict[str, list[float]]:
            filled = _filled(route, order.folder)
            return seen(filled, log, workdir=order.workdir, since=began)

        written = in_files(
            [order.folder, order.workdir], workdir=order.workdir, own=order.folder, since=began
        )
        yield Proof(
            observation=observation,
            series=values(task.metrics).get(task.objective.metric, []),
            log=log,
            found=(*in_output(log), *written),
            values=values,
        )


def _ended(inbox: queue.SimpleQueue[Event]) -> Observation:
    while True:
        try:
            event = inbox.get(timeout=PULSE_S)
        except queue.Empty:
            continue
        if isinstance(event, Finished):
            return event.observation


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _filled(route: MetricRoute, folder: Path) -> MetricRoute:
    def fill(path: str | None) -> str | None:
        return None if path is None else path.replace("{folder}", str(folder))

    return replace(route, file=fill(route.file), tensorboard=fill(route.tensorboard))


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that the script is ended, too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
