"""The far side of a rival: reads questions as lines of JSON, and writes its answers so.

The first line states the problem; then `{"ask": true}` is answered with values, and `{"loss": x}`
tells what came of the last ones, null for a failed training. It needs the standard library only,
since it runs in the environment of the rival.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Values = dict[str, float | int]
"""By name: numbers; of options and levels their index."""


@dataclass(frozen=True)
class Parameter:
    """One parameter, as numbers."""

    name: str
    kind: Literal["float", "int", "choice", "ordinal"]
    low: float
    high: float
    """Of options and levels: the last index."""
    log: bool
    parent: str | None
    """The parameter that decides whether this one counts; None: it always does."""
    when: Sequence[float]
    """The parent's values with which it counts."""


@dataclass(frozen=True)
class Problem:
    """What is to be minimised, as far as an optimiser is told."""

    parameters: Sequence[Parameter]
    seed: int
    trials: int
    startup: int
    """Trials before the model speaks."""
    default: Values | None
    """The first configuration, a value for every parameter; None: the rival's own first one."""


class Optimiser(Protocol):
    """What a rival has to do; its own kind of trial stays its own."""

    def ask(self) -> Any:
        """Return the next trial."""

    def values(self, trial: Any) -> Mapping[str, float | int]:
        """Return the values of a trial, at least of the parameters that count."""

    def tell(self, trial: Any, loss: float, *, failed: bool) -> None:
        """Take what came of a trial; of a failed one `loss` is the worst seen."""


def serve(make: Callable[[Problem], Optimiser]) -> None:
    """Answer until the input ends.

    A failed training is told with the worst loss that was seen, as optimisers want it that take
    numbers only; before there is one it waits.
    """
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    stated = json.loads(sys.stdin.readline())
    parameters = [Parameter(**parameter) for parameter in stated.pop("parameters")]
    optimiser = make(Problem(parameters=parameters, **stated))
    asked: Any = None
    worst: float | None = None
    waiting: list[Any] = []
    for line in sys.stdin:
        message = json.loads(line)
        if "ask" in message:
            asked = optimiser.ask()
            values = {name: _plain(value) for name, value in optimiser.values(asked).items()}
            print(json.dumps(values), file=answers, flush=True)
            continue
        loss = message["loss"]
        if loss is not None:
            worst = loss if worst is None else max(worst, loss)
        if worst is None:
            waiting.append(asked)
            continue
        for trial in waiting:
            optimiser.tell(trial, worst, failed=True)
        waiting = []
        optimiser.tell(asked, worst if loss is None else loss, failed=loss is None)


def _plain(value: Any) -> float | int:
    """Return a number of NumPy's as one of Python's."""
    plain: float | int = value.item() if hasattr(value, "item") else value
    return plain
