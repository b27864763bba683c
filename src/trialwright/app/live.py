"""How a running study is watched: a live view on a terminal, plain lines, or lines of JSON.

A watcher is told of each change and says what is new in it. It decides nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self, TextIO

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trialwright.app.documents import Document, dumps, plain, study_document, trial_document
from trialwright.app.interrupt import tell
from trialwright.execute.runner import Event, Finished, Reported
from trialwright.expression import Scalar
from trialwright.history import History, Run, Trial
from trialwright.propose.estimate import Estimate
from trialwright.records import Notice, RunKey, Verdict

REFRESH_S = 0.15
"""Seconds between drawings: a study of fast runs must not be slowed by its picture."""


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
        for run in _going(pending):
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
    """A view that stays at the bottom of the terminal; what has ended scrolls away above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._reader = Reader()
        self._latest: dict[RunKey, Reported] = {}
        self._said = ""
        self._drawn_at = 0.0
        # Drawn by hand, from the study's own thread: the history is not to be read in another.
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, history: History, event: Event | None) -> None:
        """Print what has ended, and draw the view anew if it is old enough."""
        if isinstance(event, Reported):
            self._latest[event.run] = event
        news = self._reader.news(history, event)
        for _, run in news.finished:
            self._latest.pop(run.key, None)
        news.launched.clear()
        for line in lines(news, history):
            self._console.print(Text(line, style=_style(line), overflow="fold"))
        if event is None or news.finished or time.monotonic() - self._drawn_at > REFRESH_S:
            self._drawn_at = time.monotonic()
            self._live.update(view(history, self._latest, self._said), refresh=True)

    def expect(self, expected: Estimate) -> None:
        """Print it above the view."""
        self._console.print(Text(str(expected), overflow="fold"))

    def say(self, text: str) -> None:
        """Show a line in the view from its next drawing on, which is at most a second away."""
        self._said = text


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


def view(history: History, latest: Mapping[RunKey, Reported], said: str) -> RenderableType:
    """Return the live view: where the study stands, what runs, the best and why."""
    parts: list[RenderableType] = [_standing(history)]
    going = list(_going(history.pending()))
    if going:
        parts.append(_running(going, latest, history))
    best = history.best()
    if best is not None:
        parts.append(_best(best, history))
    if said:
        parts.append(Text(said, style="yellow"))
    return Group(*parts)


def configured(configuration: Mapping[str, Scalar], *, limit: int = 0) -> str:
    """Return `lr=0.01 depth=3`, cut after `limit` characters if that is not 0."""
    text = " ".join(f"{name}={_short(value)}" for name, value in configuration.items())
    return text if not limit or len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())


def duration(seconds: float) -> str:
    """Return `4.2 s`, `3 min 5 s` or `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


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


def _standing(history: History) -> Text:
    task = history.task
    seconds = history.seconds + max(time.time() - history.updated_at, 0.0)
    done = len(history.finished())
    total = task.budget.trials
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(task.name, style="bold")
    text.append(f"  {task.objective.direction} {task.objective.metric}  ")
    if total:
        filled = min(round(20 * done / total), 20)
        text.append("━" * filled, style="green")
        text.append("━" * (20 - filled), style="bright_black")
        text.append(f" {done}/{total} trials")
    else:
        text.append(f"{done} trials")
    text.append(f"  {duration(seconds)}")
    left = _left(history, seconds)
    if left:
        text.append(f"  {left}", style="bright_black")
    return text


def _left(history: History, seconds: float) -> str:
    """The time left by the budget, or what the trials so far make of the rest."""
    budget = history.task.budget
    parts = []
    done = len(history.finished())
    if budget.trials is not None and done:
        rest = max(budget.trials - done, 0) * seconds / done
        parts.append(f"about {duration(rest)} left")
    if budget.time_s is not None:
        parts.append(f"{duration(max(budget.time_s - seconds, 0))} of the time budget left")
    return ", ".join(parts)


def _running(going: Iterable[Run], latest: Mapping[RunKey, Reported], history: History) -> Table:
    rows = [_row(run, latest.get(run.key), history) for run in list(going)[:8]]
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, expand=False)
    # On a narrow terminal the configuration gives way, nothing else.
    for cells in zip(*(row[:3] for row in rows), strict=True):
        table.add_column(no_wrap=True, min_width=max(map(len, cells)))
    table.add_column(no_wrap=True, overflow="ellipsis", style="bright_black")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _row(run: Run, reported: Reported | None, history: History) -> tuple[str, ...]:
    seed = f" seed {run.key.seed}" if run.key.seed else ""
    return (
        f"▶ trial {run.key.trial}{seed}",
        duration(max(time.time() - run.launched_at, 0.0)),
        _metric(reported, history),
        configured(history.trials[run.key.trial].configuration),
    )


def _metric(reported: Reported | None, history: History) -> str:
    if reported is None:
        return ""
    metric = history.task.objective.metric
    name = metric if metric in reported.metrics else next(iter(reported.metrics), "")
    if not name:
        return ""
    return f"{name} {reported.metrics[name]:.5g} @ {reported.step:g}"


def _best(best: Trial, history: History) -> Text:
    text = Text(overflow="fold")
    text.append(f"★ best: trial {best.number}", style="bold green")
    text.append(f"  {history.task.objective.metric} = {best.value:.6g}")
    text.append(f"  {configured(best.configuration)}", style="bright_black")
    if best.proposal.rationale:
        text.append(f"\n  {one_line(best.proposal.rationale)}")
    return text


def _going(pending: Iterable[Trial]) -> Iterator[Run]:
    for trial in pending:
        for run in trial.runs:
            if run.observation is None:
                yield run


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


def _short(value: Scalar) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _style(line: str) -> str:
    if " failed in " in line or line.startswith("  error"):
        return "red"
    if line.startswith("  warning"):
        return "yellow"
    return "green" if line.startswith("  kept") else ""
