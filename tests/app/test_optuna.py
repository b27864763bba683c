"""Studies of Optuna taken over, continued, and given back, through the command line."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from tests.app.commands import ran
from tests.app.optuna_study import NAME, add_command, theirs
from tests.histories import study_history
from trialwright.app.optuna_import import Wishes, import_study
from trialwright.errors import StudyError
from trialwright.history import read
from trialwright.studyfile import load

# Most tests look at one exchange: it is made once in one worker.
pytestmark = pytest.mark.xdist_group("optuna")

X = {"x": FloatDistribution(0.0, 1.0)}


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 trials of Optuna, imported, continued for 10 by real runs, and exported again."""
    folder = tmp_path_factory.mktemp("exchanged")
    theirs(f"sqlite:///{folder / 'theirs.db'}")
    answers = [ran(folder, "import", "sqlite:///theirs.db", "--to", ".", "--metric", "acc")]
    add_command(folder)
    answers.append(ran(folder, "run", "--workers", "1"))
    answers.append(ran(folder, "export", "--to", "sqlite:///ours.db"))
    for answer in answers:
        assert answer.returncode == 0, answer.stderr
        assert not answer.stderr
    return folder


def small(url: str, *trials: optuna.trial.FrozenTrial, name: str = "small") -> optuna.Study:
    """A study that holds some given trials."""
    study = optuna.create_study(storage=url, study_name=name)
    study.add_trials(trials)
    return study


def one(value: float = 1.0, x: float = 0.5, **more: object) -> optuna.trial.FrozenTrial:
    """A complete trial over `x`."""
    return create_trial(value=value, params={"x": x}, distributions=X, **more)  # type: ignore[arg-type]


@pytest.mark.slow
def test_import_takes_every_trial_that_has_ended(exchanged: Path) -> None:
    """Values, states, curves and conditions are Optuna's; a repeat is one more seed."""
    study = optuna.load_study(study_name=NAME, storage=f"sqlite:///{exchanged / 'theirs.db'}")
    history = read(exchanged / "runs" / "their-study")
    states = {TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    taken = history.trials[:49]
    for trial, there in zip(taken, study.trials[:49], strict=True):
        assert trial.configuration == there.params
        assert trial.state == states[there.state]
        curve = trial.runs[0].observation.curve  # type: ignore[union-attr]
        assert dict(curve.points("acc")) == there.intermediate_values
        if trial.number and trial.state == "done":
            assert trial.value == there.value
    repeated = study.trials[0].value
    assert repeated is not None
    assert taken[0].values == {0: repeated, 1: repeated - 0.01}
    assert {state: sum(t.state == state for t in taken) for state in ("pruned", "failed")} == {
        "pruned": sum(t.state is TrialState.PRUNED for t in study.trials),
        "failed": sum(t.state is TrialState.FAIL for t in study.trials),
    }
    assert load(exchanged / "study.yaml").space["momentum"].when == "opt == 'sgd'"


@pytest.mark.slow
def test_run_goes_on_from_the_imported_trials(exchanged: Path) -> None:
    """Ten real runs follow, whose proposals rest on Optuna's results, and find nothing worse."""
    history = read(exchanged / "runs" / "their-study")
    assert len(history.trials) == 59
    assert [trial.state for trial in history.trials[49:]] == ["done"] * 10
    assert all(trial.proposal.by == "expert" for trial in history.trials[49:])
    parents = [trial.proposal.parent for trial in history.trials[49:]]
    assert any(parent is not None and parent < 49 for parent in parents)
    assert len({trial.code for trial in history.trials}) == 1
    best = history.best()
    assert best is not None
    assert best.value is not None
    assert best.value >= max(t.value for t in history.trials[:49] if t.value is not None)
    assert not [notice for notice in history.notices if notice.topic == "code"]


@pytest.mark.slow
def test_export_holds_every_trial_with_its_reasons(exchanged: Path) -> None:
    """Runs become one trial, values of seeds stand in its attributes, and numbers are ours."""
    history = read(exchanged / "runs" / "their-study")
    url = f"sqlite:///{exchanged / 'ours.db'}"
    study = optuna.load_study(study_name="their-study", storage=url)
    assert study.direction.name == "MAXIMIZE"
    assert len(study.trials) == len(history.trials)
    for trial, there in zip(history.trials, study.trials, strict=True):
        assert there.params == trial.configuration
        assert there.value == trial.value or there.state is TrialState.PRUNED
        assert there.user_attrs["trialwright:trial"] == trial.number
        values = {int(seed): v for seed, v in there.user_attrs["trialwright:values"].items()}
        assert values == trial.values
    new = study.trials[-1]
    assert new.system_attrs["trialwright:rationale"] == history.trials[-1].proposal.rationale
    assert new.user_attrs["trialwright:by"] == "expert"
    # The dashboard prints each on one line, and makes the page as wide as the longest.
    assert max(len(json.dumps(value)) for value in new.user_attrs.values()) < 100
    assert set(new.intermediate_values) == {1, 2, 3}
    assert study.best_trial.number == history.best().number  # type: ignore[union-attr]


@pytest.mark.slow
def test_notes_are_those_of_the_dashboard(exchanged: Path) -> None:
    """optuna-dashboard's own function reads each trial's note, and the study's."""
    notes = pytest.importorskip("optuna_dashboard._note", reason="optuna-dashboard is missing")
    history = read(exchanged / "runs" / "their-study")
    url = f"sqlite:///{exchanged / 'ours.db'}"
    study = optuna.load_study(study_name="their-study", storage=url)
    attrs = study._storage.get_study_system_attrs(study._study_id)
    last = notes.get_note_from_system_attrs(attrs, study.trials[-1]._trial_id)["body"]
    assert last.startswith("**Trial 58**, proposed by expert")
    assert history.trials[-1].proposal.rationale[:40] in last
    assert "Verdict: " in last
    assert "exported from Trialwright" in notes.get_note_from_system_attrs(attrs, None)["body"]


@pytest.mark.slow
def test_an_export_comes_back_as_it_was(exchanged: Path, tmp_path: Path) -> None:
    """Importing what we exported gives the same trials, values, reasons and predictions."""
    url = f"sqlite:///{exchanged / 'ours.db'}"
    answer = ran(tmp_path, "import", url, "--to", "back", "--json")
    assert answer.returncode == 0, answer.stderr
    before = read(exchanged / "runs" / "their-study")
    after = read(Path(json.loads(answer.stdout)["folder"].replace("back", f"{tmp_path}/back")))
    assert after.task.objective == before.task.objective
    assert [t.proposal for t in after.trials] == [t.proposal for t in before.trials]
    assert [t.value for t in after.trials] == [t.value for t in before.trials]


def test_without_a_command_run_says_what_to_add(tmp_path: Path) -> None:
    """An imported study can be looked at at once; `run` asks for the command, and runs nothing."""
    small(f"sqlite:///{tmp_path / 'a.db'}", one(2.0, 0.1), one(1.0, 0.2))
    assert ran(tmp_path, "import", "sqlite:///a.db", "--to", ".").returncode == 0
    assert "Seed 0 (its seed is not known)" in ran(tmp_path, "show", "1").stdout
    assert ran(tmp_path, "report").returncode == 0
    assert "(seed not known)" in (tmp_path / "runs" / "small" / "report.html").read_text()
    answer = ran(tmp_path, "run")
    assert answer.returncode == 2
    assert "command is missing; add, e.g., command: [" in answer.stderr
    assert len(read(tmp_path / "runs" / "small").trials) == 2


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """Trials that did not end, or that the space can't say, are counted with the reason."""
    study = small(f"sqlite:///{tmp_path / 'a.db'}", one(1.0, 0.1), one(2.0, 0.2))
    study.add_trial(
        create_trial(state=TrialState.RUNNING, params={"x": 0.3}, distributions=X),
    )
    study.enqueue_trial({"x": 0.4})
    study.add_trial(create_trial(state=TrialState.FAIL))
    answer = ran(tmp_path, "import", "sqlite:///a.db", "--to", "new")
    assert "took 2 runs as 2 trials: 2 done" in answer.stdout
    for words in ("1 running", "1 waiting", "1 with parameters that do not fit the space"):
        assert f"left out: {words}" in answer.stdout


def test_a_later_success_outweighs_a_failure_with_equal_parameters(tmp_path: Path) -> None:
    """What failed or was pruned counts as an earlier attempt of what was done in the end."""
    failed = create_trial(state=TrialState.FAIL, params={"x": 0.5}, distributions=X)
    small(f"sqlite:///{tmp_path / 'a.db'}", failed, one(1.0), one(3.0), failed)
    assert ran(tmp_path, "import", "sqlite:///a.db", "--to", ".").returncode == 0
    [trial] = read(tmp_path / "runs" / "small").trials
    assert trial.values == {0: 1.0, 1: 3.0}
    assert trial.value == 2.0
    assert [str(run.key) for run in trial.runs] == ["0000/0.0", "0000/0.1", "0000/0.2", "0000/1.0"]


def test_a_journal_file_is_a_storage(tmp_path: Path) -> None:
    """A path without a scheme is a journal file, for both directions."""
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "a.log")))
    optuna.create_study(storage=storage, study_name="j").add_trials([one(1.0, 0.1), one(2.0, 0.2)])
    assert ran(tmp_path, "import", "a.log", "--to", ".").returncode == 0
    assert ran(tmp_path, "export", "--to", "b.log", "--name", "k").returncode == 0
    back = JournalStorage(JournalFileBackend(str(tmp_path / "b.log")))
    assert [t.value for t in optuna.load_study(storage=back, study_name="k").trials] == [1.0, 2.0]


def test_export_replaces_only_when_told(tmp_path: Path) -> None:
    """A study of the same name is not touched without `--force`, and others never."""
    study_history(tmp_path / "runs" / "digits", trials=4)
    url = f"sqlite:///{tmp_path / 'o.db'}"
    small(url, one(), name="other")
    for words, status in (([], 0), ([], 2), (["--force"], 0), (["--name", "digits2"], 0)):
        answer = ran(tmp_path, "export", "--to", url, *words)
        assert answer.returncode == status, answer.stderr
    assert "already holds a study 'digits'" in ran(tmp_path, "export", "--to", url).stderr
    assert sorted(optuna.get_all_study_names(url)) == ["digits", "digits2", "other"]


def test_export_takes_conditions_orders_and_several_seeds(tmp_path: Path) -> None:
    """A history with every kind of parameter, failures and replicates fits into Optuna's."""
    history = study_history(tmp_path / "runs" / "digits", trials=20, replicates=2)
    url = f"sqlite:///{tmp_path / 'o.db'}"
    answer = ran(tmp_path, "export", "--to", url, "--json")
    assert json.loads(answer.stdout)["trials"] == 20, answer.stderr
    study = optuna.load_study(study_name="digits", storage=url)
    assert [t.params for t in study.trials] == [dict(t.configuration) for t in history.trials]
    best = history.best()
    assert best is not None
    assert len(study.trials[best.number].user_attrs["trialwright:values"]) == 3
    steps = study.trials[best.number].intermediate_values
    means = {
        step: sum(run.observation.curve.points("val_accuracy")[step - 1][1] for run in best.runs)
        / 3  # type: ignore[union-attr]
        for step in steps
    }
    assert steps == pytest.approx(means)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of storages that can't be imported, each for a reason of its own."""
    folder = tmp_path_factory.mktemp("bad")
    for name in ("a", "b"):
        small(f"sqlite:///{folder / 'two.db'}", one(), name=name)
    (folder / "notes.txt").write_text("just words\nand more\n")
    (folder / "study.yaml").write_text("name: mine\n")
    optuna.create_study(storage=f"sqlite:///{folder / 'goals.db'}", directions=["minimize"] * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Optuna advises against such choices
        odd = CategoricalDistribution(((1, 2), (3,)))  # type: ignore[arg-type]
        trial = create_trial(value=1.0, params={"layers": (3,)}, distributions={"layers": odd})
        small(f"sqlite:///{folder / 'odd.db'}", trial)
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sqlite:///none.db", "--to", "n"], "there is no file none.db"),
        (["none.log", "--to", "n"], "there is no file none.log"),
        (["sqlite:///two.db", "--to", "n"], "holds 2 studies: say which with --name: 'a', 'b'"),
        (["sqlite:///two.db", "--to", "n", "--name", "c"], "holds no study 'c'"),
        (["two.db", "--to", "n"], "write it as sqlite:///two.db"),
        (["notes.txt", "--to", "n"], "notes.txt is no Optuna storage"),
        (["sqlite:///notes.txt", "--to", "n"], "can't be used"),
        (["mysql://me:secret@localhost/x", "--to", "n"], "mysql://...@localhost/x can't be used"),
        (["sqlite:///goals.db", "--to", "n"], "has 2 objectives"),
        (["sqlite:///odd.db", "--to", "n"], "no parameters that a study file can say"),
        (["sqlite:///two.db", "--to", ".", "--name", "a"], "study.yaml is there already"),
    ],
    ids=lambda value: value[0][:12] if isinstance(value, list) else "",
)
def test_clear_errors(
    words: list[str], said: str, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be imported is said in one sentence, without a password; nothing is written."""
    monkeypatch.chdir(bad)
    before = sorted(bad.rglob("*"))
    name = words[4] if len(words) > 3 else None
    with pytest.raises(StudyError, match=re.escape(said)) as caught:
        import_study(Wishes(url=words[0], folder=Path(words[2]), name=name))
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(bad.rglob("*")) == before


def test_an_error_ends_with_status_2(tmp_path: Path) -> None:
    """The command line prints the sentence, and no traceback."""
    answer = ran(tmp_path, "import", "sqlite:///none.db", "--to", "n")
    assert answer.returncode == 2
    assert answer.stderr == "trialwright: sqlite:///none.db: there is no file none.db\n"
    assert not list(tmp_path.iterdir())
