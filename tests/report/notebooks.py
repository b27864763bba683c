"""Studies on a virtual clock that keep a notebook, and proposers that claim things in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.propose.proposer import Proposer
from trialwright.records import Claim, Extent, Hypothesis, Proposal
from trialwright.space import Choice, Configuration, Float, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, Seeds, Task

Function = Callable[[Configuration, int], float]

SPACE = Space(
    (
        Float("rate", 0.0, 1.0, default=0.2),
        Float("width", 0.0, 1.0, default=0.5),
        Choice("kind", ("tree", "dart"), default="tree"),
    )
)


def score(configuration: Configuration, seed: int) -> float:
    """Best at a rate of 0.7, with `dart`; seeds differ a little; fails if wide at a high rate."""
    rate, width = configuration["rate"], configuration["width"]
    assert isinstance(rate, float)
    assert isinstance(width, float)
    if rate > 0.9 and width > 0.5:
        raise ValueError("it diverged")
    noise = 0.01 * float(np.random.default_rng([seed, int(1e6 * rate)]).standard_normal())
    return 0.9 - (rate - 0.7) ** 2 + 0.05 * (configuration["kind"] == "dart") + noise


def task(*, trials: int, block: int | None = 5, **changes: object) -> Task:
    """A task that keeps a notebook."""
    usual: dict[str, object] = {"space": SPACE, "team": ("random",), "command": ("true",)}
    return Task(
        name="small",
        description="What a <b>small</b> thing can learn.",
        objective=Objective(metric="y"),
        budget=Budget(trials=trials),
        block=block,
        **{**usual, **changes},  # type: ignore[arg-type]
    )


def ran(
    what: Task, folder: Path, *, proposer: Proposer | None = None, function: Function = score
) -> History:
    """Run a task to its end in `folder`, two runs at a time."""
    with SimulatedRunner(function, slots=2) as runner:
        return Study(what, folder, runner=runner, proposer=proposer).run()


DIALS = Space(tuple(Float(f"dial_{i}", 0.0, 1.0, default=0.5) for i in range(8)))


def dialled(configuration: Configuration, seed: int) -> float:
    """A sum of eight dials, each with a weight of its own, none without effect."""
    total = sum((i - 3.5) * float(configuration[f"dial_{i}"] or 0.0) for i in range(8))
    rng = np.random.default_rng([seed, int(1e6 * float(configuration["dial_0"] or 0.0))])
    return total + 0.1 * float(rng.standard_normal())


class Claimant:
    """Claims which way every dial works, then tries pairs of trials that differ in one dial alone.

    By the name of the study's own inquirer, since it finishes each comparison that it begins, too.
    """

    name = "inquirer"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Propose the first side of a pair, or the second of the one that was begun."""
        del task, n
        number = len(history.trials)
        if number % 2 == 0:
            base = {name: round(float(rng.uniform(0.0, 0.45)), 6) for name in DIALS.names}
            claims = (_claim(number // 2),) if number < 16 else ()
            return [Proposal(configuration=base, by=self.name, claims=claims)]
        dial = DIALS.names[number // 2 % 8]
        moved = {**history.trials[-1].configuration}
        moved[dial] = float(moved[dial] or 0.0) + 0.5
        helps = Hypothesis(claim=f"{dial} helps", expects="better", against=number - 1)
        return [Proposal(configuration=moved, by=self.name, hypothesis=helps, parent=number - 1)]


def _claim(dial: int) -> Claim:
    return Claim(
        by="claimant",
        text=f"Turning dial_{dial} up makes y {'higher' if dial > 3 else 'lower'}",
        what="direction",
        region=(Extent(parameter=f"dial_{dial}"),),
        sense="higher" if dial > 3 else "lower",
    )


def dial_task(*, trials: int, block: int) -> Task:
    """The task of a `Claimant`: two seeds a trial, since one establishes nothing."""
    return task(trials=trials, block=block, space=DIALS, seeds=Seeds(screen=2))
