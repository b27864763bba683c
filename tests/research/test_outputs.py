"""What runs of edited code leave behind: it can't make the host read or remove anything else."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.execute.orders import command, ended
from tests.process.confining import needs_sandbox
from tests.research.conftest import EVALUATOR, TRAIN, git
from tests.research.test_study import run
from trialwright.execute.local import LocalRunner
from trialwright.execute.tensorboard import EventFolder
from trialwright.process.below import remove
from trialwright.process.checkout import Checkout, altered, clear, lay_out
from trialwright.process.sandbox import Confinement, hazards
from trialwright.records import Observation
from trialwright.task import Budget, Keep, MetricRoute, RunnerPlan, Task

MakeTask = Callable[..., Task]

DEEP = 1200
"""Folders in each other: more than Python's own walk and removal can take."""


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    """A real runner; the tests give it one run at a time."""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        yield runner


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed with whatever is in it: pytest could not."""
    yield tmp_path
    remove(tmp_path)


def seen(runner: LocalRunner, folder: Path, source: str, *words: object) -> Observation:
    """Run a script in the sandbox, its metrics in a file of its own, and return what was seen."""
    out = folder / "run" / "out"
    out.mkdir(parents=True)
    order = command(
        folder / "run",
        *(sys.executable, "-I", "-S", "-c", source, *map(str, words)),
        workdir=out,
        confinement=Confinement(writable=(out,)),
        metrics=MetricRoute(file=str(out / "metrics.csv")),
    )
    return ended(runner, order)


LINK = "import os, sys; os.symlink(sys.argv[1], 'metrics.csv')"


@needs_sandbox
def test_a_linked_metric_file_is_not_read(runner: LocalRunner, tmp_path: Path) -> None:
    """Numbers of a file that the run could not read itself don't come to it by way of the host."""
    (tmp_path / "payroll.csv").write_text("y\n0.125\n")
    found = seen(runner, tmp_path, LINK, tmp_path / "payroll.csv")
    assert (found.outcome, found.cause) == ("failed", "no_metric")
    assert found.metrics == {}
    assert "can't be read: it leads out of the run's folder" in found.detail


@needs_sandbox
def test_a_link_within_the_run_s_folder_is_read(runner: LocalRunner, tmp_path: Path) -> None:
    """`latest.csv -> run1.csv`, which is common, stays possible."""
    source = f"open('real.csv', 'w').write('y\\n0.125\\n'); {LINK}"
    found = seen(runner, tmp_path, source, "real.csv")
    assert (found.outcome, found.value) == ("done", 0.125)


@needs_sandbox
def test_a_pipe_as_a_metric_file_holds_nobody_up(runner: LocalRunner, tmp_path: Path) -> None:
    """A pipe without a writer is not waited for, nor one that takes a file's place."""
    source = """
import os, time
with open("metrics.csv", "w") as file:
    file.write("y\\n0.5\\n")
time.sleep(0.3)
os.mkfifo("pipe")
os.rename("pipe", "metrics.csv")
time.sleep(0.3)
"""
    found = seen(runner, tmp_path, source)
    assert found.metrics in ({}, {"y": 0.5})


def _event(value: float) -> bytes:
    """A TensorBoard event file with one scalar, its checksums left out."""
    scalar = b"\x0a\x04loss\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(scalar)]) + scalar
    event = b"\x10\x01\x2a" + bytes([len(summary)]) + summary
    return struct.pack("<Q", len(event)) + b"\0" * 4 + event + b"\0" * 4


def test_linked_event_files_are_not_read(tmp_path: Path) -> None:
    """Neither a link to a file of TensorBoard's nor a folder that is one; those within are."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "events.tfevents.1").write_bytes(_event(0.5))
    out = tmp_path / "out"
    (out / "logs").mkdir(parents=True)
    (out / "linked").symlink_to(tmp_path / "mine")
    reader = EventFolder(out / "logs", rename={}, since=0.0, within=[out])
    (out / "logs" / "a.tfevents.1").symlink_to(tmp_path / "mine" / "events.tfevents.1")
    os.mkfifo(out / "logs" / "b.tfevents.1")
    (out / "logs" / "c.tfevents.1").write_bytes(_event(0.25))
    assert reader.read(last=True) == [(1.0, {"loss": 0.25})]
    linked = EventFolder(out / "linked", rename={}, since=0.0, within=[out])
    assert linked.read(last=True) == []
    anywhere = EventFolder(out / "linked", rename={}, since=0.0)
    assert anywhere.read(last=True) == [(1.0, {"loss": 0.5})]


HOSTILE = """
import os
top = os.environ["TRIALWRIGHT_FOLDER"]
os.symlink({mine!r}, f"{{top}}/linked")
os.symlink({mine!r} + "/model.pt", f"{{top}}/link.pt")
os.mkfifo(f"{{top}}/pipe.pt")
open(f"{{top}}/own.pt", "w").write("own")
os.makedirs(f"{{top}}/locked/in.pt")
os.chmod(f"{{top}}/locked/in.pt", 0)
for place in (top, "."):
    here = os.getcwd()
    os.chdir(place)
    for _ in range({deep}):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(here)
"""


def test_kept_and_removed_files_are_the_run_s_own(
    project: Path, task_of: MakeTask, place: Path
) -> None:
    """Of runs that fall behind, links and pipes are removed, and nothing that they lead to.

    Folders that are too deep, or locked, end no study.
    """
    mine = place / "mine"
    mine.mkdir()
    (mine / "model.pt").write_text("mine")
    worse = TRAIN.replace("RATE = 0.5", HOSTILE.format(mine=str(mine), deep=DEEP) + "RATE = 0.1")
    task = task_of(budget=Budget(trials=3), keep=Keep(files=("**/*.pt",), trials=1, runs=1))
    better = TRAIN.replace("RATE = 0.5", "RATE = 0.7")
    history = run(task, place / "study", {"train.py": worse}, {"train.py": better})
    assert [trial.state for trial in history.trials] == ["done"] * 3
    assert (mine / "model.pt").read_text() == "mine"
    left = place / "study" / "trials"
    assert not list(left.glob("*/out/*.pt"))
    assert not list(left.glob("*/out/locked/*.pt"))


def test_hazards_are_found_at_any_depth(place: Path) -> None:
    """A link, a pipe and a program with its owner's rights, below more folders than Python walks.

    `clear` goes through the same folders, and leaves what is not the tree's.
    """
    (place / "pipe").touch()
    before = Path.cwd()
    os.chdir(place)
    try:
        for _ in range(DEEP):
            Path("d").mkdir()
            os.chdir("d")
        Path("link").symlink_to("/etc/passwd")
        os.mkfifo("pipe")
        Path("program").touch(mode=0o755)
        Path("program").chmod(0o4755)
    finally:
        os.chdir(before)
    found = {(path.name, why) for path, why in hazards(place)}
    assert found == {
        ("link", "leads out of the folder"),
        ("pipe", "is neither file nor folder"),
        ("program", "would run with its owner's rights"),
    }
    clear(place, ("pipe",))
    assert not (place / "pipe").exists()
    assert (place / "d").exists()


def test_a_frozen_link_that_was_replaced_is_found(project: Path, tmp_path: Path) -> None:
    """A link that git tracks is as frozen as a file: another target, or a file in its place."""
    (project / "alias.py").symlink_to("evaluator.py")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "a link")
    checkout = Checkout(
        repository=project,
        tree=git(project, "rev-parse", "HEAD^{tree}"),
        into=tmp_path / "code",
        frozen=("alias.py", "evaluator.py"),
    )
    lay_out(checkout)
    assert altered(checkout) == ()
    (tmp_path / "code" / "alias.py").unlink()
    (tmp_path / "code" / "alias.py").symlink_to("train.py")
    assert altered(checkout) == ("alias.py",)
    (tmp_path / "code" / "alias.py").unlink()
    (tmp_path / "code" / "alias.py").write_text(EVALUATOR)
    assert altered(checkout) == ("alias.py",)


def test_a_frozen_file_without_end_is_not_read(project: Path, tmp_path: Path) -> None:
    """A run may make a file of any length in the place of a frozen one: its length tells enough."""
    tree = git(project, "rev-parse", "HEAD^{tree}")
    checkout = Checkout(
        repository=project, tree=tree, into=tmp_path / "code", frozen=("evaluator.py",)
    )
    lay_out(checkout)
    os.truncate(tmp_path / "code" / "evaluator.py", 1 << 40)
    assert altered(checkout) == ("evaluator.py",)
