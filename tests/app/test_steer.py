"""What a person says to a study: by the shell, by the inbox, as words and as trials."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app.commands import lay_out, ran
from tests.app.started import Started
from tests.report.notebooks import ran as simulated
from tests.report.notebooks import score, task
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History, read
from trialwright.records import Admission, Refusal
from trialwright.report.notebook import inbox, write
from trialwright.steering import wished
from trialwright.study import Study

RESULTS = Path("runs") / "toy"
PATIENCE_S = 60.0


def fine(answer: subprocess.CompletedProcess[str]) -> None:
    """Hold a command to having done its work."""
    assert answer.returncode == 0, answer.stderr


def notebook(folder: Path, name: str) -> str:
    """A file of the notebook of the study in `folder`."""
    return (folder / write.NOTEBOOK / name).read_text()


def until(true: Callable[[], bool]) -> None:
    """Wait for something that a study does on its own."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def with_blocks(folder: Path, *, trials: int, sleep: float = 0.0) -> Path:
    """A study of the shell that keeps a notebook; its file."""
    lay_out(folder, trials=trials, sleep=sleep)
    file = folder / "study.yaml"
    file.write_text(f"{file.read_text()}block: 2\n")
    return file


def test_a_wish_is_kept_and_shown(tmp_path: Path) -> None:
    """Before any run, and after: it is in the ledger, and then in inbox, synthesis and memory."""
    with_blocks(tmp_path, trials=2)
    answer = ran(tmp_path, "steer", "  look at\nsmall rates  ")
    fine(answer)
    assert "noted" in answer.stdout
    assert [wish.text for wish in read(tmp_path / RESULTS).wishes] == ["look at small rates"]
    fine(ran(tmp_path, "run"))
    fine(ran(tmp_path, "steer", "then rest", "--json"))
    assert "- [x] look at small rates (taken in 20" in notebook(tmp_path / RESULTS, "inbox.md")
    assert "- [x] then rest (taken in 20" in notebook(tmp_path / RESULTS, "inbox.md")
    fine(ran(tmp_path, "notebook"))
    for page in ("analysis.md", "memory.md"):
        text = notebook(tmp_path / RESULTS, page)
        assert text.index("then rest") < text.index("look at small rates")


def test_a_wished_trial_is_run(tmp_path: Path) -> None:
    """It is admitted at once under the user's name, and is the first that the next run starts."""
    with_blocks(tmp_path, trials=2)
    answer = ran(tmp_path, "steer", "Try lr=0.25, depth=5", "--json")
    fine(answer)
    assert json.loads(answer.stdout) == {"wish": "Try lr=0.25, depth=5", "trial": 0}
    fine(ran(tmp_path, "run"))
    trial = read(tmp_path / RESULTS).trials[0]
    assert trial.proposal.by == "user"
    assert dict(trial.configuration) == {"lr": 0.25, "depth": 5}
    assert trial.value is not None
    assert "(taken in 20" in notebook(tmp_path / RESULTS, "inbox.md")
    assert "; trial 0)" in notebook(tmp_path / RESULTS, "inbox.md")


@pytest.mark.parametrize(
    ("wish", "reason"),
    [("try lr=900", "lr = 900"), ("try speed=3", "speed"), ("try lr=quick", "lr = 'quick'")],
)
def test_what_cant_be_tried_is_refused_with_a_reason(
    tmp_path: Path, wish: str, reason: str
) -> None:
    """Outside the space, unknown, of the wrong kind: no trial, and the answer says why."""
    with_blocks(tmp_path, trials=2)
    answer = ran(tmp_path, "steer", wish, "--json")
    fine(answer)
    (fault, *_) = json.loads(answer.stdout)["faults"]
    assert reason in fault
    assert not read(tmp_path / RESULTS).trials


def test_an_empty_wish_is_an_error(tmp_path: Path) -> None:
    """There is nothing to take in."""
    with_blocks(tmp_path, trials=2)
    answer = ran(tmp_path, "steer", "  ")
    assert answer.returncode == 2
    assert "a wish has words" in answer.stderr


def test_the_inbox_is_read_while_the_study_runs(tmp_path: Path) -> None:
    """A line that a person writes is ticked, a trial in it is run, all in the same session."""
    with_blocks(tmp_path, trials=40, sleep=0.6)
    results = tmp_path / RESULTS
    process = Started(tmp_path, "run", "--plain", file=tmp_path / "said")
    try:
        until((results / write.NOTEBOOK / "inbox.md").exists)
        path = results / write.NOTEBOOK / "inbox.md"
        path.write_text(f"{path.read_text()}\nleave the depth alone\n- [ ] try lr=0.31\n")
        until(lambda: path.read_text().count("- [x] ") == 2)
        until(lambda: any(trial.proposal.by == "user" for trial in read(results).trials))
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
    history = read(results)
    assert [wish.text for wish in history.wishes] == ["leave the depth alone", "try lr=0.31"]
    (trial,) = [trial for trial in history.trials if trial.proposal.by == "user"]
    assert trial.configuration["lr"] == 0.31


def test_a_tick_changes_nothing_else(tmp_path: Path) -> None:
    """What a person wrote between the wishes stays, and a wish is taken in once."""
    history = simulated(task(trials=4), tmp_path)
    path = tmp_path / write.NOTEBOOK / "inbox.md"
    head = path.read_text()
    path.write_text(f"{head}\n## For Monday\n\n* be bold\n- [x] done by hand\n> an aside\n")
    history = simulated(task(trials=5), tmp_path)
    assert [wish.text for wish in history.wishes] == ["be bold"]
    lines = path.read_text().splitlines()
    assert lines[: len(head.splitlines())] == head.splitlines()
    assert lines[-5:-3] == ["## For Monday", ""]
    assert lines[-3].startswith("- [x] be bold (taken in 20")
    assert lines[-2:] == ["- [x] done by hand", "> an aside"]
    again = simulated(task(trials=6), tmp_path)
    assert len(again.wishes) == 1
    assert path.read_text().splitlines() == lines


def test_a_huge_inbox_is_not_written_over(tmp_path: Path) -> None:
    """What can't be read whole is left as it is, and only so many wishes are taken at a time."""
    simulated(task(trials=4), tmp_path)
    path = tmp_path / write.NOTEBOOK / "inbox.md"
    text = "".join(f"wish {i} of far too many\n" for i in range(9_000))
    path.write_text(text)
    history = simulated(task(trials=5), tmp_path)
    assert path.read_text() == text
    assert history.wishes
    assert len(history.wishes) % inbox.MOST == 0


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("try rate=0.4", {"rate": 0.4}),
        ("Try: rate = 1e-1 and kind=dart", {"rate": 0.1, "kind": "dart"}),
        ('try kind="tree"; width=1', {"kind": "tree", "width": 1}),
        ("try rate=0.4 width=.5", {"rate": 0.4, "width": 0.5}),
    ],
)
def test_a_trial_is_read_without_guessing(
    tmp_path: Path, text: str, change: dict[str, Scalar]
) -> None:
    """Settings with commas, semicolons or blanks between them; the rest is the best trial's."""
    history = simulated(task(trials=3, block=None), tmp_path)
    best = history.best()
    proposal = wished(text, history)
    assert best is not None
    assert proposal is not None
    assert dict(proposal.configuration) == {**best.configuration, **change}
    assert proposal.parent == best.number


@pytest.mark.parametrize(
    "text", ["try smaller rates", "rate=0.4", "do not try rate=0.4", "try rate=0.4 if you can", ""]
)
def test_anything_else_is_only_words(tmp_path: Path, text: str) -> None:
    """Code acts on no sentence, however near it comes to a trial."""
    history = simulated(task(trials=1, block=None), tmp_path)
    assert wished(text, history) is None


def test_a_wish_is_answered_once_through_kill_and_resume(tmp_path: Path) -> None:
    """A wished trial whose session ended is not offered again by the next."""
    with SimulatedRunner(score) as runner:
        study = Study(task(trials=6, block=3), tmp_path, runner=runner)

        def watch(history: History, event: object) -> None:
            del event
            if len(history.trials) == 2 and not history.wishes:
                path = tmp_path / write.NOTEBOOK / "inbox.md"
                path.write_text(f"{path.read_text()}try rate=0.123\n")
                study.stop()

        study.run(watch)
        first = study.run()
        second = Study(task(trials=6, block=3), tmp_path, runner=runner).run()
    assert [trial.configuration["rate"] for trial in first.trials].count(0.123) == 1
    assert len(second.wishes) == 1
    answers = [answer for answer in second.answers.values() if isinstance(answer, Admission)]
    assert len(answers) == 1
    assert not [answer for answer in second.answers.values() if isinstance(answer, Refusal)]


def test_the_command_writes_a_deleted_notebook(tmp_path: Path) -> None:
    """Also of a study that asked for none; a study that is not there is an error."""
    lay_out(tmp_path, trials=2)
    answer = ran(tmp_path, "notebook")
    assert answer.returncode == 2
    fine(ran(tmp_path, "run"))
    answer = ran(tmp_path, "notebook", "--json")
    fine(answer)
    document = json.loads(answer.stdout)
    assert set(document["files"]) == set(write.PAGES)
    assert all((Path(document["notebook"]) / name).exists() for name in document["files"])


def test_a_wish_without_words_is_no_wish() -> None:
    """Whatever a terminal could take for a command is gone before it is kept."""
    assert inbox.cleaned(" \x1b[31m \n ") == ""
