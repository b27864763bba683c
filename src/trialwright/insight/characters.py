"""Whether an agent can be told by the order in which it turns to kinds of change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.rates import interval

Array = NDArray[np.float64]

PERMUTATIONS = 999
"""Ways in which the campaigns are handed out to the agents anew."""
MOST = 200
"""Campaigns beyond which nothing more is learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """How often an agent was told by a campaign that the classifier had not seen."""

    right: int
    n: int
    low: float
    high: float
    """Exact, of right / n."""
    chance: float
    """What always naming the most frequent agent would come to."""
    p: float
    """Of as many right by chance, by permutation."""
    told: tuple[str, ...]
    """Which agent each campaign was taken for."""

    @property
    def accuracy(self) -> float:
        """The share that was right."""
        return self.right / self.n


def recognition(sequences: Sequence[Sequence[str]], agents: Sequence[str]) -> Recognition:
    """Tell the agent of each campaign from its sequence, having learnt from all others.

    Each agent is a Markov chain of first order over kinds of change (the kind of a proposal given
    the kind of the one before), its chances smoothed by adding one (Laplace); a campaign is given
    to the agent under which it is likeliest, agents being as likely before. The one in question is
    left out of the learning. Every agent needs two campaigns at least.
    """
    some = list(zip(sequences, agents, strict=True))[:MOST]
    names = sorted({agent for _, agent in some})
    kinds = {kind: i for i, kind in enumerate(sorted({k for seq, _ in some for k in seq}))}
    counts = np.array([_transitions([kinds[kind] for kind in seq], len(kinds)) for seq, _ in some])
    owners = np.array([names.index(agent) for _, agent in some])
    guessed = _guesses(counts, owners, len(names))
    right = int((guessed == owners).sum())
    rng = np.random.default_rng(len(some))
    chance = 0
    for _ in range(PERMUTATIONS):
        drawn = rng.permutation(owners)
        chance += int((_guesses(counts, drawn, len(names)) == drawn).sum()) >= right
    low, high = interval(right, len(some))
    return Recognition(
        right=right,
        n=len(some),
        low=low,
        high=high,
        chance=float(np.bincount(owners).max()) / len(some),
        p=(1 + chance) / (1 + PERMUTATIONS),
        told=tuple(names[guess] for guess in guessed),
    )


def _transitions(sequence: Sequence[int], kinds: int) -> Array:
    """How often each kind follows each, shape (kinds + 1, kinds); the last row: the first one."""
    found = np.zeros((kinds + 1, kinds))
    before = kinds
    for kind in sequence:
        found[before, kind] += 1
        before = kind
    return found


def _guesses(counts: Array, owners: NDArray[np.int64], agents: int) -> NDArray[np.int64]:
    """The likeliest agent of each campaign, by the others; shape (n,)."""
    sums = np.stack([counts[owners == agent].sum(axis=0) for agent in range(agents)])
    logs = np.log((sums + 1) / (sums + 1).sum(axis=-1, keepdims=True))
    scores = np.einsum("nij,aij->na", counts, logs)
    place = np.arange(len(counts))
    left = sums[owners] - counts + 1
    scores[place, owners] = (counts * np.log(left / left.sum(axis=-1, keepdims=True))).sum((1, 2))
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)
