"""`status --watch`: the live view of a study that runs elsewhere, read from its ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from trialwright.app.live import News, Screen, lines, style_of
from trialwright.app.place import Place, to_read
from trialwright.app.view import Frame, drawn, frame
from trialwright.crew import Asking
from trialwright.history import History
from trialwright.ledger import Ledger
from trialwright.post import SteadyClock
from trialwright.records import Entry, Launch, Notice, Observation, Verdict

LOOK_S = 0.5
"""Seconds between looks at the ledger."""

GOING_S = 3.0
"""Seconds between looks at whether anybody runs the study."""

STILL = "no process is running this study; `trialwright run` resumes it"


def watch(study: Path | None, *, plain: bool = False) -> None:
    """Show a study as it goes on, until it ends or Ctrl-C; as plain lines without a terminal.

    Raises:
        TrialwrightError: there is no such study, or its ledger can't be read.
    """
    place = to_read(study)
    console = Console()
    live = console.is_interactive and not plain
    with closing(place.store.open()) as ledger:
        follower = _Follower(place, ledger)
        try:
            if live:
                _on_screen(follower, console)
            else:
                _in_lines(follower)
        except KeyboardInterrupt:
            # It is how one stops looking; the study is not touched.
            pass
    closed = follower.history.closed
    if closed is not None and not follower.going:
        typer.echo(closed.sentence)


def _on_screen(follower: _Follower, console: Console) -> None:
    clock = SteadyClock()

    def rows(size: tuple[int, int], asking: Iterable[Asking]) -> list[Text]:
        return drawn(follower.shot, now=clock(), size=size, asking=tuple(asking))

    screen = Screen(console, rows)
    screen.start()
    try:
        more = True
        while more:
            more = follower.look()
            news = follower.news
            news.launched.clear()
            told = lines(news, follower.history)
            screen.put(Text(text, style=style_of(text), end="") for text in told)
            time.sleep(LOOK_S if more else 0.0)
    finally:
        screen.end()


def _in_lines(follower: _Follower) -> None:
    more = True
    while more:
        more = follower.look()
        for text in lines(follower.news, follower.history):
            typer.echo(text)
        if more:
            time.sleep(LOOK_S)


class _Follower:
    """Reads a ledger as it grows."""

    def __init__(self, place: Place, ledger: Ledger) -> None:
        self._place, self._ledger = place, ledger
        self.history = History(ledger.read())
        self.news = News()
        for trial in self.history.pending():
            self.news.launched += [run for run in trial.runs if run.observation is None]
        self.going = place.store.going()
        self._looked_at = time.monotonic()
        self._first = True
        self.shot = self._taken()

    def look(self) -> bool:
        """Take in what is new; return whether there may be more to come."""
        if self._first:
            self._first = False
        else:
            entries = self._ledger.read(self.history.sequence)
            self.history.extend(entries)
            self.news = _news(entries, self.history)
        closed = self.history.closed is not None
        if closed or time.monotonic() - self._looked_at > GOING_S:
            self._looked_at = time.monotonic()
            self.going = self._place.store.going()
        self.shot = self._taken()
        return not closed or bool(self.going)

    def _taken(self) -> Frame:
        still = not self.going
        return replace(frame(self.history, {}, STILL if still else ""), still=still)


def _news(entries: Iterable[Entry], history: History) -> News:
    """What entries tell, in the words of whoever runs the study."""
    news = News()
    for entry in entries:
        match entry.record:
            case Launch(run=run):
                news.launched.append(history.run(run))
            case Observation(run=run):
                news.finished.append((history.trials[run.trial], history.run(run)))
            case Verdict() as verdict:
                news.verdicts.append(verdict)
            case Notice() as notice:
                news.notices.append(notice)
            case _:
                pass
    return news
