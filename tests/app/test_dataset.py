"""`trialwright export --dataset`: a study as tables that others can read, without its secrets."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.app.commands import ran
from tests.histories import Recorder, network_task, study_history
from trialwright.app.analyze.sources import campaigns_in
from trialwright.campaigns.campaign import Experiment
from trialwright.campaigns.dataset import described, read_table
from trialwright.history import History
from trialwright.insight.ours import campaign_of
from trialwright.records import (
    Curve,
    Edit,
    Exchange,
    Launch,
    Observation,
    Proposal,
    Refusal,
    RunKey,
)

SECRET = "sk-do-not-publish"
TABLES = ("trials", "runs", "curves", "proposals", "verdicts", "exchanges")


def recorded(folder: Path) -> History:
    """Record a study with an edit, a refusal, a NaN, a price, and secrets where they are."""
    recorder = Recorder(folder, network_task(trials=3))
    base = {"learning_rate": 0.1, "batch_size": 64, "hidden": 64, "dropout": 0.0,
            "optimizer": "adam", "weight_decay": 0.01}  # fmt: skip
    recorder.note(Exchange(by="claude", purpose="propose", model="m", input_tokens=7, usd=0.25,
                           detail=SECRET))  # fmt: skip
    first = recorder.admit(Proposal(configuration=base, by="claude", rationale='a, "b"\nc'))
    recorder.note(
        Launch(run=RunKey(first, 0, 0), seed=5, command=("train", f"--key={SECRET}"), machine="m1")
    )
    curve = Curve(
        steps=(1.0, 2.0), series={"val_accuracy": (0.5, 0.75), "loss": (1.0, float("nan"))}
    )
    recorder.observe(
        Observation(run=RunKey(first, 0, 0), outcome="done", value=0.75, seconds=2.0, curve=curve,
                    metrics={"val_accuracy": 0.75, "value": 3.0}, peak_memory_bytes=2_000_000_000)
    )  # fmt: skip
    recorder.note(Refusal(proposal=Proposal(configuration={"hidden": 9999}, by="claude"),
                          faults=("hidden is too large", "so is the rest")))  # fmt: skip
    recorder.note(Refusal(proposal=Proposal(configuration=base, by="claude"),
                          faults=(f"ends with {SECRET}",), cause="import_error"))  # fmt: skip
    edit = Edit(patch=f"+key = '{SECRET}'\n", tree="t" * 40, files=("train.py",), added=1,
                inferred="optimizer", summary="train.py: Adam for SGD")  # fmt: skip
    second = recorder.admit(
        Proposal(configuration=base, by="expert", parent=first, edit=edit, category="multi")
    )
    key = recorder.launch(second)
    recorder.observe(Observation(run=key, outcome="failed", cause="import_error", exit_status=1,
                                 detail=SECRET, log_tail=f"token {SECRET}"))  # fmt: skip
    recorder.admit(Proposal(configuration=base | {"hidden": 32}, by="expert"))
    return recorder.close(sentence=None)


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    """Read a table as anybody would, by pandas."""
    pandas = pytest.importorskip("pandas")
    about = described(folder)["tables"][name]["file"]
    path = folder / about
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        found = pandas.read_parquet(path)
    else:
        found = pandas.read_csv(path)
    return [
        {key: None if value is None or value != value else value for key, value in row.items()}
        for row in found.astype(object).to_dict("records")
    ]


@pytest.fixture(params=["parquet", "csv"])
def form(request: pytest.FixtureRequest) -> str:
    """Both formats; Parquet where pyarrow is installed."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return str(request.param)


def test_every_table_is_there_with_every_row(form: str, tmp_path: Path) -> None:
    """Trials, runs, curves, proposals and verdicts say what the ledger says, read by pandas."""
    history = study_history(tmp_path / "digits", trials=12, replicates=2)
    answer = ran(tmp_path, "export", "digits", "--dataset", "out", "--format", form, "--json")
    assert answer.returncode == 0, answer.stderr
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["README.md", "dataset.json", *(f"{name}.{form}" for name in TABLES)]
    )
    trials, runs, curves = (rows(out, name) for name in ("trials", "runs", "curves"))
    assert [row["value"] for row in trials] == [trial.value for trial in history.trials]
    assert [row["config.optimizer"] for row in trials] == [
        trial.configuration["optimizer"] for trial in history.trials
    ]
    seen = [run.observation for trial in history.trials for run in trial.runs]
    assert [row["seconds"] for row in runs] == [one and one.seconds for one in seen]
    assert [row["cause"] for row in runs] == [one and one.cause for one in seen]
    points = [
        (step, value)
        for one in seen
        if one
        for metric in one.curve.series
        for step, value in one.curve.points(metric)
    ]
    assert len(points) == len(curves) == json.loads(answer.stdout)["rows"]["curves"]
    assert [row["step"] for row in curves] == [step for step, _ in points]
    proposals, verdicts = rows(out, "proposals"), rows(out, "verdicts")
    assert [row["rationale"] for row in proposals] == [t.proposal.rationale for t in history.trials]
    assert [json.loads(str(row["configuration"])) for row in proposals] == [
        dict(trial.configuration) for trial in history.trials
    ]
    last = {row["trial"]: row["status"] for row in verdicts}
    assert last == {t.number: t.verdict.status for t in history.trials if t.verdict}
    assert len(verdicts) == len(history.judged)


def test_the_unusual_is_said_as_it_is(form: str, tmp_path: Path) -> None:
    """A refusal, an edit, NaN, line ends in a rationale, a metric called value, an open trial."""
    recorded(tmp_path / "s")
    assert ran(tmp_path, "export", "s", "--dataset", "out", "--format", form).returncode == 0
    out = tmp_path / "out"
    trials = read_table(out, "trials")
    assert [row["status"] for row in trials] == ["keep", "crash", None]
    assert [row["state"] for row in trials] == ["done", "failed", "queued"]
    assert (trials[0]["value"], trials[0]["metric.value"]) == (0.75, 3.0)
    assert trials[0]["description"] == 'a, "b"\nc'
    assert (trials[1]["category"], trials[1]["declared"]) == ("optimizer", "multi")
    assert (trials[1]["description"], trials[1]["tree"]) == ("train.py: Adam for SGD", "t" * 40)
    refused = read_table(out, "proposals")[1]
    assert (refused["trial"], refused["faults"]) == (None, "hidden is too large; so is the rest")
    assert json.loads(str(refused["configuration"])) == {"hidden": 9999}
    losses = [row["value"] for row in read_table(out, "curves") if row["metric"] == "loss"]
    assert losses[0] == 1.0
    assert isinstance(losses[1], float)
    assert math.isnan(losses[1])
    (asked,) = read_table(out, "exchanges")
    assert (asked["by"], asked["input_tokens"], asked["usd"]) == ("claude", 7, 0.25)
    (first, *_) = read_table(out, "runs")
    assert (first["seed"], first["fresh"], first["memory_bytes"]) == (5, False, 2_000_000_000)


def test_secrets_stay_where_they_are(form: str, tmp_path: Path) -> None:
    """Commands, errors of models, hosts and folders never go out; logs and patches when asked."""
    recorded(tmp_path / "s")

    def everything(*words: str) -> str:
        answer = ran(tmp_path, "export", "s", "--dataset", "out", "--format", form, *words)
        assert answer.returncode == 0, answer.stderr
        tables = [str(row) for name in TABLES for row in read_table(tmp_path / "out", name)]
        texts = [(tmp_path / "out" / name).read_text() for name in ("README.md", "dataset.json")]
        return "\n".join([*tables, *texts])

    quiet = everything()
    assert SECRET not in quiet
    assert "bench" not in quiet  # the machine's name
    assert str(tmp_path) not in quiet
    logs = everything("--force", "--logs")
    assert f"token {SECRET}" in logs
    assert "+key = " not in logs
    assert f"--key={SECRET}" not in logs
    assert f"ends with {SECRET}" in logs
    assert "+key = " in everything("--force", "--code")


def test_what_was_exported_is_analysed_as_the_study_itself(form: str, tmp_path: Path) -> None:
    """Read again it is the same campaign; what was not judged yet is noted in both."""
    for name, history in (
        ("digits", study_history(tmp_path / "digits", trials=12, replicates=2)),
        ("odd", recorded(tmp_path / "odd")),
    ):
        answer = ran(tmp_path, "export", name, "--dataset", f"{name}-out", "--format", form)
        assert answer.returncode == 0, answer.stderr
        (again,) = campaigns_in(tmp_path / f"{name}-out")
        (ours,) = campaigns_in(tmp_path / name)
        assert again.experiments == ours.experiments
        assert again.experiments == campaign_of(history).experiments
        assert (again.name, again.metric, again.direction) == (
            ours.name,
            ours.metric,
            ours.direction,
        )
        assert again.notes == ours.notes


def test_the_card_says_what_there_is(form: str, tmp_path: Path) -> None:
    """Counts, every column of every table, the space, versions, and that a licence is missing."""
    history = study_history(tmp_path / "digits", trials=5)
    assert ran(tmp_path, "export", "digits", "--dataset", "out", "--format", form).returncode == 0
    card = (tmp_path / "out" / "README.md").read_text()
    about = described(tmp_path / "out")
    assert f"5 trials, {history.launches} runs" in card
    for name in TABLES:
        table = about["tables"][name]
        assert f"### `{name}.{form}`: " in card
        assert table["rows"] == len(read_table(tmp_path / "out", name))
        for column in table["columns"]:
            assert f"| `{column['name']}` | {column['kind']} |" in card
            assert column["what"]
    assert "| `learning_rate` | a number from 0.0001 to 1, log scale |" in card
    assert "Python 3.11.9, 2 cores" in card
    assert "## Licence\n\nNone is given yet" in card
    code = card.split("```python\n")[1].split("```")[0]
    assert f"trials.{form}" in code
    if form == "csv":
        pytest.importorskip("pandas")
    (tmp_path / "out" / "look.py").write_text(code)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    """Only a data set is replaced, and only with --force; wishes that contradict are refused."""
    study_history(tmp_path / "digits", trials=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    for words, said in (
        (("--dataset", "mine"), "holds something else"),
        (("--dataset", "mine", "--force"), "holds something else"),
        (("--dataset", "x", "--to", "y.tsv"), "--dataset alone"),
        (("--dataset", "x", "--format", "xml"), "must be parquet or csv"),
        (("--to", "y.tsv", "--logs"), "are for a data set"),
        ((), "say what to write"),
    ):
        refused = ran(tmp_path, "export", "digits", *words)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    assert ran(tmp_path, "export", "digits", "--dataset", "x", "--format", "csv").returncode == 0
    again = ran(tmp_path, "export", "digits", "--dataset", "x", "--format", "csv")
    assert (again.returncode, "--force" in again.stderr) == (2, True)
    described(tmp_path / "x")
    (tmp_path / "x" / "dataset.json").write_text('{"format": "trialwright-dataset", "version": 9}')
    newer = ran(tmp_path, "analyze", "x")
    assert (newer.returncode, "is of version 9" in newer.stderr) == (2, True)


def test_values_of_several_kinds_share_a_column(tmp_path: Path) -> None:
    """A setting that is a number here and a word there becomes text, the same in both formats."""
    recorder = Recorder(tmp_path / "s", network_task(trials=2))
    for value in (16, "auto", True):
        trial = recorder.admit(Proposal(configuration={"hidden": value, "dropout": 0}, by="me"))
        key = recorder.launch(trial)
        recorder.observe(Observation(run=key, outcome="done", value=0.5, seconds=1.0))
    recorder.close()
    assert ran(tmp_path, "export", "s", "--dataset", "out", "--format", "csv").returncode == 0
    assert [row["config.hidden"] for row in read_table(tmp_path / "out", "trials")] == [
        "16", "auto", "true",
    ]  # fmt: skip
    experiments: tuple[Experiment, ...] = campaigns_in(tmp_path / "out")[0].experiments
    assert experiments[0].configuration == {"hidden": "16", "dropout": 0}
