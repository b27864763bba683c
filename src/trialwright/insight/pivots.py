"""What follows a discarded experiment: another kind of change, or the same again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trialwright.analysis.rates import interval
from trialwright.campaigns.campaign import Campaign, Status
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.sequence import CATEGORY, kinds, progress
from trialwright.insight.telling import count, percent, shares

Step = tuple[int, int, bool]
"""The places of an experiment and of the next by the same agent, and whether the kind changed."""

SINGLE = " There was one kind alone: nothing to turn to."


def pivots(campaign: Campaign, *, factor: str = CATEGORY) -> Measured:
    """Measure how often the kind of change differs after a discarded experiment, and after others.

    P(the kind changes | the agent's experiment before was discarded); persistence is 1 less it. By
    chance: how often it would if the same kinds came in any order. Of the category, baselines and
    replicates are passed over.
    """
    name, title = "pivots", "Whether it turned elsewhere after a failure"
    found = steps(campaign, factor)
    after = {status: [one for one in found if campaign.experiments[one[0]].status == status]
             for status in ("discard", "keep", "crash")}  # fmt: skip
    told = after["discard"]
    if not told:
        why = f"no experiment of known {factor} comes after a discarded one of known {factor}"
        return refusal(name, title, why)
    hits, n = sum(one[2] for one in told), len(told)
    low, high = interval(hits, n)
    chance = _chance(kinds(campaign, factor))
    kinds_seen = len({one for one in kinds(campaign, factor) if one is not None})
    values: dict[str, Cell] = {
        "n": n, "pivots": hits, "pivot_rate": hits / n, "pivot_rate_low": low,
        "pivot_rate_high": high, "persistence": 1 - hits / n, "persistence_low": 1 - high,
        "persistence_high": 1 - low, "by_chance": chance, "factor": factor,
    }  # fmt: skip
    rows = [_row(campaign, status, steps_) for status, steps_ in after.items()]
    return Measured(
        name=name,
        title=title,
        sentence=f"After {count(n, 'discarded experiment')} the {factor} changed"
        f" {count(hits, 'time')}:"
        f" {percent(hits / n)} ({shares(low, high)}); the same kinds in any order would have"
        f" changed {percent(chance)} of the time.{SINGLE if kinds_seen < 2 else ''}",
        values=values,
        table=Table(columns=("after", "n", "changed", "rate", "rate_low", "rate_high",
                             "improved_if_changed", "n_changed", "improved_if_same", "n_same"),
                    rows=tuple(rows)),
        notes=("the interval takes each turn for an independent one",),
    )  # fmt: skip


def steps(campaign: Campaign, factor: str = CATEGORY) -> list[Step]:
    """Return every turn of an agent from one experiment of known kind to its next."""
    last: dict[str | None, int] = {}
    levels = kinds(campaign, factor)
    found = []
    for place, (level, one) in enumerate(zip(levels, campaign.experiments, strict=True)):
        if level is None:
            continue
        before = last.get(one.agent)
        if before is not None:
            found.append((before, place, levels[before] != level))
        last[one.agent] = place
    return found


def pivot_rate(campaigns: Sequence[Campaign]) -> tuple[int, int]:
    """Return how often the category changed after a discarded experiment, and of how many."""
    told = [
        changed
        for campaign in campaigns
        for before, _, changed in steps(campaign)
        if campaign.experiments[before].status == "discard"
    ]
    return sum(told), len(told)


def _chance(levels: Sequence[str | None]) -> float:
    """Probability that two of the kinds differ, drawn without putting back."""
    counts = Counter(level for level in levels if level is not None)
    n = counts.total()
    return 1 - sum(c * (c - 1) for c in counts.values()) / (n * (n - 1)) if n > 1 else 0.0


def _row(campaign: Campaign, status: Status | str, found: Sequence[Step]) -> tuple[Cell, ...]:
    n, changed = len(found), sum(one[2] for one in found)
    ends: tuple[Cell, ...] = (None, None, None)
    if n:
        ends = (changed / n, *interval(changed, n))
    went = progress(campaign)
    better: list[Cell] = []
    for turned in (True, False):
        own = [one[1] for one in found if one[2] == turned]
        known = went is not None and own
        better += [sum(went.improved[i] for i in own) / len(own) if known and went else None]
        better += [len(own)]
    return (status, n, changed, *ends, *better)
