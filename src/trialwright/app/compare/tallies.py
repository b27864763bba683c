"""What a campaign came to, and what several of an agent did: figures, from ledgers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trialwright.analysis.contest import Duel, Mean, duels
from trialwright.analysis.information import entropy
from trialwright.analysis.standing import Cost, Rate, accounts, cost
from trialwright.analysis.validation import validation
from trialwright.history import History
from trialwright.insight.ours import campaign_of
from trialwright.task import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One campaign in figures."""

    agent: str
    replicate: int
    trials: int
    """That have ended, the baseline among them."""
    baseline: float | None
    """What the first trial came to, which is the same for everybody."""
    best: float | None
    """What its best trial came to, on the seeds by which it was chosen."""
    fresh: float | None
    """And on seeds that no selection saw; None where the study asks for none."""
    own: int
    """Trials of the agent's own that have ended."""
    improved: Rate
    """Of them, those whose value beat the best of their time: by these seeds alone."""
    kept: int
    """Of them, those that were kept: better beyond noise."""
    crashes: int
    refused: int
    """Proposals of its that did not become a trial."""
    categories: Mapping[str, int]
    """Of its own trials: what its edits show, or what was declared."""
    seconds: float
    """That its runs took."""
    wall_s: float
    """That all of it took: the agent's thinking too."""
    cost: Cost
    """Of conversations with models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """All ended campaigns of one agent."""

    agent: str
    replicates: int
    best: Mean
    """Of what `worth` says."""
    improved: Rate
    """Over all replicates."""
    kept: int
    own: int
    trials: int
    crashes: int
    refused: int
    categories: Mapping[str, int]
    entropy: float
    """Of the categories, in bits."""
    seconds: float
    wall_s: float
    cost: Cost


def tally(history: History, agent: str, replicate: int) -> Tally:
    """Count what one campaign came to."""
    campaign, best, checked = campaign_of(history), history.best(), validation(history)
    own = [one for one in campaign.experiments if one.agent == agent]
    account = next((one for one in accounts(history) if one.name == agent), None)
    first = history.trials[0] if history.trials else None
    return Tally(
        agent=agent,
        replicate=replicate,
        trials=len(campaign.experiments),
        baseline=first.value if first else None,
        best=best.value if best else None,
        fresh=checked.winner.value if checked else None,
        kept=sum(one.status == "keep" for one in own),
        own=len(own),
        crashes=sum(one.status == "crash" for one in own),
        improved=account.improved if account else Rate.of(0, 0),
        refused=account.refusals if account else 0,
        categories=dict(Counter(one.category or "none" for one in own)),
        seconds=math.fsum(one.seconds or 0.0 for one in campaign.experiments),
        wall_s=history.seconds,
        cost=cost(history.exchanges),
    )


def worth(tallies: Sequence[Tally]) -> dict[str, dict[int, float]]:
    """Return what campaigns are compared by, per agent and replicate: fresh seeds where all have.

    A best of many looks better than it is, and more so the more noise its campaign met.
    """
    fresh = all(one.fresh is not None for one in tallies)
    found: dict[str, dict[int, float]] = {}
    for one in tallies:
        value = one.fresh if fresh else one.best
        if value is not None:
            found.setdefault(one.agent, {})[one.replicate] = value
    return found


def sums(tallies: Sequence[Tally], agents: Sequence[str]) -> list[Sum]:
    """Add up the ended campaigns of each agent."""
    values = worth(tallies)
    return [
        _sum(
            agent, [one for one in tallies if one.agent == agent], [*values.get(agent, {}).values()]
        )
        for agent in agents
    ]


def compared(tallies: Sequence[Tally], agents: Sequence[str], goal: Objective) -> list[Duel]:
    """Compare the agents pair by pair, by what the best trial of each replicate came to."""
    values = worth(tallies)
    return duels({agent: values.get(agent, {}) for agent in agents}, sign=goal.sign)


def _sum(agent: str, ours: Sequence[Tally], values: Sequence[float]) -> Sum:
    categories: Counter[str] = Counter()
    for one in ours:
        categories.update(one.categories)
    return Sum(
        agent=agent,
        replicates=len(ours),
        best=Mean.of(values),
        improved=Rate.of(
            sum(one.improved.hits for one in ours), sum(one.improved.total for one in ours)
        ),
        kept=sum(one.kept for one in ours),
        own=sum(one.own for one in ours),
        trials=sum(one.trials for one in ours),
        crashes=sum(one.crashes for one in ours),
        refused=sum(one.refused for one in ours),
        categories=dict(categories.most_common()),
        entropy=entropy(categories.values()),
        seconds=math.fsum(one.seconds for one in ours),
        wall_s=math.fsum(one.wall_s for one in ours),
        cost=_total(one.cost for one in ours),
    )


def _total(costs: Iterable[Cost]) -> Cost:
    asked = [one for one in costs if one.exchanges]
    prices = [one.usd for one in asked]
    known = [price for price in prices if price is not None]
    return Cost(
        exchanges=sum(one.exchanges for one in asked),
        failed=sum(one.failed for one in asked),
        tokens=sum(one.tokens for one in asked),
        estimated=any(one.estimated for one in asked),
        usd=math.fsum(known) if prices and len(known) == len(prices) else None,
        seconds=math.fsum(one.seconds for one in asked),
    )
