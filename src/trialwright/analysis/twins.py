"""Results that are identical although something differed: a knob, or the seed, is not connected."""

from __future__ import annotations

from collections.abc import Hashable

from trialwright.history import History, Trial
from trialwright.records import Notice, Observation

COARSE = 3
"""Configurations that must agree on a coarse result (few digits, no curve) to be suspicious."""


class Twins:
    """Remembers every result by its exact numbers; each question costs the same at any length."""

    def __init__(self, history: History) -> None:
        self._seen: dict[Hashable, list[int]] = {}
        self._said: set[frozenset[str]] = set()
        self._seeds_said = any(notice.topic == "seed" for notice in history.notices)
        for trial in history.done():
            for run in trial.latest.values():
                if run.observation is not None:
                    self.report(trial, run.observation, history)

    def report(self, trial: Trial, observation: Observation, history: History) -> Notice | None:
        """Take in a run that is done, and return a warning if its result has a twin."""
        if observation.outcome != "done":
            return None
        if not self._seeds_said and _same_over_seeds(trial, observation):
            self._seeds_said = True
            return Notice(
                level="warning",
                topic="seed",
                trial=trial.number,
                text=f"trial {trial.number} gives identical results under different seeds: the"
                " script is deterministic, or does not use the seed it is given ({seed},"
                " TRIALWRIGHT_SEED)",
            )
        others = self._seen.setdefault((trial.code, _signature(observation)), [])
        if trial.number in others:
            return None
        others.append(trial.number)
        needed = 2 if _rich(observation) else COARSE
        return self._unconnected(others, history) if len(others) >= needed else None

    def _unconnected(self, others: list[int], history: History) -> Notice | None:
        configurations = [history.trials[number].configuration for number in others]
        differing = frozenset(
            name
            for name in history.space.names
            if len({repr(configuration.get(name)) for configuration in configurations}) > 1
        )
        if not differing or differing in self._said:
            return None
        self._said.add(differing)
        trials = ", ".join(map(str, others))
        return Notice(
            level="warning",
            topic="knob",
            trial=others[-1],
            text=f"trials {trials} differ in {', '.join(sorted(differing))} and give identical"
            " results: does the script use what it is given?",
        )


def _signature(observation: Observation) -> Hashable:
    series = observation.curve.series
    return (
        observation.run.seed,
        tuple(sorted(observation.metrics.items())),
        tuple((name, tuple(series[name])) for name in sorted(series)),
    )


def _rich(observation: Observation) -> bool:
    """Whether two honest runs could hardly agree by chance: a curve, or many digits."""
    varied = {value for values in observation.curve.series.values() for value in values}
    digits = len(f"{observation.value!r}".replace(".", "").lstrip("-0"))
    return len(varied) >= 4 or digits >= 8


def _same_over_seeds(trial: Trial, observation: Observation) -> bool:
    mine = _signature(observation)
    return any(
        run.observation is not None
        and run.observation.outcome == "done"
        and run.key.seed != observation.run.seed
        and _signature(run.observation)[1:] == mine[1:]  # type: ignore[index]
        for run in trial.latest.values()
    )
