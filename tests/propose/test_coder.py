"""One turn of a coding agent: what it is given, what is read of it, and what of it is kept."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.process.confining import needs_sandbox
from tests.research.coding import begun, log_of, offered
from tests.research.conftest import TRAIN, begin, git
from tests.research.test_study import rate, run
from trialwright.admission import ask
from trialwright.crew import Crew
from trialwright.editable import CodingAgent, Research
from trialwright.records import Proposal
from trialwright.research import rules
from trialwright.space import Space
from trialwright.study import Study
from trialwright.task import Budget, Limits, Objective, RunnerPlan, Task

EDIT = """
from pathlib import Path
script = Path("train.py")
script.write_text(script.read_text().replace("RATE = 0.5", "RATE = 0.6"))
"""

OPEN = Research(editable=("train.py",), sandbox="none")


def task_for(project: Path, source: str, **changes: object) -> Task:
    """A task whose only member is a script, given as text."""
    command = (sys.executable, "-I", "-S", "-c", source)
    coder = CodingAgent(**{"name": "ann", "command": command, "time_s": 60.0, **changes})  # type: ignore[arg-type]  # parts as it has them
    return Task(
        name="loss",
        objective=Objective(metric="loss", direction="minimize"),
        space=Space(()),
        command=(sys.executable, "train.py"),
        folder=str(project),
        research=OPEN,
        team=(coder,),
        budget=Budget(trials=9),
        runner=RunnerPlan(workers=1),
        limits=Limits(run_s=60),
    )


def turn(tmp_path: Path, source: str, **changes: object) -> Proposal:
    """What a script makes of a turn."""
    project = begin(tmp_path / "project")
    return offered(task_for(project, source, **changes), tmp_path / "study")


# -- what it is given


@pytest.mark.parametrize("place", ["standard input", "a file"])
def test_the_prompt_is_on_standard_input_or_in_a_file(place: str, tmp_path: Path) -> None:
    """Where `{prompt}` stands in the command is a file's name; else it comes as input."""
    source = """
import sys
from pathlib import Path
print(Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else sys.stdin.read())
"""
    project = begin(tmp_path / "project")
    task = task_for(project, source)
    (coder,) = task.team
    assert isinstance(coder, CodingAgent)
    if place == "a file":
        task = replace(task, team=(replace(coder, command=(*coder.command, "{prompt}")),))
    offered(task, tmp_path / "study")
    printed = log_of(tmp_path / "study", "ann")
    assert printed.startswith("You take part in research")
    assert "Goal: minimize loss" in printed
    assert "The code of trial 0, the best so far, is in the current folder" in printed
    assert printed.strip() == next((tmp_path / "study").rglob("*.prompt.md")).read_text().strip()


def test_the_prompt_is_bounded(tmp_path: Path) -> None:
    """A role and notes without end leave it one that a model can read."""
    project = begin(tmp_path / "project", **{"program.md": "Try harder. " * 50_000})
    task = task_for(project, "pass", role="be bold " * 50_000)
    offered(task, tmp_path / "study")
    prompt = next((tmp_path / "study").rglob("*.prompt.md")).read_text()
    assert "be bold" in prompt
    assert "Try harder" in prompt
    assert len(prompt) < 32_000


def test_it_works_in_a_repository_of_its_own(tmp_path: Path) -> None:
    """The copy has one commit and no remote; nothing of the user's git is in its way."""
    source = """
import os, subprocess
print(sorted(name for name in os.environ if name.startswith("GIT_")))
for words in ("log --format=%s", "remote", "status --porcelain", "ls-files"):
    print(subprocess.run(["git", *words.split()], capture_output=True, text=True).stdout.split())
"""
    project = begin(tmp_path / "project")
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    environ = {**os.environ, "GIT_AUTHOR_NAME": "nobody"}
    offered(task_for(project, source), tmp_path / "study", environ)
    assert log_of(tmp_path / "study", "ann").splitlines() == [
        "[]",
        "['The', 'code', 'to', 'be', 'improved']",
        "[]",
        "[]",
        "['evaluator.py', 'notes.md', 'train.py']",
    ]
    assert not (tmp_path / "hooked").exists()


@needs_sandbox
def test_folders_of_its_own_are_found_in_its_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`writable: [~/.ann]` can be written, by its own path and as `~/.ann`; nothing beside it."""
    home = tmp_path / "home"
    (home / ".ann").mkdir(parents=True)
    (home / "letters").write_text("dear")
    monkeypatch.setenv("HOME", str(home))
    source = f"""
import os
with open(os.path.expanduser("~/.ann/first"), "w") as file:
    file.write("1")
with open({str(home)!r} + "/.ann/second", "w") as file:
    file.write("2")
print(sorted(os.listdir({str(home)!r})))
"""
    project = begin(tmp_path / "project")
    task = task_for(project, source, writable=("~/.ann",))
    offered(replace(task, research=Research(editable=("train.py",))), tmp_path / "study")
    assert log_of(tmp_path / "study", "ann").strip() == "['.ann']"
    assert {path.name for path in (home / ".ann").iterdir()} == {"first", "second"}


def test_it_goes_on_where_the_rules_say(tmp_path: Path) -> None:
    """On a plateau it gets the code of another trial than the best."""
    project = begin(tmp_path / "project")
    plan = Research(editable=("train.py",), sandbox="none", plateau=2, pivot=9, smoke_s=0.0)
    task = replace(task_for(project, EDIT), research=plan, budget=Budget(trials=5))
    edits = [rate(0.74), rate(0.4), rate(0.3), rate(0.2)]
    history = run(task, tmp_path / "study", *edits)
    plateau, best = rules.plateau(history), history.best()
    assert plateau is not None
    assert best is not None
    assert (plateau.what, plateau.trial == best.number) == ("branch", False)
    crew = Crew(task, tmp_path / "study", dict(os.environ))
    (proposal,) = crew.proposer(task, history, 1, np.random.default_rng(0))
    assert proposal.parent == plateau.trial


# -- what is read of it


def _answering(*, given: str | None = None, printed: str = "") -> str:
    write = "" if given is None else f'Path("proposal.json").write_text({given!r})'
    return f"{EDIT}\n{write}\nprint({printed!r})"


FULL = {
    "rationale": "Too small.",
    "category": "schedule",
    "claim": "it falls",
    "expects": "no_worse",
    "low": 0.1,
    "high": 0.5,
}


def test_its_answer_is_taken_from_its_file(tmp_path: Path) -> None:
    """Reasons, kind, claim and interval; what the code shows is beside what it declared."""
    proposal = turn(tmp_path, _answering(given=json.dumps(FULL), printed="chatter"))
    assert proposal.fault == ""
    assert proposal.rationale == "Too small."
    assert proposal.hypothesis is not None
    assert (proposal.hypothesis.claim, proposal.hypothesis.expects) == ("it falls", "no_worse")
    assert proposal.predicted is not None
    assert (proposal.predicted.low, proposal.predicted.high) == (0.1, 0.5)
    assert proposal.edit is not None
    assert (proposal.category, proposal.edit.inferred) == ("schedule", "hyperparameter")


@pytest.mark.parametrize(
    ("printed", "rationale"),
    [
        (f"I am done.\n{json.dumps(FULL)}\n", "Too small."),
        (json.dumps({"type": "result", "result": f"So: {json.dumps(FULL)}"}), "Too small."),
        (json.dumps({"type": "result", "result": "I raised the rate."}), "I raised the rate."),
        ("\x1b[1mI raised\x1b[0m the rate.</data>\n", "I raised the rate.(/data>"),
        ("", ""),
    ],
)
def test_its_last_words_count_without_a_file(printed: str, rationale: str, tmp_path: Path) -> None:
    """As an object or in plain words, cleaned of what could be taken for structure."""
    proposal = turn(tmp_path, _answering(printed=printed))
    assert (proposal.fault, proposal.rationale) == ("", rationale)


@pytest.mark.parametrize(
    "given",
    [
        "not JSON {",
        "[1, 2]",
        '{"rationale": 7, "category": "magic", "expects": "wonders", "low": "a"}',
        '{"rationale": "x", "low": 2, "high": 1}',
        '{"rationale": "x", "low": NaN, "high": Infinity}',
        '{"rationale": "x", "claim": {"deep": [[[]]]}}',
        '{"rationale": "' + "x" * 100_000 + '"}',
    ],
)
def test_a_poor_answer_does_not_cost_the_edit(given: str, tmp_path: Path) -> None:
    """What of an answer makes no sense is left out, and the edit stands for itself."""
    proposal = turn(tmp_path, _answering(given=given))
    assert proposal.fault == ""
    assert proposal.edit is not None
    assert proposal.category == "hyperparameter"
    assert proposal.predicted is None
    assert len(proposal.rationale) <= 1_500


def test_droppings_are_no_part_of_an_edit(tmp_path: Path) -> None:
    """What tools leave behind, and what the project's own `.gitignore` names."""
    source = f"""{EDIT}
for path in ("__pycache__/train.pyc", "run.log", "outputs/model.pt", ".pytest_cache/x"):
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text("left")
"""
    project = begin(tmp_path / "project", **{".gitignore": "outputs/\n"})
    proposal = offered(task_for(project, source), tmp_path / "study")
    assert proposal.fault == ""
    assert proposal.edit is not None
    assert proposal.edit.files == ("train.py",)


def test_it_can_t_hide_files_by_a_gitignore_of_its_own(tmp_path: Path) -> None:
    """New files elsewhere cost it the whole edit, its `.gitignore` among them."""
    source = f"""{EDIT}
Path(".gitignore").write_text("*\\n")
Path("sitecustomize.py").write_text("import evaluator\\n")
"""
    proposal = turn(tmp_path, source)
    assert ".gitignore (new), sitecustomize.py (new)" in proposal.fault


def test_a_project_may_have_links_and_folders(tmp_path: Path) -> None:
    """Links that git tracks are no change; a script in a folder is edited from there."""
    project = begin(tmp_path / "project")
    (project / "sub").mkdir()
    (project / "sub" / "train.py").write_text(TRAIN)
    (project / "sub" / "evaluator.py").symlink_to("../evaluator.py")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "more")
    proposal = offered(task_for(project / "sub", EDIT), tmp_path / "study")
    assert proposal.fault == ""
    assert proposal.edit is not None
    assert proposal.edit.files == ("sub/train.py",)


@needs_sandbox
def test_a_project_s_links_are_no_hindrance_to_the_sandbox(tmp_path: Path) -> None:
    """A tracked link can't be mounted as a file is; who replaces it is found out all the same."""
    project = begin(tmp_path / "project")
    (project / "alias.py").symlink_to("evaluator.py")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "more")
    task = replace(task_for(project, EDIT), research=Research(editable=("train.py",)))
    proposal = offered(task, tmp_path / "study")
    assert proposal.fault == ""
    assert begun(task, tmp_path / "study").trials[0].state == "done"
    forged = f"{EDIT}\nimport os\nos.replace('train.py', 'alias.py')\nopen('train.py', 'w').close()"
    (proposal,) = Crew(task_for(project, forged), tmp_path / "study", os.environ).proposer(
        task, begun(task, tmp_path / "study"), 1, np.random.default_rng(0)
    )
    assert "alias.py (changed)" in proposal.fault


# -- what is lost


def test_a_repeat_is_told_before_it_is_asked_again(tmp_path: Path) -> None:
    """Code that an earlier trial had loses the turn, after one start of the command."""
    project = begin(tmp_path / "project")
    task = replace(task_for(project, EDIT.replace("0.6", "0.1")), budget=Budget(trials=2))
    history = run(task, tmp_path / "study", rate(0.1))
    crew = Crew(task, tmp_path / "study", dict(os.environ))
    sifted = ask(crew.proposer, task, history, n=1, seed=0)
    (refusal,) = sifted.refusals
    assert refusal.faults == ("the same code as trial 1",)
    assert refusal.proposal.edit is not None
    assert not sifted.admissions
    assert len(list((tmp_path / "study" / "agents" / "ann").glob("*.log"))) == 1


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("pass", "it changed nothing"),
        (f"{EDIT}\nraise SystemExit('no credit')", "ended with status 1: no credit"),
        ("Path = open('train.py', 'w').write('def')", "train.py would not be Python"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status 137"),
    ],
)
def test_a_lost_turn_says_why(source: str, why: str, tmp_path: Path) -> None:
    """Nothing changed, a command that failed, nonsense: each with its reason."""
    assert why in turn(tmp_path, source).fault


def test_the_next_prompt_says_why_the_last_turn_was_lost(tmp_path: Path) -> None:
    """So that the agent does not lose the next one in the same way."""
    project = begin(tmp_path / "project")
    source = "raise SystemExit('no credit </data> left')"
    study = Study(task_for(project, source), tmp_path / "study")
    study.run(lambda history, _: study.stop() if len(history.refusals) > 1 else None)
    prompts = sorted((tmp_path / "study" / "agents" / "ann").glob("*.prompt.md"))
    assert "was lost" not in prompts[0].read_text()
    told = prompts[1].read_text()
    assert "Your last turn was lost:" in told
    assert "ended with status 1: no credit (/data> left" in told


def test_output_is_kept_bounded(tmp_path: Path) -> None:
    """The first and the last of it, with a word on what is left out."""
    source = "print('first')\nfor _ in range(20_000):\n    print('x' * 99)\nprint('last')"
    turn(tmp_path, source)
    kept = log_of(tmp_path / "study", "ann")
    assert kept.startswith("first")
    assert kept.rstrip().endswith("last")
    assert "bytes left out]" in kept
    assert len(kept) < 300_000


def test_output_without_end_ends_the_agent(tmp_path: Path) -> None:
    """What is printed lies on the disk: it is not filled."""
    proposal = turn(tmp_path, "while True:\n    print('x' * 100_000)")
    assert "as it printed over 32 MiB" in proposal.fault
    assert sum(p.stat().st_size for p in (tmp_path / "study" / "agents").rglob("*")) < 1 << 20


def test_what_a_killed_turn_left_is_removed(tmp_path: Path) -> None:
    """A copy that nobody took away is gone after the next turn."""
    left = tmp_path / "study" / "agents" / "ann" / ".work-killed" / "code"
    left.mkdir(parents=True)
    turn(tmp_path, "pass")
    assert not left.exists()
