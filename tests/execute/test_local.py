"""The local runner: real commands, their environment, files, output and endings."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tests.execute.orders import Heard, alive, command, ended, pids, script
from tests.execute.runner_conformance import RunnerConformance
from trialwright.errors import RunnerError
from trialwright.execute.local import LocalRunner
from trialwright.execute.runner import Order
from trialwright.records import RunKey
from trialwright.task import Limits, MetricRoute, RunnerPlan

QUICK = 'for y in (1, 2, 3): print(\'@trialwright {"step": %d, "y": %d}\' % (y, y))'
ENDLESS = """
import time
print('@trialwright {"step": 1, "y": 1}', flush=True)
time.sleep(120)
"""
FAILING = """
print('@trialwright {"step": 1, "y": 1}', flush=True)
raise RuntimeError("the data are torn")
"""


@pytest.fixture
def runner() -> Iterator[LocalRunner]:
    """Two slots on this machine."""
    with LocalRunner(RunnerPlan(workers=2)) as runner:
        yield runner


@dataclass
class LocalBench:
    """Orders of Python scripts."""

    runner: LocalRunner
    folder: Path

    def quick(self, number: int = 0) -> Order:
        """Report three times."""
        return script(self.folder, QUICK, number=number)

    def failing(self, number: int = 0) -> Order:
        """Report once, then raise."""
        return script(self.folder, FAILING, number=number)

    def endless(self, number: int = 0) -> Order:
        """Report once, then sleep."""
        return script(self.folder, ENDLESS, number=number)


class TestConformance(RunnerConformance):
    """The local runner keeps the promises of every runner."""

    @pytest.fixture
    def bench(self, runner: LocalRunner, tmp_path: Path) -> LocalBench:
        """A local runner with scripts."""
        return LocalBench(runner, tmp_path)


def test_gives_the_script_its_environment_files_and_input(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """A run finds its files, its environment, its input and its working directory, no more."""
    config = tmp_path / "deep" / "config.yaml"
    source = (
        "import os, sys, json; print(json.dumps(["
        "sys.stdin.read(), os.getcwd(), open('deep/config.yaml').read(),"
        "os.environ.get('COLOUR'), os.environ.get('HOME')]))"
    )
    order = script(
        tmp_path,
        source,
        stdin=b"x" * 300_000,
        files={config: b"lr: 0.1\n"},
        environment={"COLOUR": "blue", "PATH": os.environ["PATH"]},
    )
    ended(runner, order)
    seen = (order.folder / "stdout.log").read_text()
    assert seen.startswith('["' + "x" * 300_000 + f'", "{tmp_path}", "lr: 0.1\\n", "blue", null]')
    assert not list(order.folder.glob(".stdin*"))


def test_a_run_without_input_reads_none(runner: LocalRunner, tmp_path: Path) -> None:
    """A script that asks on standard input gets the end of the file, and does not wait."""
    observation = ended(runner, script(tmp_path, "input('continue? ')"))
    assert observation.outcome == "failed"
    assert "EOFError" in observation.log_tail


def test_what_a_killed_coordinator_left_is_written_anew(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """A run of a name that was begun before finds its own configuration, and not a torn one."""
    order = script(tmp_path, QUICK)
    config = order.folder / "config.yaml"
    order.folder.mkdir(parents=True)
    config.write_bytes(b"lr: 0.1\nmomen")
    order = replace(order, files={config: b"lr: 0.2\n"})
    assert ended(runner, order).outcome == "done"
    assert config.read_bytes() == b"lr: 0.2\n"


def test_signals_are_as_a_shell_would_leave_them(runner: LocalRunner, tmp_path: Path) -> None:
    """No signal is ignored or blocked in a run because it is in Python or in the guard."""
    source = "grep -E 'SigIgn|SigBlk' /proc/self/status; echo '@trialwright {\"y\": 1}'"
    order = command(tmp_path, "sh", "-c", source)
    ended(runner, order)
    blocked, ignored = (int(line.split()[1], 16) for line in _log(order).splitlines()[:2])
    assert blocked == 0
    assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))


def test_a_run_has_a_session_of_its_own(runner: LocalRunner, tmp_path: Path) -> None:
    """A Ctrl-C in the terminal reaches neither the runs nor their guard."""
    order = script(tmp_path, "import os; print(os.getsid(0), os.getpgid(0), os.getpid())")
    ended(runner, order)
    session, group, pid = _log(order).split()
    assert session == group == pid
    guard = psutil.Process(runner.guard_pid)
    assert os.getsid(guard.pid) == guard.pid


def test_no_descriptor_leaks_into_a_run(tmp_path: Path) -> None:
    """A run inherits no descriptor besides the three: neither the lock nor the guard's socket."""
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    with LocalRunner(RunnerPlan(workers=1), lock=lock) as runner:
        order = command(tmp_path, "sh", "-c", "ls -l /proc/self/fd")
        ended(runner, order)
    os.close(lock)
    links = [line.split()[-3] for line in _log(order).splitlines() if "->" in line]
    assert sorted(links) == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


@pytest.mark.parametrize(
    ("argv", "workdir", "cause", "said"),
    [
        (("no-such-program",), "", "command_not_found", "'no-such-program'.* install it"),
        (("./missing.sh",), "", "command_not_found", "'./missing.sh'.* install it"),
        (("./notes.txt",), "", "command_not_found", "chmod [+]x"),
        (("./lost.sh",), "", "command_not_found", "interpreter in its #! line"),
        (("./plain",), "", "command_not_found", "name the interpreter first"),
        (("true",), "nowhere", "missing_file", "nowhere is not there"),
        (("echo", "x" * 3_000_000), "", "other", "Argument list too long"),
    ],
)
def test_a_command_that_can_not_start_is_a_failed_run(
    runner: LocalRunner,
    tmp_path: Path,
    *,
    argv: tuple[str, ...],
    workdir: str,
    cause: str,
    said: str,
) -> None:
    """What can't be started fails, saying why and what to do; the runner goes on."""
    (tmp_path / "notes.txt").write_text("echo")
    (tmp_path / "lost.sh").write_text("#!/no/such/shell\n")
    (tmp_path / "lost.sh").chmod(0o755)
    (tmp_path / "plain").write_text("echo hello")
    (tmp_path / "plain").chmod(0o755)
    heard = Heard()
    runner.start(command(tmp_path, *argv, workdir=tmp_path / workdir), heard)
    observation = heard.observation()
    assert observation.outcome == "failed"
    assert observation.cause == cause
    assert re.search(said, observation.detail)
    assert ended(runner, script(tmp_path, QUICK, number=1)).outcome == "done"


def test_programs_are_found_as_a_shell_finds_them(runner: LocalRunner, tmp_path: Path) -> None:
    """A name is looked for on the run's own PATH, a path in the run's working directory."""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "measure"
    tool.write_text('#!/bin/sh\necho "@trialwright {\\"y\\": 4}"\n')
    tool.chmod(0o755)
    path = {"PATH": f"bin:{os.environ['PATH']}"}
    assert ended(runner, command(tmp_path, "measure", environment=path)).value == 4
    assert ended(runner, command(tmp_path, "bin/measure", number=1)).value == 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_an_end_by_signal_is_counted_as_a_shell_does(
    runner: LocalRunner, tmp_path: Path, number: int
) -> None:
    """A run that a signal ends has the exit status 128 plus the signal's number."""
    source = f"import os; os.kill(os.getpid(), {int(number)})"
    observation = ended(runner, script(tmp_path, source))
    assert (observation.outcome, observation.exit_status) == ("failed", 128 + number)


def test_a_final_result_stands_though_the_run_is_killed(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """A run that declared its result final is done, even if it then dies by SIGKILL."""
    source = (
        "import os, signal\n"
        'print(\'@trialwright {"step": 9, "y": 0.75, "final": true}\', flush=True)\n'
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    observation = ended(runner, script(tmp_path, source))
    assert (observation.outcome, observation.value) == ("done", 0.75)


def test_output_without_newlines_and_of_any_bytes_is_read(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """Binary output, a last line without an end and an overlong line harm nobody."""
    source = (
        "import sys\n"
        "out = sys.stdout.buffer\n"
        "out.write(bytes(range(256)) * 4096)\n"
        "out.write(b'\\n@trialwright {\"y\": 2}')"
    )
    observation = ended(runner, script(tmp_path, source))
    assert (observation.outcome, observation.value) == ("done", 2.0)


def test_output_that_the_run_truncates_itself_is_read_on(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """`> /dev/stdout` in a shell script empties the log; what follows still counts."""
    source = """
    for i in 1 2 3 4 5 6 7 8 9; do echo "some chatter that fills the log $i"; done; sleep 0.3
    echo fresh > /dev/stdout; echo '@trialwright {"y": 5}'; sleep 0.3
    """
    observation = ended(runner, command(tmp_path, "sh", "-c", source))
    assert (observation.outcome, observation.value) == ("done", 5.0)


def test_metrics_come_from_a_file_while_the_run_goes_on(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """A metric file is followed as it grows, in the run's working directory."""
    source = (
        "import time\n"
        "file = open('history.csv', 'w')\n"
        "print('epoch,y', file=file, flush=True)\n"
        "for epoch in (1, 2):\n"
        "    print(f'{epoch},{epoch / 4}', file=file, flush=True)\n"
        "    time.sleep(0.3)\n"
        "time.sleep(120)"
    )
    heard = Heard()
    order = script(tmp_path, source, metrics=MetricRoute(file="history.csv"))
    handle = runner.start(order, heard)
    assert (heard.report().step, heard.report().step) == (1.0, 2.0)
    handle.stop("pruned")
    assert heard.observation().curve.points("y") == [(1.0, 0.25), (2.0, 0.5)]


def test_points_are_left_on_disk(runner: LocalRunner, tmp_path: Path) -> None:
    """`metrics.jsonl` holds one line per step; a run without a curve leaves none."""
    quick, silent = (
        script(tmp_path, QUICK),
        script(tmp_path, "print('@trialwright {\"y\": 1}')", number=1),
    )
    ended(runner, quick)
    ended(runner, silent)
    lines = (quick.folder / "metrics.jsonl").read_text().splitlines()
    assert lines[0] == '{"step": 1.0, "metrics": {"y": 1.0}}'
    assert len(lines) == 3
    assert not (silent.folder / "metrics.jsonl").exists()


def test_a_folder_is_used_afresh(runner: LocalRunner, tmp_path: Path) -> None:
    """Nothing that an earlier run left in the same folder counts for the next."""
    ended(runner, script(tmp_path, QUICK))
    observation = ended(runner, script(tmp_path, "pass"))
    assert (observation.outcome, observation.cause) == ("failed", "no_metric")
    assert not (script(tmp_path, "").folder / "metrics.jsonl").exists()


def test_threads_are_shared_out(tmp_path: Path) -> None:
    """Numeric libraries get the cores of their slot, unless the run's environment says else."""
    source = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    cores = len(os.sched_getaffinity(0))
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        plain = script(tmp_path, source, environment={"PATH": "/bin"})
        chosen = script(
            tmp_path, source, number=1, environment={"PATH": "/bin", "OMP_NUM_THREADS": "7"}
        )
        ended(runner, plain)
        ended(runner, chosen)
    assert int(_log(plain).split()[0]) in range(1, cores + 1)
    assert _log(chosen).split() == ["7", _log(plain).split()[1]]


def test_a_folder_that_can_not_be_made_is_the_runners_error(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """Where nothing can be written no run can go on: that is raised, and the slot is free again."""
    (tmp_path / "trials").write_text("in the way")
    for _ in range(3):
        with pytest.raises(RunnerError, match="trials"):
            runner.start(script(tmp_path, QUICK), Heard())


def test_peak_memory_and_time_are_recorded(runner: LocalRunner, tmp_path: Path) -> None:
    """Even a run that is over between two samples has its peak memory and its seconds."""
    source = 'data = b"x" * 80_000_000; print(\'@trialwright {"y": 1}\')'
    observation = ended(runner, script(tmp_path, source))
    assert observation.peak_memory_bytes is not None
    assert 80_000_000 < observation.peak_memory_bytes < 140_000_000
    assert 0.005 < observation.seconds < 30


def test_recovers_what_ended_unseen(runner: LocalRunner, tmp_path: Path) -> None:
    """A run that ended by itself is observed again from its folder: good, bad, or pruned."""
    orders = [script(tmp_path, QUICK), script(tmp_path, FAILING, number=1)]
    seen = [ended(runner, order) for order in orders]
    heard = Heard()
    pruned = script(tmp_path, ENDLESS, number=2)
    handle = runner.start(pruned, heard)
    heard.report()
    handle.stop("pruned")
    seen.append(heard.observation())
    with LocalRunner(RunnerPlan(workers=1)) as later:
        found = [later.recover(order) for order in [*orders, pruned]]
    for before, after in zip(seen, found, strict=True):
        assert after is not None
        assert (after.outcome, after.value, after.curve) == (
            before.outcome,
            before.value,
            before.curve,
        )
        assert (after.exit_status, after.cause, after.log_tail) == (
            before.exit_status,
            before.cause,
            before.log_tail,
        )
        assert after.seconds == pytest.approx(before.seconds, abs=1e-5)


def test_a_cancelled_run_is_not_recovered(runner: LocalRunner, tmp_path: Path) -> None:
    """A run that was stopped because the session ended has shown nothing."""
    heard = Heard()
    order = script(tmp_path, ENDLESS)
    handle = runner.start(order, heard)
    heard.report()
    handle.stop("cancelled")
    heard.observation()
    assert runner.recover(order) is None


def test_without_a_record_of_its_end_only_a_final_result_is_recovered(
    runner: LocalRunner, tmp_path: Path
) -> None:
    """Where not even the guard survived, the log decides: final, or to be run again."""
    final = QUICK + '; print(\'@trialwright {"step": 4, "y": 9, "final": true}\')'
    orders = [script(tmp_path, final), script(tmp_path, QUICK, number=1)]
    for order in orders:
        ended(runner, order)
        (order.folder / "exit.json").unlink()
    (orders[1].folder / "metrics.jsonl").unlink(missing_ok=True)
    recovered = runner.recover(orders[0])
    assert recovered is not None
    assert (recovered.outcome, recovered.value) == ("done", 9.0)
    assert runner.recover(orders[1]) is None


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"status": "x"}', b"\xff\xfe"])
def test_a_torn_record_counts_as_none(runner: LocalRunner, tmp_path: Path, torn: bytes) -> None:
    """An `exit.json` that says nothing does not end the recovery."""
    order = script(tmp_path, QUICK)
    ended(runner, order)
    (order.folder / "exit.json").write_bytes(torn)
    assert runner.recover(order) is None


def test_many_runs_leave_nothing_open(runner: LocalRunner, tmp_path: Path) -> None:
    """Descriptors and processes do not add up over runs."""
    ended(runner, script(tmp_path, QUICK))
    before = _count("/proc/self/fd")
    for number in range(1, 12):
        ended(runner, script(tmp_path, QUICK, number=number))
    assert _count("/proc/self/fd") == before
    guard = psutil.Process(runner.guard_pid)
    assert guard.children() == []
    assert _count(f"/proc/{guard.pid}/fd") < 12


def test_a_runner_closes_without_having_run_anything() -> None:
    """An idle runner lets go at once, and its guard is gone."""
    runner = LocalRunner(RunnerPlan(workers=1))
    guard = psutil.Process(runner.guard_pid)
    runner.close()
    assert alive([guard.pid]) == []


def test_leaving_after_an_error_ends_the_runs(tmp_path: Path) -> None:
    """An exception in the coordinator's block ends what runs."""
    source = "import os, time; print(os.getpid(), file=open('pids', 'w')); time.sleep(120)"
    with pytest.raises(KeyError), LocalRunner(RunnerPlan(workers=1)) as runner:
        _start_and_fail(runner, script(tmp_path, source))
    assert alive(pids(tmp_path)) == []


def _start_and_fail(runner: LocalRunner, order: Order) -> None:
    runner.start(order, Heard())
    pids(order.workdir)
    raise KeyError


def test_says_what_became_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python itself can't be started, the runner says so when it is made."""
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(RunnerError, match="/no/such/python"):
        LocalRunner(RunnerPlan(workers=1))


def test_the_key_names_the_run(runner: LocalRunner, tmp_path: Path) -> None:
    """An observation carries the key of its order: trial, seed and attempt."""
    order = script(tmp_path, QUICK, run=RunKey(12, 3, 1), limits=Limits(run_s=60))
    assert ended(runner, order).run == RunKey(12, 3, 1)


def _log(order: Order) -> str:
    return (order.folder / "stdout.log").read_text()


def _count(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())
