"""Typed access to a mapping of a study file, collecting every problem with its place.

A field that is wrong counts as absent, so that reading goes on and finds the next problem too.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trialwright.expression import Scalar
from trialwright.studyfile.tree import Place, Tree

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(B|[KMGT]i?B)")
_PREFIXES = " KMGT"


@dataclass(slots=True)
class Problems:
    """What is wrong with a study file, in the order found."""

    path: Path
    found: list[tuple[Place, str]] = field(default_factory=list)

    def add(self, place: Place, text: str) -> None:
        """Note one problem."""
        self.found.append((place, text))

    def lines(self) -> tuple[str, ...]:
        """Return one line per problem, by place: `file:line:column: text`."""
        ordered = sorted(self.found, key=lambda item: (item[0].line, item[0].column))
        return tuple(f"{self.path}:{place.line}:{place.column}: {text}" for place, text in ordered)


class Fields:
    """The fields of one mapping.

    `later` names keys that a later version knows; any other key than these and those read in
    `known` is a typo.
    """

    def __init__(
        self,
        tree: Tree,
        where: str,
        problems: Problems,
        *,
        known: Iterable[str],
        later: Iterable[str] = (),
    ) -> None:
        self.where = where
        self.place = tree.place
        self._problems = problems
        self._trees: Mapping[str, Tree] = {}
        self.keys: Mapping[str, Place] = tree.keys
        match tree.value:
            case Mapping() as trees:
                self._trees = trees
                self._check_keys(tuple(known), tuple(later))
            case None:
                pass
            case _:
                known_words = ", ".join(known)
                self.fault(tree, f"{where} must be a mapping of {known_words}, not {tree.shown}")

    def __contains__(self, key: str) -> bool:
        return self.tree(key) is not None

    def tree(self, key: str) -> Tree | None:
        """Return what stands under `key`; None if nothing does."""
        tree = self._trees.get(key)
        return None if tree is None or tree.value is None else tree

    def present(self, key: str) -> Tree | None:
        """Return what stands under `key`, an explicit null included."""
        return self._trees.get(key)

    def fault(self, at: Tree | Place, text: str) -> None:
        """Note a problem at a place."""
        self._problems.add(at.place if isinstance(at, Tree) else at, text)

    def text(self, key: str) -> str | None:
        """Return a text; a number or truth value is refused with quotes as the remedy."""
        tree = self.tree(key)
        if tree is None:
            return None
        if isinstance(tree.value, str):
            return tree.value
        quoted = f": write {key}: '{tree.text}'" if tree.text else ""
        self.fault(tree, f"{self.path(key)} must be text, not {tree.shown}{quoted}")
        return None

    def word(self, key: str, allowed: Iterable[str], *, later: Iterable[str] = ()) -> str | None:
        """Return one of the `allowed` words."""
        text = self.text(key)
        if text is None or text in allowed:
            return text
        tree = self._trees[key]
        if text in later:
            self.fault(tree, f"{self.path(key)}: {text} is not in this version")
        else:
            self.fault(tree, f"{self.path(key)}: {text!r} is unknown; {choose(text, allowed)}")
        return None

    def flag(self, key: str) -> bool:
        """Return a truth value; absent is false."""
        tree = self.tree(key)
        if tree is None or isinstance(tree.value, bool):
            return bool(tree and tree.value)
        self.fault(tree, f"{self.path(key)} must be true or false, not {tree.shown}")
        return False

    def number(self, key: str, *, above: float | None = None, below: float | None = None,
               least: float | None = None) -> float | None:  # fmt: skip
        """Return a finite number within open bounds `above`, `below` and the closed `least`."""
        tree = self.tree(key)
        if tree is None:
            return None
        bounds = [
            *([f"above {above:g}"] if above is not None else []),
            *([f"at least {least:g}"] if least is not None else []),
            *([f"below {below:g}"] if below is not None else []),
        ]
        value = tree.value
        good = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and (above is None or value > above)
            and (below is None or value < below)
            and (least is None or value >= least)
        )
        if good:
            return float(tree.value)  # type: ignore[arg-type]  # a number, as just checked
        wanted = " ".join(["a number", " and ".join(bounds)]).strip()
        self.fault(tree, f"{self.path(key)} must be {wanted}, not {tree.shown}")
        return None

    def formula(
        self, key: str, *, above: float | None = None, least: float | None = None
    ) -> float | str | None:
        """Return a number within bounds, or the text of an expression."""
        tree = self.tree(key)
        if tree is not None and isinstance(tree.value, str):
            return tree.value
        return self.number(key, above=above, least=least)

    def within(self, key: str, name: str) -> Place:
        """Return where `name` stands in the mapping under `key`, or else the mapping."""
        tree = self.tree(key)
        match tree.value if tree else None:
            case Mapping() as trees if name in trees:
                found: Tree = trees[name]
                return found.place
        return tree.place if tree else self.place

    def whole(self, key: str, *, least: int, instead: str = "") -> int | None:
        """Return a whole number from `least` on; `instead` is a word allowed as well."""
        tree = self.tree(key)
        if tree is None:
            return None
        if isinstance(tree.value, int) and not isinstance(tree.value, bool) and tree.value >= least:
            return tree.value
        also = f", or {instead}" if instead else ""
        self.fault(
            tree,
            f"{self.path(key)} must be a whole number of at least {least}{also}, not {tree.shown}",
        )
        return None

    def duration(self, key: str, *, zero: bool = False) -> float | None:
        """Return seconds, from a number or from words such as `90s`, `10m`, `1h30m`, `2d`."""
        return self._quantity(
            key, seconds(self._trees[key]) if key in self else None, zero=zero,
            wanted="a time above 0, such as 90s, 10m, 1h30m or 2d",
        )  # fmt: skip

    def size(self, key: str) -> int | None:
        """Return bytes, from a number or from words such as `512MB` or `4GiB`."""
        found = self._quantity(
            key, octets(self._trees[key]) if key in self else None, zero=False,
            wanted="a size above 0, such as 512MB or 4GiB",
        )  # fmt: skip
        return None if found is None else int(found)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; a single text is a list of one."""
        tree = self.tree(key)
        match tree.value if tree else ():
            case str(only):
                return (only,)
            case tuple(items):
                wrong = [item for item in items if not isinstance(item.value, str)]
                for item in wrong:
                    self.fault(
                        item, f"{self.path(key)} must hold texts, not {item.shown}: use quotes"
                    )
                return tuple(item.value for item in items if isinstance(item.value, str))
        assert tree is not None
        self.fault(tree, f"{self.path(key)} must be a list of texts, not {tree.shown}")
        return ()

    def items(self, key: str) -> tuple[Tree, ...]:
        """Return the members of a list."""
        tree = self.tree(key)
        if tree is None:
            return ()
        if isinstance(tree.value, tuple):
            return tree.value
        self.fault(tree, f"{self.path(key)} must be a list [...], not {tree.shown}")
        return ()

    def words(self, key: str) -> dict[str, str]:
        """Return a mapping of names to texts; numbers are taken as written."""
        tree = self.tree(key)
        match tree.value if tree else {}:
            case Mapping() as trees:
                result = {}
                for name, item in trees.items():
                    if isinstance(item.value, tuple | Mapping) or item.value is None:
                        self.fault(item, f"{self.path(key)}.{name} must be text, not {item.shown}")
                    else:
                        result[name] = item.text
                return result
        assert tree is not None
        self.fault(tree, f"{self.path(key)} must be a mapping, not {tree.shown}")
        return {}

    def path(self, key: str) -> str:
        """Return the full name of a key, for a message."""
        return f"{self.where}.{key}" if self.where != "the study file" else key

    def _quantity(self, key: str, found: float | None, *, zero: bool, wanted: str) -> float | None:
        tree = self.tree(key)
        if tree is None:
            return None
        if found is not None and math.isfinite(found) and (found > 0 or (zero and found == 0)):
            return found
        self.fault(tree, f"{self.path(key)} must be {wanted}, not {tree.shown}")
        return None

    def _check_keys(self, known: tuple[str, ...], later: tuple[str, ...]) -> None:
        for key, place in self.keys.items():
            if key in later:
                self.fault(place, f"{self.path(key)} is not in this version: remove it")
            elif key not in known:
                self.fault(place, f"{self.where} has an unknown key {key!r}; {choose(key, known)}")


def choose(given: str, allowed: Iterable[str]) -> str:
    """Return what to write instead of `given`: the nearest allowed word, or all of them."""
    words = list(allowed)
    near = difflib.get_close_matches(given, words, n=1, cutoff=0.6)
    listed = ", ".join(words[:30]) + (", ..." if len(words) > 30 else "")
    return f"did you mean {near[0]}? (allowed: {listed})" if near else f"allowed: {listed}"


def scalar(tree: Tree) -> Scalar:
    """Return the value of a tree that is known to be a scalar."""
    assert not isinstance(tree.value, tuple | Mapping)
    return tree.value


def seconds(tree: Tree) -> float | None:
    """Return a duration in seconds; None if it is none."""
    match tree.value:
        case bool():
            return None
        case int(number) | float(number):
            return float(number)
        case str(text) if _DURATION.fullmatch(text):
            return math.fsum(
                float(number) * _SECONDS[unit]
                for number, unit in re.findall(r"([\d.]+)([dhms])", text)
            )
    return None


def octets(tree: Tree) -> float | None:
    """Return a size in bytes; None if it is none. `KB` is 1000 bytes, `KiB` 1024."""
    match tree.value:
        case bool():
            return None
        case int(number):
            return float(number)
        case str(text) if found := _SIZE.fullmatch(text):
            unit = found[2]
            thousand = 1024 if "i" in unit else 1000
            return float(found[1]) * float(thousand ** _PREFIXES.index(unit[:-1][:1] or " "))
    return None
