"""Look a cell of the simulated landscape up, and print its average precision under the seed.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks import landscape
from benchmarks.tasks import script
from trialwright.expression import Scalar


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield the one metric, average precision."""
    yield 1, {"ap": landscape.value(landscape.TASKS[0], settings, seed)}


if __name__ == "__main__":
    script.main(train, __doc__)
