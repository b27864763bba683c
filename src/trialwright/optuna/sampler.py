"""Our team as a sampler for the user's own `study.optimize`.

It keeps no results: each time it reads the study's trials, makes a history of them, and asks the
team. What it proposes is written to the trial at once, so that other workers see it as pending.
"""

from __future__ import annotations

import logging
import secrets
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from trialwright.admission import ask
from trialwright.errors import SpaceError
from trialwright.history import History
from trialwright.optuna.attributes import PREFIX, Plain, attributes
from trialwright.optuna.space import Translation, inferred, latest, stated
from trialwright.optuna.trials import FIXED, PROPOSED, history_of
from trialwright.propose.prior import Prior
from trialwright.propose.proposer import Proposer
from trialwright.propose.team import Team, member
from trialwright.records import Proposal
from trialwright.space import Space
from trialwright.task import Member, Objective, Task

_LOG = logging.getLogger(__name__)

FIRST = (
    "No trial has shown the space yet: each parameter starts where experience puts it, and what"
    " nothing is known of is drawn at random."
)
USED_UP = "Every configuration of the space has been tried: drawn at random."


class Sampler(BaseSampler):
    """Proposals of a Trialwright team in an Optuna study, with their reasons.

    `team` holds names as in a study file, or proposers. `space` states the space at once, as a
    `Space` or as Optuna's distributions by name; without it the first trial shows it. `model` is
    the kind of model, for the expert's knowledge. `seed` fixes every draw.

    A study with one objective only. Reasons, hypothesis and predicted interval stand in the trial's
    user attributes, under `trialwright:`.

    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> study = optuna.create_study(sampler=Sampler(seed=0))
    >>> study.optimize(lambda trial: (trial.suggest_float("x", -5, 5) - 1) ** 2, n_trials=8)
    >>> study.trials[-1].user_attrs["trialwright:by"]
    'expert'
    """

    def __init__(
        self,
        team: Sequence[Member | Proposer] = ("expert",),
        *,
        space: Space | Mapping[str, BaseDistribution] | None = None,
        model: str | None = None,
        seed: int | None = None,
    ) -> None:
        self._team = tuple(team)
        self._stated = None if space is None else stated(space)
        self._model = model
        self._seed = secrets.randbits(32) if seed is None else seed
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    def reseed_rng(self) -> None:
        """Take a seed from the system, as Optuna asks for where several threads sample."""
        self._seed = secrets.randbits(32)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Say who made a trial that `enqueue_trial` made: the team may not be asked for it."""
        if trial.system_attrs.get(FIXED):
            _write(study, trial, {"rationale": "Given by `enqueue_trial`.", "by": "user"})

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the distributions that the team proposes for: the stated, else the seen ones.

        Raises:
            ValueError: the study has several objectives.
        """
        self._raise_error_if_multi_objective(study)
        translation = self._translation(_others(study, trial))
        return dict(translation.distributions) if translation is not None else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the team's proposal, and write its reasons to the trial."""
        if not search_space:
            _write(study, trial, {"rationale": FIRST, "by": "optuna"})
            return {}
        # One at a time: what a thread has proposed, the next one must see as pending.
        with self._lock:
            others = _others(study, trial)
            translation = self._translation(others)
            if translation is None:
                return {}
            task = self._task(study, translation)
            history = history_of(others, translation, task)
            return self._propose(study, trial, translation, history)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value for a parameter that the team was not asked for.

        The expert's start where no trial has had the parameter yet, else a random one.
        """
        unseen = not any(param_name in other.distributions for other in _others(study, trial))
        if "expert" in self._team and unseen:
            try:
                translation = stated({param_name: param_distribution})
            except SpaceError:
                pass  # a choice between objects that no study file can hold
            else:
                start = Prior(self._task(study, translation)).start()
                return translation.params(start)[param_name]
        seed = self._drawn(trial.number, zlib.crc32(param_name.encode()))
        chance = RandomSampler(seed=seed)
        return chance.sample_independent(study, trial, param_name, param_distribution)

    def _propose(
        self, study: Study, trial: FrozenTrial, translation: Translation, history: History
    ) -> dict[str, Any]:
        task = history.task
        sifted = ask(self._proposer(task), task, history, n=1, seed=self._drawn(trial.number))
        for notice in sifted.notices:
            _LOG.warning(notice.text)
        if not sifted.admissions:
            _write(study, trial, {"rationale": USED_UP, "by": "random"})
            return {}
        proposed = sifted.admissions[0].proposal
        params = translation.params(proposed.configuration)
        fixed = trial.system_attrs.get(FIXED, {})
        said = attributes(_besides(proposed, [name for name in params if name in fixed]))
        _write(study, trial, {**said, PROPOSED: dict(params)})
        return params

    def _translation(self, trials: Sequence[FrozenTrial]) -> Translation | None:
        return self._stated or inferred(trials, latest)

    def _task(self, study: Study, translation: Translation) -> Task:
        metrics = study.metric_names or ["value"]
        maximize = study.direction.name == "MAXIMIZE"
        objective = Objective(metric=metrics[0], direction="maximize" if maximize else "minimize")
        return Task(
            name=study.study_name,
            objective=objective,
            space=translation.space,
            model=self._model,
            team=tuple(name for name in self._team if isinstance(name, str)),
        )

    def _proposer(self, task: Task) -> Proposer:
        members = [member(one, task) if isinstance(one, str) else one for one in self._team]
        return members[0] if len(members) == 1 else Team(members)

    def _drawn(self, *path: int) -> int:
        """A seed for this trial alone: workers that share a seed draw different values."""
        return int(np.random.SeedSequence([self._seed, *path]).generate_state(1)[0])


def _others(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    return [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]


def _besides(proposed: Proposal, fixed: Sequence[str]) -> Proposal:
    """Say of a proposal which of its values somebody else has set."""
    if not fixed:
        return proposed
    said = f"{proposed.rationale} ({', '.join(fixed)}: given by `enqueue_trial`)"
    return replace(proposed, rationale=said)


def _write(study: Study, trial: FrozenTrial, said: Mapping[str, Plain]) -> None:
    for key, value in said.items():
        name = key if key.startswith(PREFIX) else PREFIX + key
        study._storage.set_trial_user_attr(trial._trial_id, name, value)
        # As `Trial.set_user_attr` does: an objective may want to print its reasons.
        trial.user_attrs[name] = value
