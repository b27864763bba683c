"""What a Creator may look up while it thinks: trials, logs, influence, the optimiser's view.

Functions of plain arguments that return text, each bounded; a wrong argument is told, not raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from trialwright.analysis.importance import importance
from trialwright.emit import TAG
from trialwright.errors import TrialwrightError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose import fence, notebook, outlook, sheet
from trialwright.propose.evidence import Evidence
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
        """Everything that a model may call; the notebook where the study keeps one."""
        usual = (
            self.show_trial,
            self.read_log,
            self.list_trials,
            self.show_influence,
            self.suggest,
            self.predict,
        )
        kept = notebook.kept(self._task, self._history)
        return (*usual, self.search_notebook) if kept else usual

    def show_trial(self, number: int) -> str:
        """A trial in full: reasons, claim, metrics, curves, verdict."""
        if not 0 <= number < len(self._history.trials):
            return self._no_trial(number)
        return sheet.in_full(self._history, self._history.trials[number])[:MOST]

    def read_log(self, number: int) -> str:
        """The end of a trial's log."""
        if not 0 <= number < len(self._history.trials):
            return self._no_trial(number)
        runs = self._history.trials[number].runs
        text = self._log(runs[-1].key) if runs else ""
        said = _unreported(text).strip()
        if text and not said:
            return "the log has nothing but the numbers that were reported"
        return fence.fenced(said, most=MOST - 100) if said else "no log"

    def list_trials(
        self,
        order: Literal["best", "latest"] = "best",
        state: Literal["done", "failed", "pruned", "any"] = "any",
    ) -> str:
        """Trials with values and results."""
        found = [t for t in self._history.trials if state in ("any", t.state)]
        if order == "best":
            sign = self._task.objective.sign
            found = [trial for trial in found if trial.value is not None]
            found.sort(key=lambda trial: -sign * (trial.value or 0.0))
        else:
            found = found[::-1]
        lines = [sheet.line(self._history, trial, curves=False) for trial in found[:LISTED]]
        return "\n".join(lines)[:MOST] or "none"

    def show_influence(self) -> str:
        """What the trials tell of each parameter."""
        if not self._history.done():
            return "no finished trial yet"
        found = importance(self._history)
        lines = [f"{one.parameter}: {one.sentence}" for one in found if one.varied]
        still = [one.parameter for one in found if not one.varied]
        lines += [f"Never varied, so nothing is known: {', '.join(still)}."] if still else []
        return "\n".join(lines)[:MOST]

    def search_notebook(self, words: str) -> str:
        """Claims with their evidence, notes, summaries, reasons that mention words."""
        found = notebook.search(self._history, words, most=MOST - 100)
        return fence.fenced(found, most=MOST - 50) if found else "nothing mentions that"

    def suggest(self) -> str:
        """The optimiser's next three trials."""
        lines = outlook.suggestions(self._task, self._history, 3, self._rng)
        return "\n".join(lines)[:MOST] or "nothing is left to try"

    def predict(self, configuration: dict[str, Any]) -> str:
        """What the optimiser expects of values; left out ones are the best trial's."""
        try:
            values = self._completed(configuration)
            faults = self._history.space.check(values)
            if faults:
                return "; ".join(faults)[:MOST]
            values = self._history.space.canonical(values)
            evidence = Evidence.of(self._task, self._history)
            interval = evidence.interval(values)
            runs = _runs(evidence, values)
        except (TrialwrightError, TypeError, ValueError, OverflowError) as error:
            return str(error)[:MOST]
        expected = outlook.expected(evidence, values, interval)
        said = f"expects {expected}; runs to its end with probability {runs:.2f}"
        doubts = outlook.doubt(self._history, values)
        return f"{said}. {doubts}."[:MOST] if doubts else said

    def _completed(self, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The values with those of the best trial, or the defaults, where they leave some out."""
        best = self._history.best() if self._history.opened else None
        base: Mapping[str, Scalar] = {} if best is None else best.configuration
        space = self._task.space
        known = {name: value for name, value in {**base, **given}.items() if name in space}
        completed = space.complete(known)
        active = space.active(known)
        kept = {k: v for k, v in completed.items() if k in active or k in given}
        return {**kept, **{k: v for k, v in given.items() if k not in space}}

    def _no_trial(self, number: int) -> str:
        count = len(self._history.trials)
        return f"there is no trial {number}; there are {count}, numbered from 0"


def _unreported(text: str) -> str:
    """Leave out what a script reported to the study: its numbers are in the table."""
    tag = TAG.strip()
    kept = [line for line in text.splitlines() if not line.startswith(tag)]
    return "\n".join(line.split(tag, 1)[0] for line in kept)


def _runs(evidence: Evidence, configuration: Mapping[str, Scalar]) -> float:
    """The probability that a configuration runs to its end."""
    judge = evidence.feasibility
    if judge.model is None:
        return 1.0
    points = judge.model.features.of([configuration])
    return float(np.exp(judge.log_probability(points)[0]))
