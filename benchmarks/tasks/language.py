"""A made-up language, and a small transformer that reads it: for the tasks `tokens` and `finetune`.

A token follows from the one before by a table of likely successors, or repeats, shifted, the one
`lag` places back, or is anything: each with a chance of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

TOKENS, LENGTH, SHIFT = 12, 16, 5
SUCCESSION, REPETITION = 0.45, 0.5
"""Chances of the first two rules; the rest is anything."""
CHANCES = (0.7, 0.2, 0.1)
"""Of a token's successors."""


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What follows what."""

    successors: NDArray[np.int64]
    """Shape (tokens, 3), likeliest first."""
    lag: int

    @classmethod
    def drawn(cls, seed: int, *, lag: int) -> Dialect:
        """Draw a table of successors."""
        rng = np.random.default_rng(seed)
        table = [rng.permutation(TOKENS)[: len(CHANCES)] for _ in range(TOKENS)]
        return cls(np.array(table, dtype=np.int64), lag)

    def altered(self, seed: int, *, tokens: int) -> Dialect:
        """Return one in which so many tokens have other successors."""
        other = Dialect.drawn(seed, lag=self.lag)
        rng = np.random.default_rng([seed, 1])
        changed = rng.permutation(TOKENS)[:tokens]
        table = self.successors.copy()
        table[changed] = other.successors[changed]
        return Dialect(table, self.lag)

    def spoken(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return sentences, shape (count, LENGTH + 1): inputs and targets overlap."""
        said = rng.integers(0, TOKENS, size=(count, LENGTH + 1))
        for place in range(1, LENGTH + 1):
            rule = rng.random(count)
            choice = rng.choice(len(CHANCES), size=count, p=CHANCES)
            follows = self.successors[said[:, place - 1], choice]
            said[:, place] = np.where(rule < SUCCESSION, follows, said[:, place])
            if place >= self.lag:
                repeats = (said[:, place - self.lag] + SHIFT) % TOKENS
                again = (rule >= SUCCESSION) & (rule < SUCCESSION + REPETITION)
                said[:, place] = np.where(again, repeats, said[:, place])
        return said


class Block(torch.nn.Module):
    """Attention to what came before, then two dense layers; each normalised first, and added."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before, self.between = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.gather = torch.nn.Linear(width, 3 * width)
        self.merge = torch.nn.Linear(width, width)
        self.dense = torch.nn.Sequential(
            torch.nn.Linear(width, 2 * width), torch.nn.GELU(), torch.nn.Linear(2 * width, width)
        )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (n, length, width) to the same shape."""
        count, length, _ = hidden.shape
        parts = self.gather(self.before(hidden)).view(count, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        chance = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=chance, is_causal=True
        )
        hidden = hidden + self._dropped(self.merge(mixed.transpose(1, 2).reshape(hidden.shape)))
        return hidden + self._dropped(self.dense(self.between(hidden)))

    def _dropped(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.dropout(hidden, self.dropout, self.training)


class Transformer(torch.nn.Module):
    """Scores of the next token at each place of a sentence."""

    def __init__(self, width: int, *, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.tokens = torch.nn.Embedding(TOKENS, width)
        self.places = torch.nn.Parameter(torch.randn(LENGTH, width))
        self.blocks = torch.nn.ModuleList(
            Block(width, heads=heads, dropout=dropout) for _ in range(layers)
        )
        self.norm, self.head = torch.nn.LayerNorm(width), torch.nn.Linear(width, TOKENS)

    def forward(self, sentences: torch.Tensor) -> torch.Tensor:
        """Map tokens (n, LENGTH) to scores (n, LENGTH, TOKENS)."""
        hidden = self.tokens(sentences) + self.places
        for block in self.blocks:
            hidden = block(hidden)
        scores: torch.Tensor = self.head(self.norm(hidden))
        return scores
