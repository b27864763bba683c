"""The dashboard in a real browser: it follows a study, steers it, and runs nobody else's script."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.commands import command, environment, lay_out, ran
from tests.app.dashboard.serving import TOKEN, Visitor, long_study, served, until
from tests.browsing import MARKS, chromium
from tests.histories import DEFAULTS, Recorder, network_task, run_network, study_history
from tests.report.test_write import HOSTILE, hostile
from trialwright.execute.runner import run_folder
from trialwright.history import read
from trialwright.records import Proposal, Request, RunKey

axe = pytest.importorskip("axe_core_python.selenium", reason="axe is not installed")

pytestmark = [*MARKS, pytest.mark.timeout(300)]

PATIENCE_S = 60.0
RESULTS = Path("runs") / "toy"
PAGES = ("", "t/5", "team", "tree", "notebook", "t/5/log/0.0")

REPORTS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(e.blockedURI));
window.dialogues = [];
for (const name of ["alert", "confirm", "prompt"]) window[name] = (text) => dialogues.push(text);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Chromium with a fresh profile, which notes what a policy forbids and what asks."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": REPORTS})
        yield driver


def enter(browser, visitor: Visitor, *, width: int = 1280, dark: bool = False) -> None:
    """Come in by the printed address, with a screen of some width."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(visitor.door.url)


def opened(browser, visitor: Visitor, folder: Path, page: str = "") -> None:
    """Open a page of a study, and wait for its events, figures and rows."""
    browser.get(f"http://{visitor.door.netloc}/s/{visitor.key(folder)}/{page}")
    ready = """
      const plots = [...document.querySelectorAll('.plot')];
      const board = document.getElementById('board');
      const log = document.getElementById('log-state');
      return (document.getElementById('link').textContent === 'live' || log)
        && plots.every(p => p.querySelector('svg'))
        && (!board || board.querySelectorAll('.lines a').length)
        && (!log || log.textContent.includes('ended'));
    """
    wait(lambda: browser.execute_script(ready))


def wait(true: Callable[[], object]) -> None:
    """Wait for something that a page does on its own."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def text(browser, selector: str) -> str:
    """The text of the first element that a selector finds."""
    script = "return document.querySelector(arguments[0])?.innerText ?? ''"
    return browser.execute_script(script, selector)


def quiet(browser) -> None:
    """Hold a page to an empty console, and to nothing that its policy had to forbid."""
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    assert browser.execute_script("return [window.violations, window.dialogues]") == [[], []]


def with_a_log(folder: Path) -> Path:
    """A study with several seeds, all kinds of trials, and a log of trial 5."""
    study_history(folder, trials=20, replicates=2)
    log = run_folder(folder, RunKey(5, 0, 0)) / "stdout.log"
    log.parent.mkdir(parents=True)
    log.write_text("epoch 1\nepoch 2\n")
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_sound(browser, tmp_path: Path, width: int, dark: bool) -> None:
    """No complaint in the console, nothing for axe to find, nothing beyond the screen's edge."""
    folder = with_a_log(tmp_path / "digits")
    checker = axe.Axe()
    with served(tmp_path) as visitor:
        enter(browser, visitor, width=width, dark=dark)
        for page in ("/", *PAGES):
            if page != "/":
                opened(browser, visitor, folder, page)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            found = checker.run(browser)["violations"]
            told = [(one["id"], [n["html"][:200] for n in one["nodes"]]) for one in found]
            assert told == [], page
            quiet(browser)


def test_without_the_token_there_is_nothing(browser, tmp_path: Path) -> None:
    """A browser that has no cookie is told how to come in, and shown no study."""
    study_history(tmp_path / "digits", trials=3)
    with served(tmp_path) as visitor:
        browser.delete_all_cookies()
        browser.get(f"http://{visitor.door.netloc}/")
        assert "The token is missing or wrong." in text(browser, "body")
        assert "digits" not in browser.page_source
        browser.get(visitor.door.url)
        assert "digits" in text(browser, "h2")
        assert TOKEN not in browser.current_url
        assert browser.execute_script("return document.cookie") == ""
        browser.get_log("browser")


def test_a_page_follows_a_running_study(browser, tmp_path: Path) -> None:
    """Without a reload it shows up, counts, leads, and says that it was stopped; its log grows."""
    # More trials than there are: how slow the browser is must not decide what it gets to see.
    lay_out(tmp_path, trials=500, sleep=1.2)
    (tmp_path / "runs").mkdir()
    folder = tmp_path / RESULTS
    with served(tmp_path / "runs") as visitor:
        enter(browser, visitor)
        assert "There are no studies here yet" in text(browser, "main")
        browser.execute_script("window.kept = true")
        process = subprocess.Popen(
            command("run", "--plain"), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
        )
        try:
            wait(lambda: "running" in text(browser, ".card"))
            browser.execute_script("arguments[0].click()", _first(browser, ".card a"))
            browser.execute_script("window.kept = true")
            wait(lambda: "epoch" in text(browser, "#runs .last"))
            wait(lambda: "val_acc =" in text(browser, "#best"))
            trials = len(browser.find_elements("css selector", "#board .lines a"))
            wait(lambda: len(browser.find_elements("css selector", "#board .lines a")) > trials)
            assert text(browser, "#state .pill") == "running"
            assert ran(tmp_path, "stop").returncode == 0
            process.wait(PATIENCE_S)
            wait(lambda: text(browser, "#state .pill") == "stopped")
            history = read(folder)
            best = history.best()
            assert best is not None
            wait(lambda: f"{best.value:.5g}" in text(browser, "#best .headline"))
            wait(lambda: f"{len(history.trials)} of 500" in text(browser, "#state .facts"))
            assert "No run is going on." in text(browser, "#runs")
            assert browser.execute_script("return window.kept")
            quiet(browser)
        finally:
            process.kill()
            process.wait()


def _first(browser, selector: str):
    return browser.find_element("css selector", selector)


def test_a_log_grows_in_view(browser, tmp_path: Path) -> None:
    """What a run prints comes in by itself, as text; then the page says that the run has ended."""
    lay_out(tmp_path, trials=1, sleep=4.0)
    folder = tmp_path / RESULTS
    process = subprocess.Popen(
        command("run", "--plain"), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: (folder / "ledger.db").exists() and read(folder).launches > 0)
        with served(tmp_path / "runs") as visitor:
            enter(browser, visitor)
            path = f"/s/{visitor.key(folder)}/t/0/log/0.0"
            browser.get(f"http://{visitor.door.netloc}{path}")
            wait(lambda: "epoch 1" in text(browser, "#log"))
            assert text(browser, "#log-state") == "following"
            wait(lambda: "epoch 3" in text(browser, "#log"))
            wait(lambda: text(browser, "#log-state") == "the run has ended")
            quiet(browser)
    finally:
        process.kill()
        process.wait()


def test_a_person_steers_and_stops(browser, tmp_path: Path) -> None:
    """What is typed reaches the ledger and is shown with what became of it; a button stops."""
    lay_out(tmp_path, trials=500, sleep=0.5)
    folder = tmp_path / RESULTS
    process = subprocess.Popen(
        command("run", "--plain"), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: (folder / "ledger.db").exists() and read(folder).favoured())
        with served(tmp_path / "runs") as visitor:
            enter(browser, visitor)
            opened(browser, visitor, folder)
            box = _first(browser, "#wish")
            box.send_keys("try lr=0.25, depth=4")
            # What is typed outlives the changes around it.
            before = text(browser, "#state .facts")
            wait(lambda: text(browser, "#state .facts") != before)
            assert box.get_attribute("value") == "try lr=0.25, depth=4"
            _first(browser, "form.steer button").submit()
            wait(lambda: "Noted; it is trial" in text(browser, ".said"))
            history = read(folder)
            assert [wish.text for wish in history.wishes] == ["try lr=0.25, depth=4"]
            number = history.answers[history.wishes[0].request].number
            assert history.trials[number].configuration == {"lr": 0.25, "depth": 4}
            assert f"trial {number})" in text(browser, "#wishes")
            opened(browser, visitor, folder)
            _first(browser, "#stop button").click()
            wait(lambda: "Asked to stop" in text(browser, ".said"))
            assert process.wait(60) == 0
            wait(lambda: text(browser, "#state .pill") == "stopped")
            stops = [asked for _, asked in read(folder).requests if asked.what == "stop"]
            assert stops == [Request(what="stop", by="user")]
            quiet(browser)
    finally:
        process.kill()
        process.wait()


def test_a_person_ends_a_trial_early(browser, tmp_path: Path) -> None:
    """By the button of its page, with the keyboard; the page says whose wish it was."""
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    lay_out(tmp_path, trials=2, sleep=300.0)
    folder = tmp_path / RESULTS
    process = subprocess.Popen(
        command("run", "--plain"), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: (folder / "ledger.db").exists() and read(folder).launches == 2)
        with served(tmp_path / "runs") as visitor:
            enter(browser, visitor)
            browser.get(f"http://{visitor.door.netloc}/s/{visitor.key(folder)}/t/0")
            assert text(browser, "#result .pill") == "running"
            _first(browser, "#prune").send_keys(keys.ENTER)
            wait(lambda: "Asked to end trial 0 early" in text(browser, ".said"))
            wait(lambda: text(browser, "#result .pill") == "pruned")
            wait(lambda: "Stopped early: the user ended it" in text(browser, "#result"))
            assert not browser.find_elements("css selector", "#prune")
            history = read(folder)
            assert [trial.state for trial in history.trials] == ["pruned", "running"]
            assert [asked for _, asked in history.requests] == [
                Request(what="prune", trial=0, by="user")
            ]
            late = visitor.post(f"/s/{visitor.key(folder)}/prune", {"trial": "0"})
            assert late.status == 409
            assert "no run of trial 0 is going on" in late.text
            quiet(browser)
    finally:
        process.terminate()
        process.wait()


def strange(folder: Path) -> Path:
    """A study whose names, reasons, parameters and logs try to be more than text."""
    recorder = Recorder(folder, network_task(name=HOSTILE, description=HOSTILE))
    for number in range(6):
        values = {**DEFAULTS, HOSTILE: float(number)}
        proposal = Proposal(
            configuration=values,
            by=HOSTILE,
            rationale=HOSTILE,
            reasons={HOSTILE: HOSTILE},
            parent=0 if number else None,
        )
        run_network(recorder, recorder.launch(recorder.admit(proposal)))
    recorder.note(Request(what="note", by=HOSTILE, text=HOSTILE, trial=5))
    recorder.note(Request(what="steer", text=HOSTILE))
    recorder.close(sentence=HOSTILE)
    log = run_folder(folder, RunKey(5, 0, 0)) / "stdout.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{HOSTILE}\n")
    notebook = folder / "notebook"
    notebook.mkdir()
    for name in ("memory.md", "analysis.md"):
        link = "[x](javascript:alert(1)) ![y](http://evil.example/y.png) <http://evil.example>"
        (notebook / name).write_text(f"# {HOSTILE}\n\n{HOSTILE}\n\n{link}\n\n{HOSTILE}\n")
    return folder


@pytest.mark.parametrize("made", [strange, hostile], ids=["strange", "hostile"])
def test_injected_scripts_stay_text(
    browser, tmp_path: Path, made: Callable[[Path], object]
) -> None:
    """On no page do they run, make an element, lead elsewhere, or bother the policy."""
    folder = tmp_path / "bad"
    made(folder)
    with served(tmp_path) as visitor:
        enter(browser, visitor)
        opened(browser, visitor, folder)
        for page in ("/", *PAGES):
            if page == "/":
                browser.get(f"http://{visitor.door.netloc}/")
            elif "log" in page:
                browser.get(f"http://{visitor.door.netloc}/s/{visitor.key(folder)}/{page}")
                wait(lambda: "ended" in text(browser, "#log-state"))
            else:
                browser.get(f"http://{visitor.door.netloc}/s/{visitor.key(folder)}/{page}")
                wait(lambda: text(browser, "#link") == "live")
            if made is strange or "log" not in page:
                wait(lambda: "alert" in text(browser, "body"))
            images = browser.execute_script(
                "return [...document.images].map(i => i.getAttribute('src'))"
            )
            assert all(source.startswith("/s/") for source in images)
            foreign = browser.execute_script(
                "return [...document.scripts].filter(s => !s.src.startsWith(location.origin)"
                " || s.textContent).length"
                " + [...document.links].filter(a => a.origin !== location.origin).length"
            )
            assert foreign == 0, page
            quiet(browser)


def test_ten_thousand_trials_scroll(browser, tmp_path: Path) -> None:
    """Few rows are there at a time; the last of ten thousand is a scroll away; so is an order."""
    folder = tmp_path / "long"
    long_study(folder, trials=10_000)
    with served(tmp_path) as visitor:
        enter(browser, visitor)
        opened(browser, visitor, folder)

        def numbers() -> list[int]:
            cells = "return [...document.querySelectorAll('#board .lines a')].map(a => a.innerText)"
            return [int(number) for number in browser.execute_script(cells)]

        assert numbers()[0] == 999
        assert len(numbers()) < 60
        scroll = "const b = document.getElementById('board'); b.scrollTop = arguments[0]"
        for share in (0.2, 0.7, 0.4):
            browser.execute_script(f"{scroll} * b.scrollHeight", share)
            wait(lambda share=share: _seen(browser) and abs(_row(browser) / 10_000 - share) < 0.01)
        browser.execute_script(scroll, 10**9)
        wait(lambda: _seen(browser) and numbers()[-1] == 9000)
        assert len(numbers()) < 60
        _first(browser, "#board [data-order=number]").click()
        wait(lambda: numbers()[:3] == [0, 1, 2])
        _first(browser, "#board [data-order=number]").click()
        wait(lambda: numbers()[:3] == [9999, 9998, 9997])
        assert _first(browser, "#board [aria-sort=descending]").text.startswith("#")
        quiet(browser)


def _seen(browser) -> bool:
    """Whether all rows in view have come."""
    script = (
        "return [...document.querySelectorAll('#board .lines .line')].every(l => l.children[1])"
    )
    return browser.execute_script(script)


def _row(browser) -> int:
    """The number of the first row in view."""
    script = """
      const b = document.getElementById('board'), top = b.getBoundingClientRect().top;
      const seen = [...b.querySelectorAll('.lines .line')]
        .find(l => l.getBoundingClientRect().top >= top);
      return seen ? Number(seen.getAttribute('aria-rowindex')) : -1;
    """
    return browser.execute_script(script)


def test_a_keyboard_is_enough(browser, tmp_path: Path) -> None:
    """Tab leads to the skip link first and to every control, each with its focus in view."""
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    folder = with_a_log(tmp_path / "digits")
    with served(tmp_path) as visitor:
        enter(browser, visitor)
        opened(browser, visitor, folder)
        focus = (
            "const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.id || e.className || e.textContent, s.outlineStyle, s.outlineWidth]"
        )
        met = []
        for _ in range(60):
            browser.switch_to.active_element.send_keys(keys.TAB)
            name, style, width = browser.execute_script(focus)
            met.append(name)
            assert (style, width) == ("solid", "3px"), name
            if name == "wish":
                break
        assert met[0] == "skip"
        assert "board" in met
        assert met[-1] == "wish"
        browser.execute_script("document.querySelector('.skip').focus()")
        browser.switch_to.active_element.send_keys(keys.ENTER)
        assert browser.execute_script("return document.activeElement.id") == "main"
        quiet(browser)
