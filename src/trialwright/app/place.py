"""Which study a command means: its file, and the folder that holds what was found out."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trialwright.errors import StudyError, StudyFileError

FILE = "study.yaml"
LEDGER = "ledger.db"
RUNS = "runs"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study is: the file that states it, and the folder of its results."""

    file: Path
    folder: Path


def one_of(argument: Path | None, option: Path | None) -> Path | None:
    """Return the study that a command was given, as its argument or by `--study`.

    Raises:
        StudyError: both were given, and differ.
    """
    if argument is not None and option is not None and argument != option:
        raise StudyError(f"two studies are named, {argument} and --study {option}: name one")
    return argument if argument is not None else option


def to_run(given: Path | None, folder: Path | None) -> Place:
    """Return the study that `run` means: a study file, its folder, or a folder of results.

    Raises:
        StudyFileError: the file can't be used.
        StudyError: there is none.
    """
    from trialwright.studyfile import load

    path = given or Path(FILE)
    if path.is_dir() and (path / LEDGER).is_file():
        return Place(path / FILE, folder or path)
    file = path / FILE if path.is_dir() else path
    if given is None and not file.exists():
        raise StudyError(
            f"there is no {FILE} in {Path.cwd()}: make one with `trialwright init SCRIPT`, or name"
            " one: `trialwright run FILE`"
        )
    if path.is_dir() and not file.exists():
        raise StudyError(f"there is neither {FILE} nor {LEDGER} in {path}: name the study file")
    return Place(file, folder or file.absolute().parent / RUNS / load(file).name)


def to_read(given: Path | None) -> Place:
    """Return the study whose results a command shows.

    `given` is its folder of results, its file, or the file's folder; None: the study file here,
    else the only study below `runs`.

    Raises:
        StudyError: there is no such study, or there are several; the message says which.
    """
    start = given or Path()
    if not start.exists():
        raise StudyError(f"{start} does not exist: name a study's file or folder with --study")
    if (start / LEDGER).is_file():
        return Place(start / FILE, start)
    file = start / FILE if start.is_dir() else start
    name = _name(file) if file.is_file() else ""
    named = file.absolute().parent / RUNS / name
    if name and (named / LEDGER).is_file():
        return Place(file, named)
    # Another study's results, shown because they are the only ones, would be taken for this one's.
    if name or (given is not None and start.is_file()):
        raise StudyError(
            f"{file} has not been run: there is no {LEDGER} in {named}; start it with"
            f" `trialwright run {file}`, or name its folder with --study"
        )
    return _only(start, file)


def running(folder: Path) -> bool:
    """Say whether a process is running the study in `folder`."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        return False
    finally:
        os.close(descriptor)


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Remove a folder, and the empty ones above it, if it is new and nothing came to lie in it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in missing:
            try:
                path.rmdir()
            except OSError:
                break


def _only(start: Path, file: Path) -> Place:
    below = start if start.is_dir() else start.parent
    found = sorted(path.parent for path in (below / RUNS).glob(f"*/{LEDGER}"))
    if len(found) == 1:
        return Place(file if file.is_file() else found[0] / FILE, found[0])
    if found:
        names = ", ".join(str(path) for path in found[:8])
        raise StudyError(f"there are {len(found)} studies: say which with --study: {names}")
    raise StudyError(
        f"no study was found: looked for {LEDGER} in {below.absolute()} and in"
        f" {below.absolute() / RUNS}/*; start one with `trialwright run`, or name its folder with"
        " --study"
    )


def _name(file: Path) -> str:
    """The name of a study whose file may be broken by now."""
    from trialwright.studyfile import load

    try:
        return load(file).name
    except StudyFileError:
        return ""


def shown(path: Path) -> str:
    """Return a path as short as it can be typed here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
