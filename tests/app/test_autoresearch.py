"""`init --from-autoresearch` on checkouts in the public layout, as real repositories."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.app.commands import ran
from trialwright.app.init.autoresearch import init_autoresearch
from trialwright.app.init.command import Wishes
from trialwright.errors import StudyError
from trialwright.studyfile import load

PROGRAM = """\
# autoresearch

- **Verify data exists**: Check that `~/.cache/autoresearch/` contains data shards and a tokenizer.

The training script runs for a fixed time budget of 5 minutes. You launch it simply as: `{launch}`.

**What you CAN do:**
- Modify `train.py`: this is the only file you edit.

**What you CANNOT do:**
- Modify `prepare.py`. It is read-only.

**The goal is simple: get the {best} {metric}.**

```
---
{metric}:          0.997900
training_seconds: 300.1
peak_vram_mb:     45060.2
num_steps:        953
```

**Timeout**: If a run exceeds {minutes} minutes, kill it and treat it as a failure.
"""

FILES = {
    "program.md": PROGRAM.format(
        launch="python3 train.py", best="lowest", metric="val_bpb", minutes=10
    ),
    "prepare.py": "TIME_BUDGET = 300\n",
    "train.py": 'print("---")\nprint("val_bpb:   0.99")\nprint("peak_vram_mb:   45060.2")\n',
    "pyproject.toml": '[project]\nname = "autoresearch"\nversion = "0.1.0"\n',
    "README.md": "# autoresearch\n",
    ".gitignore": "run.log\nresults.tsv\n",
    "odd name's.txt": "x\n",
}
RESULTS = (
    "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    "a1b2c3d\t0.997900\t44.0\tkeep\tbaseline\nb2c3d4e\t1.0\t44.0\tdiscard\twider\n"
)


def checkout(folder: Path, **changed: str | None) -> Path:
    """Make a checkout with its files committed; None leaves a file out."""
    folder.mkdir()
    names = {key.replace("_", "."): text for key, text in changed.items()}
    for name, text in {**FILES, **names}.items():
        if text is not None:
            (folder / name).write_text(text)
    me = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    for words in (["init", "-q"], ["add", "."], [*me, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
    return folder


def wishes(folder: Path, **more: object) -> Wishes:
    """What the command line asks for."""
    return Wishes(script=folder, **more)  # type: ignore[arg-type]


def test_checkout_becomes_a_study(tmp_path: Path) -> None:
    """The study file loads, with goal, command, metrics and files as program.md says."""
    folder = checkout(tmp_path / "ar")
    (folder / "results.tsv").write_text(RESULTS)
    answer = ran(tmp_path, "init", "--from-autoresearch", "ar", "--trials", "40")
    assert answer.returncode == 0, answer.stderr
    assert "2 experiments, minimize val_bpb" in answer.stdout
    assert "wrote ar/study.yaml" in answer.stdout
    task = load(folder / "study.yaml")
    assert (task.name, str(task.objective.direction)) == ("ar", "minimize")
    assert task.objective.metric == "val_bpb"
    assert task.command == ("python3", "train.py")
    assert (task.limits.run_s, task.budget.trials) == (600, 40)
    assert len(task.metrics.patterns) == 2
    assert task.research is not None
    assert task.research.editable == ("train.py",)
    assert set(task.research.frozen) == {
        "prepare.py", "program.md", "pyproject.toml", "README.md", ".gitignore", "odd name's.txt",
    }  # fmt: skip
    assert (task.research.program, task.research.results) == ("program.md", "results.tsv")
    assert task.research.readable == (str(Path("~/.cache/autoresearch").expanduser()),)
    status = ["git", "-C", str(folder), "status", "--porcelain"]
    assert subprocess.run(status, check=True, capture_output=True).stdout == b"?? study.yaml\n"


def test_folder_is_the_one_it_is_called_in(tmp_path: Path) -> None:
    """Without an argument the checkout is the folder here; a study file that is there stays."""
    folder = checkout(tmp_path / "ar")
    assert ran(folder, "init", "--from-autoresearch").returncode == 0
    written = (folder / "study.yaml").read_text()
    again = ran(folder, "init", "--from-autoresearch", "--trials", "3")
    assert (again.returncode, (folder / "study.yaml").read_text()) == (2, written)
    assert "--force" in again.stderr
    assert ran(folder, "init", "--from-autoresearch", "--force", "--trials", "3").returncode == 0
    assert "budget: {trials: 3}" in (folder / "study.yaml").read_text()


def test_program_for_uv_on_a_machine_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`uv run train.py` is written as program.md has it; that uv is missing here is told."""
    folder = checkout(
        tmp_path / "ar",
        program_md=PROGRAM.format(launch="uv run train.py > run.log 2>&1", best="lowest",
                                  metric="val_bpb", minutes=10),
    )  # fmt: skip
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert init_autoresearch(wishes(folder)) == 0
    assert "command: [uv, run, train.py]" in (folder / "study.yaml").read_text()
    assert "the program uv is not found on PATH" in capsys.readouterr().out


def test_other_goals_and_files(tmp_path: Path) -> None:
    """Forks: a metric to maximize, several editable files, another limit, a project without uv."""
    program = PROGRAM.format(launch="the script", best="highest", metric="score", minutes=6)
    program = program.replace("- Modify `train.py`", "- Modify `train.py`\n- Modify `model.py`")
    folder = checkout(tmp_path / "ar", program_md=program, pyproject_toml=None, model_py="x = 1\n")
    text = init_text(folder)
    assert "goal: maximize score" in text
    assert "editable: [train.py, model.py]" in text
    assert "command: [python, train.py]" in text
    assert "limits: {run: 6m}" in text


def init_text(folder: Path, **more: object) -> str:
    """The study file that `init` writes."""
    init_autoresearch(wishes(folder, **more))
    return (folder / "study.yaml").read_text()


def test_goal_is_given_or_guessed_or_asked_for(tmp_path: Path) -> None:
    """`--goal` goes first; without a goal in program.md its results or its block say the metric."""
    silent = FILES["program.md"].replace("get the lowest val_bpb", "be good")
    folder = checkout(tmp_path / "a", program_md=silent)
    assert "goal: maximize num_steps" in init_text(folder, goal="maximize num_steps")
    guessed = init_text(folder, force=True)
    assert "# guessed: the first of what program.md says that a run prints" in guessed
    (folder / "results.tsv").write_text(RESULTS.replace("val_bpb", "val_loss"))
    assert "# from results.tsv\ngoal: minimize val_loss" in init_text(folder, force=True)
    mute = checkout(tmp_path / "b", program_md="Modify train.py.\n")
    with pytest.raises(StudyError, match="names no metric: name it with --goal"):
        init_autoresearch(wishes(mute))
    with pytest.raises(StudyError, match="which way flux is better"):
        init_autoresearch(wishes(mute, metric="flux"))


def test_unreadable_results_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A results.tsv in no known dialect does not stand in the way, and is said."""
    folder = checkout(tmp_path / "ar")
    (folder / "results.tsv").write_text("nothing to see\n")
    assert init_autoresearch(wishes(folder)) == 0
    assert "its results.tsv was not read: " in capsys.readouterr().out


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    """A folder without the three files, or without git, is refused with what it lacks."""
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(StudyError, match="is in no git repository"):
        init_autoresearch(wishes(plain))
    with pytest.raises(StudyError, match=r"git tracks no prepare\.py, no program\.md in it"):
        init_autoresearch(wishes(checkout(tmp_path / "b", prepare_py=None, program_md=None)))
    with pytest.raises(StudyError, match="is no folder"):
        init_autoresearch(wishes(tmp_path / "none"))
    folder = checkout(tmp_path / "c")
    with pytest.raises(StudyError, match="must be in"):
        init_autoresearch(wishes(folder), tmp_path / "study.yaml")
    assert ran(tmp_path, "init").returncode == 2
    assert not (folder / "study.yaml").exists()
