"""Who may write a study's course: one coordinator at a time, for as long as it is alive.

A lease ends when its holder has not renewed it for some seconds of the server's clock. Who takes it
gets a token, larger than any before; `append` with an older one is refused. So a coordinator that
was only asleep or cut off writes nothing any more, however late it wakes up.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

from trialwright.errors import LedgerError, StudyBusy
from trialwright.postgres.server import Connection, Server
from trialwright.postgres.tables import study_row

LOOK_S = 0.25
"""Seconds between looks at a lease that somebody else has."""

STEP_WAIT_S = 15.0
"""Seconds that whoever holds a study for one step only may take, before this is an error."""

_TAKE = """
UPDATE trialwright.study
SET token = token + 1, holder = %(holder)s, owner = %(owner)s, step = %(step)s,
    expires = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = %(study)s
  AND (expires IS NULL OR expires < clock_timestamp() OR owner = %(owner)s)
RETURNING token
"""

_RENEW = """
UPDATE trialwright.study SET expires = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = %(study)s AND token = %(token)s
"""

_RELEASE = """
UPDATE trialwright.study SET holder = NULL, owner = NULL, expires = NULL
WHERE id = %(study)s AND token = %(token)s
"""

_HOLDER = """
SELECT holder, step, extract(epoch FROM expires - clock_timestamp())::float8
FROM trialwright.study WHERE id = %(study)s AND expires >= clock_timestamp()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """How a study is to be held."""

    lease_s: float
    step: bool = False
    """Only for a moment: others wait for it."""
    wait: Callable[[str], None] | None = None
    """Is told whom it waits for; None: nobody is waited for, unless for a step."""
    stopped: Callable[[], bool] = lambda: False
    """Whether to wait no more."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a study."""

    name: str
    step: bool
    left_s: float
    """Seconds until somebody else may take it, if it is not renewed."""


class Lease:
    """A study that this process holds; a thread of its own renews it. Close it to let go."""

    def __init__(self, server: Server, study: int, *, token: int, lease_s: float) -> None:
        self.token = token
        """Goes with every `append`."""
        self._lost = threading.Event()
        self._closing = threading.Event()
        self._server = server
        self._values = {"study": study, "token": token, "lease_s": lease_s}
        self._every_s = lease_s / 3
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether another coordinator has it by now."""
        return self._lost.is_set()

    def close(self) -> None:
        """Let go of the study: the next may have it at once."""
        self._closing.set()
        self._server.hurry()
        self._thread.join()

    # -- on its own thread, which alone uses the connection

    def _keep(self) -> None:
        try:
            while not self._closing.wait(self._every_s) and not self.lost:
                # A server that is away is told of by `append`; what counts is its own clock.
                with suppress(LedgerError):
                    if self._done(_RENEW) == 0:
                        self._lost.set()
            with suppress(LedgerError):
                self._done(_RELEASE)
        finally:
            self._server.close()

    def _done(self, statement: str) -> int:
        return self._server.do(
            lambda connection: connection.execute(statement, self._values).rowcount
        )


def acquire(url: str, study: str, holding: Holding) -> Lease:
    """Take the lease of a study, waiting for it as `holding` says.

    Raises:
        StudyBusy: another coordinator has it.
        LedgerError: the server can't be used.
    """
    server = Server(url)
    try:
        row = study_row(server, study, create=True)
        token = _taken(server, row.id, holding, what=f"the study {study!r} at {server.name}")
    except BaseException:
        server.close()
        raise
    return Lease(server, row.id, token=token, lease_s=holding.lease_s)


def held_by(url: str, study: str) -> Holder | None:
    """Return who holds a study now, if anybody.

    Raises:
        LedgerError: there is no such study, or the server can't be used.
    """
    server = Server(url)
    try:
        return _holder(server, study_row(server, study, create=False).id)
    finally:
        server.close()


def _taken(server: Server, study: int, holding: Holding, *, what: str) -> int:
    owner, said, deadline = uuid4(), False, time.monotonic() + STEP_WAIT_S
    while True:
        token = _try(server, study, holding, owner)
        if token is not None:
            return token
        other = _holder(server, study)
        if other is None:
            continue
        sentence = (
            f"{other.name} is running {what}; if it is dead, its lease ends in"
            f" {max(other.left_s, 0):.0f} s"
        )
        if holding.stopped():
            raise StudyBusy(f"stopped while waiting: {sentence}")
        if holding.wait is None and not (other.step and time.monotonic() < deadline):
            raise StudyBusy(f"{sentence}: wait for it, or stop it first")
        if holding.wait is not None and not said and not other.step:
            holding.wait(f"waiting: {sentence}")
            said = True
        time.sleep(LOOK_S)


def _try(server: Server, study: int, holding: Holding, owner: UUID) -> int | None:
    values = {
        "study": study,
        "holder": f"process {os.getpid()} on {socket.gethostname()}",
        "owner": owner,
        "step": holding.step,
        "lease_s": holding.lease_s,
    }

    def take(connection: Connection) -> int | None:
        row = connection.execute(_TAKE, values).fetchone()
        return None if row is None else int(row[0])

    return server.do(take)


def _holder(server: Server, study: int) -> Holder | None:
    row = server.do(lambda connection: connection.execute(_HOLDER, {"study": study}).fetchone())
    return None if row is None else Holder(*row)
