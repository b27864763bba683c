"""How code came about: the lineage as a graph, and the story that a report tells of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.histories import study_history
from tests.research.conftest import EVALUATOR, TRAIN, git
from tests.research.test_study import Files, Scripted
from trialwright.editable import Research
from trialwright.history import History
from trialwright.report.final import final_analysis
from trialwright.report.html import to_html
from trialwright.report.lineage import lineage_of, lines
from trialwright.report.story import Story, story
from trialwright.report.write import write
from trialwright.space import Space
from trialwright.store import store_in
from trialwright.study import Study
from trialwright.task import Budget, Limits, Objective, RunnerPlan, Task

HOSTILE = 'NOTE = "</pre><script>alert(1)</script>"\nTICKS = "```"\n'
DEAD = "\n\ndef unused(x):\n    return [x + 1, x + 2]\n"
FOUND = TRAIN.replace("WIDTH = 4\n", "WIDTH = 4\n" + DEAD)
BETTER = FOUND.replace("RATE = 0.5\n", "RATE = 0.7\n" + HOSTILE)
STEPS: tuple[Files, ...] = (
    {"train.py": BETTER},
    {"train.py": BETTER.replace("RATE = 0.7", "RATE = 2.0")},
    {"train.py": BETTER.replace("RATE = 0.7", "RATE = 3.0")},
    {"train.py": BETTER.replace("WIDTH = 4", "WIDTH = 5")},
    {"evaluator.py": "def loss(x):\n    return 0.0\n"},
    {"train.py": BETTER + "# nothing that runs\n"},
    {"train.py": BETTER.replace("    print(", "    raise RuntimeError\n    print(")},
    {"train.py": BETTER.replace(DEAD, "")},
)
"""Better; two worse ones of a kind; a worse one of another; frozen; idle; a crash; less code."""


def project(folder: Path) -> Path:
    """A repository with one commit."""
    folder.mkdir(parents=True)
    for name, text in {"train.py": FOUND, "evaluator.py": EVALUATOR}.items():
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "begin")
    return folder


def study(folder: Path, *steps: Files, name: str = "loss", smoke_s: float | None = 0) -> History:
    """Run a study in which these edits are offered, one after the other."""
    task = Task(
        name=name,
        objective=Objective(metric="loss", direction="minimize"),
        space=Space(()),
        command=(sys.executable, "train.py"),
        folder=str(project(folder / "project")),
        research=Research(editable=("train.py",), sandbox="none", smoke_s=smoke_s),
        team=("editor",),
        budget=Budget(trials=7),
        runner=RunnerPlan(workers=1),
        limits=Limits(run_s=60),
    )
    return Study(task, folder / "study", proposer=Scripted(*steps)).run()


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A study in which all of `STEPS` were offered."""
    return study(tmp_path_factory.mktemp("ended"), *STEPS)


def told(history: History) -> Story:
    """The story of a study that has one."""
    found = story(history)
    assert found is not None
    return found


def test_the_way_to_the_best_trial(ended: History) -> None:
    """The lineage leads from the first trial to the best, each step with its gain and its size."""
    found = lineage_of(ended)
    assert found.way == (0, 1, 6)
    assert [link.before for link in found.links] == [None, 0, 1]
    better, simpler = found.links[1:]
    assert better.gain == pytest.approx(0.96)
    assert (better.size.added, better.size.removed) == (3, 1) if better.size else False
    assert simpler.size is not None
    assert simpler.size.nodes < 0
    assert simpler.gain == 0


def test_the_graph_has_each_trial_once(ended: History) -> None:
    """The way keeps the leftmost lane; what branched off joins it at the trial it was made from."""
    found = lineage_of(ended, every=True)
    text = list(lines(found, ended, marks={6: "abc1234"}))
    heads = [line for line in text if re.match(r"[*|o ]+ trial \d", line)]
    assert [int(re.findall(r"trial (\d)", line)[0]) for line in heads] == list(range(6, -1, -1))
    assert [line[0] for line in heads] == ["*", "|", "|", "|", "|", "*", "*"]
    assert "(best, abc1234)" in heads[0]
    joints = [line for line in text if re.fullmatch(r"[|_/ ]+", line)]
    assert joints == ["|/"] * 4


def test_a_study_of_configurations_has_a_lineage(tmp_path: Path) -> None:
    """Steps are what changed of the configuration; nothing says that code was edited."""
    history = study_history(tmp_path, trials=12)
    found = lineage_of(history, every=True)
    assert [link.trial for link in found.links] == list(range(12))
    assert all(link.size is None for link in found.links)
    best = history.best()
    assert best is not None
    assert found.best == best.number
    text = "\n".join(lines(found, history))
    changed = next(link for link in found.links if link.before is not None)
    assert changed.change in text
    assert story(history) is None


def test_the_story_counts_what_became_of_edits(ended: History) -> None:
    """Every figure of the story is one of the ledger: ways, kinds, refusals, crashes, turns."""
    found = told(ended)
    commit = git(Path(ended.task.folder), "rev-parse", "main")[:10]
    assert found.lead == (
        f"6 edits of the code at commit {commit} were tried: 2 led to the best code (trials 1 and"
        " 6), 3 were discarded and 1 failed."
    )
    assert [step.trial for step in found.steps] == [1, 6]
    assert all(step.verdict for step in found.steps)
    assert sum(kind.tried for kind in found.kinds) == 6
    assert {step.category for step in found.steps} <= {kind.category for kind in found.kinds}
    assert [sum(amounts) for amounts in zip(*(k.counts for k in found.kinds), strict=True)] == [
        sum(trial.verdict is not None and trial.verdict.status == status
            for trial in ended.trials[1:])
        for status in ("kept", "unconfirmed", "discarded", "failed")
    ]  # fmt: skip
    assert found.facts == (
        "2 proposals were refused before becoming a trial: 1 touched what may not be edited and"
        " 1 changed comments or layout alone.",
        "1 edit failed in a run: 1 unclassified error (trial 5).",
        "1 time, after 2 discarded changes of one kind in a row, the next one was of another kind"
        " (trial 4).",
        "1 edit was kept for being as good with less code (trial 6).",
    )


def test_a_refusal_is_counted_by_what_was_wrong(tmp_path: Path) -> None:
    """Crashes of a smoke run, repeats and seeds are told apart; the words of a log are no fault."""
    crash = BETTER.replace("    print(", "    raise OSError('is frozen')\n    print(")
    steps: tuple[Files, ...] = ({"train.py": crash}, {"train.py": BETTER}, {"train.py": FOUND})
    history = study(tmp_path, *steps, smoke_s=30)
    assert told(history).facts == (
        "2 proposals were refused before becoming a trial: 1 failed when run for a moment and 1"
        " led back to the code as it was found.",
    )


def test_a_kind_that_was_kept_is_not_turned_away_from(tmp_path: Path) -> None:
    """A change of another kind is called a turn only where those before it were discarded."""
    kept = FOUND.replace("RATE = 0.5", "RATE = 0.6"), FOUND.replace("RATE = 0.5", "RATE = 0.7")
    steps: tuple[Files, ...] = tuple({"train.py": text} for text in kept)
    history = study(tmp_path, *steps, {"train.py": kept[1].replace("WIDTH = 4", "WIDTH = 5")})
    assert [trial.number for trial in history.trials if trial.proposal.edit] == [1, 2, 3]
    assert told(history).facts == ()


def test_the_commands_of_the_story_do_what_it_says(ended: History, tmp_path: Path) -> None:
    """In a clone with its refs, `git log` lists the steps and `git merge` brings the best code."""
    found = told(ended).merge
    copy = tmp_path / "copy"
    shutil.copytree(ended.task.folder, copy)
    commands = [hint.command.split() for hint in found.hints if hint.command.startswith("git ")]
    assert [words[1] for words in commands] == ["log", "merge"]
    assert git(copy, *commands[0][1:], "--format=%s").count("\n") == 1
    git(copy, *commands[1][1:])
    assert (copy / "train.py").read_text() == BETTER.replace(DEAD, "")
    assert found.diff is not None
    assert [line for sort, line in found.diff.lines if sort == "more"] == [
        "+RATE = 0.7", *(f"+{line}" for line in HOSTILE.splitlines())
    ]  # fmt: skip
    (shown,) = [hint.command for hint in found.safe_hints if hint.command.startswith("git show")]
    assert "RATE = 2.0" in git(copy, *shown.split()[1:])


def test_a_branch_that_somebody_moved_is_not_called_ready(ended: History, tmp_path: Path) -> None:
    """The story then names the trial's own ref; without the repository, the ledger's patches."""
    shutil.copytree(Path(ended.task.folder).parent, tmp_path / "copy")
    folder = tmp_path / "copy" / "project"
    git(folder, "branch", "-f", "trialwright/loss", "main")
    history = moved(ended, folder)
    assert "is elsewhere" in told(history).merge.sentence
    assert "git merge refs/trialwright/loss/0006" in [h.command for h in told(history).merge.hints]
    gone = told(moved(ended, tmp_path / "nowhere")).merge
    assert gone.sentence.startswith("The repository could not be read")
    assert [hint.command for hint in gone.hints] == [
        f"trialwright show {number} --diff" for number in (1, 6)
    ]


def moved(history: History, folder: Path) -> History:
    """The same study, its repository elsewhere."""
    entries = store_in(Path(history.task.folder).parent / "study").open().read()
    first = entries[0]
    task = replace(first.record.task, folder=str(folder))
    return History([replace(first, record=replace(first.record, task=task)), *entries[1:]])


def test_reports_show_the_story_and_escape_the_diff(ended: History, tmp_path: Path) -> None:
    """Both reports hold steps, counts, commands; what an edit wrote is text, and ends no fence."""
    write(ended, tmp_path)
    page, text = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    assert "<script>alert" not in page
    assert '<span class="more">+NOTE = &#34;&lt;/pre&gt;&lt;script&gt;' in page
    assert '<span class="less">-RATE = 0.5' in page
    for part in (page, text):
        assert "How the code came about" in part
        assert "git merge trialwright/loss" in part
        assert "2 proposals were refused before becoming a trial" in part
    fence = re.search(r"^(`{3,})diff$", text, re.MULTILINE)
    assert fence is not None
    assert len(fence[1]) == 4
    assert "## The best trial" in text
    assert "| parameter |" not in text


def test_nothing_kept_is_nothing_to_merge(tmp_path: Path) -> None:
    """Where the code as it was found stays the best, the story says so and offers no merge."""
    history = study(tmp_path, {"train.py": FOUND.replace("RATE = 0.5", "RATE = 2.0")})
    found = told(history)
    assert found.lead.endswith("none of them beats the code as it was found and 1 was discarded.")
    assert found.merge.sentence == "There is nothing to merge."
    assert (found.merge.hints, found.merge.diff) == ((), None)
    assert "git merge" not in to_html(history, final_analysis(history))


def test_reading_it_leaves_the_repository_as_it_is(ended: History) -> None:
    """Telling the story writes nothing into the checkout, the index or the refs."""
    folder = Path(ended.task.folder)

    def seen() -> tuple[str, str]:
        done = subprocess.run(
            ["git", "status", "--porcelain"], cwd=folder, capture_output=True, check=True, text=True
        )
        return done.stdout, git(folder, "for-each-ref")

    before = seen()
    told(ended)
    assert seen() == before
