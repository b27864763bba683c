"""What an agent can know of a study so far: results, failures, readings, and a model of them.

It sorts a history for the expert. It proposes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from trialwright import knowledge
from trialwright.analysis.curves import diagnose
from trialwright.analysis.surrogate import Data, Feasibility, Surrogate, fit
from trialwright.history import History, Run, Trial
from trialwright.knowledge import MetricFacts
from trialwright.propose.credit import distrusted
from trialwright.propose.moves import Seen
from trialwright.propose.prior import Prior
from trialwright.propose.trust import trust
from trialwright.records import Cause, Diagnosis, Interval
from trialwright.space import Configuration
from trialwright.task import Task

Array = NDArray[np.float64]

REMEMBERED = 100
"""Best trials whose changes count as experience."""
LOOKED_AT = 5
"""Best trials whose curves are read."""
FEW = 4
"""Results below which their spread says little, and the metric's usual spread is taken instead."""
TOLD = 3
"""Results from which on it can be said whether a model foretells them."""
UNTOLD = 0.4
"""Share of their spread below which it does not."""
LEVEL = 0.9
"""Of predicted intervals."""

_PATIENCE = 3.0
"""Predictions that are taken to have been right before any was made."""

_NOT_ITS_FAULT: frozenset[Cause] = frozenset(
    {
        "import_error",
        "syntax_error",
        "missing_file",
        "command_not_found",
        "no_metric",
        "transient",
    }
)
"""Causes that no configuration cures: they say nothing of where runs are feasible."""


@dataclass(frozen=True)
class Evidence:
    """A history, sorted for deciding what to try next under the newest code."""

    task: Task
    history: History
    prior: Prior

    @classmethod
    def of(cls, task: Task, history: History) -> Evidence:
        """Sort a history; what the first run's log told of the data is believed beforehand."""
        done = next((trial for trial in history.trials if trial.state == "done"), None)
        run = None if done is None else _telling(done)
        told = {} if run is None or run.observation is None else run.observation.facts
        return cls(task, history, Prior(task, told))

    @property
    def sign(self) -> int:
        """+1 if larger is better, -1 if smaller is."""
        return self.task.objective.sign

    @cached_property
    def trials(self) -> list[Trial]:
        """The trials of the newest code version: those of older ones are not pooled."""
        code = self.history.code
        return [trial for trial in self.history.trials if trial.admission.code == code]

    @cached_property
    def values(self) -> dict[int, float]:
        """The value of each trial that has one, by number.

        What comes from somebody who lost all trust counts where it is good: where the rest of it
        leads nobody would go, and so far from all others it would only bend the picture.
        """
        found = {}
        for trial in self.history.done(code=self.history.code):
            value = trial.value
            if value is not None and math.isfinite(value):
                found[trial.number] = value
        doubted = distrusted(self.history) if self.history.opened else frozenset()
        theirs = {n for n in found if self.history.trials[n].proposal.by in doubted}
        if not theirs or len(theirs) == len(found):
            return found
        middle = float(np.median([self.sign * found[n] for n in found.keys() - theirs]))
        poor = {n for n in theirs if self.sign * found[n] < middle}
        return {number: value for number, value in found.items() if number not in poor}

    @cached_property
    def best(self) -> list[Trial]:
        """The trials with a value, best first; earlier ones first among equals."""
        order = sorted(self.values, key=lambda number: (-self.sign * self.values[number], number))
        return [self.history.trials[number] for number in order]

    @cached_property
    def pending(self) -> list[Trial]:
        """Queued and running trials, and those that were cancelled: not known, not to repeat."""
        going = {trial.number for trial in self.history.pending()}
        return [trial for trial in self.trials if trial.number in going]

    @cached_property
    def failed(self) -> list[Trial]:
        """Trials whose failure may lie in their configuration, or infeasible; latest first."""
        candidates = [
            trial
            for trial in reversed(self.trials)
            if trial.number not in self.values and (trial.state == "failed" or trial.breach)
        ]
        return [trial for trial in candidates if _is_its_fault(trial)]

    @cached_property
    def pruned(self) -> list[Trial]:
        """Trials that were stopped for being behind."""
        unvalued = [trial for trial in self.trials if trial.number not in self.values]
        return [trial for trial in unvalued if trial.state == "pruned"]

    @cached_property
    def heirloom(self) -> Trial | None:
        """The best trial of an earlier code version, where the newest has no result yet."""
        return None if self.values or not self.history.opened else self.history.best()

    @cached_property
    def facts(self) -> MetricFacts:
        """What is known of the metric; nothing, where the results contradict it."""
        facts = knowledge.metric_facts(self.task.objective.metric)
        values = self.values.values()
        beyond = any(
            (facts.low is not None and value < facts.low)
            or (facts.high is not None and value > facts.high)
            for value in values
        )
        return MetricFacts() if beyond else facts

    @cached_property
    def seen(self) -> Seen:
        """What moves start from."""
        shown = self.best[:LOOKED_AT]
        return Seen(
            best=self.best[:REMEMBERED],
            sign=self.sign,
            diagnoses={t.number: d for t in shown if (d := self.reading(t)) is not None},
            failed=self.failed,
            facts=self.facts,
        )

    def reading(self, trial: Trial) -> Diagnosis | None:
        """Return the diagnosis of a trial's run: as recorded, else made now."""
        run = _telling(trial)
        if run is None or run.observation is None:
            return None
        return run.diagnosis or diagnose(run.observation, self.task.objective)

    @cached_property
    def model(self) -> Surrogate | None:
        """A surrogate of the results, pending trials believed; None before the first result."""
        if not self.values:
            return None
        trials = [self.history.trials[number] for number in self.values]
        values = np.array(list(self.values.values()))
        if self.pruned:
            # All that is known of them is that they were behind: as good as the lower quartile.
            trials = trials + self.pruned
            behind = np.quantile(self.sign * values, 0.25) * self.sign
            values = np.concatenate([values, np.full(len(self.pruned), behind)])
        data = Data(
            configurations=[trial.configuration for trial in trials],
            values=values,
            sign=self.sign,
            seeds=np.array([max(len(trial.values), 1) for trial in trials], dtype=np.float64),
            noise_sd=self.noise_sd,
            scatter_sd=self.scatter_sd,
            floor=self._floor(len(self.values)),
        )
        model = fit(self.task.space, data, relevance=self.prior.relevance)
        pending = [trial.configuration for trial in self.pending]
        return model.believing(model.features.of(pending)) if pending else model

    @cached_property
    def trust(self) -> Array:
        """What is left of each belief of the prior after the results, shape (d,), from 0 to 1."""
        trials = [self.history.trials[number] for number in self.values]
        utilities = self.sign * np.array(list(self.values.values()), dtype=np.float64)
        return trust(self.prior.log_peaks([one.configuration for one in trials]), utilities)

    @cached_property
    def is_flat(self) -> bool:
        """Whether the better results differ in no way that a model of them foretells."""
        model = self.model
        return model is not None and len(self.values) >= TOLD and model.explained < UNTOLD

    @cached_property
    def noise_sd(self) -> float | None:
        """Standard deviation between seeds, pooled over replicated trials; None if there are none.

        At least three degrees of freedom, or it is worse than a guess.
        """
        groups = [list(trial.values.values()) for trial in self.best if len(trial.runs) > 1]
        groups = [group for group in groups if len(group) > 1]
        degrees = sum(len(group) - 1 for group in groups)
        if degrees < 3:
            return None
        return math.sqrt(sum(float(np.var(g)) * len(g) for g in groups) / degrees)

    @property
    def scatter_sd(self) -> float:
        """How much the objective jumps about within the best runs."""
        found = [reading.numbers.get("noise_sd", 0.0) for reading in self.seen.diagnoses.values()]
        return float(np.median(found)) if found else 0.0

    @cached_property
    def feasibility(self) -> Feasibility:
        """Where runs end well, as far as failures tell."""
        if not self.failed:
            return Feasibility()
        ran = [*self.best, *self.pruned]
        return Feasibility.fitted(
            self.task.space,
            Data(
                configurations=[trial.configuration for trial in [*ran, *self.failed]],
                values=np.array([1.0] * len(ran) + [0.0] * len(self.failed)),
            ),
        )

    @cached_property
    def tried(self) -> set[str]:
        """The configurations of all trials under the newest code, as text."""
        return {str(dict(trial.configuration)) for trial in self.trials}

    def is_new(self, configuration: Configuration) -> bool:
        """Say whether the newest code has not been tried with this configuration."""
        if not self.history.opened:
            return True
        return self.history.seen(configuration, code=self.history.code) is None

    def interval(self, configuration: Configuration) -> Interval | None:
        """Predict what one run will show; None where nothing is known of the metric."""
        if self.model is None:
            expects = self.facts.expects
            return Interval(low=expects[0], high=expects[1], level=LEVEL) if expects else None
        model = self.model
        mean, sd = model.utility(model.features.of([configuration]))
        # Student's quantile, since the model's own spread is an estimate from few results.
        quantile = float(stdtrit(len(self.values) + 1, 0.5 + LEVEL / 2))
        reach = (
            quantile
            * max(model.surprise, self.misses)
            * math.sqrt(float(sd[0]) ** 2 + model.run_noise)
        )
        ends = model.scale.to_value(np.array([mean[0] - reach, mean[0] + reach]))
        low, high = float(np.min(ends)), float(np.max(ends))
        if self.facts.low is not None:
            low, high = max(low, self.facts.low), max(high, self.facts.low)
        if self.facts.high is not None:
            low, high = min(low, self.facts.high), min(high, self.facts.high)
        return Interval(low=low, high=high, level=LEVEL)

    @cached_property
    def misses(self) -> float:
        """How much wider than foretold the expert's own errors were so far; at least 1.

        Candidates are chosen for what the model hopes of them, so there it errs more.
        """
        squares = [
            min(((value - (known.low + known.high) / 2) / ((known.high - known.low) / 2)) ** 2, 9.0)
            for number, value in self.values.items()
            if (proposal := self.history.trials[number].proposal).by == "expert"
            and (known := proposal.predicted) is not None
            and known.high > known.low
        ]
        usual = stdtrit(10, 0.5 + LEVEL / 2) ** -2
        wide = (_PATIENCE + sum(squares) / usual) / (_PATIENCE + len(squares))
        return max(1.0, math.sqrt(float(wide)))

    def _floor(self, results: int) -> float:
        if results >= FEW or self.facts.expects is None:
            return 0.0
        return 0.05 * (self.facts.expects[1] - self.facts.expects[0])


def _telling(trial: Trial) -> Run | None:
    """Return the run to read: the latest of the first seed, else any that ended."""
    ended = [run for run in trial.latest.values() if run.observation is not None]
    return next((run for run in ended if run.key.seed == 0), ended[0] if ended else None)


def _is_its_fault(trial: Trial) -> bool:
    if trial.breach:
        return True
    causes = {run.observation.cause for run in trial.latest.values() if run.observation is not None}
    return bool(causes - _NOT_ITS_FAULT - {None}) or causes == {None}
