"""The guard process itself: the parent of all runs, which outlives a coordinator that is killed.

It starts runs, waits for them, ends what they leave behind, and writes down how each ended before
it tells the coordinator. When the coordinator is gone it ends everything below itself, and itself.
Standard library only, one thread. What it is told and what it answers:

    {"do": "spawn", "run", "argv", "environment", "workdir", "log", "stdin", "exit", "mark",
        "grace_s"}
        -> {"say": "started", "run", "pid"}, or {"say": "unstarted", "run", "error"}
    {"do": "stop", "run", "why", "grace_s"}
    {"do": "close"}
    ... -> {"say": "exited", "run", "status", "why", "seconds", "peak_memory_bytes"}
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

from trialwright.process import tree
from trialwright.process.wire import Reader, pack

LEFTOVER_S = 1.0
"""Seconds between SIGTERM and SIGKILL for what a run leaves behind: it may free memory."""

BEREFT_S = 0.25
"""Seconds that runs may go on when the coordinator is gone, so that those about to end do."""

BEREFT_GRACE_S = 2.0
"""The most between SIGTERM and SIGKILL for runs whose coordinator is gone."""

LOOK_S = 0.02
"""Seconds between looks at processes that were told to end."""

LOOKS = 50
"""Times that a look at leftovers is repeated at once, where some slip away by forking."""

RESERVED = b" " * 256
"""Room for the file that says how a run ended, taken when it begins."""

FIRST_TO_GO = b"500"
"""A run's `oom_score_adj`: where memory ends, the kernel takes a run and not the coordinator."""

_SUBREAPER = 36


@dataclass
class Run:
    """A run that was started here."""

    number: int
    exit_path: str
    leader: tree.Leader
    grace_s: float
    """Seconds between SIGTERM and SIGKILL where nobody says otherwise."""
    began: float
    began_at: float
    """Seconds since the epoch."""
    status: int | None = None
    """As the shell counts; None while the leader lives."""
    why: str | None = None
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    kill_at: float | None = None
    """Monotonic time from which on SIGKILL is due."""


class Parent:
    """Starts, watches and ends runs on behalf of the coordinator at the other end of a socket."""

    def __init__(self, coordinator: socket.socket, watched: int | None) -> None:
        self._socket = coordinator
        self._reader = Reader(coordinator)
        self._watched = watched
        """Descriptor that becomes readable when the coordinator's process ends, where there is one:
        a forked copy of the coordinator may keep the socket open."""
        self._runs: dict[int, Run] = {}
        """By the leader's pid."""
        self._unsent: list[dict[str, object]] = []
        """What can wait until there is more to say, or nothing else to do."""
        self._closing = False
        self._bereft_at: float | None = None
        self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if _LINUX else _pipe()
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._told_to_go)

    def work(self) -> None:
        """Serve until the coordinator is done or gone, and nothing is left below."""
        poll = select.poll()
        watched = [self._socket.fileno(), self._woken]
        for descriptor in [*watched, *([] if self._watched is None else [self._watched])]:
            poll.register(descriptor, select.POLLIN)
        while self._runs or not self._closing:
            ready = poll.poll(self._patience_ms())
            if not ready:
                self._send()
            for descriptor, _ in ready:
                self._ready(descriptor, poll)
            self._reap()
            self._end_those_due()
        self._kill_unowned()

    def _ready(self, descriptor: int, poll: select.poll) -> None:
        if descriptor == self._woken:
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)
            return
        if descriptor == self._socket.fileno():
            for message in self._reader.read():
                self._obey(message)
        if descriptor == self._watched or self._reader.ended:
            poll.unregister(descriptor)
            self._mourn()

    def _patience_ms(self) -> int | None:
        """How long nothing needs to be done, if nothing happens."""
        ending = [run.kill_at for run in self._runs.values() if run.kill_at is not None]
        if self._unsent or any(run.status is not None for run in self._runs.values()):
            return int(LOOK_S * 1000)
        dues = [*ending, *([] if self._bereft_at is None else [self._bereft_at])]
        if not dues:
            return None
        return int(max(min(dues) - time.monotonic(), LOOK_S) * 1000)

    def _told_to_go(self, *_: object) -> None:
        self._mourn()

    def _mourn(self) -> None:
        """The coordinator is gone: runs get a moment to end by themselves."""
        if not self._closing:
            self._closing = True
            self._bereft_at = time.monotonic() + BEREFT_S

    # -- orders

    def _obey(self, message: dict[str, Any]) -> None:
        match message["do"]:
            case "spawn":
                self._spawn(message)
            case "stop":
                for run in self._runs.values():
                    if run.number == message["run"]:
                        self._stop(run, message["why"], grace_s=message["grace_s"])
            case "close":
                self._closing = True
                for run in list(self._runs.values()):
                    self._stop(run, "cancelled", grace_s=run.grace_s)

    def _spawn(self, message: dict[str, Any]) -> None:
        number = message["run"]
        started_s = tree.now_s()
        began, began_at = time.monotonic(), time.time()
        try:
            pid = spawn(message)
        except OSError as error:
            self._say({"say": "unstarted", "run": number, "error": start_error(message, error)})
            return
        with contextlib.suppress(OSError):
            _reserve(message["exit"])
        leader = tree.Leader(pid, message["mark"], started_s)
        self._runs[pid] = Run(number, message["exit"], leader, message["grace_s"], began, began_at)
        _offer_to_oom_killer(pid)
        # Nobody waits for this: a moment later it costs the coordinator no turn of its own.
        self._unsent.append({"say": "started", "run": number, "pid": pid})

    def _stop(self, run: Run, why: str, *, grace_s: float) -> None:
        if run.why is not None or run.status is not None:
            return
        run.why = why
        run.kill_at = time.monotonic() + grace_s
        if grace_s > 0:
            # A stopped process acts on SIGTERM only once it goes on.
            tree.send(self._members(run), signal.SIGTERM, signal.SIGCONT)

    # -- endings

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            run = self._runs.get(pid)
            if run is not None:
                code = os.waitstatus_to_exitcode(status)
                run.status = code if code >= 0 else 128 - code
                run.seconds = time.monotonic() - run.began
                unit = 1024 if _LINUX else 1
                run.peak_memory_bytes = usage.ru_maxrss * unit
                run.leader = tree.Leader(
                    pid, run.leader.mark, run.leader.started_s, ended_s=tree.now_s()
                )
                self._left_alone(run)

    def _left_alone(self, run: Run) -> None:
        """A leader has ended: tell what it leaves behind to end, or conclude."""
        leftovers = self._leftovers(run)
        if not leftovers:
            self._conclude(run)
            return
        if run.why is None:
            tree.send(leftovers, signal.SIGTERM, signal.SIGCONT)
            run.kill_at = time.monotonic() + LEFTOVER_S

    def _end_those_due(self) -> None:
        now = time.monotonic()
        if self._bereft_at is not None and now >= self._bereft_at:
            self._bereft_at = None
            for run in list(self._runs.values()):
                self._stop(run, "interrupted", grace_s=min(run.grace_s, BEREFT_GRACE_S))
        for run in list(self._runs.values()):
            due = run.kill_at is not None and now >= run.kill_at
            if run.status is None:
                if due:
                    tree.send(self._members(run), signal.SIGKILL)
                continue
            if self._kill(run) if due else not self._leftovers(run):
                self._conclude(run)

    def _conclude(self, run: Run) -> None:
        """Nothing of a run is left: write down how it ended, then say so."""
        del self._runs[run.leader.pid]
        ended = {
            "status": run.status,
            "why": run.why,
            "seconds": round(run.seconds, 6),
            "peak_memory_bytes": run.peak_memory_bytes,
        }
        with contextlib.suppress(OSError):  # a removed folder loses only `recover`
            _write(run.exit_path, json.dumps({**ended, "began_at": run.began_at}).encode())
        self._say({"say": "exited", "run": run.number, **ended})

    def _say(self, message: dict[str, object]) -> None:
        self._unsent.append(message)
        self._send()

    def _send(self) -> None:
        content = b"".join(map(pack, self._unsent))
        self._unsent.clear()
        with contextlib.suppress(OSError):  # nobody may be listening any more
            self._socket.sendall(content)

    # -- who is who

    def _members(self, run: Run) -> list[int]:
        table = tree.processes()
        found = self._owners(table)
        pid = run.leader.pid
        return [
            member
            for member, owners in found.items()
            if owners == {pid} and not table[member].zombie
        ]

    def _leftovers(self, run: Run) -> list[int]:
        """What a run whose leader has ended left behind, and what no living run can have left."""
        for _ in range(LOOKS):
            strays = self._strays()
            if not strays:
                return []
            table = tree.processes()
            found = self._owners(table)
            # One that is gone by now may have left a child that the table does not show yet.
            slipped = [pid for pid in strays if pid not in found or table[pid].zombie]
            if not slipped:
                break
        ended = {pid for pid, other in self._runs.items() if other.status is not None}
        leftovers = [
            pid
            for pid, owners in found.items()
            if not table[pid].zombie
            and (not owners or (run.leader.pid in owners and owners <= ended))
        ]
        return leftovers or slipped

    def _kill(self, run: Run) -> bool:
        """Kill what a run left behind; say whether nothing is left of it."""
        for _ in range(LOOKS):
            leftovers = self._leftovers(run)
            if not leftovers:
                return True
            # A group dies as one: its members can't fork themselves away meanwhile.
            tree.kill_groups(leftovers, spared={*self._runs, os.getpgid(0)})
            tree.send(leftovers, signal.SIGKILL)
        return False

    def _kill_unowned(self) -> None:
        """Last of all: end whatever is below, whosever it was."""
        while strays := self._strays():
            tree.kill_groups(strays, spared={os.getpgid(0)})
            tree.send(strays, signal.SIGKILL)
            time.sleep(0.001)

    def _owners(self, table: tree.Table) -> dict[int, frozenset[int]]:
        leaders = [run.leader for run in self._runs.values()]
        return tree.owners(table, leaders, guard=os.getpid())

    def _strays(self) -> list[int]:
        """Living children of this process that it did not start: what lost its own parent."""
        # The kernel's list may miss children while others come and go: only a second look tells.
        for _ in range(2):
            found = [pid for pid in children() if pid not in self._runs and not _reaped(pid)]
            if found:
                return found
        return []


_LINUX = sys.platform == "linux"


def _reaped(pid: int) -> bool:
    """Take a child's ending, if it has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def children() -> list[int]:
    """Return the pids of this process's children, zombies included."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as listing:  # noqa: PTH123
            return [int(pid) for pid in listing.read().split()]
    except OSError:  # not Linux, or a kernel built without this list
        table = tree.processes()
        return [pid for pid, process in table.items() if process.parent == os.getpid()]


def spawn(message: dict[str, Any]) -> int:
    """Start a process in a session of its own and return its pid.

    Raises:
        OSError: it can't be started.
    """
    os.chdir(message["workdir"])
    environment = message["environment"]
    program = find_program(message["argv"][0], environment.get("PATH", os.defpath))
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, message["stdin"] or os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, message["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # vfork underneath: the cost does not depend on this process's size. Python ignores SIGPIPE,
    # and an ignored signal would stay so in the run.
    return os.posix_spawn(
        program,
        message["argv"],
        environment,
        file_actions=actions,
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )


def find_program(name: str, path: str) -> str:
    """Return the file that a command's first word means, as the shell would find it.

    Raises:
        FileNotFoundError: there is none.
        PermissionError: there are only files that can't be executed.
    """
    if "/" in name:
        return name
    found = None
    for folder in path.split(os.pathsep):
        candidate = f"{folder or '.'}/{name}"
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):  # noqa: PTH112
            return candidate
        if found is None and os.path.isfile(candidate):  # noqa: PTH113
            found = candidate
    if found is not None:
        raise PermissionError(13, "Permission denied", found)
    raise FileNotFoundError(2, "No such file or directory", name)


def start_error(message: dict[str, Any], error: OSError) -> str:
    """Return the system's words for why a command could not be started, made unambiguous."""
    name = message["argv"][0]
    if error.errno == errno.ENOENT and "/" in name and os.path.exists(name):  # noqa: PTH110
        return f"{error}: the file is there, but the interpreter in its #! line is not"
    return str(error)


def _offer_to_oom_killer(pid: int) -> None:
    if not _LINUX:
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY)
        try:
            os.write(descriptor, FIRST_TO_GO)
        finally:
            os.close(descriptor)


def _reserve(path: str) -> None:
    """Take the room for a file while there is some: the disk may be full by then."""
    descriptor = os.open(f"{path}.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, RESERVED)
    finally:
        os.close(descriptor)


def _write(path: str, content: bytes) -> None:
    """Write a small file into the room that was reserved for it, and show it whole."""
    descriptor = os.open(f"{path}.tmp", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, content)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)
    os.rename(f"{path}.tmp", path)  # noqa: PTH104


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return reading, writing


def _adopt_orphans() -> None:
    """Become the parent of every process below that loses its own. Linux only."""
    if _LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


def _watch(coordinator: int) -> int | None:
    """Return a descriptor that becomes readable when the coordinator's process has ended."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(coordinator)
    except OSError:
        return None


def main() -> None:
    """Serve the coordinator of pid `argv[1]` over the socket with descriptor `argv[2]`.

    Further descriptors are only held open until the end: they are the study's lock.
    """
    coordinator, *descriptors = (int(argument) for argument in sys.argv[1:])
    for descriptor in descriptors:
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    _adopt_orphans()
    # Closing the copies of the descriptors is the kernel's: after everything below is gone.
    watched = _watch(coordinator)
    with socket.socket(fileno=descriptors[0]) as connection:
        Parent(connection, watched).work()
