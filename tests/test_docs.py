"""The documents tell the truth: their code runs, their commands work, their links lead somewhere.

In a document, ```` ```python ```` is executed, ```` ```yaml study.yaml ```` is a file that is there
from then on, and in ```` ```console ```` each line behind `$` is run. Blocks of a document share a
folder, so that it reads as one session. What a console block shows must be printed again, numbers
and `...` left out of account; ```` ```console varies ```` compares nothing but the exit status.
"""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import trialwright
from tests.app.commands import ran
from tests.documents import (
    ROOT,
    Block,
    Command,
    blocks,
    commands,
    documents,
    fragments,
    headings,
    links,
    skeleton,
)

LIMIT_S = 150
"""Of one block; a study of ten runs on a busy machine takes half of it."""

COLD = "commands"
"""The document with every command: there each is started as a shell starts it, imports and all."""

SHELL = re.compile(r"[|&;<>$*?~`]|^\w+=")
"""What makes a line more than words, so that a shell must read it."""

ELSEWHERE = ("make", "git", "pip", "uv", "cd")
"""Commands that a document may show, and that change the machine: other tests hold them."""


def modules() -> list[str]:
    """Every module of the package, by its dotted name."""
    found = pkgutil.walk_packages(trialwright.__path__, "trialwright.")
    return ["trialwright", *(module.name for module in found)]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_hold(name: str) -> None:
    """Every `>>>` example of a module prints what it says."""
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", documents(), ids=lambda path: path.stem)
def test_code_of_document_runs(path: Path, tmp_path: Path) -> None:
    """The blocks of a document, run in order in one folder, do what the document says."""
    text = path.read_text()
    if "PyTorch" in text.splitlines()[0] and not find_spec("torch"):
        pytest.skip("PyTorch is not installed: `make torch` adds it")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("runs"))
    for block in blocks(text):
        where = f"{path.name}:{block.line}"
        if block.language == "console":
            for command in commands(block):
                answer = _answer(command.words, folder=tmp_path, cold=path.stem == COLD)
                if answer is not None:
                    _hold(answer, command, varies=block.note == "varies", where=where)
        elif block.note.startswith("shown"):
            continue
        elif block.note:
            (tmp_path / block.note).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.note).write_text(block.text)
        elif block.language == "python":
            _execute(block, folder=tmp_path, where=where)


def _environment() -> dict[str, str]:
    """As a user's terminal, 100 columns wide, with the commands of this environment in reach."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "100", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}


Answer = subprocess.CompletedProcess[str]


def _answer(words: str, *, folder: Path, cold: bool) -> Answer | None:
    """What a line of a document says where it is run, here or below a shell."""
    program, *arguments = shlex.split(words)
    if program in ELSEWHERE:
        return None
    if program == "trialwright" and not cold and not SHELL.search(words):
        return ran(folder, *arguments)
    return subprocess.run(
        ["/bin/sh", "-c", words],
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def _hold(answer: Answer, command: Command, *, varies: bool, where: str) -> None:
    """Hold what was said against what the document shows."""
    said = answer.stdout + (answer.stderr or "")
    printed = f"{where}: $ {command.words}\n{said}"
    assert answer.returncode == command.status, printed
    assert "Traceback (most recent call last)" not in said, printed
    if varies:
        return
    flat = skeleton(said)
    missing = [fragment for fragment in fragments(command.shown) if fragment not in flat]
    assert missing == [], printed


def _execute(block: Block, *, folder: Path, where: str) -> None:
    script = folder / f"block_{block.line}.py"
    script.write_text(block.text)
    answer = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert answer.returncode == 0, f"{where}\n{answer.stderr}"
    shown = re.findall(r"#> (.*)$", block.text, re.MULTILINE)
    missing = [line for line in shown if skeleton(line) not in skeleton(answer.stdout)]
    assert missing == [], f"{where}\n{answer.stdout}"


@pytest.mark.parametrize(
    "path",
    [*documents(), ROOT / "ARCHITECTURE.md", *sorted((ROOT / "design").glob("*.md"))],
    ids=lambda path: path.stem,
)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a document names a file, and a heading in it where it names one."""
    dead = []
    for target in links(path.read_text()):
        name, _, anchor = target.partition("#")
        goal = (path.parent / name).resolve() if name else path
        if not goal.exists() or (anchor and anchor not in headings(goal.read_text())):
            dead.append(target)
    assert dead == []


def test_every_document_is_reached_from_the_readme() -> None:
    """README.md links to each document in docs/."""
    linked = {target.partition("#")[0] for target in links((ROOT / "README.md").read_text())}
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked
