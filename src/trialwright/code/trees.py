"""A script as a tree that keeps its formatting, for named edits: imports, calls, insertions.

Loads LibCST: only `rewrites` asks for it, and says how to install it where it is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

Replacement = cst.CSTNode | cst.FlattenSentinel[cst.CSTNode] | cst.RemovalSentinel
Edits = Mapping[cst.CSTNode, Replacement]
"""What stands in place of nodes of the tree, by identity; no node within another one."""


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """A parsed script."""

    text: str
    module: cst.Module
    nodes: tuple[cst.CSTNode, ...]
    """Everything in it, in the order of the text."""
    parents: Mapping[cst.CSTNode, cst.CSTNode]
    imports: Mapping[str, str]
    """What each imported name stands for: `F` for `torch.nn.functional`."""
    calls: tuple[tuple[cst.Call, str], ...]
    """Every call with the full name of what is called; '' where that is computed."""

    def text_of(self, node: cst.CSTNode) -> str:
        """The text of a part."""
        return self.module.code_for_node(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield what a node stands in, inside out."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def scope(self, node: cst.CSTNode) -> cst.Module | cst.FunctionDef:
        """Return the function that a node is in, or the module."""
        for outer in self.ancestors(node):
            if isinstance(outer, cst.FunctionDef):
                return outer
        return self.module

    def prefix(self, module: str) -> str:
        """Return how the script calls a module: `nn` for `torch.nn`; '' if it can't."""
        for name, full in self.imports.items():
            if full == module:
                return name
        root, _, rest = module.partition(".")
        return module if rest and self.imports.get(root) == root else ""

    def named(self, name: str) -> list[cst.Name]:
        """Return every place where a name stands."""
        return [node for node in self.nodes if isinstance(node, cst.Name) and node.value == name]


@lru_cache(maxsize=8)
def read(source: str) -> Code:
    """Parse a script.

    Raises:
        SyntaxError: it is no Python.
    """
    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise SyntaxError(str(error)) from error
    nodes = tuple(walk(module))
    parents = {child: node for node in nodes for child in node.children}
    imports = dict(_imported(nodes))
    calls = tuple((node, full(node.func, imports)) for node in nodes if isinstance(node, cst.Call))
    return Code(source, module, nodes, parents, imports, calls)


def edited(code: Code, edits: Edits) -> str:
    """Return the script's text with the edits made."""
    changed = code.module.visit(_Edit(edits))
    assert isinstance(changed, cst.Module)
    return changed.code


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield a node and everything in it, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def full(node: cst.CSTNode, imports: Mapping[str, str]) -> str:
    """Return the full dotted name of an expression; '' if it is no chain of names."""
    if isinstance(node, cst.Name):
        return imports.get(node.value, node.value)
    if isinstance(node, cst.Attribute):
        before = full(node.value, imports)
        return f"{before}.{node.attr.value}" if before else ""
    return ""


def keyword(call: cst.Call, name: str) -> cst.Arg | None:
    """Return the keyword argument of this name."""
    return next((arg for arg in call.args if arg.keyword and arg.keyword.value == name), None)


def with_keyword(call: cst.Call, name: str, value: str) -> cst.Call:
    """Return the call with a keyword argument set, others untouched."""
    new = cst.Arg(
        keyword=cst.Name(name),
        value=cst.parse_expression(value),
        equal=cst.AssignEqual(
            whitespace_before=cst.SimpleWhitespace(""), whitespace_after=cst.SimpleWhitespace("")
        ),
    )
    if keyword(call, name):
        args = [
            arg.with_changes(value=new.value) if arg.keyword and arg.keyword.value == name else arg
            for arg in call.args
        ]
        return call.with_changes(args=args)
    return call.with_changes(args=_appended(call.args, new))


def without_keyword(call: cst.Call, name: str) -> cst.Call:
    """Return the call without a keyword argument; the text before it ends as the last one did."""
    args = list(call.args)
    index = next(i for i, arg in enumerate(args) if arg.keyword and arg.keyword.value == name)
    gone = args.pop(index)
    if index == len(args) and args:
        args[-1] = args[-1].with_changes(
            comma=gone.comma, whitespace_after_arg=gone.whitespace_after_arg
        )
    return call.with_changes(args=args)


def starred(call: cst.Call) -> bool:
    """Say whether a call unpacks arguments, so that they can't be told from its text."""
    return any(arg.star for arg in call.args)


def statement_of(code: Code, node: cst.CSTNode) -> cst.BaseSmallStatement | None:
    """Return the simple statement that a node belongs to."""
    for outer in (node, *code.ancestors(node)):
        if isinstance(outer, cst.BaseSmallStatement):
            return outer
    return None


def line_of(code: Code, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
    """Return the line of simple statements that a node is on; None within `if x: f()`."""
    for outer in (node, *code.ancestors(node)):
        if isinstance(outer, cst.SimpleStatementLine):
            return outer
    return None


def block_of(code: Code, line: cst.CSTNode) -> tuple[cst.CSTNode, ...]:
    """Return the statements among which a statement stands."""
    outer = code.parents.get(line)
    if isinstance(outer, cst.Module | cst.IndentedBlock):
        return tuple(outer.body)
    return ()


def before(code: Code, node: cst.CSTNode, text: str) -> tuple[cst.CSTNode, Replacement] | None:
    """Put a statement before the one that a node belongs to, on its line if others share it."""
    line, small = line_of(code, node), statement_of(code, node)
    if line is None or small is None:
        return None
    if len(line.body) == 1:
        return line, cst.FlattenSentinel([new_statement(code, text), line])
    added = new_statement(code, text)
    assert isinstance(added, cst.SimpleStatementLine)
    separator = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" "))
    inner = added.body[0].with_changes(semicolon=separator)
    index = next(i for i, one in enumerate(line.body) if one is small)
    return line, line.with_changes(body=[*line.body[:index], inner, *line.body[index:]])


def new_statement(code: Code, text: str) -> cst.CSTNode:
    """Parse a statement as the script indents it."""
    return cst.parse_statement(text, config=code.module.config_for_parsing)


def with_lines(code: Code, block: cst.IndentedBlock, *texts: str) -> cst.IndentedBlock:
    """Return a block with statements at its end."""
    return block.with_changes(body=[*block.body, *(new_statement(code, text) for text in texts)])


def _appended(args: Sequence[cst.Arg], new: cst.Arg) -> list[cst.Arg]:
    """Add an argument in the style of the call: a line of its own where the others have one."""
    if not args:
        return [new]
    *rest, last = args
    between = rest[-1].comma if rest else cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    end = new.with_changes(comma=last.comma, whitespace_after_arg=last.whitespace_after_arg)
    plain = last.with_changes(comma=between, whitespace_after_arg=cst.SimpleWhitespace(""))
    return [*rest, plain, end]


class _Edit(cst.CSTTransformer):
    """Puts replacements where the original nodes stood."""

    def __init__(self, edits: Edits) -> None:
        super().__init__()
        self.edits = edits

    def on_leave(  # type: ignore[override]  # one rule for every kind of node
        self, original_node: cst.CSTNode, updated_node: cst.CSTNode
    ) -> Replacement:
        return self.edits.get(original_node, updated_node)


def _imported(nodes: Iterable[cst.CSTNode]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if isinstance(node, cst.Import):
            for alias in node.names:
                name = full(alias.name, {})
                bound = full(alias.asname.name, {}) if alias.asname else name.partition(".")[0]
                yield bound, name if alias.asname else bound
        elif isinstance(node, cst.ImportFrom) and node.module and not node.relative:
            source = full(node.module, {})
            if not isinstance(node.names, cst.ImportStar):
                for alias in node.names:
                    name = full(alias.name, {})
                    bound = full(alias.asname.name, {}) if alias.asname else name
                    yield bound, f"{source}.{name}"
