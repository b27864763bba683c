"""Runs in the sandbox that come up against its bounds: each cause with a run that really dies."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.execute.orders import command, ended
from tests.process.confining import needs_sandbox
from trialwright.execute.local import LocalRunner
from trialwright.process.sandbox import Confinement
from trialwright.records import Observation
from trialwright.task import Limits, RunnerPlan

pytestmark = needs_sandbox


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    """A real runner; the tests give it one run at a time."""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        yield runner


def died(
    runner: LocalRunner,
    folder: Path,
    source: str,
    *,
    limits: Limits | None = None,
    **bounds: object,
) -> Observation:
    """Run a script in the sandbox, with these bounds, and return what the runner observed."""
    out = folder / "out"
    out.mkdir()
    words = (sys.executable, "-I", "-S", "-c", textwrap.dedent(source))
    confinement = Confinement(writable=(out,), **bounds)  # type: ignore[arg-type]  # as it has them
    order = command(folder, *words, workdir=out, confinement=confinement, limits=limits or Limits())
    return ended(runner, order)


FORKS = """
import os, time
for _ in range(40):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


def test_too_many_processes(runner: LocalRunner, tmp_path: Path) -> None:
    """Whether the kernel refuses one more or the warden counts them: no accident, and it says so.

    The same text outside of the sandbox is one that may pass when run again.
    """
    seen = died(runner, tmp_path, FORKS, processes=8)
    assert (seen.outcome, seen.cause) == ("failed", "other")
    assert "it may have 8 processes at a time" in seen.detail
    assert "research: {processes: ...}" in seen.detail


def test_too_many_bytes(runner: LocalRunner, tmp_path: Path) -> None:
    """A run that the warden ended for what its files take is told how much it may have."""
    source = """
    import time
    with open("huge", "wb") as file:
        for _ in range(64):
            file.write(b"1" * (1 << 20))
            file.flush()
    time.sleep(60)
    """
    seen = died(runner, tmp_path, source, disk_bytes=8 << 20)
    assert (seen.exit_status, seen.cause) == (125, "other")
    assert "its files took more than 0.00781 GiB" in seen.detail
    assert "research: {disk: ...}" in seen.detail


def test_too_much_scratch(runner: LocalRunner, tmp_path: Path) -> None:
    """A full /tmp of the sandbox is told from a full disk."""
    source = "open('/tmp/huge', 'wb').write(b'1' * (4 << 20))"
    seen = died(runner, tmp_path, source, scratch_bytes=1 << 20)
    assert seen.cause == "other"
    assert "No space left on device: in the sandbox /tmp and /dev/shm hold" in seen.detail


def test_too_much_memory(runner: LocalRunner, tmp_path: Path) -> None:
    """Memory is the runner's to watch, in the sandbox as outside."""
    source = "import time; x = b'1' * (300 << 20); time.sleep(60)"
    seen = died(runner, tmp_path, source, limits=Limits(memory_bytes=100 << 20))
    assert (seen.outcome, seen.cause) == ("failed", "out_of_memory_host")


def test_the_words_alone_are_not_believed(runner: LocalRunner, tmp_path: Path) -> None:
    """A run that prints what the warden would say, and ends otherwise, fails for its own reason."""
    source = """
    print("sandbox: the run was ended, as it had more than 8 bytes of files")
    raise ValueError("its own fault")
    """
    seen = died(runner, tmp_path, source)
    assert seen.cause == "other"
    assert "its own fault" in seen.detail
    assert "the sandbox ended it" not in seen.detail
