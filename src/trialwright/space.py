"""What may vary: parameters with domains, conditions, constraints and defaults.

A space knows which configurations are legal, how to draw one, and how to lay one out in the unit
cube. It does not know what a parameter means for a model: that is the expert's knowledge base.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trialwright.errors import ExpressionError, InvalidConfiguration, SpaceError
from trialwright.expression import Scalar, evaluate, names

Configuration = Mapping[str, Scalar]
"""One value per active parameter."""

NAME = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
"""Dots stand for nesting in a base configuration file: `optimizer.lr`."""

DRAWS = 10_000
"""Uniform draws before a space's constraints count as unsatisfiable in practice."""

DIGITS = 6
"""Significant digits of a decoded float: enough for any training, few enough to read."""

LARGEST = 10**12
"""Bound of whole numbers, and of the cells of a grid: far below where floats lose count."""


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in [low, high], on a log scale if `log`, on a grid from `low` if `step`.

    Raises:
        SpaceError: the range is empty or not finite, or scale and step don't fit it.

    >>> Float("lr", 1e-4, 1e-1, log=True).from_unit(0.5)
    0.00316228
    """

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    default: float | None = None
    when: str | None = None
    description: str = ""
    kind: Literal["float"] = "float"

    def __post_init__(self) -> None:
        _check_range(self)

    @property
    def allowed(self) -> str:
        """The domain in words."""
        scale = ", log scale" if self.log else ""
        grid = f", in steps of {self.step:g}" if self.step else ""
        return f"a number from {self.low:g} to {self.high:g}{scale}{grid}"

    @property
    def count(self) -> int | None:
        """The number of distinct values; None for a continuum."""
        return _steps(self.low, self.high, self.step) + 1 if self.step else None

    def coerce(self, value: Scalar) -> Scalar:
        """Turn a whole number into the float it stands for; leave the rest as it is."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        # A larger one is outside every range, and may not fit a float at all.
        return float(cast("int", value)) if whole and abs(cast("int", value)) < 2**1023 else value

    def admits(self, value: Scalar) -> bool:
        """Say whether `value` is in the domain."""
        if not isinstance(value, float) or not self.low <= value <= self.high:
            return False
        return not self.step or abs(self._on_grid(value) - value) <= 1e-6 * self.step

    def to_unit(self, value: Scalar) -> float:
        """Place a legal value in [0, 1]."""
        number = cast("float", value)
        if self.step:
            index = round((number - self.low) / self.step)
            return (index + 0.5) / (_steps(self.low, self.high, self.step) + 1)
        if self.high == self.low:
            return 0.5
        if self.log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def from_unit(self, unit: float) -> float:
        """Return the value at `unit` in [0, 1], to `DIGITS` significant digits."""
        if self.step:
            cells = _steps(self.low, self.high, self.step) + 1
            return self._on_grid(self.low + self.step * min(int(unit * cells), cells - 1))
        if self.log:
            number = self.low * (self.high / self.low) ** unit
        else:
            number = self.low + unit * (self.high - self.low)
        return min(max(float(f"{number:.{self._digits}g}"), self.low), self.high)

    @property
    def _digits(self) -> int:
        """`DIGITS`, and as many more as the two ends have in common."""
        largest = max(abs(self.low), abs(self.high))
        if self.high == self.low:
            return 17
        return min(DIGITS + max(int(math.log10(largest / (self.high - self.low))), 0), 17)

    def _on_grid(self, value: float) -> float:
        assert self.step is not None
        number = self.low + round((value - self.low) / self.step) * self.step
        return min(max(float(f"{number:.12g}"), self.low), self.high)


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number in [low, high], on a log scale if `log`, every `step`-th from `low`.

    Raises:
        SpaceError: the range is empty or beyond `LARGEST`, or scale and step don't fit it.
    """

    name: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    default: int | None = None
    when: str | None = None
    description: str = ""
    kind: Literal["int"] = "int"

    def __post_init__(self) -> None:
        _check_range(self)

    @property
    def allowed(self) -> str:
        """The domain in words."""
        scale = ", log scale" if self.log else ""
        grid = f", in steps of {self.step}" if self.step != 1 else ""
        return f"a whole number from {self.low} to {self.high}{scale}{grid}"

    @property
    def count(self) -> int:
        """The number of distinct values."""
        return (self.high - self.low) // self.step + 1

    def coerce(self, value: Scalar) -> Scalar:
        """Turn 3.0 into 3; leave the rest as it is."""
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def admits(self, value: Scalar) -> bool:
        """Say whether `value` is in the domain."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0  # type: ignore[operator]

    def to_unit(self, value: Scalar) -> float:
        """Place a legal value at the centre of its cell in [0, 1]."""
        number = cast("int", value)
        if self.log:
            return math.log(number / self._edges[0]) / math.log(self._edges[1] / self._edges[0])
        return ((number - self.low) // self.step + 0.5) / self.count

    def from_unit(self, unit: float) -> int:
        """Return the value whose cell holds `unit`."""
        if self.log:
            low, high = self._edges
            number: float = low * math.pow(high / low, unit)
            number = self.low + round((number - self.low) / self.step) * self.step
            return min(max(number, self.low), self.low + (self.count - 1) * self.step)
        return self.low + min(int(unit * self.count), self.count - 1) * self.step

    @property
    def _edges(self) -> tuple[float, float]:
        return self.low - 0.5 * min(self.step, self.low), self.high + 0.5 * self.step


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several options without an order. An option `None` doubles as the default.

    Raises:
        SpaceError: no options, one twice (1 and 1.0 are the same), or one that is not finite.
    """

    name: str
    options: tuple[Scalar, ...]
    default: Scalar = None
    when: str | None = None
    description: str = ""
    kind: Literal["choice"] = "choice"

    def __post_init__(self) -> None:
        _check_options(self, self.options)

    @property
    def allowed(self) -> str:
        """The domain in words."""
        return "one of " + ", ".join(json.dumps(option) for option in self.options)

    @property
    def count(self) -> int:
        """The number of options."""
        return len(self.options)

    def coerce(self, value: Scalar) -> Scalar:
        """Turn a number into the option that it equals: 1.0 into 1, never into true."""
        index = _find(self.options, value)
        return value if index is None else self.options[index]

    def admits(self, value: Scalar) -> bool:
        """Say whether `value` is one of the options."""
        return _find(self.options, value) is not None

    def to_unit(self, value: Scalar) -> float:
        """Place an option at the centre of its cell in [0, 1]."""
        index = _find(self.options, value)
        assert index is not None, f"{value!r} is none of {self.options}"
        return (index + 0.5) / self.count

    def from_unit(self, unit: float) -> Scalar:
        """Return the option whose cell holds `unit`."""
        return self.options[min(int(unit * self.count), self.count - 1)]


@dataclass(frozen=True, slots=True)
class Ordinal:
    """One of several levels in a meaningful order, such as batch sizes 16, 32, 64.

    Raises:
        SpaceError: as for `Choice`.
    """

    name: str
    levels: tuple[Scalar, ...]
    default: Scalar = None
    when: str | None = None
    description: str = ""
    kind: Literal["ordinal"] = "ordinal"

    def __post_init__(self) -> None:
        _check_options(self, self.levels)

    @property
    def allowed(self) -> str:
        """The domain in words."""
        return "one of " + " < ".join(json.dumps(level) for level in self.levels)

    @property
    def count(self) -> int:
        """The number of levels."""
        return len(self.levels)

    def coerce(self, value: Scalar) -> Scalar:
        """Turn a number into the level that it equals."""
        index = _find(self.levels, value)
        return value if index is None else self.levels[index]

    def admits(self, value: Scalar) -> bool:
        """Say whether `value` is one of the levels."""
        return _find(self.levels, value) is not None

    def to_unit(self, value: Scalar) -> float:
        """Place a level at the centre of its cell in [0, 1]."""
        index = _find(self.levels, value)
        assert index is not None, f"{value!r} is none of {self.levels}"
        return (index + 0.5) / self.count

    def from_unit(self, unit: float) -> Scalar:
        """Return the level whose cell holds `unit`."""
        return self.levels[min(int(unit * self.count), self.count - 1)]


Parameter = Annotated[Float | Int | Choice | Ordinal, Field(discriminator="kind")]
"""A closed union: tell the kinds apart with `match`."""


@dataclass(frozen=True)
class Space:
    """Parameters, and constraints between them.

    A parameter whose `when` is false is inactive: it has no value, and a constraint that names it
    is not asked. A `when` that names an inactive parameter is false.

    Raises:
        SpaceError: two parameters of one name, an unknown name in an expression, a circular
            condition, a default outside its domain.

    >>> space = Space((Float("lr", 1e-4, 0.1, log=True), Int("depth", 1, 8)), ("lr * depth < 0.5",))
    >>> [str(fault) for fault in space.check({"lr": 0.1, "depth": 9})]
    ['depth = 9 is not a whole number from 1 to 8']
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_names(self)
        self._ordered  # noqa: B018  # a circular condition is an error of the space, raised here
        faults = self._value_faults(self.given_defaults)
        if faults:
            raise SpaceError("default of " + faults[0])

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Parameter names, in the order of the space."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def size(self) -> int | None:
        """The number of cells of a finite space, conditions and constraints ignored; else None."""
        counts = [parameter.count for parameter in self.parameters]
        return None if None in counts else math.prod(cast("list[int]", counts))

    @cached_property
    def defaults(self) -> dict[str, Scalar]:
        """The own defaults of the parameters that apply under them; one without is absent."""
        return self.canonical(self.given_defaults)

    @cached_property
    def given_defaults(self) -> dict[str, Scalar]:
        """Every parameter's own default, whether or not it applies; one without is absent."""
        return {p.name: p.coerce(p.default) for p in self.parameters if _has_default(p)}

    def active(self, configuration: Configuration) -> tuple[str, ...]:
        """Return the names of the parameters that apply under `configuration`."""
        if not self._conditional:
            return self.names
        values: dict[str, Scalar] = {}
        for parameter in self._ordered:
            if parameter.name in configuration and _applies(parameter, values):
                values[parameter.name] = configuration[parameter.name]
            elif _applies(parameter, values):
                values.setdefault(parameter.name, _MISSING)
        return tuple(name for name in self.names if name in values)

    def canonical(self, configuration: Configuration) -> dict[str, Scalar]:
        """Coerce equal values to one form, drop inactive parameters, and order by the space.

        Unknown keys and illegal values stay as they are, for `check` to name.
        """
        coerced = {
            name: self._by_name[name].coerce(value) if name in self._by_name else value
            for name, value in configuration.items()
        }
        kept = set(self.active(coerced)) | (set(coerced) - set(self._by_name))
        ordered = [name for name in self.names if name in coerced and name in kept]
        return {name: coerced[name] for name in [*ordered, *(k for k in coerced if k not in self)]}

    def key(self, configuration: Configuration) -> str:
        """Return a text that two configurations share exactly when they are the same."""
        return _in_order(self.canonical(configuration))

    def check(self, configuration: Configuration) -> tuple[str, ...]:
        """Return one sentence per fault: parameter, value, and what was allowed; () if legal.

        Values are taken as `canonical` gives them, so 3.0 is a whole number.
        """
        given = self.canonical(configuration)
        faults = [
            f"{name} = {given[name]!r} is unknown; the parameters are {', '.join(self.names)}"
            for name in given
            if name not in self
        ]
        faults += [
            f"{name} is missing; give {self._by_name[name].allowed}"
            for name in self.active(given)
            if name not in given
        ]
        faults += self._value_faults(given)
        return tuple(faults or self._broken_constraints(given))

    def require(self, configuration: Configuration) -> dict[str, Scalar]:
        """Return the canonical form of a legal configuration.

        Raises:
            InvalidConfiguration: with every fault.
        """
        faults = self.check(configuration)
        if faults:
            raise InvalidConfiguration(faults)
        return self.canonical(configuration)

    def complete(self, partial: Configuration) -> dict[str, Scalar]:
        """Fill a partial configuration from the defaults, then from the middle of the domains.

        Unknown keys and illegal values stay as they are, for `check` to name.
        """
        middle = {parameter.name: parameter.from_unit(0.5) for parameter in self.parameters}
        return self.canonical({**middle, **self.given_defaults, **partial})

    def encode(self, configurations: Sequence[Configuration]) -> NDArray[np.float64]:
        """Place legal configurations in the unit cube, shape (n, d); inactive ones at 0.5."""
        rows = [
            [p.to_unit(c[p.name]) if p.name in c else 0.5 for p in self.parameters]
            for c in configurations
        ]
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(self.parameters))

    def decode(self, point: Iterable[float]) -> dict[str, Scalar]:
        """Return the configuration at `point`, shape (d,) in [0, 1]; constraints not asked.

        `decode(encode([c])[0])` is `c` for whole numbers, choices and grids, and `c` to `DIGITS`
        significant digits for floats.
        """
        values = {
            parameter.name: parameter.from_unit(min(max(float(unit), 0.0), 1.0))
            for parameter, unit in zip(self.parameters, point, strict=True)
        }
        return self.canonical(values)

    def feasible(self, configuration: Configuration) -> bool:
        """Say whether a configuration of legal values keeps every constraint."""
        return not self._broken_constraints(configuration)

    def sample(self, rng: np.random.Generator) -> dict[str, Scalar]:
        """Draw a legal configuration, uniform in the unit cube.

        Raises:
            SpaceError: none of `DRAWS` draws kept the constraints.
        """
        for _ in range(DRAWS):
            configuration = self.decode(rng.random(len(self.parameters)))
            if self.feasible(configuration):
                return configuration
        raise SpaceError(
            f"none of {DRAWS} random configurations keeps the constraints"
            f" ({'; '.join(self.constraints)}): loosen them"
        )

    def grid(self, points: int | Mapping[str, Sequence[Scalar]]) -> Iterator[dict[str, Scalar]]:
        """Yield legal configurations of a full grid, each once.

        `points` is the number of values per continuous or long parameter, or the values of each
        varied parameter by name; the others stay at their defaults, or at the middle.
        """
        still = {p.name: p.from_unit(0.5) for p in self.parameters} | self.given_defaults
        axes = [
            _axis(parameter, points) or (still[parameter.name],) for parameter in self.parameters
        ]
        seen: set[str] = set()
        for values in product(*axes):
            configuration = self.canonical(dict(zip(self.names, values, strict=True)))
            key = self.key(configuration)
            if key not in seen and not self.check(configuration):
                seen.add(key)
                yield configuration

    def schema(self) -> dict[str, object]:
        """Return a JSON Schema (draft 2020-12) of a configuration.

        What a schema can't say (conditions on expressions, constraints) stands in descriptions.
        """
        return {
            "type": "object",
            "properties": {p.name: _schema(p) for p in self.parameters},
            "required": [p.name for p in self.parameters if p.when is None],
            "additionalProperties": False,
            **(
                {"description": "Must hold: " + "; ".join(self.constraints)}
                if self.constraints
                else {}
            ),
        }

    @cached_property
    def _conditional(self) -> bool:
        return any(parameter.when for parameter in self.parameters)

    @cached_property
    def _by_name(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    @cached_property
    def _ordered(self) -> tuple[Parameter, ...]:
        """Parameters such that each stands behind those that its condition names."""
        done: list[Parameter] = []
        left = list(self.parameters)
        while left:
            placed = {parameter.name for parameter in done}
            ready = [p for p in left if p.when is None or names(p.when) <= placed]
            if not ready:
                circle = ", ".join(p.name for p in left)
                raise SpaceError(f"the conditions of {circle} depend on each other in a circle")
            done += ready
            left = [p for p in left if p not in ready]
        return tuple(done)

    def _value_faults(self, given: Configuration) -> list[str]:
        return [
            f"{name} = {given[name]!r} is not {self._by_name[name].allowed}"
            for name in given
            if name in self and not self._by_name[name].admits(given[name])
        ]

    def _broken_constraints(self, given: Configuration) -> list[str]:
        broken = []
        for constraint in self.constraints:
            mentioned = names(constraint)
            involved = {name: given[name] for name in given if name in mentioned}
            if len(involved) < len(mentioned):
                continue
            try:
                holds = bool(evaluate(constraint, involved))
            except ExpressionError:
                holds = False
            if not holds:
                values = ", ".join(f"{name} = {value!r}" for name, value in involved.items())
                broken.append(f"{values} breaks the constraint {constraint}")
        return broken


_MISSING: Scalar = None

_in_order = json.JSONEncoder(sort_keys=True).encode


def _applies(parameter: Parameter, values: Configuration) -> bool:
    if parameter.when is None:
        return True
    if not names(parameter.when) <= values.keys():
        return False
    try:
        return bool(evaluate(parameter.when, values))
    except ExpressionError:
        return False


def _has_default(parameter: Parameter) -> bool:
    if parameter.default is not None:
        return True
    match parameter:
        case Choice(options=values) | Ordinal(levels=values):
            return None in values
    return False


def _find(values: tuple[Scalar, ...], value: Scalar) -> int | None:
    """The place of what is the `_same`; None if there is none."""
    if value not in values:
        return None
    index = values.index(value)
    if _same(values[index], value):
        return index
    return next((i for i, other in enumerate(values) if _same(other, value)), None)


def _same(left: Scalar, right: Scalar) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _steps(low: float, high: float, step: float) -> int:
    return math.floor((high - low) / step + 1e-9)


def _check_range(parameter: Float | Int) -> None:
    name, low, high = parameter.name, parameter.low, parameter.high
    _check_numbers(parameter)
    if low > high:
        raise SpaceError(f"{name}: the range [{low:g}, {high:g}] is empty; write the low end first")
    if not math.isfinite(high - low):
        raise SpaceError(f"{name}: the range [{low:g}, {high:g}] is too wide; use a log scale")
    if parameter.log and low <= 0:
        raise SpaceError(f"{name}: a log scale needs a range above 0, not [{low:g}, {high:g}]")
    if parameter.log and not math.isfinite(high / low):
        raise SpaceError(f"{name}: the range [{low:g}, {high:g}] is too wide")
    if parameter.step is not None:
        _check_step(parameter, parameter.step)


def _check_numbers(parameter: Float | Int) -> None:
    kind, largest = (float | int, 2**1000) if isinstance(parameter, Float) else (int, LARGEST)
    for value in (parameter.low, parameter.high, parameter.step):
        if value is None and isinstance(parameter, Float):
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = "a number" if isinstance(parameter, Float) else "a whole number"
            raise SpaceError(f"{parameter.name}: {value!r} in the range must be {wanted}")
        if isinstance(value, int) and abs(value) > largest:
            raise SpaceError(
                f"{parameter.name}: a bound is beyond {float(largest):.3g}; use another unit"
            )
        if not math.isfinite(value):
            raise SpaceError(f"{parameter.name}: the range must be finite, not {value}")


def _check_step(parameter: Float | Int, step: float) -> None:
    name, low, high = parameter.name, parameter.low, parameter.high
    if step <= 0:
        raise SpaceError(f"{name}: step {step:g} must be above 0")
    if isinstance(parameter, Int) and step == 1:
        return
    if step > high - low:
        raise SpaceError(f"{name}: step {step:g} is larger than the range [{low:g}, {high:g}]")
    if (high - low) / step > LARGEST:
        raise SpaceError(f"{name}: step {step:g} is too small for the range [{low:g}, {high:g}]")
    if parameter.log and isinstance(parameter, Float):
        raise SpaceError(f"{name}: a log scale and a step exclude each other")


def _check_options(parameter: Choice | Ordinal, values: tuple[Scalar, ...]) -> None:
    name = parameter.name
    if not values:
        raise SpaceError(f"{name}: needs at least one option")
    for value in values:
        finite = not isinstance(value, float) or math.isfinite(value)
        if not isinstance(value, Scalar) or not finite:
            raise SpaceError(
                f"{name}: option {value!r} must be text, a finite number, bool or null"
            )
    # Sets tell neither 1 from true nor 1.0 from 1 as `_same` does.
    keys = [(isinstance(value, bool), value) for value in values]
    if len(set(keys)) < len(keys):
        twice = next(value for value, key in zip(values, keys, strict=True) if keys.count(key) > 1)
        raise SpaceError(f"{name}: the option {json.dumps(twice)} stands twice")


def _check_names(space: Space) -> None:
    known = space.names
    for name in known:
        if not NAME.fullmatch(name):
            raise SpaceError(f"{name!r} can't be a name: letters, digits, _ - and dots between")
        if known.count(name) > 1:
            raise SpaceError(f"{name} stands twice in the space")
        outer = next((other for other in known if name.startswith(other + ".")), None)
        if outer is not None:
            raise SpaceError(f"{outer} can't be both a value and the group that holds {name}")
    conditions = [parameter.when for parameter in space.parameters if parameter.when]
    for source in [*space.constraints, *conditions]:
        try:
            unknown = names(source) - set(known)
        except ExpressionError as error:
            raise SpaceError(str(error)) from None
        if unknown:
            raise SpaceError(
                f"{source!r} names {', '.join(sorted(unknown))}, which the space"
                f" does not have; it has {', '.join(known)}"
            )


def _axis(parameter: Parameter, points: int | Mapping[str, Sequence[Scalar]]) -> tuple[Scalar, ...]:
    if not isinstance(points, int):
        return tuple(points.get(parameter.name, ()))
    match parameter:
        case Int(low=low, step=step) if parameter.count <= points:
            return tuple(low + i * step for i in range(parameter.count))
        case Float(count=int(cells)) if cells <= points:
            return tuple(parameter.from_unit((i + 0.5) / cells) for i in range(cells))
        case Choice(options=options):
            return options
        case Ordinal(levels=levels) if len(levels) <= points:
            return levels
    return tuple(parameter.from_unit(i / max(points - 1, 1)) for i in range(points))


def _schema(parameter: Parameter) -> dict[str, object]:
    words = [parameter.description] if parameter.description else []
    if parameter.when:
        words.append(f"Only when {parameter.when}; otherwise leave it out.")
    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            schema: dict[str, object] = {"type": "number", "minimum": low, "maximum": high}
            words += ["Log scale."] * log
            words += [f"In steps of {step:g} from {low:g}."] if step else []
        case Int(low=low, high=high, log=log, step=step):
            schema = {"type": "integer", "minimum": low, "maximum": high}
            words += ["Log scale."] * log
            words += [f"In steps of {step} from {low}."] if step != 1 else []
            schema |= {"multipleOf": step} if step != 1 and low % step == 0 else {}
        case Choice(options=values):
            schema = {"enum": list(values)}
        case Ordinal(levels=values):
            schema = {"enum": list(values)}
            words.append("In ascending order.")
    if _has_default(parameter):
        schema["default"] = parameter.default
    return schema | ({"description": " ".join(words)} if words else {})
