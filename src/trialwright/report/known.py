"""What the record bears out, in the forms in which prose speaks of it.

Which numbers belong to which trial, which values a parameter had, who is best and who failed, how
many there are of what, and by how much trials differ. It reads no prose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from trialwright.history import History, Trial, lead
from trialwright.report import counting
from trialwright.report.numerals import numerals
from trialwright.space import Choice, Float, Int, Ordinal

State = Literal[
    "failed", "pruned", "done", "ended", "diverged", "out_of_memory", "timed_out", "kept", "better"
]
"""What may be said of a trial without a number."""


_UNTRIED = re.compile(r": try [^\s,]+")


@dataclass(frozen=True)
class Known:
    """A study's record, with `facts`: lines about it that code has computed."""

    history: History
    facts: str = ""
    _numbers: dict[int, tuple[float, ...]] = field(default_factory=dict)

    # -- trials

    @property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return self.history.trials

    @cached_property
    def best(self) -> int | None:
        """The best trial, as the study judges."""
        best = self.history.best() if self.history.opened else None
        return best.number if best else None

    @cached_property
    def done(self) -> list[Trial]:
        """The trials with a value, of the code version that counts."""
        return counting.done(self.history) if self.history.opened else []

    def first(self) -> list[int]:
        """Return the trials that may be called the first: of all, and of those with a value."""
        return list(dict.fromkeys([*self._numbered()[:1], *self._valued()[:1]]))

    def defaults(self) -> list[int]:
        """Return the trials that have the configuration of the first, or the defaults."""
        named = {
            parameter.name: parameter.default
            for parameter in self.history.space.parameters
            if parameter.default is not None
        }
        same = [
            trial.number
            for trial in self.trials
            if named and {k: trial.configuration.get(k) for k in named} == named
        ]
        return list(dict.fromkeys([*same, *self.first()]))

    def references(self, number: int) -> list[int]:
        """Return the trials with which one compares trial `number` when it names no other."""
        trial = self.trials[number]
        against = trial.verdict.against if trial.verdict else None
        others = [
            against,
            trial.proposal.parent,
            *self.defaults(),
            self.best,
            self.runner_up(number),
        ]
        return [other for other in dict.fromkeys(others) if other not in (None, number)]

    def runner_up(self, number: int) -> int | None:
        """Return the best of the other trials, by its mean."""
        others = [trial for trial in self.done if trial.number != number]
        return self._extreme(others, highest=self.sign > 0)

    @property
    def sign(self) -> int:
        """1 if more is better, else -1."""
        return self.history.task.objective.sign

    def extreme(self, value: Callable[[Trial], float | None], *, highest: bool) -> set[int]:
        """Return the trials that share the highest or lowest of a value."""
        known = {
            t.number: v for t in self.trials if (v := value(t)) is not None and not math.isnan(v)
        }
        if not known:
            return set()
        top = max(known.values()) if highest else min(known.values())
        return {number for number, one in known.items() if one == top}

    def led(self, number: int) -> bool:
        """Say whether a trial was ahead of all trials before it."""
        value = self.trials[number].value
        before = [t.value for t in self.done if t.number < number and t.value is not None]
        return value is not None and all(self.sign * (value - one) > 0 for one in before)

    def ahead(self, one: int, other: int) -> float | None:
        """Return by how much a trial is better than another; None where either has no value."""
        ours, theirs = self.trials[one], self.trials[other]
        if ours.value is None or theirs.value is None:
            return None
        return self.sign * lead(ours, theirs)

    def state(self, number: int, state: State) -> bool:  # noqa: PLR0911  # a line per state
        """Say whether a trial is what it is called."""
        trial = self.trials[number]
        causes = {r.observation.cause for r in trial.latest.values() if r.observation}
        found = {f for r in trial.latest.values() if r.diagnosis for f in r.diagnosis.findings}
        match state:
            case "failed" | "pruned" | "done":
                return trial.state == state
            case "ended":
                return trial.state in ("done", "failed", "pruned")
            case "diverged":
                return "diverged" in causes or "diverged" in found
            case "out_of_memory":
                return bool({"out_of_memory_host", "out_of_memory_gpu"} & causes)
            case "timed_out":
                return "timed_out" in causes
            case "kept":
                return trial.verdict is not None and trial.verdict.status in ("kept", "unconfirmed")
            case "better":
                return any((self.ahead(number, one) or 0.0) > 0 for one in self.first())

    def steps(self, name: str) -> list[tuple[int, int]]:
        """Return the trials with a value that differ from their parent in one parameter alone."""
        found = []
        for trial in self.done:
            parent = trial.proposal.parent
            if parent is not None and self.trials[parent].value is not None:
                ours, theirs = trial.configuration, self.trials[parent].configuration
                keys = {*ours, *theirs}
                if [key for key in keys if ours.get(key) != theirs.get(key)] == [name]:
                    found.append((trial.number, parent))
        return found

    # -- numbers

    def of_trial(self, number: int) -> tuple[float, ...]:
        """Return every number that belongs to a trial."""
        if number not in self._numbers:
            self._numbers[number] = tuple(self._of(self.trials[number]))
        return self._numbers[number]

    def values_of(self, name: str, numbers: Iterable[int]) -> list[float]:
        """Return the values that a parameter had in some trials."""
        return [
            value
            for number in numbers
            for value in _numeric({name: self.trials[number].configuration.get(name)})
        ]

    def options_of(self, name: str, numbers: Iterable[int]) -> set[str]:
        """Return the values that a parameter had in some trials, in words."""
        return {str(self.trials[number].configuration.get(name)).lower() for number in numbers}

    def bounds(self, name: str) -> list[float]:
        """Return the ends of a parameter's domain."""
        match self.history.space[name]:
            case Float(low=low, high=high) | Int(low=low, high=high):
                return [float(low), float(high)]
            case Ordinal(levels=options) | Choice(options=options):
                return [number for one in options for number in _numeric({name: one})]

    def allowed(self, name: str) -> set[str]:
        """Return the options of a parameter that are words."""
        match self.history.space[name]:
            case Choice(options=options) | Ordinal(levels=options):
                return {str(one).lower() for one in options if isinstance(one, str)}
            case _:
                return set()

    @cached_property
    def stated(self) -> list[float]:
        """The numbers of the facts."""
        return [one.said for one in numerals(self.facts)]

    def stated_of(self, name: str) -> list[float]:
        """Return the numbers of the facts' lines that name this parameter and no other.

        What the advice says to try was not tried.
        """
        names = {
            one: re.compile(rf"(?<!\w){re.escape(one)}(?!\w)") for one in self.history.space.names
        }
        lines = [
            text
            for text in self.facts.splitlines()
            if [one for one, word in names.items() if word.search(text)] == [name]
        ]
        return [one.said for one in numerals(_UNTRIED.sub("", "\n".join(lines)))]

    @cached_property
    def everything(self) -> list[float]:
        """Every number of the record and of the facts, with what the task allows."""
        found = [*self.stated, *(value / 100 for value in self.stated if value <= 100)]
        found += [float(trial.number) for trial in self.trials] + [float(len(self.trials))]
        if self.history.opened:
            budget = self.history.task.budget
            found += [float(n) for n in (budget.trials, budget.time_s) if n is not None]
        for trial in self.trials:
            found += self.of_trial(trial.number)
        found.append(sum(second for number in self._numbered() for second in self.seconds(number)))
        return found

    def described(self, said: float, behind: str) -> bool:
        """Say whether the task's own description counts as many of what stands behind a number."""
        named = _counted(behind)
        return any(said == number and named & words for number, words in self._description)

    @cached_property
    def _description(self) -> list[tuple[float, set[str]]]:
        """The numbers of the task's description, with the beginnings of the words behind."""
        text = self.history.task.description if self.history.opened else ""
        return [(one.said, _counted(text[one.stop :])) for one in numerals(text)]

    def metric(self, name: str, number: int) -> list[float]:
        """Return the values of a metric that a trial ended with; of the objective, its mean too."""
        trial = self.trials[number]
        found = [run.observation for run in trial.latest.values() if run.observation]
        values = [seen.metrics[name] for seen in found if name in seen.metrics]
        if name == self.history.task.objective.metric and trial.value is not None:
            values = [trial.value, *trial.values.values(), *values]
        return values

    def seconds(self, number: int) -> list[float]:
        """Return how long a trial's runs took."""
        runs = self.trials[number].latest.values()
        return [run.observation.seconds for run in runs if run.observation]

    @cached_property
    def metrics(self) -> set[str]:
        """The names of all metrics."""
        named = {self.history.task.objective.metric}
        for trial in self.trials:
            for run in trial.runs:
                if run.observation is not None:
                    named |= {*run.observation.metrics, *run.observation.curve.series}
        return named

    # -- counts

    def count(self, chosen: Callable[[Trial], bool]) -> int:
        """Return how many trials are chosen."""
        return sum(chosen(trial) for trial in self.trials)

    @cached_property
    def totals(self) -> set[int]:
        """The counts by which one may call all trials, or all of them that ended some way."""
        states: tuple[State, ...] = ("failed", "pruned", "done", "ended")
        numbers = self._numbered()
        counts = {sum(self.state(number, state) for number in numbers) for state in states}
        counts |= {len(self.trials), len(self.done), self.history.launches}
        budget = self.history.task.budget.trials
        return counts | ({budget} if budget is not None else set())

    @cached_property
    def authors(self) -> Mapping[str, int]:
        """How many trials each proposer brought."""
        found: dict[str, int] = {}
        for trial in self.trials:
            found[trial.proposal.by] = found.get(trial.proposal.by, 0) + 1
        return found

    # -- within

    def _numbered(self) -> list[int]:
        return [trial.number for trial in self.trials]

    def _valued(self) -> list[int]:
        return [trial.number for trial in self.done]

    def _extreme(self, trials: list[Trial], *, highest: bool) -> int | None:
        valued = [(t.value, -t.number) for t in trials if t.value is not None]
        if not valued:
            return None
        top = max(valued) if highest else min(valued, key=lambda pair: (pair[0], -pair[1]))
        return -top[1]

    def _of(self, trial: Trial) -> Iterator[float]:
        yield from _numeric(trial.configuration)
        yield float(len(trial.values))
        if trial.value is not None:
            yield trial.value
        if trial.proposal.predicted is not None:
            yield from (trial.proposal.predicted.low, trial.proposal.predicted.high)
        if trial.verdict is not None and trial.verdict.probability is not None:
            yield trial.verdict.probability
        for run in trial.runs:
            if run.diagnosis is not None:
                yield from run.diagnosis.numbers.values()
                yield from (one.said for one in numerals(run.diagnosis.sentence))
            seen = run.observation
            if seen is not None:
                yield seen.seconds
                yield from seen.metrics.values()
                yield from seen.curve.steps
                yield from (float(n) for n in (seen.peak_memory_bytes, seen.exit_status) if n)
                yield from (one.said for one in numerals(seen.detail))
                for series in seen.curve.series.values():
                    yield from (value for value in series if value is not None)


def _counted(behind: str) -> set[str]:
    """The beginnings of the next words in a clause: `140 labelled papers`, `140 labels`."""
    clause = re.split(r"[.,;:()]", behind, maxsplit=1)[0]
    return {word[:5].lower() for word in re.findall(r"[^\W\d]{4,}", clause)[:3]}


def _numeric(values: Mapping[str, object]) -> Iterator[float]:
    for value in values.values():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield float(value)
        elif isinstance(value, str):
            try:
                yield float(value)
            except ValueError:
                continue
