"""How long a campaign went without getting better: dry streaks, and plateaus within noise."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from trialwright.campaigns.campaign import Campaign
from trialwright.insight.measured import Measured, Table, refusal
from trialwright.insight.sequence import UNDIRECTED, Progress, progress
from trialwright.insight.telling import count, number, span

LEAST = 5
"""Streaks that ended before a median of how long they last is told."""
LONG = 10
"""Experiments that make a streak a plateau."""
SEED = ("seed", "random_seed", "rng_seed")


@dataclass(frozen=True, slots=True)
class Streak:
    """Experiments in a row of which none beat the best."""

    start: int
    """The first one's place in the log, from 0."""
    length: int
    ended: bool
    """Whether an improvement ended it; of the last one nobody knows how long it would have been."""


@dataclass(frozen=True, slots=True)
class Survival:
    """Kaplan and Meier's median (1958, JASA 53) with its interval; None: never reached."""

    median: float | None
    low: float | None
    high: float | None


def dry_streaks(improved: Sequence[bool]) -> list[Streak]:
    """Return the streaks between improvements, those of no length left out.

    >>> [one.length for one in dry_streaks([True, False, False, True, True, False])]
    [2, 1]
    """
    found, start = [], 0
    for place, better in enumerate(improved):
        if better:
            found.append(Streak(start, place - start, ended=True))
            start = place + 1
    found.append(Streak(start, len(improved) - start, ended=False))
    return [one for one in found if one.length]


def streaks(campaign: Campaign) -> Measured:
    """Measure the streaks of experiments without an improvement of the running best.

    Crashes and baselines count as experiments. The last streak is censored: it enters the median as
    one that lasts at least so long.
    """
    name, title = "streaks", "How long it went without an improvement"
    went = progress(campaign)
    if went is None:
        return refusal(name, title, UNDIRECTED)
    if not any(went.improved):
        return refusal(name, title, "no experiment has a result")
    found = dry_streaks(went.improved)
    if not found:
        return refusal(name, title, "every experiment was an improvement: there is no streak")
    longest = max(found, key=lambda one: one.length)
    ended = sum(one.ended for one in found)
    last = found[-1]
    running = 0 if last.ended else last.length
    lasting = survival(found) if ended >= LEAST else None
    typical = (
        f" Half of them lasted at most {number(lasting.median)}"
        f" ({span(lasting.low, lasting.high)})." if lasting and lasting.median is not None else ""
    )  # fmt: skip
    close = f"; the last one, of {running}, had not ended" if running else ""
    return Measured(
        name=name,
        title=title,
        sentence=f"The longest of {count(len(found), 'dry streak')} lasted"
        f" {count(longest.length, 'experiment')}, from experiment {longest.start + 1} on{close}."
        f"{typical}",
        values={"streaks": len(found), "ended": ended, "longest": longest.length,
                "longest_from": longest.start + 1, "longest_ended": longest.ended,
                "running": running, "median": lasting.median if lasting else None,
                "median_low": lasting.low if lasting else None,
                "median_high": lasting.high if lasting else None},
        table=Table(columns=("from", "length", "ended"),
                    rows=tuple((one.start + 1, one.length, one.ended) for one in found)),
        notes=() if lasting else (f"a median takes {LEAST} streaks that ended; {ended} did",),
    )  # fmt: skip


def survival(found: Sequence[Streak]) -> Survival:
    """Return the median length where some streaks may not have ended.

    The interval inverts the test by log(-log S) (Brookmeyer and Crowley 1982, Biometrics 38).

    >>> survival([Streak(0, n, ended=True) for n in (1, 2, 3, 4, 5)]).median
    3.0
    """
    quantile = float(ndtri(0.975))
    alive, scatter = 1.0, 0.0
    median: float | None = None
    inside: list[float] = []
    for length in sorted({one.length for one in found if one.ended}):
        at_risk = sum(one.length >= length for one in found)
        died = sum(one.length == length and one.ended for one in found)
        alive *= 1 - died / at_risk
        if median is None and alive <= 0.5 + 1e-12:
            median = float(length)
        if at_risk > died:
            scatter += died / (at_risk * (at_risk - died))
        if 0 < alive < 1:
            centre = math.log(-math.log(alive)) - math.log(math.log(2))
            if abs(centre) <= quantile * math.sqrt(scatter) / abs(math.log(alive)):
                inside.append(float(length))
    ending = max((one.length for one in found if one.ended), default=0)
    high = _after(inside, found, ending) if inside else None
    return Survival(median, inside[0] if inside else median, high)


def _after(inside: Sequence[float], found: Sequence[Streak], ending: int) -> float | None:
    """The first length at which the curve has left the interval; None if it never does."""
    later = [one.length for one in found if one.ended and one.length > inside[-1]]
    return float(min(later)) if later and inside[-1] < ending else None


def plateaus(campaign: Campaign, *, delta: float = 0.0, long: int = LONG) -> Measured:
    """Find stretches of `long` experiments or more that gained less than noise, or than `delta`.

    A stretch ends where the running best has gained at least max(2 sigma, delta) since it began.
    sigma is the standard deviation among results of one configuration under several seeds, pooled;
    where there are none it is not known, and taken for 0.
    """
    name, title = "plateaus", "Where it stood still"
    went = progress(campaign)
    if went is None:
        return refusal(name, title, UNDIRECTED)
    if not any(went.improved):
        return refusal(name, title, "no experiment has a result")
    sigma, degrees = noise_of(campaign)
    least = max(2 * sigma, delta) if sigma is not None else delta
    found = [one for one in stretches(went, least) if one.length >= long]
    rows = tuple((one.start + 1, one.start + one.length, one.length, one.ended) for one in found)
    inside = sum(one.length for one in found)
    n = len(campaign.experiments)
    what = f"a gain below {number(least)}" if least else "no gain at all"
    noted = (
        f"sigma {number(sigma)} from repeated configurations ({count(degrees, 'degree')} of"
        " freedom)" if sigma is not None
        else "no configuration has results under several seeds: noise is not known, so a gain by"
        " noise ends a plateau"
    )  # fmt: skip
    return Measured(
        name=name,
        title=title,
        sentence=f"{count(len(found), 'plateau')} of {long} experiments or more with {what}:"
        f" {inside} of {count(n, 'experiment')} in all.",
        values={"plateaus": len(found), "inside": inside, "n": n, "threshold": least,
                "sigma": sigma, "longest": max((one.length for one in found), default=0),
                "running": bool(found) and not found[-1].ended},
        table=Table(columns=("from", "to", "length", "ended"), rows=rows),
        notes=(noted, "the last plateau may go on beyond the log"),
    )  # fmt: skip


def stretches(went: Progress, least: float) -> list[Streak]:
    """Return the stretches over which the running best gained less than `least`, or nothing."""
    found: list[Streak] = []
    start, level = 0, None
    for place, best in enumerate(went.best):
        if best is None:
            continue
        gained = math.inf if level is None else level - best
        if went.improved[place] and gained >= least and gained > 0:
            found.append(Streak(start, place - start, ended=True))
            start, level = place + 1, best
    found.append(Streak(start, len(went.best) - start, ended=False))
    return [one for one in found if one.length]


def noise_of(campaign: Campaign) -> tuple[float | None, int]:
    """Return the pooled standard deviation over seeds of one configuration, and its degrees.

    (None, 0) where no configuration has results under two seeds.
    """
    groups: dict[str, dict[int | None, float]] = defaultdict(dict)
    for one in campaign.experiments:
        if one.metric is None or one.status == "crash" or not one.configuration:
            continue
        settings = {key: value for key, value in one.configuration.items()
                    if key.rsplit(".", 1)[-1] not in SEED}  # fmt: skip
        key = json.dumps([settings, one.task, one.extra.get("tree")], sort_keys=True)
        groups[key].setdefault(one.seed, one.metric)
    squares, degrees = 0.0, 0
    for values in groups.values():
        middle = math.fsum(values.values()) / len(values)
        squares += math.fsum((value - middle) ** 2 for value in values.values())
        degrees += len(values) - 1
    return (math.sqrt(squares / degrees), degrees) if degrees else (None, 0)
