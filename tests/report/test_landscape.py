"""The figures of landscapes in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browsing import MARKS, chromium
from tests.report.test_browser import complaints, opened
from tests.report.test_dependence import PLANTED, planted
from trialwright.report.landscape import landscapes
from trialwright.report.write import write

pytestmark = MARKS


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Chromium with a fresh profile."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_landscapes_are_drawn_without_complaint(browser, name: str, tmp_path: Path) -> None:
    """Every figure has marks in it, and the console stays empty."""
    history = planted(name)
    page = opened(browser, write(history, tmp_path))
    for figure in landscapes(history):
        marks = page.execute_script(
            f"return document.querySelectorAll('#plot-{figure.id} .point').length"
        )
        assert marks > 3, figure.id
    assert complaints(page) == []
