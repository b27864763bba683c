"""Watches over the coordinator of a study: starts it again after a crash, within bounds.

A study that is over, a study that failed and bad input are no crashes. The supervisor holds no
state of the study: what was asked of the service is in the ledger.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from trialwright.app.service import card as cards
from trialwright.app.service.card import Card, State
from trialwright.app.service.log import ServiceLog
from trialwright.app.service.plan import (
    ABANDONED,
    AT_WORK,
    BROKEN,
    BUSY,
    DONE,
    FAULT,
    HOPELESS,
    Plan,
)
from trialwright.errors import LedgerError, StudyBusy
from trialwright.records import Request
from trialwright.store import store_in

LOOK_S = 1.0
"""Seconds between looks at the ledger while nothing runs."""

LONGEST_LINE = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When a coordinator that crashed is started again."""

    crashes: int = 5
    """In a row, after which the service gives up."""
    wait_s: float = 1.0
    """Before the first start after a crash; doubled for each further one."""
    longest_wait_s: float = 60.0
    steady_s: float = 600.0
    """Who has lived so long before it crashes has not crashed in a row."""


class Supervisor:
    """The service of one study."""

    def __init__(
        self, plan: Plan, card: Card, log: Callable[[str], None], rules: Rules = Rules()
    ) -> None:
        self._plan, self._card, self._log, self._rules = plan, card, log, rules
        self._folder = Path(plan.folder)
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._worked = False
        """Whether any coordinator has had the study."""

    def run(self) -> int:
        """Have the study run to its end; return the exit status of the service."""
        crashes = 0
        while True:
            began = time.monotonic()
            status = self._coordinate()
            final = status in (DONE, HOPELESS, BROKEN) or (status == BUSY and not self._worked)
            if final or self._stopping.is_set():
                return self._end(status)
            steady = time.monotonic() - began >= self._rules.steady_s
            crashes = 1 if steady else crashes + 1
            if crashes > self._rules.crashes:
                return self._abandon(status, crashes)
            wait_s = min(self._rules.wait_s * 2 ** (crashes - 1), self._rules.longest_wait_s)
            self._log(
                f"the coordinator {ending(status)}; it is started again in {wait_s:g} s"
                f" (crash {crashes} in a row, of at most {self._rules.crashes})"
            )
            self._put("waiting", coordinator=None)
            if self._asked_within(wait_s):
                self._log("stopped on request while no coordinator was running")
                self._put("ended")
                return DONE
            self._card = replace(self._card, restarts=self._card.restarts + 1)

    def signal(self, number: int, _: FrameType | None) -> None:
        """Hand a signal on to the coordinator, and start no other; as a handler of signals."""
        self._stopping.set()
        child = self._child
        if child is not None and child.returncode is None:
            child.send_signal(number)

    def _coordinate(self) -> int:
        """Start a coordinator, and return how it ended, as `Popen.returncode` has it."""
        command = self._plan.command("coordinator")
        # A session of its own: a Ctrl-C in a terminal is handed on once, by us.
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as child:
            self._child = child
            if self._stopping.is_set():
                child.send_signal(signal.SIGTERM)
            self._put("starting", coordinator=child.pid)
            listener = threading.Thread(target=self._listen, args=(child,), daemon=True)
            listener.start()
            status = child.wait()
            # What a process that was left behind holds open is not waited for.
            listener.join(timeout=5.0)
            if listener.is_alive():
                self._log("what the coordinator left behind still holds its output")
        self._child = None
        return status

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        while line := child.stdout.readline(LONGEST_LINE):
            text = line.decode(errors="replace").rstrip()
            if text:
                self._log(text)
            if text.startswith(AT_WORK):
                self._worked = True
                self._put("running", coordinator=child.pid)

    def _asked_within(self, wait_s: float) -> bool:
        """Wait; say whether the service was asked to stop meanwhile, by a signal or the ledger."""
        deadline = time.monotonic() + wait_s
        while not self._stopping.is_set():
            if stop_asked(self._folder, self._plan.since):
                return True
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._stopping.wait(min(left_s, LOOK_S))
        return True

    def _end(self, status: int) -> int:
        if self._stopping.is_set() and status not in (HOPELESS, BROKEN):
            status = DONE
        if status not in (DONE, HOPELESS):
            self._log(f"the coordinator {ending(status)}; it is not started again")
        self._log(f"the service has ended, with status {status}")
        self._put("ended" if status == DONE else "failed", coordinator=None)
        return status

    def _abandon(self, status: int, crashes: int) -> int:
        why = f"its coordinator crashed {crashes} times in a row; the last one {ending(status)}"
        self._log(f"the service gives up: {why}")
        self._put("abandoned", coordinator=None)
        # Heavy, and needed by hardly any service.
        from trialwright.app.service.coordinator import abandon

        abandon(self._plan, why, self._log)
        return ABANDONED

    def _put(self, state: State, *, coordinator: int | None = None) -> None:
        self._card = replace(self._card, state=state, coordinator=coordinator)
        cards.write(self._folder, self._card)


def ending(status: int) -> str:
    """Say how a coordinator ended.

    >>> ending(-9), ending(3)
    ('was killed by SIGKILL', 'was let down by the ledger or the machine')
    """
    if status < 0:
        try:
            return f"was killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"was killed by signal {-status}"
    known = {
        FAULT: "was let down by the ledger or the machine",
        BUSY: "found the study taken",
        BROKEN: "can't run this study",
    }
    return known.get(status, f"failed with status {status}")


def stop_asked(folder: Path, since: int) -> bool:
    """Say whether the study was asked to stop, behind sequence `since` of its ledger."""
    try:
        ledger = store_in(folder).find()
        if ledger is None:
            return False
        with closing(ledger):
            records = [entry.record for entry in ledger.read(since)]
    except LedgerError:
        return False
    return any(isinstance(one, Request) and one.what == "stop" for one in records)


@contextmanager
def handed_on(supervisor: Supervisor) -> Iterator[None]:
    """Hand signals on to the coordinator while the block runs."""
    caught = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [(number, signal.signal(number, supervisor.signal)) for number in caught]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def main() -> int:
    """Be a supervisor; the plan is the first argument, and with `--echo` the log is printed."""
    plan = Plan.read(sys.argv[1])
    folder = Path(plan.folder)
    log = ServiceLog(folder, echo=_print if "--echo" in sys.argv[2:] else None)
    try:
        with cards.held(folder) as card:
            supervisor = Supervisor(plan, card, log)
            with handed_on(supervisor):
                log(f"the service of {plan.file} has started: process {card.pid}")
                return supervisor.run()
    except StudyBusy as error:
        log(f"error: {error}")
        return BUSY


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
