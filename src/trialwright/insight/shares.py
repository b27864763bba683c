"""What the variance of results goes to: a factor against tuning within it.

Pooled over everything, and within tasks and code epochs, since what tasks differ by counts as a
factor's where its levels were tried on different ones. The numbers come from `variance`.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.insight.factors import (
    factors_of,
    is_architecture,
    level_of,
    named,
    strata_of,
    with_result,
)
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.telling import percent
from trialwright.insight.variance import Share, one_way, within

FEWEST = 8
"""Results below which nothing is said of a factor, pooled or in a stratum."""
APART = 0.05
"""Shares that differ by more are told to, with the reason."""
UNEVEN = 3.0
"""Times that one level's standard deviation is another's before a note says so."""
CHANCE = 0.05
"""A probability below which ranks are said not to differ by chance."""

NAME, TITLE = "variance_shares", "What the variance goes to"
NO_FACTOR = (
    "No factor to be told apart: no setting has a few values that at least two results each have,"
    " and no kinds of change are known."
)


@dataclass(frozen=True, slots=True)
class Stratum:
    """One task, or one version of the code, or both."""

    label: str
    n: int
    share: Share | None
    """None where it can't be told there."""
    best: str | None
    """The level with the best mean of those that are there twice; None without a direction."""
    scatter: tuple[str, float, str, float] | None
    """The levels that scatter most and least, with their standard deviations, where uneven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorShares:
    """One factor's share of the variance, pooled and within strata."""

    factor: str
    pooled: Share
    within: Share | None
    """None without strata, or where no stratum can tell it."""
    by: tuple[str, ...]
    """What tells the strata apart."""
    strata: tuple[Stratum, ...]
    """The largest first; all results are one where nothing tells them apart."""
    between: float
    """The share of the variance that lies between strata."""
    together: float
    """How far levels and strata go together: Cramer's V, from 0 to 1."""
    unknown: int
    """Results without a level."""
    failed: Mapping[str, tuple[int, int]]
    """Of each level: how many experiments have no result, of how many."""

    @property
    def main(self) -> Stratum | None:
        """The largest stratum that can tell."""
        return next((one for one in self.strata if one.share is not None), None)


def shares_of(campaign: Campaign, factor: str) -> FactorShares | str:
    """Return a factor's shares of the variance, or why they can't be told."""
    factor = named(campaign, factor)
    results = with_result(campaign.experiments)
    strata = strata_of(results)
    levels = [level_of(one, factor) for one in results]
    chosen = [place for place, level in enumerate(levels) if level is not None]
    if len(chosen) < FEWEST:
        return f"Only {len(chosen)} results have a known {factor}: at least {FEWEST} are needed."
    known = [levels[place] or "" for place in chosen]
    values = [results[place].metric or 0.0 for place in chosen]
    labels = [strata.labels[place] for place in chosen]
    pooled = one_way(known, values, term=factor)
    if pooled is None:
        return _untold(factor, known, values)
    parts = _strata(factor, known, values, labels=labels, campaign=campaign)
    told = [one.share for one in parts if one.share is not None]
    apart = one_way(labels, values)
    by = tuple(key for key in strata.by if key != factor)
    return FactorShares(
        factor=factor,
        pooled=pooled,
        within=within(told, term=factor) if told and by else None,
        by=by,
        strata=parts,
        between=apart.eta2 if apart else 0.0,
        together=_cramer(known, labels),
        unknown=len(results) - len(chosen),
        failed=failures(campaign.experiments, factor),
    )


def _untold(factor: str, levels: Sequence[str], values: Sequence[float]) -> str:
    if len(set(values)) == 1:
        return f"All {len(values)} results are {values[0]:g}: there is no variance to share out."
    if len(set(levels)) == 1:
        return f"{factor} was {levels[0]} in all {len(levels)} results."
    return f"Each of {len(levels)} results has a {factor} of its own: nothing varies within one."


def _strata(
    factor: str,
    levels: Sequence[str],
    values: Sequence[float],
    *,
    labels: Sequence[str],
    campaign: Campaign,
) -> tuple[Stratum, ...]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        places[label].append(place)
    found = []
    for label, at in sorted(places.items(), key=lambda one: -len(one[1])):
        own, worth = [levels[place] for place in at], [values[place] for place in at]
        share = one_way(own, worth, term=factor) if len(at) >= FEWEST else None
        scatter = _scatter(own, worth)
        found.append(Stratum(label, len(at), share, _best(own, worth, campaign), scatter))
    return tuple(found)


def _best(levels: Sequence[str], values: Sequence[float], campaign: Campaign) -> str | None:
    if campaign.direction is None:
        return None
    sign = 1 if campaign.direction == "maximize" else -1
    means = {level: statistics.fmean(own) for level, own in _grouped(levels, values).items()
             if len(own) > 1}  # fmt: skip
    return max(means, key=lambda level: sign * means[level], default=None)


def _grouped(levels: Sequence[str], values: Sequence[float]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = defaultdict(list)
    for level, value in zip(levels, values, strict=True):
        groups[level].append(value)
    return groups


def _cramer(left: Sequence[str], right: Sequence[str]) -> float:
    """Cramer's V of two labellings, 0 if one of them has a single label."""
    _, rows = np.unique(np.asarray(left), return_inverse=True)
    _, columns = np.unique(np.asarray(right), return_inverse=True)
    least = min(rows.max(), columns.max())
    if least == 0:
        return 0.0
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    due = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return math.sqrt(float(np.sum((table - due) ** 2 / due)) / (table.sum() * least))


def failures(experiments: Sequence[Experiment], factor: str) -> dict[str, tuple[int, int]]:
    """Return how many experiments of each level have no result, and of how many."""
    counts: dict[str, tuple[int, int]] = {}
    for one in experiments:
        level = level_of(one, factor)
        if level is not None:
            failed, total = counts.get(level, (0, 0))
            counts[level] = (failed + (one.metric is None or one.status == "crash"), total + 1)
    return counts


def _scatter(
    levels: Sequence[str], values: Sequence[float]
) -> tuple[str, float, str, float] | None:
    deviations = {
        level: statistics.stdev(own)
        for level, own in _grouped(levels, values).items()
        if len(own) >= 5
    }
    if len(deviations) < 2:
        return None
    most, least = (
        max(deviations, key=deviations.__getitem__),
        min(deviations, key=deviations.__getitem__),
    )
    if deviations[most] <= UNEVEN * deviations[least]:
        return None
    return most, deviations[most], least, deviations[least]


def variance_shares(campaign: Campaign, *, factor: str | None = None) -> Measured:
    """Return what share of the variance goes with a factor, and what with tuning within it.

    eta^2, omega^2, F and p of a one-way analysis of variance, by ranks too (FIELD: architecture
    share; arXiv 2603.15916), of all results and within tasks and code epochs. Without a `factor`,
    of each that `factors_of` finds: the sentence is about the architecture, or where no setting is
    one about the setting with the largest share (omega^2), which is said.
    Crashes have no result: they are counted beside it, level by level.
    """
    names = (factor,) if factor is not None else factors_of(campaign)
    if not names:
        return refusal(NAME, TITLE, NO_FACTOR)
    answers = [shares_of(campaign, name) for name in names]
    found = [one for one in answers if isinstance(one, FactorShares)]
    if not found:
        return refusal(NAME, TITLE, str(answers[0]))
    first = found[0] if factor or is_architecture(found[0].factor) else max(found, key=_weight)
    chosen = () if first is found[0] and is_architecture(first.factor) else _chosen(found)
    return Measured(
        name=NAME,
        title=TITLE,
        sentence=_sentence(first, campaign.metric),
        values=_values(first),
        table=Table(
            columns=_COLUMNS,
            rows=tuple(row for one in found for row in _rows(one, whole=one is first)),
        ),
        notes=(*chosen, *_notes(first)),
    )


def _weight(shares: FactorShares) -> float:
    return shares.pooled.omega2


def _chosen(found: Sequence[FactorShares]) -> tuple[str, ...]:
    if len(found) < 2:
        return ()
    return (f"It is the largest of the shares of {len(found)} settings, which flatters it.",)


_COLUMNS = (
    "factor", "scope", "n", "levels", "eta2", "low", "high", "omega2", "f", "df", "df_error", "p",
    "eta2_ranks", "p_ranks", "best",
)  # fmt: skip


def _rows(shares: FactorShares, *, whole: bool) -> list[tuple[Cell, ...]]:
    rows = [_row(shares.pooled, "pooled" if shares.by else "all", None)]
    if shares.within is not None:
        rows.append(_row(shares.within, f"within {_by(shares)}", None))
    if whole and shares.by:
        rows += [
            _row(one.share, one.label, one.best) for one in shares.strata if one.share is not None
        ]
    return rows


def _row(share: Share, scope: str, best: str | None) -> tuple[Cell, ...]:
    return (
        share.term,
        scope,
        share.n,
        share.levels,
        share.eta2,
        share.low,
        share.high,
        share.omega2,
        finite(share.f),
        share.df,
        share.df_error,
        share.p,
        share.eta2_ranks,
        share.p_ranks,
        best,
    )


def finite(value: float) -> float | None:
    """Return a figure, None if it is infinite."""
    return value if math.isfinite(value) else None


def _by(shares: FactorShares) -> str:
    return " and ".join(shares.by)


def _values(shares: FactorShares) -> dict[str, Cell]:
    values: dict[str, Cell] = {"factor": shares.factor, **_figures(shares.pooled)}
    values["unknown"] = shares.unknown
    values["failed"] = sum(failed for failed, _ in shares.failed.values())
    if shares.by:
        values |= {"strata_by": _by(shares), "strata": len(shares.strata)}
        values |= {"between_strata": shares.between, "cramers_v": shares.together}
    if shares.within is not None:
        values |= _figures(shares.within, "within_")
    if shares.by and shares.main is not None and shares.main.share is not None:
        values["main_stratum"] = shares.main.label
        values |= _figures(shares.main.share, "main_")
    return values


def _figures(share: Share, prefix: str = "") -> dict[str, Cell]:
    figures: dict[str, Cell] = {
        "n": share.n,
        "levels": share.levels,
        "eta2": share.eta2,
        "eta2_low": share.low,
        "eta2_high": share.high,
        "omega2": share.omega2,
        "f": share.f,
        "df": share.df,
        "df_error": share.df_error,
        "p": share.p,
        "eta2_ranks": share.eta2_ranks,
        "p_ranks": share.p_ranks,
    }
    return {prefix + key: value for key, value in figures.items()}


def _sentence(shares: FactorShares, metric: str) -> str:
    pooled = shares.pooled
    told = (
        f"{shares.factor} accounts for {_told(pooled)} of the variance of {metric} over"
        f" {pooled.n} results"
    )
    if shares.within is None:
        return f"{told}{_surely(pooled)}; the rest varies within its {pooled.levels} levels."
    return (
        f"{told} pooled{_surely(pooled)}, and for {_told(shares.within)} within"
        f" {_by(shares)}{_surely(shares.within)}."
    )


def _told(share: Share) -> str:
    return f"{percent(share.eta2)} ({percent(share.low)} to {percent(share.high)})"


def _surely(share: Share) -> str:
    if share.low > 0:
        return ""
    if share.p_ranks is None or share.p_ranks >= CHANCE:
        return ", which may be chance"
    return f", which may be chance, though by ranks it is not (p = {share.p_ranks:.2g})"


def _notes(shares: FactorShares) -> tuple[str, ...]:
    notes = [*_difference(shares), *_left_out(shares)]
    main = shares.main
    if main is not None and main.share is not None and main.scatter is not None:
        most, large, least, small = main.scatter
        where = f" in {main.label}" if shares.by else ""
        notes.append(
            f"Results with {most}{where} scatter more (standard deviation {large:.3g}) than those"
            f" with {least} ({small:.3g}), which F does not allow for: by ranks the share is"
            f" {percent(main.share.eta2_ranks or 0.0)}."
        )
    bad = [
        f"{failed} of {total} with {level}"
        for level, (failed, total) in sorted(shares.failed.items(), key=lambda one: -one[1][0])
        if failed
    ]
    if bad:
        more = f", and with {len(bad) - 6} more levels" if len(bad) > 6 else ""
        notes.append(f"Failures are left out: {', '.join(bad[:6])}{more}.")
    notes.append("Shares are of what the search tried, not of all that could be tried.")
    return tuple(notes)


def _difference(shares: FactorShares) -> list[str]:
    """Why the pooled share and the one within strata differ, if they do."""
    if shares.within is None:
        return []
    pooled, inside = shares.pooled.eta2, shares.within.eta2
    if abs(pooled - inside) <= APART:
        return []
    by, factor = _by(shares), shares.factor
    differ = f"Pooled and within {by} the shares differ ({percent(pooled)} and {percent(inside)})"
    lies = f"{percent(shares.between)} of the variance lies between {_parts(shares)}"
    if pooled > inside:
        return [
            f"{differ}: {lies}, and the levels of {factor} were not tried alike in them (Cramer's V"
            f" {shares.together:.2f}), so that what they differ by counts as the factor's when they"
            " are pooled. The share within is the one to go by."
        ]
    reasons = [f"{lies}, which no {factor} explains"] if shares.between > APART else []
    winners = {one.label: one.best for one in shares.strata if one.share is not None and one.best}
    if len(set(winners.values())) > 1:
        shown = ", ".join(f"{best} in {label}" for label, best in list(winners.items())[:4])
        reasons.append(f"another level is the best in each ({shown}), which cancels out")
    return [
        f"{differ}: {'; '.join(reasons) or f'{factor} was not tried alike in them'}."
        " The share within is the one to go by."
    ]


def _parts(shares: FactorShares) -> str:
    count = len(shares.strata)
    match shares.by:
        case ("task",):
            return f"the {count} tasks"
        case ("epoch",):
            return f"the {count} versions of the code"
        case (key,):
            return f"the {count} values of {key}"
    return f"the {count} pairs of {_by(shares)}"


def _left_out(shares: FactorShares) -> list[str]:
    notes = []
    silent = [one for one in shares.strata if one.share is None and shares.by]
    if silent:
        shown = ", ".join(f"{one.label} ({one.n})" for one in silent[:4])
        more = f" and {len(silent) - 4} more" if len(silent) > 4 else ""
        notes.append(
            f"Of {_parts(shares)}, {shown}{more} can't tell: fewer than {FEWEST} results, or one"
            " level."
        )
    if shares.unknown:
        notes.append(f"{shares.unknown} results have no known {shares.factor} and are left out.")
    return notes
