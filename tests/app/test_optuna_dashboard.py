"""optuna-dashboard, served by itself and opened in a browser, shows a study that we exported."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.app.commands import environment, ran
from tests.app.optuna_study import add_command, theirs
from tests.browsing import MARKS, chromium
from trialwright.history import read

wait = pytest.importorskip("selenium.webdriver.support.wait", reason="selenium is not installed")

DASHBOARD = Path(sys.executable).with_name("optuna-dashboard")
PATIENCE_S = 60

pytestmark = [
    *MARKS,
    pytest.mark.skipif(not DASHBOARD.exists(), reason="optuna-dashboard is not installed"),
]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[object]:
    """Chromium with a fresh profile."""
    with chromium(tmp_path / "profile", "--window-size=1400,1100") as driver:
        yield driver


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """50 trials of Optuna, imported, continued for 10 by real runs, and exported again."""
    theirs(f"sqlite:///{tmp_path / 'theirs.db'}")
    assert ran(tmp_path, "import", "sqlite:///theirs.db", "--to", ".", "--metric", "acc").stdout
    add_command(tmp_path)
    for words in (["run", "--workers", "1"], ["export", "--to", "sqlite:///ours.db"]):
        answer = ran(tmp_path, *words)
        assert answer.returncode == 0, answer.stderr
    return tmp_path


@pytest.fixture
def served(study: Path) -> Iterator[str]:
    """The address of optuna-dashboard's own server over the exported study."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            DASHBOARD,
            "sqlite:///ours.db",
            "--host=127.0.0.1",
            f"--port={port}",
            "--server=wsgiref",
            "--quiet",
        ],
        cwd=study,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/dashboard"
    try:
        _wait_for(address, server)
        yield address
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            urlopen(address, timeout=PATIENCE_S).close()
        except URLError:
            assert server.poll() is None, "optuna-dashboard did not start"
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def shown(browser, url: str, *texts: str) -> str:
    """Open a page, and return its text once it holds `texts`."""
    browser.get(url)

    def text(driver) -> str:
        return driver.execute_script("return document.body.innerText")

    wait.WebDriverWait(browser, PATIENCE_S).until(lambda b: all(t in text(b) for t in texts))
    return text(browser)


@pytest.mark.slow
def test_the_dashboard_shows_trials_and_their_rationale(browser, study: Path, served: str) -> None:
    """The study is listed, its history drawn, and a trial's note tells why it was proposed."""
    history = read(study / "runs" / "their-study")
    best = history.best()
    assert best is not None
    listing = shown(browser, f"{served}/", "their-study")
    assert "MAXIMIZE" in listing.upper()
    page = shown(browser, f"{served}/studies/1", f"Best Trial (number={best.number})")
    assert f"{best.value}"[:7] in page
    wait.WebDriverWait(browser, PATIENCE_S).until(
        lambda b: (
            b.execute_script("return document.querySelectorAll('.scatterlayer .point').length")
            >= len(history.done())
        )
    )
    last = history.trials[-1]
    note = shown(browser, f"{served}/studies/1/trials?numbers={last.number}", "proposed by expert")
    assert f"{len(history.trials)} Trials" in note
    assert last.verdict is not None
    for words in (last.proposal.rationale, last.verdict.sentence, "Predicted: "):
        assert words[:60] in note
    assert [entry["message"] for entry in browser.get_log("browser")] == []
