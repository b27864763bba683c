"""What each level of a factor came to: results, failures, mean, spread, best."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

from trialwright.campaigns.campaign import Campaign
from trialwright.insight.factors import factors_of, level_of, named, strata_of, with_result
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.shares import NO_FACTOR
from trialwright.insight.telling import count, number

NAME, TITLE = "factor_levels", "What each level came to"
_COLUMNS = ("factor", "stratum", "level", "n", "failed", "mean", "median", "sd", "best")


@dataclass(slots=True)
class _Level:
    """One level in one stratum."""

    stratum: str
    level: str
    values: list[float] = field(default_factory=list)
    failed: int = 0


def factor_levels(campaign: Campaign, *, factor: str | None = None) -> Measured:
    """Return what each level of a factor came to, the best mean first; failures apart.

    Within tasks and code epochs, whose results are not to be held against each other. Without a
    `factor`, of the first that `factors_of` finds.
    """
    names = (factor,) if factor is not None else factors_of(campaign)[:1]
    if not names:
        return refusal(NAME, TITLE, NO_FACTOR)
    name = named(campaign, names[0])
    found = _levels(campaign, name)
    if not found:
        return refusal(NAME, TITLE, f"No experiment has a {name}.")
    levels = {one.level for one in found}
    total = sum(len(one.values) + one.failed for one in found)
    told = f"{name} has {count(len(levels), 'level')} over {count(total, 'experiment')}"
    best = found[0]
    if best.values and campaign.direction is not None:
        where = f" in {best.stratum}" if best.stratum else ""
        mean = statistics.fmean(best.values)
        results = count(len(best.values), "result")
        told += f"; the best mean{where} has {best.level} ({number(mean)} over {results})"
    return Measured(
        name=NAME,
        title=TITLE,
        sentence=f"{told}.",
        values={
            "factor": name,
            "levels": len(levels),
            "n": sum(len(one.values) for one in found),
            "failed": sum(one.failed for one in found),
        },
        table=Table(columns=_COLUMNS, rows=tuple(_row(name, one, campaign) for one in found)),
    )


def _levels(campaign: Campaign, factor: str) -> list[_Level]:
    """Every level in every stratum: the largest stratum first, in it the best mean."""
    found: dict[tuple[str, str], _Level] = {}
    strata = strata_of(campaign.experiments)
    labels = strata.labels if factor not in strata.by else ("",) * len(strata.labels)
    for one, label in zip(campaign.experiments, labels, strict=True):
        level = level_of(one, factor)
        if level is None:
            continue
        entry = found.setdefault((label, level), _Level(label, level))
        if with_result([one]) and one.metric is not None:
            entry.values.append(one.metric)
        else:
            entry.failed += 1
    sizes = Counter(labels)
    sign = 1 if campaign.direction == "minimize" else -1

    def order(one: _Level) -> tuple[int, str, bool, float]:
        worth = sign * statistics.fmean(one.values) if one.values else 0.0
        return -sizes[one.stratum], one.stratum, not one.values, worth

    return sorted(found.values(), key=order)


def _row(factor: str, one: _Level, campaign: Campaign) -> tuple[Cell, ...]:
    start = (factor, one.stratum or None, one.level, len(one.values), one.failed)
    if not one.values:
        return (*start, None, None, None, None)
    best = {"minimize": min, "maximize": max}.get(campaign.direction or "")
    return (
        *start,
        statistics.fmean(one.values),
        statistics.median(one.values),
        statistics.stdev(one.values) if len(one.values) > 1 else None,
        best(one.values) if best else None,
    )
