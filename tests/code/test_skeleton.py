"""Digests tell code that is the same from code that is not, whatever its formatting."""

from __future__ import annotations

import pytest

from trialwright.code.skeleton import fingerprint

SAME = [
    ("x = 1024", "x = 2 ** 10  # ten"),
    ("def f():\n    return g(a=1, b=2)\n", "def f():\n    'Say.'\n    return g(b=2, a=1)\n"),
    ("x = 'a'", 'x = ("a")'),
    ("lr = 0.001", "lr = 1e-3\n\n"),
]
OTHER = [
    ("x = 1", "x = 1.5"),
    ("x = 1", "x = '1'"),
    ("x = 1", "x = True"),
    ("f(a=1, b=2)", "f(a=2, b=1)"),
    ("f(a, b)", "f(b, a)"),
    ("f(a=g(), **k)", "f(**k, a=g())"),
    ("if a:\n    b()\n    c()", "if a:\n    b()\nc()"),
    ("x = a - b", "x = b - a"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_form_does_not_count(one: str, other: str) -> None:
    """Comments, docstrings, quotes, the spelling of numbers, the order of keywords don't count."""
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_whatever_runs_otherwise_counts(one: str, other: str) -> None:
    """Another value, type, order or nesting is another fingerprint."""
    assert fingerprint(one) != fingerprint(other)


def test_digests_never_change() -> None:
    """They stand in ledgers: the same text has the same digest in every version and process."""
    assert fingerprint("LR = 1e-3\n") == fingerprint("LR=0.001")
    assert fingerprint("def f(x):\n    return x * 2\n") == "f9abe7b6ecb3a576"
