"""The report in a real browser: it draws, sorts, opens, fits a phone, and says nothing in red."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browsing import MARKS, chromium
from tests.histories import study_history
from tests.report.test_lineage import BETTER, study
from tests.report.test_write import hostile, stages
from trialwright.report.write import write

wait = pytest.importorskip("selenium.webdriver.support.wait", reason="selenium is not installed")

pytestmark = MARKS


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Chromium with a fresh profile."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def opened(browser, path: Path, *, width: int = 1200):
    """Open a page at a width, and return the browser once all figures are drawn."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(path.as_uri())
    waiting = wait.WebDriverWait(browser, 30)
    waiting.until(
        lambda b: b.execute_script(
            "return [...document.querySelectorAll('.plot')].every(p => p.querySelector('svg'))"
        )
    )
    return browser


def complaints(browser) -> list[str]:
    """What the browser's console holds, icons aside: it asks for none here."""
    return [entry["message"] for entry in browser.get_log("browser")]


def first_cells(browser) -> list[str]:
    """The trial numbers of the table, from top to bottom."""
    script = "return [...document.querySelectorAll('tr.row .open')].map(b => b.textContent)"
    return browser.execute_script(script)


def test_figures_are_drawn_without_complaint(browser, tmp_path: Path) -> None:
    """All four figures are SVG with something in them, and the console stays empty."""
    page = opened(browser, write(study_history(tmp_path, trials=40, replicates=3), tmp_path))
    drawn = page.execute_script(
        "return [...document.querySelectorAll('.plot')]"
        ".map(p => p.querySelectorAll('.trace path, .trace .bars path, .point path').length)"
    )
    assert len(drawn) == 4
    assert min(drawn) > 0
    assert complaints(page) == []


def test_table_sorts_both_ways_with_missing_values_last(browser, tmp_path: Path) -> None:
    """A press on the metric sorts best first, another worst first; trials without one stay last."""
    history = study_history(tmp_path, trials=15)
    page = opened(browser, write(history, tmp_path))
    ranked = sorted(history.done(), key=lambda trial: -(trial.value or 0.0))
    best_first = [str(trial.number) for trial in ranked]
    heading = page.find_elements("css selector", ".trials thead button")[1]
    heading.click()
    assert first_cells(page)[: len(ranked)] == best_first
    heading.click()
    assert first_cells(page)[: len(ranked)] == best_first[::-1]
    assert len(first_cells(page)) == 15


def test_a_row_opens_and_closes(browser, tmp_path: Path) -> None:
    """A press on a row's number shows its rationale, and another hides it."""
    page = opened(browser, write(study_history(tmp_path, trials=5), tmp_path))
    detail = page.find_element("id", "trial-2")
    assert not detail.is_displayed()
    button = page.find_elements("css selector", ".trials .open")[2]
    page.execute_script("arguments[0].click()", button)
    assert detail.is_displayed()
    assert "Rationale" in detail.text
    page.execute_script("arguments[0].click()", button)
    assert not detail.is_displayed()


def test_fits_a_phone(browser, tmp_path: Path) -> None:
    """At 390 pixels nothing sticks out of the page sideways."""
    page = opened(
        browser, write(study_history(tmp_path, trials=20, replicates=2), tmp_path), width=390
    )
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390


def test_the_story_of_code_fits_a_phone(browser, tmp_path: Path) -> None:
    """With long names and long lines the diff scrolls by itself, and the page does not."""
    long = {"train.py": BETTER + f"LONG = '{'x' * 300}'\n"}
    history = study(tmp_path, long, name="a" * 90)
    page = opened(browser, write(history, tmp_path), width=390)
    summary = page.find_element("css selector", "#code summary")
    diff = page.find_element("css selector", "#code .diff")
    assert not diff.is_displayed()
    page.execute_script("arguments[0].click()", summary)
    assert diff.is_displayed()
    assert diff.find_elements("css selector", ".more")[-1].text.startswith("+LONG = 'xxx")
    assert page.execute_script("return arguments[0].scrollWidth > 390", diff)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    assert complaints(page) == []


def test_hostile_text_does_nothing(browser, tmp_path: Path) -> None:
    """No script of a hostile study runs: no dialogue, no element, no complaint."""
    page = opened(browser, write(hostile(tmp_path), tmp_path))
    assert page.execute_script("return document.querySelectorAll('img').length") == 0
    assert complaints(page) == []


@pytest.mark.parametrize("stage", ["opened", "all failed", "one trial"])
def test_early_reports_open_cleanly(browser, tmp_path: Path, stage: str) -> None:
    """A report of a study that has hardly begun opens without complaint."""
    page = opened(browser, write(stages(tmp_path, stage), tmp_path))
    assert page.find_element("css selector", ".headline").text
    assert complaints(page) == []
