"""What runs leave behind: large files and old folders, kept for the best, removed from others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from trialwright.history import History, Trial
from trialwright.process.below import below, remove
from trialwright.research.workshop import matches
from trialwright.task import Keep, Objective

DEEPEST = 32
"""Folders in each other in which large files are looked for."""


class Keeper:
    """Holds the files of the best `keep.trials` trials; each trial costs the same to settle."""

    def __init__(
        self,
        keep: Keep,
        objective: Objective,
        *,
        folders: Callable[[Trial], list[Path]],
    ) -> None:
        self._keep = keep
        self._objective = objective
        self._folders = folders
        self._holders: list[int] = []

    @property
    def holders(self) -> frozenset[int]:
        """The trials whose files are kept, by number."""
        return frozenset(self._holders)

    def settle(self, trial: Trial, history: History) -> None:
        """Take in a trial that has ended, and remove the files of whoever falls behind."""
        if not self._keep.files:
            return
        if trial.value is None:
            self._clean(trial)
            return
        numbers = {*self._holders, trial.number}
        ranked = sorted((history.trials[number] for number in numbers), key=self._rank)
        for loser in ranked[self._keep.trials :]:
            self._clean(loser)
        self._holders = [holder.number for holder in ranked[: self._keep.trials]]

    def _rank(self, trial: Trial) -> tuple[float, int]:
        # A holder whose replicate failed has lost its value: it goes last.
        worst = float("inf")
        value = trial.value
        return (-self._objective.sign * value if value is not None else worst, trial.number)

    def _clean(self, trial: Trial) -> None:
        for folder in self._folders(trial):
            for path in _matching(folder, self._keep.files):
                # What can't be removed now is no reason to end the study.
                with suppress(OSError):
                    remove(path)


class Folders:
    """Holds the folders of the latest `keep.runs` runs, and of as many that failed.

    Never removed are those of the best, of whatever is kept or unconfirmed, of what these were
    held against, of trials whose large files are kept, and of those that go on. A trial costs the
    same to settle at any length.
    """

    def __init__(self, keep: Keep, *, folders: Callable[[Trial], list[Path]]) -> None:
        self._most = keep.runs
        self._folders = folders
        self._well: dict[int, int] = {}
        """Runs of each trial, the trial that ended last behind the others."""
        self._failed: dict[int, int] = {}

    def settle(self, trial: Trial, history: History, *, holders: frozenset[int]) -> None:
        """Take in a trial that has ended, and remove the oldest folders that are too many.

        `holders`: the trials whose large files are kept.
        """
        if self._most is None:
            return
        for queue in (self._well, self._failed):
            queue.pop(trial.number, None)
        queue = self._failed if trial.state == "failed" else self._well
        queue[trial.number] = len(trial.runs)
        excess = sum(queue.values()) - self._most
        if excess <= 0:
            return
        spared = _spared(history) | holders
        for number in [number for number in queue if number not in spared]:
            if excess <= 0:
                break
            excess -= queue.pop(number)
            for folder in self._folders(history.trials[number]):
                # What can't be removed now is no reason to end the study.
                with suppress(OSError):
                    remove(folder)


def shortage(folder: Path, floor_bytes: int | None) -> str:
    """Say that less than `floor_bytes` is free where `folder` is; '' if enough is, or none asked.

    The words are the same whatever is free, so that they are told once.
    """
    if floor_bytes is None or shutil.disk_usage(folder).free >= floor_bytes:
        return ""
    return (
        f"less than {floor_bytes / 2**30:.4g} GiB (runner.disk_floor) are free at {folder}: nothing"
        " is launched until there is more; free some, and run it again to resume"
    )


def _spared(history: History) -> set[int]:
    """The trials whose folders stay."""
    favoured = history.favoured()
    against = [trial.verdict.against for trial in favoured if trial.verdict is not None]
    best = history.best()
    return {
        *(trial.number for trial in favoured),
        *(number for number in against if number is not None),
        *(trial.number for trial in history.pending()),
        *([best.number] if best is not None else []),
    }


def _matching(folder: Path, globs: Sequence[str]) -> list[Path]:
    """What of a run's folder matches, whatever is in the folder; links are not followed."""
    top = f"{folder}{os.sep}"
    names = (entry.path.removeprefix(top) for entry in below(folder))
    return [
        folder / name
        for name in names
        if name.count(os.sep) < DEEPEST and any(matches(name, glob) for glob in globs)
    ]
