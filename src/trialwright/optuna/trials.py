"""Optuna trials as what we record of runs, and an Optuna study as a history to propose over.

In the history every trial has the number that it has in Optuna, so that what is said of "trial 7"
is said of Optuna's trial 7. A trial that says nothing (its parameters do not fit, or it repeats
another's and so counts as one more seed of that) stands there as an interrupted run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from optuna.trial import FrozenTrial, TrialState

from trialwright import __version__
from trialwright.analysis.compare import judge
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.optuna.attributes import PREFIX, proposal
from trialwright.optuna.space import Translation
from trialwright.records import (
    UNKNOWN_SEED,
    Admission,
    CodeVersion,
    Curve,
    Entry,
    Launch,
    Observation,
    Opened,
    Proposal,
    Record,
    RunKey,
)
from trialwright.task import Task

PROPOSED = PREFIX + "proposed"
"""The attribute that holds what was proposed, until the trial's own parameters are there."""

FIXED = "fixed_params"
"""Where Optuna keeps what `enqueue_trial` was given."""

_CODE = CodeVersion(id="optuna")


def history_of(trials: Sequence[FrozenTrial], translation: Translation, task: Task) -> History:
    """Return the history that an Optuna study's trials make; running ones are pending in it.

    `trials` may lack some, such as the one that is being proposed.
    """
    told = _Told(task, translation)
    for trial in sorted(trials, key=lambda trial: trial.number):
        told.take(trial)
    return told.history


def proposal_of(trial: FrozenTrial, configuration: Mapping[str, Scalar]) -> Proposal:
    """Return the proposal that a trial tells of, whether we sampled it or exported it."""
    return proposal({**trial.system_attrs, **trial.user_attrs}, configuration)


def params_of(trial: FrozenTrial) -> dict[str, object]:
    """Return what is known of a trial's parameters, also before it has suggested them all."""
    if trial.state.is_finished():
        return dict(trial.params)
    proposed = trial.user_attrs.get(PROPOSED)
    known = proposed if isinstance(proposed, Mapping) else {}
    return {**known, **trial.system_attrs.get(FIXED, {}), **trial.params}


def observation_of(trial: FrozenTrial, run: RunKey, metric: str) -> Observation:
    """Return what a finished trial showed.

    A value that is not finite, or that breaks the trial's constraints, is a failure.
    """
    value = trial.value if trial.state is TrialState.COMPLETE else None
    curve = _curve(trial, metric)
    seconds = trial.duration.total_seconds() if trial.duration is not None else 0.0
    observed = Observation(
        run=run,
        outcome="done",
        metrics={} if value is None else {metric: value},
        curve=curve,
        seconds=max(seconds, 0.0),
    )
    broken = {name: by for name, by in trial.constraints.items() if by > 0}
    if trial.state is TrialState.PRUNED:
        return replace(observed, outcome="pruned")
    if value is None:
        reason = str(trial.system_attrs.get("fail_reason", "Optuna does not say why"))
        return replace(observed, outcome="failed", cause="other", detail=reason)
    if not math.isfinite(value):
        detail = f"the objective returned {value}"
        return replace(observed, outcome="failed", cause="diverged", detail=detail)
    if broken:
        detail = "breaks constraints: " + ", ".join(f"{n} by {by:g}" for n, by in broken.items())
        return replace(observed, outcome="failed", cause="other", detail=detail)
    return replace(observed, value=value)


class _Told:
    """A history that grows by one Optuna trial at a time."""

    def __init__(self, task: Task, translation: Translation) -> None:
        self.history = History()
        self._translation = translation
        self._metric = task.objective.metric
        self._note(Opened(task=task, seed=0, version=__version__), _CODE)

    def take(self, trial: FrozenTrial) -> None:
        """Take in the next trial, and stand in for those that are not shown."""
        while len(self.history.trials) < trial.number:
            self._stand_in({})
        configuration = self._translation.configuration(params_of(trial))
        if self._translation.space.check(configuration):
            self._stand_in(configuration)
        elif not trial.state.is_finished():
            self._admit(proposal_of(trial, configuration))
        else:
            self._observe(trial, configuration)

    def _observe(self, trial: FrozenTrial, configuration: Mapping[str, Scalar]) -> None:
        observed = observation_of(trial, RunKey(trial.number, 0, 0), self._metric)
        repeated = self.history.seen(configuration, code=_CODE.id)
        if repeated is not None and observed.outcome == "done":
            first = self.history.trials[repeated]
            if first.state == "done":
                self._stand_in(configuration)
                self._run(replace(observed, run=RunKey(repeated, len(first.runs), 0)))
                return
        self._admit(proposal_of(trial, configuration))
        self._run(observed)

    def _admit(self, proposed: Proposal) -> None:
        number = len(self.history.trials)
        against = proposed.hypothesis.against if proposed.hypothesis is not None else None
        if any(
            other is not None and not 0 <= other < number for other in (proposed.parent, against)
        ):
            proposed = replace(proposed, parent=None, hypothesis=None)
        self._note(Admission(number=number, proposal=proposed, code=_CODE.id))

    def _run(self, observed: Observation) -> None:
        trial = self.history.trials[observed.run.trial]
        self._note(launch(observed.run), observed)
        self._note(judge(trial, self.history))

    def _stand_in(self, configuration: Mapping[str, Scalar]) -> None:
        number = len(self.history.trials)
        key = RunKey(number, 0, 0)
        self._note(
            Admission(
                number=number,
                proposal=Proposal(configuration=configuration, by="optuna"),
                code=_CODE.id,
            ),
            launch(key),
            # A cause that no proposer holds against a configuration.
            Observation(run=key, outcome="failed", cause="transient"),
        )

    def _note(self, *records: Record) -> None:
        for record in records:
            self.history.extend([Entry(self.history.sequence + 1, 0.0, record)])


def launch(run: RunKey) -> Launch:
    """Return the launch of a run that Optuna started: command, machine and seed are not known."""
    return Launch(run=run, seed=UNKNOWN_SEED, command=(), machine="")


def _curve(trial: FrozenTrial, metric: str) -> Curve:
    points = sorted(trial.intermediate_values.items())
    if not points:
        return Curve()
    steps = tuple(float(step) for step, _ in points)
    return Curve(steps=steps, series={metric: tuple(float(value) for _, value in points)})
