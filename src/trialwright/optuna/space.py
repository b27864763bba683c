"""What an Optuna study varies, as a space: Optuna states it nowhere, its trials show it.

Optuna's spaces are defined by running. A parameter that some complete trials lack is conditional;
if another parameter tells which trials have it, that becomes its `when`. What no parameter tells,
and what a space can't say, is left out, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from trialwright.errors import ExpressionError, SpaceError
from trialwright.expression import Scalar, names
from trialwright.propose.distributions import from_distributions, to_distributions
from trialwright.space import NAME, Choice, Configuration, Int, Ordinal, Parameter, Space
from trialwright.task import RESERVED

Chooser = Callable[[Sequence[BaseDistribution]], BaseDistribution]
"""Which distribution counts for a parameter that was suggested with several, oldest first."""

LEVELS = 3
"""Rising numbers among which a choice is taken to be an order, such as batch sizes 16, 32, 64."""


@dataclass(frozen=True)
class Translation:
    """A space, and how its names and domains are called in an Optuna study."""

    space: Space
    distributions: Mapping[str, BaseDistribution]
    """By Optuna's name."""
    ours: Mapping[str, str] = field(default_factory=dict)
    """Our name by Optuna's; one that is not in it is the same."""
    omitted: Mapping[str, str] = field(default_factory=dict)
    """Why a parameter is not in the space, by Optuna's name."""

    def configuration(self, params: Mapping[str, object]) -> dict[str, Scalar]:
        """Return Optuna's parameters as a configuration, without those that the space lacks."""
        found = {self.ours.get(name, name): value for name, value in params.items()}
        known = {n: v for n, v in found.items() if n in self.space and isinstance(v, Scalar)}
        return self.space.canonical(known)

    def params(self, configuration: Configuration) -> dict[str, Scalar]:
        """Return a configuration under Optuna's names."""
        return {self._theirs.get(name, name): value for name, value in configuration.items()}

    @cached_property
    def _theirs(self) -> dict[str, str]:
        return {ours: theirs for theirs, ours in self.ours.items()}


def stated(space: Space | Mapping[str, BaseDistribution]) -> Translation:
    """Return the translation of a space that the user gives.

    Raises:
        SpaceError: a distribution that a space can't say.
    """
    if isinstance(space, Space):
        return Translation(space, to_distributions(space))
    ours = aliases(tuple(space))
    plain = from_distributions({ours[name]: found for name, found in space.items()})
    return Translation(Space(tuple(map(_levelled, plain.parameters))), dict(space), ours)


def inferred(trials: Sequence[FrozenTrial], choose: Chooser) -> Translation | None:
    """Return the space that trials show, oldest first; None if they show none that can be said."""
    seen: dict[str, list[BaseDistribution]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            found = seen.setdefault(name, [])
            if not found or found[-1] != distribution:
                found.append(distribution)
    ours = aliases(tuple(seen))
    parameters: dict[str, Parameter] = {}
    omitted: dict[str, str] = {}
    for name, distributions in seen.items():
        try:
            [parameter] = from_distributions({ours[name]: choose(distributions)}).parameters
            parameters[name] = _levelled(parameter)
        except SpaceError as error:
            omitted[name] = str(error)
    complete = [t.params for t in trials if t.state is TrialState.COMPLETE]
    for name in _conditional(tuple(parameters), complete):
        when = _condition(name, parameters, complete)
        if when is None and _came_to_stay(name, complete):
            continue  # of the trials before, the space says nothing
        if when is None:
            omitted[name] = "some trials have it and some do not, and no other parameter tells why"
        else:
            parameters[name] = replace(parameters[name], when=when)
    kept = _standing({n: p for n, p in parameters.items() if n not in omitted})
    lost = [name for name in parameters if name not in kept and name not in omitted]
    omitted |= dict.fromkeys(lost, "it depends on a parameter that is left out")
    if not kept:
        return None
    chosen = {name: choose(seen[name]) for name in kept}
    return Translation(Space(tuple(kept.values())), chosen, ours, omitted)


def latest(distributions: Sequence[BaseDistribution]) -> BaseDistribution:
    """Take the distribution that was suggested last: the user's present mind."""
    return distributions[-1]


def widest(distributions: Sequence[BaseDistribution]) -> BaseDistribution:
    """Take the range that holds every value of a number that was ever suggested.

    >>> widest([IntDistribution(1, 4), IntDistribution(3, 9)])
    IntDistribution(high=9, log=False, low=1, step=1)
    """
    last = distributions[-1]
    alike = [d for d in distributions if type(d) is type(last)]
    if isinstance(last, CategoricalDistribution) or all(d == last for d in alike):
        return last
    low = min(d.low for d in alike)  # type: ignore[attr-defined]  # of one class, and no choice
    high = max(d.high for d in alike)  # type: ignore[attr-defined]
    if isinstance(last, IntDistribution):
        return IntDistribution(low, high, log=last.log and low > 0)
    assert isinstance(last, FloatDistribution)
    return FloatDistribution(low, high, log=last.log and low > 0)


def aliases(given: Sequence[str]) -> dict[str, str]:
    """Return a legal name for each of Optuna's, which may be any text; all different.

    >>> aliases(("lr", "layer 1", "seed"))
    {'lr': 'lr', 'layer 1': 'layer_1', 'seed': 'seed_'}
    """
    nested = any(other.startswith(name + ".") for name in given for other in given)
    found: dict[str, str] = {}
    for name in given:
        alias = re.sub(r"[^\w-]+" if nested else r"[^\w.-]+", "_", name)
        if not NAME.fullmatch(alias):
            alias = "p_" + alias.replace(".", "_")
        alias += "_" if alias in RESERVED else ""
        count = 2
        while alias in found.values():
            alias, count = f"{alias.rsplit('__', 1)[0]}__{count}", count + 1
        found[name] = alias
    return found


def _levelled(parameter: Parameter) -> Parameter:
    """A choice between rising numbers as the order that it is."""
    if not isinstance(parameter, Choice) or len(parameter.options) < LEVELS:
        return parameter
    options = parameter.options
    numbers = [o for o in options if isinstance(o, int | float) and not isinstance(o, bool)]
    if len(numbers) < len(options) or any(a >= b for a, b in pairwise(numbers)):
        return parameter
    return Ordinal(parameter.name, options)


def _conditional(given: Sequence[str], complete: Sequence[Mapping[str, object]]) -> list[str]:
    """The parameters that some complete trials have and others lack."""
    counts = {name: sum(name in params for params in complete) for name in given}
    return [name for name, count in counts.items() if count < len(complete)]


def _condition(
    name: str,
    parameters: Mapping[str, Parameter],
    complete: Sequence[Mapping[str, object]],
) -> str | None:
    """The expression of another parameter that is true in exactly the trials with `name`.

    That parameter must be there more often than `name`: so no two can depend on each other.
    """
    present = [params for params in complete if name in params]
    if not present:
        return None
    for gate, parameter in parameters.items():
        wider = [params for params in complete if gate in params]
        if len(wider) <= len(present) or any(gate not in params for params in present):
            continue
        with_it = [params[gate] for params in present]
        without = [params[gate] for params in wider if name not in params]
        for when in _gates(parameter, with_it, without):
            if _readable(when, parameter.name):
                return when
    return None


def _came_to_stay(name: str, complete: Sequence[Mapping[str, object]]) -> bool:
    """Whether every trial has the parameter since the first that had it."""
    has = [name in params for params in complete]
    return any(has) and all(has[has.index(True) :])


def _gates(
    parameter: Parameter, with_it: Sequence[object], without: Sequence[object]
) -> Iterator[str]:
    """The expressions of `parameter` that tell the values of one list from those of the other."""
    match parameter:
        case Choice(options=options) | Ordinal(levels=options):
            chosen = [option for option in options if option in with_it]
            if chosen and not any(value in chosen for value in without):
                alone = len(chosen) == 1
                values = repr(chosen[0]) if alone else "[" + ", ".join(map(repr, chosen)) + "]"
                yield f"{parameter.name} {'==' if alone else 'in'} {values}"
        case Int():
            low, high = _ends(with_it)
            least, most = _ends(without)
            if low > most:
                yield f"{parameter.name} >= {low}"
            elif high < least:
                yield f"{parameter.name} <= {high}"


def _ends(values: Sequence[object]) -> tuple[int, int]:
    whole = [value for value in values if isinstance(value, int)]
    return min(whole), max(whole)


def _readable(when: str, name: str) -> bool:
    """Whether the small language of conditions can say it: a name with a hyphen, it can't."""
    try:
        return names(when) == {name}
    except ExpressionError:
        return False


def _standing(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The parameters whose conditions name others that are there, too."""
    kept = dict(parameters)
    while True:
        known = {parameter.name for parameter in kept.values()}
        lost = [n for n, p in kept.items() if p.when is not None and not names(p.when) <= known]
        if not lost:
            return kept
        for name in lost:
            del kept[name]
