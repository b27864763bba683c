"""The commands, as real processes on real studies."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.app.commands import clear, command, environment, lay_out, ran
from trialwright.history import read

BROKEN = sorted((Path(__file__).parents[1] / "studyfile" / "broken").glob("*.yaml"))
COMMANDS = (
    "init", "run", "status", "show", "log", "best", "rerun", "replicate", "prune", "report",
    "demo", "version",
)  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that has run."""
    folder = tmp_path_factory.mktemp("toy")
    lay_out(folder)
    answer = ran(folder, "run")
    assert answer.returncode == 0, answer.stderr
    return folder


@pytest.fixture
def copy(study: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed."""
    shutil.copytree(study, tmp_path / "copy")
    return tmp_path / "copy"


def test_help_names_every_command(tmp_path: Path) -> None:
    """`--help` lists the commands, each with a line."""
    answer = ran(tmp_path, "--help")
    assert answer.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in answer.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, tmp_path: Path) -> None:
    """Every command answers `--help` with what it does and its options."""
    answer = ran(tmp_path, name, "--help")
    assert answer.returncode == 0, answer.stderr
    assert "Usage:" in answer.stdout
    assert not list(tmp_path.iterdir())


def test_help_is_light() -> None:
    """`--help` loads none of the heavy packages, so that it answers at once."""
    script = (
        "import sys\n"
        "import trialwright.app.cli\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'optuna', 'pydantic', 'plotly', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run(
        [command()[0], "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"


def test_plain_run_says_what_happens_and_why(study: Path, tmp_path: Path) -> None:
    """Without a terminal, each start, end and verdict is a line; reasons stand with them."""
    lay_out(tmp_path, trials=2)
    answer = ran(tmp_path, "run")
    lines = answer.stdout.splitlines()
    assert sum("started" in line for line in lines) == 2
    assert sum(" done in " in line for line in lines) == 2
    assert any(line.startswith("  why: ") for line in lines)
    assert any(line.startswith(("  kept:", "  unconfirmed:", "  discarded:")) for line in lines)
    assert "all 2 trials of the budget are done" in answer.stdout
    assert "\x1b" not in answer.stdout
    assert (tmp_path / "runs" / "toy" / "report.html").is_file()
    assert "report: runs/toy/report.html" in answer.stdout


def test_json_run_prints_an_object_per_line(tmp_path: Path) -> None:
    """With `--json` every line of standard output is an object with its event."""
    lay_out(tmp_path, trials=2)
    answer = ran(tmp_path, "run", "--json")
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("launched") == 2
    assert kinds.count("finished") == 2
    assert kinds.count("reported") == 6
    assert kinds[-1] == "closed"
    assert events[-1]["closed"]["reason"] == "budget"
    finished = next(event for event in events if event["event"] == "finished")
    assert finished["value"] == finished["runs"][0]["observation"]["value"]


def test_running_again_is_quick_and_runs_nothing(copy: Path) -> None:
    """A study whose budget is spent starts no run, and says why."""
    starts = copy / "starts"
    answer = ran(copy, "run", STARTS=str(starts))
    assert answer.returncode == 0
    assert not starts.exists()
    assert "all 3 trials of the budget are done" in answer.stdout


def test_overrides_are_recorded(copy: Path) -> None:
    """`--trials` goes on beyond the file's budget, and the ledger knows of the change."""
    answer = ran(copy, "run", "--trials", "4", "--workers", "1")
    assert answer.returncode == 0, answer.stderr
    history = read(copy / "runs" / "toy")
    assert len(history.trials) == 4
    assert history.task.budget.trials == 4
    assert history.task.runner.workers == 1


def test_status_show_and_best_as_json(study: Path) -> None:
    """Each is one JSON document that agrees with the ledger."""
    history = read(study / "runs" / "toy")
    best = history.best()
    assert best is not None
    status = json.loads(ran(study, "status", "--json").stdout)
    assert status["trials"]["total"] == 3
    assert status["best"]["trial"] == best.number
    assert status["running"] is False
    shown = json.loads(ran(study, "show", "1", "--json").stdout)
    assert shown["configuration"] == dict(history.trials[1].configuration)
    assert shown["runs"][0]["observation"]["curve"]["steps"] == [1, 2, 3]
    assert json.loads(ran(study, "best", "--json").stdout)["value"] == best.value
    report = json.loads(ran(study, "report", "--json").stdout)
    assert Path(report["report"]).is_file()


@pytest.mark.parametrize("words", [("status",), ("show", "0"), ("best",)])
def test_views_name_metric_and_values(words: tuple[str, ...], study: Path) -> None:
    """What is for people shows the metric, and no broken markup."""
    answer = ran(study, *words)
    assert answer.returncode == 0, answer.stderr
    assert "val_acc" in answer.stdout
    assert "\x1b" not in answer.stdout


def test_best_as_arguments_runs_the_script(study: Path) -> None:
    """`best --as args` gives what the script takes: running it gives the same value."""
    best = read(study / "runs" / "toy").best()
    assert best is not None
    words = ran(study, "best", "--as", "args").stdout.split()
    answer = subprocess.run(
        ["python3", "train.py", *words],
        cwd=study, env=environment(), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert answer.stdout.splitlines()[-1] == f"epoch 3 val_acc={best.value:.4f}"


def test_best_exports_and_prints_one_configuration(copy: Path) -> None:
    """The YAML file, the JSON file, the dict and the printed forms hold the same values."""
    best = read(copy / "runs" / "toy").best()
    assert best is not None
    expected = dict(best.configuration)
    assert ran(copy, "best", "--export", "best.yaml").returncode == 0
    assert ran(copy, "best", "--export", "best.json").returncode == 0
    assert yaml.safe_load((copy / "best.yaml").read_text()) == expected
    assert json.loads((copy / "best.json").read_text()) == expected
    assert json.loads(ran(copy, "best", "--as", "json").stdout) == expected
    assert yaml.safe_load(ran(copy, "best", "--as", "dict").stdout) == expected


def test_export_keeps_the_base_file(tmp_path: Path) -> None:
    """An exported configuration has the base's other keys, and nothing else changed."""
    (tmp_path / "base.yaml").write_text("data: {path: d.csv}\nmodel: {lr: 0.5, width: 8}\n")
    (tmp_path / "train.py").write_text(
        "import sys, yaml\n"
        "c = yaml.safe_load(open(sys.argv[1]))\n"
        "print(f\"acc={1 - c['model']['lr']}\")\n"
    )
    (tmp_path / "study.yaml").write_text(
        "goal: maximize acc\ncommand: [python3, train.py, '{config}']\nbase: base.yaml\n"
        "space:\n  model.lr: {float: [0.1, 1.0]}\nbudget: {trials: 1}\nteam: [random]\n"
        "metrics: {regex: ['acc=(?P<acc>\\S+)']}\n"
    )
    assert ran(tmp_path, "run").returncode == 0
    assert ran(tmp_path, "best", "--export", "out.yaml").returncode == 0
    written = yaml.safe_load((tmp_path / "out.yaml").read_text())
    assert written["data"] == {"path": "d.csv"}
    assert written["model"]["width"] == 8
    assert 0.1 <= written["model"]["lr"] <= 1.0
    assert written["model"]["lr"] != 0.5


def test_log_prints_the_run_and_its_tail(study: Path) -> None:
    """`log` prints what the script printed; `--tail` the last lines of it."""
    whole = ran(study, "log", "0").stdout
    assert whole.count("epoch") == 3
    assert ran(study, "log", "0", "--tail", "1").stdout == whole.splitlines()[-1] + "\n"
    assert ran(study, "log", "0", "--tail", "0").stdout == ""
    assert ran(study, "log", "0", "--tail", "99").stdout == whole


def test_rerun_and_replicate_do_what_they_say(copy: Path) -> None:
    """A rerun is a new attempt of the first seed; replicates are new seeds of the trial."""
    assert ran(copy, "rerun", "0").returncode == 0
    assert ran(copy, "replicate", "1", "--seeds", "2").returncode == 0
    history = read(copy / "runs" / "toy")
    assert [run.key.attempt for run in history.trials[0].runs] == [0, 1]
    assert sorted(run.key.seed for run in history.trials[1].runs) == [0, 1, 2]
    assert len(history.trials) == 3


def test_later_only_notes_the_request(copy: Path) -> None:
    """`--later` starts nothing; the next run serves the request."""
    assert "next `trialwright run`" in ran(copy, "replicate", "2", "--seeds", "1", "--later").stdout
    assert len(read(copy / "runs" / "toy").trials[2].runs) == 1
    assert ran(copy, "run").returncode == 0
    assert len(read(copy / "runs" / "toy").trials[2].runs) == 2


def test_study_is_found_by_file_folder_and_results(study: Path, tmp_path: Path) -> None:
    """`--study` takes the file, its folder, or the folder of results, from anywhere."""
    for given in (study / "study.yaml", study, study / "runs" / "toy"):
        answer = ran(tmp_path, "status", "--study", str(given), "--json")
        assert json.loads(answer.stdout)["name"] == "toy", answer.stderr


def test_only_study_below_runs_is_found_without_its_file(copy: Path) -> None:
    """Where there is no study file, the only study in `runs` is meant; of two, neither."""
    (copy / "study.yaml").unlink()
    assert ran(copy, "status").returncode == 0
    shutil.copytree(copy / "runs" / "toy", copy / "runs" / "other")
    answer = ran(copy, "status")
    clear(answer)
    assert "runs/other" in answer.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status",), "no study was found"),
        (("best",), "looked for ledger.db"),
        (("run",), "trialwright init"),
        (("run", "nowhere.yaml"), "nowhere.yaml"),
        (("log", "0"), "no study was found"),
        (("status", "--study", "nowhere"), "nowhere does not exist"),
        (("init", "nowhere.py"), "nowhere.py"),
    ],
)
def test_missing_things_are_named(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """An error says what was looked for, ends with 2, and leaves the folder as it was."""
    answer = ran(tmp_path, *words)
    clear(answer)
    assert said in answer.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "99"), "there are trials 0 to 2"),
        (("log", "0", "--seed", "5"), "0.0"),
        (("rerun", "99"), "99"),
        (("replicate", "99", "--seeds", "1"), "99"),
        (("prune", "99"), "99"),
        (("prune", "0"), "no run of trial 0 is going on"),
        (("best", "--export", "best.txt"), ".yaml"),
        (("best", "--export", "nowhere/best.yaml"), "nowhere"),
    ],
)
def test_impossible_wishes_are_refused(words: tuple[str, ...], said: str, study: Path) -> None:
    """A trial, run or format that does not exist is an error that names what does."""
    answer = ran(study, *words)
    clear(answer)
    assert said in answer.stderr


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_study_file_is_refused_whole(path: Path, tmp_path: Path) -> None:
    """A broken file gets its error and status 2; no traceback, no half-made folder."""
    shutil.copy(path, tmp_path / "study.yaml")
    (tmp_path / "train.py").write_text("")
    answer = ran(tmp_path, "run")
    clear(answer)
    assert "study.yaml:" in answer.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.yaml", "train.py"]


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """`TRIALWRIGHT_DEBUG=1` lets the traceback through."""
    answer = ran(tmp_path, "status", TRIALWRIGHT_DEBUG="1")
    assert "Traceback" in answer.stderr


def test_hopeless_study_ends_with_one(tmp_path: Path) -> None:
    """A script that can't start stops the study at once: status 1, the cause, the log's path."""
    lay_out(tmp_path, trials=10)
    (tmp_path / "train.py").write_text("import no_such_module_at_all\n")
    answer = ran(tmp_path, "run")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "no_such_module_at_all" in answer.stdout
    assert "stdout.log" in answer.stdout
    assert len(read(tmp_path / "runs" / "toy").trials) < 10


def test_reader_that_goes_away_is_no_error(study: Path) -> None:
    """A closed pipe ends the command without words."""
    answer = subprocess.run(
        ["/bin/sh", "-c", f"{' '.join(command('log', '0'))} | head -c 3"],
        cwd=study, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.stdout == "epo"
    assert answer.stderr == ""


def test_version(tmp_path: Path) -> None:
    """`version` and `--version` say the same."""
    assert ran(tmp_path, "version").stdout == ran(tmp_path, "--version").stdout
