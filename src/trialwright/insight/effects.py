"""Several factors at once: what goes with each beyond the others, and with their interactions."""

from __future__ import annotations

from collections.abc import Sequence

from trialwright.analysis.ranking import ranked
from trialwright.campaigns.campaign import Campaign
from trialwright.insight.factors import factors_of, level_of, named, strata_of, with_result
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.shares import FEWEST, finite
from trialwright.insight.telling import percent
from trialwright.insight.variance import LEAST_ERROR, Decomposition, Share, type_two

MOST_FACTORS = 6
"""Factors that are looked at side by side."""

LEAST = 0.005
"""A share below this is written as 0 %, and not named in the sentence."""

NAME, TITLE = "factor_effects", "Factors side by side"


def factor_effects(campaign: Campaign, *, factors: Sequence[str] | None = None) -> Measured:
    """Return what goes with each of several factors at once, and with their interactions.

    Type II sums of squares, so that neither unbalanced cells nor the order of the factors matter;
    partial omega^2 with the noncentral F's interval; tasks and code epochs are one more factor. By
    ranks too, without interactions, which ranks do not keep.
    """
    asked = factors if factors is not None else factors_of(campaign)[:MOST_FACTORS]
    names = tuple(dict.fromkeys(named(campaign, name) for name in asked))
    if len(names) < 2:
        return refusal(NAME, TITLE, f"There is {'one factor' if names else 'no factor'}, not two.")
    results = with_result(campaign.experiments)
    strata = strata_of(results)
    table: dict[str, list[str]] = {name: [] for name in names}
    values: list[float] = []
    labels: list[str] = []
    for one, label in zip(results, strata.labels, strict=True):
        own = [level_of(one, name) for name in names]
        if any(level is None for level in own):
            continue
        values.append(one.metric or 0.0)
        labels.append(label)
        for name, level in zip(names, own, strict=True):
            table[name].append(level or "")
    columns: dict[str, Sequence[str]] = {**table}
    if len(set(labels)) > 1 and not set(strata.by) & set(names):
        columns[" and ".join(strata.by)] = labels
    found = type_two(columns, values) if len(values) >= FEWEST else None
    by_rank = type_two(columns, ranked(values).tolist(), pairs=False) if found else None
    if found is None or by_rank is None:
        return refusal(
            NAME, TITLE,
            f"{len(values)} results with {len(names)} factors leave fewer than {LEAST_ERROR}"
            " degrees of freedom for what is not explained, or do not differ.",
        )  # fmt: skip
    left = [] if factors is not None else factors_of(campaign)[MOST_FACTORS:]
    further = [f"Further factors are not looked at: {', '.join(left)}."] if left else []
    return _effects(found, by_rank, results=len(results), n=len(values), further=further)


def _effects(
    found: Decomposition, by_rank: Decomposition, *, results: int, n: int, further: Sequence[str]
) -> Measured:
    ranks = {one.term: one for one in by_rank.shares}
    rows = [_effect(one, ranks.get(one.term)) for one in found.shares]
    values: dict[str, Cell] = {"n": n, "residual": found.residual}
    for one in found.shares:
        values |= {
            f"{one.term}.eta2": one.eta2,
            f"{one.term}.omega2": one.omega2,
            f"{one.term}.omega2_low": one.low,
            f"{one.term}.omega2_high": one.high,
        }
    first = sorted(found.shares, key=lambda one: -one.eta2)[:3]
    told = ", ".join(f"{one.term} {percent(one.eta2)}" for one in first if one.eta2 >= LEAST)
    told = told or "no factor anything to speak of"
    shared = 1 - found.residual - sum(one.eta2 for one in found.shares)
    notes = []
    if abs(shared) > LEAST:
        notes.append(
            f"The shares do not sum to 1: {percent(shared)} can't be divided, since levels of"
            " different factors went along with each other."
        )
    if found.aliased:
        notes.append(f"Not to be told from the other factors: {', '.join(found.aliased)}.")
    if found.untold:
        notes.append(f"Too few results per cell for {', '.join(found.untold)}.")
    if n < results:
        notes.append(f"{results - n} results lack a level of some factor and are left out.")
    return Measured(
        name=NAME,
        title=TITLE,
        sentence=f"Of the variance of {n} results, each beyond the others: {told};"
        f" {percent(found.residual)} is left over.",
        values=values,
        table=Table(columns=_EFFECT, rows=tuple(rows)),
        notes=(*notes, *further),
    )


_EFFECT = (
    "term", "n", "levels", "df", "df_error", "eta2", "partial_eta2", "omega2", "low", "high", "f",
    "p", "partial_eta2_ranks", "p_ranks",
)  # fmt: skip


def _effect(share: Share, by_rank: Share | None) -> tuple[Cell, ...]:
    return (
        share.term,
        share.n,
        share.levels,
        share.df,
        share.df_error,
        share.eta2,
        share.partial,
        share.omega2,
        share.low,
        share.high,
        finite(share.f),
        share.p,
        by_rank.partial if by_rank else None,
        by_rank.p if by_rank else None,
    )
