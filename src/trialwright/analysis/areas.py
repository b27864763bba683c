"""What each proposer moves, and how much it has specialised. Numbers, pure.

A move is a parameter whose value differs from the parent's, or from the defaults where there is no
parent; each trial's moves count one trial in all, so that who changes ten things at once is not
heard ten times. From these shares come two figures. `focus` is 1 less the entropy of what a member
moves, over the greatest that it could have: 0 moves all alike, 1 one parameter alone. `apart` is
the Jensen-Shannon divergence (base 2) between what a member moves and what the others do: 0 the
same, 1 nothing in common. Few trials always look specialised, so `apart` comes with the probability
to see as much by chance, by a permutation test that hands the trials out anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.information import divergence, entropies
from trialwright.history import History, Trial
from trialwright.space import Configuration

Array = NDArray[np.float64]

WINDOW = 300
"""Latest trials that are looked at."""

LEAST = 3
"""Trials of a member, and of the others, before anything is said of how it is apart."""

PERMUTATIONS = 999
"""Ways in which the trials are handed out anew."""

TOLD = 3
"""Parameters that are named as a member's area, the most moved first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialisation:
    """What one proposer moves, against the others."""

    trials: int
    """Of the latest, those that moved anything."""
    moved: Mapping[str, float]
    """Per parameter the share of its moves, largest first; what it never moved is left out."""
    focus: float | None
    """In [0, 1]; None where nothing moved, or there is one parameter only."""
    apart: float | None
    """In [0, 1]; None without enough trials on both sides."""
    p: float | None
    """Probability to see at least as much of `apart` where nobody has specialised."""

    @property
    def observed(self) -> tuple[str, ...]:
        """The parameters that it moved most."""
        return tuple(self.moved)[:TOLD]


def specialisations(history: History) -> dict[str, Specialisation]:
    """Return what each proposer of the latest trials moves, in the order of their first ones."""
    trials = history.trials[-WINDOW:]
    names = history.space.names if trials else ()
    rows = [_moves(trial, history, names) for trial in trials]
    told = [i for i, row in enumerate(rows) if row.any()]
    table = np.array([rows[i] / rows[i].sum() for i in told]).reshape(len(told), len(names))
    by = np.array([trials[i].proposal.by for i in told], dtype=object)
    proposers = dict.fromkeys(trial.proposal.by for trial in trials)
    return {who: _of(table, by == who, names) for who in proposers}


def focus(shares: Array) -> float | None:
    """Return 1 less the normalised entropy of shares, shape (d,), that sum to 1.

    >>> focus(np.array([0.5, 0.5])), focus(np.array([1.0, 0.0])), focus(np.array([1.0]))
    (0.0, 1.0, None)
    """
    if len(shares) < 2:
        return None
    return 1.0 - float(entropies(shares)) / float(np.log2(len(shares)))


def _of(table: Array, own: NDArray[np.bool_], names: tuple[str, ...]) -> Specialisation:
    count = int(own.sum())
    if not count:
        return Specialisation(trials=0, moved={}, focus=None, apart=None, p=None)
    shares = table[own].mean(axis=0)
    order = [int(i) for i in np.argsort(-shares, kind="stable") if shares[i] > 0]
    apart, p = _apart(table, own)
    return Specialisation(
        trials=count,
        moved={names[i]: float(shares[i]) for i in order},
        focus=focus(shares),
        apart=apart,
        p=p,
    )


def _apart(table: Array, own: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """How far a member's moves are from the others', and how often chance brings as much."""
    if min(int(own.sum()), int((~own).sum())) < LEAST:
        return None, None
    seen = divergence(table[own].mean(axis=0), table[~own].mean(axis=0))
    rng = np.random.default_rng([len(own), int(own.sum())])
    chance = 0
    for _ in range(PERMUTATIONS):
        drawn = rng.permutation(own)
        found = divergence(table[drawn].mean(axis=0), table[~drawn].mean(axis=0))
        chance += found >= seen - 1e-12
    return seen, (1 + chance) / (1 + PERMUTATIONS)


def _moves(trial: Trial, history: History, names: tuple[str, ...]) -> Array:
    """1 per parameter that a trial moved, shape (d,); nothing of what only applies or not."""
    parent = trial.proposal.parent
    before: Configuration = (
        history.space.complete({}) if parent is None else history.trials[parent].configuration
    )
    now = trial.configuration
    return np.array(
        [float(name in now and name in before and now[name] != before[name]) for name in names]
    )
