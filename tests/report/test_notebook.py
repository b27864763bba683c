"""What a notebook says, that it is a view of the ledger, and that it survives whatever happens."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.llm.servers import Calls, Request, final, serving
from tests.llm.tasks import agent
from tests.report.notebooks import Claimant, dial_task, dialled, ran, score, task
from tests.thoroughness import repeats
from trialwright.analysis import claims, memory
from trialwright.analysis.beliefs import Belief
from trialwright.analysis.blocks import course, due
from trialwright.analysis.steps import trends
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import LEDGER, History, read
from trialwright.ledger import SqliteLedger
from trialwright.records import Entry
from trialwright.report.notebook import recall, write
from trialwright.report.notebook.synthesis import synthesis
from trialwright.study import Study
from trialwright.task import Budget, Seeds

ROOT = Path(__file__).parents[2]


def pages(folder: Path) -> dict[str, str]:
    """Every file of a study's notebook by its name, but for the state."""
    notebook = folder / write.NOTEBOOK
    return {
        str(path.relative_to(notebook)): path.read_text()
        for path in sorted(notebook.rglob("*"))
        if path.is_file() and path.name != write.STATE
    }


def test_every_trial_is_in_one_block_and_every_block_in_the_notebook(tmp_path: Path) -> None:
    """Twelve trials in blocks of five are two and a rest; each leaves its configurations."""
    history = ran(task(trials=12), tmp_path)
    assert [(b.number, b.first, b.last) for b in history.blocks] == [
        (1, 0, 4), (2, 5, 9), (3, 10, 11),
    ]  # fmt: skip
    found = pages(tmp_path)
    assert set(found) == {
        *write.PAGES,
        *(f"block-0{n}/{name}" for n in (1, 2, 3) for name in ("best.yaml", "tried.yaml")),
    }
    for block in history.blocks:
        assert block.best is not None
        best = yaml.safe_load(found[f"block-0{block.number}/best.yaml"])
        assert best == dict(history.trials[block.best].configuration)
        tried = yaml.safe_load(found[f"block-0{block.number}/tried.yaml"])
        assert list(tried) == list(range(block.first, block.last + 1))


def test_without_blocks_nothing_is_written(tmp_path: Path) -> None:
    """A study file that asks for no notebook gets none."""
    history = ran(task(trials=4, block=None), tmp_path)
    assert not history.blocks
    assert not (tmp_path / write.NOTEBOOK).exists()


def test_a_block_waits_for_its_trials_only(tmp_path: Path) -> None:
    """It is due once all of its trials are judged, and says what happened in them."""
    history = ran(task(trials=7, block=None), tmp_path)
    first = due(history, size=4)
    assert first is not None
    assert (first.first, first.last) == (0, 3)
    assert due(history, size=8) is None
    rest = due(history, size=8, ending=True)
    assert rest is not None
    assert rest.last == 6
    assert rest.best == max(history.done(), key=lambda trial: trial.value or 0.0).number
    happened = course(history, rest)
    failed = [trial.number for trial in history.trials if trial.state == "failed"]
    assert (happened.done, happened.failed) == (7 - len(failed), len(failed))
    history.trials[2].verdict = None
    assert due(history, size=4) is None


def test_the_synthesis_tells_a_stranger_what_he_needs(tmp_path: Path) -> None:
    """The best settings, how sure that is, every block, what to do next; markup is inert."""
    history = ran(task(trials=15), tmp_path)
    text = (tmp_path / write.NOTEBOOK / "analysis.md").read_text()
    best = history.best()
    assert best is not None
    assert f"Trial {best.number} is the best of {len(history.done())} results" in text
    assert f"rate = {best.configuration['rate']:.4g}" in text
    parts = ("In short", "Questions", "Experiments", "Findings", "Surprises", "Next")
    places = [text.index(f"\n## {part}\n") for part in parts]
    assert places == sorted(places)
    for block in history.blocks:
        assert f"### Block {block.number}: trials {block.first} to {block.last}" in text
    assert "<b>" not in text.replace("\\<b>", "")
    assert "no trial has several seeds yet" in text


def test_many_blocks_are_told_in_short(tmp_path: Path) -> None:
    """Each has its row; only the latest have a paragraph."""
    history = ran(task(trials=16, block=None), tmp_path)
    while (block := due(history, size=2)) is not None:
        history.extend([Entry(history.sequence + 1, history.updated_at, block)])
    text = synthesis(history)
    assert all(f"\n| {block.number} | " in text for block in history.blocks)
    assert text.count("\n### Block ") == 6
    assert "### Block 8: " in text
    assert "### Block 2: " not in text


def test_the_log_can_be_continued_or_begun_again(tmp_path: Path) -> None:
    """What was appended block by block is what is written in one go; each decision is in it."""
    history = ran(task(trials=12), tmp_path)
    log = tmp_path / write.NOTEBOOK / write.LOG
    continued = log.read_text()
    assert continued.startswith("# Reasoning of small, begun 20")
    ledger = SqliteLedger(tmp_path / LEDGER)
    write.rewrite(history, ledger, tmp_path)
    assert log.read_text() == continued
    for trial in history.trials:
        assert trial.verdict is not None
        assert f"trial {trial.number} proposed by random" in continued
        assert f"trial {trial.number} {trial.verdict.status}" in continued
    assert "the session ended (budget): all 12 trials" in continued
    log.write_text(continued.replace("begun", "begun elsewhere,", 1))
    write.write(history, ledger, tmp_path)
    ledger.close()
    assert log.read_text() == continued


def test_the_log_tells_of_refusals(tmp_path: Path) -> None:
    """A wish for what is not in the space is refused, and the log says by what reason."""
    ran(task(trials=4), tmp_path)
    inbox = tmp_path / write.NOTEBOOK / write.INBOX
    inbox.write_text(f"{inbox.read_text()}try rate=7\n")
    longer = replace(task(trials=6), budget=Budget(trials=6))
    ran(longer, tmp_path)
    log = (tmp_path / write.NOTEBOOK / write.LOG).read_text()
    assert "a person wishes: try rate=7" in log
    assert "refused user: rate = 7" in log


def test_a_notebook_may_be_deleted(tmp_path: Path) -> None:
    """It is a view: what is written again, by a run or by hand, is what was there."""
    history = ran(task(trials=10), tmp_path)
    before = pages(tmp_path)
    shutil.rmtree(tmp_path / write.NOTEBOOK)
    ledger = SqliteLedger(tmp_path / LEDGER)
    write.rewrite(history, ledger, tmp_path)
    ledger.close()
    assert pages(tmp_path) == before
    (tmp_path / write.NOTEBOOK / "memory.md").unlink()
    again = ran(task(trials=10), tmp_path)
    assert len(again.trials) == 10
    assert (tmp_path / write.NOTEBOOK / "memory.md").read_text() == before["memory.md"]


def test_a_notebook_that_cant_be_written_ends_no_study(tmp_path: Path) -> None:
    """A file in its place costs the notebook, and the study says so."""
    (tmp_path / write.NOTEBOOK).write_text("in the way")
    history = ran(task(trials=6), tmp_path)
    assert len(history.trials) == 6
    assert next(n.text for n in history.notices if n.topic == "notebook").startswith(
        "the notebook can't be written"
    )


BLOCKED = """
import os, sys
from pathlib import Path
from tests.report.notebooks import score, task
from trialwright.execute.simulate import SimulatedRunner
from trialwright.study import Study

folder = Path(sys.argv[1])
pipe = folder / "notebook" / f".memory.md.{os.getpid()}.tmp"
def watch(history, event):
    # Whoever opens it for writing waits for a reader that never comes: the notebook stays undone.
    if event is not None and not pipe.exists():
        os.mkfifo(pipe)
Study(task(trials=9, block=4), folder, runner=SimulatedRunner(score)).run(watch)
"""
"""A study that comes to a halt between the end of its first block and the notebook."""


def test_killed_between_a_block_and_its_notebook(tmp_path: Path) -> None:
    """The block is in the ledger, its notebook is not; the next run writes it before it goes on."""
    child = subprocess.Popen([sys.executable, "-c", BLOCKED, str(tmp_path)], cwd=ROOT)
    try:
        while not _blocks(tmp_path) and child.poll() is None:
            time.sleep(0.02)
        assert child.poll() is None
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert "0 blocks" in (tmp_path / write.NOTEBOOK / write.STATE).read_text()
    assert write.behind(read(tmp_path), tmp_path)
    seen: list[str] = []

    def watch(history: History, event: object) -> None:
        del event
        if not seen and len(history.blocks) == 1:
            seen.append((tmp_path / write.NOTEBOOK / "analysis.md").read_text())

    with SimulatedRunner(score) as runner:
        history = Study(task(trials=9, block=4), tmp_path, runner=runner).run(watch)
    assert "### Block 1: trials 0 to 3" in seen[0]
    assert [block.number for block in history.blocks] == [1, 2, 3]
    assert not write.behind(history, tmp_path)


def _blocks(folder: Path) -> int:
    return len(read(folder).blocks) if (folder / LEDGER).exists() else 0


def belief(number: int, level: str = "established", parameter: str = "rate") -> Belief:
    """A belief whose words tell it from every other."""
    return Belief(
        text=f"Principle {number} of many holds",
        level=level,  # type: ignore[arg-type]
        by="test",
        parameters=(parameter,),
        bearing=tuple(range(number % 7 + 1)),
    )


@pytest.mark.parametrize("count", [3, 80, 900])
def test_established_principles_share_lines_rather_than_be_dropped(count: int) -> None:
    """All of them stand in the lines that there are, whatever their number."""
    held = [belief(i, parameter=f"p{i % 40}") for i in range(count)]
    lines = memory.principles(held, room=60)
    assert len(lines) <= 60
    text = "\n".join(lines)
    assert all(f"Principle {i} of many" in text for i in range(count))


def test_of_the_rest_what_says_least_goes_first() -> None:
    """Supported claims fill what room is left, in their order, and a line counts the others."""
    held = [belief(0), *(belief(i, "supported") for i in range(1, 90))]
    lines = memory.principles(held, room=20)
    assert len(lines) == 20
    assert "Principle 0 of many" in lines[0]
    assert "Principle 18 of many" in lines[18]
    assert lines[19] == "- (71 more supported claims that say less)"


def test_established_claims_are_principles(tmp_path: Path) -> None:
    """What later trials establish is in memory and synthesis with its evidence."""
    history = ran(dial_task(trials=120, block=60), tmp_path, proposer=Claimant(), function=dialled)
    sure = [one for one in claims.standings(history) if one.status == "established"]
    assert len(sure) >= 6
    for page in ("memory.md", "analysis.md"):
        text = (tmp_path / write.NOTEBOOK / page).read_text()
        for one in sure:
            assert one.claim.text in text
    found = {trend.parameter: trend.favours for trend in trends(history)}
    assert found["dial_7"] == "higher"
    assert found["dial_0"] == "lower"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_keeps_its_bound_and_its_principles_over_many_trials(tmp_path: Path) -> None:
    """After every block at most 200 lines, and every claim that code calls established is there."""
    counts: list[int] = []

    def watch(history: History, event: object) -> None:
        del event
        if len(history.blocks) > len(counts):
            text = (tmp_path / write.NOTEBOOK / "memory.md").read_text()
            assert len(text.splitlines()) <= recall.LINES
            sure = [one for one in claims.standings(history) if one.status == "established"]
            assert all(one.claim.text in text for one in sure)
            counts.append(len(sure))

    trials = repeats(500, 2000)
    with SimulatedRunner(dialled, slots=2) as runner:
        study = Study(
            dial_task(trials=trials, block=trials // 5),
            tmp_path,
            runner=runner,
            proposer=Claimant(),
        )
        history = study.run(watch)
    assert len(history.trials) == trials
    assert len(counts) == 5
    assert counts[-1] == 8


def test_a_models_summary_of_a_block_is_held_against_the_record(tmp_path: Path) -> None:
    """Its words stand below the block's facts, under its name; a number not so is struck."""

    def move(_: int, request: Request) -> Calls:
        if "A block of its trials has ended" in request.text:
            said = "The rate mattered most here. Trial 0 reached 0.12345678 at once."
            return Calls("final_result", {"summary": said})
        if "Write its final" in request.text:
            return Calls("final_result", {"analysis": "Nothing more can be said."})
        return final()

    with serving("openai", move, creator_only=False) as server:
        team = ("random", agent(server))
        history = ran(task(trials=8, block=4, team=team), tmp_path)
        asked = [one.text for one in server.requests if "A block of its trials" in one.text]
    assert sorted(history.summaries) == [1, 2]
    assert all("trials 0 to 3" in text or "trials 4 to 7" in text for text in asked)
    assert history.analysis is not None
    assert history.analysis.block is None
    page = (tmp_path / write.NOTEBOOK / "analysis.md").read_text()
    assert page.count("> The rate mattered most here.") == 2
    assert "0.12345678" not in page
    assert history.summaries[1].struck


def test_instructions_take_effect_while_the_study_runs(tmp_path: Path) -> None:
    """The text is in the ledger from the start, and again as soon as somebody changes it."""
    notes = tmp_path / "notes.txt"
    notes.write_text("Leave the width alone.\n")
    what = task(trials=40, block=40, instructions="notes.txt", folder=str(tmp_path))
    told: list[str] = []

    def watch(history: History, event: object) -> None:
        del event
        if history.instructions not in told:
            told.append(history.instructions)
        if len(history.trials) == 3:
            notes.write_text("Try wide ones.\n")

    def slow(configuration: dict[str, object], seed: int) -> float:
        if "Try" in notes.read_text() and len(told) == 1:
            time.sleep(0.1)
        return score(configuration, seed)  # type: ignore[arg-type]

    with SimulatedRunner(slow) as runner:  # type: ignore[arg-type]
        history = Study(what, tmp_path / "results", runner=runner).run(watch)
    assert told == ["Leave the width alone.", "Try wide ones."]
    log = (tmp_path / "results" / write.NOTEBOOK / write.LOG).read_text()
    assert "instructions: Leave the width alone." in log
    assert "instructions: Try wide ones." in log
    assert history.instructions == "Try wide ones."


def test_noise_and_seeds_stand_in_memory(tmp_path: Path) -> None:
    """With several seeds the noise is a number; without, it is said to be unknown."""
    history = ran(task(trials=5, seeds=Seeds(screen=2)), tmp_path)
    assert "Noise over seeds (sd): 0.0" in recall.memory_page(history)
    single = ran(task(trials=5), tmp_path / "single")
    assert "The noise over seeds is not known" in recall.memory_page(single)
    assert (tmp_path / write.NOTEBOOK / "ucb_scores.tsv").stat().st_size > 0
