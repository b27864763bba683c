"""Spaces as Optuna's distributions, and back: no legal value is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from tests.spaces import spaces
from trialwright.errors import SpaceError
from trialwright.propose.distributions import from_distributions, to_distributions
from trialwright.space import Choice, Float, Int, Ordinal, Space


def test_each_kind_has_its_distribution() -> None:
    """Scale and step are carried over; an ordinal is a categorical of its levels."""
    space = Space(
        (
            Float("a", 0.001, 1, log=True),
            Float("b", 0, 1, step=0.25),
            Int("c", 1, 10, step=2),
            Int("d", 1, 100, log=True),
            Choice("e", ("x", None, 3)),
            Ordinal("f", (16, 32)),
        )
    )
    assert to_distributions(space) == {
        "a": FloatDistribution(0.001, 1.0, log=True),
        "b": FloatDistribution(0.0, 1.0, step=0.25),
        "c": IntDistribution(1, 9, step=2),
        "d": IntDistribution(1, 100, log=True),
        "e": CategoricalDistribution(("x", None, 3)),
        "f": CategoricalDistribution((16, 32)),
    }


@settings(max_examples=100, deadline=None)
@given(space=spaces(), seed=st.integers(0, 99))
def test_optuna_takes_every_legal_configuration(space: Space, seed: int) -> None:
    """No value that a run had is refused, or changed, when it is told to Optuna."""
    distributions = to_distributions(space)
    for unit in (0.0, 1.0, *np.random.default_rng(seed).random(3)):
        values = {p.name: p.from_unit(unit) for p in space.parameters}
        for options in (d.choices for d in distributions.values() if hasattr(d, "choices")):
            # Optuna finds an option by ==, which does not tell 1 from true.
            assume(len({*options}) == len(options))
        told = create_trial(
            state=TrialState.COMPLETE, value=1.0, params=values, distributions=distributions
        )
        assert space.canonical(told.params) == space.canonical(values)


@settings(max_examples=100, deadline=None)
@given(space=spaces())
def test_import_of_an_export_contains_the_same_values(space: Space) -> None:
    """Both directions together lose only what Optuna has no words for."""
    back = from_distributions(to_distributions(space))
    for parameter in space.parameters:
        for unit in (0.0, 0.3, 1.0):
            value = parameter.from_unit(unit)
            assert back[parameter.name].admits(back[parameter.name].coerce(value))


@pytest.mark.parametrize(
    "distributions",
    [
        {"a": FloatDistribution(0.0, 1.0), "b": IntDistribution(3, 3)},
        {"a": FloatDistribution(0.5, 0.5, step=0.1), "b": IntDistribution(0, 10, step=5)},
        {"a": CategoricalDistribution((None, 1, "x")), "b": FloatDistribution(1e-9, 1, log=True)},
    ],
)
def test_export_of_an_import_is_the_same(distributions: Mapping[str, BaseDistribution]) -> None:
    """An Optuna study's distributions survive; a single value needs no step."""
    back = to_distributions(from_distributions(distributions))
    for name, distribution in distributions.items():
        assert back[name] == distribution or distribution.single()


def test_what_a_space_can_not_say_is_refused_with_its_name() -> None:
    """Options that are no plain values, and other classes, are errors and not guesses."""
    with pytest.warns(UserWarning, match="Choices for a categorical"):
        nested = CategoricalDistribution(((1, 2), (3,)))  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match="layers: option"):
        from_distributions({"layers": nested})
    with pytest.raises(SpaceError, match="str is unknown; a space can say FloatDistribution"):
        from_distributions({"x": "uniform"})  # type: ignore[dict-item]


def test_importing_the_module_does_not_import_optuna() -> None:
    """Commands that never ask Optuna don't wait for it."""
    code = "import sys, trialwright.propose.distributions; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
