"""The process in which a Python function runs as a task: `python -m trialwright.execute.call`.

It reads one call from standard input (made by `execute.order`, never on disk), makes it, and
reports what it returned. A crash or a leak of the function is this process's alone.
"""

from __future__ import annotations

import inspect
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any

from trialwright.emit import emit


def main() -> None:
    """Make the call that stands on standard input, and emit its result as final."""
    path, configuration, seed, metric, pickled = pickle.load(sys.stdin.buffer)  # noqa: S301  # ours
    _close_input()
    # The function's own modules are found where the caller found them.
    sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
    function = pickle.loads(pickled)  # noqa: S301  # the user's own function, from the same process
    report(call(function, configuration, seed), metric)


def call(function: Callable[..., Any], configuration: Mapping[str, Any], seed: int) -> object:
    """Call a function with its configuration, and with the seed if it takes one.

    The seed goes to a parameter named `seed`, or to a second positional one without a default.

    >>> call(lambda configuration: configuration["x"], {"x": 2}, 0)
    2
    >>> call(lambda configuration, seed: seed, {}, 7)
    7
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some built-in and compiled functions have none to show
        return function(configuration, seed)
    if "seed" in parameters and next(iter(parameters)) != "seed":
        return function(configuration, seed=seed)
    positional = [
        p
        for p in parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    spread = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    if len(positional) >= 2 or spread:
        return function(configuration, seed)
    return function(configuration)


def report(result: object, metric: str) -> None:
    """Emit what a function returned: a number is the objective's metric, a mapping names its own.

    Raises:
        TypeError: it is neither, nor None.
    """
    if result is None:
        return
    if isinstance(result, Mapping):
        if result:
            emit(final=True, **{str(name): value for name, value in result.items()})
        return
    try:
        emit(final=True, **{metric: result})  # type: ignore[arg-type]  # emit checks it
    except TypeError:
        raise TypeError(
            f"the function returned {type(result).__name__} {result!r:.80}; it must return a"
            " number, a mapping of metric names to numbers, or None if it emits them itself"
        ) from None


def _close_input() -> None:
    """Leave the function an empty standard input: what came there was not for it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


if __name__ == "__main__":
    main()
