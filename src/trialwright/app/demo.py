"""`trialwright demo`: the digits example, copied out of the package, and tuned."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from trialwright.app.place import FILE, Place
from trialwright.errors import StudyError
from trialwright.store import store_in

NAME = "digits"


def laid_out(folder: Path) -> Place:
    """Copy the example into `folder`, unless it is there, and return its study.

    Raises:
        StudyError: the example is missing, or the folder holds something else.
    """
    example = _example()
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if there and not {FILE, "train.py"} <= set(there):
        raise StudyError(f"{folder} holds {there[0]}: name a new folder for the demo")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in example.iterdir():
            if file.is_file() and not (folder / file.name).exists():
                (folder / file.name).write_bytes(file.read_bytes())
    except OSError as error:
        raise StudyError(f"the demo can't be laid out in {folder}: {error}") from None
    results = folder / "runs" / NAME
    return Place(folder / FILE, results, store_in(results))


@contextmanager
def own_python() -> Iterator[None]:
    """Let `python` in a command be this interpreter, whose packages the example needs."""
    before = os.environ.get("PATH")
    here = str(Path(sys.executable).parent)
    os.environ["PATH"] = here if before is None else f"{here}{os.pathsep}{before}"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PATH"]
        else:
            os.environ["PATH"] = before


def _example() -> Traversable:
    """The example in the installed package, or in the repository that it is installed from."""
    package = files("trialwright")
    repository = Path(str(package)).parents[1]
    for found in (package / "examples" / NAME, repository / "examples" / NAME):
        if (found / FILE).is_file():
            return found
    raise StudyError("the example is not in this installation: install trialwright anew")
