"""What each level of a factor came to: results, failures, mean, spread, best."""

from __future__ import annotations

import statistics
from collections import defaultdict

from trialwright.campaigns.campaign import Campaign
from trialwright.insight.factors import factors_of, level_of, named, with_result
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.shares import NO_FACTOR, failures

NAME, TITLE = "factor_levels", "What each level came to"
_COLUMNS = ("factor", "level", "n", "failed", "mean", "median", "sd", "best")


def factor_levels(campaign: Campaign, *, factor: str | None = None) -> Measured:
    """Return what each level of a factor came to, the best mean first; failures apart.

    Without a `factor`, of the first that `factors_of` finds.
    """
    names = (factor,) if factor is not None else factors_of(campaign)[:1]
    if not names:
        return refusal(NAME, TITLE, NO_FACTOR)
    name = named(campaign, names[0])
    values: dict[str, list[float]] = defaultdict(list)
    for one in with_result(campaign.experiments):
        level = level_of(one, name)
        if level is not None and one.metric is not None:
            values[level].append(one.metric)
    failed = failures(campaign.experiments, name)
    if not failed:
        return refusal(NAME, TITLE, f"No experiment has a {name}.")
    sign = 1 if campaign.direction == "minimize" else -1
    known = sorted(values, key=lambda level: sign * statistics.fmean(values[level]))
    order = [*known, *(level for level in failed if level not in values)]
    total = sum(count for _, count in failed.values())
    told = f"{name} has {len(order)} levels over {total} experiments"
    if known and campaign.direction is not None:
        mean, n = statistics.fmean(values[known[0]]), len(values[known[0]])
        told += f"; the best mean has {known[0]} ({mean:.4g} over {n} results)"
    return Measured(
        name=NAME,
        title=TITLE,
        sentence=f"{told}.",
        values={
            "factor": name,
            "levels": len(order),
            "n": sum(map(len, values.values())),
            "failed": sum(bad for bad, _ in failed.values()),
        },
        table=Table(
            columns=_COLUMNS,
            rows=tuple(
                (name, level, *_figures(values.get(level, []), failed[level][0], campaign))
                for level in order
            ),
        ),
    )


def _figures(values: list[float], failed: int, campaign: Campaign) -> tuple[Cell, ...]:
    if not values:
        return 0, failed, None, None, None, None
    best = {"minimize": min, "maximize": max}.get(campaign.direction or "")
    return (
        len(values),
        failed,
        statistics.fmean(values),
        statistics.median(values),
        statistics.stdev(values) if len(values) > 1 else None,
        best(values) if best else None,
    )
