"""A comparison in tables and in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from trialwright.analysis.contest import Duel, needed
from trialwright.app.compare.tallies import Sum, Tally
from trialwright.report import words
from trialwright.task import Objective

NONE = "–"
RESULTS = ("agent", "campaigns", "best", "95 % interval", "improved", "kept", "crashes", "refused")
MEANS = ("agent", "categories", "entropy", "time", "in runs", "tokens", "cost")


def tables(found: Sequence[Sum]) -> Iterator[RenderableType]:
    """Yield what each agent came to, and by what means: a row per agent."""
    for headings, row in ((RESULTS, _results), (MEANS, _means)):
        drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in headings:
            drawn.add_column(heading, header_style="bold", overflow="fold")
        for one in found:
            drawn.add_row(*map(Text, row(one)))
        yield drawn


def _results(one: Sum) -> tuple[str, ...]:
    best, rate = one.best, one.improved
    share = f" ({rate.low:.0%} to {rate.high:.0%})" if rate.total else ""
    return (
        words.line(one.agent, most=40),
        str(one.replicates),
        NONE if best.mean is None else words.number(best.mean),
        NONE
        if best.low is None or best.high is None
        else f"{words.number(best.low)} to {words.number(best.high)}",
        f"{rate.hits} of {rate.total}{share}",
        str(one.kept),
        str(one.crashes),
        str(one.refused),
    )


def _means(one: Sum) -> tuple[str, ...]:
    kinds = ", ".join(f"{name} {count}" for name, count in one.categories.items())
    return (
        words.line(one.agent, most=40),
        kinds or NONE,
        f"{one.entropy:.2f} bits",
        words.seconds(one.wall_s),
        words.seconds(one.seconds),
        f"{one.cost.tokens:,}" if one.cost.exchanges else NONE,
        NONE if one.cost.usd is None else f"${one.cost.usd:.2f}",
    )


def baselines(tallies: Sequence[Tally], goal: Objective) -> str:
    """Say from what all began; that it differs between replicates, where it does."""
    values = [one.baseline for one in tallies if one.baseline is not None]
    if not values:
        return "no campaign has its baseline yet"
    low, high = min(values), max(values)
    if low == high:
        return f"all began from {goal.metric} = {words.number(low)}"
    return (
        f"all began from the same code; its {goal.metric} was {words.number(low)} to"
        f" {words.number(high)}, by seed"
    )


def judged(tallies: Sequence[Tally]) -> str:
    """Say by what the campaigns are compared."""
    if tallies and all(one.fresh is not None for one in tallies):
        return "best: the best trial of each campaign, on seeds that no selection saw"
    return (
        "best: the best trial of each campaign, on the seeds by which it was chosen, which flatters"
        " it (seeds: {fresh: 4} would not)"
    )


def sentences(found: Sequence[Sum], pairs: Sequence[Duel], goal: Objective) -> Iterator[str]:
    """Say of each pair who is better and how surely, and what can't be told from so few."""
    for one in pairs:
        yield _pair(one, goal)
    least, fewest = needed(len(found)), min((one.replicates for one in found), default=0)
    if fewest < least:
        have = words.count(fewest, "replicate")
        yield (
            f"{have} of each can't tell {len(found)} agents apart at 5 %, whatever comes out: at"
            f" least {least} are needed (--replicates {least} goes on from here)."
        )
    yield (
        "improved: trials of its own that beat the best of their time, on their seeds; kept: beyond"
        " noise. Intervals of means are Student's over replicates; those of shares are exact for"
        " independent trials, which trials of one campaign are not quite; p is of a sign-flip test"
        " over replicates, corrected for the number of pairs."
    )


def _pair(one: Duel, goal: Objective) -> str:
    agent, against = (words.line(name, most=40) for name in (one.agent, one.against))
    if one.difference == 0:
        said = f"{agent} and {against} came to the same {goal.metric}"
    else:
        better, worse = (agent, against) if one.difference > 0 else (against, agent)
        said = f"{better} came to a better {goal.metric} than {worse}, by {abs(one.difference):.3g}"
    over = words.count(one.replicates, "replicate")
    if one.low is None or one.high is None:
        return f"{said} in the one replicate that both have: that tells nothing of the next."
    ends = sorted((one.low, one.high)) if one.difference >= 0 else sorted((-one.high, -one.low))
    surely = "told from chance" if one.told else "not told from chance"
    return (
        f"{said} on average over {over} (95 % interval {ends[0]:.3g} to {ends[1]:.3g}, p ="
        f" {one.p:.2g}): {surely}."
    )
