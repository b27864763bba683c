"""An analysis in a real browser: for everybody, on a phone, without a complaint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.commands import ran
from tests.app.test_analyze import PLANTED, results
from tests.browsing import MARKS, chromium
from tests.histories import study_history

axe = pytest.importorskip("axe_core_python.selenium", reason="axe is not installed")
sizes = pytest.importorskip("tests.report.test_browser", reason="selenium is not installed")

pytestmark = [*MARKS, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Chromium with a fresh profile."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.set_script_timeout(240)  # axe-core looks at every element of a long page
        yield driver


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study and a log with strange words, side by side, as HTML."""
    folder = tmp_path_factory.mktemp("analysis")
    study_history(folder / "runs" / "digits", trials=40, replicates=2)
    strange = results().replace("learning rate 0.1", f"learning rate {PLANTED} {'long' * 60}")
    (folder / "evil<b>.tsv").write_text(strange)
    answer = ran(folder, "analyze", "runs/digits", "evil<b>.tsv", "--html", "out.html")
    assert answer.returncode == 0, answer.stderr
    return folder / "out.html"


@pytest.mark.parametrize("width", [1280, 390])
def test_an_analysis_is_sound(browser, analysis: Path, width: int) -> None:
    """Folded or not: nothing for axe to find, nothing beyond the screen's edge, a quiet console."""
    page = sizes.opened(browser, analysis, width=width)
    plots = page.execute_script(
        "return [...document.querySelectorAll('.plot')].map(p => !!p.querySelector('svg'))"
    )
    assert plots
    assert all(plots)
    for unfolded in (False, True):
        if unfolded:
            page.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page)["violations"]
        assert [(one["id"], [n["html"][:200] for n in one["nodes"]]) for one in found] == []
    assert sizes.complaints(page) == []
