"""A space as Optuna's distributions, and back.

Optuna has no conditions, constraints, descriptions or defaults: `to_distributions` leaves them out,
and who draws from the distributions must make the draw canonical and ask the constraints. An
ordinal becomes a categorical, so that exported trials hold the values that ran: Optuna's other way
to say an order, a whole number as index, would hide them, and its samplers gain little from it on
a handful of levels. What it can't say otherwise is said wider, never narrower: see
`to_distributions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from trialwright.errors import SpaceError
from trialwright.space import Choice, Float, Int, Ordinal, Parameter, Space

if TYPE_CHECKING:  # Optuna takes 0.4 s to import, and most commands don't need it.
    from optuna.distributions import BaseDistribution


def to_distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return a distribution per parameter, in the order of the space.

    Every legal value is contained. Wider than the space are: a whole number with log scale and
    step (Optuna refuses both at once; the scale stays), and a step that is no decimal fraction of
    its range (Optuna would cut the top off; the step goes). `Space.decode` of `Space.encode` puts
    such draws back on the grid.

    >>> to_distributions(Space((Int("depth", 1, 8),)))
    {'depth': IntDistribution(high=8, log=False, low=1, step=1)}
    """
    return {parameter.name: _distribution(parameter) for parameter in space.parameters}


def from_distributions(distributions: Mapping[str, BaseDistribution]) -> Space:
    """Return the space of an Optuna study's distributions.

    Raises:
        SpaceError: a distribution that a space can't say: of another class, an option that is no
            plain value, a range beyond what is counted exactly.

    >>> space = Space((Float("lr", 1e-4, 0.1, log=True), Choice("opt", ("adam", "sgd"))))
    >>> from_distributions(to_distributions(space)) == space
    True
    """
    return Space(tuple(_parameter(name, found) for name, found in distributions.items()))


def _distribution(parameter: Parameter) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    match parameter:
        case Float(low=low, high=high, log=log, step=None):
            return FloatDistribution(low, high, log=log)
        case Float(low=low, high=high, step=float() | int() as step):
            top = parameter.from_unit(1.0)
            exact = (Decimal(str(top)) - Decimal(str(low))) % Decimal(str(step)) == 0
            return FloatDistribution(low, top, step=step) if exact else FloatDistribution(low, high)
        case Int(low=low, high=high, log=True):
            return IntDistribution(low, high, log=True)
        case Int(low=low, step=step):
            return IntDistribution(low, low + (parameter.count - 1) * step, step=step)
        case Choice(options=values) | Ordinal(levels=values):
            return CategoricalDistribution(values)
    raise AssertionError(parameter)


def _parameter(name: str, distribution: BaseDistribution) -> Parameter:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    match distribution:
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return Float(name, low, high, log=log, step=step if high > low else None)
        case IntDistribution(low=low, high=high, log=log, step=step):
            return Int(name, low, high, log=log, step=step if high > low else 1)
        case CategoricalDistribution(choices=choices):
            return Choice(name, tuple(choices))
    raise SpaceError(
        f"{name}: {type(distribution).__name__} is unknown; a space can say FloatDistribution,"
        " IntDistribution and CategoricalDistribution"
    )
