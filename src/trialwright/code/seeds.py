"""Code without its seeds and orders: what is left when chance is all that a change touches."""

from __future__ import annotations

import ast
import re

from trialwright.code.names import is_seed, words
from trialwright.code.spots import dotted

_SEEDING = re.compile(
    r"manual_seed(_all)?|seed|seed_all|seed_everything|set_seed|set_random_seed|seed_worker"
    r"|default_rng|RandomState|SeedSequence|PRNGKey|fork_rng|Random|set_rng_state"
)
"""Calls whose arguments are seeds, by the last part of their names."""

_MODULES = frozenset({"random", "numpy", "numpy.random", "torch", "torch.random", "tensorflow"})
"""Whose import alone changes nothing, and which may be imported to seed them."""

_SHUFFLING = re.compile(r"shuffle|shuffle_")
_DATA = frozenset(
    """
    batch batches data dataset docs documents examples files idx index indices loader order paths
    perm rows samples shards train x xs
    """.split()  # noqa: SIM905  # a dozen words a line
)
_SEED = ast.Constant("<seed>", lineno=0, col_offset=0)


def without_seeds(tree: ast.Module) -> ast.Module:
    """Return the tree with every seed blank, without shuffling, and without orders over data.

    The tree that is given is changed; parse it anew to keep it.
    """
    blanked = _Blank().visit(tree)
    assert isinstance(blanked, ast.Module)
    return blanked


class _Blank(ast.NodeTransformer):
    """Seeds by name (`seed=`, `SEED =`, `--seed`) and by call (`manual_seed(3)`)."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:  # the library's name
        """Drop a statement that does nothing but seed or shuffle."""
        if isinstance(node.value, ast.Call):
            last = dotted(node.value.func).rpartition(".")[2]
            if _SEEDING.fullmatch(last) or _SHUFFLING.fullmatch(last):
                return None
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        """Drop the imports that seeding needs."""
        node.names = [name for name in node.names if name.name not in _MODULES]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        """Drop what seeds from among the names of an import."""
        node.names = [name for name in node.names if not _SEEDING.fullmatch(name.name)]
        return node if node.names else None

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        """Blank what a seed is set to, in a variable or in the environment."""
        if any(is_seed(_target(target)) for target in node.targets):
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Blank a seed among a class's fields."""
        if is_seed(_target(node.target)):
            return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Blank what seeding calls are given, and every argument that names a seed or an order."""
        last = dotted(node.func).rpartition(".")[2]
        if last in ("sorted", "reversed") and node.args and _of_data(node.args[0]):
            return self.visit(node.args[0])  # type: ignore[no-any-return]  # an expression's visit
        option = any(_names_seed(argument) for argument in node.args)
        for keyword in node.keywords:
            named = keyword.arg is not None and (is_seed(keyword.arg) or keyword.arg == "shuffle")
            if named or (option and keyword.arg == "default"):
                keyword.value = _SEED
        node.keywords = [word for word in node.keywords if word.value is not _SEED or option]
        if _SEEDING.fullmatch(last):
            node.args, node.keywords = [], []
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Take data that is read backwards for the data."""
        backwards = isinstance(node.slice, ast.Slice) and ast.unparse(node.slice) == "::-1"
        if backwards and _of_data(node.value):
            return self.visit(node.value)  # type: ignore[no-any-return]  # an expression's visit
        return self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        """Blank a seed among the entries of a dictionary."""
        for index, key in enumerate(node.keys):
            if key is not None and _names_seed(key):
                node.values[index] = _SEED
        return self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        """Blank the default of a parameter that is a seed."""
        positional = [*node.posonlyargs, *node.args][-len(node.defaults) :] if node.defaults else []
        for index, argument in enumerate(positional):
            if is_seed(argument.arg):
                node.defaults[index] = _SEED
        for index, argument in enumerate(node.kwonlyargs):
            if is_seed(argument.arg) and node.kw_defaults[index] is not None:
                node.kw_defaults[index] = _SEED
        return self.generic_visit(node)


def _target(node: ast.expr) -> str:
    match node:
        case ast.Subscript(slice=ast.Constant(value=str() as key)):
            return key
    return dotted(node).rpartition(".")[2]


def _names_seed(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and is_seed(node.value.lstrip("-").replace("-", "_"))
    )


def _of_data(node: ast.expr) -> bool:
    return any(
        isinstance(inner, ast.Name | ast.Attribute) and bool(words(_target(inner)) & _DATA)
        for inner in ast.walk(node)
    )
