"""The process between a guard and a confined command: it holds what bubblewrap can't.

It starts bubblewrap, sets limits before the command begins, watches what the kernel does not limit,
and ends with the command's status once nothing of the namespace is left. Standard library only, and
little of it, as it starts with every run. Its arguments, '' for no limit:

    processes, file_bytes, disk_bytes, number of writable folders, these, bwrap and its arguments
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence

from trialwright.process import cgroup, syscalls

WATCH_S = 0.25
"""Seconds between looks at what the kernel does not limit."""

MEASURE_S = 1.0
"""Seconds between measures of the writable folders, where these take little time."""

SHARE = 0.05
"""The most of its time that a warden spends on measuring."""

LOOSE = frozenset(
    {
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "GPG_AGENT_INFO",
        "SSH_AGENT_PID",
        "SSH_AUTH_SOCK",
        "TEMP",
        "TMP",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    }
)
"""Variables that point to what is not there inside."""

INSIDE = {"HOME": "/tmp", "TMPDIR": "/tmp", "USER": "run", "LOGNAME": "run"}  # noqa: S108

REFUSED = 125
"""The status of a command that was ended here: it is the status of no signal."""


class Warden:
    """One confined command. `first` is the namespace's first process: with it, all others end."""

    def __init__(self, *, processes: int | None, file_bytes: int | None) -> None:
        self._processes = processes
        self._file_bytes = file_bytes
        self._parent = os.getppid()
        self._group: str | None = None
        self._counting = False
        """Whether it counts processes, as the kernel does not."""
        self._pid = 0
        self._first = 0
        self._end: int | None = None
        """Becomes readable when the namespace has ended."""
        self._measure_at = 0.0

    def start(self, bwrap: Sequence[str]) -> None:
        """Start bubblewrap, and let its command begin once its limits are set."""
        # An ignored signal stays so: bubblewrap would end at SIGTERM, and the command with it.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        told, tell = os.pipe()
        wait, go = os.pipe()
        documents = list(_documents(network="--share-net" in bwrap[: bwrap.index("--")]))
        refused = syscalls.program(os.uname().machine)
        filters = [_open("filter", refused)] if refused else []
        handed = [tell, wait, *filters, *(descriptor for descriptor, _ in documents)]
        for descriptor in handed:
            os.set_inheritable(descriptor, True)  # noqa: FBT003
        words = [bwrap[0], "--info-fd", str(tell), "--block-fd", str(wait)]
        for descriptor in filters:
            words += ["--seccomp", str(descriptor)]
        for descriptor, path in documents:
            words += ["--ro-bind-data", str(descriptor), path]
        environment = {name: text for name, text in os.environ.items() if name not in LOOSE}
        self._pid = os.posix_spawn(
            bwrap[0],
            [*words, *bwrap[1:]],
            environment | INSIDE,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
        for descriptor in handed:
            os.close(descriptor)
        with contextlib.suppress(ProcessLookupError, BrokenPipeError):
            self._first = _first_process(told)
            if self._first:
                self._end = os.pidfd_open(self._first)
                self._limit()
                os.write(go, b"\n")

    def _limit(self) -> None:
        """Limit the process that waits to begin; without its limits it does not."""
        try:
            self._set_limits()
        except OSError:
            self._kill()
            raise

    def _set_limits(self) -> None:
        resource.prlimit(self._first, resource.RLIMIT_CORE, (0, 0))
        if self._file_bytes is not None:
            resource.prlimit(self._first, resource.RLIMIT_FSIZE, (self._file_bytes,) * 2)
        if self._processes is None:
            return
        most = self._processes + 1  # bubblewrap's own is one
        if os.getuid() != 0 and counts_by_namespace(os.uname().release):
            resource.prlimit(self._first, resource.RLIMIT_NPROC, (most, most))
            return
        self._group = cgroup.enter(self._first, most)
        self._counting = self._group is None

    def watch(self, folders: Sequence[str], disk_bytes: int | None) -> int:
        """Wait until the namespace has ended; return its command's status."""
        reason = ""
        if self._end is not None:
            poll = select.poll()
            poll.register(self._end, select.POLLIN)
            while not reason and not poll.poll(WATCH_S * 1000):
                reason = self._objection(folders, disk_bytes)
            if reason:
                self._kill()
                os.write(2, f"sandbox: the run was ended, as it had {reason}\n".encode())
            poll.poll()
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        if self._group is not None:
            cgroup.leave(self._group)
        if reason:
            return REFUSED
        return code if code >= 0 else 128 - code

    def _objection(self, folders: Sequence[str], disk_bytes: int | None) -> str:
        """Say what is wrong with the namespace; '' if nothing."""
        if os.getppid() != self._parent:
            return "lost its guard"
        if self._counting and self._crowded():
            return f"more than {self._processes} processes"
        began = time.monotonic()
        if disk_bytes is not None and began >= self._measure_at:
            taken = taken_bytes(folders)
            now = time.monotonic()
            self._measure_at = now + max(MEASURE_S, (now - began) / SHARE)
            if taken > disk_bytes:
                return f"more than {disk_bytes} bytes of files"
        return ""

    def _kill(self) -> None:
        if self._end is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._end, signal.SIGKILL)

    def _crowded(self) -> bool:
        from trialwright.process import tree  # costs more than all else here

        assert self._processes is not None
        children: dict[int, list[int]] = {}
        for process in tree.processes().values():
            children.setdefault(process.parent, []).append(process.pid)
        found = [self._first]
        for pid in found:
            found += children.get(pid, [])
        return len(found) > self._processes + 1


def counts_by_namespace(release: str) -> bool:
    """Say whether a kernel counts the processes of a user in each user namespace by itself.

    >>> counts_by_namespace("5.10.0-8-amd64"), counts_by_namespace("6.1.0")
    (False, True)
    """
    major, minor = release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)))) >= (5, 14)


def taken_bytes(folders: Sequence[str]) -> int:
    """Return what all files in some folders take on the disk, links not followed."""
    taken = 0
    todo = list(folders)
    while todo:
        # What is looked at may change or vanish meanwhile.
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    taken += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
    return taken


def _documents(*, network: bool) -> Iterator[tuple[int, str]]:
    """Files that are made up for the sandbox: open for reading, with their paths inside."""
    texts = {
        "/etc/passwd": "run:x:1000:1000:run:/tmp:/bin/sh\n",
        "/etc/group": "run:x:1000:\n",
    }
    if not network:
        texts["/etc/hosts"] = f"127.0.0.1 localhost {os.uname().nodename}\n::1 localhost\n"
    for path, text in texts.items():
        yield _open(path, text.encode()), path


def _open(name: str, content: bytes) -> int:
    """Return a descriptor to read from: a file in memory."""
    descriptor = os.memfd_create(name)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _first_process(told: int) -> int:
    """Read from bubblewrap the pid of the namespace's first process; 0 if there is none."""
    said = b""
    while b"}" not in said:
        part = os.read(told, 4096)
        if not part:
            return 0
        said += part
    digits = said.partition(b'"child-pid":')[2].lstrip()
    return int(digits[: next(n for n, byte in enumerate(digits) if not 48 <= byte <= 57)])


def main() -> None:
    """Run what the arguments say, and end with its status."""
    processes, file_bytes, disk_bytes = (int(word) if word else None for word in sys.argv[1:4])
    count = int(sys.argv[4])
    folders, bwrap = sys.argv[5 : 5 + count], sys.argv[5 + count :]
    warden = Warden(processes=processes, file_bytes=file_bytes)
    try:
        warden.start(bwrap)
    except OSError as error:
        sys.exit(f"sandbox: {bwrap[0]} can't be started: {error}")
    sys.exit(warden.watch(folders, disk_bytes))
