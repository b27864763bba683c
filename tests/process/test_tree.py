"""Trees of processes: who belongs to whom, what they take, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwright.process import tree
from trialwright.process.memory import Meter
from trialwright.process.tree import Leader, Process, owners

GUARD = 10


def row(pid: int, parent: int, **changes: object) -> Process:
    """A process in a session of its own that started at its pid's time."""
    process = Process(pid, parent, pid, pid, float(pid), 1000)
    return replace(process, **changes)  # type: ignore[arg-type]


def who(
    *rows: Process, leaders: list[Leader], marks: dict[int, str] | None = None
) -> dict[int, set[int]]:
    """Return the owners of each process below the guard."""
    table = {process.pid: process for process in (row(GUARD, 1), *rows)}
    environments = {pid: f"{tree.MARK}={mark}".encode() for pid, mark in (marks or {}).items()}
    found = owners(table, leaders, guard=GUARD, environ=lambda pid: environments.get(pid, b""))
    return {pid: set(pids) for pid, pids in found.items()}


A, B = Leader(20, "t.0", 20.0), Leader(40, "t.1", 40.0)


def test_descendants_belong_to_their_leader() -> None:
    """Whatever is below a leader is its, in whatever session; strangers are nobody's."""
    found = who(row(20, GUARD), row(21, 20), row(22, 21), row(99, 1), leaders=[A, B])
    assert found == {20: {20}, 21: {20}, 22: {20}}


def test_orphans_are_known_by_session_group_or_mark() -> None:
    """A child of the guard belongs to whose session, group or mark it still has."""
    found = who(
        row(20, GUARD),
        row(40, GUARD),
        row(50, GUARD, session=20),
        row(51, GUARD, group=40),
        row(52, GUARD),
        row(53, 52),
        row(54, GUARD),
        leaders=[A, B],
        marks={52: "t.0", 54: "t.9"},
    )
    assert {pid: found[pid] for pid in (50, 51, 52, 53, 54)} == {
        50: {20},
        51: {40},
        52: {20},
        53: {20},
        54: set(),
    }


def test_a_nameless_orphan_belongs_to_those_who_ran_when_it_started() -> None:
    """Without any sign the time of its start tells; before and after all runs it is nobody's."""
    early = replace(A, ended_s=35.0)
    rows = [row(pid, GUARD) for pid in (15, 30, 45)]
    assert who(*rows, leaders=[early, B]) == {15: set(), 30: {20}, 45: {40}}
    assert who(row(45, GUARD), leaders=[A, B]) == {45: {20, 40}}


def test_a_reused_session_of_a_run_that_ended_is_still_its() -> None:
    """The session of an ended leader, no longer in the table, marks what it left."""
    gone = replace(A, ended_s=25.0)
    assert who(row(60, GUARD, session=20), row(40, GUARD), leaders=[gone, B])[60] == {20}


@given(st.lists(st.tuples(st.integers(11, 60), st.integers(1, 60)), max_size=40))
def test_any_table_is_walked_to_its_end(pairs: list[tuple[int, int]]) -> None:
    """Circular and torn tables (read while processes come and go) neither hang nor fail."""
    table = {pid: row(pid, parent) for pid, parent in pairs}
    found = owners(table, [A, B], guard=GUARD, environ=lambda _: b"")
    assert found.keys() <= table.keys()
    assert all(pids <= {20, 40} for pids in found.values())


def test_the_table_agrees_with_psutil() -> None:
    """Our pass over the process table reads what psutil reads."""
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        time.sleep(0.3)  # a process that is being started grows between the two looks
        ours, theirs = tree.processes(), tree.processes_by_psutil()
        for pid in (os.getpid(), child.pid):
            mine, other = ours[pid], theirs[pid]
            assert (mine.parent, mine.group, mine.session) == (
                other.parent,
                other.group,
                other.session,
            )
            assert mine.started_s == pytest.approx(other.started_s, abs=1.5)
            assert mine.resident_bytes == pytest.approx(other.resident_bytes, rel=0.2)
            assert mine.zombie is other.zombie is False
    finally:
        child.kill()
        child.wait()


def test_start_times_are_on_the_clock_of_now() -> None:
    """A process that starts now starts between two readings of the clock."""
    before = tree.now_s()
    child = subprocess.Popen(["sleep", "60"])
    after = tree.now_s()
    started = tree.processes()[child.pid].started_s
    child.kill()
    child.wait()
    assert before - tree.TOLERANCE_S <= started <= after + tree.TOLERANCE_S


def test_names_with_brackets_and_spaces_are_read(tmp_path: object) -> None:
    """A process may name itself so as to confuse a reader of the table."""
    source = (
        "import sys; open('/proc/self/comm', 'w').write(') Z 1 (x');"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        process = tree.processes()[child.pid]
        assert (process.parent, process.zombie) == (os.getpid(), False)
        child.kill()


def test_proportional_memory_counts_shared_pages_once() -> None:
    """Forked copies weigh little on top of the original; resident memory counts them in full."""
    source = (
        "import os, sys\n"
        "data = b'x' * 50_000_000\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0: break\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        for _ in range(4):
            child.stdout.readline()
        table = tree.processes()
        copies = [p for p in table.values() if child.pid in (p.pid, p.parent)]
        assert len(copies) == 4
        assert tree.resident_bytes(copies) > 200_000_000
        assert 50_000_000 < tree.proportional_bytes(copies) < 90_000_000
        meter = Meter(100_000_000)
        assert not meter.take(copies)
        assert 50_000_000 < meter.peak_bytes < 90_000_000
        assert Meter(40_000_000).take(copies)


def test_stopped_processes_stand_still_until_they_are_set_going() -> None:
    """`halt` stops all there is; SIGCONT undoes it."""
    child = subprocess.Popen(["sleep", "60"])
    try:
        halted = tree.halt(lambda: [tree.processes()[child.pid]])
        assert halted == [child.pid]
        assert psutil.Process(child.pid).status() == psutil.STATUS_STOPPED
        tree.send(halted, signal.SIGCONT)
        time.sleep(0.05)
        assert psutil.Process(child.pid).status() != psutil.STATUS_STOPPED
    finally:
        child.kill()
        child.wait()


def test_a_pid_that_passed_to_another_is_spared() -> None:
    """`kill_same` kills what was seen, not what has the same number by now."""
    child = subprocess.Popen(["sleep", "60"])
    seen = tree.processes()[child.pid]
    tree.kill_same([replace(seen, started_s=seen.started_s - 5)])
    assert child.poll() is None
    tree.kill_same([seen])
    assert child.wait(10) == -signal.SIGKILL


def test_a_sweep_takes_the_marked_and_nobody_else() -> None:
    """Every process with the marker goes, by its whole value or its beginning; others stay."""
    marker = f"sweep-{os.getpid()}"

    def start(value: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "60"], env={**os.environ, "SWEPT": value})

    children = [start(marker + end) for end in ("", ".1", ".2")]
    assert tree.sweep("SWEPT", marker) == 1
    assert [child.poll() for child in children[1:]] == [None, None]
    assert tree.sweep("SWEPT", marker + ".", prefix=True) == 2
    assert [child.wait(10) for child in children] == [-signal.SIGKILL] * 3
    assert tree.sweep("SWEPT", marker) == 0


def test_a_sweep_spares_its_own_ancestors() -> None:
    """A study within a run of a study does not kill its way up."""
    source = (
        "import os, sys; from trialwright.process import tree\n"
        "print(tree.sweep('SWEPT', os.environ['SWEPT']))"
    )
    environment = {**os.environ, "SWEPT": f"own-{os.getpid()}"}
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "0\n"
