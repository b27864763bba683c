"""A process that has loaded the command line, and forks one process per command from it.

What a command does is what it does for a user; only its second of imports is spent once per test
worker instead of once per test. What a command loads besides, the next one finds loaded. One line
of JSON per wish on standard input, one per answer.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

MODULES = (
    "trialwright.app.cli",
    "trialwright.app.running",
    "trialwright.app.init.command",
    "trialwright.report.html",
    "trialwright.report.terminal",
    "trialwright.study",
    "trialwright.studyfile",
    "scipy.stats",
    "sklearn.ensemble",
)

LEARNT = {
    "mcp", "mcp_types", "openai", "optuna", "plotly", "psycopg", "pydantic_ai", "scipy", "sklearn",
    "sqlalchemy", "starlette", "trialwright", "uvicorn",
}  # fmt: skip
"""Packages that stay loaded once a command has needed them: importing these starts no thread."""

WRITING = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def main() -> None:
    """Serve until standard input ends."""
    load(MODULES)
    for line in sys.stdin:
        wish = json.loads(line)
        answer = answered(wish)
        loaded = Path(wish["loaded"])
        more = loaded.read_text().splitlines() if loaded.exists() else []
        print(json.dumps(answer), flush=True)
        if more:
            load(more)


def answered(wish: dict[str, Any]) -> int | None:
    """Run a command to its end, and return its status; or do a part of that.

    Where the wish says `start`, the command goes on, and its process is the answer; where it says
    `poll`, the status of that process is, or None while it goes on.
    """
    if "poll" in wish:
        ended, status = os.waitpid(wish["poll"], os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if ended else None
    # A pipe has its writer before the answer: its reader would else take it for ended.
    held = [os.open(wish[name], WRITING, 0o600) for name in ("out", "err")]
    pid = os.fork()
    if pid == 0:
        be(wish)
    for descriptor in held:
        os.close(descriptor)
    return pid if "start" in wish else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def load(modules: Iterable[str]) -> None:
    """Import modules, and spare the forked commands the collector's walks over them."""
    for module in modules:
        # Some are made by their package, and can't be had by their names.
        with suppress(ImportError):
            import_module(module)
    gc.collect()
    gc.freeze()


def be(wish: dict[str, Any]) -> NoReturn:
    """Become the command: its folder, environment, arguments and files."""
    os.setsid()
    os.chdir(wish["folder"])
    os.environ.clear()
    os.environ.update(wish["environment"])
    for number, path, mode in (
        (0, os.devnull, os.O_RDONLY),
        (1, wish["out"], WRITING),
        (2, wish["err"], WRITING),
    ):
        descriptor = os.open(path, mode, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    # What was opened before the fork keeps the warm process's own ends.
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m) for n, m in enumerate("rww"))
    sys.argv = ["trialwright", *wish["words"]]
    before = set(sys.modules)
    status = 1
    try:
        from trialwright.app.cli import main as command

        command()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001  # as the interpreter would
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if "loaded" in wish:
            _tell(Path(wish["loaded"]), set(sys.modules) - before)
        os._exit(status)


def _tell(file: Path, loaded: set[str]) -> None:
    """Write down what a command has loaded of what the next one may find loaded."""
    wanted = sorted(name for name in loaded if name.partition(".")[0] in LEARNT)
    if wanted:
        file.write_text("".join(f"{name}\n" for name in wanted))


if __name__ == "__main__":
    main()
