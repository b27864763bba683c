"""Commands run to their end while one waits: how each ends, and that nothing of it is left."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

from trialwright.process.errand import Done, Errand, run

STAYS = "import subprocess, sys, time; print('at work', flush=True); time.sleep(600)"


def errand(folder: Path, source: str, **changes: object) -> Errand:
    """A script, given as text, as an errand."""
    plain: dict[str, object] = {
        "argv": (sys.executable, "-I", "-S", "-c", source),
        "environment": dict(os.environ),
        "workdir": folder,
        "output": folder / "output",
        "exit": folder / "exit.json",
        "time_s": 60.0,
    }
    return Errand(**{**plain, **changes})  # type: ignore[arg-type]  # parts as it has them


def children() -> set[int]:
    """What this process has started and that still lives."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if child.status() != psutil.STATUS_ZOMBIE}


def test_it_ends_by_itself(tmp_path: Path) -> None:
    """Its status and what it printed are there, and its input was what it was given."""
    (tmp_path / "input").write_text("hello")
    source = "import sys; print(sys.stdin.read(), file=sys.stderr); raise SystemExit(3)"
    done = run(errand(tmp_path, source, stdin=tmp_path / "input"))
    assert (done.status, done.stopped, done.error) == (3, None, "")
    assert (tmp_path / "output").read_text() == "hello\n"


def test_it_can_t_be_started(tmp_path: Path) -> None:
    """A program that is not there is no exception."""
    done = run(errand(tmp_path, "", argv=("no-such-program",)))
    assert done.status is None
    assert "No such file" in done.error


def ended(tmp_path: Path, source: str, **changes: object) -> Done:
    """Run what does not end by itself; nothing of it may be left."""
    before = children()
    done = run(errand(tmp_path, source, **changes))
    assert children() <= before
    return done


def test_it_is_ended_after_its_time(tmp_path: Path) -> None:
    """With what it has left in the background, in a session of its own."""
    daemon = f"subprocess.Popen([sys.executable, '-c', {STAYS!r}], start_new_session=True)"
    source = f"import subprocess, sys, time; {daemon}; time.sleep(600)"
    assert ended(tmp_path, source, time_s=0.5).stopped == "timed_out"


def test_it_is_ended_for_its_memory(tmp_path: Path) -> None:
    """All of its processes count."""
    source = "import time; x = b'1' * (200 << 20); time.sleep(600)"
    assert ended(tmp_path, source, memory_bytes=80 << 20).stopped == "memory"


def test_it_is_ended_when_its_caller_wants(tmp_path: Path) -> None:
    """Who waits is asked again and again, and says at last that it is enough."""
    done = run(errand(tmp_path, STAYS), (tmp_path / "output").exists)
    assert done.stopped == "cancelled"
