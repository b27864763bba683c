"""The form of code: what two versions share that are the same but for trifles, and which trifles.

Trifles are comments, layout, docstrings, names that nobody outside can see, seeds, orders, and
numbers within 1 % of each other. Whole numbers below 100 count as they are, and shares close to 1
by what they lack: a running mean with 0.999 looks back ten times as far as one with 0.99.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
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
    """Every number but seeds, in the order in which the shape has them."""


def form_of(text: str, path: str) -> Form:
    """Return the form of a file; of one that is no Python, its text and nothing less.

    >>> form_of("lr = 0.1  # rate", "t.py") == form_of("lr = 1e-1", "t.py")
    True
    """
    try:
        if not path.endswith(".py"):
            raise SyntaxError
        bare = list(tokens(renamed(without_seeds(parse(text)))))
    except (SyntaxError, RecursionError):
        return Form(_digest([text]), ())
    numbers = tuple(one for one in bare if isinstance(one, int | float))
    shape = [f"<{type(one).__name__}>" if isinstance(one, int | float) else one for one in bare]
    return Form(_digest(shape), numbers)


def together(forms: Iterable[tuple[str, Form]]) -> Form:
    """Return the form of several files, given with their paths."""
    found = sorted(forms, key=lambda one: one[0])
    return Form(
        shape=_digest([part for path, form in found for part in (path, form.shape)]),
        numbers=tuple(number for _, form in found for number in form.numbers),
    )


def alike(first: Form, second: Form) -> bool:
    """Say whether two forms differ in trifles alone.

    >>> alike(form_of("lr = 0.1", "t.py"), form_of("lr = 0.1005", "t.py"))
    True
    >>> alike(form_of("depth = 4", "t.py"), form_of("depth = 5", "t.py"))
    False
    """
    if first.shape != second.shape or len(first.numbers) != len(second.numbers):
        return False
    return first.numbers == second.numbers or all(
        _near(a, b) for a, b in zip(first.numbers, second.numbers, strict=True)
    )


def trifle(before: Mapping[str, str], after: Mapping[str, str]) -> Trifle:
    """Return the largest trifle in which files that are alike differ; both map paths to texts.

    >>> trifle({"t.py": "lr = 0.1"}, {"t.py": "lr = 0.1005"})
    'numbers'
    """
    pairs = [(before[path], after[path], path) for path in before if before[path] != after[path]]
    if any(form_of(old, path).numbers != form_of(new, path).numbers for old, new, path in pairs):
        return "numbers"
    if all(fingerprint(old) == fingerprint(new) for old, new, _ in pairs):
        return "layout"
    plain = [[list(tokens(renamed(parse(text)))) for text in pair[:2]] for pair in pairs]
    return "names" if all(old == new for old, new in plain) else "seeds"


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
