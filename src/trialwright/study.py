"""A study: one task, one proposer, one runner and one ledger, and the loop that ties them.

All its state is the ledger: opening a study is reading it again, so a killed study goes on where it
was. What a session does at each step is in `session`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from trialwright import steering
from trialwright.asking import ahead_of
from trialwright.crew import Asking, Crew
from trialwright.crew import problems as crew_problems
from trialwright.errors import StaleSequence, StudyBusy, StudyError
from trialwright.execute.local import LocalRunner
from trialwright.execute.order import check_command
from trialwright.execute.ray import RayRunner
from trialwright.execute.runner import Event, Runner
from trialwright.history import History
from trialwright.post import Post, Watch
from trialwright.propose.proposer import Proposer
from trialwright.publish import problems as code_problems
from trialwright.publish import publisher
from trialwright.records import Closed, Request
from trialwright.session import Session
from trialwright.store import Store, store_of
from trialwright.studyfile import dump
from trialwright.task import FRESH, Task

LOCK_WAIT_S = 15.0
"""Seconds that a killed coordinator's guard may take to end its runs, before this is an error."""

STEP = "step"
"""Stands in the lock behind the process that holds it only for a moment: worth waiting for."""


Wait = Callable[[str], None]
"""Called with words on who is waited for."""


class Study:
    """A task to improve, in a folder that holds all that is found out.

    The default runner is local; the default proposer is the task's team. A runner that is passed
    in stays open. Nothing is written before `run`.

    Raises:
        StudyError: the task can't be run here; the message says why.
        LedgerError: the folder holds a ledger that can't be read.

    >>> import tempfile
    >>> from trialwright import Budget, Float, Objective, Space, Task
    >>> task = Task(name="parabola", objective=Objective(metric="y"), budget=Budget(trials=3),
    ...             space=Space((Float("x", -1, 1),)),
    ...             function=lambda configuration, seed: 1 - configuration["x"] ** 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = Study(task, folder).run()
    >>> len(history.trials), history.closed.reason
    (3, 'budget')
    """

    def __init__(
        self,
        task: Task,
        folder: Path | str,
        *,
        runner: Runner | None = None,
        proposer: Proposer | None = None,
        environ: Mapping[str, str] = os.environ,
        replay: Path | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._runner = runner
        # A snapshot: os.environ decodes every variable at every look.
        self._environ = dict(environ)
        self.store = store_of(task.ledger, task.name, self.folder, environ=self._environ)
        """Where its records are."""
        # A study stays where it was begun, also where its task does not say so.
        self.task = task = replace(task, ledger=self.store.plan)
        self._crew = Crew(task, self.folder, self._environ, replay=replay)
        self.proposer = proposer or self._crew.proposer
        """Whom the study asks for its next trial."""
        self._session: Session | None = None
        self._history = _known(self.store)
        self._stopping: tuple[bool, bool] = (False, False)
        problems = [*check_command(task, environ), *_start_faults(task)]
        if proposer is None and replay is None:
            problems += crew_problems(task, environ)
        problems += code_problems(task, self._history, own=proposer is not None)
        if problems:
            raise StudyError("\n".join(problems))

    @property
    def history(self) -> History:
        """What is known so far."""
        return self._session.history if self._session else self._history

    def run(self, watch: Watch | None = None, *, wait: Wait | None = None) -> History:
        """Run until the budget ends or `stop` is called, resuming what is there.

        `watch(history, event)` is called after each change. Why it ended is in `history.closed`:
        `failed` means that the first runs all failed the same way. With its ledger on a server, a
        study that runs elsewhere is waited for if `wait` is there to be told so.

        Raises:
            StudyBusy: another process runs this study.
            LeaseLost: another took it over, after this one had been silent for too long.
            StudyError: the task changed beyond what a study can take.
            LedgerError: the ledger can't be written.
            RunnerError: the machine does not let runs start.
        """
        with self.session(watch, wait=wait) as session:
            while (closed := session.end()) is None:
                session.propose()
                session.launch()
                session.take(session.wait())
            session.close(closed)
            return session.history

    def measure(self, runs: int, watch: Watch | None = None) -> int:
        """Run the default configuration under `runs` seeds in all, and nothing else.

        Return its trial's number. The trial is one of the study, as if it had been proposed.

        Raises:
            StudyError: `runs` is below 2 or above the most seeds that a trial can have.
            TrialwrightError: as for `run`.
        """
        if not 2 <= runs <= FRESH:
            raise StudyError(f"{runs} runs can't tell the noise: ask for 2 to {FRESH}")
        with self.session(watch) as session:
            number = session.measure(runs)
            while (closed := session.end()) is None:
                if not session.going and all(key.trial != number for key in session.due()):
                    break
                session.launch({number})
                session.take(session.wait())
            sentence = "the noise was to be measured; run the study to go on"
            session.close(closed or Closed(reason="stopped", sentence=sentence))
        return number

    def stop(self, *, now: bool = False) -> None:
        """End `run`, from a signal handler or another thread.

        Running runs are finished first; with `now` they are cancelled, and run again on resume.
        """
        self._stopping = (True, now)
        self._crew.stopping = now
        if self._session is not None:
            self._session.stop(now=now)

    def asking(self) -> tuple[Asking, ...]:
        """Return which language models are waited for just now; from any thread."""
        return self._crew.asking()

    def replicate(self, trial: int, seeds: int) -> None:
        """Ask for `seeds` more seeds of a trial; the next (or present) `run` runs them.

        Raises:
            StudyError: there is no such trial, or `seeds` is below 1.
        """
        if seeds < 1:
            raise StudyError(f"{seeds} seeds can't be added: ask for at least 1")
        if seeds > FRESH:
            raise StudyError(f"{seeds} seeds can't be added: a trial has at most {FRESH}")
        self._request(Request(what="replicate", trial=trial, seeds=seeds))

    def rerun(self, trial: int) -> None:
        """Ask for a trial to be run once more, under its first seed and the files as they are.

        Raises:
            StudyError: there is no such trial.
        """
        self._request(Request(what="rerun", trial=trial))

    def prune(self, trial: int) -> None:
        """Ask whoever runs the study to end a trial's runs early; the trial counts as pruned.

        Raises:
            StudyError: there is no such trial, or no run of it goes on.
        """
        known = self.history.trials[trial : trial + 1] if trial >= 0 else []
        agents = {
            run.launch.by for found in known for run in found.every.values() if run.handed_out
        }
        if agents:
            names = ", ".join(sorted(agents))
            raise StudyError(f"trial {trial} was handed out to {names}, who tells how it went")
        if known and not (known[0].going and self.store.going()):
            raise StudyError(f"no run of trial {trial} is going on: there is nothing to end")
        self._request(Request(what="prune", trial=trial, by=steering.BY))

    @contextmanager
    def session(
        self,
        watch: Watch | None = None,
        *,
        by: str = "",
        elsewhere: Callable[[int], Runner] | None = None,
        wait: Wait | None = None,
    ) -> Iterator[Session]:
        """Hold the study: nobody else runs it meanwhile. `run` is a loop within one.

        `elsewhere` makes the runner of a session that only hands runs out, to `by`, and lets go at
        once; it is given the lock's descriptor.

        Raises:
            TrialwrightError: as for `run`.
        """
        with ExitStack() as stack:
            self.folder.mkdir(parents=True, exist_ok=True)
            step = elsewhere is not None
            held = self.store.held(step=step, wait=wait, stopped=lambda: self._stopping[0])
            ledger = stack.enter_context(held)
            lock = stack.enter_context(_locked(self.folder, note=STEP if step else ""))
            post = Post(
                task=self.task,
                folder=self.folder,
                ledger=ledger,
                runner=self._placed(stack, elsewhere, lock),
                proposer=self.proposer,
                environ=self._environ,
                watch=watch or _ignore,
                crew=self._crew,
                publish=publisher(self.task, self.folder),
                by=by,
                ahead=None if elsewhere else ahead_of(self.proposer, self.task, self._runner),
            )
            session = Session(post, History(ledger.read()))
            _write(self.folder / "study.yaml", dump(self.task))
            self._session = session
            stopping, now = self._stopping
            self._crew.stopping = now
            if stopping:
                session.stop(now=now)
            try:
                yield session
            finally:
                self._history, self._session = session.history, None
                self._stopping = (False, False)
                # Who thinks ahead ends it, too.
                self._crew.stopping = True

    def request(self, request: Request) -> int:
        """Put a request into the ledger, for whoever runs the study; return its sequence.

        Raises:
            LedgerError: the ledger can't be written.
        """
        ledger, history = self.store.open(), self._history
        try:
            while True:
                history.extend(ledger.read(history.sequence))
                try:
                    entries = ledger.append([request], history.sequence)
                except StaleSequence:
                    continue
                history.extend(entries)
                return entries[0].sequence
        finally:
            ledger.close()

    def _request(self, request: Request) -> None:
        if request.trial is None or not 0 <= request.trial < len(self.history.trials):
            there = f"trials 0 to {len(self.history.trials) - 1}" if self.history.trials else "none"
            raise StudyError(f"there is no trial {request.trial}; there are {there}")
        self.request(request)

    def _placed(
        self, stack: ExitStack, elsewhere: Callable[[int], Runner] | None, lock: int
    ) -> Runner:
        """The runner of a session; one that is passed in stays open."""
        if elsewhere is not None:
            return stack.enter_context(closing(elsewhere(lock)))
        if self._runner is not None:
            return self._runner
        plan = self.task.runner
        if plan.kind == "ray":
            return stack.enter_context(RayRunner(plan, folder=self.task.folder))
        return stack.enter_context(LocalRunner(plan, lock=lock))


@contextmanager
def _locked(folder: Path, *, note: str) -> Iterator[int]:
    """Hold the study's lock; its descriptor is passed on to whoever must end before the next.

    The lock belongs to the open file, so it is free only once the coordinator and its guard are
    both gone: who gets it finds no process of the study left.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {note}".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, _, note = os.pread(descriptor, 40, 0).decode(errors="replace").partition(" ")
            if time.monotonic() > deadline or (note != STEP and _alive(holder)):
                raise StudyBusy(
                    f"process {holder or '?'} is running the study in {folder}: wait for it, or"
                    " stop it first"
                ) from None
            time.sleep(0.02)
        else:
            return


def _alive(process: str) -> bool:
    try:
        return psutil.Process(int(process)).status() != psutil.STATUS_ZOMBIE
    except (ValueError, psutil.NoSuchProcess):
        return False


def _known(store: Store) -> History:
    """What a study's ledger says; of one that was never run, nothing."""
    ledger = store.find()
    if ledger is None:
        return History()
    with closing(ledger):
        return History(ledger.read())


def _start_faults(task: Task) -> list[str]:
    return [
        f"start {index + 1}: {fault}"
        for index, start in enumerate(task.start)
        for fault in task.space.check(task.space.complete(start))
    ]


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _ignore(history: History, event: Event | None) -> None:
    """Watch nothing."""
