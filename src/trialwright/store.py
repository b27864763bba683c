"""Where a study's records are, and how they are opened: the one place that chooses a ledger.

A study's folder has either a ledger of its own, or a note that says which server has it. A study
stays where it was begun.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from trialwright.errors import LedgerError, StudyError
from trialwright.ledger import Ledger, SqliteLedger
from trialwright.task import LedgerPlan

LEDGER = "ledger.db"
"""A study's ledger, within its folder."""

NOTE = "server.json"
"""Says which server has the ledger instead."""

_VARIABLE = re.compile(r"\$[A-Za-z_]\w*", re.ASCII)
_SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class Store:
    """Where one study's records are: a file in its folder, or a server, under the study's name."""

    folder: Path
    plan: LedgerPlan = field(default_factory=LedgerPlan)
    study: str = ""
    """Its name on the server."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @property
    def path(self) -> Path:
        """The ledger's file, or where it would be."""
        return self.folder / LEDGER

    def open(self) -> Ledger:
        """Open the ledger of a study that has been run.

        Raises:
            LedgerError: there is none, or it can't be read.
        """
        if not self.plan.url:
            return SqliteLedger(self.path, create=False)
        url = self._url()
        from trialwright.postgres.ledger import PostgresLedger

        return PostgresLedger(url, self.study, create=False)

    def find(self) -> Ledger | None:
        """Open the ledger, or return None where the study was never run.

        Raises:
            LedgerError: it can't be read.
        """
        if not self.plan.url:
            return self.open() if self.path.exists() else None
        url = self._url()
        from trialwright.postgres.ledger import PostgresLedger
        from trialwright.postgres.tables import NoStudy

        try:
            return PostgresLedger(url, self.study, create=False)
        except NoStudy:
            return None

    @contextmanager
    def held(
        self,
        *,
        step: bool = False,
        wait: Callable[[str], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Ledger]:
        """Open the ledger as a study's coordinator, making it if it is not there.

        On a server nobody else is the coordinator meanwhile: whoever is, is waited for if `wait`
        is to be told so, until `stopped`; with `step`, others wait for us. A file has no such rule:
        there the lock of the folder says who runs the study.

        Raises:
            StudyBusy: another coordinator holds the study.
            LedgerError: the ledger can't be used.
        """
        if not self.plan.url:
            with closing(SqliteLedger(self.path)) as ledger:
                yield ledger
            return
        url = self._url()
        from trialwright.postgres.lease import Holding, acquire
        from trialwright.postgres.ledger import PostgresLedger

        self._note()
        holding = Holding(lease_s=self.plan.lease_s, step=step, wait=wait, stopped=stopped)
        with (
            closing(acquire(url, self.study, holding)) as lease,
            closing(PostgresLedger(url, self.study, lease=lease)) as remote,
        ):
            yield remote

    def going(self) -> str:
        """Say who is running the study; '' if nobody is.

        Raises:
            LedgerError: the server can't be asked.
        """
        if not self.plan.url:
            return "a process" if locked(self.folder) else ""
        url = self._url()
        from trialwright.postgres.lease import held_by

        holder = held_by(url, self.study)
        return "" if holder is None else holder.name

    def _url(self) -> str:
        """What to connect to; it may hold a password."""
        url = self.plan.url
        if find_spec("psycopg") is None:
            raise LedgerError(
                'the ledger is on a PostgreSQL server: pip install "trialwright[postgres]"'
            )
        if not url.startswith("$"):
            return url
        if not self.environ.get(url[1:], "").startswith(_SCHEMES):
            raise LedgerError(
                f"the ledger is where the variable {url[1:]} says, and it is not set here to a URL:"
                " set it to postgresql://USER:PASSWORD@HOST/DATABASE"
            )
        return self.environ[url[1:]]

    def _note(self) -> None:
        """Note in the folder which server has the ledger, for whoever comes with the folder."""
        noted = _noted(self.folder)
        if noted == (self.plan, self.study):
            return
        if noted is not None and noted[0].url != self.plan.url:
            self.open().close()  # moved, not begun anew: what ran here has to be there
        told = {"ledger": self.plan.url, "lease_s": self.plan.lease_s, "study": self.study}
        temporary = self.folder / (NOTE + ".tmp")
        temporary.write_text(json.dumps(told) + "\n", encoding="utf-8")
        temporary.replace(self.folder / NOTE)


def store_in(folder: Path, *, environ: Mapping[str, str] = os.environ) -> Store:
    """Return where the records of the study in `folder` are.

    Raises:
        LedgerError: its note is torn.
    """
    noted = None if (folder / LEDGER).exists() else _noted(folder)
    if noted is None:
        return Store(folder)
    return Store(folder, noted[0], noted[1], environ)


def store_of(
    plan: LedgerPlan, study: str, folder: Path, *, environ: Mapping[str, str] = os.environ
) -> Store:
    """Return where the records of `study` are, if its runs are in `folder` and it says `plan`.

    Raises:
        StudyError: the plan is none, or the folder belongs to a study that is kept elsewhere.
        LedgerError: the folder's note is torn.
    """
    if not plan.url:
        return store_in(folder, environ=environ)
    fault = url_fault(plan.url)
    if fault:
        raise StudyError(fault)
    if (folder / LEDGER).exists():
        raise StudyError(
            f"the study in {folder} was begun with its ledger in {LEDGER}, and stays there: leave"
            " `ledger` out, or name another folder for a new study"
        )
    noted = _noted(folder)
    if noted is not None and noted[1] != study:
        raise StudyError(
            f"{folder} holds the runs of the study {noted[1]!r}, not of {study!r}: name another"
            " folder"
        )
    return Store(folder, plan, study, environ)


def begun(folder: Path) -> bool:
    """Say whether a study was begun in `folder`."""
    return (folder / LEDGER).is_file() or (folder / NOTE).is_file()


def locked(folder: Path, name: str = "lock") -> bool:
    """Say whether a process on this machine holds a lock of the study in `folder`.

    By default that of whoever is running the study.
    """
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
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


def url_fault(url: str) -> str:
    """Say why `url` can't be a study's `ledger`, and what to write; '' if it can.

    >>> url_fault("postgresql://me@lab.example/studies"), url_fault("$LAB_LEDGER")
    ('', '')
    >>> "password" in url_fault("postgresql://me:secret@lab.example/studies")
    True
    """
    if url.startswith("$"):
        if _VARIABLE.fullmatch(url):
            return ""
        return f"ledger: {url!r} is no variable: write its name, such as $LAB_LEDGER"
    if not url.startswith(_SCHEMES):
        return (
            f"ledger: {url!r} must be postgresql://USER@HOST/DATABASE, or $NAME for a variable that"
            " holds one"
        )
    try:
        parts = urlsplit(url)
        secret = parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:
        return "ledger: the URL can't be read: write postgresql://USER@HOST/DATABASE"
    if secret:
        return (
            "ledger: there is a password in the URL, and study files are shared: take it out, and"
            " give it in PGPASSWORD or ~/.pgpass, or put the whole URL into a variable and write"
            " $NAME"
        )
    return ""


def _noted(folder: Path) -> tuple[LedgerPlan, str] | None:
    path = folder / NOTE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return LedgerPlan(url=str(told["ledger"]), lease_s=float(told["lease_s"])), told["study"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{path} can't be read ({error}): remove it, and run the study file again"
        ) from None
