"""Runs in MLflow and TensorBoard, read back by their own readers; and that no study waits for them.

MLflow writes to real databases here, TensorBoard's files are read by TensorBoard itself.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.commands import clear, environment, lay_out, ran
from trialwright.app.tracking.books import shelves
from trialwright.app.tracking.copies import VALUE
from trialwright.app.tracking.mirror import TOPIC, Mirrors
from trialwright.history import History, read
from trialwright.study import Study
from trialwright.studyfile import load

PATIENCE_S = 600.0
"""Longer than any machine takes to load MLflow."""

READ = """\
import json, logging, sys
from mlflow import MlflowClient
from mlflow.entities import ViewType

client = MlflowClient(tracking_uri=sys.argv[1])
found = []
for experiment in client.search_experiments():
    for run in client.search_runs([experiment.experiment_id], "", ViewType.ALL):
        points = {
            name: [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        found.append({
            "experiment": experiment.name, "name": run.info.run_name, "id": run.info.run_id,
            "status": run.info.status, "stage": run.info.lifecycle_stage, "points": points,
            "tags": run.data.tags, "params": run.data.params,
            "began": run.info.start_time, "ended": run.info.end_time,
        })
        if sys.argv[2:] == ["delete", run.info.run_name]:
            client.delete_run(run.info.run_id)
print(json.dumps(found))
"""


def in_mlflow(uri: str, *words: str) -> dict[str, dict[str, Any]]:
    """What MLflow's own client finds in a store, by the names of the runs."""
    told = subprocess.run(
        [sys.executable, "-c", READ, uri, *words],
        capture_output=True, text=True, check=True,
        env=environment(MLFLOW_DISABLE_TELEMETRY="true"),
    )  # fmt: skip
    found = json.loads(told.stdout.splitlines()[-1])
    assert len({run["name"] for run in found}) == len(found), "a run is there twice"
    return {run["name"]: run for run in found}


def in_tensorboard(folder: Path) -> Any:
    """What TensorBoard itself reads of one run's folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def mirrored(
    folder: Path, *, patience_s: float = PATIENCE_S, **variables: str
) -> tuple[History, list[str]]:
    """Run the study in a folder with its trackers; return what came out, and what was said."""
    task = load(folder / "study.yaml")
    study = Study(task, folder / "runs" / "toy")
    said: list[str] = []
    found = shelves(task, study.folder, {**os.environ, **variables})
    with Mirrors(found, study.store, said.append, patience_s=patience_s) as mirrors:
        history = study.run(mirrors)
    return history, said


def lay_out_with(folder: Path, trackers: str, *, trials: int = 3) -> Path:
    """Write a small study that names trackers; return its file."""
    file = lay_out(folder, trials=trials)
    file.write_text(f"{file.read_text()}trackers: {trackers}\n")
    return file


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_runs_are_in_mlflow_while_the_study_goes_on_and_once(tmp_path: Path) -> None:
    """Each run is one of MLflow's, with all that is known; resuming adds the new ones alone."""
    file = lay_out_with(tmp_path, "mlflow", trials=2)
    file.write_text(file.read_text().replace("seeds:", "") + "seeds: {screen: 2}\n")
    history, said = mirrored(tmp_path)
    assert said == []
    uri = f"sqlite:///{tmp_path / 'runs' / 'toy' / 'mlflow.db'}"
    first = in_mlflow(uri)
    assert sorted(first) == ["trial 0", "trial 0 seed 1", "trial 1", "trial 1 seed 1"]
    for trial in history.trials:
        for run in trial.runs:
            there = first[f"trial {trial.number}" + (" seed 1" if run.key.seed else "")]
            assert run.observation is not None
            assert there["experiment"] == "toy"
            assert there["status"] == "FINISHED"
            assert there["params"] == {k: str(v) for k, v in trial.configuration.items()}
            assert there["points"]["val_acc"] == [
                [step, value] for step, value in run.observation.curve.points("val_acc")
            ]
            assert there["points"][VALUE] == [[0, run.observation.value]]
            tags = {name.removeprefix("trialwright."): v for name, v in there["tags"].items()}
            assert trial.verdict is not None
            assert (tags["trial"], tags["seed"]) == (str(trial.number), str(run.launch.seed))
            assert (tags["verdict"], tags["by"]) == (trial.verdict.status, "random")
            assert tags["code"] == trial.code
            assert tags["rationale"].startswith("Drawn at random")
            assert there["tags"]["mlflow.note.content"] == tags["rationale"]
            assert run.ended_at is not None
            assert (there["began"], there["ended"]) == (
                round(run.launched_at * 1000), round(run.ended_at * 1000)
            )  # fmt: skip
    file.write_text(file.read_text().replace("trials: 2", "trials: 3"))
    mirrored(tmp_path)
    second = in_mlflow(uri)
    assert sorted(set(second) - set(first)) == ["trial 2", "trial 2 seed 1"]
    assert {name: run["id"] for name, run in second.items() if name in first} == {
        name: run["id"] for name, run in first.items()
    }
    assert all(second[name]["points"] == run["points"] for name, run in first.items())


def test_runs_are_in_tensorboard_with_their_hyperparameters(tmp_path: Path) -> None:
    """TensorBoard reads each run's curve, objective, reasons and hyperparameters, once each."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    file = lay_out_with(tmp_path, "{tensorboard: {folder: tb}}", trials=2)
    history, said = mirrored(tmp_path)
    file.write_text(file.read_text().replace("trials: 2", "trials: 3"))
    history, said = mirrored(tmp_path)
    assert said == []
    assert len(list((tmp_path / "tb").iterdir())) == 3
    for trial in history.trials:
        folder = tmp_path / "tb" / f"trial-{trial.number:04d}-seed-0"
        assert len(list(folder.glob("*.tfevents.*"))) == 1
        found = in_tensorboard(folder)
        (run,) = trial.runs
        assert run.observation is not None
        points = [(event.step, event.value) for event in found.Scalars("val_acc")]
        expected = run.observation.curve.points("val_acc")
        assert points == [(step, pytest.approx(value)) for step, value in expected]
        (objective,) = found.Scalars(VALUE)
        assert objective.value == pytest.approx(trial.value)
        (text,) = found.Tensors("trialwright/text_summary")
        assert b"Drawn at random" in text.tensor_proto.string_val[0]
        plugin = found.PluginTagToContent("hparams")
        begun = HParamsPluginData.FromString(plugin["_hparams_/session_start_info"])
        values = begun.session_start_info.hparams
        assert values["lr"].number_value == trial.configuration["lr"]
        assert trial.verdict is not None
        assert values["trialwright.verdict"].string_value == trial.verdict.status
        ended = HParamsPluginData.FromString(plugin["_hparams_/session_end_info"])
        assert ended.session_end_info.status == 1  # success


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_that_ran_without_is_copied_afterwards(tmp_path: Path) -> None:
    """`mirror --to` copies all runs once; a second time finds them, and one deleted stays so."""
    file = lay_out(tmp_path, trials=3)
    # A run that fails, and a parameter that MLflow has no name for.
    script = (tmp_path / "train.py").read_text()
    (tmp_path / "train.py").write_text(script + "if args.depth < 4: sys.exit('too flat')\n")
    file.write_text(file.read_text() + "start: [{depth: 2}, {depth: 5}]\n")
    assert ran(tmp_path, "run").returncode == 0
    store = f"sqlite:///{tmp_path / 'x.db'}"
    words = ("mirror", "--to", "mlflow", "--uri", store, "--experiment", "mine", "--json")
    (told,) = json.loads(ran(tmp_path, *words).stdout)
    assert (told["copied"], told["there"]) == (3, 0)
    runs = in_mlflow(store, "delete", "trial 1")
    assert {run["experiment"] for run in runs.values()} == {"mine"}
    assert (runs["trial 0"]["status"], runs["trial 1"]["status"]) == ("FAILED", "FINISHED")
    assert runs["trial 0"]["tags"]["trialwright.outcome"] == "failed"
    assert "too flat" in runs["trial 0"]["tags"]["trialwright.detail"]
    (told,) = json.loads(ran(tmp_path, *words).stdout)
    assert (told["copied"], told["there"]) == (0, 3)
    assert in_mlflow(store)["trial 1"]["stage"] == "deleted"
    answer = ran(tmp_path, "mirror", "--to", "tensorboard")
    assert "3 runs copied" in answer.stdout
    assert "tensorboard --logdir runs/toy/tensorboard" in answer.stdout
    assert "3 there already" in ran(tmp_path, "mirror", "--to", "tensorboard").stdout
    clear(ran(tmp_path, "mirror"))
    clear(ran(tmp_path, "mirror", "--to", "tensorboard", "--uri", store))
    clear(ran(tmp_path, "mirror", "--to", "mlflow", "--uri", "http://me:pw@h/"))


@contextmanager
def silent() -> Iterator[int]:
    """The port of a server that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_dead_tracker_is_told_of_once_and_nothing_else(tmp_path: Path) -> None:
    """The study runs to its end; one notice says so, without the password of the address."""
    lay_out_with(tmp_path, "{mlflow: {uri: $STORE}}")
    store = f"http://me:pa55@127.0.0.1:{closed_port()}"
    history, said = mirrored(tmp_path, STORE=store)
    assert [trial.state for trial in history.trials] == ["done"] * 3
    (told,) = said
    assert "is not up to date" in told
    assert "`trialwright mirror`" in told
    notices = [one for one in read(tmp_path / "runs" / "toy").notices if one.topic == TOPIC]
    assert len(notices) <= 1  # none if the study was faster than the first attempt
    written = [path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert not any(b"pa55" in content for content in (*written, told.encode()))


def test_a_tracker_that_never_answers_holds_nothing_up(tmp_path: Path) -> None:
    """The study ends, and what still waits for an answer is ended with it."""
    with silent() as port:
        lay_out_with(tmp_path, f"{{mlflow: {{uri: 'http://127.0.0.1:{port}'}}}}")
        history, (told,) = mirrored(tmp_path, patience_s=1.0)
    assert [trial.state for trial in history.trials] == ["done"] * 3
    assert "it took longer than 1 s" in told


def test_a_missing_package_is_told_before_anything_starts(tmp_path: Path) -> None:
    """Without its package the study does not start, and the error says what to install."""
    lay_out_with(tmp_path, "tensorboard")
    hidden = "import sys; sys.modules['tensorboardX'] = None; import trialwright.app.cli as c"
    answer = subprocess.run(
        [sys.executable, "-c", f"{hidden}; sys.argv = ['trialwright', 'run']; c.main()"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    clear(answer)
    assert "trialwright[trackers]" in answer.stderr
    assert not (tmp_path / "runs").exists()
    file = lay_out_with(tmp_path, "{mlflow: {uri: $NOWHERE}}")
    answer = ran(tmp_path, "run", str(file))
    clear(answer)
    assert "NOWHERE" in answer.stderr
