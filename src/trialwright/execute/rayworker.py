"""The far side of the Ray runner: an actor that executes one order at a time, where Ray put it.

A local runner with one slot does the work, so that limits, logs, metrics and endings are what they
are on one machine. The near side asks for news; nothing is pushed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from trialwright import __version__
from trialwright.execute.local import STUDY, LocalRunner
from trialwright.execute.runlog import LogFiles
from trialwright.execute.runner import Event, Handle, Order
from trialwright.execute.slots import THREADS, visible_devices
from trialwright.process import tree
from trialwright.process.below import below, kind_of, opened
from trialwright.task import RunnerPlan

CHUNK = 1 << 20
"""Bytes of a file that travel at once."""

NEWS_S = 0.5
"""Seconds that a question for news waits for some."""

Stop = Literal["pruned", "cancelled"]

RUN = "TRIALWRIGHT_RUN"
"""Environment variable of a run that names it, and its study."""

DEVICES = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "ONEAPI_DEVICE_SELECTOR",
    "NEURON_RT_VISIBLE_CORES",
    "TPU_VISIBLE_CHIPS",
    "ASCEND_RT_VISIBLE_DEVICES",
    "HABANA_VISIBLE_MODULES",
)
"""Variables by which Ray says what accelerators a run has."""

OF_THE_MACHINE = (*DEVICES, "HOSTNAME", "TMPDIR", "XDG_RUNTIME_DIR", "DISPLAY")
"""Variables that make sense on one machine only: a run has them of its node."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is."""

    node_id: str
    host: str
    pid: int
    version: str
    """Of this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """An order, and what its worker needs to find its way."""

    order: Order
    secret: str
    """Stands in the file `marker`: who reads it there shares the folder."""
    marker: Path
    code: Path | None
    """The folder that was sent to the nodes as `working_dir`, as it is called at home."""
    python: str
    """The coordinator's own interpreter."""
    own_packages: bool
    """Whether Ray made an environment for the runs."""


@dataclass(frozen=True, slots=True)
class News:
    """What became of a run since the last question."""

    events: tuple[Event, ...]
    """All since the number that was asked for."""
    at: int = 0
    """Where in the log `log` stands; what the near side has behind it is outdated."""
    log: bytes = b""


@dataclass(frozen=True, slots=True)
class Found:
    """A file in a run's folder."""

    name: str
    size: int
    mode: int


class Worker:
    """Executes orders, one after the other. Its methods are called from several threads."""

    def __init__(self) -> None:
        _spare_this_process()
        devices = visible_devices(os.environ)
        self._local = LocalRunner(RunnerPlan(workers=1, gpus=float(len(devices))))
        self._changed = threading.Condition()
        self._order: Order | None = None
        """As it is carried out here."""
        self._handle: Handle | None = None
        self._secret = ""
        self._events: list[Event] = []
        self._away: Path | None = None
        """The run's folder where the near side does not see it."""

    def hello(self) -> Place:
        """Say where this is."""
        import ray

        return Place(
            node_id=ray.get_runtime_context().get_node_id(),
            host=os.uname().nodename,
            pid=os.getpid(),
            version=__version__,
        )

    def start(self, shipment: Shipment) -> Path | None:
        """Start a run; return its folder where the near side does not see it.

        Raises:
            RunnerError: this node can't run anything.
        """
        if shipment.secret == self._secret:  # the answer was lost on its way
            return self._away and self._away / "run"
        self._secret = shipment.secret
        tree.sweep(RUN, shipment.order.environment.get(RUN, ""))
        self._events = []
        self._away = None
        order = shipment.order
        if not _shared(shipment):
            # Not in the working directory that Ray shares among the runs of a node.
            self._away = Path(tempfile.mkdtemp(prefix="trialwright-"))
            order = moved(order, order.folder, self._away / "run")
        order = settled(order, shipment)
        self._order = order
        self._handle = self._local.start(order, self._take)
        return self._away and self._away / "run"

    def stop(self, outcome: Stop) -> None:
        """Ask the run to end."""
        if self._handle is not None:
            self._handle.stop(outcome)

    def news(self, after: int, log_at: int | None, asked: Stop | None = None) -> News:
        """Return the events from number `after` on; waits for some, but not for long.

        `log_at` is how much of the log is known at the near side, None where it sees the log;
        `asked` why the run is to end, in case `stop` was lost on its way.
        """
        if asked is not None:
            self.stop(asked)
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > after, NEWS_S)
            events = tuple(self._events[after:])
        if log_at is None or self._order is None:
            return News(events)
        at, content = _grown(LogFiles(self._order.folder).log, log_at)
        return News(events, at, content)

    def left(self) -> tuple[Found, ...]:
        """Return what the run has left in its folder; links are left out."""
        assert self._order is not None
        found = []
        plain = (entry for entry in below(self._order.folder) if kind_of(entry) == "file")
        for path in sorted(Path(entry.path) for entry in plain):
            with suppress(OSError):
                status = path.lstat()
                name = str(path.relative_to(self._order.folder))
                found.append(Found(name, status.st_size, status.st_mode & 0o777))
        return tuple(found)

    def read(self, name: str, at: int) -> bytes:
        """Return a part of a file in the run's folder; b'' at its end."""
        assert self._order is not None
        with opened(self._order.folder / name, within=[self._order.folder]) as file:
            file.seek(at)
            return file.read(CHUNK)

    def clear(self) -> None:
        """Remove what the near side has fetched."""
        if self._away is not None:
            shutil.rmtree(self._away, ignore_errors=True)
            self._away = None

    def close(self) -> None:
        """End what runs, and everything below this process."""
        self._local.close()
        self.clear()

    def _take(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()


def settled(order: Order, shipment: Shipment, environ: Mapping[str, str] = os.environ) -> Order:
    """Return an order with what differs from node to node as it is here.

    That is: devices, threads, where programs are, and the folder of the code if it was sent.
    """
    variables = {n: v for n, v in order.environment.items() if n not in OF_THE_MACHINE}
    variables |= {name: environ[name] for name in OF_THE_MACHINE if name in environ}
    if order.gpus == 0:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    for name in THREADS:
        variables.setdefault(name, str(max(int(order.cpus), 1)))
    here = environ.get("PATH", os.defpath)
    paths = [variables.get("PATH", ""), here]
    if shipment.own_packages:
        paths = [str(Path(sys.executable).parent), *reversed(paths)]
    variables["PATH"] = os.pathsep.join(filter(None, paths))
    command = order.command
    lacks = command[:1] == (shipment.python,) and not Path(shipment.python).exists()
    if lacks or (shipment.own_packages and command[:1] == (shipment.python,)):
        command = (sys.executable, *command[1:])
    order = replace(order, command=command, environment=variables)
    return order if shipment.code is None else moved(order, shipment.code, Path.cwd())


def moved(order: Order, home: Path, here: Path) -> Order:
    """Return an order in which one folder, and all paths below it, are another folder."""
    named = re.compile(re.escape(str(home)) + r"(?![\w.-])")

    def path(old: Path) -> Path:
        return here / old.relative_to(home) if old.is_relative_to(home) else old

    def text(old: str) -> str:
        return named.sub(lambda _: str(here), old)

    route = order.metrics
    return replace(
        order,
        command=tuple(map(text, order.command)),
        environment={
            name: value if name in (RUN, STUDY) else text(value)
            for name, value in order.environment.items()
        },
        workdir=path(order.workdir),
        folder=path(order.folder),
        files={path(file): content for file, content in order.files.items()},
        metrics=replace(
            route,
            file=None if route.file is None else text(route.file),
            tensorboard=None if route.tensorboard is None else text(route.tensorboard),
        ),
    )


def _shared(shipment: Shipment) -> bool:
    """Whether the run's folder here is the one at home. Code that was sent shares nothing."""
    if shipment.code is not None:
        return False
    try:
        return shipment.marker.read_text(encoding="utf-8") == shipment.secret
    except OSError:
        return False


def _grown(log: Path, at: int) -> tuple[int, bytes]:
    """What a log holds from a byte on; from its start where it has become shorter."""
    try:
        with log.open("rb") as file:
            start = at if log.stat().st_size >= at else 0
            file.seek(start)
            return start, file.read(CHUNK)
    except OSError:
        return at, b""


def _spare_this_process() -> None:
    """Let the kernel take the run where memory ends: Ray offers its workers first of all."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("0", encoding="ascii")


def actor(ray: Any, **options: Any) -> Any:
    """Start a worker somewhere on the cluster.

    Ray would kill the guard of the runs when the worker has to go, and leave what it guards.
    """
    spared = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "0"}}
    return (
        ray.remote(Worker)
        .options(
            max_restarts=0, max_task_retries=0, max_concurrency=4, scheduling_strategy="SPREAD",
            runtime_env=spared, **options,
        )
        .remote()
    )  # fmt: skip
