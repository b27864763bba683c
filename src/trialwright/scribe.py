"""What a session writes down: records into the ledger, and from them the notebook.

Records are noted in memory first and written together, so that one commit covers what belongs
together. Which records there are is for the session to say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trialwright import steering
from trialwright.analysis.blocks import due
from trialwright.errors import StaleSequence
from trialwright.history import History
from trialwright.ledger import Ledger
from trialwright.post import Post, SteadyClock
from trialwright.records import Entry, Notice, Record
from trialwright.report.notebook import write as notebook


class Scribe:
    """Keeps one session's records and its study's notebook."""

    def __init__(self, post: Post, history: History) -> None:
        self.history = history
        """With everything that was noted; another one after a door has written in between."""
        self.clock = SteadyClock()
        self._post = post
        self._noted: list[Record] = []
        self._noted_at = 0.0
        self._said: set[str] = set()
        self._ticked = 0
        """Wishes that the inbox shows as taken in."""

    # -- records

    def note(self, *records: Record) -> None:
        """Take records in at once; `write` makes them last."""
        if not self._noted:
            self._noted_at = self.clock()
        for record in records:
            self.history.extend([Entry(self.history.sequence + 1, self._noted_at, record)])
            self._noted.append(record)

    def say(self, notice: Notice) -> None:
        """Note a warning, once a session."""
        if notice.text not in self._said:
            self._said.add(notice.text)
            self.note(notice)

    def write(self) -> None:
        """Put what was noted into the ledger."""
        while self._noted:
            expected = self.history.sequence - len(self._noted)
            try:
                self._post.ledger.append(self._noted, expected, at=self._noted_at)
                self._noted = []
            except StaleSequence:
                self._rebase()

    def write_ahead(self) -> None:
        """Write before a model is waited for: doors read the ledger, and clocks go on."""
        if self._post.crew.asks_models:
            self.write()

    def _rebase(self) -> None:
        """Put what was noted behind what a door appended meanwhile."""
        noted, self._noted = self._noted, []
        self.history = History(self._post.ledger.read())
        self.note(*noted)

    # -- the notebook

    def catch_up(self) -> None:
        """Write the notebook as a session begins, if a block has ended or it is behind."""
        behind = self._post.task.block and notebook.behind(self.history, self._post.folder)
        if self._sum_up() or behind:
            self.write_notebook()
        self.tick()

    def close_blocks(self) -> None:
        """Write the notebook if a block has ended."""
        if self._sum_up():
            self.write_notebook()

    def sum_up_rest(self) -> None:
        """Close the last block, which may be short of trials, as the study ends."""
        self._sum_up(ending=True)

    def write_notebook(self) -> None:
        """Write the notebook, where the study has one."""
        if self._post.task.block is not None:
            self._keep(notebook.write)

    def listen(self) -> None:
        """Take in what people wrote: in the ledger first, since answers name the place there."""
        self.note(*steering.heard(self._post.task, self._post.folder, self.history))
        self.write()

    def tick(self) -> None:
        """Have the inbox show what was taken in."""
        if self._ticked == len(self.history.wishes):
            return
        self._ticked = len(self.history.wishes)
        self.write()
        self._keep(lambda history, _, folder: notebook.tick(history, folder))

    def _sum_up(self, *, ending: bool = False) -> bool:
        """Record the blocks that have ended, the latest summed up; say whether any has."""
        ended = None
        while (block := due(self.history, size=self._post.task.block, ending=ending)) is not None:
            ended = block
            self.note(ended)
        if ended is None:
            return False
        self.write()
        summary = self._post.crew.summarise(self.history, ended)
        self.note(*self._post.crew.told(), *([summary] if summary else []))
        self.write()
        return True

    def _keep(self, write: Callable[[History, Ledger, Path], object]) -> None:
        """Write the notebook or a part: a full disk is no reason to end the study."""
        try:
            write(self.history, self._post.ledger, self._post.folder)
        except OSError as error:
            text = f"the notebook can't be written: {error}; `trialwright notebook` writes it again"
            self.say(Notice(level="warning", topic="notebook", text=text))
