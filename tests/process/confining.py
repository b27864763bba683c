"""Scripts inside the sandbox and outside of it: for the tests of what holds them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from trialwright.process.sandbox import Confinement, available, confined

MB = 1 << 20

PATIENCE_S = 60

needs_sandbox = pytest.mark.skipif(bool(available()), reason=available() or "it works")


def python(source: str, *arguments: object) -> tuple[str, ...]:
    """A script, given as text, that starts without site-packages, so quickly."""
    return (sys.executable, "-I", "-S", "-c", source, *map(str, arguments))


def outside(
    command: tuple[str, ...], workdir: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as it is."""
    return subprocess.run(
        command,
        cwd=workdir,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def inside(
    command: tuple[str, ...],
    confinement: Confinement,
    workdir: Path,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in the sandbox."""
    found = os.environ if environment is None else environment
    return outside(confined(command, found, confinement, workdir), workdir, environment)


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the words that a script printed; it has to have ended well."""
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
