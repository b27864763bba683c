"""SMAC3 behind `server`: its facade for hyperparameters, a random forest of log losses.

Its initial design is a Sobol sequence of ten points per parameter, at most a quarter of all trials
(`max_ratio`, https://automl.github.io/SMAC3/latest/api/smac/initial_design/abstract_initial_design).
At small budgets it is cut to the start-up of the other peers, and the model is fitted anew after
each trial instead of every eighth. Conditions are ConfigSpace's own. A default is told as the first
trial, as its page on ask and tell shows (https://automl.github.io/SMAC3/latest/advanced_usage/5_ask_and_tell/).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from ConfigSpace import (
    Categorical,
    Configuration,
    ConfigurationSpace,
    Float,
    InCondition,
    Integer,
    OrdinalHyperparameter,
)
from ConfigSpace.util import deactivate_inactive_hyperparameters
from smac import HyperparameterOptimizationFacade as Facade
from smac import Scenario
from smac.runhistory.dataclasses import TrialInfo, TrialValue
from smac.runhistory.enumerations import StatusType

from benchmarks.rivals.server import Parameter, Problem, serve

DETERMINISTIC = 0
"""The seed that SMAC itself gives a deterministic target's trials."""


class Smac:
    """One optimisation by SMAC3."""

    def __init__(self, problem: Problem) -> None:
        self._space = _space(problem)
        scenario = Scenario(
            self._space,
            deterministic=True,
            # Trials that break a constraint count here, and nowhere else.
            n_trials=10 * problem.trials,
            seed=problem.seed,
            output_directory=Path(tempfile.mkdtemp(prefix="smac-")),
        )
        started = max(1, min(problem.startup, problem.trials // 4))
        self._default = problem.default
        if self._default is not None:
            started = max(1, started - 1)
        self._facade = Facade(
            scenario,
            _nothing,
            initial_design=Facade.get_initial_design(scenario, n_configs=started, max_ratio=1.0),
            config_selector=Facade.get_config_selector(scenario, retrain_after=1),
            overwrite=True,
            logging_level=False,
        )

    def ask(self) -> TrialInfo:
        """Return the default once, if there is one, and then what SMAC wants."""
        if self._default is None:
            return self._facade.ask()
        values, self._default = self._default, None
        default = deactivate_inactive_hyperparameters(values, self._space)
        return TrialInfo(config=default, seed=DETERMINISTIC)

    def values(self, trial: TrialInfo) -> Mapping[str, float | int]:
        """Return the values of a trial."""
        configuration: Configuration = trial.config
        return dict(configuration)

    def tell(self, trial: TrialInfo, loss: float, *, failed: bool) -> None:
        """A failed trial is a crashed one, whose cost SMAC takes from its user (`crash_cost`)."""
        status = StatusType.CRASHED if failed else StatusType.SUCCESS
        self._facade.tell(trial, TrialValue(cost=loss, status=status))


def _nothing(config: Configuration, seed: int = 0) -> float:
    """Stand for a target: it is asked and told only."""
    raise NotImplementedError


def _space(problem: Problem) -> ConfigurationSpace:
    space = ConfigurationSpace(seed=problem.seed)
    made = {parameter.name: _made(parameter) for parameter in problem.parameters}
    space.add(list(made.values()))
    space.add(
        [
            InCondition(made[p.name], made[p.parent], list(p.when))
            for p in problem.parameters
            if p.parent is not None
        ]
    )
    return space


def _made(parameter: Parameter) -> object:
    name, bounds = parameter.name, (parameter.low, parameter.high)
    match parameter.kind:
        case "float":
            return Float(name, bounds, log=parameter.log)
        case "int":
            return Integer(name, (int(bounds[0]), int(bounds[1])), log=parameter.log)
        case "choice":
            return Categorical(name, list(range(int(parameter.high) + 1)))
        case "ordinal":
            return OrdinalHyperparameter(name, list(range(int(parameter.high) + 1)))


if __name__ == "__main__":
    serve(Smac)
