"""The shell's verbs for outside agents, as real processes: the loop, the filters, the errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.app.commands import clear, command, environment, lay_out, ran
from tests.research.conftest import EVALUATOR, TRAIN, git
from tests.test_desk import coordinator
from trialwright.history import read


def told(answer: CompletedProcess[str]) -> dict[str, object]:
    """The JSON document that a command printed."""
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert isinstance(document, dict)
    return document


def by_hand(folder: Path, *words: str, stdin: str | None = None) -> dict[str, object]:
    """Call a verb with `--json`."""
    if stdin is None:
        return told(ran(folder, *words, "--json"))
    return told(
        subprocess.run(
            command(*words, "--json"),
            cwd=folder,
            env=environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
    )


def played(folder: Path, *values: float) -> None:
    """Ask and tell once per value."""
    for value in values:
        run = str(by_hand(folder, "ask")["run"])
        by_hand(folder, "tell", run, "--metric", f"val_acc={value}")


def test_a_study_is_driven_from_the_shell(tmp_path: Path) -> None:
    """Propose, ask, tell, history, best: from an empty folder to a best configuration."""
    lay_out(tmp_path, trials=2)
    offered = by_hand(
        tmp_path, "propose", "--set", "lr=0.2", "--set", "depth=4", "--why", "a hunch"
    )
    assert offered["trial"] == 0
    asked = by_hand(tmp_path, "ask", "--by", "shell")
    assert asked["run"] == "0000/0.0"
    assert asked["proposal"]["configuration"] == {"lr": 0.2, "depth": 4}  # type: ignore[index]
    judged = by_hand(tmp_path, "tell", "0000/0.0", "--metric", "val_acc=0.8", "--step", "3")
    assert str(judged["verdict"]).startswith("kept")
    change = ("--set", "lr=0.3", "--why", "faster", "--expect", "better")
    assert by_hand(tmp_path, "propose", *change)["against"] == 0
    run = str(by_hand(tmp_path, "ask")["run"])
    worse = by_hand(tmp_path, "tell", run, "--metric", "val_acc=0.7")
    assert worse["hypothesis_status"] == "contradicted"
    by_hand(tmp_path, "note", "0.2 it is", "--trial", "0")
    history = by_hand(tmp_path, "history")
    assert (history["total"], history["best"]) == (2, 0)
    assert history["notes"] == [{"text": "0.2 it is", "by": "agent", "trial": 0}]
    assert ran(tmp_path, "best", "--as", "args").stdout.strip() == "--lr=0.2 --depth=4"
    clear(ran(tmp_path, "ask"))


def test_a_command_that_is_handed_out_can_be_run_as_it_is(tmp_path: Path) -> None:
    """What `ask` prints as the command runs in its working directory, and gives a result."""
    lay_out(tmp_path)
    asked = by_hand(tmp_path, "ask")
    output = subprocess.run(
        asked["command"], cwd=str(asked["workdir"]), capture_output=True, text=True, check=True
    ).stdout
    value = output.rsplit("val_acc=", 1)[1].strip()
    assert by_hand(tmp_path, "tell", "0", "--metric", f"val_acc={value}")["value"] == float(value)


def test_without_json_each_verb_speaks_in_words(tmp_path: Path) -> None:
    """A person may use the same verbs, and is told what to type next."""
    lay_out(tmp_path)
    assert "there are no trials yet" in ran(tmp_path, "history").stdout
    assert "lr=" in ran(tmp_path, "suggest", "--n", "2").stdout
    assert ran(tmp_path, "propose", "--set", "depth=2").stdout.startswith("trial 0: lr=0.1 depth=2")
    asked = ran(tmp_path, "ask").stdout
    assert "then: trialwright tell 0000/0.0 --metric val_acc=VALUE" in asked
    failed = ran(tmp_path, "tell", "0", "--failed", "diverged", "--detail", "NaN at 3").stdout
    assert failed.startswith("trial 0 failed\nfailed: diverged: NaN at 3")
    assert ran(tmp_path, "note", "mind the NaN").stdout == "noted\n"
    listed = ran(tmp_path, "history").stdout
    assert "   0 failed " in listed
    assert "note by agent: mind the NaN" in listed


def test_a_claim_is_written_and_listed_from_the_shell(tmp_path: Path) -> None:
    """What is tested, what contradicts it, where it stands; what can't be tested is refused."""
    lay_out(tmp_path, trials=3)
    played(tmp_path, 0.5)
    words = ("too slow", "--with", "lr=0.2..", "--against", "lr=..0.1", "--expect", "better")
    written = ran(tmp_path, "claim", *words).stdout
    assert written.startswith("claim 0: val_acc is higher with lr from 0.2 on than without\n")
    assert "one with lr from 0.2 on, one with lr up to 0.1" in written
    assert "claim 0 by agent [open]: val_acc is higher" in ran(tmp_path, "history").stdout
    assert "claim 0 by agent [open]" in ran(tmp_path, "claims").stdout
    [told_of] = by_hand(tmp_path, "history")["claims"]  # type: ignore[misc]
    assert (told_of["text"], told_of["status"], told_of["comparisons"]) == ("too slow", "open", 0)
    refused = ran(tmp_path, "claim", "x", "--with", "mu")
    assert refused.returncode == 2
    assert "mu is no parameter" in refused.stderr


def test_points_of_a_curve_are_told(tmp_path: Path) -> None:
    """One by one, from a file, or from standard input: the run is read as the study's own are."""
    lay_out(tmp_path, trials=3)
    lines = [json.dumps({"step": step, "val_acc": step / 10}) for step in range(1, 9)]
    (tmp_path / "curve.jsonl").write_text("\n".join(lines) + "\n\n")
    words = ("--point", "step=1 val_acc=0.1", "--point", "step=2,val_acc=0.3,loss=1")
    by_hand(tmp_path, "ask")
    assert by_hand(tmp_path, "tell", "0", *words)["value"] == 0.3
    by_hand(tmp_path, "ask")
    assert by_hand(tmp_path, "tell", "1", "--points", "curve.jsonl")["value"] == 0.8
    by_hand(tmp_path, "ask")
    piped = '{"step": 4, "metrics": {"val_acc": 0.5}}'
    by_hand(tmp_path, "tell", "2", "--points", "-", "--metric", "val_acc=0.6", stdin=piped)
    curves = [trial.runs[0].observation.curve for trial in read(tmp_path / "runs/toy").trials]  # type: ignore[union-attr]
    assert curves[0].series["loss"] == (None, 1.0)
    assert curves[1].points("val_acc")[-1] == (8.0, 0.8)
    assert curves[2].points("val_acc") == [(4.0, 0.5)]


def test_history_is_filtered_and_sorted(tmp_path: Path) -> None:
    """By state, by proposer, the last ones, or the best ones."""
    lay_out(tmp_path, trials=9)
    by_hand(tmp_path, "propose", "--set", "lr=0.3", "--by", "hand")
    played(tmp_path, 0.5, 0.9, 0.7)
    run = str(by_hand(tmp_path, "ask")["run"])
    by_hand(tmp_path, "tell", run, "--pruned", "--step", "1", "--metric", "val_acc=0.1")

    def numbers(*words: str) -> list[int]:
        return [trial["trial"] for trial in by_hand(tmp_path, "history", *words)["trials"]]  # type: ignore[attr-defined]

    assert numbers() == [0, 1, 2, 3]
    assert numbers("--state", "pruned") == [3]
    assert numbers("--by", "hand") == [0]
    assert numbers("--last", "2") == [2, 3]
    assert numbers("--sort", "value", "--last", "2") == [1, 2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("propose", "--set", "lr=9"), "lr = 9.0 is not a number from 0.001 to 1"),
        (("propose", "--set", "lr=fast"), "lr = 'fast' is not a number"),
        (("propose", "--set", "lr"), "'lr' is not NAME=VALUE"),
        (("propose", "--set", "mu=1"), "the parameters are lr, depth"),
        (("propose", "--set", "lr=0.2", "--parent", "7"), "there is no trial 7"),
        (("propose", "--set", "lr=1e-1"), "the same configuration as trial 0"),
        (("tell", "3/0.0", "--metric", "val_acc=1"), "there is no trial 3"),
        (("tell", "0", "--metric", "acc=1"), "tells val_acc, the goal's metric; told: acc"),
        (("tell", "0", "--metric", "val_acc"), "is not NAME=NUMBER"),
        (("tell", "0", "--point", "3"), "is no point: it has a step and a metric"),
        (
            ("tell", "0", "--point", "step=1 val_acc=x"),
            "val_acc in --point 'step=1 val_acc=x' is not",
        ),
        (("tell", "0", "--points", "none.jsonl"), "none.jsonl can't be read as points"),
        (("tell", "0", "--points", "study.yaml"), "line 1 of study.yaml is not JSON"),
        (("claim", "x", "--with", "mu=1"), "mu is no parameter"),
        (("claim", "x", "--with", "lr=9.."), "lr from 9 on holds no value"),
        (("tell", "0", "--failed", "bad luck"), "'bad luck' is no cause: one of out_of_memory"),
        (("tell", "0", "--failed", "other", "--pruned"), "give --failed or --pruned"),
        (("note", "x", "--trial", "5"), "there is no trial 5"),
        (("ask", "--by", "random"), "an agent can't be called 'random'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """Status 2 and one message: what was given, what is allowed."""
    lay_out(tmp_path)
    by_hand(tmp_path, "propose", "--set", "lr=0.1")
    by_hand(tmp_path, "ask")
    answer = ran(tmp_path, *words)
    clear(answer)
    assert said in answer.stderr


def test_a_refusal_is_json_too(tmp_path: Path) -> None:
    """With `--json` the faults are on stdout, and the status is 2 all the same."""
    lay_out(tmp_path)
    answer = ran(tmp_path, "propose", "--set", "lr=9", "--json")
    clear(answer)
    assert json.loads(answer.stdout)["faults"][0].startswith("lr = 9.0 is not a number")


def test_without_a_study_the_place_is_named(tmp_path: Path) -> None:
    """Where neither file nor results are, the message says so."""
    answer = ran(tmp_path, "ask")
    clear(answer)
    assert "study.yaml" in answer.stderr


def test_beside_a_run_the_verbs_are_served(tmp_path: Path) -> None:
    """With the study being run, an offer is admitted by who runs it, and asking says who does."""
    lay_out(tmp_path, sleep=1.5, trials=6)
    with coordinator(tmp_path) as process:
        offered = by_hand(tmp_path, "propose", "--set", "lr=0.5", "--set", "depth=7")
        asked = ran(tmp_path, "ask")
        clear(asked)
        assert f"process {process.pid} is running the study" in asked.stderr
    trials = by_hand(tmp_path, "history", "--by", "agent")["trials"]
    assert [(trial["trial"], trial["state"]) for trial in trials] == [(offered["trial"], "done")]  # type: ignore[attr-defined]


def test_an_edit_is_proposed_as_a_patch(tmp_path: Path) -> None:
    """From a file or standard input, as `git diff` writes it; its runs are not handed out."""
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "evaluator.py").write_text(EVALUATOR)
    (tmp_path / "study.yaml").write_text(
        f"name: loss\ngoal: minimize loss\ncommand: [{sys.executable}, train.py]\n"
        "research: {editable: [train.py], sandbox: none}\nbudget: {trials: 3}\n"
    )
    (tmp_path / ".gitignore").write_text("runs\n*.patch\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "begin")
    (tmp_path / "train.py").write_text(TRAIN.replace("RATE = 0.5", "RATE = 0.75"))
    patch = git(tmp_path, "diff", "-U1") + "\n"
    git(tmp_path, "checkout", "train.py")
    (tmp_path / "mine.patch").write_text(patch)
    words = ("propose", "--patch", "-", "--category", "architecture", "--why", "nearer")
    offered = by_hand(tmp_path, *words, stdin=patch)
    assert offered["trial"] == 0
    assert offered["edit"]["declared"] == "architecture"  # type: ignore[index]
    assert offered["edit"]["inferred"] == "hyperparameter"  # type: ignore[index]
    again = ran(tmp_path, "propose", "--patch", "mine.patch")
    clear(again)
    assert "trial 0" in again.stderr
    for wrong, reason in (
        (("--patch", "none.patch"), "can't be read"),
        (("--patch", "mine.patch", "--set", "lr=1"), "give --patch or --set"),
        (("--patch", ".gitignore"), "does not apply"),
    ):
        answer = ran(tmp_path, "propose", *wrong)
        clear(answer)
        assert reason in answer.stderr
    asked = ran(tmp_path, "ask")
    clear(asked)
    assert "not handed out" in asked.stderr
    assert git(tmp_path, "status", "--porcelain") == ""
