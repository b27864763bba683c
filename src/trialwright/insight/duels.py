"""Agents or optimisers side by side over the same tasks and seeds: who was better, and how surely.

Replicate k of every agent stands against replicate k of the others; each is compared over as many
experiments as all of its task have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from scipy.special import chdtrc

from trialwright.analysis.contest import holm, needed
from trialwright.analysis.ranking import ranked
from trialwright.analysis.signed_ranks import shift, signed_rank
from trialwright.campaigns.campaign import Campaign
from trialwright.insight.measured import Measured, Table, refusal
from trialwright.insight.repeats import signature
from trialwright.insight.sequence import UNDIRECTED, mean
from trialwright.insight.sides import Side, area, common, final, sides
from trialwright.insight.telling import count, listed, number, span

Block = tuple[str, str]
"""Task and replicate."""

CRITICAL = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)
"""Nemenyi's at 5 % for 2 to 10 agents (Demsar 2006, JMLR 7, table 5a)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """One agent against another over the blocks that both have."""

    agent: str
    against: str
    what: str
    """`final`, or `area`: the best at the end, or the mean of the running best."""
    pairs: int
    wins: int
    ties: int
    shift: float
    """By how much `agent` is better, of the spread of the task's results; by Hodges and Lehmann."""
    low: float | None
    high: float | None
    p: float
    """Wilcoxon's, two-sided, corrected for the number of pairs of agents (Holm 1979)."""


def duels(campaigns: Sequence[Campaign]) -> Measured:
    """Compare agents pair by pair, by the best at the end and by the area under the running best.

    Wilcoxon's signed ranks over the common tasks and replicates, exact; differences are in units of
    the spread between the task's best and worst campaign, positive where the first is better.
    """
    name, title = "duels", "Who was better"
    told, why = _comparable(campaigns)
    if why:
        return refusal(name, title, why)
    agents = list(dict.fromkeys(one.agent for one in told))
    least = needed(len(agents))
    shared = max(
        len(_blocks(told, one) & _blocks(told, other)) for one, other in combinations(agents, 2)
    )
    if shared < least:
        return refusal(name, title, _too_few(len(agents), shared, least))
    found = [one for what in ("final", "area") for one in compared(told, agents, what)]
    if not found:
        return refusal(name, title, "no task has results of two agents that differ")
    rows = tuple(
        (one.what, one.agent, one.against, one.pairs, one.wins, one.ties, one.shift, one.low,
         one.high, one.p) for one in found
    )  # fmt: skip
    clear = [one for one in found if one.p <= 0.05]
    same, blocks = equal_starts(told)
    return Measured(
        name=name,
        title=title,
        sentence=_sentence(found, clear),
        values={"agents": len(agents), "pairs": shared, "pairs_needed": least,
                "blocks": blocks, "equal_starts": same, "told_apart": len(clear)},
        table=Table(columns=("by", "agent", "against", "pairs", "wins", "ties", "better_by",
                             "better_by_low", "better_by_high", "p"), rows=rows),
        notes=(*_terms(told), _starts(same, blocks),
               "better_by: of the spread between the best and the worst campaign of the task"),
    )  # fmt: skip


def _too_few(agents: int, shared: int, least: int) -> str:
    return (
        f"the most that two agents share is {count(shared, 'replicate')}; with"
        f" {count(agents, 'agent')} it takes {least} before Wilcoxon's test can tell any two apart"
    )


def _sentence(found: Sequence[Duel], clear: Sequence[Duel]) -> str:
    if not clear:
        best = min(found, key=lambda one: one.p)
        return (
            f"No two agents can be told apart; the nearest to it: {best.agent} against"
            f" {best.against} by {_by(best.what)}, p = {number(best.p)} over"
            f" {count(best.pairs, 'pair')}."
        )
    parts = []
    for one in clear:
        ahead, behind = (one.agent, one.against) if one.shift > 0 else (one.against, one.agent)
        ends = [None if end is None else abs(end) for end in (one.low, one.high)]
        low, high = sorted(ends, key=lambda end: end or 0.0)
        parts.append(
            f"{ahead} beats {behind} by {_by(one.what)} ({number(abs(one.shift))} of the spread,"
            f" {span(low, high)}, p = {number(one.p)}, {count(one.pairs, 'pair')})"
        )
    return f"{'; '.join(parts)}."


def _by(what: str) -> str:
    return "the best at the end" if what == "final" else "the area under the running best"


def _comparable(campaigns: Sequence[Campaign]) -> tuple[list[Side], str]:
    told = sides(campaigns)
    if len({one.agent for one in told}) < 2:
        return told, "it takes campaigns of two agents"
    if any(one.campaign.direction is None for one in told):
        return told, UNDIRECTED
    if len({(one.task, one.campaign.direction) for one in told}) > len({o.task for o in told}):
        return told, "campaigns of one task go different ways: one minimizes, one maximizes"
    return told, ""


def _blocks(told: Sequence[Side], agent: str) -> set[Block]:
    return {(one.task, one.replicate) for one in told if one.agent == agent}


def compared(told: Sequence[Side], agents: Sequence[str], what: str) -> list[Duel]:
    """Compare every pair of agents that shares a block, corrected for the number of pairs."""
    scaled = scores(told, what)
    found = []
    for agent, against in combinations(agents, 2):
        ours, theirs = scaled[agent], scaled[against]
        shared = sorted(ours.keys() & theirs.keys())
        if shared:
            found.append((agent, against, [theirs[block] - ours[block] for block in shared]))
    ps = holm([signed_rank(apart) for _, _, apart in found])
    return [
        Duel(
            agent=agent, against=against, what=what, pairs=len(apart),
            wins=sum(value > 0 for value in apart), ties=sum(value == 0 for value in apart),
            shift=middle, low=low, high=high, p=p,
        )
        for (agent, against, apart), p in zip(found, ps, strict=True)
        for middle, low, high in [shift(apart)]
    ]  # fmt: skip


def scores(told: Sequence[Side], what: str) -> dict[str, dict[Block, float]]:
    """Return per agent and block what it came to: 0 as the best of the task, 1 as the worst."""
    lengths = common(told)
    measure = final if what == "final" else area
    raw = {(one.agent, one.task, one.replicate): measure(one, lengths[one.task]) for one in told}
    found: dict[str, dict[Block, float]] = {one.agent: {} for one in told}
    for task in lengths:
        known = [value for (_, of, _), value in raw.items() if of == task and value is not None]
        low, high = min(known, default=0.0), max(known, default=0.0)
        wide = high - low or 1.0
        for (agent, of, replicate), value in raw.items():
            if of == task and value is not None:
                found[agent][of, replicate] = (value - low) / wide
    return found


def equal_starts(told: Sequence[Side]) -> tuple[int, int]:
    """Return in how many blocks all agents began with the same experiment, and of how many.

    The same configuration or code; where there is neither, the same first result.
    """
    blocks: dict[Block, list[Side]] = {}
    for one in told:
        blocks.setdefault((one.task, one.replicate), []).append(one)
    several = [members for members in blocks.values() if len(members) > 1]
    return sum(len({_start(one) for one in members}) == 1 for members in several), len(several)


def _start(side: Side) -> object:
    first = next(iter(side.campaign.experiments), None)
    if first is None:
        return None
    written = first.configuration or first.extra.get("tree")
    alike = replace(first, task=None, seed=None)
    return signature(alike) if written else first.metric


def _starts(same: int, blocks: int) -> str:
    if same == blocks:
        return f"equal defaults: in all {blocks} blocks the agents' first experiments are the same"
    return (
        f"unequal defaults: in {blocks - same} of {blocks} blocks the agents' first experiments"
        " differ, so part of the difference may be where they began"
    )


def _terms(told: Sequence[Side]) -> list[str]:
    lengths = common(told)
    places = all(not one.replicate.startswith("seed ") for one in told)
    found = [
        "compared over the first "
        + listed([f"{count(n, 'experiment')} of {task}" for task, n in lengths.items()])
    ]
    if places:
        found.append("replicates are paired by their order: no seed tells which belong together")
    return found


def ranks(campaigns: Sequence[Campaign]) -> Measured:
    """Rank the agents over tasks and replicates, with the difference that ranks need to be told.

    Average ranks of the best at the end; Friedman's test; Nemenyi's critical difference
    q sqrt(k (k + 1) / 6N) (Demsar 2006, JMLR 7). Only blocks in which every agent has a result.
    """
    name, title = "ranks", "How the agents rank"
    told, why = _comparable(campaigns)
    if why:
        return refusal(name, title, why)
    scaled = scores(told, "final")
    agents = list(scaled)
    whole = sorted(set.intersection(*(set(by) for by in scaled.values())))
    k, n = len(agents), len(whole)
    if k < 3:
        return refusal(name, title, "ranks take three agents; two are compared pair by pair")
    if k > len(CRITICAL) + 1:
        return refusal(name, title, f"critical differences are known up to 10 agents, not {k}")
    difference = CRITICAL[k - 2] * math.sqrt(k * (k + 1) / (6 * max(n, 1)))
    if n < 2 or difference > k - 1:
        least = next(m for m in range(2, 10_000)
                     if CRITICAL[k - 2] * math.sqrt(k * (k + 1) / (6 * m)) <= k - 1)  # fmt: skip
        why = f"{count(n, 'block')} with all {k} agents; it takes {least} to tell any two apart"
        return refusal(name, title, why)
    rows = _averages(scaled, whole)
    p = friedman(scaled, whole)
    apart = [(a, b) for a, b in combinations(rows, 2) if b[1] - a[1] > difference]
    told_apart = "; ".join(f"{a[0]} before {b[0]}" for a, b in apart) or "none can be told apart"
    return Measured(
        name=name,
        title=title,
        sentence=f"Average ranks over {count(n, 'block')}: "
        + listed([f"{agent} {rank:.2f}" for agent, rank in rows])
        + f"; {difference:.2f} apart is what it takes: {told_apart}.",
        values={"agents": k, "blocks": n, "critical_difference": difference, "friedman_p": p,
                "told_apart": len(apart)},
        table=Table(columns=("agent", "rank"), rows=tuple(rows)),
        notes=(*_terms(told), _starts(*equal_starts(told))),
    )  # fmt: skip


def _averages(
    scaled: Mapping[str, Mapping[Block, float]], whole: Sequence[Block]
) -> list[tuple[str, float]]:
    per = [ranked([by[block] for by in scaled.values()]) for block in whole]
    means = [mean([float(one[i]) for one in per]) for i in range(len(scaled))]
    return sorted(zip(scaled, means, strict=True), key=lambda row: row[1])


def friedman(scaled: Mapping[str, Mapping[Block, float]], whole: Sequence[Block]) -> float:
    """Return the p of all agents ranking alike, corrected for ties (Friedman 1937; chi squared)."""
    k, n = len(scaled), len(whole)
    per = [ranked([by[block] for by in scaled.values()]) for block in whole]
    sums = [sum(float(one[i]) for one in per) for i in range(k)]
    between = sum((total - n * (k + 1) / 2) ** 2 for total in sums)
    within = sum(float(((one - (k + 1) / 2) ** 2).sum()) for one in per)
    if within == 0:
        return 1.0
    return float(chdtrc(k - 1, (k - 1) * between / within))
