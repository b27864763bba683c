"""Landscapes drawn from what a surrogate believes: together they are what it believes."""

from __future__ import annotations

import numpy as np

from trialwright.analysis.surrogate import Data, Surrogate, fit
from trialwright.analysis.worlds import drawn, varied
from trialwright.space import Choice, Configuration, Float, Space

SPACE = Space((Float("x", 0.0, 1.0), Choice("kind", ("a", "b")), Float("z", 0.0, 1.0)))


def surrogate(n: int) -> Surrogate:
    """A model of `n` results of a smooth function with a jump between kinds."""
    rng = np.random.default_rng(1)
    points: list[Configuration] = [SPACE.sample(rng) for _ in range(n)]
    values = [
        -((float(p["x"]) - 0.6) ** 2) + (0.3 if p["kind"] == "b" else 0.0) + 0.01 * rng.normal()  # type: ignore[arg-type]
        for p in points
    ]
    return fit(SPACE, Data(configurations=points, values=np.array(values)))


def test_draws_have_the_mean_and_spread_of_the_model() -> None:
    """Over 400 draws, at places near to results and far from them."""
    model = surrogate(12)
    places: list[Configuration] = [SPACE.sample(np.random.default_rng(k)) for k in range(8)]
    draws = np.array([drawn(model, np.random.default_rng(k)).utility(places) for k in range(400)])
    mean, sd = model.utility(model.features.of(places))
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 0.2 * sd + 0.02)
    assert np.all(np.abs(draws.std(axis=0) / sd - 1) < 0.2)


def test_the_best_of_a_draw_beats_what_was_tried_and_what_chance_finds() -> None:
    """Its place is legal, and no worse than the best of 500 random ones."""
    world = drawn(surrogate(30), np.random.default_rng(5))
    rng = np.random.default_rng(6)
    best = world.best(SPACE, [], rng)[0]
    chance = [world.value(SPACE.sample(rng)) for _ in range(500)]
    assert SPACE.check(best) == ()
    assert world.value(best) >= max(chance)


def test_variations_are_legal_and_near() -> None:
    """Most of their coordinates stay, and none breaks a constraint."""
    space = Space(SPACE.parameters, ("x + z < 1.2",))
    one: Configuration = {"x": 0.6, "kind": "a", "z": 0.5}
    found = varied(space, one, 200, width=0.05, rng=np.random.default_rng(0))
    assert len(found) > 100
    assert all(space.check(other) == () for other in found)
    apart = np.abs(space.encode(found) - space.encode([one]))
    assert np.median(apart[:, [0, 2]]) == 0.0
    assert np.mean(apart[:, [0, 2]] < 0.2) > 0.9
