"""The guard by itself: what it is told, what it says, and that it can't be confused."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwright.process.guard import Exited, Guard, Reply, Spawn, Started, Unstarted
from trialwright.process.parent import find_program
from trialwright.process.wire import Reader, pack


@pytest.fixture
def guard() -> Iterator[Guard]:
    """A guard with nothing to do."""
    guard = Guard()
    yield guard
    guard.close()
    assert guard.wait() == ""


def replies(guard: Guard, count: int) -> list[Reply]:
    """Wait for so many replies."""
    found: list[Reply] = []
    while len(found) < count:
        ready, _, _ = select.select([guard], [], [], 30)
        assert ready
        found += guard.replies()
    return found


def spawn(folder: Path, *argv: str, run: int = 0) -> Spawn:
    """A command in `folder`."""
    return Spawn(
        run=run,
        argv=argv,
        environment=dict(os.environ),
        workdir=folder,
        log=folder / f"{run}.log",
        exit=folder / f"{run}.json",
        grace_s=0.2,
    )


def test_tells_start_and_end(guard: Guard, tmp_path: Path) -> None:
    """A command is started and its end told, with its status; its output lies in its log."""
    guard.spawn(spawn(tmp_path, "sh", "-c", "echo one; echo two >&2; exit 3"))
    started, exited = replies(guard, 2)
    assert isinstance(started, Started)
    assert isinstance(exited, Exited)
    assert (exited.status, exited.why) == (3, None)
    assert 0 < exited.seconds < 30
    assert exited.peak_memory_bytes > 100_000
    assert (tmp_path / "0.log").read_text() == "one\ntwo\n"
    assert '"status": 3' in (tmp_path / "0.json").read_text()


def test_many_at_once_are_told_apart(guard: Guard, tmp_path: Path) -> None:
    """Twenty commands at a time end each with its own status."""
    for run in range(20):
        guard.spawn(spawn(tmp_path, "sh", "-c", f"sleep 0.0{run % 7}; exit {run}", run=run))
    exited = [reply for reply in replies(guard, 40) if isinstance(reply, Exited)]
    assert sorted((reply.run, reply.status) for reply in exited) == [(n, n) for n in range(20)]


def test_a_start_that_fails_is_told(guard: Guard, tmp_path: Path) -> None:
    """What can't be started is answered with the system's words, and nothing is written."""
    guard.spawn(spawn(tmp_path, "no-such-program"))
    (reply,) = replies(guard, 1)
    assert isinstance(reply, Unstarted)
    assert "no-such-program" in reply.error
    assert not (tmp_path / "0.json").exists()


def test_a_folder_that_vanishes_does_not_stop_the_guard(guard: Guard, tmp_path: Path) -> None:
    """A run whose folder is removed while it goes on still ends, and the next one starts."""
    (tmp_path / "gone").mkdir()
    guard.spawn(spawn(tmp_path / "gone", "sh", "-c", "rm -r ../gone"))
    assert isinstance(replies(guard, 2)[1], Exited)
    guard.spawn(spawn(tmp_path, "true", run=1))
    last = replies(guard, 2)[1]
    assert isinstance(last, Exited)
    assert last.status == 0


def test_undecodable_words_reach_the_command(guard: Guard, tmp_path: Path) -> None:
    """Arguments and names of folders may be any bytes that the system takes."""
    word = os.fsdecode(b"caf\xe9 \xff")
    folder = tmp_path / word
    folder.mkdir()
    guard.spawn(spawn(folder, "printf", "%s", word))
    replies(guard, 2)
    assert (folder / "0.log").read_bytes() == b"caf\xe9 \xff"


def test_stopping_an_unknown_run_changes_nothing(guard: Guard, tmp_path: Path) -> None:
    """A stop that comes too late, or for nobody, is ignored."""
    guard.stop(77, why="pruned", grace_s=0)
    guard.spawn(spawn(tmp_path, "true"))
    assert isinstance(replies(guard, 2)[1], Exited)
    guard.stop(0, why="pruned", grace_s=0)


def test_a_guard_holds_on_to_no_processor(guard: Guard, tmp_path: Path) -> None:
    """While runs go on, a guard with nothing to do sleeps."""
    guard.spawn(spawn(tmp_path, "sleep", "60"))
    replies(guard, 1)
    before = _processor_s(guard.pid)
    time.sleep(0.5)
    assert _processor_s(guard.pid) - before < 0.1
    guard.stop(0, why="cancelled", grace_s=0.2)
    replies(guard, 1)


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_runs_are_the_first_to_go_when_memory_ends(guard: Guard, tmp_path: Path) -> None:
    """The kernel is asked to take a run, and not the guard, where memory ends."""
    guard.spawn(spawn(tmp_path, "sleep", "60"))
    (started,) = replies(guard, 1)
    assert isinstance(started, Started)
    run = int(Path(f"/proc/{started.pid}/oom_score_adj").read_text())
    assert run > int(Path(f"/proc/{guard.pid}/oom_score_adj").read_text())
    guard.stop(0, why="cancelled", grace_s=0)
    replies(guard, 1)


def test_programs_are_looked_for_along_the_path(tmp_path: Path) -> None:
    """The first executable counts; folders and files without the permission do not."""
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two, three):
        folder.mkdir()
    (one / "tool").mkdir()
    (two / "tool").write_text("")
    path = os.pathsep.join(map(str, (one, two, three)))
    with pytest.raises(PermissionError):
        find_program("tool", path)
    (three / "tool").write_text("")
    (three / "tool").chmod(0o755)
    assert find_program("tool", path) == str(three / "tool")
    with pytest.raises(FileNotFoundError):
        find_program("other", path)


@given(
    st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none()), max_size=5),
    st.integers(1, 50),
)
def test_messages_survive_being_cut_anywhere(messages: list[dict[str, object]], size: int) -> None:
    """Whatever goes in comes out, in order, however the stream is cut."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = Reader(theirs)
        found: list[object] = []
        stream = b"".join(map(pack, messages))
        for start in range(0, len(stream), size):
            ours.sendall(stream[start : start + size])
            found += reader.read()
        assert found == messages
        ours.close()
        assert list(reader.read()) == []
        assert reader.ended


def test_the_guard_needs_only_the_standard_library() -> None:
    """The guard's process imports nothing from outside, so it starts fast and stays small."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2] / 'src')!r})\n"
        "import trialwright.process.parent\n"
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {"trialwright", "__main__"}
