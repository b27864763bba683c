"""The form of code: what is the same but for trifles, and what is another experiment."""

from __future__ import annotations

import pytest

from trialwright.code.forms import alike, form_of, together, trifle

ONE = """\
import torch

RATE = 0.01
WIDTH = 128
SEED = 3


def _mean(values, scale=1.0):
    total = 0.0
    for value in values:
        total += value * scale
    return total / len(values)


def train(steps):
    torch.manual_seed(SEED)
    model = torch.nn.Linear(WIDTH, 1)
    losses = [model(x) for x in steps]
    return _mean(losses, scale=RATE)
"""

TRIFLES = [
    ("layout", "RATE = 0.01", "RATE = 1e-2  # as it was"),
    ("layout", "def train(steps):\n", 'def train(steps):\n    """Train."""\n'),
    ("layout", "WIDTH = 128", "WIDTH = 2**7"),
    ("names", "total", "summed"),
    (
        "names",
        "value in values:\n        total += value *",
        "one in values:\n        total += one *",
    ),
    ("names", "losses", "found"),
    ("names", "[model(x) for x in steps]", "[model(y) for y in steps]"),
    ("names", "scale", "factor"),
    ("numbers", "RATE = 0.01", "RATE = 0.01005"),
    ("numbers", "WIDTH = 128", "WIDTH = 129"),
    ("seeds", "SEED = 3", "SEED = 4"),
    ("seeds", "    torch.manual_seed(SEED)\n", ""),
]
OTHERS = [
    ("RATE = 0.01", "RATE = 0.011"),
    ("WIDTH = 128", "WIDTH = 128.0"),
    ("1.0", "True"),
    ("(WIDTH, 1)", "(WIDTH, 2)"),
    ("total / len(values)", "len(values) / total"),
    ("steps", "batches"),
    ("_mean", "_average"),
    ("RATE", "LR"),
    ("[model(x) for x in steps]", "[model(steps) for x in steps]"),
    ("for x in steps]", "for x in steps if x]"),
]


@pytest.mark.parametrize(("what", "old", "new"), TRIFLES)
def test_trifles_are_told_by_their_kind(what: str, old: str, new: str) -> None:
    """Layout, invisible names, near numbers and seeds make no other code, whichever way round."""
    changed = ONE.replace(old, new)
    assert changed != ONE
    assert _alike(ONE, changed)
    assert trifle({"t.py": ONE}, {"t.py": changed}) == what
    assert trifle({"t.py": changed}, {"t.py": ONE}) == what


@pytest.mark.parametrize(("old", "new"), OTHERS)
def test_everything_else_is_another_experiment(old: str, new: str) -> None:
    """Values, types, orders, names that others may use, and anything of the structure."""
    changed = ONE.replace(old, new)
    assert changed != ONE
    assert not _alike(ONE, changed)


@pytest.mark.parametrize(
    ("old", "new", "close"),
    [
        ("100", "99", False),
        ("200", "201", True),
        ("12", "12.1", False),
        ("0.99", "0.999", False),
        ("0.9", "0.905", False),
        ("0.9", "0.9005", True),
        ("-0.1", "0.1", False),
        ("1e-8", "1.005e-8", True),
        ("0.0", "1e-9", False),
    ],
)
def test_near_is_one_percent_but_not_of_counts_or_of_shares_close_to_one(
    old: str, new: str, close: bool
) -> None:
    """Half a percent of a momentum of 0.9 is a twentieth of what it forgets."""
    assert _alike(f"x = {old}", f"x = {new}") is close
    assert _alike(f"x = {new}", f"x = {old}") is close


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "def _f(a, b):\n    return a - b\ng = partial(_f, a=1)\n",
            "def _f(b, a):\n    return b - a\ng = partial(_f, a=1)\n",
        ),
        (
            "def _f(a, b):\n    return a - b\ng = _f(**{'a': 1, 'b': 2})\n",
            "def _f(b, a):\n    return b - a\ng = _f(**{'a': 1, 'b': 2})\n",
        ),
        ("def f():\n    a = 1\n    return eval('a')", "def f():\n    b = 1\n    return eval('a')"),
        ("h = [x for x in x]", "h = [y for y in y]"),
        ("def f(a):\n    return f'{a=}'", "def f(b):\n    return f'{b=}'"),
        ("class A:\n    lr = 1\n", "class A:\n    rate = 1\n"),
        ("def f():\n    global a\n    a = 1\n", "def f():\n    global b\n    b = 1\n"),
        ("def f():\n    import a\n    return a.x", "def f():\n    import b\n    return b.x"),
    ],
)
def test_names_that_can_be_seen_are_no_trifles(one: str, other: str) -> None:
    """Passed by name, looked up by name, printed, shared, or attributes: they mean something."""
    assert not _alike(one, other)


def test_what_is_no_python_counts_by_its_text() -> None:
    """Broken files and configurations too."""
    assert _alike("a: 0.1", "a: 0.1", path="c.yaml")
    assert not _alike("a: 0.1", "a: 0.10", path="c.yaml")
    assert not _alike("x = (", "y = (")


def test_files_count_together() -> None:
    """A number that moved from one file to another is another experiment."""
    one, two = form_of("x = 0.1", "a.py"), form_of("x = 0.2", "a.py")
    both = together([("a.py", one), ("b.py", two)])
    assert alike(both, together([("b.py", two), ("a.py", one)]))
    assert not alike(both, together([("a.py", two), ("b.py", one)]))


def _alike(one: str, other: str, *, path: str = "t.py") -> bool:
    return alike(form_of(one, path), form_of(other, path))
