"""How long runs take: learnt from few, with the uncertainty that they leave."""

from __future__ import annotations

import numpy as np

from trialwright.analysis.durations import Durations
from trialwright.space import Choice, Configuration, Float, Int, Space

SPACE = Space(
    (
        Int("width", 16, 512, log=True),
        Float("dropout", 0.0, 0.6),
        Choice("optimizer", ("adam", "sgd")),
    )
)


def seconds(configuration: Configuration) -> float:
    """A fixed part, and one that grows with the width, more with one of the optimizers."""
    slower = 1.4 if configuration["optimizer"] == "sgd" else 1.0
    return 60 + 0.8 * float(configuration["width"]) * slower  # type: ignore[arg-type]


def histories(seed: int, n: int) -> tuple[list[Configuration], list[float]]:
    """Runs of `n` random configurations, and how long they took, give or take a tenth."""
    rng = np.random.default_rng(seed)
    runs: list[Configuration] = [SPACE.sample(rng) for _ in range(n)]
    return runs, [seconds(run) * float(np.exp(0.1 * rng.normal())) for run in runs]


def test_the_mean_time_of_other_configurations_is_foretold() -> None:
    """From 30 runs the likeliest mean of 300 others is within a tenth of the truth, ten times."""
    others, _ = histories(99, 300)
    truth = np.mean([seconds(run) for run in others])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        pace = Durations.fitted(SPACE, *histories(seed, 30)).draw(rng, side=0)
        found = np.mean([pace.seconds(run, rng) for run in others])
        assert abs(found / truth - 1) < 0.1


def test_draws_lie_on_both_sides_and_further_apart_after_few_runs() -> None:
    """The truth on one side is as far from the likeliest as its mirror; 5 runs tell less."""
    widths = {}
    for n in (5, 50):
        found = Durations.fitted(SPACE, *histories(3, n))
        row = found.rows([{"width": 256, "dropout": 0.3, "optimizer": "sgd"}])[0]
        ends = [
            float(row @ found.draw(np.random.default_rng(7), side=side).slopes)
            for side in (-1, 0, 1)
        ]
        assert np.isclose(ends[1], (ends[0] + ends[2]) / 2)
        draws = [row @ found.draw(np.random.default_rng(k)).slopes for k in range(60)]
        widths[n] = float(np.std(draws))
    assert widths[5] > 2 * widths[50]
