"""Verdicts on code in whole studies: simpler code, code that costs too much, changes taken back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.research.conftest import git
from trialwright.editable import Research
from trialwright.errors import StudyFileError
from trialwright.history import History, Trial, read
from trialwright.notify import Failures, news
from trialwright.propose.codetree import CodeTree
from trialwright.records import Hypothesis, Proposal
from trialwright.research.ablation import ABLATION
from trialwright.research.workshop import workshop
from trialwright.space import Space
from trialwright.study import Study
from trialwright.studyfile import dump, parse
from trialwright.task import Budget, Objective, RunnerPlan, Seeds, Task

Step = Callable[[str], str]

SCRIPT = """\
import random
import sys

NOISE = 0.0


def model():
    score = 1.0

    return score


def extra(score):
    best = 0.0

    return score + best


def bonus(score):

    return score


text = open(__file__).read()
own = random.Random(sys.argv[1] + str(len(text))).gauss(0.0, 1.0)
score = bonus(extra(model())) + NOISE * own
print(f'@trialwright {{"score": {score}}}')
"""


class Stepping:
    """Makes the changes that it is given, in their order, each of the best code so far."""

    name = "stepping"

    def __init__(self, *steps: Step) -> None:
        self._steps = steps

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        at = sum(trial.proposal.by == self.name for trial in history.trials)
        best = history.best()
        if at >= len(self._steps) or best is None:
            return []
        shop = workshop(task)
        tree = shop.tree(history, best.number)
        text = self._steps[at](shop.texts(tree)["train.py"])
        return [
            Proposal(
                configuration={},
                by=self.name,
                rationale=f"step {at}",
                hypothesis=Hypothesis(claim="better", expects="better", against=best.number),
                parent=best.number,
                edit=shop.edit(tree, {"train.py": text}),
                category="architecture",
            )
        ]


STUDY = """\
goal: maximize score
command: [python, train.py]
research: {editable: [train.py]}
"""


def put(where: str, *lines: str) -> Step:
    """Put lines behind a line of the script."""

    def change(text: str) -> str:
        assert text.count(f"{where}\n") == 1, text
        return text.replace(f"{where}\n", "\n".join((where, *lines, "")))

    return change


def drop(*lines: str) -> Step:
    """Take lines out of the script."""

    def change(text: str) -> str:
        gone = "".join(f"{line}\n" for line in lines)
        assert gone in text, text
        return text.replace(gone, "")

    return change


def begin(folder: Path, text: str = SCRIPT) -> None:
    """Commit the script that a study begins with."""
    (folder / "train.py").write_text(text)
    git(folder, "commit", "-qam", "the script")


def plan(folder: Path, *, trials: int, seeds: Seeds | None = None, **rules: object) -> Task:
    """Return the task of a study over a repository with the script; `rules` of its `research`."""
    research = Research(editable=("train.py",), sandbox="none", smoke_s=0)
    return Task(
        name="loss",
        objective=Objective(metric="score"),
        space=Space(()),
        command=(sys.executable, "train.py", "{seed}"),
        folder=str(folder),
        research=replace(research, **rules),  # type: ignore[arg-type]  # keys of it
        seeds=seeds or Seeds(),
        budget=Budget(trials=trials),
        runner=RunnerPlan(workers=1),
    )


def best_code(folder: Path) -> str:
    """Return the script at the head of the study's branch."""
    return git(folder, "show", "trialwright/loss:train.py")


def run(task: Task, folder: Path, *steps: Step) -> History:
    """Run a study in which these changes are made, one after the other."""
    return Study(task, folder, proposer=Stepping(*steps)).run()


def said(trial: Trial) -> tuple[str, bool, str]:
    """Status, whether it was for being simpler, and the sentence."""
    assert trial.verdict is not None
    return trial.verdict.status, trial.verdict.simpler, trial.verdict.sentence


NOISY = SCRIPT.replace("NOISE = 0.0", "NOISE = 0.1")

TRIFLE = ("    for part in (1, 2, 3, 4):", "        if part < 5:", "            score += 0.03")
"""Code that gains 0.12: three seeds can't tell that from a noise of 0.1."""


def test_simpler_code_that_is_as_good_becomes_the_best(project: Path, tmp_path: Path) -> None:
    """Its mean is lower: by that alone it would have been discarded, and the first the best."""
    begin(project, put("def bonus(score):", *TRIFLE)(NOISY))
    history = run(plan(project, trials=2, seeds=Seeds(confirm=3)), tmp_path / "s", drop(*TRIFLE))
    first, second = history.trials
    assert first.value is not None
    assert second.value is not None
    assert first.value > second.value
    assert (len(first.values), len(second.values)) == (3, 3)
    status, simpler, sentence = said(second)
    assert (status, simpler) == ("kept", True)
    assert "as good within noise" in sentence
    assert f"{-second.size} nodes fewer" in sentence
    assert history.best() is second
    assert "range" not in best_code(project)
    assert best_code(project) == NOISY.strip()


def test_a_small_gain_does_not_pay_for_much_code(project: Path, tmp_path: Path) -> None:
    """The best stays the shorter script, whose mean is lower; were code free, it would not."""
    begin(project, NOISY)
    unused = [f"    unused_{i} = [score, {i}, {i} + 1]" for i in range(120)]
    step = put("def bonus(score):", "    score += 0.04", *unused)
    statuses = []
    for price in (0.1, 0.0):
        task = plan(project, trials=2, seeds=Seeds(confirm=3), price=price)
        history = run(task, tmp_path / f"{price}", step)
        first, second = history.trials
        assert (second.value or 0.0) > (first.value or 0.0)
        best = history.best()
        assert best is not None
        statuses.append((said(second)[0], best.number))
        if price:
            sentence = said(second)[2]
            assert f"but {second.size} more nodes of code have to gain" in sentence
            assert best_code(project) == NOISY.strip()
    assert statuses == [("discarded", 0), ("unconfirmed", 1)]


STEPS = (
    put("    score = 1.0", "    for _ in range(3):", "        score += 1.0"),
    put("    best = 0.0", "    if score > 1.0:", "        best = max(best, 0.5)"),
    put("def bonus(score):", "    if score > 0.0:", "        score = 1.2 * int(score)"),
    put("score = bonus(extra(model())) + NOISE * own", "if score > 0.0:", "    score += 0.1"),
)
"""Each gains when it is made. Once there is the third, what the second gains is rounded away."""


NEARER = "    if score < 0.0:\n        return 0.0\n    return score + 0.5\n\n\ndef extra"


def outcome(history: History) -> list[object]:
    """What a study came to, trial by trial, and its best one."""
    best = history.best()
    found: list[object] = [
        (t.proposal.by, t.proposal.parent, t.proposal.without, t.tree, t.value, said(t))
        for t in history.trials
    ]
    return [*found, best.number if best else None, [n.text for n in history.notices]]


def test_changes_that_are_no_longer_needed_are_taken_back(project: Path, tmp_path: Path) -> None:
    """After each two kept changes: who is still needed stays, and is not asked about again."""
    begin(project)
    history = run(plan(project, trials=12, ablate=2), tmp_path / "s", *STEPS)
    assert [(t.proposal.by, t.proposal.parent, t.proposal.without) for t in history.trials] == [
        ("user", None, None),
        ("stepping", 0, None),
        ("stepping", 1, None),
        # Trial 2 without its own change is trial 1.
        (ABLATION, 2, 1),
        ("stepping", 2, None),
        (ABLATION, 4, 2),
        ("stepping", 5, None),
        # The change of trial 2 is no longer there, and that of trial 1 known to be needed.
        (ABLATION, 6, 4),
    ]
    needed, gone, _ = (t for t in history.trials if t.proposal.by == ABLATION)
    assert needed.proposal.hypothesis is not None
    assert (needed.proposal.hypothesis.expects, needed.proposal.hypothesis.against) == ("worse", 2)
    assert said(needed)[0] == "discarded"
    assert said(needed)[2].endswith("the change of trial 1 is still needed")
    assert said(gone)[:2] == ("kept", True)
    assert said(gone)[2].endswith(
        "as good, with 11 nodes fewer than trial 4; the change of trial 2 is no longer needed"
    )
    best = history.best()
    assert best is not None
    assert (best.number, best.proposal.parent) == (6, gone.number)
    code = best_code(project)
    assert "best = max" not in code
    assert all(words in code for words in ("score += 1.0", "1.2 * int(score)", "score += 0.1"))
    assert git(project, "fsck", "--strict") == ""


def test_what_made_code_smaller_is_never_added_again(project: Path, tmp_path: Path) -> None:
    """Nor is a tuned literal, which the next tuning moves in any case."""
    longer = put("    best = 0.0", "    for _ in range(9):", "        best -= 0.1")(SCRIPT)
    begin(project, longer)
    shorter = drop("    for _ in range(9):", "        best -= 0.1")
    tuned = [lambda text, s=s: text.replace("score = 1", f"score = {s}1") for s in ("1", "11")]
    history = run(plan(project, trials=9, ablate=1), tmp_path / "s", shorter, *tuned)
    assert [trial.proposal.by for trial in history.trials] == ["user", *["stepping"] * 3]
    best = history.best()
    assert best is not None
    assert best.value == 1111.0


def test_a_change_comes_off_although_lines_near_it_changed_later(
    project: Path, tmp_path: Path
) -> None:
    """As in a merge: what lies beside it is as the later change left it."""
    begin(project)
    steps = (STEPS[0], lambda text: text.replace("    return score\n\n\ndef extra", NEARER, 1))
    history = run(plan(project, trials=4, ablate=2), tmp_path / "s", *steps)
    assert [notice for notice in history.notices if notice.topic == "ablation"] == []
    assert history.trials[3].proposal.without == 1
    code = git(project, "show", "refs/trialwright/loss/0003:train.py")
    assert code == steps[1](SCRIPT).strip()


def test_a_change_that_later_ones_build_on_is_said_to_be_stuck_once(
    project: Path, tmp_path: Path
) -> None:
    """The notice is in the ledger, and the study goes on with other changes."""
    begin(project)
    steps = (
        put("    score = 1.0", "    for _ in range(3):", "        score += 1.0"),
        lambda text: text.replace("        score += 1.0", "        score += 2.0 + score"),
        put("def bonus(score):", "    if score > 0.0:", "        score += 0.5"),
        put("    best = 0.0", "    if score > 1.0:", "        best = max(best, 0.5)"),
    )
    history = run(plan(project, trials=9, ablate=2), tmp_path / "s", *steps)
    notices = [notice for notice in history.notices if notice.topic == "ablation"]
    assert [notice.trial for notice in notices] == [1]
    assert "does not come off the code of trial 2 by itself" in notices[0].text
    assert {t.proposal.without for t in history.trials if t.proposal.by == ABLATION} == {2, 3}


def test_what_may_not_be_taken_back_is_said_with_the_reason(project: Path, tmp_path: Path) -> None:
    """Without the loop of the first change, a line of the second is indented under nothing."""
    room = [f"    # {i}" for i in range(6)]
    begin(project, put("    best = 0.0", *room)(SCRIPT))
    loop, end = put("    best = 0.0", "    for _ in range(2):"), put("    # 5", "        best += 1")
    steps = (lambda text: loop(end(text)), put("    # 2", "        best += 2"))
    history = run(plan(project, trials=4, ablate=2), tmp_path / "s", *steps)
    (notice,) = (notice for notice in history.notices if notice.topic == "ablation")
    assert notice.trial == 1
    assert "to take it off trial 2 is no edit to be made: train.py would not be" in notice.text


PARTS = 6
MANY = (
    "".join(f"def part{i}(score):\n\n    return score\n\n\n" for i in range(PARTS))
    + f"score = 1.0\nfor i in range({PARTS}):\n    score = globals()[f'part{{i}}'](score)\n"
    + "print(f'@trialwright {{\"score\": {score}}}')\n"
)
"""A script to which each of the changes `ADDED` adds something that is needed."""

ADDED = tuple(
    put(f"def part{i}(score):", "    if score > 0.0:", "        score += 1.0") for i in range(PARTS)
)


@pytest.mark.parametrize(("trials", "taken_back"), [(20, [5, 4, 3, 2]), (9, [5, 4])])
def test_a_round_has_at_most_four_trials_and_ends_with_the_budget(
    project: Path, tmp_path: Path, trials: int, taken_back: list[int]
) -> None:
    """Of six kept changes, all of them needed, the newest come first; each try is a trial."""
    begin(project, MANY)
    history = run(plan(project, trials=trials, ablate=PARTS), tmp_path / "s", *ADDED)
    assert [t.proposal.without for t in history.trials if t.proposal.by == ABLATION] == taken_back
    best = history.best()
    assert best is not None
    assert best.number == PARTS


def test_nothing_is_taken_back_where_a_study_wants_none(project: Path, tmp_path: Path) -> None:
    """With `ablate: 0`, which the study file turns into never; nor under the name by others."""
    begin(project, MANY)
    history = run(plan(project, trials=20, ablate=None), tmp_path / "s", *ADDED)
    assert len(history.trials) == 1 + PARTS


def test_the_search_goes_on_from_code_without_what_is_not_needed(
    project: Path, tmp_path: Path
) -> None:
    """The tree grows a trial in which a change was taken back, unless that was in vain."""
    knobs = "NOISE = 0.0\nLEARNING_RATE = 0.1\nWIDTH = 8"
    begin(project, SCRIPT.replace("NOISE = 0.0", knobs))
    task = plan(project, trials=6, ablate=2)
    history = run(task, tmp_path / "s", *STEPS)
    in_vain, gone = (t.number for t in history.trials if t.proposal.by == ABLATION)
    parents = [p.parent for p in CodeTree()(task, history, 6, np.random.default_rng(0))]
    assert parents[0] == gone
    assert in_vain not in parents


def test_who_is_told_of_a_new_best_reads_that_it_is_simpler(project: Path, tmp_path: Path) -> None:
    """And of no gain, which there is none."""
    begin(project)
    history = run(plan(project, trials=6, ablate=2), tmp_path / "s", *STEPS)
    (message,) = (one.write() for one in news(history, Failures(history), now=0.0))
    assert "new best, trial 5: score = 4.8, no different from trial 4" in message.text
    assert "as good with less code" in message.text
    assert "real" not in message.text


@pytest.mark.parametrize(
    ("words", "price", "ablate"),
    [("", 0.1, 5), ("price: 0.5, ablate: 3", 0.5, 3), ("price: 0, ablate: 0", 0.0, None)],
)
def test_a_study_file_says_what_code_costs_and_when_it_is_tried_without(
    tmp_path: Path, words: str, price: float, ablate: int | None
) -> None:
    """Read, written again and read again."""
    (tmp_path / "train.py").write_text("")
    task = parse(STUDY.replace("[train.py]", f"[train.py], {words}"), path=tmp_path / "study.yaml")
    assert task.research is not None
    assert (task.research.price, task.research.ablate) == (price, ablate)
    assert parse(dump(task), path=tmp_path / "study.yaml").research == task.research


@pytest.mark.parametrize("words", ["price: -1", "price: much", "ablate: -2", "ablate: 1.5"])
def test_a_study_file_with_no_such_price_or_number_is_refused(tmp_path: Path, words: str) -> None:
    """With the key and its line."""
    (tmp_path / "train.py").write_text("")
    key = words.partition(":")[0]
    with pytest.raises(StudyFileError, match=rf"yaml:3:.*research\.{key}"):
        parse(STUDY.replace("[train.py]", f"[train.py], {words}"), path=tmp_path / "study.yaml")


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.research.test_ablation import STEPS, Stepping, plan
from trialwright.study import Study
from trialwright.studyfile import dump, parse

heard = 0

def watch(history, event):
    global heard
    heard += 1
    if heard == 7:
        os.kill(os.getpid(), signal.SIGKILL)

project, folder = map(Path, sys.argv[1:])
Study(plan(project, trials=12, ablate=2), folder, proposer=Stepping(*STEPS)).run(watch)
"""


def test_a_study_that_is_killed_comes_to_the_same_end(project: Path, tmp_path: Path) -> None:
    """Killed again and again: the same trials, verdicts and notices, and the same best one."""
    begin(project)
    whole = run(plan(project, trials=12, ablate=2), tmp_path / "whole", *STEPS)
    kills = 0
    words = (sys.executable, "-c", KILLED, str(project), str(tmp_path / "killed"))
    for _ in range(30):
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
    assert kills >= 3
    assert outcome(read(tmp_path / "killed")) == outcome(whole)
