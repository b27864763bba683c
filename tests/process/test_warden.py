"""What the sandbox holds beside paths: limits, signals, and that nothing outlives a run."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.execute.orders import command, ended
from tests.process.confining import MB, PATIENCE_S, inside, needs_sandbox, outside, python, said
from trialwright.execute.local import LocalRunner
from trialwright.process import cgroup, tree
from trialwright.process.guard import Exited, Guard, Reply, Spawn, Started
from trialwright.process.sandbox import Confinement, confined
from trialwright.process.warden import REFUSED, taken_bytes
from trialwright.task import Limits, RunnerPlan

pytestmark = needs_sandbox


# -- limits

FORK = """
import os, signal, sys, time
count = 0
try:
    while count < int(sys.argv[1]):
        if os.fork() == 0:
            time.sleep(300)
            os._exit(0)
        count += 1
except OSError:
    pass
print(count, flush=True)
if len(sys.argv) > 2:
    time.sleep(300)
os.killpg(0, signal.SIGTERM) if len(sys.argv) > 3 else None
"""


def test_processes_are_bounded(tmp_path: Path) -> None:
    """A command that forks without end gets as many processes as it is granted."""
    script = python(FORK, 200)
    assert said(inside(script, Confinement(writable=(tmp_path,), processes=30), tmp_path)) == ["29"]
    assert said(inside(script, Confinement(writable=(tmp_path,)), tmp_path)) == ["200"]


def test_no_control_group_is_left_behind(tmp_path: Path) -> None:
    """A group that bounds processes is gone after its run, and a stale one after the next."""
    parents = [Path(parent) for parent in cgroup._parents()]
    if os.getuid() != 0 or not parents:
        pytest.skip("processes are bounded without control groups here")
    never = (1 << 22) + 1  # the highest pid is below
    stale = parents[0] / f"{cgroup.NAME}{never}"
    stale.mkdir()
    ours = {path for parent in parents for path in parent.glob(f"{cgroup.NAME}*")}
    confinement = Confinement(writable=(tmp_path,), processes=30)
    source = "print(open('/proc/self/cgroup').read())"
    done = inside(python(source), confinement, tmp_path)
    assert "pids:/" in done.stdout or "0::/" in done.stdout
    assert not stale.exists()
    left = {path for parent in parents for path in parent.glob(f"{cgroup.NAME}*")}
    assert not [path for path in left - ours if not _alive(path.name.removeprefix(cgroup.NAME))]


def _alive(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="without root the kernel bounds processes itself")
def test_processes_are_counted_where_the_kernel_does_not(tmp_path: Path) -> None:
    """As root, where no control group can be made, a run with too many processes is ended."""
    hidden = ("unshare", "--mount", "sh", "-c", 'umount -l /sys/fs/cgroup; exec "$@"', "sh")
    confinement = Confinement(writable=(tmp_path,), processes=30)
    argv = confined(python(FORK, 100, "stay"), os.environ, confinement, tmp_path)
    done = outside((*hidden, *argv), tmp_path)
    assert done.returncode == REFUSED
    assert "more than 30 processes" in done.stderr
    few = confined(python(FORK, 10), os.environ, confinement, tmp_path)
    assert said(outside((*hidden, *few), tmp_path)) == ["10"]


@pytest.mark.skipif(os.getuid() != 0, reason="this is how all the other tests run")
def test_it_holds_without_root(tmp_path: Path) -> None:
    """For a user without rights, too: processes are bounded, and the host's files kept."""
    source = Path(__file__).parents[2] / "src"
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    system = shutil.which("python3.11", path="/usr/bin:/bin") or "/usr/bin/python3"
    start = f"import sys; sys.path.insert(0, {str(source)!r}); import trialwright.process.sandbox"
    probe = (*nobody, system, "-I", "-S", "-c", start)
    if not shutil.which("setpriv") or outside(probe, Path("/")).returncode != 0:
        pytest.skip("no other user can load this package here")
    folder = Path(f"/var/tmp/trialwright-{os.getpid()}")
    folder.mkdir()
    try:
        os.chown(folder, 65534, 65534)
        code = f"""{start}
import os
from pathlib import Path
from trialwright.process.sandbox import Confinement, confined
folder = Path({str(folder)!r})
argv = confined((sys.argv[1], "-I", "-S", *sys.argv[2:]), os.environ,
    Confinement(writable=(folder,), processes=30), folder)
os.execve(argv[0], argv, os.environ)
"""
        word = (*nobody, system, "-I", "-S", "-c", code, system, "-c", FORK, "200")
        assert said(outside(word, folder)) == ["29"]
        write = "open('here', 'w'); import os; print(os.getuid())\ntry: open('/var/tmp/x', 'w')\n"
        word = (*nobody, system, "-I", "-S", "-c", code, system, "-c", write + "except OSError: 1")
        assert said(outside(word, folder)) == ["1000"]
        assert (folder / "here").stat().st_uid == 65534
    finally:
        shutil.rmtree(folder)


FILL = """
import os, sys
written = 0
try:
    with open(sys.argv[1], "wb", buffering=0) as file:
        while written < 8 << 20:
            written += file.write(b"x" * 65536)
except OSError as error:
    print(error.strerror.replace(" ", "-"), end=" ")
print(written)
"""


def test_scratch_and_files_are_bounded(tmp_path: Path) -> None:
    """Memory behind /tmp and /dev/shm ends where it was said, and so does a file."""
    scratch = Confinement(writable=(tmp_path,), scratch_bytes=MB)
    for path in ("/tmp/full", "/dev/shm/full"):
        assert said(inside(python(FILL, path), scratch, tmp_path)) == [
            *("No-space-left-on-device", str(MB))
        ]
    assert said(inside(python(FILL, "full"), scratch, tmp_path)) == [str(8 * MB)]
    small = Confinement(writable=(tmp_path,), file_bytes=2 * MB)
    assert said(inside(python(FILL, "file"), small, tmp_path)) == ["File-too-large", str(2 * MB)]
    assert (tmp_path / "file").stat().st_size == 2 * MB


def test_many_files_are_too_much_together(tmp_path: Path) -> None:
    """A run whose files, small each, grow beyond the limit is ended, and its log says why."""
    source = """
import os, time
os.makedirs("deep")
for number in range(20):
    open(f"deep/{number}", "wb").write(b"x" * (1 << 20))
time.sleep(300)
"""
    confinement = Confinement(writable=(tmp_path,), disk_bytes=10 * MB, file_bytes=2 * MB)
    done = inside(python(source), confinement, tmp_path)
    assert done.returncode == REFUSED
    assert "more than 10485760 bytes of files" in done.stderr
    assert taken_bytes([str(tmp_path)]) >= 20 * MB


def test_links_are_not_measured(tmp_path: Path) -> None:
    """Only what is in the folder counts."""
    (tmp_path / "large").write_bytes(b"x" * 4 * MB)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").symlink_to(tmp_path / "large")
    (tmp_path / "work" / "folder").symlink_to(tmp_path)
    assert taken_bytes([str(tmp_path / "work")]) < MB


def test_memory_of_a_confined_tree_is_limited(tmp_path: Path) -> None:
    """The runner sees what processes inside take together, and ends them all."""
    source = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        data = b"x" * 60_000_000
        time.sleep(300)
time.sleep(300)
"""
    confinement = Confinement(writable=(tmp_path,))
    argv = confined(python(source), os.environ, confinement, tmp_path)
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        limits = Limits(memory_bytes=150 * MB, grace_s=0.3)
        observation = ended(runner, command(tmp_path, *argv, limits=limits))
    assert (observation.outcome, observation.cause) == ("failed", "out_of_memory_host")
    assert observation.peak_memory_bytes is not None
    assert observation.peak_memory_bytes > 150 * MB


# -- endings


@pytest.fixture
def guard() -> Iterator[Guard]:
    """A guard with nothing to do."""
    guard = Guard()
    yield guard
    guard.close()
    assert guard.wait() == ""


def spawn(folder: Path, argv: tuple[str, ...], *, grace_s: float = PATIENCE_S) -> Spawn:
    """A confined command in a folder of its own, what the guard writes beside it."""
    (folder / "work").mkdir()
    return Spawn(
        run=0,
        argv=confined(argv, os.environ, Confinement(writable=(folder / "work",)), folder / "work"),
        environment=dict(os.environ),
        workdir=folder / "work",
        log=folder / "log",
        exit=folder / "exit.json",
        grace_s=grace_s,
    )


def replies(guard: Guard, count: int) -> list[Reply]:
    """Wait for so many replies."""
    found: list[Reply] = []
    while len(found) < count:
        ready, _, _ = select.select([guard], [], [], PATIENCE_S)
        assert ready
        found += guard.replies()
    return found


def until(there: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def named(word: str) -> list[int]:
    """Return the processes of the host with a word on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize(("ending", "status"), [("sys.exit(7)", 7), ("os.kill(2, 9)", 137)])
def test_the_status_is_the_command_s(
    guard: Guard, tmp_path: Path, ending: str, status: int
) -> None:
    """A command's own status comes through, and a signal as the shell counts it."""
    guard.spawn(spawn(tmp_path, python(f"import os, sys; {ending}")))
    exited = replies(guard, 2)[1]
    assert isinstance(exited, Exited)
    assert (exited.status, exited.why) == (status, None)


def test_a_program_that_is_not_there_is_told(guard: Guard, tmp_path: Path) -> None:
    """The log says what could not be started."""
    guard.spawn(spawn(tmp_path, ("no-such-program",)))
    exited = replies(guard, 2)[1]
    assert isinstance(exited, Exited)
    assert exited.status == 127
    assert "no-such-program" in (tmp_path / "log").read_text()


SAVING = """
import os, signal, subprocess, sys, time
def save(*_):
    time.sleep(0.5)
    open("saved", "w").close()
    sys.exit(5)
signal.signal(signal.SIGTERM, save)
open("ready", "w").close()
while True:
    time.sleep(1)
"""


def test_it_may_save_when_told_to_end(guard: Guard, tmp_path: Path) -> None:
    """SIGTERM reaches the command, which has its grace: bubblewrap does not end before it."""
    guard.spawn(spawn(tmp_path, python(SAVING)))
    until((tmp_path / "work" / "ready").exists)
    guard.stop(0, why="pruned", grace_s=PATIENCE_S)
    exited = replies(guard, 2)[1]
    assert isinstance(exited, Exited)
    assert (exited.status, exited.why) == (5, "pruned")
    assert (tmp_path / "work" / "saved").exists()


def test_it_ends_at_sigterm_by_default(guard: Guard, tmp_path: Path) -> None:
    """A command that does nothing about SIGTERM ends by it, long before its grace."""
    guard.spawn(spawn(tmp_path, ("sh", "-c", "touch ready; exec sleep 300")))
    until((tmp_path / "work" / "ready").exists)
    guard.stop(0, why="pruned", grace_s=2 * PATIENCE_S)
    exited = replies(guard, 2)[1]
    assert isinstance(exited, Exited)
    assert exited.status == 128 + signal.SIGTERM


def test_it_is_killed_after_its_grace(guard: Guard, tmp_path: Path) -> None:
    """A command that will not end is killed, with all that it started."""
    word = f"stubborn-{os.getpid()}"
    source = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
open("ready", "a").write("x")
time.sleep(300)
"""
    guard.spawn(spawn(tmp_path, python(source, word)))
    ready = tmp_path / "work" / "ready"
    until(lambda: ready.exists() and len(ready.read_text()) == 2)
    guard.stop(0, why="pruned", grace_s=0.2)
    exited = replies(guard, 2)[1]
    assert isinstance(exited, Exited)
    assert exited.why == "pruned"
    assert named(word) == []


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("ready", "w").close()
        time.sleep(300)
    os._exit(0)
while not os.path.exists("ready"):
    time.sleep(0.01)
"""


def test_daemons_end_with_the_run(tmp_path: Path) -> None:
    """A daemon in a session of its own is gone when the run is; outside it would stay."""
    words = [f"{place}-{os.getpid()}" for place in ("inside", "outside")]
    for word, run in zip(words, ("inside", "outside"), strict=True):
        (tmp_path / run).mkdir()
        argv = python(DAEMON, word)
        if run == "inside":
            confinement = Confinement(writable=(tmp_path / run,))
            argv = confined(argv, os.environ, confinement, tmp_path / run)
        with (tmp_path / "log").open("wb") as log:
            subprocess.run(argv, cwd=tmp_path / run, stdout=log, stderr=log, check=True)
    assert named(words[0]) == []
    left = named(words[1])
    assert len(left) == 1
    os.kill(left[0], signal.SIGKILL)


def test_nothing_outlives_the_warden(tmp_path: Path) -> None:
    """Where whoever started the run is killed, and the warden too, the kernel ends the rest."""
    word = f"orphan-{os.getpid()}"
    source = "import time; open('ready', 'w').close(); time.sleep(300)"
    argv = confined(python(source, word), os.environ, Confinement(writable=(tmp_path,)), tmp_path)
    warden = subprocess.Popen(argv, cwd=tmp_path)
    until((tmp_path / "ready").exists)
    assert len(named(word)) > 1
    warden.kill()
    warden.wait()
    until(lambda: not named(word))


def test_a_warden_without_a_guard_ends(tmp_path: Path) -> None:
    """Where the guard alone is killed, the warden notices, and ends everything."""
    word = f"bereft-{os.getpid()}"
    source = "import time; open('ready', 'w').close(); time.sleep(300)"
    argv = confined(python(source, word), os.environ, Confinement(writable=(tmp_path,)), tmp_path)
    start = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    parent = subprocess.Popen(python(start, *argv), cwd=tmp_path, stderr=subprocess.DEVNULL)
    until((tmp_path / "ready").exists)
    parent.kill()
    parent.wait()
    until(lambda: not named(word))


def test_the_guard_sees_the_whole_tree(guard: Guard, tmp_path: Path) -> None:
    """Processes inside belong to the run, as far as the table of processes can tell."""
    word = f"seen-{os.getpid()}"
    source = "import os, time; os.setsid(); open('ready', 'w').close(); time.sleep(300)"
    guard.spawn(spawn(tmp_path, python(source, word)))
    (started,) = replies(guard, 1)
    assert isinstance(started, Started)
    until((tmp_path / "work" / "ready").exists)
    table = tree.processes()
    leader = tree.Leader(started.pid, guard.mark(0), table[started.pid].started_s)
    members = tree.members(table, [leader], guard=guard.pid)[started.pid]
    assert {*named(word)} <= {process.pid for process in members}
    guard.stop(0, why="cancelled", grace_s=0)
    replies(guard, 1)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed: `make torch` adds it")
def test_workers_of_a_data_loader_share_memory(tmp_path: Path) -> None:
    """PyTorch's loader with processes works: they hand over tensors by way of /dev/shm."""
    (tmp_path / "train.py").write_text("""
import torch
from torch.utils.data import DataLoader, TensorDataset

if __name__ == "__main__":
    data = TensorDataset(torch.arange(64.0).reshape(32, 2))
    for kind in ("fork", "spawn"):
        loader = DataLoader(data, batch_size=8, num_workers=2, multiprocessing_context=kind)
        print(sum(float(batch.sum()) for (batch,) in loader))
""")
    confinement = Confinement(writable=(tmp_path,), processes=200)
    done = inside((sys.executable, "train.py"), confinement, tmp_path)
    assert said(done) == ["2016.0", "2016.0"]
