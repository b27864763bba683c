"""Signals on a real running study, the log that is followed, and the view on a real terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.commands import command, environment, lay_out, ran
from tests.app.started import Started
from trialwright.history import read

WAIT_S = 60
SECOND_S = 2.0
"""How long a run of these studies sleeps; longer than it takes to press Ctrl-C twice."""


@contextmanager
def going(folder: Path, *words: str, **more: str) -> Iterator[Started]:
    """A command in a process group of its own, ended with the block."""
    process = Started(folder, *words, **more)
    try:
        yield process
    finally:
        process.close()


def until(there: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + WAIT_S
    while not there():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def words(path: Path) -> list[str]:
    """The words `start` and `end` that the scripts wrote."""
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def alive(path: Path) -> list[int]:
    """The processes of scripts that are still there."""
    pids = {int(line.split()[1]) for line in path.read_text().splitlines()}
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_first_interrupt_finishes_the_running_trials(tmp_path: Path) -> None:
    """Ctrl-C once: what runs is finished and judged, nothing new starts, resuming goes on."""
    lay_out(tmp_path, sleep=SECOND_S, trials=6)
    starts = tmp_path / "starts"
    with going(tmp_path, "run", STARTS=str(starts)) as process:
        until(lambda: words(starts).count("start") == 2)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    assert "press Ctrl-C again" in err
    assert words(starts).count("end") == words(starts).count("start") == 2
    assert "stopped on request" in out
    history = read(tmp_path / "runs" / "toy")
    assert [trial.state for trial in history.trials] == ["done", "done"]
    answer = ran(tmp_path, "run", "--trials", "3", STARTS=str(starts))
    assert answer.returncode == 0, answer.stderr
    assert len(read(tmp_path / "runs" / "toy").trials) == 3
    assert words(starts).count("start") == 3


def test_second_interrupt_stops_the_running_trials(tmp_path: Path) -> None:
    """Ctrl-C twice: the runs are ended at once, none is left, and resuming runs them again."""
    lay_out(tmp_path, sleep=40, trials=2)
    starts = tmp_path / "starts"
    with going(tmp_path, "run", STARTS=str(starts)) as process:
        until(lambda: words(starts).count("start") == 2)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "stopping the running trials" in err
    assert words(starts).count("end") == 0
    assert alive(starts) == []
    study = tmp_path / "study.yaml"
    study.write_text(study.read_text().replace("--sleep=40", "--sleep=0"))
    answer = ran(tmp_path, "run", STARTS=str(starts))
    assert answer.returncode == 0, answer.stderr
    history = read(tmp_path / "runs" / "toy")
    assert [trial.state for trial in history.trials] == ["done", "done"]
    assert [trial.runs[-1].key.attempt for trial in history.trials] == [1, 1]


def test_sigterm_stops_at_once(tmp_path: Path) -> None:
    """SIGTERM to the process alone ends it and its runs."""
    lay_out(tmp_path, sleep=40, trials=2)
    starts = tmp_path / "starts"
    with going(tmp_path, "run", STARTS=str(starts)) as process:
        until(lambda: words(starts).count("start") == 2)
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert alive(starts) == []


def test_looking_while_it_runs(tmp_path: Path) -> None:
    """`status` and `log --follow` read a running study; a second `run` is refused."""
    lay_out(tmp_path, sleep=6, trials=2)
    starts = tmp_path / "starts"
    with going(tmp_path, "run", STARTS=str(starts)) as process:
        until(lambda: words(starts).count("start") == 2)
        status = json.loads(ran(tmp_path, "status", "--json").stdout)
        assert status["running"] is True
        assert status["pending"] == [0, 1]
        followed = ran(tmp_path, "log", "0", "--follow")
        assert followed.stdout.count("epoch") == 3
        process.communicate(timeout=WAIT_S)
    assert process.returncode == 0


def test_second_run_of_a_running_study_is_refused(tmp_path: Path) -> None:
    """Two processes never run one study; the error names the first."""
    lay_out(tmp_path, sleep=30, trials=2)
    starts = tmp_path / "starts"
    with going(tmp_path, "run", STARTS=str(starts)) as process:
        until(lambda: words(starts).count("start") == 2)
        answer = ran(tmp_path, "run")
        assert answer.returncode == 2
        assert str(process.pid) in answer.stderr
        note = ran(tmp_path, "replicate", "0", "--seeds", "1")
        assert note.returncode == 0, note.stderr
        assert "the process that is running the study" in note.stdout


def screen(folder: Path, *, columns: int = 90) -> str:
    """Run a study on a pseudo-terminal, and return all that was written to it."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    more = {"TERM": "xterm-256color"}
    variables = {k: v for k, v in environment(**more).items() if k not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        command("run"), cwd=folder, env=variables, stdin=side, stdout=side, stderr=side,
        start_new_session=True,
    )  # fmt: skip
    os.close(side)
    written = b""
    deadline = time.monotonic() + WAIT_S
    try:
        while time.monotonic() < deadline:
            if not select.select([main], [], [], 0.2)[0]:
                continue
            try:
                chunk = os.read(main, 65536)
            except OSError:
                break
            if not chunk:
                break
            written += chunk
    finally:
        os.close(main)
        if process.poll() is None and time.monotonic() >= deadline:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=WAIT_S)
    assert process.returncode == 0, written
    return written.decode("utf-8", "replace")


@pytest.mark.parametrize("columns", [90, 40])
def test_live_view_shows_runs_best_and_time(columns: int, tmp_path: Path) -> None:
    """On a terminal the view shows what runs with its metric, the best, and the time; then goes."""
    lay_out(tmp_path, sleep=1.5, trials=4)
    written = screen(tmp_path, columns=columns)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    assert "▶ trial" in text
    assert "★ best: trial" in text
    assert "maximize val_acc" in text
    assert re.search(r"val_acc [\d.]+ @ \d", text)
    if columns > 80:
        assert re.search(r"about [\d.]+ s left", text)
        assert "4/4 trials" in text
    # The view is cleared before the summary, which stands last.
    assert written.rindex("report: ") > written.rindex("▶ trial")
