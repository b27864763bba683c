"""What a space admits, draws, lays out and refuses: properties over spaces of every kind."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spaces import SCALARS, spaces
from tests.thoroughness import repeats
from trialwright.errors import InvalidConfiguration, SpaceError
from trialwright.expression import Scalar, evaluate, names
from trialwright.space import DIGITS, LARGEST, Choice, Float, Int, Ordinal, Parameter, Space

SEEDS = st.integers(0, 2**32 - 1)
WATER = Space(
    (
        Float("lr", 1e-4, 0.1, log=True, default=0.01),
        Int("depth", 1, 9, step=2, default=3),
        Choice("booster", ("tree", "dart", None, True, 1), default="tree"),
        Float("rate", 0.0, 0.5, when="booster == 'dart'", default=0.1),
        Ordinal("batch", (16, 32, 64)),
        Int("skip", 1, 3, when="rate > 0.2"),
    ),
    ("lr * depth <= 0.5",),
)


def drawn(space: Space, seed: int) -> dict[str, Scalar] | None:
    """A legal configuration; None where the constraint leaves none."""
    try:
        return space.sample(np.random.default_rng(seed))
    except SpaceError:
        return None


def same(parameter: Parameter, left: Scalar, right: Scalar) -> bool:
    """Whether two values are one, up to the resolution of a float."""
    if isinstance(parameter, Float) and parameter.step is None:
        assert isinstance(left, float)
        assert isinstance(right, float)
        finest = 1e-9 * (parameter.high - parameter.low) if not parameter.log else 0.0
        return math.isclose(left, right, rel_tol=10 ** (1 - DIGITS), abs_tol=finest)
    return left == right and type(left) is type(right)


@settings(max_examples=repeats(60, 200), deadline=None)
@given(space=spaces(), seed=SEEDS)
def test_every_draw_is_legal(space: Space, seed: int) -> None:
    """A draw has exactly the active parameters, legal values, and keeps the constraints."""
    configuration = drawn(space, seed)
    if configuration is None:
        return
    assert space.check(configuration) == ()
    assert tuple(configuration) == space.active(configuration)
    assert all(evaluate(c, configuration) for c in space.constraints
               if names(c) <= configuration.keys())  # fmt: skip


@settings(max_examples=repeats(60, 200), deadline=None)
@given(space=spaces(), seed=SEEDS)
def test_decode_is_the_inverse_of_encode(space: Space, seed: int) -> None:
    """Exact for whole numbers, grids, choices and levels; to `DIGITS` digits for floats."""
    point = np.random.default_rng(seed).random(len(space))
    configuration = space.decode(point)
    row = space.encode([configuration])
    assert row.shape == (1, len(space))
    assert ((row >= 0) & (row <= 1)).all()
    # One parameter at a time: rounding a float may switch a condition on its very edge.
    for parameter, unit in zip(space.parameters, row[0], strict=True):
        if parameter.name in configuration:
            value = configuration[parameter.name]
            assert same(parameter, parameter.from_unit(float(unit)), value)


@settings(max_examples=repeats(30, 100), deadline=None)
@given(space=spaces())
def test_the_corners_of_the_cube_are_legal_values(space: Space) -> None:
    """No rounding leads out of a domain, at 0, at 1, or just inside."""
    for unit in (0.0, 1e-12, 0.5, 1 - 1e-12, 1.0):
        for parameter in space.parameters:
            assert parameter.admits(parameter.from_unit(unit)), (parameter, unit)


@settings(max_examples=repeats(30, 100), deadline=None)
@given(space=spaces(), values=st.dictionaries(st.sampled_from(["a", "b.c", "d", "z"]), SCALARS))
def test_canonical_is_idempotent_and_check_agrees_with_it(
    space: Space, values: Mapping[str, Scalar]
) -> None:
    """Whatever is handed in, canonical twice is canonical once, and has the same faults and key."""
    once = space.canonical(values)
    assert space.canonical(once) == once
    assert space.check(once) == space.check(values)
    assert space.key(once) == space.key(values)


@settings(max_examples=repeats(30, 100), deadline=None)
@given(space=spaces(), seed=SEEDS, name=st.sampled_from(["a", "b.c", "d"]), value=SCALARS)
def test_one_wrong_value_is_always_found(space: Space, seed: int, name: str, value: Scalar) -> None:
    """A legal configuration with one foreign value is legal exactly if that value is admitted."""
    configuration = drawn(space, seed)
    if configuration is None or name not in configuration:
        return
    parameter = space[name]
    faults = space.check({**configuration, name: value})
    if not parameter.admits(parameter.coerce(value)):
        assert any(f"{name} = " in fault and parameter.allowed in fault for fault in faults)


def test_check_names_parameter_value_and_what_is_allowed_for_every_fault_at_once() -> None:
    """Five faults of five kinds are five sentences."""
    faults = WATER.check({"lr": "fast", "depth": 4, "booster": "tree", "batc": 1, "rate": 9})
    assert faults == (
        "batc = 1 is unknown; the parameters are lr, depth, booster, rate, batch, skip",
        "batch is missing; give one of 16 < 32 < 64",
        "lr = 'fast' is not a number from 0.0001 to 0.1, log scale",
        "depth = 4 is not a whole number from 1 to 9, in steps of 2",
    )
    broken = {"lr": 0.1, "depth": 9, "booster": "tree", "batch": 16}
    assert WATER.check(broken) == ("lr = 0.1, depth = 9 breaks the constraint lr * depth <= 0.5",)
    with pytest.raises(InvalidConfiguration) as caught:
        WATER.require(broken)
    assert len(caught.value.faults) == 1


def test_conditions_chain_and_inactive_values_are_dropped() -> None:
    """A condition on an inactive parameter is false, and what is inactive has no value."""
    base = {"lr": 0.01, "depth": 3, "batch": 16}
    dart = {**base, "booster": "dart", "rate": 0.4, "skip": 2}
    assert WATER.require(dart) == dart
    assert WATER.require({**dart, "booster": "tree"}) == {**base, "booster": "tree"}
    assert WATER.key({**dart, "booster": "tree"}) == WATER.key({**base, "booster": "tree"})
    assert WATER.check({**dart, "rate": 0.1}) == ()
    assert WATER.check({k: v for k, v in dart.items() if k != "skip"}) == (
        "skip is missing; give a whole number from 1 to 3",
    )


def test_equal_numbers_are_one_value_and_truth_values_are_not_numbers() -> None:
    """3.0 is the whole number 3, 1 is the float 1.0; true is never 1, nor 1 true."""
    lr, depth, booster = WATER["lr"], WATER["depth"], WATER["booster"]
    assert depth.coerce(3.0) == 3
    assert isinstance(depth.coerce(3.0), int)
    assert isinstance(Float("x", 0, 5).coerce(1), float)
    assert booster.coerce(1.0) == 1
    assert not isinstance(booster.coerce(1.0), float | bool)
    assert not depth.admits(depth.coerce(True))
    assert not Float("x", 0, 5).admits(Float("x", 0, 5).coerce(True))
    assert not lr.admits("0.01")
    assert WATER.key({"booster": True}) != WATER.key({"booster": 1})


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 10**400, -(10**400), 2**63, 1e308, None, "", "1"]
)
def test_no_number_beyond_the_range_is_admitted_or_crashes(value: Scalar) -> None:
    """NaN, infinities and numbers that no float can hold are refused with a sentence."""
    space = Space((Float("x", 0.0, 1.0), Int("n", 0, 10), Float("s", 0, 1, step=0.1)))
    assert len(space.check({"x": value, "n": value, "s": value})) == 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Float("x", 1, 0), "is empty"),
        (lambda: Float("x", 0, math.inf), "must be finite"),
        (lambda: Float("x", math.nan, 1), "must be finite"),
        (lambda: Float("x", -1e308, 1e308), "too wide"),
        (lambda: Float("x", 1e-320, 1, log=True), "too wide"),
        (lambda: Float("x", 0, 1, log=True), "needs a range above 0"),
        (lambda: Float("x", 0, 1, step=0), "above 0"),
        (lambda: Float("x", 0, 1, step=math.inf), "finite"),
        (lambda: Float("x", 0, 1, step=2), "larger than the range"),
        (lambda: Float("x", 0, 1, step=1e-15), "too small"),
        (lambda: Float("x", 1, 2, log=True, step=0.1), "exclude each other"),
        (lambda: Float("x", "0", 1), "must be a number"),  # type: ignore[arg-type]
        (lambda: Float("x", 0, 10**400), "is beyond"),
        (lambda: Int("x", 0.5, 1), "must be a whole number"),  # type: ignore[arg-type]
        (lambda: Int("x", True, 3), "must be a whole number"),
        (lambda: Int("x", 0, LARGEST + 1), "is beyond"),
        (lambda: Int("x", 0, 4, step=0), "above 0"),
        (lambda: Int("x", 0, 4, step=None), "must be a whole number"),  # type: ignore[arg-type]
        (lambda: Int("x", 0, 4, log=True), "needs a range above 0"),
        (lambda: Choice("x", ()), "at least one option"),
        (lambda: Choice("x", (1, 2, 1.0)), "the option 1 stands twice"),
        (lambda: Choice("x", (math.nan, 1)), "finite number"),
        (lambda: Choice("x", ((1, 2),)), "must be text"),  # type: ignore[arg-type]
        (lambda: Space((Int("x", 0, 1), Int("x", 0, 1))), "stands twice"),
        (lambda: Space((Int("x y", 0, 1),)), "can't be a name"),
        (lambda: Space((Float("<img src=x onerror=alert(1)>", 0, 1),)), "can't be a name"),
        (lambda: Space((Float("lr\x1b[31m", 0, 1),)), "can't be a name"),
        (lambda: Space((Choice("lr\n", (1, 2)),)), "can't be a name"),
        (lambda: Space((Int("a\u202eb", 0, 1),)), "can't be a name"),
        (lambda: Space((Int("x", 0, 1), Int("x.y", 0, 1))), "both a value and the group"),
        (lambda: Space((Int("x", 0, 1, default=2),)), "default of x = 2"),
        (lambda: Space((Int("x", 0, 1, default=True),)), "default of x = True"),
        (lambda: Space((Choice("x", ("a",), default="b"),)), "default of x = 'b'"),
        (lambda: Space((Int("x", 0, 1, when="y > 1"),)), "which the space does not have"),
        (lambda: Space((Int("x", 0, 1, when="x > 0"),)), "in a circle"),
        (lambda: Space((Int("x", 0, 1),), ("f(x)",)), "Call is not allowed"),
        (lambda: Space((Int("x", 0, 1),), ("z < 1",)), "names z"),
    ],
)
def test_a_space_that_contradicts_itself_is_refused(make: object, words: str) -> None:
    """Whatever is wrong is said when the space is made, with the parameter's name."""
    with pytest.raises(SpaceError, match=words):
        make()  # type: ignore[operator]


def test_defaults_leave_out_what_does_not_apply() -> None:
    """`rate` has a default, but no place under the default booster; `batch` has none."""
    assert WATER.defaults == {"lr": 0.01, "depth": 3, "booster": "tree"}
    assert WATER.given_defaults == WATER.defaults | {"rate": 0.1}


def test_complete_fills_from_the_defaults_and_then_from_the_middle() -> None:
    """A parameter that applies only under the given values is filled too."""
    assert WATER.complete({}) == {"lr": 0.01, "depth": 3, "booster": "tree", "batch": 32}
    dart = WATER.complete({"booster": "dart"})
    assert dart == {"lr": 0.01, "depth": 3, "booster": "dart", "rate": 0.1, "batch": 32}
    assert WATER.complete({"booster": "dart", "rate": 0.5})["skip"] == 2


def test_an_option_none_is_a_value_and_the_default() -> None:
    """Null among the options is legal, and what a space without a default starts from."""
    space = Space((Choice("depth", (5, None)),))
    assert space.defaults == {"depth": None}
    assert space.check({"depth": None}) == ()
    assert space.check({}) == ("depth is missing; give one of 5, null",)
    assert Space((Choice("depth", (5, None), default=5),)).defaults == {"depth": 5}
    other = replace(space["depth"], options=(5, 6))  # type: ignore[call-arg]
    assert Space((other,)).defaults == {}


@pytest.mark.parametrize("low", [1, 2, 3])
@pytest.mark.parametrize("step", [1, 2, 7])
def test_a_whole_number_on_a_log_scale_reaches_each_value_from_its_cell(
    low: int, step: int
) -> None:
    """Near 1 the cells are widest; each still decodes to its own value, and none is unreachable."""
    parameter = Int("n", low, low + 30, log=True, step=step)
    values = range(low, low + 31, step)
    assert [parameter.from_unit(parameter.to_unit(v)) for v in values] == list(values)
    reached = {parameter.from_unit(u) for u in np.linspace(0, 1, 5001)}
    assert reached == set(values)


def test_a_narrow_range_keeps_enough_digits() -> None:
    """Between 1 and 1.0001 six digits would leave two values."""
    parameter = Float("x", 1.0, 1.0001)
    assert len({parameter.from_unit(u) for u in np.linspace(0, 1, 1000)}) > 990


def test_a_grid_has_every_legal_combination_once() -> None:
    """Short domains whole, long ones in so many values; illegal ones left out."""
    space = Space(
        (
            Int("n", 1, 4, log=True),
            Choice("b", ("tree", "dart", "gb", "rf")),
            Float("rate", 0, 1, when="b == 'dart'"),
            Ordinal("o", ("s", "m", "l")),
        ),
        ("n < 4 or b == 'tree'",),
    )
    grid = list(space.grid(4))
    assert len(grid) == len({space.key(c) for c in grid})
    assert {c["n"] for c in grid} == {1, 2, 3, 4}
    assert {c["rate"] for c in grid if c["b"] == "dart"} == {0.0, 0.333333, 0.666667, 1.0}
    assert len(grid) == 3 * (3 * 3 + 4 * 3) + 3
    assert all(space.check(c) == () for c in grid)


def test_a_grid_over_some_parameters_leaves_the_others_at_their_defaults() -> None:
    """A conditional parameter that the middle leaves out is filled where it applies."""
    grid = list(WATER.grid({"booster": ("dart", "tree"), "depth": (1, 9)}))
    assert [(c["booster"], c["depth"], c.get("rate")) for c in grid] == [
        ("dart", 1, 0.1), ("tree", 1, None), ("dart", 9, 0.1), ("tree", 9, None),
    ]  # fmt: skip
    assert {c["batch"] for c in grid} == {32}


def test_a_space_without_any_legal_configuration_says_so() -> None:
    """Drawing ends, with the constraints that can't be kept."""
    with pytest.raises(SpaceError, match="a > 2"):
        Space((Float("a", 0, 1),), ("a > 2",)).sample(np.random.default_rng(0))


def test_draws_are_the_same_for_the_same_generator() -> None:
    """Two generators of one seed draw one configuration."""
    one, two = np.random.default_rng(7), np.random.default_rng(7)
    assert [WATER.sample(one) for _ in range(20)] == [WATER.sample(two) for _ in range(20)]


def test_the_key_knows_no_order_and_no_spelling() -> None:
    """Same values in another order or number type are the same configuration."""
    one = {"lr": 0.01, "depth": 3, "booster": "tree", "batch": 16}
    two = {"batch": 16.0, "booster": "tree", "depth": 3.0, "lr": 0.01}
    assert WATER.key(one) == WATER.key(two)
    assert WATER.key(one) != WATER.key({**one, "depth": 5})


@settings(max_examples=repeats(30, 100), deadline=None)
@given(space=spaces(), seed=SEEDS, name=st.sampled_from(["a", "b.c", "z"]), value=SCALARS)
def test_the_schema_admits_what_the_space_does(
    space: Space, seed: int, name: str, value: Scalar
) -> None:
    """Every legal configuration is valid; what a schema can say is refused by it too."""
    schema = json.loads(json.dumps(space.schema()))
    configuration = drawn(space, seed)
    if configuration is None:
        return
    assert valid(configuration, schema)
    changed = {**configuration, name: value}
    said = name not in space or unstepped(space[name])
    if said and any(re.match(rf"{name} = .* is (not|unknown)", f) for f in space.check(changed)):
        assert not valid(changed, schema)


def unstepped(parameter: Parameter) -> bool:
    """Whether the schema can say the whole domain."""
    return not isinstance(parameter, Float | Int) or parameter.step in (None, 1)


def valid(configuration: Mapping[str, Scalar], schema: Mapping[str, object]) -> bool:
    """Validate as JSON Schema 2020-12 says, for the keywords that spaces use."""
    properties = schema["properties"]
    assert isinstance(properties, Mapping)
    required = schema["required"]
    assert isinstance(required, list)
    return (
        set(required) <= set(configuration)
        and set(configuration) <= set(properties)
        and all(fits(value, properties[name]) for name, value in configuration.items())
    )


def fits(value: Scalar, schema: Mapping[str, object]) -> bool:
    """Validate one value; true is no number, and 1.0 is an integer."""
    if "enum" in schema:
        options = schema["enum"]
        assert isinstance(options, list)
        return any(value == o and isinstance(value, bool) == isinstance(o, bool) for o in options)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    if schema["type"] == "integer" and value != int(value):
        return False
    low, high = schema["minimum"], schema["maximum"]
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    step = schema.get("multipleOf", 1)
    assert isinstance(step, int)
    return low <= value <= high and (schema["type"] == "number" or value % step == 0)
