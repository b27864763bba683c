"""The report for everybody: by keyboard, by screen reader, on paper, on a phone, without a net."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browsing import MARKS, chromium
from tests.histories import study_history
from tests.report.strangers import planted
from tests.report.test_browser import complaints, opened
from tests.report.test_write import stages
from trialwright.report.write import write

axe_core = pytest.importorskip("axe_core_python", reason="axe-core is not installed")
keys = pytest.importorskip("selenium.webdriver.common.keys", reason="selenium is not installed")

pytestmark = MARKS

AXE = Path(axe_core.__file__).with_name("axe.min.js")
PAPER = 718
"""Pixels between the margins of A4."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Chromium with a fresh profile."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.set_script_timeout(240)  # axe-core looks at every element of a long page
        yield driver


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with several seeds, failures, figures and folded parts."""
    folder = tmp_path_factory.mktemp("report")
    return write(study_history(folder, trials=10, replicates=2), folder)


@pytest.fixture(scope="module")
def robust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a study that is decided by the mean less a deviation."""
    folder = tmp_path_factory.mktemp("robust")
    return write(planted(folder), folder)


def violations(page) -> list[str]:
    """What axe-core finds wrong, with everything that is folded opened."""
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    page.execute_script("document.querySelector('.trials .open').click()")
    page.execute_script(AXE.read_text(encoding="utf-8"))
    found = page.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run().then(r => done(r.violations.map(v => v.id + ': ' + v.nodes[0].html)))"
    )
    return [str(one) for one in found]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["report", "robust"])
def test_axe_finds_nothing_wrong(
    browser, request: pytest.FixtureRequest, name: str, width: int
) -> None:
    """Contrast, names, roles, order of headings: at a desk and on a phone, all parts open."""
    page = opened(browser, request.getfixturevalue(name), width=width)
    assert violations(page) == []
    assert complaints(page) == []


@pytest.mark.parametrize("stage", ["opened", "all failed"])
def test_axe_finds_nothing_wrong_early(browser, tmp_path: Path, stage: str) -> None:
    """A study that has hardly begun has fewer parts, and no link leads nowhere."""
    page = opened(browser, write(stages(tmp_path, stage), tmp_path))
    page.execute_script(AXE.read_text(encoding="utf-8"))
    found = page.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run().then(r => done(r.violations.map(v => v.id)))"
    )
    assert found == []
    assert dead_links(page) == []


def dead_links(page) -> list[str]:
    """Links within the page that lead nowhere."""
    script = (
        "return [...document.querySelectorAll('nav a')].map(a => a.hash)"
        ".filter(h => !document.querySelector(h))"
    )
    return page.execute_script(script)


def test_axe_would_find_something(browser, report: Path) -> None:
    """The same look at a page whose contrast is spoilt, and whose figure has no name, finds it."""
    page = opened(browser, report)
    page.execute_script(
        "document.querySelector('.verdict').style.color = '#ccc';"
        "document.querySelector('.plot').removeAttribute('aria-label')"
    )
    found = " ".join(violations(page))
    assert "color-contrast" in found
    assert "role-img-alt" in found


def test_all_of_it_is_reached_by_the_keyboard(browser, report: Path) -> None:
    """Tab stops at every link, fold, heading and row; Enter opens a fold and a row."""
    page = opened(browser, report)
    wanted = page.execute_script(
        "const all = [...document.querySelectorAll('a, summary, button, [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility());"
        "all.forEach((e, i) => { e.dataset.stop = i }); return all.length"
    )
    assert wanted > 30
    reached = set()
    body = page.find_element("css selector", "body")
    for _ in range(wanted + 5):
        page.switch_to.active_element.send_keys(keys.Keys.TAB)
        reached.add(page.execute_script("return document.activeElement.dataset.stop ?? ''"))
    assert {str(stop) for stop in range(wanted)} <= reached
    assert body.is_displayed()
    fold = page.find_element("css selector", "#asked summary")
    fold.send_keys(keys.Keys.ENTER)
    assert page.find_element("css selector", "#asked .knobs").is_displayed()
    row = page.find_elements("css selector", ".trials .open")[1]
    row.send_keys(keys.Keys.ENTER)
    assert page.find_element("id", "trial-1").is_displayed()


def test_links_lead_to_parts(browser, report: Path) -> None:
    """Each link of the contents leads to a part with a heading; none is dead."""
    page = opened(browser, report)
    assert dead_links(page) == []
    titles = page.execute_script(
        "return [...document.querySelectorAll('nav a')]"
        ".map(a => document.querySelector(a.hash).querySelector('h2').textContent)"
    )
    assert titles[:3] == ["What was asked", "What was found", "Is it real?"]
    assert len(titles) == 10


def test_nothing_is_fetched(browser, report: Path) -> None:
    """The page opens without a net: it asks for nothing but itself."""
    page = opened(browser, report)
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_paper_has_every_part_and_no_cut_figure(browser, report: Path) -> None:
    """Printed, folded parts are open, the links are gone, and no figure or table sticks out."""
    page = opened(browser, report, width=PAPER)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        folded = "return [...document.querySelectorAll('details')].filter(d => !d.open).length"
        assert page.execute_script(folded) == 0
        assert not page.find_element("css selector", "nav").is_displayed()
        wide = (
            "return [...document.querySelectorAll('.main-svg, table, pre, p, li')]"
            ".filter(e => e.checkVisibility())"
            f".filter(e => e.getBoundingClientRect().right > {PAPER} + 1)"
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        assert page.execute_script(wide) == []
        printed = page.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.7})
        paper = base64.b64decode(printed["data"])
        assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 3
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_figures_keep_their_height_and_fit_paper(browser, report: Path) -> None:
    """A window made narrower flattens no figure; a wide one prints at the width of a page."""
    page = opened(browser, report, width=1280)
    drawn = (
        "return [...document.querySelectorAll('.plot > .plot-container .main-svg:first-child')]"
        ".map(s => [s.clientWidth, s.clientHeight])"
    )
    before = page.execute_script(drawn)
    assert len(before) > 2
    fitted = (
        "const [width, done] = arguments; document.body.style.width = width;"
        "Promise.all([...document.querySelectorAll('.plot')].map(Plotly.Plots.resize)).then(done)"
    )
    page.execute_async_script(fitted, "700px")
    narrow = page.execute_script(drawn)
    assert [height for _, height in narrow] == [height for _, height in before]
    assert max(width for width, _ in narrow) <= 700
    page.execute_async_script(fitted, "")
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    paper = page.execute_script(drawn)
    assert max(width for width, _ in paper) <= PAPER
    assert [height for _, height in paper] == [height for _, height in before]
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    page.execute_async_script(fitted, "")
    assert page.execute_script(drawn) == before


@pytest.mark.parametrize("name", ["report", "robust"])
def test_all_parts_fit_a_phone_when_opened(
    browser, request: pytest.FixtureRequest, name: str
) -> None:
    """At 390 pixels, with every fold and row open, nothing sticks out of the page sideways."""
    page = opened(browser, request.getfixturevalue(name), width=390)
    page.execute_script(
        "document.querySelectorAll('details').forEach(d => { d.open = true });"
        "document.querySelectorAll('.trials .open').forEach(b => b.click())"
    )
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
