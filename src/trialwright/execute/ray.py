"""Runs on a Ray cluster: workers wherever Ray has room, one thread here for each run.

A worker (`rayworker`) executes orders as this machine would; what it sees and writes is brought
home. A node that is lost fails its runs, which the study tries again elsewhere.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

from trialwright import __version__
from trialwright.errors import RunnerError
from trialwright.execute import raycluster, rayworker
from trialwright.execute.failures import Ending
from trialwright.execute.metrics import Collector
from trialwright.execute.observe import observe
from trialwright.execute.rayhome import Home
from trialwright.execute.rayworker import News, Place, Shipment
from trialwright.execute.runner import Finished, Inbox, Order, Reported
from trialwright.execute.underway import recovered
from trialwright.process.guard import PATIENCE_S
from trialwright.records import Cause, Observation
from trialwright.task import RunnerPlan

LOOK_S = 5.0
"""Seconds between looks at what the cluster has."""

WAIT_S = 0.2
"""Seconds between looks at whether a run that waits for a node is still wanted."""

REACH_S = 120.0
"""Seconds that a worker may be out of reach. Ray takes some twenty to give a node up."""

PLACE = "ray.json"
"""File in a run's folder: where it ran."""

Stop = Literal["pruned", "cancelled"]


class _GivenUp(Exception):  # never leaves this module
    """The runner was closed, and the worker did not answer."""


class _Unfit(Exception):  # never leaves this module
    """A worker is there, and of no use on any node like its own."""


@dataclass(slots=True)
class _Worker:
    """An actor, and what it takes."""

    actor: Any
    needs: raycluster.Needs
    ready: Any
    """Its place, once there is one."""
    place: Place | None = None
    address: str = ""
    """Of its node, as the cluster calls it."""

    def serves(self, needs: raycluster.Needs, living: Mapping[str, str]) -> bool:
        """Say whether it can take a run."""
        return self.needs == needs and self.place is not None and self.place.node_id in living


@dataclass(slots=True, eq=False)
class _Run:
    """A run from its order to its end."""

    order: Order
    inbox: Inbox
    needs: raycluster.Needs
    secret: str
    collector: Collector
    asked: Stop | None = None
    """Why it is to end, if somebody wants it to."""
    begun: bool = False
    """Whether its worker has it."""
    given_up: bool = False
    worker: _Worker | None = None
    began: float = field(default_factory=time.monotonic)
    thread: threading.Thread | None = None


@dataclass(frozen=True, slots=True)
class RayHandle:
    """A run on the cluster."""

    _runner: RayRunner
    _run: _Run

    def stop(self, outcome: Stop) -> None:
        """Ask the run to end; its `Finished` follows. Harmless if it has ended."""
        self._runner._stop(self._run, outcome)


class RayRunner:
    """Executes orders on a Ray cluster; `folder` is the task's, where a `working_dir` starts.

    Raises:
        RunnerError: Ray is missing, the cluster does not answer, or no node has what a run takes.
    """

    def __init__(self, plan: RunnerPlan, *, folder: Path | str = ".") -> None:
        self._plan = plan
        self._code = _sent(plan, Path(folder).absolute())
        self._connected = raycluster.connect(plan, folder=Path(folder).absolute())
        self._ray = raycluster.load()
        self._guarding = threading.Lock()
        """Held while what follows changes."""
        self._live: list[_Run] = []
        self._idle: list[_Worker] = []
        self._nodes: list[dict[str, float]] = []
        self._look_at = 0.0
        self._closing = False
        try:
            usual = 1.0 if isinstance(plan.cpus, str) else plan.cpus
            self._usual: raycluster.Needs = self._needs(usual, None)
            self._check_room(self._usual)
        except RunnerError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def slots(self) -> int:
        """How many runs can go on at a time: as many as fit now, but at least 1."""
        with self._guarding:
            return max(len(self._live) + self._more(self._usual), 1)

    def fits(self, order: Order) -> bool:
        """Say whether there is room; alone, a run always may wait for a node."""
        with self._guarding:
            return not self._live or self._more(self._needs(order.cpus, order.gpus)) > 0

    def start(self, order: Order, inbox: Inbox) -> RayHandle:
        """Start a run. A run that can't start is a failed one, not an exception.

        Raises:
            RunnerError: all slots are taken, no node has what it takes, or the run's folder can't
                be written.
        """
        if self._closing:
            raise RunnerError("the runner is closed: make a new one")
        run = self._run(order, inbox)
        with self._guarding:
            self._check_room(run.needs)
            if self._live and self._more(run.needs) < 1:
                raise RunnerError(f"all {len(self._live)} slots are taken: wait for a run to end")
            self._usual = run.needs
            self._live.append(run)
        run.thread = threading.Thread(
            target=self._attend, args=(run,), name=f"run {order.run}", daemon=True
        )
        run.thread.start()
        return RayHandle(self, run)

    def idle(self) -> bool:
        """Nothing to do: time passes by itself."""
        return False

    def recover(self, order: Order) -> Observation | None:
        """Return what an interrupted coordinator's run showed, if it had finished; else None.

        What lies in its folder here counts: all of it where folders are shared, else what had
        been brought home.
        """
        return recovered(order)

    def close(self) -> None:
        """Kill what still runs, and let go of everything."""
        if self._closing:
            return
        self._closing = True
        with self._guarding:
            runs = list(self._live)
        for run in runs:
            self._stop(run, "cancelled")
        grace_s = max((run.order.limits.grace_s for run in runs), default=0.0)
        deadline = time.monotonic() + grace_s + PATIENCE_S
        for run in runs:
            _join(run, deadline - time.monotonic())
            run.given_up = True
            _join(run, PATIENCE_S)
        self._dismiss(self._idle)
        if self._connected:
            raycluster.disconnect()

    # -- what fits

    def _needs(self, cpus: float, gpus: float | None) -> dict[str, float]:
        if gpus is None and not isinstance(self._plan.gpus, str):
            gpus = self._plan.gpus
        if gpus is None:
            gpus = float(any(node.get("GPU", 0) >= 1 for node in self._there()))
        return raycluster.needs(self._plan, cpus=cpus, gpus=gpus)

    def _there(self) -> list[dict[str, float]]:
        now = time.monotonic()
        if now >= self._look_at:
            self._nodes = raycluster.nodes()
            self._look_at = now + LOOK_S
        return self._nodes

    def _more(self, need: raycluster.Needs) -> int:
        """How many more runs of a need may go on beside those that do."""
        most = self._plan.workers
        alike = not isinstance(self._plan.cpus, str) and not isinstance(self._plan.gpus, str)
        if most is not None and alike:
            # More than there is room for now: an autoscaler may be waiting for them.
            return most - len(self._live)
        room = raycluster.fitting(self._there(), [run.needs for run in self._live], need)
        return room if most is None else min(room, most - len(self._live))

    def _check_room(self, need: raycluster.Needs) -> None:
        if self._plan.workers is None and not raycluster.fitting(self._there(), [], need):
            asked = ", ".join(f"{name} {amount:g}" for name, amount in need.items())
            there = "; ".join(_shown(node) for node in self._there()) or "no node"
            raise RunnerError(
                f"no node of the Ray cluster has what a run takes ({asked}): there is {there};"
                " ask for less under `runner`, or set workers: if an autoscaler adds such nodes"
            )

    # -- on the caller's thread

    def _run(self, order: Order, inbox: Inbox) -> _Run:
        """Prepare the folder of a run, as far as it has to be here."""
        needs = self._needs(order.cpus, order.gpus)
        secret = secrets.token_hex(8)
        try:
            order.folder.mkdir(parents=True, exist_ok=True)
            Home(order).clear()
            (order.folder / PLACE).write_text(secret, encoding="utf-8")
        except OSError as error:
            raise RunnerError(f"run {order.run} can't be prepared: {error}") from error
        order = replace(order, gpus=needs.get("GPU", 0.0))
        collector = Collector(replace(order.metrics, patterns=()), workdir=order.workdir)
        return _Run(order, inbox, needs, secret, collector)

    def _stop(self, run: _Run, outcome: Stop) -> None:
        with self._guarding:
            if run.asked is not None or run not in self._live:
                return
            run.asked = outcome
            worker = run.worker if run.begun else None
        if worker is not None:
            with suppress(Exception):  # a worker that is gone has ended its run
                worker.actor.stop.remote(outcome)

    # -- on a run's own thread

    def _attend(self, run: _Run) -> None:
        try:
            observation = self._executed(run)
        except Exception as error:  # noqa: BLE001  # around one run
            observation = self._gone(run, error)
        with self._guarding:
            self._live.remove(run)
            if run.worker is not None:
                self._idle.append(run.worker)
        run.inbox(Finished(observation))

    def _executed(self, run: _Run) -> Observation:
        worker = self._placed(run)
        if worker is None:
            return self._unfinished(run)
        assert worker.place is not None
        run.began = time.monotonic()
        (run.order.folder / PLACE).write_text(run.secret, encoding="utf-8")
        away = self._answer(run, worker.actor.start, self._shipment(run))
        with self._guarding:
            run.begun = True
            asked = run.asked
        if asked is not None:
            worker.actor.stop.remote(asked)
        told = {"node": worker.address, **asdict(worker.place), "shared": away is None}
        (run.order.folder / PLACE).write_text(json.dumps(told), encoding="utf-8")
        home = Home(run.order, away=away)
        observation = self._listened(run, worker, home)
        if observation.outcome == "cancelled" and run.asked is None:
            raise RunnerError("the guard of the run was killed there")
        return observation

    def _listened(self, run: _Run, worker: _Worker, home: Home) -> Observation:
        """Hand on what a run reports, and keep its log here, until it has finished."""
        number = 0
        while True:
            news: News = self._answer(run, worker.actor.news, number, home.log_at, run.asked)
            home.take(news)
            number += len(news.events)
            for event in news.events:
                match event:
                    case Reported():
                        run.collector.add(event.metrics, step=event.step)
                        run.inbox(event)
                    case Finished(observation=observation):
                        return self._brought(run, worker, home, observation)

    def _brought(
        self, run: _Run, worker: _Worker, home: Home, observation: Observation
    ) -> Observation:
        """Bring home what a run has left."""
        if not home.distant:
            return observation
        warnings = home.bring(
            self._answer(run, worker.actor.left),
            lambda name, at: self._answer(run, worker.actor.read, name, at),
        )
        worker.actor.clear.remote()
        return home.translated(observation, warnings=warnings)

    def _placed(self, run: _Run) -> _Worker | None:
        """Find a worker for a run; None if the run is not wanted any more before there is one."""
        worker = run.worker = self._hired(run)
        while worker.place is None:
            if self._ray.wait([worker.ready], timeout=WAIT_S)[0]:
                worker.place = place = cast("Place", self._ray.get(worker.ready))
                worker.address = raycluster.living().get(place.node_id, place.host)
            elif run.asked is not None:
                self._discard(run)
                return None
            elif self._idle:
                # What another run has left holds what this one waits for.
                self._discard(run)
                worker = run.worker = self._hired(run)
        if worker.place.version != __version__:
            raise _Unfit(f"Trialwright is {worker.place.version} there, and {__version__} here")
        return worker

    def _hired(self, run: _Run) -> _Worker:
        """A worker that is idle, or a new one; idle ones that take something else make room."""
        with self._guarding:
            living = raycluster.living() if self._idle else {}
            alike = [worker for worker in self._idle if worker.serves(run.needs, living)]
            if alike:
                self._idle.remove(alike[0])
                return alike[0]
            others, self._idle = self._idle, []
        self._dismiss(others)
        named: Mapping[str, Any] = {
            "num_cpus": run.needs["CPU"],
            "num_gpus": run.needs.get("GPU", 0),
            "resources": dict(self._plan.resources),
            **({"memory": self._plan.memory_bytes} if self._plan.memory_bytes else {}),
        }
        actor = rayworker.actor(self._ray, **named)
        return _Worker(actor, run.needs, actor.hello.remote())

    def _shipment(self, run: _Run) -> Shipment:
        return Shipment(
            order=run.order,
            secret=run.secret,
            marker=run.order.folder / PLACE,
            code=self._code,
            python=sys.executable,
            own_packages=bool(self._plan.runtime_env.pip),
        )

    def _answer(self, run: _Run, method: Any, *arguments: object) -> Any:
        """Ask a worker something that may be asked twice, and wait for what it says.

        One that can't be reached is asked again until Ray knows whether its node is lost.

        Raises:
            RayError: it is gone, or it failed.
        """
        deadline = time.monotonic() + REACH_S
        while True:
            asked = method.remote(*arguments)
            while not self._ray.wait([asked], timeout=1.0)[0]:
                if run.given_up:
                    raise _GivenUp
            try:
                return self._ray.get(asked)
            except self._ray.exceptions.ActorUnavailableError:
                if run.given_up or time.monotonic() > deadline:
                    raise
                time.sleep(1.0)

    def _discard(self, run: _Run) -> None:
        if run.worker is not None:
            with suppress(Exception):  # it may be gone
                self._ray.kill(run.worker.actor)
            run.worker = None

    def _dismiss(self, workers: list[_Worker]) -> None:
        """Let workers end what they started, then end them."""
        closing = [worker.actor.close.remote() for worker in workers]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=PATIENCE_S)
        for worker in workers:
            with suppress(Exception):  # it may be gone
                self._ray.kill(worker.actor)

    # -- endings that no worker tells of

    def _unfinished(self, run: _Run) -> Observation:
        ending = Ending(exit_status=None, stopped=run.asked, seconds=time.monotonic() - run.began)
        return observe(run.order, run.collector, ending, "")

    def _gone(self, run: _Run, error: Exception) -> Observation:
        """What can be said of a run whose worker is gone, or can't work."""
        worker = run.worker
        self._discard(run)
        with suppress(OSError, ValueError):
            found = recovered(run.order)
            if found is not None:
                return found
        if run.asked is not None:
            return self._unfinished(run)
        cause, detail = self._cause(error, worker)
        return Observation(
            run=run.order.run,
            outcome="failed",
            metrics=run.collector.last,
            curve=run.collector.curve(),
            seconds=time.monotonic() - run.began,
            cause=cause,
            detail=detail[:500],
        )

    def _cause(self, error: Exception, worker: _Worker | None) -> tuple[Cause, str]:
        exceptions = self._ray.exceptions
        said = " ".join(str(error).split())
        place = worker.place if worker else None
        node = f"node {worker.address} ({place.host})" if worker and place else "a node of Ray's"
        if isinstance(error, exceptions.OutOfMemoryError):
            return "out_of_memory_host", (
                f"{node} ran low on memory, and Ray ended the run there: set memory: under `runner`"
                f" to what a run takes, or have fewer at a time (workers); {said}"
            )
        unfit = isinstance(error, _Unfit | exceptions.RuntimeEnvSetupError)
        if unfit or getattr(error, "actor_init_failed", False):
            return "other", f"the worker on {node} can't work: {said[-400:]}"
        if place is not None and place.node_id not in raycluster.living():
            return "transient", f"{node} was lost"
        return "transient", f"the worker on {node} failed: {said}"


def _sent(plan: RunnerPlan, folder: Path) -> Path | None:
    """The folder whose content the nodes get, as it is called here."""
    named = plan.runtime_env.working_dir
    if named is None:
        return None
    return folder if "://" in named else (folder / named).resolve()


def _shown(node: Mapping[str, float]) -> str:
    names = [name for name in node if not name.startswith(("node:", "object_store"))]
    return ", ".join(f"{name} {node[name]:g}" for name in sorted(names))


def _join(run: _Run, patience_s: float) -> None:
    if run.thread is not None and run.thread is not threading.current_thread():
        run.thread.join(max(patience_s, 0.0))
