"""Which processes belong to a run, what memory they take, and how to end them all.

It reads the system's process table and sends signals. It knows leaders (the first process of a run)
and nothing of trials, files or limits. The standard library is enough on Linux; psutil serves
elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

MARK = "TRIALWRIGHT_GUARD"
"""Environment variable that tells whose a process is: `<token of the guard>.<run>`."""

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")

TOLERANCE_S = 2 / TICKS
"""The table rounds start times down to a tick; a run and its first child may share one."""

HALT_S = 0.5

SWEEP_S = 5.0
"""Seconds after which a sweep gives up on processes that SIGKILL does not end (stuck in a disk)."""


@dataclass(frozen=True, slots=True)
class Process:
    """A row of the process table."""

    pid: int
    parent: int
    group: int
    session: int
    started_s: float
    """On the clock of `now_s`."""
    resident_bytes: int
    zombie: bool = False
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Leader:
    """The first process of a run, and when the run went on."""

    pid: int
    mark: str
    started_s: float
    """On the clock of `now_s`."""
    ended_s: float = float("inf")


Table = Mapping[int, Process]
Environ = Callable[[int], bytes]


def now_s() -> float:
    """Return the time on the clock that the process table uses for start times."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.time()


def processes() -> dict[int, Process]:
    """Return every process of the machine by pid, in one pass."""
    if sys.platform != "linux":
        return processes_by_psutil()
    table = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  # names are enough, and this runs often
        if name.isdigit():
            process = _from_stat(int(name))
            if process is not None:
                table[process.pid] = process
    return table


def _from_stat(pid: int) -> Process | None:
    stat = _proc(pid, "stat")
    if not stat:
        return None
    # The command's name stands in brackets and may itself hold spaces and brackets.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Process(
        pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        started_s=int(fields[19]) / TICKS,
        resident_bytes=int(fields[21]) * PAGE,
        zombie=fields[0] in (b"Z", b"X"),
        stopped=fields[0] in (b"T", b"t"),
    )


def _proc(pid: int, name: str) -> bytes:
    """Read a small file under /proc; b'' if the process is gone, or not ours to read."""
    try:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def processes_by_psutil() -> dict[int, Process]:
    """Return the same as `processes`, on any system that psutil knows; some 10 times slower."""
    import psutil

    table = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError), process.oneshot():
            started = process.create_time()
            if sys.platform == "linux":
                started -= psutil.boot_time()
            table[process.pid] = Process(
                process.pid,
                parent=process.ppid(),
                group=os.getpgid(process.pid),
                session=os.getsid(process.pid),
                started_s=started,
                resident_bytes=process.memory_info().rss,
                zombie=process.status() == psutil.STATUS_ZOMBIE,
                stopped=process.status() == psutil.STATUS_STOPPED,
            )
    return table


def environ(pid: int) -> bytes:
    """Return the environment a process was started with, NUL-separated; b'' if unreadable."""
    if sys.platform == "linux":
        return _proc(pid, "environ")
    import psutil

    try:
        pairs = psutil.Process(pid).environ().items()
    except (psutil.Error, OSError):
        return b""
    return b"\0".join(os.fsencode(f"{name}={value}") for name, value in pairs)


def owners(
    table: Table, leaders: Iterable[Leader], *, guard: int, environ: Environ = environ
) -> dict[int, frozenset[int]]:
    """Return, for each process below `guard`, the pids of the leaders it may belong to.

    Sure signs come first: it is a leader or below one, or in a leader's group or session, or has a
    leader's mark in its environment. A daemon that took off all of them belongs to one of the
    runs that went on when it started; none at all means that it can be killed.
    """
    known = {leader.pid: leader for leader in leaders}
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: dict[int, frozenset[int]] = {}
    stack = [
        (child, _root_owners(child, known, environ))
        for child in children.get(guard, [])
        if not child.zombie or child.pid in known
    ]
    stack += [(table[pid], frozenset({pid})) for pid in known if pid in table]
    while stack:
        process, owner = stack.pop()
        if process.pid in found:
            continue
        found[process.pid] = owner
        stack += [(child, owner) for child in children.get(process.pid, [])]
    return found


def _root_owners(
    process: Process, leaders: Mapping[int, Leader], environ: Environ
) -> frozenset[int]:
    for sign in (process.pid, process.session, process.group):
        if sign in leaders:
            return frozenset({sign})
    mark = mark_in(environ(process.pid))
    if mark:
        return frozenset(leader.pid for leader in leaders.values() if leader.mark == mark)
    return frozenset(
        leader.pid
        for leader in leaders.values()
        if leader.started_s - TOLERANCE_S <= process.started_s <= leader.ended_s + TOLERANCE_S
    )


def mark_in(environment: bytes) -> str:
    r"""Return the value of `MARK` in a NUL-separated environment; '' if there is none.

    >>> mark_in(b"HOME=/\0TRIALWRIGHT_GUARD=ab12.7\0")
    'ab12.7'
    """
    prefix = MARK.encode() + b"="
    for pair in environment.split(b"\0"):
        if pair.startswith(prefix):
            return pair[len(prefix) :].decode(errors="replace")
    return ""


def members(table: Table, leaders: Iterable[Leader], *, guard: int) -> dict[int, list[Process]]:
    """Return each leader's processes, by the leader's pid; those of doubtful owner left out."""
    trees: dict[int, list[Process]] = {}
    for pid, found in owners(table, leaders, guard=guard).items():
        if len(found) == 1 and not table[pid].zombie:
            trees.setdefault(next(iter(found)), []).append(table[pid])
    return trees


def resident_bytes(tree: Iterable[Process]) -> int:
    """Return the summed resident memory of a tree; counts shared pages once per process."""
    return sum(process.resident_bytes for process in tree)


def proportional_bytes(tree: Iterable[Process]) -> int:
    """Return the memory of a tree, each shared page divided among those who share it.

    A process that can't be looked into counts with its resident memory.
    """
    return sum(_proportional_bytes(process) for process in tree)


def _proportional_bytes(process: Process) -> int:
    if sys.platform == "linux":
        for line in _proc(process.pid, "smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return process.resident_bytes


def send(pids: Iterable[int], *signals: signal.Signals) -> None:
    """Send signals to processes, ignoring those that are gone or not ours."""
    for pid in pids:
        for number in signals:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def kill_groups(pids: Iterable[int], *, spared: set[int]) -> None:
    """Kill the whole group of each process, except the groups in `spared`."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            group = os.getpgid(pid)
            if group not in spared:
                os.killpg(group, signal.SIGKILL)


def halt(find: Callable[[], Iterable[Process]]) -> list[int]:
    """Stop all the processes that `find` finds until none of them runs; return their pids.

    Gives up after `HALT_S`: what hangs in a system call does not stop. SIGCONT sets them going.
    """
    halted: set[int] = set()
    deadline = time.monotonic() + HALT_S
    while time.monotonic() < deadline:
        running = [process.pid for process in find() if not (process.stopped or process.zombie)]
        if not running:
            break
        send(running, signal.SIGSTOP)
        halted.update(running)
        time.sleep(0.0005)
    return sorted(halted)


def kill_same(tree: Iterable[Process]) -> None:
    """Kill processes seen earlier, unless their pid has passed to another process since."""
    table = processes()
    send(
        (
            process.pid
            for process in tree
            if process.pid in table and table[process.pid].started_s == process.started_s
        ),
        signal.SIGKILL,
    )


def sweep(name: str, value: str, *, prefix: bool = False) -> int:
    """Kill every process whose environment sets `name` to `value` (or to what begins with it).

    Spares this process and its ancestors. Returns how many it found, once all of them are gone.
    """
    wanted = os.fsencode(f"{name}={value}")
    spared = _lineage(os.getpid())
    found: set[int] = set()
    deadline = time.monotonic() + SWEEP_S
    while time.monotonic() < deadline:
        table = processes()
        alive = [
            pid
            for pid, process in table.items()
            if pid not in spared and not process.zombie and _sets(pid, wanted, prefix=prefix)
        ]
        if not alive:
            break
        found.update(alive)
        send(alive, signal.SIGKILL)
        time.sleep(0.005)
    return len(found)


def _lineage(pid: int) -> set[int]:
    table = processes()
    lineage = {pid}
    while pid in table and table[pid].parent not in lineage:
        pid = table[pid].parent
        lineage.add(pid)
    return lineage


def _sets(pid: int, wanted: bytes, *, prefix: bool) -> bool:
    pairs = environ(pid).split(b"\0")
    if prefix:
        return any(pair.startswith(wanted) for pair in pairs)
    return wanted in pairs
