"""Code versions and machines, on real files, a real repository and a real interpreter."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from trialwright.execute.provenance import CodeWatch, files, machine
from trialwright.space import Float, Space
from trialwright.task import Delivery, Objective, Task


def task(folder: Path, **changes: object) -> Task:
    """A task whose script lies in `folder`."""
    settings = {
        "name": "t",
        "objective": Objective(metric="y"),
        "space": Space((Float("x", 0, 1),)),
        "command": ("python3", "train.py"),
        "folder": str(folder),
    }
    return Task(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A script that imports a module and a package beside it, and a base configuration."""
    (tmp_path / "train.py").write_text("import model\nfrom data.load import read\n")
    (tmp_path / "model.py").write_text("import numpy\nimport layers\n")
    (tmp_path / "layers.py").write_text("A = 1\n")
    (tmp_path / "unrelated.py").write_text("B = 1\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("")
    (tmp_path / "data" / "load.py").write_text("import model\n")
    (tmp_path / "base.yaml").write_text("lr: 1\n")
    return tmp_path


def names(folder: Path, paths: list[Path]) -> set[str]:
    return {str(path.relative_to(folder)) for path in paths}


def test_files_are_the_script_its_imports_and_the_base(project: Path) -> None:
    """The command's script, what it imports from beside it, and the base file count; no others."""
    found = files(task(project, delivery=Delivery(base="base.yaml")))
    assert names(project, found) == {
        "train.py", "model.py", "layers.py", "data/__init__.py", "data/load.py", "base.yaml",
    }  # fmt: skip


def test_module_commands_and_globs(project: Path) -> None:
    """`python -m data.load` counts as that module; `code` globs replace the search."""
    by_module = files(task(project, command=("python3", "-m", "data.load")))
    assert "data/load.py" in names(project, by_module)
    assert names(project, files(task(project, code=("unrelated*.py",)))) == {"unrelated.py"}


def test_version_follows_content(project: Path) -> None:
    """A change in any of the files changes the id; undoing it brings the id back."""
    watch = CodeWatch(task(project))
    first = watch.version().id
    (project / "layers.py").write_text("A = 22\n")
    assert watch.version().id != first
    (project / "layers.py").write_text("A = 1\n")
    assert watch.version().id == first
    (project / "unrelated.py").write_text("B = 2\n")
    assert watch.version().id == first


def test_new_import_is_followed(project: Path) -> None:
    """A module that a changed script imports for the first time is watched from then on."""
    watch = CodeWatch(task(project))
    (project / "train.py").write_text("import unrelated\n")
    first = watch.version().id
    (project / "unrelated.py").write_text("B = 333\n")
    assert watch.version().id != first


def test_functions_have_a_version() -> None:
    """A function's text is its version."""
    one = task(Path(), command=(), function=lambda configuration: 1.0)
    two = task(Path(), command=(), function=lambda configuration: 2.0)
    ids = [CodeWatch(each).version().id for each in (one, one, two)]
    assert ids[0] == ids[1] != ids[2]


def test_commit_and_dirty(project: Path) -> None:
    """In a repository the version names the commit, and says when files differ from it."""
    git = ["git", "-C", str(project), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    clean = CodeWatch(task(project)).version()
    assert clean.commit is not None
    assert len(clean.commit) == 40
    assert not clean.dirty
    (project / "model.py").write_text("")
    assert CodeWatch(task(project)).version().dirty


def test_machine_lists_the_interpreters_packages(tmp_path: Path) -> None:
    """Packages are those of the interpreter that the command names."""
    here = machine(task(tmp_path))
    assert here.cores >= 1
    assert here.python.startswith("3.")
    ours = machine(task(tmp_path, command=()))
    assert "pydantic" in ours.packages
    assert ours.packages["numpy"].split(".")[0].isdigit()
    assert machine(task(tmp_path)).id == here.id
