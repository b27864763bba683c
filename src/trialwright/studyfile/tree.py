"""Text to a tree of values, each with its line and column: YAML as a study file may use it.

Scalars are read as in YAML 1.2 (`1e-4` is a number, `yes` is text). Tags, merge keys, several
documents and duplicate keys are refused, as is whatever is too large, too deep, or expands through
aliases. It knows no key of a study file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import yaml

from trialwright.expression import Scalar

LARGEST_FILE = 2**20
"""Bytes: a study file is written by a person."""

DEEPEST = 20
"""Levels of nesting."""

MOST = 20_000
"""Values, each counted as often as aliases repeat it."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_REMEDIES = (
    ("'\\t'", "a tab stands where YAML wants spaces: indent with spaces"),
    ("cannot start any token", "put the value in quotes"),
    ("mapping values are not allowed", "a colon within a value: put the value in quotes"),
    ("could not find expected ':'", "each key needs a colon and a space behind it"),
    ("expected <block end>", "indent the keys of one mapping alike"),
    ("quoted scalar", "a quotation mark is not closed, or needs doubling"),
    ("did not find expected", "a bracket, brace or comma is missing"),
    ("expected ',' or", "a bracket, brace or comma is missing"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A value and its place: a scalar, a list of trees, or a mapping of trees."""

    value: Scalar | tuple[Tree, ...] | Mapping[str, Tree]
    place: Place
    keys: Mapping[str, Place] = field(default_factory=dict)
    """Where each key of a mapping stands."""
    text: str = ""
    """A scalar as written."""
    size: int = 1
    """Values in it."""

    @property
    def shown(self) -> str:
        """The value in a few words, for a message."""
        match self.value:
            case Mapping():
                return f"a mapping ({{{', '.join(self.value)[:60]}}})"
            case tuple():
                return f"a list of {len(self.value)}"
            case None:
                return "nothing"
            case str():
                return f"the text {self.value[:60]!r}"
        return f"{self.text[:60]}"


class _Mark(Protocol):
    """Where PyYAML is, from 0; its two parsers have a class each."""

    line: int
    column: int


class Unreadable(Exception):  # what it says, at a place; never leaves the package
    """The text is not the YAML that a study file may use."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(text)
        self.place = place
        self.text = text


def read(text: str) -> Tree:
    """Return the one document in `text`.

    Raises:
        Unreadable: at the first place where it can't be read.
    """
    if len(text) > LARGEST_FILE:
        raise Unreadable(
            Place(1, 1),
            f"the file has {len(text)} characters; {LARGEST_FILE} are allowed: is it a study file?",
        )
    try:
        return _Builder(yaml.parse(text, Loader=yaml.SafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_place(error.problem_mark or error.context_mark), _words(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise Unreadable(
            Place(line, column),
            f"the character {chr(error.character)!r} can't stand in a study file: is it text?",
        ) from None


class _Builder:
    """Puts the events of one document together, counting as it goes."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._anchors: dict[str, Tree | None] = {}
        self._count = 0

    def document(self) -> Tree:
        """Return the tree of the only document."""
        tree: Tree | None = None
        for event in self._events:
            match event:
                case yaml.DocumentStartEvent() if tree is not None:
                    raise Unreadable(
                        _place(event.start_mark), "a second document; a study file has one"
                    )
                case yaml.DocumentStartEvent():
                    tree = self._node(next(self._events), depth=0)
        if tree is None or tree.value is None:
            raise Unreadable(
                Place(1, 1), "the file is empty; it needs at least goal, command and space"
            )
        return tree

    def _node(self, event: yaml.Event, *, depth: int) -> Tree:
        place = _place(event.start_mark)
        if depth > DEEPEST:
            raise Unreadable(place, f"nested more than {DEEPEST} levels deep: flatten it")
        if isinstance(event, yaml.AliasEvent):
            return self._counted(self._alias(event.anchor or "", place), place)
        assert isinstance(event, yaml.NodeEvent)
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise Unreadable(place, f"the tag {tag} is not allowed: write the plain value")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        tree = self._value(event, depth=depth, place=place)
        if event.anchor is not None:
            self._anchors[event.anchor] = tree
        return tree

    def _value(self, event: yaml.Event, *, depth: int, place: Place) -> Tree:
        match event:
            case yaml.ScalarEvent(value=text, style=style):
                value = text if style else _scalar(text, place)
                return self._counted(Tree(value, place, text=text), place)
            case yaml.SequenceStartEvent():
                return self._sequence(depth=depth, place=place)
        return self._mapping(depth=depth, place=place)

    def _sequence(self, *, depth: int, place: Place) -> Tree:
        items: list[Tree] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth=depth + 1))
        size = 1 + sum(item.size for item in items)
        self._count += 1
        return Tree(tuple(items), place, size=size)

    def _mapping(self, *, depth: int, place: Place) -> Tree:
        values: dict[str, Tree] = {}
        keys: dict[str, Place] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth=depth + 1)
            if isinstance(key.value, tuple | Mapping):
                raise Unreadable(
                    key.place,
                    f"a key must be text, not {key.shown}: put {{...}} and [...] in quotes",
                )
            self._check_key(key, keys)
            keys[key.text] = key.place
            values[key.text] = self._node(next(self._events), depth=depth + 1)
        size = 1 + sum(value.size for value in values.values())
        self._count += 1
        return Tree(values, place, keys=keys, size=size)

    def _check_key(self, key: Tree, keys: Mapping[str, Place]) -> None:
        if key.text == "<<":
            raise Unreadable(key.place, "merge keys (<<) are not allowed: write the keys out")
        if key.text in keys:
            raise Unreadable(
                key.place,
                f"the key {key.text!r} stands twice, first in line {keys[key.text].line}:"
                " remove one",
            )

    def _alias(self, anchor: str, place: Place) -> Tree:
        if anchor not in self._anchors:
            raise Unreadable(place, f"*{anchor} has no &{anchor} before it")
        tree = self._anchors[anchor]
        if tree is None:
            raise Unreadable(place, f"*{anchor} contains itself: write the value out")
        return Tree(tree.value, place, keys=tree.keys, text=tree.text, size=tree.size)

    def _counted(self, tree: Tree, place: Place) -> Tree:
        self._count += tree.size
        if self._count > MOST:
            raise Unreadable(
                place, f"more than {MOST} values, aliases expanded: is this a study file?"
            )
        return tree


def _scalar(text: str, place: Place) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if text.lstrip("+-").isdecimal() and text.isascii():
        raise Unreadable(place, f"the number {text[:30]} has too many digits; 300 are allowed")
    return float(text) if _FLOAT.fullmatch(text) else text


def _place(mark: _Mark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


def _words(error: yaml.MarkedYAMLError) -> str:
    said = " ".join(word for word in (error.context, error.problem) if word)
    remedy = next((remedy for sign, remedy in _REMEDIES if sign in said), "see yaml.org/spec")
    return f"not YAML: {remedy} ({said})"
