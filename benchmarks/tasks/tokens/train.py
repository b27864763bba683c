"""Train a small transformer on a made-up language, and print its loss as it goes.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import nets, script
from benchmarks.tasks.language import Dialect, Transformer
from trialwright.expression import Scalar

TRAIN, VALID, EPOCHS = 500, 400, 10
SPOKEN = Dialect.drawn(7, lag=3)


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): loss in nats per token and accuracy, on both splits."""
    nets.begin(seed)
    network = Transformer(
        int(settings["d_model"]),
        layers=int(settings["num_layers"]),
        heads=int(settings["num_heads"]),
        dropout=float(settings["dropout"]),
    )
    yield from nets.fit(
        network,
        sentences(seed),
        nets.Recipe.of(settings, optimizer="adamw", epochs=EPOCHS),
        loss=nets.next_token,
        score=nets.foretold,
    )


@lru_cache(maxsize=16)
def sentences(seed: int) -> nets.Split:
    """Return sentences, all but the last token and all but the first."""
    said = SPOKEN.spoken(TRAIN + VALID, np.random.default_rng([seed, 3]))
    return nets.Split.of(said[:, :-1].copy(), said[:, 1:].copy(), train=TRAIN)


if __name__ == "__main__":
    script.main(train, __doc__)
