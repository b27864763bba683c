"""A run's folder at home while the run is on a node that does not share it: log and files, brought.

It knows what a worker tells (`rayworker`), and no cluster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from trialwright.execute.rayworker import Found, News
from trialwright.execute.runlog import LogFiles
from trialwright.execute.runner import Order
from trialwright.execute.underway import EXIT
from trialwright.records import Observation

BRING_BYTES = 256 << 20
"""What is brought home of one run's folder, besides its log."""


class Home:
    """The folder of one run here. `away` is what it is called on the node; None: it is shared."""

    def __init__(self, order: Order, *, away: Path | None = None) -> None:
        self._order = order
        self._away = away
        self._files = LogFiles(order.folder)
        self.log_at: int | None = None if away is None else 0
        """How much of the log is here; None where the node writes the very file."""

    @property
    def distant(self) -> bool:
        """Whether the run's files have to be brought."""
        return self._away is not None

    def clear(self) -> None:
        """Remove what an earlier run of that name left."""
        files = self._files
        own = (files.log, files.metrics, files.cut, files.counted, self._order.folder / EXIT)
        for path in own:
            path.unlink(missing_ok=True)

    def take(self, news: News) -> None:
        """Write down what the log has grown by."""
        if self.log_at is None or (not news.log and news.at == self.log_at):
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._files.log, flags, 0o644)
        try:
            os.ftruncate(descriptor, news.at)
            os.pwrite(descriptor, news.log, news.at)
        finally:
            os.close(descriptor)
        self.log_at = news.at + len(news.log)

    def bring(
        self,
        found: Sequence[Found],
        read: Callable[[str, int], bytes],
        *,
        most_bytes: int = BRING_BYTES,
    ) -> tuple[str, ...]:
        """Fetch what lies in the folder there; return a warning for what is too large.

        The record of the run's end comes last: what has it is complete.
        """
        files = self._files
        own = {files.metrics.name, files.cut.name, files.counted.name, EXIT}
        left, spare = [], most_bytes
        self._finish_log({file.name for file in found}, read)
        for file in sorted(found, key=lambda file: (file.name == EXIT, file.size)):
            if file.name == self._files.log.name:
                continue
            if file.name not in own and file.size > spare:
                left.append(file)
                continue
            spare -= 0 if file.name in own else file.size
            self._fetch(file, read)
        if not left:
            return ()
        size = sum(file.size for file in left) / 2**20
        return (
            f"{len(left)} files of the run's folder ({size:.0f} MiB, {left[0].name} first) were too"
            " large to be brought from their node and are gone: share the study's folder among the"
            " nodes, or let the script keep them elsewhere",
        )

    def translated(self, observation: Observation, *, warnings: tuple[str, ...]) -> Observation:
        """Return an observation that speaks of the folder here."""
        there, here = str(self._away), str(self._order.folder)
        return replace(
            observation,
            detail=observation.detail.replace(there, here),
            log_tail=observation.log_tail.replace(there, here),
            warnings=(*(w.replace(there, here) for w in observation.warnings), *warnings),
        )

    def _finish_log(self, names: set[str], read: Callable[[str, int], bytes]) -> None:
        """Complete the log in place: somebody may be following it."""
        log = self._files.log.name
        if self._files.cut.name in names:
            self.log_at = 0
        while log in names and (content := read(log, self.log_at or 0)):
            self.take(News((), self.log_at or 0, content))

    def _fetch(self, file: Found, read: Callable[[str, int], bytes]) -> None:
        target = (self._order.folder / file.name).resolve()
        if not target.is_relative_to(self._order.folder.resolve()):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        with part.open("wb") as copy:
            while content := read(file.name, copy.tell()):
                copy.write(content)
        part.chmod(file.mode)
        part.replace(target)
