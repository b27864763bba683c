"""Which single discoveries the better campaigns have and the others lack, corrected for looking."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trialwright.analysis.correlation import centred, interval, orders
from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.campaigns.categories import change_in
from trialwright.campaigns.vocabulary import words
from trialwright.expression import Scalar
from trialwright.insight.repeats import settings_of
from trialwright.insight.sequence import planned, progress

LEAST = 2
"""Campaigns that must have a discovery, and that must lack it."""
WORD = re.compile(r"[a-z][a-z_0-9]*[a-z]|[a-z]+\d*")
SAID = words(
    "a an and at again all by best better for from gain improvement in increase increased into"
    " is it less lower more new no not of off on only or over raise reduce set slightly some the"
    " then to try use used using value was with without worse"
)
"""Words that name no discovery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """The discovery that goes along best with good results."""

    names: tuple[str, ...]
    """What it is called; several, where they came together in every campaign."""
    having: int
    """Campaigns that have it."""
    r: float
    """Correlation of having it with the result, within tasks."""
    low: float | None
    high: float | None
    """At 95 % for all discoveries at once (Bonferroni over those that differ)."""
    p: float
    """Of the largest correlation among all discoveries (Westfall and Young 1993)."""
    tried: int
    """Discoveries that differ."""
    widest: float | None
    """The largest correlation that the interval of any of them leaves room for."""


def discovered(campaign: Campaign) -> dict[str, float]:
    """Return what the kept improvements of a campaign changed, and what each gained at most.

    A change is named by the settings that differ from the best before it, where there are
    configurations, else by the words and pairs of words of what is said to have been changed.
    """
    went = progress(campaign)
    if went is None:
        return {}
    marked = any(one.status == "keep" for one in campaign.experiments)
    found: dict[str, float] = {}
    best: Experiment | None = None
    for place, one in enumerate(campaign.experiments):
        if not went.improved[place]:
            continue
        gain, before, best = went.gains[place], best, one
        if gain <= 0 or planned(one) or (marked and one.status != "keep"):
            continue
        for name in _names(one, before):
            found[name] = max(found.get(name, 0.0), gain)
    return found


def _names(one: Experiment, before: Experiment | None) -> list[str]:
    now = settings_of(one)
    then: Mapping[str, Scalar] = settings_of(before) if before else {}
    if now and then:
        return [_setting(key, now.get(key)) for key in sorted(now.keys() | then.keys())
                if now.get(key) != then.get(key)]  # fmt: skip
    said = [word for word in WORD.findall(change_in(one.description).casefold())
             if word not in SAID]  # fmt: skip
    return [*dict.fromkeys(said), *(f"{a} {b}" for a, b in pairwise(said))]


def _setting(key: str, value: Scalar) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return key if number or value is None else f"{key}={value}"


def separation(
    having: Sequence[Mapping[str, float]], goodness: Sequence[float], tasks: Sequence[str]
) -> Separation | None:
    """Find the discovery that goes along best with good results; None if none can be looked at.

    One per campaign: what it discovered, how good it was, its task.
    """
    patterns: dict[tuple[bool, ...], list[str]] = defaultdict(list)
    for name in sorted({name for one in having for name in one}):
        patterns[tuple(name in one for one in having)].append(name)
    rows = {
        pattern: names for pattern, names in patterns.items()
        if LEAST <= sum(pattern) <= len(pattern) - LEAST
        and float(np.abs(centred(pattern, tasks)).max()) > 1e-9
    }  # fmt: skip
    if not rows:
        return None
    there = np.array([centred(pattern, tasks) for pattern in rows])
    there /= np.linalg.norm(there, axis=1, keepdims=True)
    results = centred(goodness, tasks)
    norm = float(np.linalg.norm(results))
    if norm < 1e-12:
        return None
    seen = there @ results / norm
    most = (orders(results, tasks) @ there.T / norm).max(axis=1)
    best = int(seen.argmax())
    level, n = 1 - 0.05 / len(rows), len(goodness) - len(set(tasks)) + 1
    ends = [interval(float(r), n, level=level) for r in seen]
    pattern = list(rows)[best]
    return Separation(
        names=tuple(rows[pattern]),
        having=sum(pattern),
        r=float(seen[best]),
        low=ends[best][0],
        high=ends[best][1],
        p=float(np.mean(most >= float(seen[best]) - 1e-9)),
        tried=len(rows),
        widest=max((high for _, high in ends if high is not None), default=None),
    )
