"""`compare`: real campaigns of real agents in clones of their own; stopped, resumed, judged."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.app.commands import clear, command, environment, lay_out, ran
from tests.research.conftest import EVALUATOR, TRAIN, git
from trialwright.app.compare.arena import legs
from trialwright.campaigns.read import read as read_campaign
from trialwright.history import read
from trialwright.process.sandbox import available
from trialwright.studyfile import load
from trialwright.task import Agent

STUDY = f"""\
name: loss
goal: minimize loss
command: [{sys.executable}, train.py]
research: {{editable: [train.py], frozen: [evaluator.py], sandbox: none, smoke: 0s}}
budget: {{trials: 3}}
runner: {{workers: 1}}
"""

ALL = ["editor-1", "tree-1", "editor-2", "tree-2"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a study of its code, and the user's unfinished work."""
    folder = tmp_path / "project"
    folder.mkdir()
    files = {"train.py": TRAIN, "evaluator.py": EVALUATOR, "study.yaml": STUDY, "notes.md": "a\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "begin")
    (folder / "notes.md").write_text("unfinished\n")
    return folder


def record(folder: Path, study: str = "loss") -> dict[str, Any]:
    """What a comparison wrote down."""
    found = json.loads((folder / "runs" / f"{study}-compare" / "compare.json").read_text())
    assert isinstance(found, dict)
    return found


def seen(folder: Path) -> list[object]:
    """Everything of the user's that must not change."""
    return [
        git(folder, "status", "--porcelain"),
        git(folder, "for-each-ref"),
        git(folder, "rev-parse", "HEAD"),
        (folder / ".git" / "index").read_bytes(),
        (folder / ".git" / "config").read_bytes(),
        {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()},
    ]


@pytest.mark.slow
def test_agents_get_the_same_task_in_clones_of_their_own(project: Path) -> None:
    """The same commit, budget and seeds for each; rows, commits and figures of every campaign."""
    before = seen(project)
    base = git(project, "rev-parse", "HEAD")
    words = ("compare", "study.yaml", "--agents", "editor", "tree", "--replicates", "2")
    answer = ran(project, *words)
    assert answer.returncode == 0, answer.stderr
    assert "can't tell 2 agents apart at 5 %, whatever comes out: at least 6" in answer.stdout
    assert "all began from loss = 1" in answer.stdout
    assert seen(project)[1:] == before[1:]
    told = record(project)
    assert (told["base"], told["budget"]["trials"]) == (base, 3)
    assert [Path(one["folder"]).name for one in told["campaigns"]] == ALL
    assert [one["seed"] for one in told["campaigns"]] == [0, 0, 1, 1]
    assert {one["baseline"] for one in told["campaigns"]} == {1.0}
    assert {one["state"] for one in told["campaigns"]} == {"ended"}
    assert [one["kind"] for one in told["agents"]] == ["built in", "built in"]
    for name in ALL:
        place = project / "runs" / "loss-compare" / name
        history = read(place / "study")
        assert {trial.proposal.by for trial in history.trials[1:]} == {name.partition("-")[0]}
        assert history.task.seeds.study == int(name[-1]) - 1
        code = place / "code"
        assert git(code, "rev-parse", "HEAD") == base
        assert git(code, "remote") == ""
        refs = git(code, "for-each-ref", "--format=%(objectname)", "refs/trialwright").split()
        for log in ("results.tsv", "trials.jsonl"):
            campaign = read_campaign(place / log)
            assert (campaign.metric, len(campaign.experiments)) == ("loss", 3)
            assert not campaign.malformed
            commits = [one.commit for one in campaign.experiments]
            assert base.startswith(commits[0])
            assert all(any(ref.startswith(c) for ref in refs) for c in commits[1:])
    values = [one["best"] for one in told["campaigns"] if one["agent"] == "tree"]
    (summed,) = [one for one in told["summary"]["agents"] if one["agent"] == "tree"]
    assert summed["best"]["mean"] == pytest.approx(sum(values) / 2)
    assert summed["improved"]["total"] == summed["own"] == 4
    assert summed["kept"] <= summed["improved"]["hits"]


@pytest.mark.slow
def test_the_same_command_goes_on(project: Path) -> None:
    """What has ended is not run again; more replicates are added; a killed one is taken up."""
    words = ["compare", "study.yaml", "--agents", "editor,tree", "--replicates"]
    process = subprocess.Popen(
        command(*words, "1"), cwd=project, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("tree-1: trial 0 done"):
            process.kill()
            break
    process.wait()
    process.stdout.close()
    first = read(project / "runs" / "loss-compare" / "editor-1" / "study").sequence
    assert ran(project, *words, "1").returncode == 0
    again = ran(project, *words, "2")
    assert again.returncode == 0, again.stderr
    assert "editor-1: trial" not in again.stdout
    assert "editor-2: trial 0 done" in again.stdout
    assert read(project / "runs" / "loss-compare" / "editor-1" / "study").sequence == first
    assert {one["state"] for one in record(project)["campaigns"]} == {"ended"}
    tree = read(project / "runs" / "loss-compare" / "tree-1" / "study")
    assert [trial.number for trial in tree.trials if trial.verdict] == [0, 1, 2]


@pytest.mark.slow
def test_other_terms_are_refused(project: Path) -> None:
    """A study that has changed since can't add campaigns that would not be alike."""
    words = ("compare", "study.yaml", "--agents", "editor", "tree", "--replicates", "1")
    assert ran(project, *words).returncode == 0
    (project / "study.yaml").write_text(STUDY.replace("trials: 3", "trials: 4"))
    answer = ran(project, *words)
    clear(answer)
    assert "has changed since the comparison" in answer.stderr
    (project / "study.yaml").write_text(STUDY)
    # New commits of the user's change nothing: the comparison stays at its own.
    (project / "train.py").write_text(TRAIN.replace("RATE = 0.5", "RATE = 0.6"))
    git(project, "commit", "-aqm", "more")
    assert ran(project, *words[:-1], "2").returncode == 0
    assert {one["baseline"] for one in record(project)["campaigns"]} == {1.0}


@pytest.mark.slow
def test_ctrl_c_finishes_the_running_trial_and_no_more(tmp_path: Path) -> None:
    """The signal reaches the campaign that goes on; no other begins; the rest is gone on with."""
    lay_out(tmp_path, sleep=1.0, trials=2)
    words = ("compare", "study.yaml", "--agents", "random", "expert", "--replicates", "1")
    process = subprocess.Popen(
        command(*words), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "trial 0 started" in line:
            os.kill(process.pid, signal.SIGINT)
            break
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    assert "finishing the running trials" in complaint
    assert "the same command goes on" in said
    states = [one["state"] for one in record(tmp_path, "toy")["campaigns"]]
    assert states[1] == "to come"
    history = read(tmp_path / "runs" / "toy-compare" / "random-1" / "study")
    assert history.trials[0].state == "done"
    assert ran(tmp_path, *words).returncode == 0
    assert {one["state"] for one in record(tmp_path, "toy")["campaigns"]} == {"ended"}


@pytest.mark.slow
def test_teams_on_a_space_are_compared_side_by_side(tmp_path: Path) -> None:
    """Several at a time, by JSON: pairs, intervals, and nobody's files but the study's own."""
    lay_out(tmp_path, trials=3)
    words = ("compare", "--agents", "random", "--agents", "expert", "--parallel", "2", "--json")
    answer = ran(tmp_path, *words, "--replicates", "2")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told == record(tmp_path, "toy")
    assert told["base"] is None
    (pair,) = told["summary"]["pairs"]
    assert (pair["agent"], pair["against"], pair["replicates"]) == ("random", "expert", 2)
    assert pair["told"] is False
    assert pair["p"] >= 0.5
    first = {one["agent"]: one["best"] for one in told["campaigns"] if one["replicate"] == 1}
    second = {one["agent"]: one["best"] for one in told["campaigns"] if one["replicate"] == 2}
    apart = [one["random"] - one["expert"] for one in (first, second)]
    assert pair["difference"] == pytest.approx(sum(apart) / 2)


def test_a_coding_agent_is_described_in_the_team(project: Path) -> None:
    """Its command line, program and prompt are written down; it edits a copy of its own."""
    agent = project.parent / "agent.py"
    agent.write_text(
        "import pathlib, sys\n"
        "sys.stdin.read()\n"
        "path = pathlib.Path('train.py')\n"
        "path.write_text(path.read_text().replace('RATE = 0.5', 'RATE = 0.75'))\n"
    )
    text = STUDY.replace("trials: 3", "trials: 2")
    text += f"team: [editor, {{coder: [{sys.executable}, {agent}], name: helper}}]\n"
    (project / "study.yaml").write_text(text)
    git(project, "commit", "-aqm", "describe")
    answer = ran(
        project, "compare", "study.yaml", "--agents", "helper", "editor", "--replicates", "1"
    )
    assert answer.returncode == 0, answer.stderr + answer.stdout
    told = record(project)
    helper = told["agents"][0]
    assert (helper["kind"], helper["command"]) == ("coding agent", [sys.executable, str(agent)])
    assert helper["programs"][str(agent)] == hashlib.sha256(agent.read_bytes()).hexdigest()
    assert helper["prompt_sha256"] == hashlib.sha256(helper["prompt"].encode()).hexdigest()
    assert "minimize loss" in helper["prompt"]
    assert told["campaigns"][0]["best"] == 0.0
    assert told["campaigns"][0]["own"] == told["campaigns"][0]["improved"]["hits"] == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--agents", "editor"), "two agents or more"),
        (("--agents", "editor", "editor"), "named twice"),
        (("--agents", "editor", "treee"), "did you mean tree?"),
        (("--agents", "editor", "expert"), "can't edit code"),
        (("--agents", "editor", "openai:none"), "openai:none"),
    ],
)
def test_who_can_not_take_part_is_told_before_anything_runs(
    project: Path, words: tuple[str, ...], reason: str
) -> None:
    """One clear message; no campaign has begun."""
    answer = ran(project, "compare", "study.yaml", *words, OPENAI_API_KEY="")
    clear(answer)
    assert reason in answer.stderr
    assert not [*project.glob("runs/*/*/study/ledger.db")]
    assert git(project, "status", "--porcelain").split() == ["M", "notes.md"]


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", ["none", "bubblewrap"])
def test_links_of_the_study_lead_to_the_users_files(project: Path, sandbox: str) -> None:
    """What git does not track and the study file names is there for every campaign."""
    if sandbox == "bubblewrap" and available():
        pytest.skip(available())
    (project / "data").mkdir()
    (project / "data" / "target.txt").write_text("3.0")
    (project / ".gitignore").write_text("data\nruns\n")
    (project / "evaluator.py").write_text(
        "def loss(x):\n    return (x - float(open('data/target.txt').read())) ** 2\n"
    )
    (project / "study.yaml").write_text(
        STUDY.replace("smoke: 0s", "smoke: 0s, links: [data]").replace("none", sandbox)
    )
    git(project, "add", "-A")
    git(project, "commit", "-qm", "data")
    answer = ran(
        project, "compare", "study.yaml", "--agents", "editor", "tree", "--replicates", "1"
    )
    assert answer.returncode == 0, answer.stderr + answer.stdout
    assert {one["baseline"] for one in record(project)["campaigns"]} == {1.0}


@pytest.mark.slow
def test_a_campaign_that_fails_is_told_and_the_others_go_on(project: Path) -> None:
    """Status 1, the reason, and the figures of those that came to their end."""
    words = ("compare", "study.yaml", "--agents", "editor", "tree", "--replicates", "1")
    assert ran(project, *words).returncode == 0
    broken = project / "runs" / "loss-compare" / "tree-2"
    broken.mkdir()
    (broken / "study").write_text("a file where a folder should be")
    answer = ran(project, *words[:-1], "2")
    assert answer.returncode == 1, answer.stdout
    assert "tree-2" in answer.stderr
    states = {Path(one["folder"]).name: one["state"] for one in record(project)["campaigns"]}
    assert states == {
        "editor-1": "ended",
        "tree-1": "ended",
        "editor-2": "ended",
        "tree-2": "failed",
    }


def test_every_agent_has_a_folder_of_its_own_within_the_comparison(tmp_path: Path) -> None:
    """Whatever it is called: names that look alike, or that lead elsewhere, stay apart."""
    names = ("a:b", "a/b", "a_b", "..", "../..", "über", ".hidden", "editor")
    task = load(lay_out(tmp_path))
    found = legs(task, [Agent(name=name, model="x:y") for name in names], 2, tmp_path / "all")
    folders = {leg.folder for leg in found}
    assert len(folders) == 2 * len(names)
    assert all(folder.resolve().parent == tmp_path / "all" for folder in folders)
