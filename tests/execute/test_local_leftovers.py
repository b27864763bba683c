"""No process is left: what runs leave behind, and what killed coordinators and guards do."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.execute.orders import (
    LITTER,
    Heard,
    alive,
    ended,
    environment,
    guards,
    in_background,
    pids,
    script,
)
from trialwright.errors import RunnerError
from trialwright.execute.local import LocalRunner
from trialwright.execute.runner import Reported
from trialwright.task import RunnerPlan

COORDINATOR = """
import os, sys
from pathlib import Path
import fcntl
from tests.execute.orders import LITTER, Heard, script
from trialwright.execute.local import LocalRunner
from trialwright.task import Limits, RunnerPlan

folder = Path(sys.argv[1])
lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
with LocalRunner(RunnerPlan(workers=2), lock=lock) as runner:
    heard = Heard()
    for number in range(2):
        order = script(
            folder, {source!r}, number=number, limits=Limits(grace_s=0.3)
        )
        runner.start(order, heard)
    print("ready", flush=True)
    heard.observation()
    heard.observation()
    print("ended", flush=True)
"""
"""Runs `source` twice at a time, holding the folder's lock."""

LITTER_AND_STAY = LITTER + "\ntime.sleep(120)\n"

TEARDOWN = """
import time
time.sleep(0.15)
print('@trialwright {"y": 1}', flush=True)
print("end", file=open("pids", "a"), flush=True)
time.sleep(0.1)
"""
"""Ends by itself a moment after its result."""


def _litter(folder: Path, source: str, *, stop: str | None = None) -> tuple[str, list[int]]:
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        heard = Heard()
        handle = runner.start(script(folder, source), heard)
        heard.report()
        found = pids(folder, count=4)
        if stop:
            assert len(alive(found)) == 4
            handle.stop(stop)  # type: ignore[arg-type]
        outcome = heard.observation().outcome
        return outcome, alive(found)


def test_nothing_is_left_of_a_run_that_ends(tmp_path: Path) -> None:
    """Child, session, daemon and nameless daemon of a run are gone when it is `Finished`."""
    assert _litter(tmp_path, LITTER) == ("done", [])


def test_nothing_is_left_of_a_run_that_is_stopped(tmp_path: Path) -> None:
    """The same when the run is stopped, though all of them ignore SIGTERM."""
    assert _litter(tmp_path, LITTER_AND_STAY, stop="pruned") == ("pruned", [])


def test_nothing_is_left_of_a_run_that_is_closed(tmp_path: Path) -> None:
    """The same when the runner is closed over it."""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        runner.start(script(tmp_path, LITTER_AND_STAY), Heard())
        found = pids(tmp_path, count=4)
    assert alive(found) == []


def test_leftovers_may_clean_up(tmp_path: Path) -> None:
    """What a run leaves behind gets SIGTERM and a moment before SIGKILL."""
    source = """
import os, signal, sys, time
if os.fork() == 0:
    def leave(*_):
        open("cleaned", "w").close()
        os._exit(0)
    signal.signal(signal.SIGTERM, leave)
    open("ready", "w").close()
    time.sleep(120)
while not os.path.exists("ready"):
    time.sleep(0.01)
print('@trialwright {"y": 1}')
"""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        assert ended(runner, script(tmp_path, source)).outcome == "done"
    assert (tmp_path / "cleaned").exists()


def test_leftovers_of_one_run_spare_another(tmp_path: Path) -> None:
    """A run beside one that is cleaned up after goes on; marked daemons die with their own run."""
    with LocalRunner(RunnerPlan(workers=2)) as runner:
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        heard = Heard()
        stay = script(tmp_path / "two", LITTER_AND_STAY, number=1)
        handle = runner.start(stay, heard)
        others = pids(tmp_path / "two", count=4)
        runner.start(script(tmp_path / "one", LITTER), heard)
        assert heard.observation().run.trial == 0
        mine = pids(tmp_path / "one", count=4)
        nameless = [pid for pid in alive(mine) if not psutil.Process(pid).environ()]
        assert alive(mine) == nameless  # it may be the other run's, for all one can see
        assert alive(others) == others
        handle.stop("cancelled")
        assert heard.observation().run.trial == 1
        assert alive(mine + others) == []


@pytest.mark.parametrize("when", ["at once", "on reparenting"])
def test_fork_chains_do_not_escape(tmp_path: Path, when: str) -> None:
    """A process that keeps forking itself away is caught."""
    pause = {"at once": "0", "on reparenting": "0.01"}[when]
    source = f"""
import os, time
print('@trialwright {{"y": 1}}', flush=True)
if os.fork() == 0:
    os.setsid()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if os.fork() > 0:
            os._exit(0)
        open("last", "w").write(str(os.getpid()))
        time.sleep({pause})
time.sleep(0.3)
"""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        assert ended(runner, script(tmp_path, source)).outcome == "done"
        guard = psutil.Process(runner.guard_pid)
        assert guard.children() == []
    before = (tmp_path / "last").read_text()
    time.sleep(0.1)
    assert (tmp_path / "last").read_text() == before


# -- kill -9


def _wait_for_lock(folder: Path) -> None:
    """Take the lock as a resuming coordinator does; fail after ten seconds."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + 10
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < deadline, "the lock is still held"
                time.sleep(0.005)
            else:
                return
    finally:
        os.close(lock)


def _coordinator(folder: Path, source: str) -> subprocess.Popen[str]:
    return in_background(folder, COORDINATOR.format(source=source))


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.slow
def test_a_killed_coordinator_leaves_no_process_and_no_lock(tmp_path: Path) -> None:
    """Ten `kill -9` of a coordinator at random moments: who gets the lock finds nothing alive."""
    rng = random.Random(4)
    for round_ in range(10):
        folder = tmp_path / str(round_)
        folder.mkdir()
        process = _coordinator(folder, LITTER_AND_STAY)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.4))
        before = psutil.Process(process.pid).children()
        _kill(process)
        _wait_for_lock(folder)
        booked = (folder / "pids").read_text().split() if (folder / "pids").exists() else []
        assert alive([int(pid) for pid in booked if pid.isdigit()]) == []
        # The guard lets go of the lock as the last thing that it does: it may still be ending.
        assert psutil.wait_procs(before, timeout=10)[1] == []
        assert not (folder / "trials/0000-0.0/stdout.log.tmp").exists()


def test_a_run_about_to_end_is_not_lost_with_its_coordinator(tmp_path: Path) -> None:
    """A run that ends by itself just after its coordinator was killed is recovered."""
    process = _coordinator(tmp_path, TEARDOWN)
    assert pids_or_words(tmp_path, 2) == ["end", "end"]
    _kill(process)
    _wait_for_lock(tmp_path)
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        for number in range(2):
            found = runner.recover(script(tmp_path, TEARDOWN, number=number))
            assert found is not None
            assert (found.outcome, found.value, found.exit_status) == ("done", 1.0, 0)


def test_a_run_that_was_cut_short_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    """A run that leaves politely on SIGTERM after its coordinator was killed is run again."""
    source = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('@trialwright {"step": 1, "y": 1}', flush=True)
print(os.getpid(), file=open("pids", "a"), flush=True)
time.sleep(120)
"""
    process = _coordinator(tmp_path, source)
    pids(tmp_path, count=2)
    _kill(process)
    _wait_for_lock(tmp_path)
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        assert runner.recover(script(tmp_path, source)) is None


def test_a_final_result_survives_its_coordinator(tmp_path: Path) -> None:
    """A run that had declared its result final is recovered though killed in its teardown."""
    source = """
import os, time
print('@trialwright {"step": 1, "y": 0.5, "final": true}', flush=True)
print(os.getpid(), file=open("pids", "a"), flush=True)
time.sleep(120)
"""
    process = _coordinator(tmp_path, source)
    pids(tmp_path, count=2)
    _kill(process)
    _wait_for_lock(tmp_path)
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        found = runner.recover(script(tmp_path, source))
    assert found is not None
    assert (found.outcome, found.value) == ("done", 0.5)
    assert found.seconds > 0.2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_guard_that_is_told_to_go_ends_its_runs(tmp_path: Path, number: signal.Signals) -> None:
    """A guard that is told to end takes its runs along, nameless daemons included."""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        heard = Heard()
        runner.start(script(tmp_path, LITTER_AND_STAY), heard)
        found = pids(tmp_path, count=4)
        guard = psutil.Process(runner.guard_pid)
        guard.send_signal(number)
        assert heard.observation().outcome != "done"
        assert alive(found) == []


def test_a_killed_guard_is_an_error_and_leaves_no_marked_process(tmp_path: Path) -> None:
    """`kill -9` of the guard: its runs are killed and given back, the next start is an error."""
    with LocalRunner(RunnerPlan(workers=2)) as runner:
        heard = Heard()
        runner.start(script(tmp_path, LITTER_AND_STAY), heard)
        found = pids(tmp_path, count=4)
        # What has no mark must have been seen once before the guard is gone.
        time.sleep(1.3)
        guard = psutil.Process(runner.guard_pid)
        guard.kill()
        assert heard.observation().outcome == "cancelled"
        assert alive(found) == []
        with pytest.raises(RunnerError, match="signal 9"):
            runner.start(script(tmp_path, LITTER), heard)
        assert [event for event in heard.drain() if not isinstance(event, Reported)] == []


def test_leftovers_of_a_killed_pair_are_swept_on_resume(tmp_path: Path) -> None:
    """Where coordinator and guard were killed together, the next one with the lock cleans up."""
    source = """
import os, time
print(os.getpid(), file=open("pids", "a"), flush=True)
time.sleep(120)
"""
    process = _coordinator(tmp_path, source)
    found = pids(tmp_path, count=2)
    (guard,) = guards(process.pid)
    os.kill(process.pid, signal.SIGSTOP)
    guard.kill()
    _kill(process)
    _wait_for_lock(tmp_path)
    assert alive(found) == found
    bystander = subprocess.Popen(["sleep", "60"], env=environment(tmp_path / "elsewhere"))
    lock = os.open(tmp_path / "lock", os.O_RDWR)
    with LocalRunner(RunnerPlan(workers=1), lock=lock) as runner:
        assert runner.recover(script(tmp_path, source)) is None
        assert alive(found) == []
        assert alive([bystander.pid]) == [bystander.pid]
    os.close(lock)
    bystander.kill()
    bystander.wait()


def test_a_forked_copy_of_the_coordinator_keeps_nothing_alive(tmp_path: Path) -> None:
    """The guard watches the coordinator itself: a fork of it that lives on does not count."""
    source = COORDINATOR.format(source=LITTER_AND_STAY).replace(
        'print("ready", flush=True)',
        "if os.fork() == 0:\n        os.close(1)\n        os.close(lock)\n"
        '        import time; time.sleep(8); os._exit(0)\n    print("ready", flush=True)',
    )
    process = in_background(tmp_path, source)
    found = pids(tmp_path, count=8)
    _kill(process)
    deadline = time.monotonic() + 6
    while alive(found) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(found) == []


def pids_or_words(folder: Path, count: int) -> list[str]:
    """Wait until the file `pids` has `count` lines, and return them."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = (folder / "pids").read_text().split() if (folder / "pids").exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.002)
    raise AssertionError("the runs did not write their lines")
