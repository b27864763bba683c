"""The tree of trials as text, as a table, as data, and as a picture that can be read."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.app.commands import ran
from tests.browsing import MARKS, chromium
from tests.histories import Recorder, network_task
from tests.propose.proposer_conformance import MIXED, ONE, Journal, smooth, task_of
from tests.report.test_write import HOSTILE
from trialwright.analysis.compare import judge
from trialwright.analysis.ucb import nodes
from trialwright.history import History
from trialwright.records import Observation, Proposal, RunKey
from trialwright.report.branches import svg
from trialwright.report.tree import COLUMNS, document, grown, lines, reading, scores_tsv
from trialwright.report.write import write, write_tree
from trialwright.space import Choice, Float, Space
from trialwright.task import Budget, Objective, Task, Ucb

SVG = "{http://www.w3.org/2000/svg}"


def bushy(trials: int, *, deep: float = 0.5, space: Space = MIXED) -> History:
    """A study whose trials change one parameter of an earlier one; some fail, two are going on.

    `deep`: how often the parent is the latest trial with a value, rather than any.
    """
    journal = Journal(task_of(space))
    rng = np.random.default_rng(trials)
    first = space.sample(rng)
    journal.ended(Proposal(configuration=first, by="tree", rationale="first"), 0.0)
    journal.note(judge(journal.history.trials[0], journal.history))
    while len(journal.history.trials) < trials:
        done = journal.history.done()
        parent = done[-1] if rng.random() < deep else done[int(rng.integers(len(done)))]
        values = dict(parent.configuration)
        name = space.names[int(rng.integers(len(space.names)))]
        values[name] = space[name].from_unit(float(rng.random()))
        if journal.history.seen(values, code=journal.history.code) is not None:
            continue
        proposal = Proposal(configuration=values, by="tree", parent=parent.number)
        if len(journal.history.trials) >= trials - 2:
            journal.pending(proposal)
            continue
        value = None if rng.random() < 0.1 else smooth(journal.task, values)
        journal.ended(proposal, value)
        journal.note(judge(journal.history.trials[-1], journal.history))
    return journal.history


def small() -> History:
    """Three trials with results below each other, one failed, one going on."""
    journal = Journal(task_of(ONE))
    for x, value, parent in ((0.0, 0.5, None), (0.1, 0.8, 0), (0.2, 0.3, 1), (0.3, None, 0)):
        proposal = Proposal(configuration={"x": x}, by="tree", parent=parent)
        journal.ended(proposal, value)
        journal.note(judge(journal.history.trials[-1], journal.history))
    journal.pending(Proposal(configuration={"x": 0.4}, by="tree", parent=1))
    return journal.history


def test_the_text_says_who_hangs_on_whom_with_scores() -> None:
    """Siblings have marks, an only child stands below its parent, numbers are the formula's."""
    printed = list(lines(grown(small()), metric="score"))
    assert [re.sub(r"\(.*?\) ", "", line) for line in printed[2:]] == [
        "0: 0.5 the first",
        "├ 1: 0.8 x 0 → 0.1  <- best",
        "│ ├ 2: 0.3 x 0.1 → 0.2  <- highest score",
        "│ └ 4: going x 0.1 → 0.4",
        "└ 3: failed x 0 → 0.3",
    ]
    # ln 5 = 1.609438; trial 1 has three trials in its branch.
    assert "(2.036 = 1.000 + 1.036, n = 3)" in printed[3]


def test_a_long_chain_stays_in_the_page() -> None:
    """Fifty trials, each made from the one before, take no more columns than one."""
    printed = list(lines(grown(bushy(50, deep=1.0, space=ONE)), metric="score"))
    assert max(len(line) - len(line.lstrip("│├└ ")) for line in printed) < 30


def test_the_table_of_scores_is_ranked_and_complete() -> None:
    """A row per trial, the highest score first, those that go on last; numbers as computed."""
    history = bushy(40)
    head, *rows = scores_tsv(history).splitlines()
    assert tuple(head.split("\t")) == COLUMNS
    cells = [dict(zip(COLUMNS, row.split("\t"), strict=True)) for row in rows]
    assert sorted(int(cell["trial"]) for cell in cells) == list(range(40))
    scores = [float(cell["score"]) for cell in cells if cell["score"]]
    assert scores == sorted(scores, reverse=True)
    assert [cell["state"] for cell in cells[-2:]] == ["going", "going"]
    computed = {node.number: node for node in nodes(history, Ucb())}
    for cell in cells[:-2]:
        node = computed[int(cell["trial"])]
        assert float(cell["score"]) == pytest.approx(node.score, rel=1e-5)
        assert float(cell["reward"]) + float(cell["bonus"]) == pytest.approx(node.score, rel=1e-5)


def test_the_document_holds_every_trial_with_what_changed() -> None:
    """The JSON can be read without us: parents, states, changes, and who is next."""
    told = json.loads(json.dumps(document(small())))
    assert (told["best"], told["next"], told["way"]) == (1, 2, [0, 1])
    assert [node["parent"] for node in told["nodes"]] == [None, 0, 1, 0, 1]
    assert told["nodes"][2]["changed"] == [{"parameter": "x", "before": "0.1", "after": "0.2"}]
    assert told["nodes"][4]["score"] is None


def test_the_sentence_names_the_way_to_the_best() -> None:
    """It can be read without the picture."""
    said = reading(grown(small()))
    assert "The best, trial 1, was reached in 1 step: 0 → 1." in said
    assert "Trial 2 has the highest score" in said


@pytest.mark.parametrize("trials", [1, 3, 10, 60, 61, 500])
def test_the_picture_has_a_mark_per_trial_and_its_number(trials: int) -> None:
    """Well-formed, with one shape, number and tip per trial, and a line per parent."""
    history = bushy(trials) if trials > 2 else first_only()
    root = ET.fromstring(svg(history, grown(history)))
    drawn = [group for group in root.iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    numbers = sorted(int(group.findtext(f"{SVG}text") or -1) for group in drawn)
    assert numbers == list(range(trials))
    assert len(list(root.iter(f"{SVG}path"))) == trials - 1


def first_only() -> History:
    """A study with one result."""
    journal = Journal(task_of(ONE))
    journal.ended(Proposal(configuration={"x": 0.0}, by="tree"), 0.5)
    return journal.history


def test_a_very_large_tree_is_thinned_to_what_tells_most() -> None:
    """Of 1,500 trials the best is drawn, and all above what is drawn; the rest is counted."""
    history = bushy(1500)
    tree = grown(history)
    root = ET.fromstring(svg(history, tree))
    drawn = {
        int(group.findtext(f"{SVG}text") or -1)
        for group in root.iter(f"{SVG}g")
        if group.find(f"{SVG}title") is not None
    }
    assert 300 < len(drawn) < 1300
    assert set(tree.way) <= drawn
    assert {tree.branches[number].parent for number in drawn} <= drawn | {None}
    title = next(text.text or "" for text in root.iter(f"{SVG}text"))
    assert f"({1500 - len(drawn)} not drawn)" in title


def test_better_trials_have_lighter_colours() -> None:
    """The colour follows the rank of the objective, also of a loss."""
    for direction in ("maximize", "minimize"):
        journal = Journal(task_of(ONE, direction=direction))  # type: ignore[arg-type]
        sign = 1 if direction == "maximize" else -1
        for i in range(4):
            parent = None if i == 0 else 0
            proposal = Proposal(configuration={"x": i / 10}, by="tree", parent=parent)
            journal.ended(proposal, sign * float(i))
        root = ET.fromstring(svg(journal.history, grown(journal.history)))
        drawn = [group for group in root.iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]
        fills = {
            int(group.findtext(f"{SVG}text") or -1): next(group.iter(f"{SVG}circle")).get("fill")
            for group in drawn
        }
        lightness = [brightness(str(fills[i])) for i in range(4)]
        assert lightness == sorted(lightness)
        assert len(set(lightness)) == 4


def brightness(colour: str) -> float:
    """How light a colour is, roughly."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.3 * red + 0.6 * green + 0.1 * blue


def hostile() -> History:
    """A tree whose options, proposers and metric are markup."""
    space = Space((Choice("option", ("plain", HOSTILE)), Float("x", 0.0, 1.0)))
    task = Task(name="t", objective=Objective(metric=f"a{HOSTILE}"), space=space, team=("tree",))
    journal = Journal(task)
    start = {"option": "plain", "x": 0.5}
    journal.ended(Proposal(configuration=start, by=HOSTILE[:60]), 0.5)
    journal.ended(
        Proposal(configuration={**start, "option": HOSTILE}, by=HOSTILE[:60], parent=0), 0.7
    )
    return journal.history


def test_hostile_text_stays_text() -> None:
    """No element comes of a study's own words, in the picture or in the terminal."""
    history = hostile()
    root = ET.fromstring(svg(history, grown(history)))
    known = {
        "svg",
        "title",
        "rect",
        "text",
        "defs",
        "linearGradient",
        "stop",
        "path",
        "circle",
        "g",
    }
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= known
    assert "\x1b" not in "".join(lines(grown(history), metric="m"))
    assert scores_tsv(history).count("\n") == 3


def team_study(folder: Path, *, team: tuple[str, ...], trials: int = 12) -> History:
    """A recorded study of this team."""
    task = replace(network_task(), team=team, budget=Budget(trials=trials))  # type: ignore[arg-type]
    recorder = Recorder(folder, task)
    rng = np.random.default_rng(0)
    parent: int | None = None
    for number in range(trials):
        configuration = task.space.sample(rng)
        trial = recorder.admit(Proposal(configuration=configuration, by="tree", parent=parent))
        key: RunKey = recorder.launch(trial)
        recorder.observe(Observation(run=key, outcome="done", value=float(rng.random())))
        parent = number // 2
    return recorder.close()


def test_files_are_written_where_the_team_has_a_tree(tmp_path: Path) -> None:
    """Picture and data stand in `tree/`, the picture in the report; no trace of them elsewhere."""
    history = team_study(tmp_path / "with", team=("tree",))
    page = write(history, tmp_path / "with").read_text()
    assert 'id="tree"' in page
    ET.parse(tmp_path / "with" / "tree" / "tree.svg")
    told = json.loads((tmp_path / "with" / "tree" / "tree.json").read_text())
    assert told["trials"] == 12
    history = team_study(tmp_path / "without", team=("expert",))
    page = write(history, tmp_path / "without").read_text()
    assert 'id="tree"' not in page
    assert not (tmp_path / "without" / "tree").exists()
    assert write_tree(history, tmp_path / "without").is_file()


def test_the_command_prints_and_draws_any_study(tmp_path: Path) -> None:
    """Whoever proposed: as text, as JSON, and with `--draw` as files; without it nothing is new."""
    history = team_study(tmp_path / "study", team=("expert",))
    answer = ran(tmp_path, "tree", "study")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == list(lines(grown(history), metric="val_accuracy"))
    assert not (tmp_path / "study" / "tree").exists()
    answer = ran(tmp_path, "tree", "--study", "study", "--draw", "--json")
    assert json.loads(answer.stdout) == document(history)
    assert (tmp_path / "study" / "tree" / "tree.svg").read_text() == svg(history, grown(history))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Chromium with a fresh profile."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


OVERLAPS = """
const boxes = [...document.querySelectorAll('text, circle, svg > g > g > rect')]
  .filter(e => e.getAttribute('fill') !== 'none')
  .map(e => [e, e.getBoundingClientRect()]);
const found = [];
for (let i = 0; i < boxes.length; i++)
  for (let j = i + 1; j < boxes.length; j++) {
    const [a, p] = boxes[i], [b, q] = boxes[j];
    if (a.parentNode === b.parentNode && a.parentNode.querySelector('title') &&
        a.parentNode.tagName === 'g') continue;
    const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (wide > 2 && high > 4) found.push([a.textContent, b.textContent, wide, high]);
  }
return found;
"""
"""Pairs of texts and marks that cover each other by more than what the eye forgives."""


class TestInABrowser:
    """What Chromium draws."""

    pytestmark = MARKS

    @pytest.mark.parametrize("trials", [10, 500])
    @pytest.mark.parametrize("deep", [0.2, 0.9])
    def test_nothing_covers_anything_else(
        self, browser, tmp_path: Path, trials: int, deep: float
    ) -> None:
        """At 10 and at 500 trials, bushy or deep, all texts and marks stand clear of each other."""
        history = bushy(trials, deep=deep)
        path = tmp_path / "tree.svg"
        path.write_text(svg(history, grown(history)))
        browser.get(path.as_uri())
        assert browser.execute_script(OVERLAPS) == []
        size = "return document.documentElement.getAttribute(arguments[0])"
        width, height = (float(browser.execute_script(size, name)) for name in ("width", "height"))
        inside = (
            "return [...document.querySelectorAll('text')].every(e => {"
            "const b = e.getBoundingClientRect(), s = document.documentElement"
            ".getBoundingClientRect(); return b.right - s.left <= arguments[0] &&"
            " b.bottom - s.top <= arguments[1] && b.left >= s.left})"
        )
        assert browser.execute_script(inside, width, height)

    def test_it_stands_in_the_report_and_scrolls_within_it(self, browser, tmp_path: Path) -> None:
        """On a phone the page is as wide as the phone; hostile words complain of nothing."""
        screen = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        for name, history in (
            ("plain", team_study(tmp_path / "plain", team=("tree",), trials=40)),
            ("hostile", hostile()),
        ):
            (tmp_path / name).mkdir(exist_ok=True)
            browser.get(write(history, tmp_path / name).as_uri())
            drawn = "return document.querySelectorAll('#tree svg circle').length"
            assert browser.execute_script(drawn) > len(history.trials)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
            assert browser.execute_script("return document.querySelectorAll('img').length") == 0
            assert browser.get_log("browser") == []
