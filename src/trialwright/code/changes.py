"""What differs between two versions of files: how much, where, of what kind, or only a seed."""

from __future__ import annotations

import ast
import difflib
import re
import textwrap
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from trialwright.code.categories import Evidence, decide, of_literal, of_name
from trialwright.code.literals import Literal, literals, parse
from trialwright.code.names import is_seed
from trialwright.code.seeds import without_seeds
from trialwright.code.skeleton import tokens
from trialwright.expression import Scalar
from trialwright.records import Category

LONGEST = 160
"""Characters of a change in words."""

_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
_WORD = re.compile(r"[A-Za-z_]\w*")

Node = tuple[str, ...]
"""A node's type, and what it holds itself."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A literal with another value."""

    name: str
    before: Scalar
    after: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change, as its text tells it."""

    files: tuple[str, ...]
    lines_added: int
    lines_removed: int
    nodes_added: int
    nodes_removed: int
    """Of the syntax trees; comments, formatting and docstrings are none."""
    touched: tuple[str, ...]
    """Functions and classes, `train.py:Net.forward`; `train.py` for code outside of them."""
    literals: tuple[Moved, ...]
    seed_only: bool
    """Whether nothing is left of it once seeds and orders are left out."""
    category: Category | None
    """None where nothing tells."""
    evidence: tuple[Evidence, ...]
    words: str
    """One line."""
    broken: tuple[str, ...] = ()
    """Files that are no Python any more."""

    @property
    def lines(self) -> int:
        """How many lines there are more than before; negative if fewer."""
        return self.lines_added - self.lines_removed

    @property
    def nodes(self) -> int:
        """How many nodes there are more than before; negative if the code became simpler."""
        return self.nodes_added - self.nodes_removed


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement without the statements within it."""

    digest: tuple[Hashable, ...]
    scope: str
    nodes: tuple[Node, ...]


@dataclass(slots=True)
class _Tally:
    """What has been found so far, over all files."""

    lines: Counter[str] = field(default_factory=Counter)
    nodes: Counter[str] = field(default_factory=Counter)
    touched: dict[str, None] = field(default_factory=dict)
    moved: list[Moved] = field(default_factory=list)
    constants: set[str] = field(default_factory=set)
    """Names in capitals that both sides set."""
    came: Counter[str] = field(default_factory=Counter)
    went: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    seeds: list[bool] = field(default_factory=list)


def describe(before: Mapping[str, str], after: Mapping[str, str]) -> Change:
    """Describe how `after` differs from `before`; both map paths to texts.

    A file absent on one side was added or removed. Files that are not Python count by lines.

    >>> describe({"t.py": "LR = 0.04"}, {"t.py": "LR = 0.06"}).words
    't.py: LR 0.04 -> 0.06'
    """
    paths = [
        path for path in sorted({*before, *after}) if before.get(path, "") != after.get(path, "")
    ]
    tally = _Tally()
    for path in paths:
        _compare(path, before.get(path, ""), after.get(path, ""), tally)
    seed_only = bool(paths) and all(tally.seeds) and len(tally.seeds) == len(paths)
    evidence = tuple(_evidence(tally, seed_only=seed_only))
    return Change(
        files=tuple(paths),
        lines_added=tally.lines["+"],
        lines_removed=tally.lines["-"],
        nodes_added=tally.nodes["+"],
        nodes_removed=tally.nodes["-"],
        touched=tuple(tally.touched),
        literals=tuple(tally.moved),
        seed_only=seed_only,
        category=decide(evidence),
        evidence=evidence,
        words=_in_words(paths, tally),
        broken=tuple(tally.broken),
    )


def _compare(path: str, before: str, after: str, tally: _Tally) -> None:
    old, new = before.splitlines(), after.splitlines()
    python = path.endswith(".py")
    for gone, here in _differing(old, new):
        tally.lines["-"] += len(gone)
        tally.lines["+"] += len(here)
        if not python:
            tally.went.update(word for i in gone for word in _WORD.findall(old[i]))
            tally.came.update(word for i in here for word in _WORD.findall(new[i]))
    if python and _compare_code(path, before, after, tally):
        return
    tally.touched[path] = None
    tally.seeds.append(False)


def _compare_code(path: str, before: str, after: str, tally: _Tally) -> bool:
    """Compare two versions of a Python file; False if either is none."""
    try:
        first, second = parse(before), parse(after)
    except SyntaxError:
        tally.broken.append(path)
        return False
    _compare_trees(path, first, second, tally)
    old, new = literals(before, path), literals(after, path)
    tally.moved += _moved(old, new)
    both = {_bare(one.name) for one in old} & {_bare(one.name) for one in new}
    tally.constants |= {name for name in both if name.isupper()}
    other = list(tokens(first)) != list(tokens(second))
    blanked = [list(tokens(without_seeds(tree))) for tree in (first, second)]
    tally.seeds.append(other and blanked[0] == blanked[1])
    return True


def _compare_trees(path: str, before: ast.Module, after: ast.Module, tally: _Tally) -> None:
    first, second = list(_statements(before.body, "")), list(_statements(after.body, ""))
    spans = _differing([one.digest for one in first], [one.digest for one in second])
    for old, new in spans:
        gone, here = [first[i] for i in old], [second[i] for i in new]
        lost = Counter(node for one in gone for node in one.nodes)
        won = Counter(node for one in here for node in one.nodes)
        tally.nodes["-"] += (lost - won).total()
        tally.nodes["+"] += (won - lost).total()
        tally.went.update(_names(lost - won))
        tally.came.update(_names(won - lost))
        for one in [*gone, *here]:
            tally.touched[f"{path}:{one.scope}" if one.scope else path] = None


def _differing(
    before: Sequence[Hashable], after: Sequence[Hashable]
) -> Iterator[tuple[range, range]]:
    """Yield the stretches that differ, by their indices on either side."""
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, i, j, k, l in matcher.get_opcodes():  # noqa: E741  # the library's own letters
        if kind != "equal":
            yield range(i, j), range(k, l)


def _statements(body: Sequence[ast.stmt], scope: str, depth: int = 0) -> Iterator[_Statement]:
    """Yield each statement, and then those within it; docstrings are none."""
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        inner = scope
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{scope}.{statement.name}" if scope else statement.name
        yield _statement(statement, inner, depth)
        for name in _BODIES:
            for part in getattr(statement, name, ()):
                block = [part] if isinstance(part, ast.stmt) else part.body
                yield from _statements(block, inner, depth + 1)


def _statement(statement: ast.stmt, scope: str, depth: int) -> _Statement:
    """A statement by itself: of a compound one, what stands before its colon."""
    digest: list[Hashable] = [depth, scope, type(statement).__name__]
    nodes: list[Node] = [_node(statement)]
    for name, value in ast.iter_fields(statement):
        if name in _BODIES:
            continue
        digest.append(name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                digest += tokens(part)
                nodes += [_node(inner) for inner in ast.walk(part) if _counts(inner)]
            else:
                digest.append(repr(part))
    return _Statement(tuple(digest), scope, tuple(nodes))


def _counts(node: ast.AST) -> bool:
    return not isinstance(node, ast.expr_context)


def _node(node: ast.AST) -> Node:
    """A node's type, and the names and values that it holds itself."""
    held = [value for _, value in ast.iter_fields(node) if isinstance(value, str | int | float)]
    return type(node).__name__, *map(repr, held)


def _names(nodes: Counter[Node]) -> Iterator[str]:
    """The names among nodes; what an argument is set to is told by literals."""
    for kind, *held in nodes:
        if kind not in ("Constant", "arg") and held:
            yield held[0].strip("'")


def _moved(before: list[Literal], after: list[Literal]) -> list[Moved]:
    old = {literal.name: literal.value for literal in before}
    return [
        Moved(one.name, old[one.name], one.value)
        for one in after
        if one.name in old
        and (old[one.name] != one.value or type(old[one.name]) is not type(one.value))
    ]


def _evidence(tally: _Tally, *, seed_only: bool) -> Iterator[Evidence]:
    if seed_only:
        yield Evidence("baseline", "only a seed or an order differs")
        return
    if not tally.lines or (not tally.nodes.total() and not tally.broken and not tally.came):
        yield Evidence("baseline", "no code differs")
        return
    for moved in tally.moved:
        name = _bare(moved.name)
        if not is_seed(name):
            yield Evidence(of_literal(name), f"{name} was set")
    # What a constant is set to was told; that its name stands elsewhere, too, tells no more.
    told = tally.constants
    seen: set[str] = set()
    for verb, names in (("came", tally.came), ("went", tally.went)):
        for name in names:
            category = of_name(name)
            if category is not None and name not in seen and name not in told:
                seen.add(name)
                yield Evidence(category, f"{name} {verb}")
    if not seen and not tally.moved:
        yield from _by_place(tally)


def _by_place(tally: _Tally) -> Iterator[Evidence]:
    """What the names of changed functions say, where the change itself says nothing."""
    for place in tally.touched:
        name = place.rpartition(":")[2].rpartition(".")[2]
        category: Category | None = "architecture" if name == "forward" else of_name(name)
        if category is not None:
            yield Evidence(category, f"{name} differs")


def _bare(name: str) -> str:
    """The last name in a literal's: `lr` of `train.py:build.AdamW(lr)#2`."""
    parts = [part for part in re.split(r"[^\w-]+", name) if part and not part.isdigit()]
    return parts[-1].lstrip("-")


def _in_words(paths: list[str], tally: _Tally) -> str:
    """One line: each literal that moved; where more differs, how many lines and where."""
    if not paths:
        return "nothing differs"
    parts = [_by_file([_moved_in_words(moved) for moved in tally.moved])] if tally.moved else []
    plain = len(tally.moved) and tally.nodes["+"] == tally.nodes["-"] == len(tally.moved)
    if not plain or not tally.moved:
        places = ", ".join(tally.touched) or ", ".join(paths)
        parts.append(f"{places}: +{tally.lines['+']} -{tally.lines['-']} lines")
    return textwrap.shorten("; ".join(parts), LONGEST, placeholder=" ...")


def _moved_in_words(moved: Moved) -> tuple[str, str]:
    file, _, name = moved.name.rpartition(":")
    return file, f"{name} {_shown(moved.before)} -> {_shown(moved.after)}"


def _by_file(moves: list[tuple[str, str]]) -> str:
    files: dict[str, list[str]] = {}
    for file, words in moves:
        files.setdefault(file, []).append(words)
    return "; ".join(f"{file}: {', '.join(words)}" for file, words in files.items())


def _shown(value: Scalar) -> str:
    return value if isinstance(value, str) else str(value)
