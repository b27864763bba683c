"""Each cause of failure, with processes that really die of it; and what a log alone must tell."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.execute.orders import Heard, command, ended
from trialwright.execute.failures import Ending, cause_of
from trialwright.execute.lastwords import crash_of, last_lines
from trialwright.execute.local import LocalRunner
from trialwright.execute.metrics import Collector
from trialwright.execute.observe import observe
from trialwright.records import Observation
from trialwright.task import Limits, MetricRoute, Objective, RunnerPlan


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    """A real runner; the tests give it one run at a time."""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        yield runner


def died(
    runner: LocalRunner, folder: Path, source: str, *arguments: str, **changes: object
) -> Observation:
    """Write a script, run it for real, and return what the runner observed."""
    path = folder / "train.py"
    path.write_text(textwrap.dedent(source))
    return ended(runner, command(folder, sys.executable, str(path), *arguments, **changes))


SCRIPTS = {
    "memory": ("x = [0] * 10**14", "out_of_memory_host", "MemoryError"),
    "array": (
        "import numpy; numpy.ones(10**14)",
        "out_of_memory_host",
        "Unable to allocate",
    ),
    "cuda_memory": (
        """
        class OutOfMemoryError(RuntimeError): pass
        OutOfMemoryError.__module__ = "torch"
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
        """,
        "out_of_memory_gpu",
        "smaller batch",
    ),
    "floating": (
        "import numpy; numpy.seterr(all='raise'); numpy.exp(numpy.array([1e9]))",
        "diverged",
        "learning rate",
    ),
    "loss_is_nan": (
        """
        loss = float("nan")
        if loss != loss:
            raise SystemExit(f"stopping: loss is {loss} at step 7")
        """,
        "diverged",
        "loss is nan",
    ),
    "metric_ends_nan": (
        """
        print('@trialwright {"step": 1, "y": 0.5}'); print('@trialwright {"step": 2, "y": NaN}')
        assert False, "bad luck"
        """,
        "diverged",
        "bad luck",
    ),
    "interrupted": ("raise KeyboardInterrupt", "killed", "interrupted"),
    "import": ("import yaml.no_such_thing", "import_error", "pyyaml"),
    "import_name": ("from json import no_such_name", "import_error", "no_such_name"),
    "syntax": ("x = 1\nif x\n  y = 2\n", "syntax_error", "line 2"),
    "indentation": ("if True:\n  x = 1\n    y = 2\n", "syntax_error", "line 3"),
    "argparse": (
        """
        import argparse
        p = argparse.ArgumentParser(); p.add_argument("--lr", type=float)
        p.parse_args(["--lr=high"])
        """,
        "bad_argument",
        "invalid float value: 'high'",
    ),
    "argparse_unknown": (
        "import argparse; argparse.ArgumentParser().parse_args(['--lerning-rate=1'])",
        "bad_argument",
        "--lerning-rate",
    ),
    "keyword": (
        "def fit(lr): pass\nfit(learning_rate=1)",
        "bad_argument",
        "unexpected keyword argument 'learning_rate'",
    ),
    "sklearn_value": (
        """
        from sklearn.linear_model import LogisticRegression
        LogisticRegression(C=-1).fit([[0.], [1.]], [0, 1])
        """,
        "bad_argument",
        "'C' parameter",
    ),
    "file": ("open('data/no_such_file.csv')", "missing_file", "data/no_such_file.csv"),
    "chained": (
        """
        try:
            open("no_such_file.csv")
        except OSError as error:
            raise RuntimeError("could not load the data") from error
        """,
        "missing_file",
        "no_such_file.csv",
    ),
    "silent": ("", "no_metric", "no metric at all"),
    "near_miss": (
        'print(\'@trialwright {"Y": 1, "loss": 2}\')',
        "no_metric",
        "did you mean Y?",
    ),
    "network": (
        """
        import urllib.error
        raise urllib.error.HTTPError("https://x.org/data", 503, "Service Unavailable", {}, None)
        """,
        "transient",
        "run again",
    ),
    "reset": ("raise ConnectionResetError(104, 'Connection reset by peer')", "transient", "reset"),
    "cuda_launch": (
        "raise RuntimeError('CUDA error: unspecified launch failure')",
        "transient",
        "GPU",
    ),
    "nccl": ("raise RuntimeError('NCCL error in: x.cpp:1, remote exited')", "transient", "NCCL"),
    "disk": ("raise OSError(28, 'No space left on device')", "other", "disk space"),
    "assertion": ("assert 1 == 2, 'labels differ'", "other", "AssertionError: labels differ"),
    "status": (
        "print('giving up'); raise SystemExit(3)",
        "other",
        "exit status 3; its last line: giving up",
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_that_dies_of_it(runner: LocalRunner, tmp_path: Path, name: str) -> None:
    """A real script that fails in this way is observed with its cause and a line that helps."""
    source, cause, words = SCRIPTS[name]
    observation = died(runner, tmp_path, source)
    assert (observation.outcome, observation.value) == ("failed", None)
    assert observation.cause == cause, observation.detail
    assert words in observation.detail
    assert "\n" not in observation.detail


CLI = {
    "click": (
        "import click\n@click.command()\n@click.option('--lr', type=float)\n"
        "def main(lr): pass\nmain()",
        ["--lr", "high"],
        "'high' is not a valid float",
    ),
    "typer": (
        "import typer\ndef main(lr: float = 0.1): pass\ntyper.run(main)",
        ["--lerning-rate", "1"],
        "No such option: --lerning-rate",
    ),
    "fire": (
        "import fire\ndef main(lr=0.1): return lr\nfire.Fire(main)",
        ["--lerning_rate=1"],
        "--lerning_rate",
    ),
    "hydra": (
        "import hydra\n@hydra.main(version_base=None)\ndef main(cfg): pass\nmain()",
        ["lr=1"],
        "lr",
    ),
}


@pytest.mark.parametrize("library", CLI)
def test_command_line_libraries(runner: LocalRunner, tmp_path: Path, library: str) -> None:
    """A wrong argument is named as such whichever library reads the command line."""
    pytest.importorskip(library, reason=f"{library} is not installed")
    source, arguments, words = CLI[library]
    observation = died(runner, tmp_path, source, *arguments)
    assert observation.cause == "bad_argument", observation.log_tail
    assert words in observation.detail


class TestLimitsAndSignals:
    """What the runner itself sees outweighs what the log says."""

    def test_out_of_time(self, runner: LocalRunner, tmp_path: Path) -> None:
        """A run over its time limit timed out, however it complains when it is ended."""
        observation = died(
            runner,
            tmp_path,
            "import time\ntime.sleep(60)",
            limits=Limits(run_s=0.3, grace_s=0.2),
        )
        assert observation.cause == "timed_out"
        assert "0.3 s allowed" in observation.detail

    def test_stalled(self, runner: LocalRunner, tmp_path: Path) -> None:
        """A run that stops printing stalled."""
        observation = died(
            runner,
            tmp_path,
            "import time\nprint('hello', flush=True)\ntime.sleep(60)",
            limits=Limits(stall_s=0.5, grace_s=0.2),
        )
        assert observation.cause == "stalled"
        assert "0.5 s" in observation.detail

    def test_over_the_memory_limit(self, runner: LocalRunner, tmp_path: Path) -> None:
        """A run over its memory limit is out of memory, with both figures."""
        observation = died(
            runner,
            tmp_path,
            "import time\nx = bytearray(300 * 2**20)\ntime.sleep(60)",
            limits=Limits(memory_bytes=100 * 2**20, grace_s=0.2),
        )
        assert observation.cause == "out_of_memory_host"
        assert "0.0977 GiB allowed" in observation.detail

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGHUP", "SIGUSR1"])
    def test_killed_by_somebody(self, runner: LocalRunner, tmp_path: Path, name: str) -> None:
        """A signal that was not ours is a kill, and says which."""
        source = f"import os, signal\nos.kill(os.getpid(), signal.{name})"
        observation = died(runner, tmp_path, source)
        assert observation.cause == "killed"
        assert name in observation.detail

    def test_killed_by_the_kernel(self, runner: LocalRunner, tmp_path: Path) -> None:
        """A shell that reports `Killed`, as it does after the kernel took its child, is memory."""
        (tmp_path / "train.sh").write_text(
            f"{sys.executable} -c 'import os; os.kill(os.getpid(), 9)'\nstatus=$?\nexit $status\n"
        )
        observation = ended(runner, command(tmp_path, "bash", str(tmp_path / "train.sh")))
        assert observation.exit_status == 137
        assert observation.cause == "out_of_memory_host", observation.log_tail

    @pytest.mark.parametrize(("name", "words"), [("SIGSEGV", "segmentation"), ("SIGABRT", "abort")])
    def test_crashes_of_native_code(
        self, runner: LocalRunner, tmp_path: Path, name: str, words: str
    ) -> None:
        """A crash is the program's own, not a kill."""
        source = f"import os, signal\nos.kill(os.getpid(), signal.{name})"
        observation = died(runner, tmp_path, source)
        assert observation.cause == "other"
        assert words in observation.detail


class TestCommands:
    """Commands that do not come to running a script."""

    @pytest.mark.parametrize(
        ("argv", "cause", "words"),
        [
            (["no-such-program", "x"], "command_not_found", "no-such-program"),
            (["./notes.txt"], "command_not_found", "chmod +x"),
            (["./binary"], "command_not_found", "no program for this machine"),
            (["sh", "-c", "no-such-program"], "command_not_found", "not found"),
            (["sh", "-c", "echo 'if' > x; sh x"], "syntax_error", "yntax error"),
            ([sys.executable, "no_such_train.py"], "missing_file", "no_such_train.py"),
            ([sys.executable, "-m", "no_such_module"], "import_error", "no_such_module"),
            (["cat", "no_such_data.csv"], "missing_file", "no_such_data.csv"),
            (["ls", "--no-such-option"], "bad_argument", "--no-such-option"),
        ],
    )
    def test_that_are_wrong(
        self, runner: LocalRunner, tmp_path: Path, argv: list[str], cause: str, words: str
    ) -> None:
        """A missing program, script, module or file is told apart, whoever complains."""
        (tmp_path / "notes.txt").write_text("not a program")
        (tmp_path / "binary").write_bytes(b"\x7fNOPE")
        (tmp_path / "binary").chmod(0o755)
        order = command(tmp_path, *argv)
        observation = ended(
            runner,
            command(tmp_path, *argv, environment={**order.environment, "LC_ALL": "C"}),
        )
        assert observation.cause == cause, (observation.detail, observation.log_tail)
        assert words in observation.detail

    def test_install_for_the_commands_own_python(self, runner: LocalRunner, tmp_path: Path) -> None:
        """The remedy for a missing package names the interpreter that lacks it, and pip's name."""
        observation = died(runner, tmp_path, "import cv2_no_such")
        assert f"`{sys.executable} -m pip install cv2_no_such`" in observation.detail

    def test_a_working_directory_that_is_gone(self, runner: LocalRunner, tmp_path: Path) -> None:
        """It is the folder that is missing, not the program."""
        order = command(tmp_path, sys.executable, "-c", "", workdir=tmp_path / "gone")
        observation = ended(runner, order)
        assert observation.cause == "missing_file"
        assert str(tmp_path / "gone") in observation.detail


class TestFinal:
    """A result that the script declared complete stands."""

    FINAL = 'print(\'@trialwright {"y": 2, "final": true}\', flush=True)\n'

    def test_crash_in_the_teardown(self, runner: LocalRunner, tmp_path: Path) -> None:
        """A run that fails after its final result is done, with a warning that says how."""
        observation = died(runner, tmp_path, self.FINAL + "raise RuntimeError('worker lost')")
        assert (observation.outcome, observation.value) == ("done", 2.0)
        assert observation.cause is None
        assert "worker lost" in observation.warnings[0]

    def test_hanging_teardown(self, runner: LocalRunner, tmp_path: Path) -> None:
        """So is one that never ends and has to be killed for its time limit."""
        observation = died(
            runner,
            tmp_path,
            self.FINAL + "import time; time.sleep(60)",
            limits=Limits(run_s=0.5, grace_s=0.2),
        )
        assert (observation.outcome, observation.value) == ("done", 2.0)
        assert "timed out" in observation.warnings[0]

    def test_without_it_half_a_training_is_no_result(
        self, runner: LocalRunner, tmp_path: Path
    ) -> None:
        """A run that reported metrics and then failed has failed; what it reported is kept."""
        source = "print('@trialwright {\"y\": 2}', flush=True)\nraise SystemExit(1)"
        observation = died(runner, tmp_path, source)
        assert (observation.outcome, observation.value) == ("failed", None)
        assert observation.metrics == {"y": 2.0}

    def test_final_without_the_objective(self, runner: LocalRunner, tmp_path: Path) -> None:
        """A final result that lacks the objective is none."""
        observation = died(runner, tmp_path, 'print(\'@trialwright {"z": 2, "final": true}\')')
        assert observation.cause == "no_metric"

    def test_final_nan(self, runner: LocalRunner, tmp_path: Path) -> None:
        """A final result that is NaN is divergence."""
        observation = died(runner, tmp_path, 'print(\'@trialwright {"y": NaN, "final": true}\')')
        assert (observation.outcome, observation.cause) == ("failed", "diverged")


class TestStopped:
    """Runs that the study ended itself."""

    def test_pruned_runs_have_no_value(self, runner: LocalRunner, tmp_path: Path) -> None:
        """A stopped run is neither done nor failed, even if it ends politely."""
        path = tmp_path / "train.py"
        path.write_text(
            "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
            "print('@trialwright {\"y\": 1}', flush=True)\ntime.sleep(60)\n"
        )
        heard = Heard()
        handle = runner.start(command(tmp_path, sys.executable, str(path)), heard)
        heard.report()
        handle.stop("pruned")
        observation = heard.observation()
        assert (observation.outcome, observation.value) == ("pruned", None)
        assert (observation.cause, observation.metrics) == (None, {"y": 1.0})


def observed(tail: str, *, status: int = 1, printed: str = "", **objective: object) -> Observation:
    """Observe an ending from its log alone."""
    order = command(
        Path("/study"),
        "python3",
        "train.py",
        objective=Objective(metric="y", **objective),  # type: ignore[arg-type]
    )
    collector = Collector(MetricRoute(), workdir=Path("/study"))
    collector.feed(printed.encode())
    return observe(order, collector, Ending(exit_status=status, seconds=1.0), tail)


class TestLogs:
    """What only a log can tell, in the wording of programs that are not here."""

    @pytest.mark.parametrize(
        ("text", "cause"),
        [
            ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "out_of_memory_gpu"),
            ("RuntimeError: CUDA error: out of memory", "out_of_memory_gpu"),
            ("E CUDA_ERROR_OUT_OF_MEMORY: out of memory", "out_of_memory_gpu"),
            (
                "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when"
                " allocating tensor with shape[1] on /job:localhost/device:GPU:0",
                "out_of_memory_gpu",
            ),
            (
                "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while"
                " trying to allocate 1 bytes.",
                "out_of_memory_gpu",
            ),
            ("RuntimeError: MPS backend out of memory (MPS allocated: 1 GB", "out_of_memory_gpu"),
            (
                "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator:"
                " can't allocate memory: you tried to allocate 1 bytes.",
                "out_of_memory_host",
            ),
            ("terminate called after throwing 'std::bad_alloc'", "out_of_memory_host"),
            ("Error: cannot allocate vector of size 7.5 Gb", "out_of_memory_host"),
            (
                "RuntimeError: DataLoader worker (pid 1) is killed by signal: Bus error. It is"
                " possible that dataloader's workers are out of shared memory.",
                "out_of_memory_host",
            ),
            ("FloatingPointError: Minimum loss scale reached (0.0001).", "diverged"),
            ("Loss is nan, stopping training", "diverged"),
            ("ERROR: non-finite loss, ending training", "diverged"),
            ("RuntimeError: Function 'Mul' returned nan values in its 0th output.", "diverged"),
            (
                "ValueError: Floating-point under-/overflow occurred at epoch #1. Scaling input",
                "diverged",
            ),
            ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "transient"),
            ("torch.distributed.DistBackendError: NCCL error in: x.cpp", "transient"),
            ("slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT x DUE TO NODE FAILURE", "transient"),
            ("requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='x'): Read", "transient"),
            (
                "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name"
                " resolution>",
                "transient",
            ),
            ("requests.exceptions.HTTPError: 502 Server Error: Bad Gateway for url", "transient"),
            ("slurmstepd: error: *** JOB 1 CANCELLED AT x DUE TO TIME LIMIT ***", "timed_out"),
            ("ImportError: libcudart.so.12: cannot open shared object file", "import_error"),
            ("Error in library(xgb) : there is no package called 'xgb'", "import_error"),
            ("Error: Invalid value for '--lr': 'x' is not a valid float.", "bad_argument"),
            ("ValueError: Invalid learning rate: -0.1", "bad_argument"),
            ("xgboost.core.XGBoostError: Invalid Parameter format for max_depth", "bad_argument"),
            ("flag provided but not defined: -lr", "bad_argument"),
            ("error: unexpected argument '--lr' found", "bad_argument"),
            ("KeyError: 'lr'", "other"),
        ],
    )
    def test_known_wordings(self, text: str, cause: str) -> None:
        """Each is known from its own last line, with nothing else to go by."""
        assert observed(f"starting\nepoch 1\n{text}\n").cause == cause

    def test_the_last_traceback_outweighs_chatter(self) -> None:
        """Warnings, retried downloads and survived exceptions earlier in the log are no cause."""
        log = (
            "WARNING: loss is nan in 3 batches, skipped\n"
            "ConnectionResetError: [Errno 104] Connection reset by peer; retrying\n"
            "Traceback (most recent call last):\n"
            '  File "a.py", line 1, in load\n'
            "MemoryError\n"
            "that was survived\n"
            "Traceback (most recent call last):\n"
            '  File "train.py", line 9, in <module>\n'
            "    raise FileNotFoundError('CUDA out of memory')\n"
            "IndexError: list index out of range\n"
        )
        observation = observed(log)
        assert observation.cause == "other"
        assert "IndexError: list index out of range" in observation.detail

    def test_chatter_long_before_the_end_is_no_cause(self) -> None:
        """Without a traceback only the last lines count."""
        log = "No such option: --verbose (ignored)\n" + "epoch\n" * 100 + "giving up\n"
        assert observed(log).cause == "other"

    def test_a_survived_exception_far_from_the_end_is_no_cause(self) -> None:
        """A traceback that was logged and followed by an hour of training did not end the run."""
        log = "Traceback (most recent call last):\n  File 'x'\nMemoryError\n" + "epoch\n" * 60
        assert observed(log + "giving up\n").cause == "other"

    def test_the_source_lines_of_a_traceback_are_no_cause(self) -> None:
        """Code that is quoted in a traceback was not said by it."""
        log = (
            "Traceback (most recent call last):\n"
            '  File "train.py", line 3, in <module>\n'
            "    raise ValueError(key)  # not FileNotFoundError: CUDA out of memory\n"
            "    ^^^^^^^^^^^^^^^^^^^^^\n"
            "ValueError: depth\n"
        )
        assert observed(log).cause == "other"

    def test_causes_of_causes(self) -> None:
        """Behind a chain and behind launchers' wrappers, the first exception is the cause."""
        log = (
            "[rank0]: Traceback (most recent call last):\n"
            '[rank0]:   File "train.py", line 3, in <module>\n'
            "[rank0]:     model(x)\n"
            "[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n"
            "Traceback (most recent call last):\n"
            '  File "/usr/bin/torchrun", line 8, in <module>\n'
            "    sys.exit(main())\n"
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        )
        assert observed(log).cause == "out_of_memory_gpu"

    def test_rich_tracebacks(self) -> None:
        """The boxes that typer and rich draw are read like plain ones."""
        log = (
            "╭───────────── Traceback (most recent call last) ─────────────╮\n"
            "│ /home/me/train.py:3 in main                                 │\n"
            "│ ❱ 3     open('MemoryError')                                 │\n"
            "╰─────────────────────────────────────────────────────────────╯\n"
            "FileNotFoundError: [Errno 2] No such file or directory: 'x.csv'\n"
        )
        observation = observed(log)
        assert observation.cause == "missing_file"
        assert "x.csv" in observation.detail

    def test_exception_groups(self) -> None:
        """What a task group raises is read behind its margins."""
        code = (
            "import asyncio\nasync def f(): raise MemoryError('too much')\n"
            "async def main():\n  async with asyncio.TaskGroup() as g: g.create_task(f())\n"
            "asyncio.run(main())\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
        assert observed(done.stderr).cause == "out_of_memory_host"

    def test_an_empty_log(self) -> None:
        """Nothing to go by is said as such."""
        assert observed("").detail == "exit status 1; it printed nothing"

    @pytest.mark.parametrize(
        "log", ["\0" * 5000, "Traceback (most recent call last):", "x" * 10**6, "\x1b[" * 9999]
    )
    def test_hostile_logs(self, log: str) -> None:
        """Whatever a log holds, there is a cause, in one short line."""
        observation = observed(log)
        assert observation.cause == "other"
        assert len(observation.detail) <= 500
        assert len(observation.log_tail) <= 4000

    def test_the_tail_is_for_reading(self) -> None:
        """The last lines are kept without colours, bars and metric lines."""
        log = '\x1b[31mred\x1b[0m\n10%\r20%\r30%\n@trialwright {"y": 1}\nlast\n'
        assert last_lines(log) == "red\n30%\nlast"

    def test_the_innermost_place_is_named(self) -> None:
        """A crash knows the file and line that it happened in."""
        log = (
            "Traceback (most recent call last):\n"
            '  File "a.py", line 1, in <module>\n    f()\n'
            '  File "b.py", line 2, in f\n    1/0\nZeroDivisionError: division by zero\n'
        )
        assert crash_of(log).place == "b.py, line 2"


class TestValues:
    """How a curve becomes a value, or does not."""

    CURVE = "".join(f'@trialwright {{"step": {i}, "y": {v}}}\n' for i, v in enumerate((1, 4, 2, 3)))

    @pytest.mark.parametrize(("reduce", "value"), [("last", 3), ("best", 4), ("mean_last", 2.5)])
    def test_reduced(self, reduce: str, value: float) -> None:
        """The objective's `reduce` decides."""
        assert observed("", status=0, printed=self.CURVE, reduce=reduce, window=2).value == value

    def test_a_nan_at_the_end(self) -> None:
        """`last` has no value then, and the run diverged; `best` has one, with a warning."""
        printed = self.CURVE + '@trialwright {"y": NaN}\n'
        failed = observed("", status=0, printed=printed)
        assert (failed.outcome, failed.cause) == ("failed", "diverged")
        assert "point 5 of 5" in failed.detail
        done = observed("", status=0, printed=printed, reduce="best")
        assert (done.outcome, done.value) == ("done", 4.0)
        assert "1 of 5" in done.warnings[0]


def test_every_signal_has_a_reading() -> None:
    """Whatever signal ends a run, its cause is named without error."""
    order = command(Path("/study"), "train")
    for number in range(1, signal.NSIG):
        collector = Collector(MetricRoute(), workdir=Path("/study"))
        cause, detail = cause_of(
            Ending(exit_status=128 + number), "", order=order, collector=collector
        )
        assert cause in ("killed", "other", "timed_out")
        assert detail
