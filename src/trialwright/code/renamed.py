"""Code without the names that nobody outside can see: locals, and parameters of private functions.

Left as they are: names of imports, of patterns, parameters that something may pass by name, and all
names of a script that looks names up while it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Scope = Function | Comprehension


def renamed(tree: ast.Module) -> ast.Module:
    r"""Return the tree with local names numbered in the order in which they are bound.

    The tree that is given is changed; parse it anew to keep it.

    >>> def form(text): return ast.dump(renamed(ast.parse(text)))
    >>> form("def f(a):\n  b = a\n  return b") == form("def f(a):\n  c = a\n  return c")
    True
    >>> form("def f(a): return a") == form("def f(b): return b")
    False
    """
    nodes = list(ast.walk(tree))
    if not any(map(_looks_up, nodes)):
        keywords = _keywords(nodes)
        _Renamer(keywords, _exposed(nodes, keywords)).visit(tree)
    return tree


@dataclass(slots=True)
class _Names:
    """What a scope binds."""

    bound: dict[str, None] = field(default_factory=dict)
    """In their order."""
    kept: set[str] = field(default_factory=set)
    """Among them, or of other scopes: not to be renamed here."""

    def renaming(self, depth: int) -> dict[str, str]:
        own = [name for name in self.bound if name not in self.kept]
        return {name: f"<{depth}.{index}>" for index, name in enumerate(own)}


class _Renamer(ast.NodeTransformer):
    """Puts numbers for names, scope by scope."""

    def __init__(
        self, keywords: Mapping[str, Mapping[str, str]], exposed: AbstractSet[str]
    ) -> None:
        self._keywords = keywords
        self._exposed = exposed
        self._scopes: list[dict[str, str]] = []
        """What each name stands for, in each function around; the innermost last."""

    def visit(self, node: ast.AST) -> ast.AST:
        """Rename within a node; a function or comprehension has names of its own."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                return self._function(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._within(node, _bound_by(node))
            case ast.ClassDef():
                return self._class(node)
            case ast.Name():
                node.id = self._name(node.id)
            case ast.ExceptHandler(name=str() as name):
                node.name = self._name(name)
            case ast.Call():
                self._call(node)
        return self.generic_visit(node)

    def _function(self, node: Function) -> ast.AST:
        names = _bound_by(node)
        parameters = {argument.arg for argument in _arguments(node.args)}
        outer = [*_defaults(node.args), *_annotations(node)]
        if isinstance(node, ast.Lambda):
            names.kept |= parameters & self._exposed
        else:
            outer += node.decorator_list
            names.kept |= parameters & self._exposed if _is_private(node.name) else parameters
            node.name = self._name(node.name)
        for part in outer:
            self.visit(part)
        renaming = names.renaming(len(self._scopes))
        for argument in _arguments(node.args):
            argument.arg = renaming.get(argument.arg, argument.arg)
        self._scopes.append({**dict.fromkeys(names.kept, ""), **renaming})
        for inner in _body(node):
            self.visit(inner)
        self._scopes.pop()
        return node

    def _class(self, node: ast.ClassDef) -> ast.AST:
        for part in [*node.bases, *(word.value for word in node.keywords), *node.decorator_list]:
            self.visit(part)
        node.name = self._name(node.name)
        # What a class binds are its attributes, which its methods don't see as names.
        own = _Names()
        for statement in node.body:
            _bind(statement, own)
        visible = dict.fromkeys(own.bound, "")
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self._method(statement)
                continue
            self._scopes.append(visible)
            self.visit(statement)
            self._scopes.pop()
        return node

    def _method(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        name = node.name
        self._function(node)
        node.name = name

    def _within(self, node: Comprehension, names: _Names) -> ast.AST:
        # What the first loop runs over is looked up outside.
        first, outside = node.generators[0], node.generators[0].iter
        self.visit(outside)
        first.iter = ast.Constant(None, lineno=0, col_offset=0)
        self._scopes.append(names.renaming(len(self._scopes)))
        self.generic_visit(node)
        self._scopes.pop()
        first.iter = outside
        return node

    def _call(self, node: ast.Call) -> None:
        """Rename the keyword arguments of a call of a private function of this file."""
        known = self._keywords.get(_called(node), {})
        for word in node.keywords:
            if word.arg is not None:
                word.arg = known.get(word.arg, word.arg)

    def _name(self, name: str) -> str:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name] or name
        return name


def _keywords(nodes: Sequence[ast.AST]) -> dict[str, dict[str, str]]:
    """By private function: by what its parameters are replaced in calls; told by their places."""
    found: dict[str, dict[str, str]] = {}
    twice: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_private(node.name):
            if node.name in found:
                twice.add(node.name)
            places = enumerate(argument.arg for argument in _arguments(node.args))
            found[node.name] = {name: f"<{place}>" for place, name in places}
    return {name: words for name, words in found.items() if name not in twice}


def _exposed(nodes: Sequence[ast.AST], keywords: Mapping[str, object]) -> AbstractSet[str]:
    """The names by which parameters may be passed from where nobody follows them."""
    found: set[str] = set()
    for node in nodes:
        match node:
            case ast.Call() if _called(node) not in keywords:
                found.update(word.arg for word in node.keywords if word.arg is not None)
            case ast.Constant(value=str() as text):
                found.add(text)
    return found


def _bound_by(scope: Scope) -> _Names:
    names = _Names()
    if isinstance(scope, Function):
        names.bound.update(dict.fromkeys(one.arg for one in _arguments(scope.args)))
        for statement in _body(scope):
            _bind(statement, names)
    else:
        for generator in scope.generators:
            _bind(generator.target, names)
    return names


def _bind(node: ast.AST, names: _Names) -> None:
    """Note what a node binds in its own scope: not what functions and classes within it do."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            names.bound[node.name] = None
            return
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            # A walrus in a comprehension binds outside of it.
            inner = (one for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
            names.kept.update(one.target.id for one in inner)
            return
        case ast.Global() | ast.Nonlocal():
            names.kept.update(node.names)
        case ast.Import() | ast.ImportFrom():
            names.kept.update((one.asname or one.name).partition(".")[0] for one in node.names)
        case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
            names.kept.add(name)
        case ast.MatchMapping(rest=str() as name):
            names.kept.add(name)
        case ast.ExceptHandler(name=str() as name):
            names.bound[name] = None
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            names.bound[name] = None
    for child in ast.iter_child_nodes(node):
        _bind(child, names)


def _body(node: Function) -> Sequence[ast.AST]:
    return [node.body] if isinstance(node, ast.Lambda) else node.body


def _arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args)
    if arguments.vararg is not None:
        yield arguments.vararg
    yield from arguments.kwonlyargs
    if arguments.kwarg is not None:
        yield arguments.kwarg


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)]


def _annotations(node: Function) -> list[ast.expr]:
    found = [one.annotation for one in _arguments(node.args) if one.annotation is not None]
    if not isinstance(node, ast.Lambda) and node.returns is not None:
        found.append(node.returns)
    return found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _called(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name
    return ""


def _looks_up(node: ast.AST) -> bool:
    """Whether a call may see the names of the script's own variables."""
    match node:
        case ast.Call(func=ast.Name(id="locals" | "eval" | "exec")):
            return True
        case ast.Call(func=ast.Name(id="vars" | "dir"), args=[]):
            return True
    return False
