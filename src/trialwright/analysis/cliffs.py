"""Plateaus with cliffs: where along one parameter the value breaks off at once.

It knows the places of trials along a parameter, in [0, 1], and their values; it knows no study.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEWEST = 12
"""Trials along a parameter below which nothing is said of its shape."""

PLACES = 8
"""Different places below which a step can't be told from a slope."""

LARGEST = 80
"""Trials that are looked at, evenly along the parameter."""

SIDE = 3
"""Trials that a stretch has at least."""

STEEP = 6.0
"""Twice the log-likelihood ratio by which steps must beat every curve that is not as steep."""

_RAMPS = (0.15, 0.25, 0.4)
"""Widths of slopes, as shares of the parameter's range, that a cliff is held against."""
_SHIFTS = (-0.12, -0.06, -0.03, 0.0, 0.03, 0.06, 0.12)
"""Where their middles may lie, beside the cliff."""

_STAGES = (200, 4_000, 10_000)
"""Permutations, more of them only while it is open whether there is anything."""
_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A plateau between its cliffs; a side that is None has none."""

    left: tuple[float, float] | None
    """Between which two places the left cliff lies: the last beyond, the first on the plateau."""
    right: tuple[float, float] | None
    """Likewise: the last on the plateau, the first beyond."""
    level: float
    """Mean utility on the plateau."""
    beyond: float
    """Mean utility past the cliffs."""
    p: float
    """How often values dealt out anew show as strong a step."""
    trials: int

    @property
    def width(self) -> float:
        """The share of the parameter's range that the plateau takes, cliffs halved."""
        low = sum(self.left) / 2 if self.left else 0.0
        high = sum(self.right) / 2 if self.right else 1.0
        return high - low


def steps(places: Array, utilities: Array, *, rng: np.random.Generator) -> Steps | None:
    """Look for a plateau with one or two cliffs; None where there is nothing of the kind.

    `places` and `utilities`, shape (n,), finite, larger utilities better. One or two steps are
    fitted by least squares, the best stretch in the middle; the number of steps is chosen by BIC.
    That there is anything at all is tested by dealing the values out anew, which the caller judges
    by `p`; that it is a cliff and no slope, by holding the steps against a polynomial with at least
    as many parameters, and against slopes that take a seventh of the range or more.
    """
    order = np.argsort(places, kind="stable")
    if len(order) > LARGEST:
        order = order[np.linspace(0, len(order) - 1, LARGEST).astype(int)]
    x, y = places[order], utilities[order]
    if len(x) < FEWEST or len(np.unique(x)) < PLACES or np.ptp(y) == 0:
        return None
    cuts = _cuts(x)
    found = _best(x, y, cuts)
    if found is None:
        return None
    score, begin, end = found
    if _steepness(x, y, begin, end) < STEEP:
        return None
    chance = _chance(y, cuts, score, rng=rng)
    on = y[begin:end]
    return Steps(
        left=(float(x[begin - 1]), float(x[begin])) if begin else None,
        right=(float(x[end - 1]), float(x[end])) if end < len(x) else None,
        level=float(np.mean(on)),
        beyond=float(np.mean(np.concatenate([y[:begin], y[end:]]))),
        p=chance,
        trials=len(x),
    )


def _cuts(x: Array) -> NDArray[np.intp]:
    """The positions where a stretch may end: between different places, not near the ends."""
    inner = np.arange(SIDE, len(x) - SIDE + 1)
    return inner[x[inner] > x[inner - 1]]


def _best(x: Array, y: Array, cuts: NDArray[np.intp]) -> tuple[float, int, int] | None:
    """The best steps of one row: score, first position on the plateau, first past it."""
    if not len(cuts):
        return None
    n = len(x)
    one, at = _one_step(y[None, :], cuts)
    two, pair = _two_steps(y[None, :], cuts)
    if two[0] > one[0]:
        begin, end = pair[0]
        return float(two[0]), int(begin), int(end)
    cut = int(cuts[at[0]])
    rising = float(np.mean(y[cut:])) > float(np.mean(y[:cut]))
    return float(one[0]), cut if rising else 0, n if rising else cut


def _one_step(rows: Array, cuts: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp]]:
    """The score of the best single step of each row, shape (m,), and where among `cuts`."""
    n = rows.shape[1]
    centred = rows - rows.mean(axis=1, keepdims=True)
    sums = np.cumsum(centred, axis=1)[:, cuts - 1]
    gain = sums**2 / cuts + sums**2 / (n - cuts)
    at = np.argmax(gain, axis=1)
    return _score(centred, np.max(gain, axis=1), added=2), at


def _two_steps(rows: Array, cuts: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp]]:
    """Likewise with two steps and the best stretch between them; -inf where there are none."""
    n = rows.shape[1]
    centred = rows - rows.mean(axis=1, keepdims=True)
    sums = np.cumsum(centred, axis=1)
    first, second = np.meshgrid(cuts, cuts, indexing="ij")
    apart = second - first >= SIDE
    begin, end = first[apart], second[apart]
    if not len(begin):
        return np.full(len(rows), -np.inf), np.zeros((len(rows), 2), dtype=np.intp)
    left, upto = sums[:, begin - 1], sums[:, end - 1]
    middle, right = upto - left, -upto
    means = left / begin, middle / (end - begin), right / (n - end)
    gain = left * means[0] + middle * means[1] + right * means[2]
    gain = np.where((means[1] > means[0]) & (means[1] > means[2]), gain, 0.0)
    at = np.argmax(gain, axis=1)
    pairs = np.stack([begin[at], end[at]], axis=1)
    return _score(centred, np.max(gain, axis=1), added=4), pairs


def _score(centred: Array, gain: Array, *, added: int) -> Array:
    """The log-likelihood ratio against no step at all, less BIC's price of what was added."""
    n = centred.shape[1]
    total = np.sum(centred**2, axis=1)
    left = np.maximum(total - gain, 1e-12 * total)
    return np.asarray(n * np.log(total / left) - added * math.log(n))


def _steepness(x: Array, y: Array, begin: int, end: int) -> float:
    """How much better steps explain the values than the best curve that is not as steep."""
    parts = [part for part in (y[:begin], y[begin:end], y[end:]) if len(part)]
    stepped = sum(float(np.sum((part - np.mean(part)) ** 2)) for part in parts)
    degree = 3 if len(parts) == 2 else 4
    smooth = _residual(np.asarray(np.polynomial.legendre.legvander(2 * x - 1, degree), float), y)
    edges = [(x[cut - 1] + x[cut]) / 2 for cut in (begin, end) if 0 < cut < len(x)]
    sloped = min(_residual(basis, y) for basis in _sloped(x, edges))
    tiny = 1e-12 * float(np.sum((y - np.mean(y)) ** 2))
    return len(x) * math.log(max(min(smooth, sloped), tiny) / max(stepped, tiny))


def _sloped(x: Array, edges: Sequence[float]) -> Iterator[Array]:
    """Slopes in the place of cliffs, as columns to be fitted."""
    for width in _RAMPS:
        for shifts in itertools.product(_SHIFTS, repeat=len(edges)):
            middles = [edge + shift for edge, shift in zip(edges, shifts, strict=True)]
            columns = [np.clip((x - middle) / width + 0.5, 0.0, 1.0) for middle in middles]
            yield np.stack([np.ones_like(x), *columns], axis=1)


def _residual(basis: Array, y: Array) -> float:
    fitted = basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    return float(np.sum((y - fitted) ** 2))


def _chance(y: Array, cuts: NDArray[np.intp], score: float, *, rng: np.random.Generator) -> float:
    """The share of permutations that score as high, this one counted."""
    beyond = drawn = 0
    for stage in _STAGES:
        while drawn < stage:
            rows = rng.permuted(np.tile(y, (_AT_ONCE, 1)), axis=1)
            scores = np.maximum(_one_step(rows, cuts)[0], _two_steps(rows, cuts)[0])
            beyond += int(np.sum(scores >= score))
            drawn += _AT_ONCE
        if beyond > 0.02 * drawn or (drawn > _STAGES[0] and beyond == 0):
            break
    return (beyond + 1) / (drawn + 1)
