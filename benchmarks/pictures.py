"""Makes the pictures of the documents anew: `python benchmarks/pictures.py`, in the repository.

Tunes the example `digits` in a folder of its own, opens its dashboard and its report in Chromium,
and photographs them. Needs `make env`, chromium and chromedriver; takes about two minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.browsing import chromium  # noqa: E402  # found by the line above

IMAGES = REPOSITORY / "docs" / "images"
LARGEST = 150_000
"""Bytes of a picture."""
DESK, PHONE = (1180, 1500), (390, 844)
READY = """
  return (document.getElementById('link')?.textContent ?? 'live') === 'live'
    && [...document.querySelectorAll('.plot')].every(p => p.querySelector('svg'))
    && (!document.getElementById('board') || document.querySelector('#board .lines a'))
"""


def cli(*words: str) -> list[str]:
    """Return the argument list of a command."""
    return [sys.executable, "-m", "trialwright.app.cli", *words]


@contextmanager
def dashboard(runs: Path) -> Iterator[str]:
    """Hold a dashboard of the studies in a folder: the address that lets one in."""
    words = cli("dashboard", str(runs), "--port", "0")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def shot(browser: Any, name: str, size: tuple[int, int], *, top: str = "") -> None:
    """Photograph what is open, from the element `top` on."""
    deadline = time.monotonic() + 60
    while not browser.execute_script(READY):
        assert time.monotonic() < deadline, f"{name}: the page does not get ready"
        time.sleep(0.1)
    if top:
        browser.execute_script("document.querySelector(arguments[0]).scrollIntoView()", top)
    time.sleep(1)
    path = IMAGES / f"{name}.png"
    with Image.open(BytesIO(browser.get_screenshot_as_png())) as taken:
        taken.convert("RGB").quantize(128).save(path, optimize=True)
    assert path.stat().st_size < LARGEST, f"{path} is too large"
    print(f"{path.relative_to(REPOSITORY)}: {size[0]} x {size[1]}, {path.stat().st_size} bytes")


def sized(browser: Any, size: tuple[int, int]) -> None:
    """Give the browser a screen."""
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def main() -> None:
    """Run the example, and take the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "demo"
        subprocess.run(cli("demo", str(folder)), check=True, stdout=subprocess.DEVNULL)
        found = next(folder.rglob("ledger.db")).parent
        profile = Path(name) / "profile"
        with dashboard(found.parent) as address, chromium(profile, "--hide-scrollbars") as browser:
            sized(browser, DESK)
            browser.get(address)
            browser.find_element("css selector", ".card a").click()
            shot(browser, "dashboard", DESK)
            leader = browser.find_element("css selector", "#best a").get_attribute("href")
            sized(browser, PHONE)
            browser.get(leader)
            shot(browser, "dashboard-phone", PHONE)
            sized(browser, DESK)
            browser.get((found / "report.html").as_uri())
            shot(browser, "report", DESK, top="#found")


if __name__ == "__main__":
    main()
