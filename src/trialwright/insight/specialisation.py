"""How far agents are from one another in what they change, per window, and whether by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.information import divergences
from trialwright.campaigns.campaign import Campaign
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.sequence import CATEGORY, agents, kinds, windows
from trialwright.insight.sides import sides
from trialwright.insight.telling import amount, count, number

PERMUTATIONS = 999
"""Ways in which the changes of a window are handed out anew."""
LEAST = 3
"""Changes of an agent in a window before it is compared there."""
MOST_AGENTS = 8
"""More are too few changes each; those with the most are compared."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """What the agents of one window changed."""

    of: str
    """Which experiments, or which of each agent's."""
    n: int
    agents: int
    apart: float
    """Jensen-Shannon divergence in bits."""
    chance: Array
    """The same, the changes handed out anew; shape (PERMUTATIONS,)."""

    @property
    def p(self) -> float:
        """Probability of as much by chance."""
        return (1 + int((self.chance >= self.apart - 1e-12).sum())) / (1 + len(self.chance))


def specialisation(
    campaign: Campaign, *, factor: str = CATEGORY, window: int | None = None
) -> Measured:
    """Measure how far the agents of one campaign are apart in what they change, per window.

    The Jensen-Shannon divergence in bits (Lin 1991), every agent weighing alike; of two agents it
    lies between 0 and 1. Few changes always look specialised: `above_chance` has what a permutation
    of the runs of one kind among the agents brings taken away, and p is by that permutation.
    """
    name, title = "specialisation", "How far the agents went apart"
    who = agents(campaign.experiments)
    if len(who) < 2:
        return refusal(name, title, "the campaign names fewer than two agents")
    levels = kinds(campaign, factor)
    found = []
    for one in windows(len(levels), window):
        told: dict[str, list[list[str]]] = {}
        for place in one:
            level, agent = levels[place], campaign.experiments[place].agent
            if level is not None and agent:
                told.setdefault(agent, [[]])[0].append(level)
        found.append((f"{one.start + 1}-{one.stop}", told))
    return _measured(name, title, found, factor)


def specialisation_between(
    campaigns: Sequence[Campaign], *, factor: str = CATEGORY, window: int | None = None
) -> Measured:
    """Measure the same between agents that have campaigns of their own, at the same stage of them.

    A window holds the same places of every campaign; an agent's replicates count together.
    """
    name, title = "specialisation_between", "How far the agents are apart"
    told = sides(campaigns)
    if len({one.agent for one in told}) < 2:
        return refusal(name, title, "it takes campaigns of two agents")
    longest = max(len(one.campaign.experiments) for one in told)
    levels = [(one.agent, kinds(one.campaign, factor)) for one in told]
    found = []
    for one in windows(longest, window):
        by: dict[str, list[list[str]]] = {}
        for agent, own in levels:
            some = [level for level in own[one.start : one.stop] if level is not None]
            by.setdefault(agent, []).append(some)
        found.append((f"{one.start + 1}-{one.stop}", by))
    return _measured(name, title, found, factor)


def _measured(
    name: str,
    title: str,
    found: Sequence[tuple[str, Mapping[str, Sequence[Sequence[str]]]]],
    factor: str,
) -> Measured:
    told = [one for of, by in found if (one := window_of(of, by)) is not None]
    if not told:
        why = f"no window has {LEAST} experiments of known {factor} from each of two agents"
        return refusal(name, title, why)
    mean = math.fsum(one.apart for one in told) / len(told)
    chance = np.mean([one.chance for one in told], axis=0)
    p = (1 + int((chance >= mean - 1e-12).sum())) / (1 + len(chance))
    low, high = mean - np.quantile(chance, [0.975, 0.025])
    most = max(told, key=lambda one: one.apart - one.chance.mean())
    rows: list[tuple[Cell, ...]] = [
        (one.of, one.n, one.agents, one.apart, float(one.chance.mean()),
         one.apart - float(one.chance.mean()), one.p) for one in told
    ]  # fmt: skip
    verdict = "more than chance brings" if p <= 0.05 else "no more than chance can bring"
    return Measured(
        name=name,
        title=title,
        sentence=f"What the agents change lies {amount(mean, 'bit')} apart on average over"
        f" {count(len(told), 'window')}, where chance alone brings {number(float(chance.mean()))}"
        f" (p = {number(p)}): {verdict}; furthest in {most.of}.",
        values={"windows": len(told), "bits": mean, "by_chance": float(chance.mean()),
                "above_chance": mean - float(chance.mean()), "above_chance_low": float(low),
                "above_chance_high": float(high), "p": p, "factor": factor,
                "agents": max(one.agents for one in told)},
        table=Table(columns=("experiments", "n", "agents", "bits", "by_chance", "above_chance",
                             "p"), rows=tuple(rows)),
        notes=(f"p is by {PERMUTATIONS} permutations, among the agents of each window, of runs of"
               " changes of one kind; windows are taken for independent",
               "the ends of above_chance: the divergence less what 95 % of the permutations bring",
               *([f"windows without {LEAST} changes of two agents are left out"]
                 if len(told) < len(found) else [])),
    )  # fmt: skip


def window_of(of: str, by: Mapping[str, Sequence[Sequence[str]]]) -> Window | None:
    """Compare the agents of a window; None with fewer than two that changed enough.

    `by`: per agent its sequences of changes. What is handed out anew are runs of one kind, since an
    agent that stays with a kind has not chosen it anew each time.
    """
    sizes = {agent: sum(map(len, several)) for agent, several in by.items()}
    some = [agent for agent in by if sizes[agent] >= LEAST]
    some = sorted(some, key=lambda agent: -sizes[agent])[:MOST_AGENTS]
    if len(some) < 2:
        return None
    runs = [(owner, kind, sum(1 for _ in same))
            for owner, agent in enumerate(some) for sequence in by[agent]
            for kind, same in groupby(sequence)]  # fmt: skip
    names = {kind: i for i, kind in enumerate(sorted({run[1] for run in runs}))}
    lengths = np.zeros((len(runs), len(names)))
    for place, (_, kind, length) in enumerate(runs):
        lengths[place, names[kind]] = length
    owners = np.array([run[0] for run in runs])
    rng = np.random.default_rng(len(runs))
    drawn = np.vstack([owners, rng.permuted(np.tile(owners, (PERMUTATIONS, 1)), axis=1)])
    counts = np.stack([(drawn == owner) @ lengths for owner in range(len(some))], axis=1)
    found = divergences(counts)
    return Window(of, sum(sizes[agent] for agent in some), len(some), float(found[0]), found[1:])
