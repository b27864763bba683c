"""The written reports: at every stage of a study, at every size, and with hostile text in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.histories import DEFAULTS, NETWORK, Recorder, network_task, run_network, study_history
from trialwright.history import History
from trialwright.records import Hypothesis, Observation, Proposal
from trialwright.report.markdown import code, fenced, text
from trialwright.report.write import write

HOSTILE = (
    "</script><script>alert('x')</script><img src=x onerror=alert(1)> {{ 7*7 }} |`*_ \x1b[2J\u202e"
)


class Elements(HTMLParser):
    """Collects the elements and attributes of a page, and its text outside scripts and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._silent = False
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag) -> None:
        self._silent = False

    def handle_data(self, data) -> None:
        self.text += "" if self._silent else data


def stages(folder: Path, stage: str) -> History:
    """A history as it stands at a stage of a study."""
    recorder = Recorder(folder, network_task())
    if stage == "opened":
        return recorder.close(sentence=None)
    trial = recorder.admit(Proposal(configuration=DEFAULTS, by="expert", rationale="first"))
    if stage == "queued":
        return recorder.close(sentence=None)
    key = recorder.launch(trial)
    if stage == "running":
        return recorder.close(sentence=None)
    if stage == "all failed":
        recorder.observe(Observation(run=key, outcome="failed", cause="other", detail="boom"))
        return recorder.close()
    run_network(recorder, key)
    if stage == "mid-run":
        second = {**DEFAULTS, "hidden": 128}
        recorder.launch(recorder.admit(Proposal(configuration=second, by="gp", parent=0)))
    return recorder.close(sentence=None)


@pytest.mark.parametrize(
    "stage", ["opened", "queued", "running", "all failed", "one trial", "mid-run"]
)
def test_reports_at_every_stage(tmp_path: Path, stage: str) -> None:
    """A report can be written from the first record on, and holds every trial."""
    history = stages(tmp_path, stage)
    path = write(history, tmp_path)
    page = Elements(path.read_text())
    assert path == tmp_path / "report.html"
    assert sum(a.get("class") == "row" for _, a in page.tags) == len(history.trials)
    assert (tmp_path / "report.md").read_text().startswith("# digits\n")
    assert not list(tmp_path.glob(".report*"))


def test_page_needs_nothing_else(tmp_path: Path) -> None:
    """The page loads nothing: no element names an address, and its policy forbids it."""
    page = Elements(write(study_history(tmp_path, trials=12), tmp_path).read_text())
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        assert (attributes.get("href") or "data:").startswith(("data:", "#")), tag
    policies = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none'")
    assert "unsafe-eval" not in policies[0]


def hostile(folder: Path) -> History:
    """A study in which every text from outside tries to be more than text."""
    task = network_task(name=HOSTILE, description=HOSTILE, command=("echo", HOSTILE))
    recorder = Recorder(folder, task)
    for number in range(8):
        proposal = Proposal(
            configuration=NETWORK.canonical({**DEFAULTS, "hidden": 30 + 10 * number}),
            by=HOSTILE,
            rationale=HOSTILE,
            reasons={"hidden": HOSTILE},
            hypothesis=Hypothesis(claim=HOSTILE, expects="better", against=0) if number else None,
        )
        key = recorder.launch(recorder.admit(proposal))
        if number % 3 == 2:
            recorder.observe(
                Observation(
                    run=key,
                    outcome="failed",
                    cause="other",
                    detail=HOSTILE,
                    log_tail=f"````\n{HOSTILE}\n````",
                    warnings=(HOSTILE,),
                )
            )
        else:
            run_network(recorder, key)
    return recorder.close(sentence=HOSTILE)


def test_hostile_text_stays_text_in_html(tmp_path: Path) -> None:
    """What looks like markup in names, rationales and logs makes no element and is not computed."""
    content = write(hostile(tmp_path), tmp_path).read_text()
    page = Elements(content)
    assert "img" not in {tag for tag, _ in page.tags}
    kinds = [a.get("type", "script") for tag, a in page.tags if tag == "script"]
    assert kinds.count("script") == 2
    assert "alert('x')" in page.text
    assert "49" not in re.findall(r"alert\(1\)>\s*(\S+)", page.text)
    assert "\x1b" not in content
    assert "\u202e" not in content


def test_hostile_text_stays_text_in_markdown(tmp_path: Path) -> None:
    """Outside fences no angle bracket is bare; every table row has as many cells as its head."""
    write(hostile(tmp_path), tmp_path)
    content = (tmp_path / "report.md").read_text()
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", content, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside
    assert "<img" not in outside
    table = outside.split("## Every trial")[1]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    trials = [len(re.findall(r"(?<!\\)\|", row)) for row in rows if re.match(r"\| (\d+|#) ", row)]
    assert len(trials) == 9
    assert set(trials) == {7}


def test_the_table_of_trials_names_parents_in_both_reports(tmp_path: Path) -> None:
    """What changed is told with the trial that it was changed from."""
    history = study_history(tmp_path)
    children = [t for t in history.trials[:40] if t.number and t.proposal.parent is not None]
    assert children
    write(history, tmp_path)
    lines = (tmp_path / "report.md").read_text().split("## Every trial")[1].splitlines()
    page = (tmp_path / "report.html").read_text()
    for trial in children:
        line = next(one for one in lines if one.startswith(f"| {trial.number} |"))
        assert f" (from {trial.proposal.parent}) |" in line
        assert f"<small>from {trial.proposal.parent}</small>" in page


def test_markdown_escapes() -> None:
    """Fences are longer than any run of ticks in them; text loses its meaning as markup."""
    assert code("a`b") == "`` a`b ``"
    assert fenced("```\nx") == "````text\n```\nx\n````"
    assert text("# *a* [b](c)") == r"\# \*a\* \[b\](c)"


@pytest.mark.slow
def test_large_studies_stay_usable(tmp_path: Path) -> None:
    """At 10,000 trials the page stays below 8 MB, and its table has the best and the latest."""
    history = study_history(tmp_path, trials=10_000)
    path = write(history, tmp_path)
    assert path.stat().st_size < 8_000_000
    page = Elements(path.read_text())
    numbers = [a["id"] for _, a in page.tags if (a.get("id") or "").startswith("trial-")]
    best = history.best()
    assert best is not None
    assert len(numbers) <= 400
    assert {"trial-0", f"trial-{best.number}", "trial-9999"} <= set(numbers)
    assert (tmp_path / "report.md").stat().st_size < 100_000


def test_a_value_far_off_does_not_flatten_the_figure(tmp_path: Path) -> None:
    """One result of a billion is drawn at the edge, and the reading says so."""
    task = network_task(direction="minimize")
    recorder = Recorder(tmp_path, task)
    for number in range(10):
        proposal = Proposal(configuration={**DEFAULTS, "hidden": 40 + number}, by="random")
        key = recorder.launch(recorder.admit(proposal))
        value = 1e9 if number == 4 else 0.5 - 0.01 * number
        recorder.observe(Observation(run=key, outcome="done", value=value))
    page = Elements(write(recorder.close(), tmp_path).read_text())
    assert "Far worse results (1) are drawn at the edge." in page.text


def test_writing_again_replaces_the_report(tmp_path: Path) -> None:
    """A second report of the same history is the same file, byte for byte."""
    history = study_history(tmp_path, trials=6)
    first = write(history, tmp_path).read_bytes()
    assert write(history, tmp_path).read_bytes() == first
