"""How a running study is watched: a live view on a terminal, plain lines, or lines of JSON.

A watcher is told of each change and says what is new in it. It decides nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self, TextIO

import typer
from rich.console import Console
from rich.text import Text

from trialwright.app.documents import Document, dumps, plain, study_document, trial_document
from trialwright.app.interrupt import tell
from trialwright.app.region import EVERY_S, SHARE, Region
from trialwright.app.view import (
    Frame,
    asked_rows,
    broken,
    configured,
    drawn,
    duration,
    frame,
    runs_of,
)
from trialwright.crew import Asking
from trialwright.execute.runner import Event, Finished, Reported
from trialwright.history import History, Run, Trial
from trialwright.post import SteadyClock
from trialwright.propose.estimate import Estimate
from trialwright.records import Notice, RunKey, Verdict

LOOK_S = 0.05
"""Seconds between looks at whether there is something to be drawn."""

PATIENCE_S = 5.0
"""What a terminal that takes nothing is waited for at the end."""


class Watcher(Protocol):
    """Told of each change; a context manager around the study's run."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, history: History, event: Event | None) -> None:
        """Take note of a change."""
        ...

    def expect(self, expected: Estimate) -> None:
        """Say what models are going to cost, before any is asked."""
        ...

    def say(self, text: str) -> None:
        """Tell the user something, also from within a signal handler."""
        ...


@dataclass(slots=True)
class News:
    """What has happened since the last look."""

    launched: list[Run] = field(default_factory=list)
    finished: list[tuple[Trial, Run]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    changes: tuple[str, ...] = ()


class Reader:
    """Tells what is new in a history, at a cost that does not grow with it."""

    def __init__(self) -> None:
        self._launched: set[RunKey] = set()
        self._notices = 0
        self._verdicts: dict[int, Verdict] = {}
        self._begun = False

    def news(self, history: History, event: Event | None) -> News:
        """Return what happened since the last call; at the first, only what goes on."""
        news = News()
        pending = history.pending()
        touched = {trial.number: trial for trial in pending}
        if isinstance(event, Finished):
            trial = history.trials[event.observation.run.trial]
            touched[trial.number] = trial
            news.finished.append((trial, history.run(event.observation.run)))
        for run in runs_of(pending):
            if run.key not in self._launched:
                self._launched.add(run.key)
                news.launched.append(run)
        news.notices = list(history.notices[self._notices :]) if self._begun else _fresh(history)
        self._notices = len(history.notices)
        # Only the trial that ended, and the best, may carry a new verdict of interest.
        for trial in (*touched.values(), *filter(None, [history.best()])):
            verdict = trial.verdict
            if verdict is not None and self._verdicts.get(trial.number) != verdict:
                self._verdicts[trial.number] = verdict
                if self._begun:
                    news.verdicts.append(verdict)
        self._begun = True
        return news


class PlainWatcher:
    """One line per event, for logs and pipes."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._reader = Reader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.flush()

    def __call__(self, history: History, event: Event | None) -> None:
        """Print what is new, a line each."""
        news = self._reader.news(history, event)
        for line in lines(news, history):
            typer.echo(line, file=self._out)

    def expect(self, expected: Estimate) -> None:
        """Print it as a line."""
        typer.echo(str(expected), file=self._out)

    def say(self, text: str) -> None:
        """Write to standard error, past any buffer that may be in use just now."""
        tell(text)


class JsonWatcher:
    """One JSON object per line and event, for scripts."""

    def __init__(self, folder: Path, out: TextIO = sys.stdout) -> None:
        self._folder = folder
        self._out = out
        self._reader = Reader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.flush()

    def __call__(self, history: History, event: Event | None) -> None:
        """Print what is new, an object each."""
        news = self._reader.news(history, event)
        for run in news.launched:
            trial = history.trials[run.key.trial]
            self._print("launched", {**_key(run.key), "proposal": plain(trial.proposal)})
        if isinstance(event, Reported):
            step, metrics = event.step, plain(event.metrics)
            self._print("reported", {**_key(event.run), "step": step, "metrics": metrics})
        for trial, run in news.finished:
            document = trial_document(trial, self._folder)
            self._print("finished", {**_key(run.key), **document})
        for verdict in news.verdicts:
            self._print("verdict", {"verdict": plain(verdict)})
        for notice in news.notices:
            self._print("notice", {"notice": plain(notice)})

    def expect(self, expected: Estimate) -> None:
        """Print its numbers, and its words."""
        self._print("estimate", {"estimate": plain(expected), "sentence": str(expected)})

    def close(self, history: History, report: Path | None) -> None:
        """Print the last line: how the study stands, and where the report is."""
        document = study_document(history, self._folder, running=False)
        self._print("closed", {**document, "report": str(report) if report else None})

    def say(self, text: str) -> None:
        """Write to standard error: standard output holds JSON only."""
        tell(text)

    def _print(self, event: str, document: Document) -> None:
        line = dumps({"event": event, "at": round(time.time(), 3), **document}, indent=None)
        typer.echo(line, file=self._out)


class LiveWatcher:
    """A view that stays at the bottom of the terminal; what has ended scrolls away above it.

    The study's thread takes frames of the history, and never writes: a terminal that does not take
    what is written, as over a slow line, holds nothing up. `asking` says which models are waited
    for.
    """

    def __init__(
        self, console: Console, asking: Callable[[], Sequence[Asking]] = lambda: ()
    ) -> None:
        self._reader = Reader()
        self._latest: dict[RunKey, Reported] = {}
        self._said = ""
        self._clock = SteadyClock()
        self._frame_at = self._metrics_at = 0.0
        """When the next frame may be taken: of an event, of metrics alone."""
        self._shot: Frame | None = None
        self._screen = Screen(console, self._rows, asking)

    def __enter__(self) -> Self:
        self._screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.end()

    def __call__(self, history: History, event: Event | None) -> None:
        """Print what has ended, and take a new frame if the last one is old enough."""
        if isinstance(event, Reported):
            self._latest[event.run] = event
        news = self._reader.news(history, event)
        for _, run in news.finished:
            self._latest.pop(run.key, None)
        news.launched.clear()
        self._screen.put(Text(text, style=style_of(text), end="") for text in lines(news, history))
        began = time.monotonic()
        due_at = self._metrics_at if isinstance(event, Reported) else self._frame_at
        if began >= due_at or history.closed is not None:
            self._shot = frame(history, self._latest)
            # Frames are cheap as long as a study is small; metrics come many times a second.
            self._frame_at = began + SHARE * (time.monotonic() - began)
            self._metrics_at = max(began + EVERY_S, self._frame_at)

    def expect(self, expected: Estimate) -> None:
        """Print it above the view."""
        self._screen.put([Text(str(expected), end="")])

    def say(self, text: str) -> None:
        """Show a line in the view; from within a signal handler, so nothing is locked here."""
        self._said = text

    def _rows(self, size: tuple[int, int], asking: Sequence[Asking]) -> list[Text]:
        shot = self._shot
        if shot is None:
            return asked_rows(asking, size[0] - 1)
        return drawn(replace(shot, foot=self._said), now=self._clock(), size=size, asking=asking)


class Screen:
    """Draws a view from a thread of its own, as often as something changes and the line is free."""

    def __init__(
        self,
        console: Console,
        rows: Callable[[tuple[int, int], Sequence[Asking]], list[Text]],
        asking: Callable[[], Sequence[Asking]] = lambda: (),
    ) -> None:
        self._region = Region(console)
        self._rows, self._asking = rows, asking
        self._above: deque[Text] = deque()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="screen", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def put(self, texts: Iterable[Text]) -> None:
        """Print lines above the view."""
        self._above.extend(texts)

    def end(self) -> None:
        """Print what is left, take the view away, and let the terminal go, if it takes that."""
        self._over.set()
        self._thread.join(PATIENCE_S)

    def _work(self) -> None:
        while not self._over.wait(LOOK_S):
            if self._region.rested:
                self._draw()
        self._draw()
        self._region.end()

    def _draw(self) -> None:
        size = self._region.size
        above: list[Text] = []
        while self._above:
            above += broken(self._above.popleft(), max(size[0] - 1, 8))
        self._region.draw(self._rows(size, self._asking()), above)


def lines(news: News, history: History) -> Iterator[str]:
    """Yield a line of plain text per event; that the code changed, before what runs under it."""
    changed = [notice for notice in news.notices if notice.topic == "code"]
    for notice in changed:
        yield f"  {notice.level}: {one_line(notice.text)}"
    for run in news.launched:
        trial = history.trials[run.key.trial]
        seed = f", seed {run.key.seed}" if run.key.seed else ""
        again = f", attempt {run.key.attempt}" if run.key.attempt else ""
        by = trial.proposal.by
        values = configured(trial.configuration, limit=0)
        yield f"trial {trial.number} started{seed}{again} ({by}): {values}"
        if trial.proposal.rationale and not run.key.seed and not run.key.attempt:
            yield f"  why: {one_line(trial.proposal.rationale)}"
    for trial, run in news.finished:
        yield _ended(trial, run, history)
    for verdict in news.verdicts:
        yield f"  {verdict.status}: {one_line(verdict.sentence)}"
    for notice in news.notices:
        if notice not in changed:
            yield f"  {notice.level}: {one_line(notice.text)}"


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())


def _ended(trial: Trial, run: Run, history: History) -> str:
    observation = run.observation
    assert observation is not None
    seed = f", seed {run.key.seed}" if run.key.seed else ""
    took = duration(observation.seconds)
    if observation.outcome == "cancelled":
        return f"trial {trial.number}{seed} interrupted after {took}: to be run again on resume"
    head = f"trial {trial.number}{seed} {observation.outcome} in {took}"
    if observation.value is not None:
        head += f": {history.task.objective.metric} = {observation.value:.6g}"
    if observation.cause is not None:
        head += f": {observation.cause.replace('_', ' ')}: {one_line(observation.detail)}"
    elif run.diagnosis is not None:
        head += f" ({one_line(run.diagnosis.sentence)})"
    return head


def _fresh(history: History) -> list[Notice]:
    """What was noted before the first look, and holds from now on: that the code has changed."""
    told = [notice for notice in history.notices if notice.topic == "code"]
    ended = any(
        run.observation is not None and (run.launch.code or trial.admission.code) == history.code
        for trial in history.trials
        for run in trial.runs
    )
    return [] if ended else told[-1:]


def _key(run: RunKey) -> Document:
    return {"trial": run.trial, "seed_index": run.seed, "attempt": run.attempt}


def style_of(line: str) -> str:
    """Return the colour of a line; it repeats what the words say."""
    if " failed in " in line or line.startswith("  error"):
        return "red"
    if line.startswith("  warning"):
        return "yellow"
    return "green" if line.startswith("  kept") else ""
