"""What a belief costs where it is wrong: trials to a good value, with it and without.

    python benchmarks/misled.py

Landscapes over the parameters of a small network and of boosted trees, whose optimum lies in a
corner that the knowledge base holds unlikely: each number at the end of its range that is farther
from where it is believed to be best. The expert searches each twice: with its knowledge, and with
parameters by names that mean nothing. A second pair of columns has the optimum where it is believed
to be, which is what the belief is for. A study reaches its aim at the first trial whose value,
freed of noise, is within `AIM` of the best; one that never does counts as one trial more than it
had, the same for both.

Ok if the wrong belief costs at most 20 % more trials than none, in the mean over landscapes and
seeds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.synthetic import NAMES, SPACES
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.propose.expert import Expert
from trialwright.propose.prior import Prior, is_unordered, place_of
from trialwright.space import Choice, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, RunnerPlan, Seeds, Task

AIM = 0.015
"""Distance from the best value that counts as there; random first trials are 0.1 to 0.3 away."""
NOISE = 0.003
STEEPNESS = 1.0
MOST = 1.2
"""Trials with a wrong belief, as a multiple of those without one."""

Cell = tuple[str, bool, bool, int]
"""Landscape, whether the belief is wrong, whether the expert has it, seed."""


def bare(name: str) -> Space:
    """Return a landscape's space without defaults: what is believed is the expert's own."""
    return Space(tuple(replace(p, default=None) for p in SPACES[name].parameters))


def optimum(name: str, *, wrong: bool, seed: int) -> dict[str, float]:
    """Return where the best value is, as places from 0 to 1 by parameter; options by index."""
    space, rng = bare(name), np.random.default_rng([seed, 3])
    task = Task(name="misled", objective=Objective(metric="accuracy"), space=space)
    start = Prior(task).start()
    places: dict[str, float] = {}
    for parameter in space.parameters:
        if isinstance(parameter, Choice) and is_unordered(parameter):
            index = parameter.options.index(start[parameter.name])
            places[parameter.name] = float((index + wrong) % len(parameter.options))
            continue
        believed = place_of(parameter, start[parameter.name])
        corner = float(rng.uniform(0.02, 0.12))
        far = corner if believed > 0.5 else 1.0 - corner
        near = float(np.clip(believed + rng.normal(0, 0.05), 0, 1))
        places[parameter.name] = far if wrong else near
    return places


def fall(name: str, configuration: Mapping[str, Scalar], best: Mapping[str, float]) -> float:
    """Return how far below the best value a configuration is, noise left out."""
    gaps = []
    for parameter in bare(name).parameters:
        value, place = configuration[parameter.name], best[parameter.name]
        if isinstance(parameter, Choice) and is_unordered(parameter):
            gaps.append(0.0 if parameter.options.index(value) == place else 0.25)
        else:
            gaps.append((place_of(parameter, value) - place) ** 2)
    return STEEPNESS * float(np.mean(gaps))


def trials_needed(cell: Cell, trials: int) -> int:
    """Run one study; return after how many trials it was there."""
    name, wrong, believing, seed = cell
    space, best = bare(name), optimum(name, wrong=wrong, seed=seed)
    shown = space if believing else Space(tuple(
        replace(parameter, name=f"x{index}") for index, parameter in enumerate(space.parameters)
    ))  # fmt: skip
    names = dict(zip(shown.names, space.names, strict=True))
    rng = np.random.default_rng([seed, 4])

    def train(configuration: Mapping[str, Scalar], _: int) -> list[tuple[int, Mapping[str, float]]]:
        named = {names[key]: value for key, value in configuration.items()}
        return [(1, {"accuracy": 0.9 - fall(name, named, best) + NOISE * float(rng.normal())})]

    task = Task(
        name="misled",
        objective=Objective(metric="accuracy"),
        space=shown,
        command=("true",),
        budget=Budget(trials=trials),
        seeds=Seeds(study=seed),
        runner=RunnerPlan(workers=1),
    )
    with tempfile.TemporaryDirectory() as folder, SimulatedRunner(train) as runner:
        history = Study(task, folder, runner=runner, proposer=Expert()).run()
    for trial in history.trials:
        named = {names[key]: value for key, value in trial.configuration.items()}
        if fall(name, named, best) <= AIM:
            return trial.number + 1
    return trials + 1


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="4 seeds, 25 trials")
    arguments = parser.parse_args()
    seeds, trials = (4, 25) if arguments.quick else (arguments.seeds, arguments.trials)
    cells = list(product(NAMES, (True, False), (True, False), range(seeds)))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, mp_context=spawn) as pool:
        found = dict(zip(cells, pool.map(trials_needed, cells, [trials] * len(cells)), strict=True))
    means = {
        (name, wrong, believing): float(
            np.mean([found[name, wrong, believing, seed] for seed in range(seeds)])
        )
        for name, wrong, believing in product(NAMES, (True, False), (True, False))
    }
    print(f"trials to within {AIM} of the best, of {trials}, mean of {seeds} seeds")
    print(f"{'landscape':12}{'belief':>8}{'with it':>10}{'without':>10}{'ratio':>8}")
    for name, wrong in product(NAMES, (True, False)):
        having, lacking = means[name, wrong, True], means[name, wrong, False]
        words = "wrong" if wrong else "right"
        print(f"{name:12}{words:>8}{having:10.1f}{lacking:10.1f}{having / lacking:8.2f}")
    ratio = {
        words: sum(means[name, wrong, True] for name in NAMES)
        / sum(means[name, wrong, False] for name in NAMES)
        for words, wrong in (("wrong", True), ("right", False))
    }
    ok = ratio["wrong"] <= MOST
    summary = {
        "benchmark": "misled",
        "seeds": seeds,
        "trials": trials,
        "ratio_wrong": round(ratio["wrong"], 3),
        "ratio_right": round(ratio["right"], 3),
        "targets": {"ratio_wrong": MOST},
        "ok": ok,
    }
    print(json.dumps(summary))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
