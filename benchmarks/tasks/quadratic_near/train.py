"""Print the value of (x - 2)^2 + (y - 3)^2, of which whoever tunes knows nothing.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script
from trialwright.expression import Scalar

OPTIMUM = (2.0, 3.0)


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:  # noqa: ARG001  # no noise
    """Yield the value."""
    x, y = float(settings["x"]), float(settings["y"])
    yield 1, {"value": (x - OPTIMUM[0]) ** 2 + (y - OPTIMUM[1]) ** 2}


if __name__ == "__main__":
    script.main(train, __doc__)
