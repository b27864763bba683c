"""A study's bench: runs are started here one by one, from any thread, as somebody decides.

`Study.run` starts whatever is due; the bench starts what it is told to. It holds the study only
while a run goes on, in one thread of its own: that thread alone touches the session.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from trialwright.errors import StudyError
from trialwright.execute.runner import Event, Reported
from trialwright.history import History
from trialwright.records import RunKey
from trialwright.session import Session
from trialwright.study import Study

PATIENCE_S = 60.0
"""Seconds that a start may take: opening the study, starting the guard, asking the team."""

T = TypeVar("T")


class _Job(Generic[T]):
    """Something to be done with the session, and its answer for whoever waits."""

    def __init__(self, call: Callable[[Session], T]) -> None:
        self.answer: Future[T] = Future()
        self._call = call

    def do(self, session: Session) -> None:
        """Do it, and answer."""
        try:
            self.answer.set_result(self._call(session))
        except Exception as error:  # noqa: BLE001  # it is for whoever asked
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Answer with an error."""
        self.answer.set_exception(error)


class Bench:
    """Starts runs of a study by the study's own command. Close it: its runs are then cancelled."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._guarding = threading.Lock()
        """Held while what follows changes."""
        self._jobs: deque[_Job[Any]] = deque()
        self._session: Session | None = None
        self._thread: threading.Thread | None = None
        """Takes jobs; None as soon as it takes no more."""
        self._leaving: threading.Thread | None = None
        """The last one, which may still be letting go of the study."""
        self._wanted: set[int] = set()
        self._latest: dict[RunKey, tuple[float, Mapping[str, float]]] = {}

    def start(self, trial: int | None = None) -> RunKey:
        """Start a run: of trial `trial`, else of what was offered, else of what the team proposes.

        Raises:
            StudyBusy: another process runs the study.
            StudyError: there is nothing to run, or no slot is free.
        """
        return self._do(lambda session: self._launch(session, trial))

    def prune(self, run: RunKey) -> None:
        """Stop a run early; it counts as pruned.

        Raises:
            StudyError: it does not go on here.
        """

        def job(session: Session) -> None:
            if run not in session.going:
                there = ", ".join(map(str, session.going)) or "none"
                raise StudyError(f"run {run} does not go on here; going on: {there}")
            session.prune(run)

        self._do(job)

    def latest(self, run: RunKey) -> tuple[float, Mapping[str, float]] | None:
        """Return the last step that a run reported, with its metrics, if any."""
        return self._latest.get(run)

    def settle(self) -> None:
        """Wait until the study is let go, unless a run goes on."""
        with self._guarding:
            leaving = self._leaving if self._thread is None else None
        if leaving is not None:
            leaving.join()

    def close(self) -> None:
        """Cancel what still runs; it is run again when the study is."""
        with self._guarding:
            thread = self._thread or self._leaving
            if self._session is not None:
                self._session.stop(now=True)
        if thread is not None:
            thread.join()

    def _do(self, call: Callable[[Session], T]) -> T:
        job = _Job(call)
        with self._guarding:
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, args=(self._leaving,), name="bench", daemon=True
                )
                self._leaving = self._thread
                self._thread.start()
            elif self._session is not None:
                self._session.wake()
        return job.answer.result(PATIENCE_S)

    # -- on the bench's own thread

    def _work(self, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        try:
            with self._study.session(self._watch) as session:
                with self._guarding:
                    self._session = session
                while self._busy(session):
                    session.take(session.wait())
                closed = session.end()
                if closed is not None and not session.history.handed_out():
                    session.close(closed)
        except Exception as error:  # noqa: BLE001  # it is for whoever asked
            with self._guarding:
                if self._thread is not threading.current_thread():
                    return  # all that was asked for is done
                self._session = self._thread = None
                failed = [*self._jobs]
                self._jobs.clear()
            for job in failed:
                job.fail(error)

    def _busy(self, session: Session) -> bool:
        """Do what was asked for; say whether anything goes on, and take no more jobs if not."""
        while True:
            while self._jobs:
                self._jobs.popleft().do(session)
            session.launch(self._wanted)
            with self._guarding:
                if self._jobs:
                    continue
                busy = bool(session.going) or session.trying
                if not busy:
                    self._session = self._thread = None
                return busy

    def _launch(self, session: Session, trial: int | None) -> RunKey:
        if session.free <= 0:
            going = ", ".join(map(str, session.going))
            raise StudyError(f"no more runs fit on this machine; wait for one of: {going}")
        if trial is None and not session.due():
            session.propose(most=1)
            while session.trying and not session.due():
                session.launch(())
                session.take(session.wait())
        due = [key for key in session.due() if trial in (None, key.trial)]
        if due:
            self._wanted.add(due[0].trial)
            session.launch({due[0].trial})
            if due[0] in session.going:
                return due[0]
        closed = session.end()
        if closed is not None:
            raise StudyError(f"there is nothing to run: {closed.sentence}")
        trials = session.history.trials
        if trial is not None and not 0 <= trial < len(trials):
            raise StudyError(f"there is no trial {trial}; there are {len(trials)}, from 0")
        state = f"trial {trial} is {trials[trial].state}" if trial is not None else "all is running"
        raise StudyError(f"there is nothing to run: {state}")

    def _watch(self, history: History, event: Event | None) -> None:  # noqa: ARG002  # a `Watch`
        if isinstance(event, Reported):
            self._latest[event.run] = (event.step, event.metrics)
