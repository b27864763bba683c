"""How mixed the changes of a campaign are: entropy of their kinds, breadth, first-ever cells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import get_args

from trialwright.analysis.information import corrected, spread
from trialwright.analysis.information import entropy as plain
from trialwright.analysis.rates import interval
from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.categories import agreement, change_in
from trialwright.insight.factors import factors_of, level_of
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.repeats import signature
from trialwright.insight.sequence import CATEGORY, kinds, placed, planned, windows
from trialwright.insight.telling import amount, count, number, percent, shares, span
from trialwright.records import Category

POSSIBLE = len(get_args(Category)) - 1
"""Kinds of change that there can be: all but baselines and replicates."""
LEAST = 2
"""Experiments of known kind."""
SEVERAL = {"multi": "several kinds at once"}
"""A kind as sentences call it, where they don't call it by its name."""


def entropy(campaign: Campaign, *, factor: str = CATEGORY, window: int | None = None) -> Measured:
    """Measure how mixed the kinds of change are, in bits, whole and per window.

    `entropy_bits` is that of the shares; `corrected_bits` adds what few experiments hide (Miller
    and Madow), and the interval is its. `normalised` is it over the log of the kinds that there can
    be: all categories, or of another factor its levels seen. `effective` is 2 to the corrected
    entropy: so many kinds, all as frequent, would be as mixed.
    """
    name, title = "entropy", "How mixed the changes were"
    found = kinds(campaign, factor)
    counts = Counter(kind for kind in found if kind is not None)
    total = counts.total()
    if total < LEAST:
        return refusal(name, title, f"{count(total, 'experiment')} of a known {factor}: too few")
    rows = _rows(found, window)
    bits, better = plain(counts.values()), corrected([*counts.values()])
    low, high = spread([*counts.values()])
    most = POSSIBLE if factor == CATEGORY else len(counts)
    top, times = counts.most_common(1)[0]
    noun = (
        ("kind of change", "kinds of change") if factor == CATEGORY
        else (f"value of {factor}", f"values of {factor}")
    )  # fmt: skip
    values: dict[str, Cell] = {
        "n": total,
        "unknown": sum(kind is None for kind in found),
        "entropy_bits": bits,
        "corrected_bits": better,
        "corrected_bits_low": low,
        "corrected_bits_high": high,
        "normalised": min(better / math.log2(most), 1.0) if most > 1 else None,
        "breadth": len(counts),
        "effective": 2**better,
        "factor": factor,
    }
    sentence = (
        f"{count(len(counts), *noun)} in {count(total, 'experiment')}, {amount(bits, 'bit')}"
        f" ({number(better)} corrected for so few, {span(low, high)}): as mixed as"
        f" {number(2**better)} kinds used alike; most often {SEVERAL.get(top, top)},"
        f" {percent(times / total)}."
    )
    table = Table(columns=("experiments", "n", "breadth", "bits", "corrected_bits", *COUNTED),
                  rows=tuple(rows))  # fmt: skip
    return Measured(
        name=name, title=title, sentence=sentence, values=values, table=table,
        notes=(_known(campaign, found, factor), *_both(campaign, factor),
               "the interval takes experiments for independent draws; runs of one kind widen it"),
    )  # fmt: skip


COUNTED = ("most_frequent", "share")


def _rows(found: Sequence[str | None], window: int | None) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for one in windows(len(found), window):
        counts = Counter(kind for kind in found[one.start : one.stop] if kind is not None)
        total = counts.total()
        top, times = counts.most_common(1)[0] if counts else (None, 0)
        bits = (plain(counts.values()), corrected([*counts.values()])) if total else (None, None)
        rows.append((placed(one), total, len(counts), *bits, top, times / total if total else None))
    return rows


def _known(campaign: Campaign, found: Sequence[str | None], factor: str) -> str:
    """How many experiments are left out, and why."""
    made = sum(planned(one) for one in campaign.experiments) if factor == CATEGORY else 0
    unknown = sum(kind is None for kind in found) - made
    return (
        f"left out: {count(made, 'baseline or replicate', 'baselines and replicates')},"
        f" {count(unknown, 'experiment')} of unknown {factor}"
    )


def _both(campaign: Campaign, factor: str) -> list[str]:
    """Where the categories come from, and how far what is declared is what descriptions say."""
    if factor != CATEGORY:
        return []
    if any("touched" in one.extra for one in campaign.experiments):
        return ["kinds are told by what differs, in the code or in the settings, from what a"
                " trial was built on: as declared they stand in the data set"]  # fmt: skip
    told = sum(bool(one.category) for one in campaign.experiments)
    if not told:
        return ["no category is declared: all are inferred from descriptions"]
    seen = agreement(campaign.experiments)
    return [
        f"{told} of {len(campaign.experiments)} categories are declared; of {seen.compared} that"
        f" descriptions speak of as well, {seen.same} are the same"
    ]


def categories(campaign: Campaign) -> Measured:
    """Count each kind of change, as declared and as inferred, with what came of it."""
    name, title = "categories", "What was changed"
    levels = kinds(campaign)
    if not any(levels):
        return refusal(name, title, "no experiment's kind of change is known")
    by: dict[str, Counter[str]] = {}
    for level, one in zip(levels, campaign.experiments, strict=True):
        if level is not None:
            by.setdefault(level, Counter())[one.status] += 1
            by[level]["declared"] += bool(one.category)
    touched = _touched(campaign)
    rows = [_tallied(level, tallies, touched) for level, tallies in by.items()]
    rows += [_tallied(kind, {}, touched) for kind in touched if kind not in by]
    rows.sort(key=lambda row: -int(row[1] or 0))
    total = sum(int(row[1] or 0) for row in rows)
    return Measured(
        name=name,
        title=title,
        sentence=_changed(rows, total, touched),
        values={"breadth": len(by), "n": total},
        table=Table(
            columns=("category", "n", "declared", "kept", "discarded", "crashed", "success",
                     "success_low", "success_high", *(("touched",) if touched else ())),
            rows=tuple(rows),
        ),
        notes=tuple(_both(campaign, CATEGORY)),
    )  # fmt: skip


def _changed(rows: Sequence[Sequence[Cell]], total: int, touched: Mapping[str, int]) -> str:
    top, times = str(rows[0][0]), int(rows[0][1] or 0)
    kept = max(rows, key=lambda row: int(row[3] or 0))
    text = f"Most often {SEVERAL.get(top, top)} ({times:,} of {count(total, 'experiment')})"
    if hits := int(kept[3] or 0):
        of = SEVERAL.get(str(kept[0]), str(kept[0]))
        text += f"; most that was kept is of {of} ({hits:,})."
    else:
        text += "; nothing of a known kind was kept."
    if touched and any(row[0] == "multi" for row in rows):
        parts = [f"{kind} {n:,}" for kind, n in Counter(touched).most_common()]
        text += f" Alone or with others, so often each: {', '.join(parts)}."
    return text


def _touched(campaign: Campaign) -> dict[str, int]:
    """How many experiments touch each kind, alone or with others, where that is known."""
    own = [one.extra.get("touched", "") for one in campaign.experiments if not planned(one)]
    counts = Counter(kind for told in own for kind in told.split(", ") if kind)
    return dict(counts) if len(counts) > 1 else {}


def _tallied(
    level: str, tallies: Mapping[str, int], touched: Mapping[str, int]
) -> tuple[Cell, ...]:
    kept, dropped, crashed, other, declared = (
        tallies.get(word, 0) for word in ("keep", "discard", "crash", "other", "declared")
    )
    total = kept + dropped + crashed + other
    judged = kept + dropped
    part: tuple[Cell, ...] = (None, None, None)
    if judged:
        part = (kept / judged, *interval(kept, judged))
    several: tuple[Cell, ...] = (touched.get(level, 0),) if touched else ()
    return level, total, declared, kept, dropped, crashed, *part, *several


def innovation(campaign: Campaign, *, window: int | None = None) -> Measured:
    """Measure which share of experiments opened a cell that none before them had, per window.

    A cell is one combination of the levels of all factors (settings with few values); without
    factors a configuration; without configurations the change as it is described.
    """
    name, title = "innovation", "How much was new"
    found, what = _cells(campaign)
    if not found:
        return refusal(name, title, "no experiment has a configuration or a description")
    rows: list[tuple[Cell, ...]] = []
    seen: set[Hashable] = set()
    fresh: list[bool] = []
    for cell in found:
        fresh.append(cell not in seen)
        seen.add(cell)
    for one in windows(len(found), window):
        first = sum(fresh[one.start : one.stop])
        rows.append((placed(one), len(one), first, first / len(one), *interval(first, len(one))))
    total, new = len(found), sum(fresh)
    low, high = interval(new, total)
    return Measured(
        name=name,
        title=title,
        sentence=f"{new:,} of {count(total, 'experiment')} {'was' if new == 1 else 'were'} the"
        f" first of {'its' if new == 1 else 'their'} cell ({percent(new / total)},"
        f" {shares(low, high)})"
        + (f"; {percent(float(rows[0][3] or 0))} in the first window,"
           f" {percent(float(rows[-1][3] or 0))} in the last." if len(rows) > 1 else "."),
        values={"n": total, "first_ever": new, "rate": new / total, "rate_low": low,
                "rate_high": high, "cells": len(seen)},
        table=Table(columns=("experiments", "n", "first_ever", "rate", "rate_low", "rate_high"),
                    rows=tuple(rows)),
        notes=(f"a cell is {what}", "baselines and replicates are left out"),
    )  # fmt: skip


def _cells(campaign: Campaign) -> tuple[list[Hashable], str]:
    """Each experiment's cell, and what that is; none where nothing tells them apart."""
    own = [one for one in campaign.experiments if not planned(one)]
    factors = [one for one in factors_of(campaign) if one != CATEGORY]
    if factors:
        cells = [tuple(level_of(one, factor) for factor in factors) for one in own]
        what = "a combination of " if len(factors) > 1 else "a value of "
        return list(cells), f"{what}{', '.join(factors[:6])}" + (
            f" and {len(factors) - 6} more" if len(factors) > 6 else ""
        )
    if any(one.configuration or one.extra.get("tree") for one in own):
        return [signature(one) for one in own], "a configuration"
    told = [change_in(one.description).casefold() for one in own if one.description]
    return list(told), "a change as it is described"
