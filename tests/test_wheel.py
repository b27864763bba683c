"""The wheel, as a user installs it: complete, typed, and of use outside the repository."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.thoroughness import repeats

ROOT = Path(__file__).parents[1]

DEMO = ("README.md", "study.yaml", "train.py")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of a new environment that has the wheel.

    Its dependencies are seen through a path file, so that nothing is downloaded. The path file does
    not bring this repository's own package along: only site folders' path files are read.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall"]
    subprocess.run(
        [python, *install, "--disable-pip-version-check", wheel],
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / "bin"


def started(command: list[str], *, folder: Path) -> subprocess.Popen[str]:
    """Start a command outside the repository."""
    kept = ("HOME", "LANG", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"PATH": os.defpath, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ran(command: list[str], *, folder: Path) -> str:
    """Run a command outside the repository; return what it printed."""
    with started(command, folder=folder) as process:
        said, _ = process.communicate(timeout=170)
    assert process.returncode == 0, said
    return said


def test_wheel_carries_what_it_needs_and_nothing_else(wheel: Path) -> None:
    """The wheel has every file of the package, the demo and the typing mark, and no test."""
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    ours = {
        str(path.relative_to(source))
        for path in (source / "trialwright").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    demo = {
        f"trialwright/examples/digits/{name}" for name in ("README.md", "study.yaml", "train.py")
    }
    assert held == ours | demo
    assert "trialwright/py.typed" in held


def test_installed_package_is_not_the_repository(installed: Path, tmp_path: Path) -> None:
    """What the new environment imports is what the wheel brought."""
    script = "import trialwright; print(trialwright.__file__)"
    answer = ran([str(installed / "python"), "-c", script], folder=tmp_path)
    assert Path(answer.strip()).is_relative_to(installed.parent)


def test_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    """`trialwright --version` answers outside the repository."""
    assert "0.1.0" in ran([str(installed / "trialwright"), "--version"], folder=tmp_path)


def test_installed_demo_runs(installed: Path, tmp_path: Path) -> None:
    """`trialwright demo` tunes the digits outside the repository, and leaves a report.

    Also where Ctrl-C ends it early, which is all that a desk waits for.
    """
    trials, lines = repeats(2, 10), []
    command = [str(installed / "trialwright"), "demo", "mine", "--plain"]
    with started(command, folder=tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if sum(" done in " in one for one in lines) == trials < 10:
                process.send_signal(signal.SIGINT)
                trials = 10
        process.wait(170)
    answer = "".join(lines)
    assert process.returncode == 0, answer
    assert "val_accuracy" in answer
    assert list((tmp_path / "mine").rglob("report.html"))
