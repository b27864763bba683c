"""Figures in the sentences of measures: shares, intervals, counts."""

from __future__ import annotations


def percent(share: float) -> str:
    """Return a share as a percentage with two digits that count.

    >>> percent(0.0552), percent(0.4), percent(1.0), percent(0.0004)
    ('5.5 %', '40 %', '100 %', '0.04 %')
    """
    value = 100 * share
    if abs(value) >= 10 or value == 0:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if abs(value) >= 1 else f"{value:.2g} %"


def number(value: float) -> str:
    """Return a number with three digits that count, and no exponent where none is needed.

    >>> number(1234.5), number(2.0), number(0.01234)
    ('1234', '2', '0.0123')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def shares(low: float, high: float) -> str:
    """Return an interval of a share.

    >>> shares(0.031, 0.61)
    '3.1 % to 61 %'
    """
    return f"{percent(low)} to {percent(high)}"


def span(low: float | None, high: float | None) -> str:
    """Return an interval of a number; without ends, that there is none.

    >>> span(-0.5, 2.0), span(1.5, None), span(None, None)
    ('-0.5 to 2', '1.5 or more', 'no interval')
    """
    if low is None:
        return "no interval"
    return f"{number(low)} or more" if high is None else f"{number(low)} to {number(high)}"


def count(n: int, one: str, many: str = "") -> str:
    """Return a count with its noun.

    >>> count(1, "trial"), count(3, "category", "categories")
    ('1 trial', '3 categories')
    """
    return f"{n:,} {one}" if n == 1 else f"{n:,} {many or one + 's'}"


def amount(value: float, one: str) -> str:
    """Return an amount with its unit.

    >>> amount(1.0, "bit"), amount(0.5034, "bit")
    ('1 bit', '0.503 bits')
    """
    shown = number(value)
    return f"{shown} {one}" if shown == "1" else f"{shown} {one}s"


def listed(words: list[str]) -> str:
    """Join words as people do.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
