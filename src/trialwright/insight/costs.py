"""What an improvement cost: seconds, tokens, dollars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scipy.special import chdtri

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.sequence import IMPROVEMENT, UNDIRECTED, progress
from trialwright.insight.telling import count, number, span

NAMES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "tokens": (
        ("llm_tokens",), ("input_tokens", "output_tokens"), ("prompt_tokens", "completion_tokens"),
    ),
    "usd": (
        ("llm_usd",), ("usd",), ("cost_usd",), ("usd_cost",), ("llm_cost_usd",), ("dollars",),
    ),
}  # fmt: skip
"""Columns that hold a cost, in their order; of a group all are added up.

Not `tokens` alone: in logs of training these are mostly what a model was trained on.
"""
UNITS = {"seconds": "s", "tokens": "tokens", "usd": "USD"}


def costs(campaign: Campaign) -> Measured:
    """Measure what was spent, and what per improvement of the running best.

    Improvements are those of `strides`, kept or not, the first result being none. The interval is
    that of their number, taken for Poisson's (exact, Garwood 1936). What only some experiments tell
    is added up over those, and `known` says over how many.
    """
    name, title = "costs", "What an improvement cost"
    went = progress(campaign)
    if went is None:
        return refusal(name, title, UNDIRECTED)
    spent = {what: [_cost(one, what) for one in campaign.experiments] for what in UNITS}
    told = {what: list(costs) for what, costs in spent.items() if any(c is not None for c in costs)}
    if not told:
        return refusal(name, title, "the log says neither seconds nor tokens nor dollars")
    better = [gain > 0 for gain in went.gains]
    values: dict[str, Cell] = {"n": len(better), "improvements": sum(better)}
    rows, texts = [], []
    for what, amounts in told.items():
        row = _row(what, amounts, better)
        rows.append(row)
        values |= dict(zip(_keys(what), row[1:], strict=True))
        texts.append(_text(what, row))
    return Measured(
        name=name,
        title=title,
        sentence=f"{count(sum(better), 'improvement')} in"
        f" {count(len(better), 'experiment')}: {'; '.join(texts)}.",
        values=values,
        table=Table(columns=("cost", "known", "total", "per_experiment", "per_improvement",
                             "per_improvement_low", "per_improvement_high"), rows=tuple(rows)),
        notes=(IMPROVEMENT,
               "the interval is that of the number of improvements alone, taken for Poisson's",
               "gains differ in size, and later ones are dearer"),
    )  # fmt: skip


def _keys(what: str) -> tuple[str, ...]:
    return (f"{what}_known", f"{what}", f"{what}_per_experiment", f"{what}_per_improvement",
            f"{what}_per_improvement_low", f"{what}_per_improvement_high")  # fmt: skip


def _row(what: str, amounts: Sequence[float | None], better: Sequence[bool]) -> tuple[Cell, ...]:
    known = [amount for amount in amounts if amount is not None]
    total = math.fsum(known)
    hits = sum(
        good for good, amount in zip(better, amounts, strict=True) if amount is not None
    )  # fmt: skip
    low, high = poisson(hits)
    return (what, len(known), total, total / len(known), total / hits if hits else None,
            total / high, total / low if low else None)  # fmt: skip


def _text(what: str, row: Sequence[Cell]) -> str:
    unit, each, total = UNITS[what], row[4], row[2]
    low, high = row[5], row[6]
    assert isinstance(low, float)
    assert isinstance(total, float)
    ends = span(low, high if isinstance(high, float) else None)
    if not isinstance(each, float):
        return f"{number(total)} {unit} without any, so {ends} {unit} for one"
    return f"{number(each)} {unit} for each ({ends})"


def poisson(count_: int) -> tuple[float, float]:
    """Return the exact interval at 95 % of the mean of a count (Garwood 1936, Biometrika 28).

    >>> [round(end, 2) for end in poisson(0)], [round(end, 2) for end in poisson(10)]
    ([0.0, 3.69], [4.8, 18.39])
    """
    low = float(chdtri(2 * count_, 0.975)) / 2 if count_ else 0.0
    return low, float(chdtri(2 * count_ + 2, 0.025)) / 2


def _cost(experiment: Experiment, what: str) -> float | None:
    if what == "seconds":
        return experiment.seconds
    told = {key.casefold().rsplit(".", 1)[-1]: value for key, value in experiment.metrics.items()}
    for group in NAMES[what]:
        if all(key in told for key in group):
            return math.fsum(told[key] for key in group)
    return None
