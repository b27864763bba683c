"""Which faults there are, how often each gets its turn, and a round of one."""

from __future__ import annotations

import random
import shutil
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.breaking import cluster, machine, processes, servers
from benchmarks.breaking.audit import Counts
from benchmarks.breaking.machine import Skipped
from benchmarks.breaking.scene import Scene
from benchmarks.breaking.warm import MODELS, PLAIN, REPORTS, SERVER, Starter
from tests.postgres.server import PostgresServer


class Lab:
    """What rounds share, made when it is first needed: for one thread, which closes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def close(self) -> None:
        """End what was started."""
        self._stack.close()

    @cached_property
    def plain(self) -> Starter:
        """Forks sessions of studies without models."""
        return self._stack.enter_context(closing(Starter((*PLAIN, *REPORTS))))

    @cached_property
    def asking(self) -> Starter:
        """Forks sessions of studies with models in their team."""
        return self._stack.enter_context(closing(Starter((*PLAIN, *MODELS))))

    @cached_property
    def serving(self) -> Starter:
        """Forks sessions of studies with their ledger on a server."""
        return self._stack.enter_context(closing(Starter((*PLAIN, *SERVER))))

    @cached_property
    def postgres(self) -> PostgresServer:
        """A server that no other thread restarts."""
        server, end = servers.started_postgres()
        self._stack.callback(end)
        return server

    @cached_property
    def cluster(self) -> Any:
        """A Ray cluster with a head that runs nothing."""
        found, end = cluster.started()
        self._stack.callback(end)
        return found


Break = Callable[[Scene, Lab], None]


@dataclass(frozen=True)
class Kind:
    """A fault: what it does to a scene, and how many rounds in a hundred are its."""

    broken: Break
    share: float
    starter: str = "plain"
    serial: bool = False
    """Whether its rounds share what only one of them can break at a time."""


def _alone(broken: Callable[[Scene], None]) -> Break:
    return lambda scene, _: broken(scene)


def _endpoint(how: str) -> Break:
    return lambda scene, _: servers.endpoint(scene, how)


NAUGHTY = ("forks", "ignores-sigterm", "floods", "nan")

KINDS: dict[str, Kind] = {
    "coordinator": Kind(_alone(processes.coordinator), 22),
    "guard": Kind(_alone(processes.guard), 12),
    "coordinator+guard": Kind(_alone(processes.both), 12),
    "run": Kind(_alone(processes.run), 10),
    "run-forks": Kind(_alone(processes.naughty("forks")), 4),
    "run-ignores-sigterm": Kind(_alone(processes.naughty("ignores-sigterm")), 2),
    "run-floods": Kind(_alone(processes.naughty("floods")), 2),
    "run-nan": Kind(_alone(processes.naughty("nan")), 4),
    "coordinator+run-forks": Kind(_alone(processes.naughty("forks", killed=True)), 6),
    "coordinator+run-ignores-sigterm": Kind(
        _alone(processes.naughty("ignores-sigterm", killed=True)), 3
    ),
    "coordinator+run-floods": Kind(_alone(processes.naughty("floods", killed=True)), 3),
    "coordinator+run-nan": Kind(_alone(processes.naughty("nan", killed=True)), 4),
    "disk-full": Kind(_alone(machine.disk_full), 8),
    "clock-jump": Kind(_alone(machine.clock_jump), 1),
    "postgres-restart": Kind(
        lambda scene, lab: servers.postgres(scene, lab.postgres), 2, "serving", serial=True
    ),
    "endpoint-down": Kind(_endpoint("down"), 1.5, "asking"),
    "endpoint-slow": Kind(_endpoint("slow"), 1.5, "asking"),
    "endpoint-garbage": Kind(_endpoint("garbage"), 1.5, "asking"),
    "ray-node": Kind(lambda scene, lab: cluster.node(scene, lab.cluster), 0.5, serial=True),
}


@dataclass(frozen=True)
class Round:
    """One study with one fault."""

    number: int
    kind: str
    seed: int


@dataclass
class Row:
    """What came of the rounds of one kind."""

    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    skipped: int = 0
    why: str = ""


def planned(rounds: int, *, seed: int, only: tuple[str, ...] = ()) -> list[Round]:
    """Share `rounds` out among the kinds, one in two hundred for each at least, and mix them."""
    names = [name for name in KINDS if not only or name in only]
    whole = sum(KINDS[name].share for name in names)
    least = max(rounds // 200, 1)
    numbers = {
        name: max(int(rounds * KINDS[name].share / whole), least if rounds >= len(names) else 0)
        for name in names
    }
    # What rounding left over, and what the least took, is the most frequent kind's.
    numbers[names[0]] = max(numbers[names[0]] + rounds - sum(numbers.values()), 0)
    kinds = [name for name in names for _ in range(numbers[name])][:rounds]
    random.Random(seed).shuffle(kinds)
    return [Round(number, kind, seed) for number, kind in enumerate(kinds)]


def played(what: Round, lab: Lab) -> Row:
    """Play one round; what it left behind stays only if something went wrong."""
    kind = KINDS[what.kind]
    rng = random.Random(f"{what.seed}/{what.kind}/{what.number}")
    folder = lab.folder / f"{what.number:04d}-{what.kind}"
    scene = Scene(folder, rng=rng, starter=getattr(lab, kind.starter))
    began = time.monotonic()
    try:
        kind.broken(scene, lab)
    except Skipped as reason:
        shutil.rmtree(folder, ignore_errors=True)
        return Row(skipped=1, why=str(reason))
    except Exception:  # noqa: BLE001  # around one round: the others still tell what they find
        scene.counts.notes.append(f"{scene.name}: {traceback.format_exc()}")
    finally:
        scene.clear()
    if scene.counts.clean:
        shutil.rmtree(folder)
    return Row(scene.counts, time.monotonic() - began)
