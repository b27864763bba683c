"""Large files that runs leave behind: kept for the best trials, removed from the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trialwright.history import History, Trial
from trialwright.task import Keep, Objective


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
            for pattern in self._keep.files:
                for path in folder.glob(pattern):
                    _remove(path, within=folder)


def _remove(path: Path, *, within: Path) -> None:
    """Remove a file, a link, or a folder's files; never anything outside `within`."""
    if path.is_symlink():
        path.unlink(missing_ok=True)
        return
    if not path.resolve().is_relative_to(within.resolve()) or path == within:
        return
    if path.is_dir():
        for child in path.iterdir():
            _remove(child, within=within)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
