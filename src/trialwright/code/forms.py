"""The form of code: what two versions share that are the same but for trifles, and which trifles.

Trifles are comments, layout, docstrings, names that nobody outside can see, seeds, orders, and
numbers within 1 % of each other. Whole numbers below 100 count as they are, and shares close to 1
by what they lack: a running mean with 0.999 looks back ten times as far as one with 0.99.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from trialwright.code.literals import parse
from trialwright.code.renamed import renamed
from trialwright.code.seeds import without_seeds
from trialwright.code.skeleton import fingerprint, tokens

NEAR = 0.01
"""Numbers count as near each other within this share of the larger."""

COUNTS = 100
"""Whole numbers below it are counts, of which each is another experiment."""

Trifle = Literal["layout", "names", "seeds", "numbers"]


@dataclass(frozen=True, slots=True)
class Form:
    """The form of one text, or of several."""

    shape: str
    """What is left without any trifle; codes of two shapes are two experiments."""
    numbers: tuple[int | float, ...]
    """Every number, in the order in which the shape has them."""
    exact: str
    """With names, numbers and seeds; without layout."""
    named: str
    """With numbers and seeds, without names."""


def form_of(text: str, path: str) -> Form:
    """Return the form of a file; of one that is no Python, its text and nothing less.

    >>> form_of("lr = 0.1  # rate", "t.py") == form_of("lr = 1e-1", "t.py")
    True
    """
    try:
        if not path.endswith(".py"):
            raise SyntaxError
        exact = fingerprint(text)
        named = list(tokens(renamed(parse(text))))
        bare = list(tokens(renamed(without_seeds(parse(text)))))
    except (SyntaxError, RecursionError):
        whole = _digest([text])
        return Form(whole, (), whole, whole)
    numbers = tuple(one for one in bare if isinstance(one, int | float))
    shape = [f"<{type(one).__name__}>" if isinstance(one, int | float) else one for one in bare]
    return Form(_digest(shape), numbers, exact, _digest(named))


def together(forms: Iterable[tuple[str, Form]]) -> Form:
    """Return the form of several files, given with their paths."""
    found = sorted(forms, key=lambda one: one[0])
    return Form(
        shape=_digest([part for path, form in found for part in (path, form.shape)]),
        numbers=tuple(number for _, form in found for number in form.numbers),
        exact=_digest([part for path, form in found for part in (path, form.exact)]),
        named=_digest([part for path, form in found for part in (path, form.named)]),
    )


def trifle(first: Form, second: Form) -> Trifle | None:
    """Return what kind of trifle is all that two forms differ in; None where there is more.

    >>> trifle(form_of("lr = 0.1", "t.py"), form_of("lr = 0.1005", "t.py"))
    'numbers'
    >>> trifle(form_of("depth = 4", "t.py"), form_of("depth = 5", "t.py"))
    """
    if first.shape != second.shape or len(first.numbers) != len(second.numbers):
        return None
    if first.numbers != second.numbers:
        pairs = zip(first.numbers, second.numbers, strict=True)
        return "numbers" if all(_near(a, b) for a, b in pairs) else None
    if first.exact == second.exact:
        return "layout"
    return "names" if first.named == second.named else "seeds"


def _near(first: float, second: float) -> bool:
    if first == second:
        return True
    if isinstance(first, int) and isinstance(second, int):
        if min(abs(first), abs(second)) < COUNTS:
            return False
    elif 0.0 < first < 1.0 and 0.0 < second < 1.0:
        return abs(first - second) <= NEAR * max(min(x, 1.0 - x) for x in (first, second))
    return abs(first - second) <= NEAR * max(abs(first), abs(second))


def _digest(parts: Iterable[object]) -> str:
    text = json.dumps(list(parts), separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
