"""Fine-tune a small transformer to a dialect, and print its loss as it goes.

    python train.py --config config.yaml --seed 1

The model is pretrained first, once per seed and process.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import nets, script
from benchmarks.tasks.language import Block, Dialect, Transformer
from trialwright.expression import Scalar

WIDTH, LAYERS, HEADS = 32, 3, 4
FIRST, TRAIN, VALID = 1500, 150, 600
COMMON = Dialect.drawn(11, lag=4)
SPOKEN = COMMON.altered(12, tokens=8)
PRETRAINING = nets.Recipe(
    learning_rate=0.003,
    epochs=8,
    batch_size=32,
    optimizer="adamw",
    weight_decay=0.01,
    scheduler="cosine",
    warmup=0.1,
)


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): loss in nats per token and accuracy of the dialect."""
    network = copy.deepcopy(pretrained(seed))
    # Anew, so that what follows does not depend on whether pretraining took place just now.
    nets.begin(seed)
    for block in network.blocks:
        assert isinstance(block, Block)
        block.dropout = float(settings["dropout"])
    frozen = int(settings["freeze_layers"])
    if frozen:
        network.tokens.requires_grad_(requires_grad=False)
        network.places.requires_grad_(requires_grad=False)
    for block in network.blocks[:frozen]:
        block.requires_grad_(requires_grad=False)
    yield from nets.fit(
        network,
        _sentences(SPOKEN, seed, train=TRAIN),
        nets.Recipe.of(settings, optimizer="adamw"),
        loss=nets.next_token,
        score=nets.foretold,
    )


@lru_cache(maxsize=16)
def pretrained(seed: int) -> Transformer:
    """Return the model that knows the common language; not to be changed."""
    nets.begin(seed)
    network = Transformer(WIDTH, layers=LAYERS, heads=HEADS, dropout=0.0)
    for _ in nets.fit(
        network,
        _sentences(COMMON, seed, train=FIRST),
        PRETRAINING,
        loss=nets.next_token,
        score=nets.foretold,
    ):
        pass
    return network


@lru_cache(maxsize=32)
def _sentences(dialect: Dialect, seed: int, *, train: int) -> nets.Split:
    said = dialect.spoken(train + VALID, np.random.default_rng([seed, train]))
    return nets.Split.of(said[:, :-1].copy(), said[:, 1:].copy(), train=train)


if __name__ == "__main__":
    script.main(train, __doc__)
