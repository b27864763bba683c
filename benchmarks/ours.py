"""The expert as a contender: a real study in a temporary folder, with the training simulated.

Admission, verdicts and the ledger are the product's own; only the runner is replaced, by one that
asks the evaluation cache.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace

from benchmarks.tasks.evaluation import evaluate, task_of
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.propose.expert import Expert
from trialwright.space import Space
from trialwright.study import Study
from trialwright.task import Budget, RunnerPlan, Seeds


def play_expert(
    name: str, seed: int, trials: int, *, defaults: bool
) -> list[tuple[Mapping[str, Scalar], float | None]]:
    """Return configuration and objective of each trial of a study by the expert, in order.

    All trials are trained under `seed`, as the peers' are. Without `defaults` the space has none.
    """
    task = replace(
        task_of(name),
        budget=Budget(trials=trials),
        seeds=Seeds(study=seed),
        runner=RunnerPlan(workers=1),
    )
    if not defaults:
        bare = tuple(replace(parameter, default=None) for parameter in task.space.parameters)
        task = replace(task, space=Space(bare, task.space.constraints))

    def train(configuration: Mapping[str, Scalar], _: int) -> Iterator[tuple[int, Mapping[str, float]]]:
        return evaluate(name, configuration, seed).replayed()

    with tempfile.TemporaryDirectory() as folder, SimulatedRunner(train) as runner:
        history = Study(task, folder, runner=runner, proposer=Expert()).run()
    return [(dict(trial.configuration), trial.value) for trial in history.trials]
