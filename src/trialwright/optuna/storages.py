"""Where Optuna's studies are kept: databases, journal files, Redis; opened by URL or path.

Every way in which that can go wrong becomes one sentence, without the password of the URL.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
from sqlalchemy.exc import SQLAlchemyError

from trialwright.errors import StudyError
from trialwright.task import Direction

_SQLITE = b"SQLite format 3\0"


def stored(url: str, name: str | None) -> optuna.Study:
    """Open a study that is there; None as `name` takes the only one.

    Raises:
        StudyError: there is none, or no telling which; or the storage can't be read.
    """
    with explained(url):
        storage = _existing(url)
        names = optuna.get_all_study_names(storage)
        if not names:
            raise StudyError(f"{shown(url)} holds no study")
        listed = ", ".join(map(repr, names[:8]))
        if name is None and len(names) > 1:
            raise StudyError(
                f"{shown(url)} holds {len(names)} studies: say which with --name: {listed}"
            )
        if name is not None and name not in names:
            raise StudyError(f"{shown(url)} holds no study {name!r}; it holds {listed}")
        return optuna.load_study(study_name=name or names[0], storage=storage)


def every(url: str, name: str | None = None) -> Iterator[optuna.Study]:
    """Open each study that is there, or the one called `name`.

    Raises:
        StudyError: there is none of the name; or the storage can't be read.
    """
    if name is not None:
        yield stored(url, name)
        return
    with explained(url):
        storage = _existing(url)
        names = optuna.get_all_study_names(storage)
    for one in names:
        with explained(url):
            yield optuna.load_study(study_name=one, storage=storage)


def made(url: str, name: str, direction: Direction, *, replaced: bool) -> optuna.Study:
    """Make a new study, in a storage that is there or not; `replaced`: instead of one of its name.

    Raises:
        StudyError: there is one of this name, or the storage can't be written.
    """
    with explained(url):
        storage = _writable(url)
        if replaced and name in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
        try:
            return optuna.create_study(study_name=name, storage=storage, direction=direction)
        except DuplicatedStudyError:
            raise StudyError(
                f"{shown(url)} already holds a study {name!r}: give another --name, or --force to"
                " replace it"
            ) from None


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what a storage raises into a `StudyError` that names it; drop what it warns of.

    Optuna warns of what is experimental, and of options that a study file can't hold: the former
    is our affair, and the latter we say ourselves.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    except (OptunaError, SQLAlchemyError, ImportError, OSError, RuntimeError, LookupError) as error:
        raise StudyError(f"{shown(url)} can't be used: {_brief(error, url)}") from None
    except ValueError as error:
        raise StudyError(f"{shown(url)} is no Optuna storage: {_brief(error, url)}") from None


def shown(url: str) -> str:
    """Return a URL without user and password.

    >>> shown("postgresql://me:secret@host/db")
    'postgresql://...@host/db'
    """
    return re.sub(r"//[^@/]*@", "//...@", url)


def _existing(url: str) -> BaseStorage:
    path = _file(url)
    if path is not None and not path.is_file():
        raise StudyError(f"{shown(url)}: there is no file {path}")
    if "://" not in url:
        return _journal(Path(url))
    if url.startswith("redis"):
        return JournalStorage(JournalRedisBackend(url))
    return RDBStorage(url, skip_table_creation=True)


def _writable(url: str) -> BaseStorage:
    path = _file(url)
    if path is not None and not path.parent.is_dir():
        raise StudyError(f"{shown(url)}: there is no folder {path.parent}")
    if "://" not in url:
        return _journal(Path(url))
    if url.startswith("redis"):
        return JournalStorage(JournalRedisBackend(url))
    return RDBStorage(url)


def _journal(path: Path) -> BaseStorage:
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
        if head == _SQLITE:
            raise StudyError(f"{path} is a SQLite database: write it as sqlite:///{path}")
    return JournalStorage(JournalFileBackend(str(path)))


def _file(url: str) -> Path | None:
    """The file behind a URL; None where it is a server's."""
    if "://" not in url:
        return Path(url)
    if not url.startswith("sqlite"):
        return None
    path = url.partition(":///")[2].partition("?")[0]
    if not path or path == ":memory:":
        raise StudyError(f"{url}: name the database's file, such as sqlite:///study.db")
    return Path(path)


def _brief(error: Exception, url: str) -> str:
    first = next(iter(str(error).splitlines()), "")
    return (first or type(error).__name__).replace(url, shown(url))
