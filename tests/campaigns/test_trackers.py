"""Runs that W&B and MLflow keep: their exports, and MLflow's own folders and databases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trialwright.campaigns.given import given
from trialwright.campaigns.mlflow import is_mlflow_folder, mlflow_database, mlflow_folder
from trialwright.campaigns.read import parse, read
from trialwright.errors import CampaignError
from trialwright.report.pictures.album import album

TABLE = """\
"Name","State","Notes","User","Tags","Created","Runtime","Sweep","batch_size","lr","metric.goal",\
"metric.name","model_type","seed","epoch","eval/ssim_mean","train_loss","val_loss"
"crisp-sweep-3","failed","-","me","","2025-11-13T09:48:11.000Z","9910","1wfh","8","0.0001",\
"minimize","val_loss","swin","2","","","",""
"lunar-sweep-2","finished","-","me","","2025-11-13T09:34:15.000Z","5902","1wfh","8","0.0002",\
"minimize","val_loss","unetr","1","99","0.91","0.2","0.31"
"bold-sweep-1","finished","a wide one, ""good"" too","me","","2025-11-13T09:21:36.000Z","10308",\
"1wfh","16","0.0001","minimize","val_loss","unet","0","99","0.93","0.21","0.29"
"cut","finished","-"
"""
"""What "Export table" writes, after such a file in a public repository: the newest run first."""

EXAMPLE = """\
,summary,config,name
0,"{'_runtime': 120.5, '_timestamp': 1700000300.0, 'val_acc': 0.91, 'loss': nan}",\
"{'lr': 0.1, 'model': {'depth': 3}}",bold-1
1,"{'_runtime': 60.0, '_timestamp': 1700000100.0, 'val_acc': 0.87}","{'lr': 0.2}",calm-2
2,<Summary>,"{'lr': 0.3}",dark-3
"""
"""What the API's example in its documents (docs.wandb.ai, "Export run data") writes."""

SEARCH_RUNS = """\
run_id,experiment_id,status,artifact_uri,start_time,end_time,metrics.train/loss,metrics.val_acc,\
params.lr,params.seed,params.model.optimizer,tags.mlflow.runName,tags.note
0b80c8,163913,FAILED,file:///m/artifacts,2026-11-22 02:55:52.795+00:00,\
2026-11-22 02:55:52.805+00:00,,,9.0,,,grandiose-vole-2,
28cb58,163913,FINISHED,file:///m/artifacts,2026-11-22 02:55:52.771+00:00,\
2026-11-22 02:55:54.771+00:00,0.8,0.72,0.001,2,adam,run 2,x
9d9b96,163913,FINISHED,file:///m/artifacts,2026-11-22 02:55:52.712+00:00,\
2026-11-22 02:55:52.739+00:00,0.8,0.7,0.1,0,sgd,run 0,x
"""
"""What `search_runs().to_csv` of MLflow 3.17 wrote, some columns and digits left out."""


def test_the_table_of_wandb_is_read_with_settings_apart_from_results() -> None:
    """Settings end where the order of names falls; runs stand in the order of their beginning."""
    one = parse(TABLE)
    assert (one.dialect, one.metric, one.direction) == ("Weights & Biases", "val_loss", "minimize")
    assert one.direction_from == "the sweep says minimize"
    assert [(e.label, e.metric, e.status, e.word) for e in one.experiments] == [
        ("bold-sweep-1", 0.29, "other", "finished"),
        ("lunar-sweep-2", 0.31, "other", "finished"),
        ("crisp-sweep-3", None, "crash", "failed"),
    ]
    first = one.experiments[0]
    assert first.configuration == {
        "batch_size": 16,
        "lr": 0.0001,
        "metric.goal": "minimize",
        "metric.name": "val_loss",
        "model_type": "unet",
        "seed": 0,
    }
    assert first.metrics == {"epoch": 99.0, "eval/ssim_mean": 0.93, "train_loss": 0.21}
    assert (first.seed, first.seconds, first.at) == (0, 10308.0, 1763025696.0)
    assert (first.description, first.line) == ('a wide one, "good" too', 4)
    assert [(bad.line, bad.why) for bad in one.malformed] == [
        (5, "3 fields where the header has 18")
    ]


def test_another_metric_of_a_table_can_be_named() -> None:
    """`--map metric` takes any result by its name, and the sweep's goal is then not in its way."""
    one = parse(TABLE, given=given(["metric=eval/ssim_mean", "direction=maximize"]))
    assert (one.metric, one.best and one.best.metric) == ("eval/ssim_mean", 0.93)


def test_the_example_of_wandbs_api_is_read() -> None:
    """Cells with Python's dicts are settings and results; one without is malformed."""
    one = parse(EXAMPLE)
    assert (one.dialect, one.metric) == ("Weights & Biases", "val_acc")
    assert [(e.label, e.metric, e.seconds) for e in one.experiments] == [
        ("calm-2", 0.87, 60.0),
        ("bold-1", 0.91, 120.5),
    ]
    assert one.experiments[1].configuration == {"lr": 0.1, "model.depth": 3}
    assert one.experiments[1].at == 1700000300.0 - 120.5
    assert [bad.line for bad in one.malformed] == [4]


@pytest.mark.parametrize("shape", ["list", "lines", "answer", "single"])
def test_runs_of_wandb_in_json_are_read(shape: str) -> None:
    """As a list, a run per line, an answer of its server, or one alone: the same experiments."""
    run = {
        "name": "bold-1",
        "state": "finished",
        "created_at": "2024-03-01T12:00:00",
        "tags": ["a", "b"],
        "config": {"lr": {"value": 0.1, "desc": None}, "_wandb": {"value": {"cli": "0.16"}}},
        "summary": {"val_acc": 0.9, "_runtime": 7.5, "plot": {"_type": "image-file"}},
    }
    texts = {
        "list": json.dumps([run, run]),
        "lines": f"{json.dumps(run)}\n{json.dumps(run)}\n",
        "single": json.dumps(run, indent=1),
        "answer": json.dumps(
            {
                "edges": [
                    {
                        "node": {
                            "name": "abc",
                            "displayName": "bold-1",
                            "state": "finished",
                            "createdAt": "2024-03-01T12:00:00",
                            "config": json.dumps(run["config"]),
                            "summaryMetrics": json.dumps(run["summary"]),
                        }
                    }
                ]
            }
        ),
    }
    one = parse(texts[shape])
    assert (one.dialect, one.metric, one.direction) == ("Weights & Biases", "val_acc", "maximize")
    first = one.experiments[0]
    assert (first.label, first.metric, first.seconds) == ("bold-1", 0.9, 7.5)
    assert (first.at, first.configuration) == (1709294400.0, {"lr": 0.1})
    assert len(one.experiments) == (2 if shape in ("list", "lines") else 1)


def test_the_table_of_search_runs_is_read() -> None:
    """Parameters are settings, metrics results, names and states MLflow's; in order of time."""
    one = parse(SEARCH_RUNS)
    assert (one.dialect, one.metric, one.direction) == ("MLflow", "val_acc", "maximize")
    assert [(e.label, e.metric, e.status) for e in one.experiments] == [
        ("run 0", 0.7, "other"),
        ("run 2", 0.72, "other"),
        ("grandiose-vole-2", None, "crash"),
    ]
    assert one.experiments[1].configuration == {"lr": 0.001, "seed": 2, "model.optimizer": "adam"}
    assert (one.experiments[1].seed, one.experiments[1].seconds) == (2, 2.0)
    assert one.experiments[1].metrics == {"train/loss": 0.8}


T = 1_700_000_000_000
"""Milliseconds since the epoch at which the first run began."""


def logged(uri: str) -> None:
    """Have MLflow itself log two experiments: one of four runs, of which one fails; one of one."""
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(tracking_uri=uri)
    net = client.create_experiment("net")
    for place, (rate, kind) in enumerate([(0.1, "sgd"), (0.01, "adam"), (0.001, "adam")]):
        run = client.create_run(net, start_time=T + 1_000 * place, run_name=f"run {place}")
        client.log_param(run.info.run_id, "lr", rate)
        client.log_param(run.info.run_id, "model.optimizer", kind)
        for step in range(3):
            value = 0.5 + 0.1 * step + 0.01 * place
            client.log_metric(run.info.run_id, "val_acc", value, step=step)
            client.log_metric(run.info.run_id, "train/loss", 1 - 0.1 * step, step=step)
        client.set_terminated(run.info.run_id, end_time=T + 1_000 * place + 250)
    failed = client.create_run(net, start_time=T + 9_000)
    client.set_terminated(failed.info.run_id, status="FAILED", end_time=T + 9_500)
    gone = client.create_run(net, start_time=T + 9_900)
    client.delete_run(gone.info.run_id)
    other = client.create_run(client.create_experiment("other"), start_time=T)
    client.log_metric(other.info.run_id, "rmse", 2.0)
    client.set_terminated(other.info.run_id)


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of its file store
@pytest.mark.parametrize("kind", ["folder", "database"])
def test_what_mlflow_keeps_is_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder and a database of MLflow's own making: a campaign each experiment, last values."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    if kind == "folder":
        logged((tmp_path / "mlruns").as_uri())
        assert is_mlflow_folder(tmp_path)
        campaigns = mlflow_folder(tmp_path)
    else:
        logged(f"sqlite:///{tmp_path}/mlflow.db")
        campaigns = mlflow_database(tmp_path / "mlflow.db")
    found = {one.name: one for one in campaigns}
    assert set(found) == {"net", "other"}
    net = found["net"]
    assert (net.dialect, net.metric, net.direction) == ("MLflow", "val_acc", "maximize")
    assert [(e.metric, e.status, e.at, e.seconds) for e in net.experiments] == [
        (0.7, "other", 1.7e9, 0.25),
        (0.71, "other", 1.7e9 + 1, 0.25),
        (0.72, "other", 1.7e9 + 2, 0.25),
        (None, "crash", 1.7e9 + 9, 0.5),
    ]
    assert net.experiments[1].configuration == {"lr": 0.01, "model.optimizer": "adam"}
    assert net.experiments[1].metrics == {"train/loss": 0.8}
    assert net.experiments[1].curve == ((0.0, 0.51), (1.0, pytest.approx(0.61)), (2.0, 0.71))
    assert net.experiments[3].curve == ()
    drawn = {one.name: one for one in album(net)}
    assert drawn["curves"].sentence.startswith("3 runs with a curve")
    assert (found["other"].metric, found["other"].direction) == ("rmse", "minimize")


def test_a_torn_folder_of_mlflow_is_told_of(tmp_path: Path) -> None:
    """A metric's file that was cut off, and a run without meta.yaml, are malformed, the rest read.

    A folder that holds no experiment is not taken for one, and one without runs is refused.
    """
    store = tmp_path / "mlruns"
    for run, value in (("a", "1700000000000 0.5 0\n"), ("b", "170"), ("c", None)):
        (store / "7" / run / "metrics").mkdir(parents=True)
        (store / "7" / run / "params").mkdir()
        if value is not None:
            (store / "7" / run / "metrics" / "val_acc").write_text(value)
            (store / "7" / run / "meta.yaml").write_text(
                f"run_id: {run}\nrun_name: {run}\nstatus: 3\nstart_time: 1700000000000\n"
            )
    assert not is_mlflow_folder(tmp_path)
    (store / "7" / "meta.yaml").write_text("experiment_id: '7'\nname: torn\n")
    (one,) = mlflow_folder(tmp_path)
    assert [e.metric for e in one.experiments] == [0.5, None]
    assert sorted(bad.why for bad in one.malformed) == [
        "a metric's file without a line `timestamp value step`",
        "a run without a meta.yaml",
    ]
    empty = tmp_path / "empty" / "0"
    empty.mkdir(parents=True)
    (empty / "meta.yaml").write_text("experiment_id: '0'\nname: Default\n")
    with pytest.raises(CampaignError, match="no experiment has a run"):
        mlflow_folder(tmp_path / "empty")


STEPS = {
    "history.jsonl": "".join(
        json.dumps({"run_name": name, "_step": step, "val_acc": 0.5 + step / 10, "lr": 0.1}) + "\n"
        for name in ("bold-1", "calm-2") for step in range(3)
    ),
    "history.csv": '"Step","bold-1 - val_acc","bold-1 - val_acc__MIN","bold-1 - val_acc__MAX",'
    '"calm-2 - val_acc"\n"0","0.5","0.5","0.5","0.5"\n"1","0.6","0.6","0.6","0.6"\n'
    '"2","0.7","0.7","0.7","0.7"\n',
    "history/bold-1.csv": "_step,val_acc,loss\n0,0.5,2\n1,0.6,\n2,0.7,1\n",
}  # fmt: skip
"""What `run.history()` gives of several runs, a chart's own export, and a file per run."""


@pytest.mark.parametrize("name", STEPS)
def test_histories_of_wandb_beside_the_table_are_curves(name: str, tmp_path: Path) -> None:
    """A row per step, a chart's export or a file per run: the curve of the run of that name."""
    table = tmp_path / "runs.csv"
    table.write_text(EXAMPLE)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(STEPS[name])
    one = read(table)
    curves = {e.label: e.curve for e in one.experiments}
    assert curves["bold-1"] == ((0.0, 0.5), (1.0, 0.6), (2.0, 0.7))
    told = sum(map(bool, curves.values()))
    assert any(note.startswith(f"curves of {told} of 2 runs") for note in one.notes)


def test_a_history_within_a_run_in_json_is_its_curve() -> None:
    """An object of a run may hold its history; what the tracker wrote itself is no metric."""
    run = {
        "name": "bold-1", "state": "finished", "config": {"lr": 0.1}, "summary": {"val_acc": 0.6},
        "history": [{"_step": 0, "val_acc": 0.5}, {"_step": 5, "val_acc": 0.6}, {"_step": 6}],
    }  # fmt: skip
    assert parse(json.dumps([run])).experiments[0].curve == ((0.0, 0.5), (5.0, 0.6))
