"""The seven hypotheses of the five-agent study (O'Donnell 2026), over any set of campaigns.

The unit is a campaign; results are compared within tasks, over as many experiments as all campaigns
of a task have. A verdict is never stronger than the interval of its statistic: `supported` if all
of it speaks for the hypothesis, `contradicted` if all of it lies below what would matter, else
`can't tell`. All are correlations or differences among campaigns as they happened: no causes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median, stdev

from trialwright.analysis.rates import interval
from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.kept import DERIVED
from trialwright.insight.characters import recognition
from trialwright.insight.discoveries import discovered, separation
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.pivots import pivot_rate, steps
from trialwright.insight.rates import judged_changes
from trialwright.insight.repeats import repeats
from trialwright.insight.sequence import UNDIRECTED, kinds, mean, progress
from trialwright.insight.sides import Side, common, final, sides
from trialwright.insight.strides import gains
from trialwright.insight.telling import count, listed, number, percent, shares, span
from trialwright.insight.verdicts import (
    SMALL_RATIO,
    Extremes,
    Judgement,
    Verdict,
    correlated,
    extremes,
    judged,
    refused,
)

Hypothesis = Callable[[Sequence[Campaign]], Judgement]

FEWEST = 5
"""Discarded experiments that must be followed by another before a campaign has a pivot rate."""
LATE_GAINS = 3
"""Late gains, or campaigns with some, that an agent must have before its steps are compared."""
CONTEXT = ("context_tokens", "context_window", "context_length", "context_size", "context")
"""Columns that hold how much an agent can read at once."""

_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[\s_-]?([km])(?![a-z])", re.IGNORECASE)


def trimmed(campaigns: Sequence[Campaign]) -> list[Side]:
    """Return campaigns side by side, each cut to what all of its task have."""
    told = sides(campaigns)
    lengths = common(told)
    return [
        replace(one, campaign=replace(
            one.campaign, experiments=one.campaign.experiments[: lengths[one.task]]))
        for one in told
    ]  # fmt: skip


def goodness(told: Sequence[Side]) -> dict[int, float]:
    """Return, by place, how many standard deviations a campaign's best lies above its task's mean.

    Campaigns without a result, and tasks of one campaign or one result, have none.
    """
    best: dict[str, dict[int, float]] = {}
    for place, one in enumerate(told):
        value = final(one, len(one.campaign.experiments))
        if value is not None:
            best.setdefault(one.task, {})[place] = value
    found: dict[int, float] = {}
    for values in best.values():
        scatter = stdev(values.values()) if len(values) > 1 else 0.0
        if scatter > 0:
            middle = mean([*values.values()])
            found |= {place: (middle - value) / scatter for place, value in values.items()}
    return found


def breadth_predicts(campaigns: Sequence[Campaign]) -> Judgement:
    """H1: the correlation of the number of categories used with the result."""
    name, claim = "h1_breadth", "breadth predicts the result"
    told = trimmed(campaigns)
    good = goodness(told)
    used = {place: len({kind for kind in kinds(told[place].campaign) if kind}) for place in good}
    pairs = {place: (float(n), good[place]) for place, n in used.items() if n}
    if why := _lacking(told, pairs, "a result and changes of known kind"):
        return refused(name, claim, told, why)
    return correlated(
        name, claim, told, pairs, what="the number of categories used", column="categories"
    )


def shifting_helps(campaigns: Sequence[Campaign]) -> Judgement:
    """H2: the correlation of the pivot rate after a discard with the result.

    Beside it, how often an experiment after a discarded one improved, with the category changed
    and with the same.
    """
    name, claim = "h2_shifting", "shifting when stuck is critical"
    told = trimmed(campaigns)
    good = goodness(told)
    pairs = {}
    for place in good:
        hits, n = pivot_rate([told[place].campaign])
        if n >= FEWEST:
            pairs[place] = hits / n, good[place]
    if why := _lacking(told, pairs, f"a result and {FEWEST} changes after a discarded one"):
        return refused(name, claim, told, why)
    found = correlated(
        name, claim, told, pairs, what="the pivot rate after a discard", column="pivot_rate"
    )
    return replace(found, values={**found.values, **_after_discards(told)})


def _after_discards(told: Sequence[Side]) -> dict[str, Cell]:
    """How often what came after a discarded experiment improved, with another category or not."""
    hits: Counter[bool] = Counter()
    total: Counter[bool] = Counter()
    for one in told:
        went = progress(one.campaign)
        for before, place, changed in steps(one.campaign):
            if went is not None and one.campaign.experiments[before].status == "discard":
                total[changed] += 1
                hits[changed] += went.improved[place]
    found: dict[str, Cell] = {}
    for changed, word in ((True, "changed"), (False, "same")):
        n = total[changed]
        low, high = interval(hits[changed], n) if n else (None, None)
        found |= {f"improved_if_{word}": hits[changed] / n if n else None,
                  f"improved_if_{word}_low": low, f"improved_if_{word}_high": high,
                  f"n_{word}": n}  # fmt: skip
    return found


def context_matters(campaigns: Sequence[Campaign]) -> Judgement:
    """H3: the correlation of the logarithm of the context with the result.

    Known from a column (`context_tokens`), or from an agent's name that says it (`Sonnet 200k`).
    """
    name, claim = "h3_context", "context size affects quality"
    told = trimmed(campaigns)
    good = goodness(told)
    sizes = {place: context_of(told[place]) for place in good}
    pairs = {place: (math.log2(size), good[place]) for place, size in sizes.items() if size}
    if not pairs:
        why = f"no campaign says how much its agent can read: a column {CONTEXT[0]!r} would, or a"
        return refused(name, claim, told, f"{why} name such as 'agent 200k'")
    if why := _lacking(told, pairs, "a result and a known context"):
        return refused(name, claim, told, why)
    found = correlated(
        name, claim, told, pairs, what="the logarithm of the context", column="log2_context"
    )
    return replace(found, values={**found.values, **_forgetting(told, sizes)})


def context_of(side: Side) -> float | None:
    """Return how many tokens a campaign's agent can read at once; None where nobody says."""
    for one in side.campaign.experiments:
        for key in CONTEXT:
            if one.metrics.get(key, 0) > 0:
                return one.metrics[key]
            if size := _size(one.extra.get(key, "")):
                return size
    return _size(side.agent) or _size(side.campaign.name)


def _size(text: str) -> float | None:
    """A number of thousands or millions, as names have it."""
    found = _SIZE.search(text)
    if found is None:
        return None
    return float(found[1]) * (1_000 if found[2].casefold() == "k" else 1_000_000)


def _forgetting(told: Sequence[Side], sizes: Mapping[int, float | None]) -> dict[str, Cell]:
    """How often campaigns of the smallest and of the largest context repeat themselves."""
    known = sorted({size for size in sizes.values() if size})
    found: dict[str, Cell] = {}
    for size, word in ((known[0], "smallest"), (known[-1], "largest")):
        own = [repeats(told[place].campaign) for place, one in sizes.items() if one == size]
        rates = [one.values["exact_rate"] for one in own if not one.refused]
        plain = [rate for rate in rates if isinstance(rate, int | float)]
        found |= {f"{word}_context": size, f"repeats_{word}": mean(plain) if plain else None}
    return found


def efficiency_varies(campaigns: Sequence[Campaign]) -> Judgement:
    """H4: how many times the success rate of one agent is that of another.

    Success is kept / (kept + discarded), baselines and replicates left out. The interval is that of
    the logarithm of a ratio of shares (Katz and others 1978, a half added to what was kept and to
    what was not), widened where replicates scatter more than chance has them, for all pairs of
    agents at once.
    """
    name, claim = "h4_efficiency", "efficiency varies between agents"
    told = trimmed(campaigns)
    counts: dict[str, list[tuple[int, int]]] = {}
    for one in told:
        kept, total = judged_changes(one.campaign)
        if total:
            counts.setdefault(one.agent, []).append((kept, total))
    if len(counts) < 2:
        return refused(name, claim, told, "it takes two agents with changes kept or discarded")
    wider = max(1.0, _dispersion(counts))
    logs = {agent: _log_rate(own, wider) for agent, own in counts.items()}
    apart = extremes(logs)
    assert apart is not None
    rows = tuple(_efficiency(agent, own) for agent, own in counts.items())
    found = _differing(
        name, claim, told, apart, what="success rate",
        table=Table(columns=("agent", "kept", "judged", "success", "success_low", "success_high",
                             "campaigns"), rows=rows),
        notes=(f"scatter among replicates against chance: {number(_dispersion(counts))}",),
    )  # fmt: skip
    derived = [one.campaign.name for one in told if DERIVED in one.campaign.notes]
    if not derived:
        return found
    of = "all of these logs" if len(derived) == len(told) else listed(derived)
    said = f" What was kept is not said by {of}: there, it is what beat all before."
    return replace(found, why=found.why + said)


def _log_rate(own: Sequence[tuple[int, int]], wider: float) -> tuple[float, float, float]:
    kept, total = sum(one[0] for one in own) + 0.5, sum(one[1] for one in own) + 1.0
    return math.log(kept / total), math.sqrt(max(1 / kept - 1 / total, 0.0) * wider), math.inf


def _efficiency(agent: str, own: Sequence[tuple[int, int]]) -> tuple[Cell, ...]:
    kept, total = sum(one[0] for one in own), sum(one[1] for one in own)
    return agent, kept, total, kept / total, *interval(kept, total), len(own)


def _dispersion(counts: Mapping[str, Sequence[tuple[int, int]]]) -> float:
    """Pearson's chi squared of the replicates about their agent's rate, per degree of freedom."""
    squares, degrees = 0.0, 0
    for own in counts.values():
        rate = sum(kept for kept, _ in own) / sum(total for _, total in own)
        if len(own) > 1 and 0 < rate < 1:
            squares += sum((k - n * rate) ** 2 / (n * rate * (1 - rate)) for k, n in own)
            degrees += len(own) - 1
    return squares / degrees if degrees else 1.0


def late_steps_differ(campaigns: Sequence[Campaign]) -> Judgement:
    """H5: how many times as large the late gains of one agent are as another's.

    A late gain is an improvement in the second half of a campaign, relative to the best before
    it; sizes are compared by geometric means, campaign by campaign where every agent has enough of
    them with late gains, else gain by gain; for all pairs of agents at once.
    """
    name, claim = "h5_late_steps", "late micro-optimisation differs between agents"
    told = trimmed(campaigns)
    late: dict[str, list[list[float]]] = {}
    for one in told:
        n = len(one.campaign.experiments)
        own = [math.log(gain.relative) for gain in gains(one.campaign) if gain.place * 2 >= n]
        late.setdefault(one.agent, []).append(own)
    by_campaign = {agent: [mean(own) for own in several if own] for agent, several in late.items()}
    by_gain = {agent: [gain for own in several for gain in own] for agent, several in late.items()}
    enough = {agent for agent, means in by_campaign.items() if len(means) >= LATE_GAINS}
    unit = "campaign" if len(enough) > 1 else "gain"
    chosen = by_campaign if unit == "campaign" else by_gain
    units = {agent: own for agent, own in chosen.items() if len(own) >= LATE_GAINS}
    logs = {agent: _mean_error(own) for agent, own in units.items() if len(set(own)) > 1}
    apart = extremes(logs)
    if apart is None:
        had = listed([f"{agent} {len(by_gain[agent])}" for agent in by_gain])
        why = f"it takes {LATE_GAINS} late gains of each of two agents; there are: {had}"
        return refused(name, claim, told, why)
    rows = tuple(
        (agent, len(by_gain[agent]), median(math.exp(gain) for gain in by_gain[agent]),
         math.exp(logs[agent][0])) for agent in logs
    )  # fmt: skip
    left = [agent for agent in late if agent not in logs]
    notes = [f"the unit is a {unit}", "late: in the second half"]
    if left:
        notes.append(f"too few late gains to compare: {listed(left)}")
    table = Table(columns=("agent", "late_gains", "median", "geometric_mean"), rows=rows)
    return _differing(
        name, claim, told, apart, what="late step", table=table, notes=tuple(notes)
    )  # fmt: skip


def _mean_error(values: Sequence[float]) -> tuple[float, float, float]:
    return mean(values), stdev(values) / math.sqrt(len(values)), len(values) - 1.0


def _differing(
    name: str,
    claim: str,
    told: Sequence[Side],
    apart: Extremes,
    *,
    what: str,
    table: Table,
    notes: tuple[str, ...],
) -> Judgement:
    verdict = judged(apart.low, apart.widest, least=1.0, small=SMALL_RATIO)
    return Judgement(
        name=name,
        claim=claim,
        verdict=verdict,
        statistic=f"ratio of the {what}s furthest apart",
        estimate=apart.ratio, low=apart.low, high=apart.high, p=apart.p,
        n=len(told), agents=len({one.agent for one in told}),
        why=f"the {what} of {apart.most} is {_times(apart.ratio)} that of {apart.least}"
        f" ({span(apart.low, apart.high)} for all pairs at once; {count(len(told), 'campaign')}).",
        table=table,
        notes=notes,
    )  # fmt: skip


def _times(ratio: float) -> str:
    shown = number(ratio)
    return "about" if shown == "1" else f"{shown} times"


def discoveries_separate(campaigns: Sequence[Campaign]) -> Judgement:
    """H6: whether some kept discovery is had by the better campaigns and lacked by the others.

    The largest correlation over all discoveries of having it with the result, with its p and its
    interval corrected for having looked at all of them.
    """
    name, claim = "h6_discoveries", "single discoveries separate the campaigns"
    told = trimmed(campaigns)
    good = goodness(told)
    if why := _lacking(told, good, "a result"):
        return refused(name, claim, told, why)
    places = sorted(good)
    having = [discovered(told[place].campaign) for place in places]
    tasks = [told[place].task for place in places]
    found = separation(having, [good[place] for place in places], tasks)
    if found is None or found.low is None:
        why = "no kept improvement is had by two campaigns and lacked by two, or campaigns are few"
        return refused(name, claim, told, why)
    verdict = judged(found.low, found.widest)
    if verdict == "supported" and found.p > 0.05:
        verdict = "can't tell"
    named = " / ".join(found.names[:3])
    return Judgement(
        name=name,
        claim=claim,
        verdict=verdict,
        statistic="correlation of having a discovery with the result",
        estimate=found.r, low=found.low, high=found.high, p=found.p, n=len(places),
        agents=len({told[place].agent for place in places}),
        why=f"of {count(found.tried, 'discovery', 'discoveries')} {named} goes along best with the"
        f" result: {number(found.r)} ({span(found.low, found.high)} for all at once; p ="
        f" {number(found.p)}; {found.having} of {count(len(places), 'campaign')} have it).",
        values={"discovery": named, "having": found.having, "tried": found.tried,
                "largest_gain_share": _largest(told)},
        notes=("who has a discovery differs in other things too: it goes along, it need not cause",
               "largest_gain_share: the median over campaigns of the largest single gain's share"),
    )  # fmt: skip


def _largest(told: Sequence[Side]) -> float | None:
    """The median over campaigns of which share of all that was gained came at once."""
    found = []
    for one in told:
        went = progress(one.campaign)
        total = math.fsum(went.gains) if went else 0.0
        if went and total > 0:
            found.append(max(went.gains) / total)
    return median(found) if found else None


def agents_have_characters(campaigns: Sequence[Campaign]) -> Judgement:
    """H7: how often a campaign's agent is told from its categories alone, cross-validated.

    Contradicted: even the upper end of the accuracy's interval is nearer to chance than to
    certainty.
    """
    name, claim = "h7_character", "each agent has a character"
    told = trimmed(campaigns)
    rows = [(one, [kind for kind in kinds(one.campaign) if kind]) for one in told]
    rows = [(one, seq) for one, seq in rows if len(seq) > 1]
    often = Counter(one.agent for one, _ in rows)
    rows = [(one, seq) for one, seq in rows if often[one.agent] > 1]
    if len({one.agent for one, _ in rows}) < 2:
        why = "it takes two campaigns with changes of known kind from each of two agents: of one"
        return refused(name, claim, told, f"{why} campaign nobody can say what is the agent's")
    own = [one for one, _ in rows]
    found = recognition([seq for _, seq in rows], [one.agent for one in own])
    verdict: Verdict = "can't tell"
    if found.low > found.chance and found.p <= 0.05:
        verdict = "supported"
    elif found.high < (1 + found.chance) / 2:
        verdict = "contradicted"
    tasks = {agent: {one.task for one in own if one.agent == agent} for agent in often}
    same = len({frozenset(of) for of in tasks.values() if of}) == 1
    return Judgement(
        name=name,
        claim=claim,
        verdict=verdict,
        statistic="cross-validated accuracy of telling the agent",
        estimate=found.accuracy, low=found.low, high=found.high, p=found.p, n=found.n,
        agents=len({one.agent for one in own}),
        why=f"from its categories alone {found.right} of {count(found.n, 'campaign')} were given to"
        f" the right agent: {percent(found.accuracy)} ({shares(found.low, found.high)}), by chance"
        f" {percent(found.chance)} (p = {number(found.p)}).",
        values={"right": found.right, "chance": found.chance},
        table=Table(columns=("agent", "task", "replicate", "taken_for"),
                    rows=tuple((one.agent, one.task, one.replicate, guess)
                               for one, guess in zip(own, found.told, strict=True))),
        notes=() if same else ("the agents had different tasks: a task has a character, too",),
    )  # fmt: skip


HYPOTHESES: tuple[Hypothesis, ...] = (
    breadth_predicts,
    shifting_helps,
    context_matters,
    efficiency_varies,
    late_steps_differ,
    discoveries_separate,
    agents_have_characters,
)


def measure_of(hypothesis: Hypothesis) -> Callable[[Sequence[Campaign]], Measured]:
    """Return a hypothesis as a measure of several campaigns."""
    return lambda campaigns: hypothesis(campaigns).measured()


def judgements(campaigns: Sequence[Campaign]) -> list[Judgement]:
    """Return all seven."""
    return [hypothesis(campaigns) for hypothesis in HYPOTHESES]


def hypotheses(campaigns: Sequence[Campaign]) -> Measured:
    """Judge the seven hypotheses and set them out in one table."""
    name, title = "hypotheses", "The seven hypotheses of the five-agent study"
    if len(campaigns) < 2:
        return refusal(name, title, "the hypotheses are about several campaigns; this is one")
    if any(one.direction is None for one in campaigns):
        return refusal(name, title, UNDIRECTED)
    found = judgements(campaigns)
    words: dict[Verdict, list[str]] = {"supported": [], "contradicted": [], "can't tell": []}
    for one in found:
        words[one.verdict].append(one.title.partition(":")[0])
    told = [f"{word}: {listed(of) or 'none'}" for word, of in words.items()]
    rows = tuple(
        (one.title.partition(":")[0], one.claim, one.verdict, one.statistic, one.estimate, one.low,
         one.high, one.p, one.n, one.agents, one.why) for one in found
    )  # fmt: skip
    lengths = common(sides(campaigns))
    return Measured(
        name=name,
        title=title,
        sentence=f"Of the seven, {'; '.join(told)}.",
        values={one.name: one.verdict for one in found},
        table=Table(columns=("hypothesis", "claim", "verdict", "statistic", "estimate", "low",
                             "high", "p", "n", "agents", "why"), rows=rows),
        notes=("a verdict is never stronger than its interval; seven are looked at at once, so"
               " one in twenty may be supported by chance",
               "compared over the first "
               + listed([f"{count(n, 'experiment')} of {task}" for task, n in lengths.items()])),
    )  # fmt: skip


def _lacking(told: Sequence[Side], having: Mapping[int, object], what: str) -> str:
    """Why campaigns can't be compared; '' if they can."""
    if any(one.campaign.direction is None for one in told):
        return UNDIRECTED
    if len(having) < 2:
        return f"{count(len(having), 'campaign')} of {len(told)} has {what}: it takes several"
    return ""
