"""What a Creator may look up while it thinks: trials, logs, influence, the optimiser's view.

Functions of plain arguments that return text, each bounded; a wrong argument is told, not raised.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from trialwright.analysis.importance import importance
from trialwright.errors import TrialwrightError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose import briefing, fence
from trialwright.propose.evidence import Evidence
from trialwright.propose.expert import Expert
from trialwright.propose.prior import Prior
from trialwright.records import RunKey
from trialwright.task import Task

MOST = 3_000
"""Characters of one answer."""

LISTED = 12
"""Trials in one list."""


class Lookup:
    """The tools of one turn."""

    def __init__(
        self,
        task: Task,
        history: History,
        log: Callable[[RunKey], str],
        rng: np.random.Generator,
    ) -> None:
        self._task = task
        self._history = history
        self._log = log
        self._rng = rng

    @property
    def tools(self) -> tuple[Callable[..., str], ...]:
        """Everything that a model may call."""
        return (
            self.show_trial,
            self.read_log,
            self.list_trials,
            self.show_influence,
            self.suggest,
            self.predict,
        )

    def show_trial(self, number: int) -> str:
        """Show one trial in full: configuration, reasons, metrics, curves, verdict."""
        if not 0 <= number < len(self._history.trials):
            return self._no_trial(number)
        return briefing.trial_in_full(self._history, self._history.trials[number])[:MOST]

    def read_log(self, number: int) -> str:
        """Read the end of a trial's log."""
        if not 0 <= number < len(self._history.trials):
            return self._no_trial(number)
        runs = self._history.trials[number].runs
        text = self._log(runs[-1].key) if runs else ""
        return fenced if (fenced := fence.fenced(text, most=MOST - 100)) and text else "no log"

    def list_trials(
        self,
        order: Literal["best", "latest"] = "best",
        state: Literal["done", "failed", "pruned", "any"] = "any",
    ) -> str:
        """List trials with values and results, by order and state."""
        found = [t for t in self._history.trials if state in ("any", t.state)]
        if order == "best":
            sign = self._task.objective.sign
            found = [trial for trial in found if trial.value is not None]
            found.sort(key=lambda trial: -sign * (trial.value or 0.0))
        else:
            found = found[::-1]
        lines = [briefing.line(self._history, trial) for trial in found[:LISTED]]
        return "\n".join(lines)[:MOST] or "none"

    def show_influence(self) -> str:
        """Say how much each parameter matters, as far as the trials tell."""
        if not self._history.done():
            return "no finished trial yet"
        return "\n".join(one.sentence for one in importance(self._history))[:MOST]

    def suggest(self) -> str:
        """Ask the optimiser for its next three trials, with what it expects of them."""
        lines = []
        for proposal in Expert()(self._task, self._history, 3, self._rng):
            guess = proposal.predicted
            expects = f" expects {guess.low:.4g} to {guess.high:.4g}" if guess else ""
            lines.append(f"{json.dumps(dict(proposal.configuration))}{expects}")
        return "\n".join(lines)[:MOST] or "nothing is left to try"

    def predict(self, configuration: dict[str, bool | int | float | str | None]) -> str:
        """Say what the optimiser expects of a whole configuration: metric, and whether it runs."""
        values: dict[str, Scalar] = dict(configuration)
        try:
            faults = self._history.space.check(values)
            if faults:
                return "; ".join(faults)[:MOST]
            values = self._history.space.canonical(values)
            evidence = Evidence(self._task, self._history, Prior(self._task))
            interval = evidence.interval(values)
            runs = _runs(evidence, values)
        except TrialwrightError as error:
            return str(error)[:MOST]
        expected = (
            f"{interval.low:.4g} to {interval.high:.4g} ({interval.level:.0%})"
            if interval
            else "nothing yet: too few results"
        )
        return f"expects {expected}; runs to its end with probability {runs:.2f}"

    def _no_trial(self, number: int) -> str:
        count = len(self._history.trials)
        return f"there is no trial {number}; there are {count}, numbered from 0"


def _runs(evidence: Evidence, configuration: Mapping[str, Scalar]) -> float:
    """The probability that a configuration runs to its end."""
    judge = evidence.feasibility
    if judge.model is None:
        return 1.0
    points = judge.model.features.of([configuration])
    return float(np.exp(judge.log_probability(points)[0]))
