"""Where the variance of results goes: shares of factors, their tests and intervals. Pure numbers.

Knows no campaign: levels and values come as sequences.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc, ncfdtr

from trialwright.analysis.ranking import ranked

Array = NDArray[np.float64]

LEVEL = 0.95
"""Of every interval, two-sided."""
NORMAL = 1.959964
"""The normal quantile of it."""
EXACT = 1e-12
"""A share of the variance that is nothing but rounding."""
ALIASED = 1e-9
"""What of a column, scaled to length 1, other columns may leave over before they make it up."""
PER_CELL = 3.0
"""Results per cell that an interaction takes, on average over the cells there are."""
LEAST_ERROR = 10
"""Degrees of freedom that must be left for the error."""
MOST_COLUMNS = 300
"""Levels and cells of one model, all terms together: bounds the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What share of the variance goes with one term, and how surely."""

    term: str
    n: int
    levels: int
    """Of cells, for an interaction."""
    df: int
    df_error: int
    eta2: float
    """Sum of squares of the term over all of it."""
    partial: float
    """The same over the term's and the error's alone; `eta2` itself of a single factor."""
    omega2: float
    """`partial` without what chance adds to it: may be below 0."""
    f: float
    """Infinite where nothing is left for the error."""
    p: float
    low: float
    high: float
    """Of what `partial` and `omega2` estimate: see `interval`; of a single factor, the wider of
    that and the delta method's, which also knows that levels were drawn as results were."""
    eta2_ranks: float | None = None
    """The same share of the variance of ranks, which no outlier moves."""
    p_ranks: float | None = None
    """By Kruskal and Wallis's test."""
    scatter: float = 0.0
    """Standard error of the logarithm of the share that is left over, by the delta method; 0 where
    it is not known."""


def one_way(levels: Sequence[str], values: Sequence[float], *, term: str = "") -> Share | None:
    """Return the share of a single factor; None if it can't be told.

    eta^2 = SS between / SS total; omega^2 = (SS between - df MSE) / (SS total + MSE) (Hays 1963).
    None with fewer than two levels, with no level there twice, or with values that are all equal.

    >>> found = one_way(["a", "a", "b", "b"], [1.0, 2.0, 3.0, 4.0])
    >>> round(found.eta2, 2), found.f, round(found.omega2, 2)
    (0.8, 8.0, 0.64)
    """
    sums = _sums(levels, np.asarray(values, dtype=float))
    if sums is None:
        return None
    found = _share(
        term,
        sums.between,
        sums.total - sums.between,
        df=sums.levels - 1,
        error=len(levels) - sums.levels,
        total=sums.total,
        levels=sums.levels,
    )
    by_rank = _sums(levels, ranked(values))
    assert by_rank is not None
    eta2_ranks = by_rank.between / by_rank.total
    # H = (n - 1) SS between / SS total of the ranks, ties corrected for by SS total itself.
    p_ranks = float(chdtrc(sums.levels - 1, (len(levels) - 1) * eta2_ranks))
    scatter = _scatter(sums, np.asarray(values, dtype=float))
    return _widened(replace(found, eta2_ranks=eta2_ranks, p_ranks=p_ranks, scatter=scatter))


def _scatter(sums: _Sums, values: Array) -> float:
    """The standard error of the logarithm of the share that is left within levels.

    By the delta method: the influence of one result on W / T, W the mean square within levels and
    T in total, is ((y - level's mean)^2 - W / T (y - mean)^2) / T. It knows that levels were drawn
    as the results were, and takes no normal residuals; it knows nothing of shares near 0.
    """
    left = 1 - sums.between / sums.total
    if left <= EXACT:
        return 0.0
    centred = values - values.mean()
    influence = (sums.residuals**2 - left * centred**2) / (sums.total / len(values))
    return float(np.sqrt(np.mean(influence**2) / len(values))) / left


def _widened(share: Share) -> Share:
    """The share with each end of its interval the further one of the two methods'."""
    left = 1 - share.omega2
    if left <= EXACT:
        return share
    ends = [1 - left * math.exp(side * NORMAL * share.scatter) for side in (1, -1)]
    return replace(
        share, low=max(min(share.low, ends[0]), 0.0), high=min(max(share.high, ends[1]), 1.0)
    )


@dataclass(frozen=True, slots=True)
class _Sums:
    between: float
    total: float
    levels: int
    residuals: Array


def _sums(levels: Sequence[str], values: Array) -> _Sums | None:
    names, place = np.unique(np.asarray(levels), return_inverse=True)
    counts = np.bincount(place)
    centred = values - values.mean()
    total = float(np.sum(centred**2))
    if len(names) < 2 or len(values) <= len(names) or not total > _size(values):
        return None
    means = np.bincount(place, weights=centred) / counts
    return _Sums(float(np.sum(counts * means**2)), total, len(names), centred - means[place])


def _size(values: Array) -> float:
    """Squares below which a sum of squares is nothing but rounding."""
    return float(EXACT * np.finfo(float).eps * np.sum(values**2))


def within(shares: Sequence[Share], *, term: str) -> Share:
    """Return the share of a factor within strata, from its share in each of them.

    A stratum's values count in units of their own standard deviation, so that tasks of different
    scale count alike: the share is the strata's mean, weighted by n - 1. The levels may rank
    otherwise in each stratum. F has the strata's degrees of freedom added up.
    """
    explained = sum((one.n - 1) * one.eta2 for one in shares)
    total = float(sum(one.n - 1 for one in shares))
    found = _share(
        term,
        explained,
        total - explained,
        df=sum(one.df for one in shares),
        error=sum(one.df_error for one in shares),
        total=total,
        levels=max(one.levels for one in shares),
    )
    errors = [(one.n - 1) * (1 - one.eta2) * one.scatter for one in shares]
    scatter = math.hypot(*errors) / max(total - explained, EXACT)
    ranks = [(one.n - 1) * one.eta2_ranks for one in shares if one.eta2_ranks is not None]
    by_rank = sum(ranks)
    found = replace(
        found,
        n=sum(one.n for one in shares),
        eta2_ranks=by_rank / total,
        # A sum of independent chi-squares is one, with their degrees added up.
        p_ranks=float(chdtrc(found.df, by_rank)),
        scatter=scatter,
    )
    return _widened(found)


def _share(
    term: str, explained: float, error_sum: float, *, df: int, error: int, total: float, levels: int
) -> Share:
    explained, error_sum = max(explained, 0.0), max(error_sum, 0.0)
    n = df + error + 1
    mean_square = error_sum / error
    exact = error_sum <= EXACT * total
    f = math.inf if exact else explained / df / mean_square
    low, high = (1.0, 1.0) if exact else interval(f, df, error)
    return Share(
        term=term,
        n=n,
        levels=levels,
        df=df,
        df_error=error,
        eta2=explained / total,
        partial=explained / (explained + error_sum) if explained + error_sum else 0.0,
        omega2=(explained - df * mean_square) / (explained + error_sum + mean_square),
        f=f,
        p=0.0 if exact else float(fdtrc(df, error, f)),
        low=low,
        high=high,
    )


def interval(f: float, df: int, error: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of the share of variance behind an F statistic.

    The noncentralities at which the observed F is a quantile of (1 +- level) / 2, as shares
    ncp / (ncp + n), n = df + error + 1 (Steiger, Psychological Methods 2004). It takes normal
    residuals of equal variance; F minds neither much, but for few results in levels that scatter
    more than others.

    >>> [round(end, 3) for end in interval(4.0, 2, 27)]
    [0.0, 0.432]
    """
    tail = (1 - level) / 2
    n = df + error + 1
    ends = (_noncentrality(f, df, error, 1 - tail), _noncentrality(f, df, error, tail))
    return ends[0] / (ends[0] + n), ends[1] / (ends[1] + n)


def _noncentrality(f: float, df: int, error: int, quantile: float) -> float:
    """The noncentrality of which `f` is the quantile; 0 if it lies above that of the central F."""

    def below(ncp: float) -> float:
        return float(ncfdtr(df, error, ncp, f))

    if below(0.0) <= quantile:
        return 0.0
    low, high = 0.0, max(1.0, f * df)
    while below(high) > quantile:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) > quantile else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True, slots=True)
class Decomposition:
    """The shares of several factors at once."""

    shares: tuple[Share, ...]
    """In the order of the factors, interactions last; `eta2` is of all variance."""
    residual: float
    """The share that no term explains: further settings, seeds, noise."""
    aliased: tuple[str, ...]
    """Factors that can't be told apart from the others."""
    untold: tuple[str, ...]
    """Interactions with too few results per cell, or too many cells."""


def type_two(
    factors: Mapping[str, Sequence[str]], values: Sequence[float], *, pairs: bool = True
) -> Decomposition | None:
    """Return what goes with each of several factors, where cells are unbalanced; None if nothing.

    Type II sums of squares: what a term adds to the model of all terms that do not contain it
    (Langsrud, Statistics and Computing 2003), so that the order of the factors does not matter.
    Interactions of two factors are in the model where the cells allow: `PER_CELL` results in each
    on average, and `LEAST_ERROR` degrees left for the error; none without `pairs`.

    None if the values are all equal, or too few degrees of freedom are left for the error.
    """
    model = _Model.of(factors, values)
    if model is None:
        return None
    wanted = _pairs(tuple(factors)) if pairs else []
    untold = [" x ".join(pair) for pair in wanted if not model.add(pair, factors)]
    shares, aliased = model.shares()
    return Decomposition(shares, model.residual, aliased, tuple(untold))


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]


class _Model:
    """Terms as columns of indicators, and what their products with each other say.

    Only the products are kept: those of indicators are counts of how often levels come together.
    """

    def __init__(self, factors: Mapping[str, Sequence[str]], values: Array) -> None:
        self.values = values - values.mean()
        self.total = float(np.sum(self.values**2))
        self.terms: dict[tuple[str, ...], slice] = {}
        self._places: list[tuple[NDArray[np.int64], int]] = []
        self._products, self._along = np.zeros((0, 0)), np.zeros(0)
        self._append((), [""] * len(values))
        for name, levels in factors.items():
            self._append((name,), levels)

    @classmethod
    def of(cls, factors: Mapping[str, Sequence[str]], values: Sequence[float]) -> _Model | None:
        """Return the model of the factors alone; None if it leaves nothing to tell."""
        given = np.asarray(values, dtype=float)
        model = cls(factors, given)
        if not model.total > _size(given):
            return None
        return model if model.error >= LEAST_ERROR else None

    def add(self, pair: tuple[str, str], factors: Mapping[str, Sequence[str]]) -> bool:
        """Add the interaction of two factors; False if the cells don't allow it."""
        cells = [f"{a}\0{b}" for a, b in zip(factors[pair[0]], factors[pair[1]], strict=True)]
        count, width = len(set(cells)), len(self._along)
        if len(cells) < PER_CELL * count or width + count > MOST_COLUMNS:
            return False
        before = self.error
        self._append(pair, cells)
        if LEAST_ERROR <= self.error < before:
            return True
        del self.terms[pair]
        self._places.pop()
        self._set(self._products[:width, :width], self._along[:width])
        return False

    def _append(self, term: tuple[str, ...], levels: Sequence[str]) -> None:
        names, place = np.unique(np.asarray(levels), return_inverse=True)
        width, more = len(self._along), len(names)
        self._places.append((place, more))
        together = [
            np.bincount(other * more + place, minlength=count * more).reshape(count, more)
            for other, count in self._places
        ]
        column = np.vstack(together).astype(float)
        products = np.zeros((width + more, width + more))
        products[:width, :width] = self._products
        products[:, width:] = column
        products[width:, :] = column.T
        self.terms[term] = slice(width, width + more)
        worth = np.bincount(place, weights=self.values, minlength=more)
        self._set(products, np.concatenate([self._along, worth]))

    def _set(self, products: Array, along: Array) -> None:
        self._products, self._along = products, along
        self._left, self._rank = self._fit(self.terms)

    def _fit(self, terms: Iterable[tuple[str, ...]]) -> tuple[float, int]:
        """The squares that are left over by terms, and the rank of their model, mean included."""
        from scipy.linalg.lapack import dpstrf, dtrtrs

        columns = [range(*self.terms[one].indices(sys.maxsize)) for one in terms]
        places = [at for column in columns for at in column]
        sizes = np.sqrt(np.diag(self._products)[places])
        scaled = self._products[np.ix_(places, places)] / sizes / sizes[:, None]
        # Cholesky with pivots: columns that others make up come last, beyond the rank.
        factor, pivots, rank, _ = dpstrf(scaled, lower=1, tol=ALIASED)
        along = (self._along[places] / sizes)[pivots - 1][:rank]
        solved, _ = dtrtrs(factor[:rank, :rank], along, lower=1)
        return max(self.total - float(np.sum(solved**2)), 0.0), int(rank)

    @property
    def error(self) -> int:
        """The degrees of freedom that are left."""
        return len(self.values) - self._rank

    @property
    def residual(self) -> float:
        """The share that is left over by all terms."""
        return self._left / self.total

    def shares(self) -> tuple[tuple[Share, ...], tuple[str, ...]]:
        """Return every term's share, and the names of those that are none of their own."""
        found: list[Share] = []
        aliased: list[str] = []
        for term, columns in self.terms.items():
            if not term:
                continue
            without = [one for one in self.terms if not set(term) <= set(one)]
            before, few = self._fit(without)
            after, more = self._fit([*without, term])
            name = " x ".join(term)
            if more == few:
                aliased.append(name)
                continue
            share = _share(
                name,
                before - after,
                self._left,
                df=more - few,
                error=self.error,
                total=self.total,
                levels=columns.stop - columns.start,
            )
            found.append(replace(share, n=len(self.values)))
        return tuple(found), tuple(aliased)
