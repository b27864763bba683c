"""What ran, and where: the task's files as a code version, the machine with its packages.

Two results are comparable only under the same code version, so the digest covers the files that
the command names, the modules that they import from beside them, and the base configuration. It
does not cover data.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from trialwright.records import CodeVersion, Machine
from trialwright.task import Task

PROGRAM_TIMEOUT_S = 20.0
"""For git, nvidia-smi and the command's interpreter: they answer at once or not at all."""

_DISTRIBUTION = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.dist-info")
_LIST_PATHS = "import json, platform, sys; print(json.dumps([platform.python_version(), sys.path]))"


class CodeWatch:
    """The task's files, and whether they changed; asking costs one `stat` per file."""

    def __init__(self, task: Task, fixed: CodeVersion | None = None) -> None:
        self._task = task
        self._fixed = fixed
        """What it is whatever happens to the files: where runs work in copies from a repository."""
        self._files = files(task)
        self._stamp: tuple[object, ...] = ()
        self._version: CodeVersion | None = None

    def version(self) -> CodeVersion:
        """Return the code version of this moment."""
        if self._fixed is not None:
            return self._fixed
        stamp = tuple(_stamp(path) for path in self._files)
        if self._version is None or stamp != self._stamp:
            self._files = files(self._task)
            self._stamp = tuple(_stamp(path) for path in self._files)
            self._version = _code_version(self._task, self._files)
        return self._version


def files(task: Task) -> list[Path]:
    """Return the task's own files, sorted: named in the command, imported from there, the base."""
    root = Path(task.folder)
    if task.code:
        return sorted({path for glob in task.code for path in root.glob(glob) if path.is_file()})
    found: set[Path] = set()
    for path in _named(task.command, root=root):
        _follow(path, root=path.parent, found=found)
    if task.delivery.base is not None:
        found.add(root / task.delivery.base)
    return sorted(path for path in found if path.is_file())


def machine(task: Task) -> Machine:
    """Describe the host, and the interpreter that the command names (else our own)."""
    python, paths = _interpreter(task)
    packages = dict(sorted(_distributions(paths)))
    gpus = _gpus()
    host = platform.node()
    described = json.dumps([host, platform.platform(), python, packages, gpus])
    return Machine(
        id=hashlib.sha256(described.encode()).hexdigest()[:12],
        host=host,
        platform=platform.platform(),
        python=python,
        cores=os.cpu_count() or 1,
        gpus=gpus,
        packages=packages,
    )


def _code_version(task: Task, paths: Sequence[Path]) -> CodeVersion:
    digest = hashlib.sha256()
    root = Path(task.folder)
    names = [os.path.relpath(path, root) for path in paths]
    for name, path in zip(names, paths, strict=True):
        # A file that vanishes between listing and reading is a change like any other.
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    if task.function is not None:
        digest.update(_source(task).encode())
    digest.update(json.dumps(task.command).encode())
    commit = _git(root, "rev-parse", "HEAD")
    return CodeVersion(
        id=digest.hexdigest()[:12],
        commit=commit,
        dirty=bool(commit and names and _git(root, "status", "--porcelain", "--", *names)),
        files=tuple(names),
    )


def _source(task: Task) -> str:
    """The function's text; its bytecode where there is none (a notebook, an interactive line)."""
    function = task.function
    try:
        return inspect.getsource(function)  # type: ignore[arg-type]  # callers checked it is there
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return repr((code.co_code, code.co_consts)) if code else repr(type(function))


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _named(command: Sequence[str], *, root: Path) -> Iterator[Path]:
    """The files of the task that a command names, modules behind `-m` included."""
    for before, element in zip(["", *command], command, strict=False):
        if before == "-m":
            yield from _module(element, root=root)
            continue
        path = root / element
        try:
            inside = path.is_file() and path.resolve().is_relative_to(root.resolve())
        except (OSError, ValueError):
            continue
        if inside:
            yield path


def _module(name: str, *, root: Path) -> Iterator[Path]:
    stem = root.joinpath(*name.split("."))
    yield from (
        path
        for path in (stem.with_suffix(".py"), stem / "__init__.py", stem / "__main__.py")
        if path.is_file()
    )


def _follow(path: Path, *, root: Path, found: set[Path]) -> None:
    """Add `path` and the modules beside it that it imports, and theirs."""
    if path in found:
        return
    found.add(path)
    if path.suffix != ".py":
        return
    for name in _imported(path):
        for module in _module(name, root=root):
            _follow(module, root=root, found=found)


def _imported(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _prefixes(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from _prefixes(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _interpreter(task: Task) -> tuple[str, list[str]]:
    program = task.command[0] if task.command else sys.executable
    ours = platform.python_version(), sys.path
    found = shutil.which(program)
    if found is None or not Path(program).name.startswith("python"):
        return ours
    if Path(found).absolute() == Path(sys.executable).absolute():
        return ours
    printed = _output([found, "-c", _LIST_PATHS], cwd=Path(task.folder))
    if printed is None:
        return ours
    version, paths = json.loads(printed)
    return version, paths


def _distributions(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Installed distributions by their folders' names: reading their metadata costs 100 times."""
    for path in paths:
        try:
            entries = os.listdir(path or ".")  # noqa: PTH208  # thousands of names, no Path each
        except OSError:
            continue
        for entry in entries:
            match = _DISTRIBUTION.fullmatch(entry)
            if match:
                yield match["name"].replace("_", "-").lower(), match["version"]


def _gpus() -> tuple[str, ...]:
    if shutil.which("nvidia-smi") is None:
        return ()
    printed = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return tuple(printed.splitlines()) if printed else ()


def _git(root: Path, *arguments: str) -> str | None:
    if not root.is_dir() or shutil.which("git") is None:
        return None
    return _output(["git", "-C", str(root), *arguments])


def _output(command: Sequence[str], *, cwd: Path | None = None) -> str | None:
    """What a program printed, stripped; None if it failed or took too long."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
