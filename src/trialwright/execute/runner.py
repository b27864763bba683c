"""The seam between the study and whatever runs a script: `Runner`, `Handle`, and what they say.

A runner takes an `Order` and reports to an inbox: `Reported` for each metric while the run goes on,
then exactly one `Finished`. It knows no study and no history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from trialwright.expression import Scalar
from trialwright.process.checkout import Checkout
from trialwright.process.sandbox import Confinement
from trialwright.records import Observation, RunKey
from trialwright.task import Limits, MetricRoute, Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run, ready to be executed: nothing is left to be looked up."""

    run: RunKey
    configuration: Mapping[str, Scalar]
    seed: int
    objective: Objective
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """The whole environment of the run."""
    workdir: Path
    folder: Path
    """The run's own folder, for its log and whatever it writes there."""
    files: Mapping[Path, bytes] = field(default_factory=dict)
    """Files to be there before the start, such as the configuration."""
    code: Checkout | None = None
    """The code to be laid out before the start; None: the task's files are used where they are."""
    confinement: Confinement | None = None
    """What the run may see, write and use up; None: whatever we may."""
    stdin: bytes = b""
    limits: Limits = field(default_factory=Limits)
    metrics: MetricRoute = field(default_factory=MetricRoute)
    """With its placeholders filled in."""
    cpus: float = 1.0
    gpus: float | None = None

    @property
    def within(self) -> tuple[Path, ...] | None:
        """The folders that a confined run can have written in; None: it could anywhere."""
        return None if self.confinement is None else (self.folder, *self.confinement.writable)


def run_folder(study_folder: Path, run: RunKey) -> Path:
    """Return the folder of one run.

    >>> run_folder(Path("water"), RunKey(7, 0, 1)).as_posix()
    'water/trials/0007-0.1'
    """
    return study_folder / "trials" / f"{run.trial:04d}-{run.seed}.{run.attempt}"


def code_folder(run_folder: Path) -> Path:
    """Return where the code of a run is laid out, where trials change code."""
    return run_folder / "code"


def output_folder(run_folder: Path) -> Path:
    """Return where a run writes whatever it wants to, where trials change code."""
    return run_folder / "out"


@dataclass(frozen=True, slots=True)
class Reported:
    """A run reported metrics at a step."""

    run: RunKey
    step: float
    metrics: Mapping[str, float]
    seconds: float | None = field(default=None, compare=False)
    """Since the run began, where the runner knows."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run ended; nothing more is heard of it, and no process of it is left."""

    observation: Observation


Event = Reported | Finished
Inbox = Callable[[Event], None]
"""Takes an event from any thread, and returns at once."""


class Handle(Protocol):
    """A run that was started."""

    def stop(self, outcome: Literal["pruned", "cancelled"]) -> None:
        """Ask the run to end; its `Finished` follows. Harmless if it has ended."""
        ...


class Runner(Protocol):
    """Executes orders. Used as a context manager: on leaving, no process of it is left."""

    @property
    def slots(self) -> int:
        """How many runs can go on at a time: of the usual need, where their needs differ."""
        ...

    def fits(self, order: Order) -> bool:
        """Say whether a run can start now: whether a slot is free, and what it needs."""
        ...

    def start(self, order: Order, inbox: Inbox) -> Handle:
        """Start a run. A run that can't start is a failed one, not an exception.

        Raises:
            RunnerError: the runner itself can't go on.
        """
        ...

    def idle(self) -> bool:
        """Take note that the study has nothing to do until something happens.

        A simulated clock may go on by a step, then it is True; elsewhere time passes by itself.
        """
        ...

    def recover(self, order: Order) -> Observation | None:
        """Return what an interrupted coordinator's run showed, if it had finished; else None.

        Only what lies on disk counts: a run that was going on is killed and forgotten.
        """
        ...

    def close(self) -> None:
        """Kill what still runs, and let go of everything."""
        ...
