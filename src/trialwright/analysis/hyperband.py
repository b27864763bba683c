"""Optuna's Hyperband as a pruning rule: Li et al., Hyperband (JMLR 2018).

It knows Optuna; `pruning` knows the rest. Trials are dealt to brackets of different patience.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

from optuna.pruners import HyperbandPruner
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import Trial, TrialState

from trialwright.task import Prune

NAME = "hyperband"
"""Brackets are dealt by this and the trial's number: the same again after a resume."""


class Hyperband:
    """Hyperband over an in-memory study that lives as long as a session."""

    def __init__(self, prune: Prune) -> None:
        storage = InMemoryStorage()
        with _quiet():
            storage.create_new_study([StudyDirection.MAXIMIZE], NAME)
        self._study = Study(
            NAME,
            storage,
            sampler=RandomSampler(seed=0),
            pruner=HyperbandPruner(
                min_resource=max(prune.first, 1),
                max_resource=prune.last if prune.last is not None else "auto",
                reduction_factor=max(prune.factor, 2),
            ),
        )
        self._trials: list[Trial] = []
        self._last: dict[int, tuple[int, float]] = {}

    def report(self, trial: int, step: float, score: float) -> bool | None:
        """Take in a score at a step, larger being better; say whether the trial should stop.

        None at a step that is not judged.
        """
        whole = math.floor(step)
        if whole < 0 or whole <= self._last.get(trial, (-1, 0.0))[0]:
            return None  # Optuna counts whole steps, each once
        self._last[trial] = whole, score
        while len(self._trials) <= trial:
            self._trials.append(self._study.ask())
        self._trials[trial].report(math.nan if score == -math.inf else score, whole)
        return self._trials[trial].should_prune()

    def finish(self, trial: int, *, completed: bool) -> None:
        """Take in that a trial has ended; the length of completed ones stands in for `last`."""
        if trial not in self._last:
            return
        _, score = self._last.pop(trial)
        if completed and math.isfinite(score):
            self._study.tell(trial, score)
        else:
            self._study.tell(trial, state=TrialState.FAIL)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing the study on the standard error of whoever imports us."""
    log = logging.getLogger(InMemoryStorage.__module__)
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
