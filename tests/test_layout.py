"""What the style promises, checked on every file: sizes, docstrings, layers, the map, the docs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.documents import blocks

# Every file is read once, in one worker.
pytestmark = pytest.mark.xdist_group("layout")

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "trialwright"
FOREIGN = ROOT / "tests" / "scripts"
"""Scripts as strangers write them: the style does not bind them."""

BUILT = {".git", ".venv", ".boot", "__pycache__", "runs", "outputs", "dist", "build"}
"""Folders that a clone does not have, by name; other hidden ones but `.ci` are left out, too."""

LONGEST_FILE, LONGEST_FUNCTION = 700, 60


@cache
def files() -> tuple[Path, ...]:
    """Every file that belongs to the project, in order."""
    return tuple(sorted(_walk(ROOT)))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        hidden = path.name.startswith(".") and path.name not in (".ci", ".gitignore")
        if path.name in BUILT or hidden or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def sources(*, under: Path = ROOT) -> list[Path]:
    """Every Python file of ours below `under`."""
    return [
        path
        for path in files()
        if path.suffix == ".py" and path.is_relative_to(under) and not path.is_relative_to(FOREIGN)
    ]


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(), filename=str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, methods and nested ones included."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def place(path: Path, line: int) -> str:
    """Where something stands, as an editor would open it."""
    return f"{path.relative_to(ROOT)}:{line}"


def test_no_file_is_longer_than_a_sitting() -> None:
    """A Python file has at most 700 lines."""
    lengths = {place(path, 1): len(path.read_text().splitlines()) for path in sources()}
    assert {file: n for file, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    """A function has at most 60 lines, from its `def` to its last."""
    spans = {
        f"{place(path, node.lineno)} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in sources()
        for node in functions(path)
    }
    assert {name: n for name, n in spans.items() if n > LONGEST_FUNCTION} == {}


def test_most_functions_are_short() -> None:
    """Nine in ten functions of the package have at most 30 lines."""
    spans = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in sources(under=PACKAGE)
        for node in functions(path)
    )
    assert spans[int(0.9 * len(spans))] <= 30


def test_every_public_name_is_described() -> None:
    """Every module, public class and public function of the package has a docstring."""
    missing = []
    for path in sources(under=PACKAGE):
        if not ast.get_docstring(tree_of(path)):
            missing.append(place(path, 1))
        elif len(ast.get_docstring(tree_of(path)) or "") < 20:
            missing.append(f"{place(path, 1)}: says nothing")
        missing += [place(path, node.lineno) for node in _public(tree_of(path).body)]
    assert missing == []


def _public(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the public definitions without a docstring; of classes, their methods too."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_") or _overload(node):
            continue
        if not ast.get_docstring(node):
            yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body)


def _overload(node: ast.AST) -> bool:
    """A property's setter and an overload's signatures are described by their first."""
    names = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", ())]
    return any(name.endswith((".setter", "overload")) for name in names)


def test_every_test_states_what_it_holds() -> None:
    """Every test function has a docstring."""
    silent = [
        place(path, node.lineno)
        for path in sources(under=ROOT / "tests")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_layers_are_not_bent_by_type_checking_imports() -> None:
    """No module but the package's root imports another for type checkers only."""
    bent = [
        place(path, node.lineno)
        for path in sources(under=PACKAGE)
        if path != PACKAGE / "__init__.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom) and "trialwright" in ast.unparse(inner)
    ]
    assert bent == []


# In classes of one letter, so that this file does not name what it forbids.
STRANGE = re.compile(
    r"(?<![\w.<>{}\]/])/(?:w[o]rk/(?:main|shared)|r[o]ot|o[p]t|(?:h[o]me|U[s]ers)/(?!me\b|you\b|user\b|u\b))/?"
    r"|\.\./sh[a]red"
    r"|p[y]thonhosted|p[y]pi\.org|ind[e]x-url"
    r"|\b(?!127\.0\.0\.|0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}\b"
    r"|C[o]-Authored-By|\bC[o]pilot\b|\bfarm-st[u]dio\b",
    re.IGNORECASE,
)


def test_nothing_names_the_machine_that_it_was_written_on() -> None:
    """No path of one machine, no package host, no tool of its authors stands in any file."""
    found = []
    for path in files():
        # uv's lock names the public index by nature; .ci/run looks for data beside the checkout.
        if path.name in ("uv.lock", "LICENSE", "run") or path.suffix in (".db", ".png", ".gz"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            found += [f"{place(path, number)}: {hit[0]}" for hit in STRANGE.finditer(line)]
    assert found == []


def test_map_shows_every_module_and_nothing_else() -> None:
    """The tree in ARCHITECTURE.md has a line for each module of the package, each said in words."""
    mapped = dict(_mapped((ROOT / "ARCHITECTURE.md").read_text()))
    modules = {
        str(path.relative_to(ROOT))
        for path in sources(under=PACKAGE)
        if path.name != "__init__.py" or path.parent == PACKAGE
    }
    assert sorted(modules - set(mapped)) == []
    assert sorted(name for name in mapped if not (ROOT / name).exists()) == []
    assert sorted(name for name, words in mapped.items() if len(words.split()) < 2) == []


def test_map_shows_every_folder_at_the_top() -> None:
    """The tree in ARCHITECTURE.md names each folder of the repository."""
    mapped = dict(_mapped((ROOT / "ARCHITECTURE.md").read_text()))
    top = {path.relative_to(ROOT).parts[0] for path in files() if path.parent != ROOT}
    assert sorted(top - {name.split("/")[0] for name in mapped}) == []


def _mapped(text: str) -> Iterator[tuple[str, str]]:
    """Yield (path, words) of each line of the map: the first fenced block that names `src/`."""
    block = next(b.text for b in blocks(text) if not b.language and "src/" in b.text)
    stack: list[tuple[int, str]] = []
    for line in block.splitlines():
        found = re.fullmatch(r"( *)(\S+)\s*(.*)", line)
        if not found:
            continue
        indent, name, words = len(found[1]), found[2], found[3]
        stack = [entry for entry in stack if entry[0] < indent]
        parent = stack[-1][1] if stack else ""
        if name.endswith("/"):
            stack.append((indent, parent + name))
        yield (parent + name).rstrip("/"), words


def test_package_root_is_light() -> None:
    """Importing the package for `emit` loads the standard library only: it runs in every script."""
    probe = (
        "import sys; from trialwright import emit;"
        "print(*{m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names))"
    )
    answer = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r});{probe}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(answer.stdout.split()) <= {"trialwright", "__main__", "sitecustomize"}


def test_public_names_are_few_and_all_there() -> None:
    """The package offers at most 21 names, each importable from its root."""
    import trialwright

    assert len(trialwright.__all__) <= 21
    assert [name for name in trialwright.__all__ if getattr(trialwright, name, None) is None] == []


def commands() -> dict[str, list[str]]:
    """The command line: each command with its flags, the long form of each."""
    import typer

    from trialwright.app.cli import app

    root = typer.main.get_command(app)
    context = root.make_context("trialwright", [], resilient_parsing=True)
    found = {"": _flags(root)}
    for name in root.list_commands(context):  # type: ignore[attr-defined]
        command = root.get_command(context, name)  # type: ignore[attr-defined]
        if not command.hidden:
            found[name] = _flags(command)
    return found


def _flags(command: object) -> list[str]:
    options = [p for p in command.params if p.param_type_name == "option"]  # type: ignore[attr-defined]
    shown = [option for option in options if not getattr(option, "hidden", False)]
    return [max(option.opts, key=len) for option in shown]


def test_every_command_and_flag_is_documented() -> None:
    """docs/commands.md has a section per command, and names each of its flags in it."""
    sections = _sections((ROOT / "docs" / "commands.md").read_text())
    missing = []
    for name, flags in commands().items():
        section = sections.get(f"trialwright {name}".strip(), "")
        if not section:
            missing.append(f"section `trialwright {name}`")
        missing += [f"{name} {flag}" for flag in flags if f"{flag}" not in section]
    assert missing == []


def test_no_command_is_documented_that_is_not_there() -> None:
    """docs/commands.md has no section, and names no flag, of a command that is gone."""
    known = commands()
    sections = _sections((ROOT / "docs" / "commands.md").read_text())
    for title, body in sections.items():
        name = title.removeprefix("trialwright").strip()
        assert name in known, title
        named = set(re.findall(r"^\| `(--[a-z-]+)", body, re.MULTILINE))
        assert named <= {*known[name], *known[""], "--help"}, title


def _sections(text: str) -> dict[str, str]:
    """The text below each heading of the form `## trialwright show N`, by `trialwright show`."""
    parts = re.split(r"^##+ `(trialwright(?: [a-z]+)?)[^`]*`.*$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("path", sources(under=PACKAGE), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_has_no_effect_on_import(path: Path) -> None:
    """A module's top level defines, and does nothing else: no call stands there as a statement.

    Completing a class of the module's own, as PyYAML's loaders need it, is part of its definition.
    """
    body = tree_of(path).body
    own = tuple(f"{node.name}." for node in body if isinstance(node, ast.ClassDef))
    calls = [
        place(path, node.lineno)
        for node in body
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and not (own and ast.unparse(node.value.func).startswith(own))
    ]
    assert calls == []
