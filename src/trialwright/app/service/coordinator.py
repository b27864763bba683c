"""One session of a study that runs as a service: a process of its own, told by its supervisor.

It says what happens on standard output, a line per event; its exit status says how it ended.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from trialwright.app.interrupt import interrupts
from trialwright.app.live import News, Reader, lines
from trialwright.app.notifying import Notifier
from trialwright.app.place import Place, to_run
from trialwright.app.running import Changes, opened, reported
from trialwright.app.service.log import ServiceLog
from trialwright.app.service.plan import AT_WORK, BROKEN, BUSY, DONE, FAULT, HOPELESS, Plan
from trialwright.app.tracking.books import shelves
from trialwright.app.tracking.mirror import Mirrors
from trialwright.errors import LeaseLost, LedgerError, RunnerError, StudyBusy, TrialwrightError
from trialwright.execute.runner import Event, Reported
from trialwright.history import History
from trialwright.propose.estimate import estimate
from trialwright.study import Study
from trialwright.studyfile import load

CRASHED = 70
"""Exit status after an error of our own; 1 would mean that the study failed."""


class Voice:
    """Writes lines to the supervisor; to the log itself once there is none."""

    def __init__(self, folder: Path) -> None:
        self._log = ServiceLog(folder)

    def __call__(self, text: str) -> None:
        """Say one line; also from within a signal handler, and from any thread."""
        try:
            os.write(1, f"{' '.join(text.split())}\n".encode(errors="replace"))
        except OSError:
            self._log(text)


class LogWatcher:
    """Says each event in one plain line, and heeds a `stop` that came before the session."""

    def __init__(self, study: Study, plan: Plan, say: Callable[[str], None]) -> None:
        self._study, self._plan, self._say = study, plan, say
        self._reader = Reader()
        self._begun = False

    def __call__(self, history: History, event: Event | None) -> None:
        """Say what is new; see `session.Watch`."""
        if isinstance(event, Reported):
            return
        if not self._begun:
            self._begun = True
            self._begin(history)
        for line in told(self._reader.news(history, event), history):
            self._say(line)

    def _begin(self, history: History) -> None:
        there = len(history.trials) - len(history.pending())
        self._say(f"{AT_WORK}: process {os.getpid()}, {there} trials have ended before")
        for sequence, request in history.requests:
            # The session itself takes a request of before it for one to an earlier session.
            if request.what == "stop" and sequence > self._plan.since:
                self._study.stop(now=request.now)


def told(news: News, history: History) -> Iterator[str]:
    """Yield each event in one line: a reason behind its start, a verdict with its trial."""
    verdicts, news.verdicts = news.verdicts, []
    pending = ""
    for line in lines(news, history):
        if line.startswith("  why: ") and pending:
            pending += f"; {line.strip()}"
            continue
        if pending:
            yield pending
        pending = line.strip()
    if pending:
        yield pending
    for verdict in verdicts:
        yield f"trial {verdict.trial} is {verdict.status}: {verdict.sentence}"


def coordinate(plan: Plan, say: Callable[[str], None]) -> int:
    """Run a study to its end; return the exit status.

    Raises:
        TrialwrightError: it can't be run.
    """
    study = opened(_place(plan), Changes(trials=plan.trials, workers=plan.workers, seed=plan.seed))
    watcher = LogWatcher(study, plan, say)
    with (
        Notifier(study.task, study.store, say) as notifier,
        Mirrors(shelves(study.task, study.folder), study.store, say) as mirrors,
    ):

        def watch(history: History, event: Event | None) -> None:
            watcher(history, event)
            notifier(history, event)
            mirrors(history, event)

        with interrupts(study, say):
            expected = estimate(study.task, study.history)
            if expected is not None:
                say(str(expected))
            history = study.run(watch, wait=say)
        report = reported(history, study.folder, say)
        if report is not None:
            say(f"report: {report}")
        if history.closed is not None:
            say(f"ended ({history.closed.reason}): {history.closed.sentence}")
        notifier.finish(history, report)
    return HOPELESS if history.closed and history.closed.reason == "failed" else DONE


def abandon(plan: Plan, why: str, say: Callable[[str], None]) -> None:
    """Tell the study's webhooks that its service gave up, if anything is left to tell it with."""
    try:
        place = _place(plan)
        task = load(place.file)
        try:
            history = place.history()
        except LedgerError:
            # It may be why: somebody should know all the same.
            history = History()
        with Notifier(task, place.store, say) as notifier:
            notifier.abandon(history, why)
    except TrialwrightError as error:
        say(f"nobody could be told: {error}")


def _place(plan: Plan) -> Place:
    return to_run(Path(plan.file), Path(plan.folder), ledger=plan.ledger)


def main() -> int:
    """Be a coordinator; the plan is the only argument."""
    plan = Plan.read(sys.argv[1])
    say = Voice(Path(plan.folder))
    try:
        return coordinate(plan, say)
    except (StudyBusy, LeaseLost) as error:
        say(f"error: {error}")
        return BUSY
    except (LedgerError, RunnerError) as error:
        say(f"error: {error}")
        return FAULT
    except TrialwrightError as error:
        say(f"error: {error}")
        return BROKEN
    except Exception:  # noqa: BLE001  # told, and judged by the supervisor
        for line in traceback.format_exc().splitlines():
            say(line)
        return CRASHED


if __name__ == "__main__":
    sys.exit(main())
