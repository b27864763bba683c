"""The benchmark's side of a rival: a process of its own that is asked and told.

Options, levels and steps are counted for it, and turned back into values here. A condition on one
parameter with few values is passed on; what a rival can't know of is dropped from its answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from trialwright import expression
from trialwright.errors import TrialwrightError
from trialwright.expression import Scalar
from trialwright.space import Choice, Configuration, Float, Int, Ordinal, Parameter, Space

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENTS = HERE.parent / ".envs"
NAMES = ("smac", "hebo")
FEW = 100
"""Values of a parameter up to which a condition on it is passed on."""
_TOLD = 2_000
"""Characters of its last words that are quoted."""


class RivalError(Exception):
    """A rival's process died."""


def python_of(name: str) -> Path:
    """Return the interpreter of a rival's environment, whether or not there is one."""
    return ENVIRONMENTS / name / "bin" / "python"


def missing(name: str) -> str:
    """Say what keeps a rival from running here; '' if nothing does."""
    if not python_of(name).is_file():
        return f"{name} has no environment: `make rivals` builds it"
    if not (ENVIRONMENTS / name / ".built").is_file():
        return f"the environment of {name} is not complete: `make rivals` says why"
    return ""


class Rival:
    """A rival at work on one problem; a context manager, since it is a process."""

    def __init__(
        self, name: str, space: Space, *, seed: int, trials: int, startup: int,
        default: Configuration | None = None,
    ) -> None:  # fmt: skip
        self._name, self._space = name, space
        self._log: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed in __exit__
        self._process = subprocess.Popen(
            [python_of(name), "-m", f"benchmarks.rivals.{name}"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._say(
            {
                "parameters": [stated(parameter, space) for parameter in space.parameters],
                "seed": seed,
                "trials": trials,
                "startup": startup,
                "default": None if default is None else self._counted(default),
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def ask(self) -> dict[str, Scalar]:
        """Return the rival's next configuration, freed of what does not count.

        Raises:
            RivalError: its process died; the message ends with its last words.
        """
        self._say({"ask": True})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._dead()
        told: Mapping[str, float] = json.loads(line)
        values: dict[str, Scalar] = {p.name: p.from_unit(0.5) for p in self._space.parameters}
        values |= {name: _valued(self._space[name], told[name]) for name in told}
        return self._space.canonical(values)

    def tell(self, loss: float | None) -> None:
        """Tell what came of the last configuration, smaller better; None if its training failed."""
        self._say({"loss": loss})

    def _say(self, message: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None

    def _dead(self) -> RivalError:
        status = self._process.wait()
        self._log.seek(0)
        return RivalError(f"{self._name} ended ({status}): {self._log.read()[-_TOLD:].strip()}")

    def _counted(self, configuration: Configuration) -> dict[str, float]:
        values = {p.name: p.from_unit(0.5) for p in self._space.parameters} | dict(configuration)
        return {name: _number(self._space[name], value) for name, value in values.items()}


def stated(parameter: Parameter, space: Space) -> dict[str, object]:
    """Return a parameter as numbers, with the values of another one with which it counts.

    >>> space = Space((Choice("kernel", ("linear", "rbf")), Int("degree", 1, 9, step=2)))
    >>> told = stated(space["degree"], space)
    >>> told["kind"], told["low"], told["high"]
    ('int', 0, 4)
    """
    parent, when = _condition(parameter, space)
    told: dict[str, object] = {"name": parameter.name, "parent": parent, "when": when}
    match parameter:
        case (
            Float(low=low, high=high, log=log, step=None) | Int(low=low, high=high, log=log, step=1)
        ):
            return {**told, "kind": parameter.kind, "low": low, "high": high, "log": log}
        case Float() | Int():
            kind = "int"
        case Choice() | Ordinal():
            kind = parameter.kind
    assert parameter.count is not None
    return {**told, "kind": kind, "low": 0, "high": parameter.count - 1, "log": False}


def _condition(parameter: Parameter, space: Space) -> tuple[str | None, list[float]]:
    """Return the one parameter that a condition reads, with the numbers that fulfil it."""
    names = expression.names(parameter.when) if parameter.when else frozenset()
    if len(names) != 1:
        return None, []
    parent = space[next(iter(names))]
    if parent.count is None or parent.count > FEW:
        return None, []
    values = [parent.from_unit((i + 0.5) / parent.count) for i in range(parent.count)]
    fulfilled = [v for v in dict.fromkeys(values) if _holds(parameter, {parent.name: v})]
    return parent.name, [_number(parent, value) for value in fulfilled]


def _holds(parameter: Parameter, values: Configuration) -> bool:
    assert parameter.when is not None
    try:
        return bool(expression.evaluate(parameter.when, values))
    except TrialwrightError:
        return False


def _number(parameter: Parameter, value: Scalar) -> float:
    match parameter:
        case Choice(options=values) | Ordinal(levels=values):
            return values.index(value)
        case Float(step=None) | Int(step=1):
            assert isinstance(value, int | float)
            return value
        case _:
            assert isinstance(value, int | float)
            return round((value - parameter.low) / parameter.step)


def _valued(parameter: Parameter, number: float) -> Scalar:
    match parameter:
        case Choice(options=values) | Ordinal(levels=values):
            return values[int(number)]
        case Float(step=None):
            return min(max(float(number), parameter.low), parameter.high)
        case Int(step=1):
            return int(number)
        case _:
            return parameter.coerce(parameter.low + parameter.step * round(number))
