"""Guesses the domain of a script's argument from its name, its default and the kind of model.

It is what `init` writes into a new study file: cautious, since a domain that a script does not
accept costs a failed run. Where a name is not known, an argument is left alone.
"""

from __future__ import annotations

import math

from trialwright.expression import Scalar
from trialwright.knowledge.base import Advice, advice, concept_of, is_ignored
from trialwright.space import Choice, Float, Int, Parameter

LARGEST_FACTOR = 10.0
"""A domain reaches so far from a default whose order of magnitude is all that is known."""


def guess_domain(name: str, default: Scalar, *, family: str | None = None) -> Parameter | None:
    """Guess what an argument of this name and default may be; None if it is not to be tuned.

    The domain always holds `default`, where that is a number. Text is left alone: which other
    values a script takes can't be guessed.

    >>> guess_domain("--lr", 0.001, family=None).allowed
    'a number from 1e-05 to 0.1, log scale'
    >>> guess_domain("num_workers", 4) is None
    True
    """
    name = name.lstrip("-")
    known = advice(name, family=family)
    if known is None or (known.concept == "coefficient" and is_ignored(name)):
        return None
    match default:
        case bool():
            telling = concept_of(name, family=family) == "normalization"
            return Choice(name, (True, False), default=default) if telling else None
        case int() | float() if math.isfinite(default) and default >= 0:
            # A negative number stands for something else: all, none, automatic.
            return _around(name, default, known)
        case None if known.domain is not None and known.relative is None:
            return _plain(name, known)
    return None


def _plain(name: str, known: Advice) -> Parameter | None:
    """The domain of a parameter whose script leaves it open."""
    assert known.domain is not None
    low, high = known.domain
    whole = known.concept in _WHOLE
    if whole:
        return Int(name, math.ceil(low), math.floor(high), log=known.log)
    return Float(name, low, high, log=known.log)


def _around(name: str, default: float, known: Advice) -> Parameter | None:
    low, high, log = _ends(default, known)
    if not math.isfinite(high) or (low > 0 and not math.isfinite(high / low)):
        return None
    if isinstance(default, int) and (known.concept in _WHOLE or known.relative is not None):
        low, high = max(math.floor(low), min(int(default), 1)), max(math.ceil(high), 1)
        return Int(name, int(low), int(high), log=log and low > 0, default=default)
    if isinstance(default, int) and known.domain is None:
        return None
    if isinstance(default, int) and high - low >= 4:
        # The script may well accept whole numbers only.
        return Int(name, max(math.ceil(low), min(default, 1)), math.floor(high), default=default)
    if low >= high:
        return None
    return Float(name, low, high, log=log and low > 0, default=float(default))


def _ends(default: float, known: Advice) -> tuple[float, float, bool]:
    """Return low, high and whether the scale is a logarithm."""
    if known.relative is not None and default > 0:
        # Counts such as epochs or widths: what suits the script's own scale, never far above it,
        # since time grows with them.
        return default / 4, default * (2 if "progress" in known.raises else 4), True
    if known.domain is None:
        return _by_magnitude(default)
    low, high = known.domain
    if low <= default <= high:
        return low, high, known.log
    if default <= 0:
        # No logarithm holds 0: the useful range, on a linear scale.
        useful = known.good[1] if known.log and known.good else high
        return 0.0, useful, False
    return _beyond(default, low, high, log=known.log)


def _beyond(default: float, low: float, high: float, *, log: bool) -> tuple[float, float, bool]:
    """Widen a usual domain to a positive default outside it."""
    if log:
        return min(low, default / LARGEST_FACTOR), max(high, default * LARGEST_FACTOR), True
    if default < low:
        return default / 2, high, False
    # A share can't exceed 1, and a rate that is 1 by default has nowhere to go.
    return low, default if default <= 1 else default * 2, False


def _by_magnitude(default: float) -> tuple[float, float, bool]:
    if default <= 0:
        return 0.0, 0.0, False
    high = default * LARGEST_FACTOR
    return default / LARGEST_FACTOR, min(high, 1.0) if default <= 1 else high, True


_WHOLE = frozenset(
    {
        "batch_size",
        "embedding",
        "epochs",
        "heads",
        "layers",
        "max_depth",
        "max_leaves",
        "min_leaf",
        "n_estimators",
        "neighbours",
        "warmup",
        "width",
    }
)
"""Concepts that are counts."""
