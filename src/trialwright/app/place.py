"""Which study a command means: its file, and the folder that holds what was found out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from trialwright.errors import StudyError
from trialwright.history import History, read
from trialwright.store import LEDGER, Store, begun, store_in, store_of
from trialwright.task import LedgerPlan

FILE = "study.yaml"
RUNS = "runs"

VARIABLE = "TRIALWRIGHT_LEDGER"
"""Holds the URL of the server for studies that say nothing of one, and were not begun yet."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study is: the file that states it, the folder of its results, and its records."""

    file: Path
    folder: Path
    store: Store

    def history(self) -> History:
        """Read what is known of the study.

        Raises:
            LedgerError: it was never run, or its ledger can't be read.
        """
        return read(self.store)


def planned(stated: LedgerPlan, folder: Path) -> LedgerPlan:
    """Return where the ledger of a study with results in `folder` goes, if its file says `stated`.

    Where neither says anything, the variable `VARIABLE` decides, by reference: it may hold a
    password, and what is returned is written down.
    """
    if stated.url or begun(folder) or not os.environ.get(VARIABLE):
        return stated
    return replace(stated, url=f"${VARIABLE}")


def one_of(argument: Path | None, option: Path | None) -> Path | None:
    """Return the study that a command was given, as its argument or by `--study`.

    Raises:
        StudyError: both were given, and differ.
    """
    if argument is not None and option is not None and argument != option:
        raise StudyError(f"two studies are named, {argument} and --study {option}: name one")
    return argument if argument is not None else option


def to_run(given: Path | None, folder: Path | None, *, ledger: str | None = None) -> Place:
    """Return the study that `run` means: a study file, its folder, or a folder of results.

    `ledger` is the URL of its ledger, instead of the study file's.

    Raises:
        StudyFileError: the file can't be used.
        StudyError: there is none.
    """
    from trialwright.studyfile import load

    path = given or Path(FILE)
    if path.is_dir() and begun(path):
        name, stated = _stated(path / FILE)
        return _placed(path / FILE, folder or path, name, _with(stated, ledger))
    file = path / FILE if path.is_dir() else path
    if given is None and not file.exists():
        raise StudyError(
            f"there is no {FILE} in {Path.cwd()}: make one with `trialwright init SCRIPT`, or name"
            " one: `trialwright run FILE`"
        )
    if path.is_dir() and not file.exists():
        raise StudyError(f"there is neither {FILE} nor {LEDGER} in {path}: name the study file")
    task = load(file)
    results = folder or file.absolute().parent / RUNS / task.name
    return _placed(file, results, task.name, _with(task.ledger, ledger))


def to_read(given: Path | None) -> Place:
    """Return the study whose results a command shows.

    `given` is its folder of results, its file, or the file's folder; None: the study file here,
    else the only study below `runs`. With its ledger on a server, the file is enough.

    Raises:
        StudyError: there is no such study, or there are several; the message says which.
    """
    start = given or Path()
    if not start.exists():
        raise StudyError(f"{start} does not exist: name a study's file or folder with --study")
    if begun(start):
        return Place(start / FILE, start, store_in(start))
    file = start / FILE if start.is_dir() else start
    name, stated = _stated(file) if file.is_file() else ("", LedgerPlan())
    named = file.absolute().parent / RUNS / name
    if name and (begun(named) or planned(stated, named).url):
        return _placed(file, named, name, stated)
    # Another study's results, shown because they are the only ones, would be taken for this one's.
    if name or (given is not None and start.is_file()):
        raise StudyError(
            f"{file} has not been run: there is no {LEDGER} in {named}; start it with"
            f" `trialwright run {file}`, or name its folder with --study"
        )
    return _only(start, file)


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


def _placed(file: Path, folder: Path, name: str, stated: LedgerPlan) -> Place:
    return Place(file, folder, store_of(planned(stated, folder), name, folder))


def _with(stated: LedgerPlan, url: str | None) -> LedgerPlan:
    return stated if url is None else replace(stated, url=url)


def _only(start: Path, file: Path) -> Place:
    below = start if start.is_dir() else start.parent
    found = sorted(path for path in (below / RUNS).glob("*") if begun(path))
    if len(found) == 1:
        only = found[0]
        return Place(file if file.is_file() else only / FILE, only, store_in(only))
    if found:
        names = ", ".join(str(path) for path in found[:8])
        raise StudyError(f"there are {len(found)} studies: say which with --study: {names}")
    raise StudyError(
        f"no study was found: looked for {LEDGER} in {below.absolute()} and in"
        f" {below.absolute() / RUNS}/*; start one with `trialwright run`, or name its folder with"
        " --study"
    )


def _stated(file: Path) -> tuple[str, LedgerPlan]:
    """The name and the ledger of a study whose file may be broken by now."""
    from trialwright.studyfile import whereabouts

    return whereabouts(file)


def shown(path: Path) -> str:
    """Return a path as short as it can be typed here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
