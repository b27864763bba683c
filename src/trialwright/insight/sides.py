"""Several campaigns side by side: whose each is, of which task, and which replicate of it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from trialwright.campaigns.campaign import Campaign
from trialwright.insight.sequence import planned, progress


@dataclass(frozen=True, slots=True)
class Side:
    """One campaign among several."""

    agent: str
    """Who made it: the one agent that it names, else the campaign's name."""
    task: str
    """That it is about: the one task that it names, else its metric."""
    replicate: str
    """Its seed, if it has one that no other of the same agent and task has; else its place."""
    campaign: Campaign


def sides(campaigns: Sequence[Campaign]) -> list[Side]:
    """Tell campaigns apart by agent, task and replicate.

    Where all are by the same agent, their names stand for agents: it is them that are compared.
    """
    named = [_agent(one) for one in campaigns]
    if len(set(named)) < 2 or not all(named):
        twice = Counter(one.name for one in campaigns)
        named = [
            name or one.name if len(set(named)) > 1
            else one.name if twice[one.name] == 1 or len(twice) > 1 else f"{one.name} {place}"
            for place, (name, one) in enumerate(zip(named, campaigns, strict=True), 1)
        ]  # fmt: skip
    tasks = [_task(one) for one in campaigns]
    seeds = [_seed(one) for one in campaigns]
    keys = list(zip(named, tasks, strict=True))
    distinct = Counter(zip(keys, seeds, strict=True))
    unclear = {key for (key, seed), times in distinct.items() if times > 1 or seed is None}
    # A seed names a replicate only where it does so for all agents of the task.
    by_place = {task for _, task in unclear}
    places: dict[tuple[str, str], int] = defaultdict(int)
    found = []
    for key, seed, one in zip(keys, seeds, campaigns, strict=True):
        places[key] += 1
        replicate = str(places[key]) if key[1] in by_place else f"seed {seed}"
        found.append(Side(*key, replicate, one))
    return found


def _agent(campaign: Campaign) -> str:
    names = {one.agent for one in campaign.experiments if one.agent and not planned(one)}
    return names.pop() if len(names) == 1 else ""


def _task(campaign: Campaign) -> str:
    names = {one.task for one in campaign.experiments if one.task}
    return names.pop() if len(names) == 1 else campaign.metric


def _seed(campaign: Campaign) -> int | None:
    seeds = {one.seed for one in campaign.experiments if one.seed is not None}
    return seeds.pop() if len(seeds) == 1 else None


def common(told: Sequence[Side]) -> dict[str, int]:
    """Return, per task, how many experiments every campaign of it has at least."""
    found: dict[str, int] = {}
    for one in told:
        n = len(one.campaign.experiments)
        found[one.task] = min(found.get(one.task, n), n)
    return found


def final(side: Side, length: int) -> float | None:
    """Return the best result of a campaign's first `length` experiments; lower is better."""
    went = progress(side.campaign)
    known = [] if went is None else [value for value in went.values[:length] if value is not None]
    return min(known, default=None)


def area(side: Side, length: int) -> float | None:
    """Return the mean of the running best over the first `length` experiments; lower is better.

    Before the first result the running best is that result: nobody was any better then.
    """
    went = progress(side.campaign)
    if went is None:
        return None
    values = [value for value in went.values[:length] if value is not None]
    if not values:
        return None
    best, curve = values[0], []
    for value in went.values[:length]:
        best = best if value is None else min(best, value)
        curve.append(best)
    return math.fsum(curve) / len(curve)
