"""Each limit of a run, broken and kept by real processes: time, silence, memory, length of log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.execute.orders import Heard, alive, command, ended, pids, script
from trialwright.execute.local import LocalRunner
from trialwright.execute.runner import Order, Reported
from trialwright.task import Limits, RunnerPlan

MB = 1_000_000

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
print(os.getpid(), file=open("pids", "a"), flush=True)
time.sleep(120)
"""
"""Two processes that ignore SIGTERM."""


@pytest.fixture
def runner() -> Iterator[LocalRunner]:
    """Two slots on this machine."""
    with LocalRunner(RunnerPlan(workers=2)) as runner:
        yield runner


def test_time_is_limited(runner: LocalRunner, tmp_path: Path) -> None:
    """A run beyond its time is ended with all its processes, though they ignore SIGTERM."""
    limits = Limits(run_s=0.8, grace_s=0.3)
    observation = ended(runner, script(tmp_path, STUBBORN, limits=limits))
    assert (observation.outcome, observation.cause) == ("failed", "timed_out")
    assert observation.exit_status == 137
    assert 1.0 < observation.seconds < 10
    assert alive(pids(tmp_path, count=2)) == []


def test_a_run_may_use_its_grace(runner: LocalRunner, tmp_path: Path) -> None:
    """A run that acts on SIGTERM may write its last words, and the cause stays the limit."""
    source = """
import signal, sys, time
def leave(*_):
    time.sleep(0.2)
    print("saved my state", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(120)
"""
    order = script(tmp_path, source, limits=Limits(run_s=0.8, grace_s=20))
    observation = ended(runner, order)
    assert (observation.outcome, observation.cause) == ("failed", "timed_out")
    assert observation.exit_status == 0
    assert observation.seconds < 15
    assert "saved my state" in (order.folder / "stdout.log").read_text()


def test_silence_is_limited(runner: LocalRunner, tmp_path: Path) -> None:
    """A run that prints nothing for too long is ended as stalled."""
    source = "import time; print('@trialwright {\"y\": 1}', flush=True); time.sleep(120)"
    limits = Limits(stall_s=0.6, grace_s=0.3)
    observation = ended(runner, script(tmp_path, source, limits=limits))
    assert (observation.outcome, observation.cause) == ("failed", "stalled")
    assert observation.seconds < 20


def test_slow_talk_is_no_silence(runner: LocalRunner, tmp_path: Path) -> None:
    """A run that keeps printing is not stalled, however long it takes."""
    source = """
import time
for i in range(10):
    print("still here", flush=True)
    time.sleep(0.2)
print('@trialwright {"y": 1}')
"""
    observation = ended(runner, script(tmp_path, source, limits=Limits(stall_s=1.5)))
    assert (observation.outcome, observation.value) == ("done", 1.0)


def test_memory_is_limited(runner: LocalRunner, tmp_path: Path) -> None:
    """A run beyond its memory is ended at once, and its peak says by how much."""
    source = "import time; data = b'x' * 300_000_000; time.sleep(120)"
    limits = Limits(memory_bytes=150 * MB, grace_s=30)
    observation = ended(runner, script(tmp_path, source, limits=limits))
    assert (observation.outcome, observation.cause) == ("failed", "out_of_memory_host")
    assert observation.peak_memory_bytes is not None
    assert observation.peak_memory_bytes > 150 * MB
    assert observation.seconds < 20


def test_memory_of_the_whole_tree_counts(runner: LocalRunner, tmp_path: Path) -> None:
    """Children that are small each and too large together break the limit."""
    source = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        data = b"x" * 60_000_000
        time.sleep(120)
time.sleep(120)
"""
    limits = Limits(memory_bytes=150 * MB, grace_s=0.3)
    observation = ended(runner, script(tmp_path, source, limits=limits))
    assert (observation.outcome, observation.cause) == ("failed", "out_of_memory_host")


def test_shared_memory_counts_once(runner: LocalRunner, tmp_path: Path) -> None:
    """Forked workers that share 90 MB do not break a limit of 200, though they sum up to more."""
    source = """
import os, time
data = b"x" * 90_000_000
workers = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        time.sleep(1.6)
        os._exit(0)
    workers.append(pid)
for pid in workers:
    os.waitpid(pid, 0)
print('@trialwright {"y": 1}')
"""
    limits = Limits(memory_bytes=200 * MB)
    observation = ended(runner, script(tmp_path, source, limits=limits))
    assert (observation.outcome, observation.value) == ("done", 1.0)
    assert observation.peak_memory_bytes is not None
    assert 90 * MB < observation.peak_memory_bytes < 200 * MB


def test_limits_of_one_run_spare_the_other(runner: LocalRunner, tmp_path: Path) -> None:
    """While one run breaks its limit another goes on undisturbed."""
    heard = Heard()
    slow = "import time; time.sleep(2); print('@trialwright {\"y\": 1}')"
    runner.start(script(tmp_path, STUBBORN, limits=Limits(run_s=0.5, grace_s=0.2)), heard)
    runner.start(script(tmp_path, slow, number=1), heard)
    first, second = heard.observation(), heard.observation()
    assert (first.run.trial, first.cause) == (0, "timed_out")
    assert (second.run.trial, second.outcome) == (1, "done")


# -- the log

CHATTER = """
import sys, time
for step in range({steps}):
    print('@trialwright {{"step": %d, "y": %d}}' % (step, step))
    for _ in range(40):
        print("chatter " * 12)
{end}
"""


def test_a_long_log_keeps_its_head_its_tail_and_all_metrics(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """A log is cut in its middle to stay within its bound; no metric and no line end is lost."""
    heard = Heard()
    cap = 200_000
    source = CHATTER.format(steps=3000, end="print('the last word')")
    order = script(tmp_path, source, limits=Limits(log_bytes=cap))
    runner.start(order, heard)
    observation = heard.observation()
    reported = [event.step for event in heard.events if isinstance(event, Reported)]
    assert reported == [float(step) for step in range(3000)]
    assert (observation.outcome, observation.value) == ("done", 2999.0)
    log = (order.folder / "stdout.log").read_text()
    assert len(log) <= cap
    lines = log.splitlines()
    assert lines[0] == '@trialwright {"step": 0, "y": 0}'
    assert lines[-1] == "the last word"
    (note,) = [line for line in lines if "cut out" in line]
    whole = 3000 * (40 * 97 + 33) + 14
    assert whole * 0.9 < int(note.split()[1]) + len(log) < whole * 1.1
    assert {line for line in lines if line.startswith("chatter")} == {"chatter " * 12}


def test_metrics_of_a_cut_log_are_recovered(runner: LocalRunner, tmp_path: Path) -> None:
    """What was cut out of a log counts when the run is recovered, recorded by its guard or not."""
    end = 'print(\'@trialwright {"step": 3000, "y": -1, "final": true}\')'
    order = _chatty(tmp_path, end)
    seen = ended(runner, order)
    assert "cut out" in (order.folder / "stdout.log").read_text()
    for _ in range(2):
        found = runner.recover(order)
        assert found is not None
        assert (found.outcome, found.value, found.curve) == ("done", -1.0, seen.curve)
        (order.folder / "exit.json").unlink(missing_ok=True)


def test_a_run_killed_after_its_log_was_cut_is_recovered(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """What a run prints after the last cut is added to what was cut, each point once."""
    order = _chatty(tmp_path, "import os; time.sleep(0.5); os.kill(os.getpid(), 9)")
    seen = ended(runner, order)
    with (order.folder / "stdout.log").open("a") as log:
        log.write('@trialwright {"step": 3000, "y": 7, "final": true}\n')
    found = runner.recover(order)
    assert found is not None
    assert (found.outcome, found.value) == ("done", 7.0)
    assert found.curve.steps[0] == seen.curve.steps[0] == 0.0
    assert found.curve.steps[-1] == 3000.0


def test_a_cut_that_was_announced_and_not_made_changes_nothing(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """A coordinator killed just before it cuts a log leaves it to be read as a whole."""
    order = script(tmp_path, "for y in (1, 2): print('@trialwright {\"y\": %d}' % y)")
    seen = ended(runner, order)
    record = '{"head": 3, "note": "[trialwright: 9 bytes", "resume": 3, "final": false}'
    (order.folder / "cut.json").write_text(record)
    found = runner.recover(order)
    assert found is not None
    assert found.curve == seen.curve


def test_a_flood_without_end_is_held_back(runner: LocalRunner, tmp_path: Path) -> None:
    """A run that prints as fast as it can fills no disk, and its limits hold all the same."""
    limits = Limits(log_bytes=1_000_000, run_s=2.0, grace_s=0.2)
    order = command(tmp_path, "yes", "all work and no play", limits=limits)
    heard = Heard()
    largest = 0
    runner.start(order, heard)
    deadline = time.monotonic() + 1.8
    while time.monotonic() < deadline:
        largest = max(largest, (order.folder / "stdout.log").stat().st_size)
        time.sleep(0.01)
    observation = heard.observation()
    assert observation.cause == "timed_out"
    assert observation.seconds < 15
    assert (order.folder / "stdout.log").stat().st_size <= 1_000_000
    assert largest < 2_000_000_000


def _chatty(folder: Path, end: str) -> Order:
    source = CHATTER.format(steps=3000, end="sys.stdout.flush()\n" + end)
    return script(folder, source, limits=Limits(log_bytes=100_000))
