"""What each proposer of a study did, what came of it, and what it cost. Numbers, pure.

It says nothing of what a study without a proposer would have found: that takes a second study.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scipy.special import betaincinv

from trialwright.history import History, Trial, told_apart
from trialwright.records import Exchange, Interval
from trialwright.task import Agent

FAILING = 3
"""Turns in a row of which nothing came, after which a proposer counts as failing."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of how many, with the exact interval of Clopper and Pearson at 95 %.

    >>> rate = Rate.of(0, 4)
    >>> rate.part, rate.low, round(rate.high, 3)
    (0.0, 0.0, 0.602)
    """

    hits: int
    total: int
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, total: int) -> Rate:
        """Count; of nothing, the interval is all there is."""
        low = float(betaincinv(hits, total - hits + 1, 0.025)) if hits else 0.0
        high = float(betaincinv(hits + 1, total - hits, 0.975)) if hits < total else 1.0
        return cls(hits, total, low, high)

    @property
    def part(self) -> float | None:
        """In [0, 1]; None of nothing."""
        return self.hits / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What conversations with a model took."""

    exchanges: int = 0
    failed: int = 0
    """Of the exchanges, those without an answer."""
    tokens: int = 0
    """Read and written."""
    estimated: bool = False
    """Whether some of the tokens are an estimate."""
    usd: float | None = None
    """None if nothing was asked, or nobody knows some of the price."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Predicted intervals held against results."""

    inside: Rate
    level: float
    """That was claimed, on average."""
    score: float
    """The mean interval score, in the metric's unit, smaller better: see `interval_score`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one proposer did, and what came of it."""

    name: str
    model: bool
    """Whether it is a language model of the team."""
    trials: int
    improved: Rate
    """Of its ended trials that had a best to beat, those that beat it."""
    gain: float
    """The sum of its improvements on the best, in the metric's unit; at least 0."""
    refusals: int
    """Of its proposals, those that became no trial."""
    cost: Cost
    """Of its conversations of every kind."""
    calibration: Calibration | None
    """None if no result can be held against an interval of its own."""
    health: Literal["well", "failing"]
    """`failing`: nothing came of its last `FAILING` turns."""
    trouble: str
    """Why the latest of them failed; '' for one that is well."""


def accounts(history: History) -> list[Account]:
    """Return an account of each member of the team, and behind them of whoever else proposed."""
    models = {one.name for one in history.task.team if isinstance(one, Agent)}
    gathered = {name: _Gathered() for name in history.task.member_names}
    for trial in history.trials:
        gathered.setdefault(trial.proposal.by, _Gathered()).trials.append(trial)
    for refusal in history.refusals:
        if refusal.request is None:
            gathered.setdefault(refusal.proposal.by, _Gathered()).refusals += 1
    for exchange in history.exchanges:
        gathered.setdefault(exchange.by, _Gathered()).exchanges.append(exchange)
    gains = _gains(history)
    troubles = {
        name: trouble(found.exchanges, history.lost.get(name, ()))
        for name, found in gathered.items()
    }
    return [
        Account(
            name=name,
            model=name in models,
            trials=len(found.trials),
            improved=_improved(found.trials, gains),
            gain=math.fsum(gains.get(trial.number) or 0.0 for trial in found.trials),
            refusals=found.refusals,
            cost=cost(found.exchanges),
            calibration=calibration(found.trials),
            health="failing" if troubles[name] else "well",
            trouble=troubles[name],
        )
        for name, found in gathered.items()
    ]


def trouble(exchanges: Sequence[Exchange], lost: Sequence[str]) -> str:
    """Say why a proposer's last `FAILING` turns all failed; '' if they did not.

    `exchanges`: its conversations; `lost`: why it lost the turns since its last trial.
    """
    if len(lost) >= FAILING:
        return lost[-1]
    latest = exchanges[-FAILING:]
    if len(latest) == FAILING and all(one.outcome == "failed" for one in latest):
        return latest[-1].detail or "no answer"
    return ""


def cost(exchanges: Sequence[Exchange]) -> Cost:
    """Add up conversations."""
    prices = [exchange.usd for exchange in exchanges]
    known = [price for price in prices if price is not None]
    return Cost(
        exchanges=len(exchanges),
        failed=sum(exchange.outcome == "failed" for exchange in exchanges),
        tokens=sum(exchange.input_tokens + exchange.output_tokens for exchange in exchanges),
        estimated=any(exchange.estimated for exchange in exchanges),
        usd=math.fsum(known) if prices and len(known) == len(prices) else None,
        seconds=math.fsum(exchange.seconds for exchange in exchanges),
    )


def calibration(trials: Iterable[Trial]) -> Calibration | None:
    """Hold predicted intervals against the first seed's results; None if none can be held.

    Only results under the code for which the interval was predicted count.
    """
    held = [
        (interval, value)
        for trial in trials
        if (interval := trial.proposal.predicted) is not None
        and 0 < interval.level < 1
        and math.isfinite(interval.high - interval.low)
        and trial.admission.code == trial.code
        and (value := trial.values.get(0, trial.value)) is not None
    ]
    if not held:
        return None
    inside = sum(interval.low <= value <= interval.high for interval, value in held)
    return Calibration(
        inside=Rate.of(inside, len(held)),
        level=math.fsum(interval.level for interval, _ in held) / len(held),
        score=math.fsum(interval_score(*pair) for pair in held) / len(held),
    )


def interval_score(interval: Interval, value: float) -> float:
    """Score a predicted interval, smaller better: its width, and a penalty for a miss.

    (u - l) + 2/a (l - x) below it, + 2/a (x - u) above it, where a = 1 - level: proper, so that
    honest quantiles do best (Gneiting and Raftery 2007, JASA 102, equation 43).

    >>> interval_score(Interval(low=0.0, high=1.0, level=0.5), 1.5)
    3.0
    """
    miss = max(interval.low - value, value - interval.high, 0.0)
    return interval.high - interval.low + 2 / (1 - interval.level) * miss


@dataclass(slots=True)
class _Gathered:
    trials: list[Trial] = field(default_factory=list)
    refusals: int = 0
    exchanges: list[Exchange] = field(default_factory=list)


def _improved(trials: Iterable[Trial], gains: dict[int, float | None]) -> Rate:
    counted = [gains[trial.number] for trial in trials if trial.number in gains]
    return Rate.of(sum(bool(gain) for gain in counted), len(counted))


def _gains(history: History) -> dict[int, float | None]:
    """Per ended trial that had a best to beat: by how much it did; None or 0 if it did not.

    In the order of the trials' numbers, and among those of one code version.
    """
    sign = history.task.objective.sign
    best: dict[str, float] = {}
    gains: dict[int, float | None] = {}
    for trial in history.finished():
        value = None if trial.value is None else sign * trial.value
        before = best.get(trial.code)
        if before is not None:
            gains[trial.number] = (
                None if value is None else max(told_apart(value - before, value, before), 0.0)
            )
        if value is not None:
            best[trial.code] = value if before is None else max(before, value)
    return gains
