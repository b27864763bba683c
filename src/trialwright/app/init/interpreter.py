"""Which Python a study's command names: one that has what the script imports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from trialwright.app.init.compose import CONSTANTS

ANSWER_S = 20.0
"""Seconds that an interpreter may take to say what it has."""

_MISSING = (
    "import importlib.util, json, sys;"
    "print(json.dumps([m for m in json.loads(sys.argv[1]) if not importlib.util.find_spec(m)]))"
)


def python_for(modules: Sequence[str], *, constants: bool) -> tuple[str, str]:
    """Return the interpreter to write into a command, and what to tell the user of it.

    `python` on the PATH if it has all modules; else the first that has, this program's own
    included. `constants`: the script is run through a module of this package.
    """
    wanted = [*modules, *([CONSTANTS[1].partition(".")[0]] if constants else [])]
    found = {name: path for name in ("python", "python3") if (path := shutil.which(name))}
    lacking = {name: _lacking(path, wanted) for name, path in found.items()}
    for name, missing in lacking.items():
        if not missing:
            return name, ""
    own = _lacking(sys.executable, wanted)
    first = next(iter(found), sys.executable)
    if not own and first != sys.executable:
        names = ", ".join(lacking[first] or ())
        return sys.executable, f"uses {sys.executable}: {first} on your PATH lacks {names}"
    if lacking.get(first):
        return first, f"{first} lacks {', '.join(lacking[first] or ())}: install what is missing"
    return first, ""


def _lacking(python: str, modules: Sequence[str]) -> list[str] | None:
    """The modules that an interpreter lacks; None where it does not answer."""
    if Path(python) == Path(sys.executable) and not modules:
        return []
    try:
        done = subprocess.run(
            [python, "-c", _MISSING, json.dumps(list(modules))],
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        missing = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return [str(name) for name in missing]
