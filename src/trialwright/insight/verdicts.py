"""What a hypothesis about agents comes to: a statistic, its interval, and a word no stronger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from scipy.special import ndtri, stdtrit

from trialwright.analysis.correlation import LEAST, Correlation, correlation
from trialwright.insight.measured import Cell, Measured, Table
from trialwright.insight.sequence import mean
from trialwright.insight.sides import Side
from trialwright.insight.telling import count, number, span

Verdict = Literal["supported", "contradicted", "can't tell"]

SMALL_CORRELATION = 0.3
"""A correlation below it accounts for less than a tenth of the variance."""
SMALL_RATIO = 1.5
"""Agents less than so many times apart are alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One hypothesis over some campaigns."""

    name: str
    """`h1_breadth`."""
    claim: str
    verdict: Verdict
    statistic: str
    """What was computed, in words."""
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    """Campaigns behind it."""
    agents: int
    why: str
    """What the verdict rests on, in a sentence."""
    values: Mapping[str, Cell] = field(default_factory=dict)
    table: Table | None = None
    notes: tuple[str, ...] = ()
    refused: bool = False

    @property
    def title(self) -> str:
        """`H1: breadth predicts the result`."""
        return f"{self.name.partition('_')[0].upper()}: {self.claim}"

    def measured(self) -> Measured:
        """Return it as a measure."""
        return Measured(
            name=self.name,
            title=self.title,
            sentence=self.why if self.refused else f"{self.verdict.capitalize()}: {self.why}",
            values={"verdict": self.verdict, "n": self.n, "agents": self.agents,
                    "estimate": self.estimate, "estimate_low": self.low,
                    "estimate_high": self.high, "p": self.p, **self.values},
            table=self.table,
            notes=self.notes,
            refused=self.refused,
        )  # fmt: skip


def refused(name: str, claim: str, told: Sequence[Side], why: str) -> Judgement:
    """Return a hypothesis of which nothing can be said, with the reason."""
    return Judgement(
        name=name, claim=claim, verdict="can't tell", statistic="", estimate=None, low=None,
        high=None, p=None, n=len(told), agents=len({one.agent for one in told}), why=why,
        refused=True,
    )  # fmt: skip


def judged(
    low: float | None, high: float | None, *, least: float = 0.0, small: float = SMALL_CORRELATION
) -> Verdict:
    """Return what an interval says of an effect that should be above `least`.

    Supported: all of it lies above. Contradicted: all of it lies below what would matter, `small`.

    >>> judged(0.2, 0.9), judged(-0.9, 0.1), judged(-0.5, 0.9), judged(None, None)
    ('supported', 'contradicted', "can't tell", "can't tell")
    """
    if low is None or high is None:
        return "can't tell"
    if low > least:
        return "supported"
    return "contradicted" if high < small else "can't tell"


def correlated(
    name: str,
    claim: str,
    told: Sequence[Side],
    pairs: Mapping[int, tuple[float, float]],
    *,
    what: str,
    column: str,
) -> Judgement:
    """Judge whether campaigns with more of something came to better results.

    `pairs`: by place in `told`, how much of it, and how good the result. Results are compared
    within tasks. Campaigns are the unit; the figures over agents stand beside.
    """
    places = sorted(pairs)
    own = [told[place] for place in places]
    first, second = [pairs[i][0] for i in places], [pairs[i][1] for i in places]
    tasks = [one.task for one in own]
    found = correlation(first, second, strata=tasks)
    if found is None:
        same = len(set(first)) == 1
        why = f"{what} is {'the same in all' if same else 'not to be told apart from the task in'}"
        return refused(name, claim, own, f"{why} {count(len(own), 'campaign')}")
    if found.low is None:
        why = f"{count(found.n, 'campaign')}: a correlation has no interval below {LEAST}"
        return refused(name, claim, own, f"{why} of one task")
    verdict = judged(found.low, found.high)
    if verdict == "supported" and found.p > 0.05:
        verdict = "can't tell"
    names = [one.agent for one in own]
    beside = _beside(first, second, names, tasks)
    return Judgement(
        name=name,
        claim=claim,
        verdict=verdict,
        statistic=f"correlation of {what} with the result",
        estimate=found.r, low=found.low, high=found.high, p=found.p, n=found.n,
        agents=len(set(names)),
        why=f"the correlation of {what} with how good the result was is {number(found.r)}"
        f" ({span(found.low, found.high)}; p = {number(found.p)};"
        f" {count(found.n, 'campaign')} of {count(len(set(names)), 'agent')})"
        f"{_by_agents(beside, len(set(names)), found.n)}.",
        values=beside,
        table=Table(
            columns=("agent", "task", "replicate", column, "goodness"),
            rows=tuple((one.agent, one.task, one.replicate, *pair)
                       for one, pair in zip(own, zip(first, second, strict=True), strict=True)),
        ),
        notes=_clustered(found, names),
    )  # fmt: skip


def _by_agents(beside: Mapping[str, Cell], agents: int, n: int) -> str:
    """What the agents' means say, where some agents have several campaigns."""
    r, low, high = (beside[f"between_agents{end}"] for end in ("", "_low", "_high"))
    if agents == n or not isinstance(r, float):
        return ""
    ends = "too few for an interval"
    if isinstance(low, float) and isinstance(high, float):
        ends = span(low, high)
    return f"; over the means of the {agents} agents {number(r)}, {ends}"


def _beside(
    first: Sequence[float], second: Sequence[float], names: Sequence[str], tasks: Sequence[str]
) -> dict[str, Cell]:
    """The correlation over the means of the agents, and within agents."""
    agents = list(dict.fromkeys(names))
    means = [
        [mean([v for v, name in zip(values, names, strict=True) if name == agent])
         for agent in agents] for values in (first, second)
    ]  # fmt: skip
    between = correlation(*means) if len(agents) > 2 else None
    strata = [f"{agent} {task}" for agent, task in zip(names, tasks, strict=True)]
    several = len(set(strata)) < len(strata) and len(agents) > 1
    within = correlation(first, second, strata=strata) if several else None
    return {
        "between_agents": between.r if between else None,
        "between_agents_low": between.low if between else None,
        "between_agents_high": between.high if between else None,
        "within_agents": within.r if within else None,
        "within_agents_low": within.low if within else None,
        "within_agents_high": within.high if within else None,
    }


def _clustered(found: Correlation, names: Sequence[str]) -> tuple[str, ...]:
    agents = len(set(names))
    notes = ["goodness: standard deviations better than the task's mean campaign"]
    if agents < len(names):
        notes.append(
            f"the {len(names)} campaigns are by {count(agents, 'agent')}, and campaigns of one"
            " agent are alike: the verdict speaks of these agents, hardly of others"
        )
    if found.least_p > 0.05:
        notes.append(
            f"so few campaigns, or so many alike, can't reach p = 0.05: at best"
            f" {number(found.least_p)}"
        )
    return tuple(notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """The two agents furthest apart in some positive figure."""

    most: str
    least: str
    ratio: float
    low: float
    high: float
    """At 95 % for all pairs of agents at once (Bonferroni)."""
    p: float
    widest: float
    """The largest ratio that any pair's interval leaves room for."""


def extremes(logs: Mapping[str, tuple[float, float, float]]) -> Extremes | None:
    """Find the pair furthest apart; by agent: the mean of logarithms, its error, its degrees.

    Infinite degrees are normal; of fewer than two agents, None.
    """
    pairs = [(a, b) if logs[a][0] >= logs[b][0] else (b, a) for a, b in combinations(logs, 2)]
    found = [_apart(*pair, logs, len(pairs)) for pair in pairs]
    if not found:
        return None
    furthest = max(found, key=lambda one: one.ratio)
    widest = max(max(one.high, 1 / one.low if one.low else math.inf) for one in found)
    return Extremes(
        most=furthest.most, least=furthest.least, ratio=furthest.ratio, low=furthest.low,
        high=furthest.high, p=furthest.p, widest=widest,
    )  # fmt: skip


def _apart(
    most: str, least: str, logs: Mapping[str, tuple[float, float, float]], pairs: int
) -> Extremes:
    from scipy.special import stdtr

    (one, error, degrees), (other, error_, degrees_) = logs[most], logs[least]
    both = math.hypot(error, error_)
    if math.isinf(degrees) or math.isinf(degrees_):
        freedom = math.inf
    else:
        # Welch (1947, Biometrika 34): the degrees of a difference of unequal scatters.
        freedom = both**4 / (error**4 / degrees + error_**4 / degrees_) if both else degrees
    tail = 0.05 / (2 * pairs)
    quantile = float(-ndtri(tail) if math.isinf(freedom) else stdtrit(freedom, 1 - tail))
    apart = one - other
    # A few thousand degrees are as good as normal.
    beyond = float(stdtr(min(freedom, 1e6), -apart / both)) if both else 0.0
    low, high = (
        math.exp(min(max(end, -700.0), 700.0))
        for end in (apart - quantile * both, apart + quantile * both)
    )
    return Extremes(
        most=most, least=least, ratio=math.exp(apart), low=low, high=high,
        p=min(1.0, 2 * pairs * beyond), widest=high,
    )  # fmt: skip
