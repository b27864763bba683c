"""A history as Optuna sees it: an in-memory study that its samplers can be asked over.

The mirror is a view, never a record: it can be thrown away and built again. It holds the trials of
one code version, pending ones as running (so that constant liars see them), pruned ones with where
they stood. It knows no sampler.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from trialwright.expression import Scalar
from trialwright.history import Trial
from trialwright.propose.distributions import to_distributions
from trialwright.records import Observation
from trialwright.space import Configuration
from trialwright.task import Task

Told = tuple[TrialState, float | None]
"""What a mirror holds of a trial: its state, and its value if it has one."""


class Mirror:
    """An in-memory Optuna study that follows some trials of a history.

    Inactive parameters are told at a neutral value, since Optuna's models want every parameter in
    every trial; where good and bad trials share it, it tells nothing.
    """

    def __init__(self, task: Task) -> None:
        self.space = task.space
        self._objective = task.objective
        self._distributions: Mapping[str, BaseDistribution] = to_distributions(task.space)
        self._neutral = {p.name: p.from_unit(0.5) for p in task.space.parameters}
        self._storage = InMemoryStorage()
        with quiet():
            self._study = optuna.create_study(
                storage=self._storage, direction=task.objective.direction
            )
        self._id = self._storage.get_study_id_from_name(self._study.study_name)
        self._ids: dict[int, int] = {}
        self._told: dict[int, Told] = {}
        self._marks: dict[int, tuple[int, bool]] = {}
        self._spent = 0

    @property
    def worn(self) -> bool:
        """Whether more draws than trials lie in the study: time to build it anew."""
        return self._spent > 2 * len(self._ids) + 100

    def follow(self, trials: Sequence[Trial], pending: set[int]) -> bool:
        """Take in what is new; False if something that was told has changed, so that it can't.

        A trial is looked at only if it was or is pending, or has runs that were not there before:
        following 10,000 trials costs milliseconds.
        """
        for trial in trials:
            number = trial.number
            mark = (len(trial.runs), number in pending)
            if self._marks.get(number) == mark and not mark[1]:
                continue
            self._marks[number] = mark
            told, now = self._told.get(number), _told(trial)
            if told is None:
                self._ids[number] = self._add(trial, now)
            elif told != now:
                if told[0] is not TrialState.RUNNING:
                    return False
                self._finish(self._ids[number], trial, now)
            self._told[number] = now
        return True

    def draw(
        self, sampler: BaseSampler, besides: Sequence[Configuration] = ()
    ) -> dict[str, Scalar]:
        """Ask `sampler` for a configuration, with `besides` as further running trials.

        It is canonical, with floats as readable as those of `Space.decode`; constraints not asked.
        """
        self._study.sampler = sampler
        running = [self._create(c, (TrialState.RUNNING, None)) for c in besides]
        with quiet():
            asked = self._study.ask(fixed_distributions=dict(self._distributions))
            drawn = self.space.canonical(asked.params)
        # No sampler looks at failed trials, so a draw leaves nothing behind but its number.
        drew = self._storage.get_trial_id_from_study_id_trial_number(self._id, asked.number)
        for spent in [*running, drew]:
            self._storage.set_trial_state_values(spent, TrialState.FAIL)
            self._spent += 1
        return self.space.decode(self.space.encode([drawn])[0])

    def _add(self, trial: Trial, told: Told) -> int:
        return self._create(trial.configuration, told, step=_last_point(trial, told, self._metric))

    def _create(
        self, configuration: Configuration, told: Told, step: tuple[int, float] | None = None
    ) -> int:
        state, value = told
        frozen = create_trial(
            state=state,
            value=value,
            params={**self._neutral, **configuration},
            distributions=dict(self._distributions),
            intermediate_values=dict([step] if step else []),
        )
        return self._storage.create_new_trial(self._id, template_trial=frozen)

    def _finish(self, identity: int, trial: Trial, told: Told) -> None:
        state, value = told
        point = _last_point(trial, told, self._metric)
        if point:
            self._storage.set_trial_intermediate_value(identity, *point)
        if state is not TrialState.RUNNING:
            values = None if value is None else [value]
            self._storage.set_trial_state_values(identity, state, values)

    @property
    def _metric(self) -> str:
        return self._objective.metric


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's remarks out of the user's terminal while it works for us."""
    logger = logging.getLogger("optuna")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _told(trial: Trial) -> Told:
    value = trial.value
    if value is not None and math.isfinite(value):
        return TrialState.COMPLETE, value
    match trial.state:
        case "queued" | "running":
            return TrialState.RUNNING, None
        case "pruned":
            return TrialState.PRUNED, None
        case _:
            return TrialState.FAIL, None


def _last_point(trial: Trial, told: Told, metric: str) -> tuple[int, float] | None:
    """Where a pruned trial stood at its end: all that Optuna ranks it by."""
    if told[0] is not TrialState.PRUNED:
        return None
    shown = [run.observation for run in trial.latest.values() if run.observation is not None]
    points = [point for one in shown if one.outcome == "pruned" for point in _points(one, metric)]
    return max(points, default=None)


def _points(observation: Observation, metric: str) -> list[tuple[int, float]]:
    curve = observation.curve.points(metric)
    return [(int(step), value) for step, value in curve if math.isfinite(value)]
