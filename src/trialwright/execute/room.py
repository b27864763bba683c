"""Who has which part of this machine: fixed slots, or room for runs whose needs differ.

It knows what an order needs, and starts nothing. Whoever calls from several threads holds a lock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from trialwright.errors import RunnerError
from trialwright.execute.runner import Order
from trialwright.execute.slots import Machinery, Slot, fitting_gpus, plan_slots
from trialwright.task import RunnerPlan

_HAIR = 1e-9
"""Shares are added and taken away again: a tenth ten times is a hair off 1."""


class Room(Protocol):
    """Places for runs."""

    @property
    def slots(self) -> int:
        """How many runs can go on at a time."""
        ...

    def fits(self, order: Order) -> bool:
        """Say whether a place is free for a run."""
        ...

    def take(self, order: Order) -> Slot:
        """Give a run its place.

        Raises:
            RunnerError: it does not fit now, or never will.
        """
        ...

    def give(self, slot: Slot) -> None:
        """Take a place back."""
        ...


def room_for(plan: RunnerPlan, machinery: Machinery) -> Room:
    """Share a machine out as a plan says.

    Raises:
        RunnerError: the plan asks for what the machine lacks.
    """
    if plan.varied:
        return Packed(plan, machinery)
    return Fixed(plan_slots(plan, machinery))


class Fixed:
    """Slots that are all alike."""

    def __init__(self, slots: tuple[Slot, ...]) -> None:
        self._slots = len(slots)
        self._free = list(reversed(slots))

    @property
    def slots(self) -> int:
        """How many runs can go on at a time."""
        return self._slots

    def fits(self, order: Order) -> bool:  # noqa: ARG002  # all slots are alike
        """Say whether a slot is free."""
        return bool(self._free)

    def take(self, order: Order) -> Slot:  # noqa: ARG002
        """Give a run the next free slot."""
        if not self._free:
            raise RunnerError(f"all {self._slots} slots are taken: wait for a run to end")
        return self._free.pop()

    def give(self, slot: Slot) -> None:
        """Take a slot back."""
        self._free.append(slot)


@dataclass(frozen=True, slots=True)
class _Need:
    """What a run takes: cores, GPUs."""

    cpus: float
    gpus: float


class Packed:
    """Cores, GPUs and memory, of which each run takes what its order says.

    A run that needs more cores or memory than there are has the machine to itself.
    """

    def __init__(self, plan: RunnerPlan, machinery: Machinery) -> None:
        self._plan = plan
        self._machinery = machinery
        self._cores = float(machinery.cores)
        self._left = dict.fromkeys(machinery.devices, 1.0)
        self._most = min(plan.workers or math.inf, machinery.fitting(plan))
        self._taken: dict[int, tuple[Slot, _Need]] = {}
        cpus = 1.0 if isinstance(plan.cpus, str) else plan.cpus
        gpus = None if isinstance(plan.gpus, str) else plan.gpus
        self._usual = self._need(cpus, gpus)
        """What the latest run took: the next one most likely takes the same."""

    @property
    def slots(self) -> int:
        """How many runs go on, and how many more like the latest fit; at least 1."""
        more = self._more(self._usual, cores=self._cores, left=self._left)
        return max(len(self._taken) + int(min(more, self._most - len(self._taken))), 1)

    def fits(self, order: Order) -> bool:
        """Say whether there is room; alone, a run always fits."""
        if not self._taken:
            return True
        need = self._need(order.cpus, order.gpus)
        more = self._more(need, cores=self._cores, left=self._left)
        return len(self._taken) < self._most and more >= 1

    def take(self, order: Order) -> Slot:
        """Give a run its cores and GPUs."""
        need = self._need(order.cpus, order.gpus)
        fitting_gpus(need.gpus, self._machinery.devices)
        if not self.fits(order):
            raise RunnerError(f"{len(self._taken)} runs fill all slots: wait for one to end")
        index = next(i for i in range(len(self._taken) + 1) if i not in self._taken)
        whole = dict.fromkeys(self._machinery.devices, 1.0)
        alike = self._more(need, cores=float(self._machinery.cores), left=whole)
        threads = self._machinery.cores // max(int(min(alike, self._most)), 1)
        slot = Slot(index, max(threads, 1), self._devices(index, need.gpus))
        self._taken[index] = (slot, need)
        self._book(slot, need, sign=-1)
        self._usual = need
        return slot

    def give(self, slot: Slot) -> None:
        """Take back what a run had."""
        _, need = self._taken.pop(slot.index)
        self._book(slot, need, sign=1)

    def _need(self, cpus: float, gpus: float | None) -> _Need:
        usual = float(bool(self._machinery.devices) and self._plan.workers is None)
        return _Need(cpus, usual if gpus is None else gpus)

    def _more(self, need: _Need, *, cores: float, left: dict[str, float]) -> float:
        """How many runs of a need fit into what is left."""
        more = max((cores + _HAIR) // need.cpus, 0.0)
        if need.gpus == 0:
            return more
        if need.gpus < 1:
            return min(more, sum((share + _HAIR) // need.gpus for share in left.values()))
        free = sum(share > 1 - _HAIR for share in left.values())
        return min(more, free // int(need.gpus))

    def _devices(self, index: int, gpus: float) -> tuple[str, ...] | None:
        """The GPUs for a run: of those on which a share fits, the fullest."""
        if not self._left:
            return None
        if gpus == 0:
            shared = self._plan.gpus is None and self._plan.workers is not None
            every = self._machinery.devices
            return (every[index % len(every)],) if shared else ()
        if gpus < 1:
            fitting = [name for name, share in self._left.items() if share + _HAIR >= gpus]
            return (min(fitting, key=lambda name: self._left[name]),)
        free = [name for name, share in self._left.items() if share > 1 - _HAIR]
        return tuple(free[: int(gpus)])

    def _book(self, slot: Slot, need: _Need, *, sign: int) -> None:
        self._cores += sign * need.cpus
        for name in slot.devices or ():
            self._left[name] += sign * min(need.gpus, 1.0)
