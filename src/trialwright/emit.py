"""What a training script calls to report metrics: prints one tagged line of JSON.

Standard library only, and no other module of this package, so that a script pays nothing for it.
A program in any other language prints the same line itself, and flushes:

    @trialwright {"step": 3, "metrics": {"val_f1": 0.81}}
    @trialwright {"step": 3, "val_f1": 0.81}
    @trialwright {"metrics": {"val_f1": 0.81}, "final": true}

The tag may follow other text on its line. Without a step, points count up from 1, for each metric.
`final` says that the result is complete: the run counts as done even if it dies afterwards.
"""

from __future__ import annotations

import json
from typing import SupportsFloat

TAG = "@trialwright "


def emit(
    *, step: SupportsFloat | None = None, final: bool = False, **metrics: SupportsFloat
) -> None:
    """Report metrics, at `step` if given (an epoch, a batch, ...), on standard output.

    Values are plain numbers, or NumPy or torch scalars; NaN and infinities are legal and mean
    that training diverged. Several calls with one step make one point. `final=True` declares the
    result complete.

    Raises:
        TypeError: no metric is given, or a value is not a number.

    >>> emit(step=1, val_f1=0.5)
    @trialwright {"step": 1, "metrics": {"val_f1": 0.5}}
    """
    if not metrics and not final:
        raise TypeError("emit() needs at least one metric, such as emit(step=1, val_f1=0.5)")
    line: dict[str, object] = {} if step is None else {"step": _whole(_number("step", step))}
    line["metrics"] = {name: _number(name, value) for name, value in metrics.items()}
    if final:
        line["final"] = True
    # One write, so that lines of several threads do not mix.
    print(f"{TAG}{json.dumps(line)}\n", end="", flush=True)


def _number(name: str, value: SupportsFloat) -> float:
    """Turn a scalar of any library into a float."""
    single = getattr(value, "item", None)
    try:
        # float() alone warns for a torch scalar with a gradient and for an array of one number.
        number = single() if callable(single) else value
        if isinstance(number, bool | str | bytes):
            raise TypeError
        return float(number)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(
            f"emit({name}=...) takes one number, not {type(value).__name__} {value!r:.80}"
        ) from None


def _whole(number: float) -> float:
    return int(number) if number.is_integer() else number
