"""HEBO behind `server`: a Gaussian process, inputs and outputs warped, three acquisitions.

It draws one point more than there are parameters from a Sobol sequence before its model speaks
(`rand_sample`); at small budgets it is given the start-up of the other peers. It knows neither
conditions, so that a parameter that does not count is suggested all the same, nor failures, so that
one is told as the worst value seen. Levels in order are whole numbers to it. A default is observed
first (https://github.com/huawei-noah/HEBO/tree/master/HEBO: `suggest` and `observe`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from benchmarks.rivals.server import Parameter, Problem, serve


class Hebo:
    """One optimisation by HEBO."""

    def __init__(self, problem: Problem) -> None:
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        torch.manual_seed(problem.seed)
        np.random.seed(problem.seed)  # pymoo, which HEBO searches with, reads it
        space = DesignSpace().parse([_made(parameter) for parameter in problem.parameters])
        self._default = problem.default
        self._hebo = HEBO(space, rand_sample=problem.startup, scramble_seed=problem.seed)

    def ask(self) -> pd.DataFrame:
        """Return the default once, if there is one, then what HEBO wants: a frame of one row."""
        if self._default is None:
            return self._hebo.suggest(n_suggestions=1)
        values, self._default = self._default, None
        return pd.DataFrame([values])

    def values(self, trial: pd.DataFrame) -> Mapping[str, float | int]:
        """Return the values of a trial."""
        return dict(trial.iloc[0])

    def tell(self, trial: pd.DataFrame, loss: float, *, failed: bool) -> None:  # noqa: ARG002
        """Observe a loss; a failure is told by a bad one."""
        self._hebo.observe(trial, np.array([[loss]]))


def _made(parameter: Parameter) -> dict[str, object]:
    name = parameter.name
    if parameter.kind == "choice":
        return {"name": name, "type": "cat", "categories": list(range(int(parameter.high) + 1))}
    bounds = {"lb": parameter.low, "ub": parameter.high}
    if parameter.kind == "float":
        return {"name": name, "type": "pow" if parameter.log else "num", "base": 10, **bounds}
    return {"name": name, "type": "pow_int" if parameter.log else "int", "base": 10, **bounds}


if __name__ == "__main__":
    serve(Hebo)
