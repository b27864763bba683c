"""From a task to an order: what a run is given, by each way of delivery, and what is refused."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execute.orders import ended
from trialwright.errors import StudyError
from trialwright.execute.environment import secret
from trialwright.execute.local import LocalRunner
from trialwright.execute.order import check_command, make_order
from trialwright.execute.runner import Order, run_folder
from trialwright.expression import Scalar
from trialwright.records import RunKey
from trialwright.space import Choice, Float, Int, Space
from trialwright.task import (
    Delivery,
    Environment,
    MetricRoute,
    Objective,
    RunnerPlan,
    Task,
)

SPACE = Space(
    (
        Float("lr", 1e-6, 1.0, log=True),
        Int("depth", 1, 9),
        Choice("booster", ("gbtree", "dart")),
        Float("rate_drop", 0.0, 0.5, default=0.1, when="booster == 'dart'"),
        Choice("balanced", (True, False)),
        Choice("clip", (None, 1.0)),
    )
)
CONFIGURATION: dict[str, Scalar] = {
    "lr": 1e-05,
    "depth": 3,
    "booster": "gbtree",
    "balanced": True,
    "clip": None,
}
KEY = RunKey(7, 0, 1)


def task(folder: Path, *command: str, **changes: object) -> Task:
    """A task with some of everything, in `folder`."""
    fields: dict[str, object] = {
        "name": "t",
        "objective": Objective(metric="y"),
        "space": SPACE,
        "command": command or ("python", "train.py", "{config}"),
        "folder": str(folder),
    }
    return Task(**{**fields, **changes})  # type: ignore[arg-type]


def order(
    made: Task,
    *,
    configuration: Mapping[str, Scalar] = CONFIGURATION,
    environ: Mapping[str, str] | None = None,
    study: Path | None = None,
) -> Order:
    """Order run 0007/0.1 with seed 11."""
    return make_order(
        made,
        run=KEY,
        seed=11,
        configuration=configuration,
        study_folder=study or Path(made.folder) / "runs" / "t",
        environ=os.environ if environ is None else environ,
    )


class TestCommand:
    """What stands on the command line."""

    def test_placeholders_inside_arguments(self, tmp_path: Path) -> None:
        """Parameters and the run's own names are filled in wherever they stand."""
        made = order(
            task(
                tmp_path, "python3", "t.py", "--lr={lr}", "-d{depth}", "{seed}/{trial}", "{folder}"
            )
        )
        folder = tmp_path / "runs" / "t" / "trials" / "0007-0.1"
        assert made.command == ("python3", "t.py", "--lr=1e-05", "-d3", "11/7", str(folder))
        assert made.folder == folder == run_folder(tmp_path / "runs" / "t", KEY)

    def test_braces_as_text(self, tmp_path: Path) -> None:
        """Doubled braces stand for single ones, and JSON may stand in an argument."""
        made = order(task(tmp_path, "awk", "{{print $1}}", '{"a": {lr}}', "{{lr}}", "{}"))
        assert made.command == ("awk", "{print $1}", '{"a": 1e-05}', "{lr}", "{}")

    def test_args_alone_expands(self, tmp_path: Path) -> None:
        """`{args}` becomes an argument per parameter; None is left out, booleans are words."""
        made = order(task(tmp_path, "t", "{args}", "end"))
        assert made.command == (
            "t",
            "--lr=1e-05",
            "--depth=3",
            "--booster=gbtree",
            "--balanced=true",
            "end",
        )

    def test_args_in_two_words(self, tmp_path: Path) -> None:
        """A template with a space makes two arguments, and values keep their own spaces."""
        space = Space((Choice("text", ("a b", "")),))
        made = order(
            task(
                tmp_path, "t", "{args}", space=space, delivery=Delivery(argument="-{name} {value}")
            ),
            configuration={"text": "a b"},
        )
        assert made.command == ("t", "-text", "a b")

    def test_args_as_assignments(self, tmp_path: Path) -> None:
        """In `name=value` words None is `null`: left out it would mean the script's default."""
        made = order(task(tmp_path, "t", "{args}", delivery=Delivery(argument="{name}={value}")))
        assert made.command[1:] == (
            "lr=1e-05",
            "depth=3",
            "booster=gbtree",
            "balanced=true",
            "clip=null",
        )

    def test_an_inactive_parameter_is_at_its_default_inline(self, tmp_path: Path) -> None:
        """It has no value of its own; None is empty."""
        made = order(task(tmp_path, "t", "--drop={rate_drop}", "--clip={clip}"))
        assert made.command == ("t", "--drop=0.1", "--clip=")

    @given(st.floats(1e-300, 1e300))
    @settings(deadline=None, max_examples=60)
    def test_floats_are_exact(self, value: float) -> None:
        """What the script reads from its arguments is the very number."""
        space = Space((Float("x", 1e-300, 1e300),))
        made = order(
            task(Path("/tmp"), "t", "{x}", "{args}", space=space), configuration={"x": value}
        )
        assert float(made.command[1]) == value
        assert float(made.command[2].removeprefix("--x=")) == value

    def test_values_are_not_expanded_again(self, tmp_path: Path) -> None:
        """A value that looks like a placeholder is text."""
        space = Space((Choice("text", ("{seed}", "{{")), Int("n", 1, 2)))
        made = order(
            task(tmp_path, "t", "{text}", "{args}", space=space),
            configuration={"text": "{seed}", "n": 1},
        )
        assert made.command == ("t", "{seed}", "--text={seed}", "--n=1")

    def test_works_in_the_tasks_folder_or_the_runs_own(self, tmp_path: Path) -> None:
        """In a folder of its own, a run still finds the task's files that the command names."""
        (tmp_path / "train.py").write_text("")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "x.csv").write_text("")
        command = ("python", "train.py", "data/x.csv", "--out", "new.csv")
        assert order(task(tmp_path, *command)).workdir == tmp_path
        made = order(task(tmp_path, *command, workdir="run"))
        assert made.workdir == made.folder
        assert made.command == (
            "python",
            str(tmp_path / "train.py"),
            str(tmp_path / "data" / "x.csv"),
            "--out",
            "new.csv",
        )

    def test_a_module_is_found_from_the_runs_own_folder(self, tmp_path: Path) -> None:
        """`python -m` looks in the task's folder, as it would without a folder of its own."""
        (tmp_path / "pack.py").write_text("print('@trialwright {\"y\": 5}')")
        made = order(task(tmp_path, sys.executable, "-m", "pack", workdir="run"))
        with LocalRunner(RunnerPlan(workers=1)) as runner:
            assert ended(runner, made).value == 5.0

    def test_relative_folders_become_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run works elsewhere, so every path that it gets is absolute."""
        monkeypatch.chdir(tmp_path)
        made = make_order(
            task(tmp_path, "t", "{config}", "{folder}"),
            run=KEY,
            seed=1,
            configuration=CONFIGURATION,
            study_folder=Path("runs/t"),
            environ={},
        )
        assert Path(made.command[1]).is_absolute()
        assert made.folder.is_relative_to(tmp_path)


def written(made: Order) -> str:
    """The configuration's file."""
    (content,) = made.files.values()
    return content.decode()


class TestConfigurationFile:
    """What stands behind `{config}` and TRIALWRIGHT_CONFIG."""

    def test_yaml(self, tmp_path: Path) -> None:
        """Every active parameter, of its own type; dots nest; one file per trial."""
        space = Space(
            (Float("optim.lr", 1e-6, 1), Choice("optim.name", ("on", "sgd")), Int("n", 1, 9))
        )
        values: dict[str, Scalar] = {"optim.lr": 1e-05, "optim.name": "on", "n": 3}
        made = order(task(tmp_path, space=space), configuration=values)
        assert yaml.safe_load(written(made)) == {"optim": {"lr": 1e-05, "name": "on"}, "n": 3}
        assert made.command[2] == str(tmp_path / "runs/t/trials/0007-0.1/config.yaml")
        assert list(made.files) == [Path(made.command[2])]

    def test_json(self, tmp_path: Path) -> None:
        """The same as JSON."""
        made = order(task(tmp_path, delivery=Delivery(format="json")))
        assert json.loads(written(made)) == CONFIGURATION
        assert made.command[2].endswith("config.json")

    @given(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-(10**20), 10**20),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(max_size=40),
            st.sampled_from(
                ["yes", "null", "1e-4", "0x1", "~", "a: b", "# c", "- d", "2001-01-01"]
            ),
        )
    )
    @settings(deadline=None, max_examples=200)
    def test_every_value_comes_back(self, value: Scalar) -> None:
        """Whatever a parameter may hold is read back the same from both formats."""
        space = Space((Choice("x", (value, "another value")), Int("n", 1, 2)))
        values: dict[str, Scalar] = {"x": value, "n": 1}
        made = order(task(Path("/tmp"), space=space), configuration=values)
        back = yaml.safe_load(written(made))
        assert back == values
        assert type(back["x"]) is type(value)
        made = order(
            task(Path("/tmp"), space=space, delivery=Delivery(format="json")), configuration=values
        )
        assert json.loads(written(made)) == values

    def test_a_base_is_merged_never_overwritten(self, tmp_path: Path) -> None:
        """Every key of the base is there, in its own text; parameters stand over it."""
        (tmp_path / "base.yaml").write_text(
            "# how we train\n"
            "model: {type: gbm, params: {max_depth: 3, learning_rate: 1e-2}}\n"
            "data: &data\n  path: data/x.csv\n  split: 0.20\n  since: 2001-01-01\n"
            "copy: *data\n"
            "lr: 1e-2\n"
            "extra: null\n"
            "note: 'yes'\n"
            "rate_drop: 0.3\n"
        )
        space = Space(
            (
                Float("lr", 1e-6, 1),
                Int("model.params.max_depth", 1, 9),
                Int("extra.deep.er", 1, 9),
                Float("copy.split", 0, 1),
                Float("rate_drop", 0, 1, when="lr > 1"),
            )
        )
        values: dict[str, Scalar] = {
            "lr": 0.5,
            "model.params.max_depth": 7,
            "extra.deep.er": 2,
            "copy.split": 0.5,
        }
        made = order(
            task(tmp_path, space=space, delivery=Delivery(base="base.yaml")), configuration=values
        )
        text = written(made)
        read = yaml.safe_load(text)
        base = yaml.safe_load((tmp_path / "base.yaml").read_text())
        assert read.pop("lr") == 0.5
        assert read["model"] == {"type": "gbm", "params": {"max_depth": 7, "learning_rate": "1e-2"}}
        assert read["extra"] == {"deep": {"er": 2}}
        assert read["data"] == base["data"]
        assert read["copy"] == {**base["data"], "split": 0.5}
        assert (read["note"], read["rate_drop"]) == ("yes", 0.3)
        assert "learning_rate: 1e-2" in text
        assert "split: 0.20" in text

    def test_merge_keys_and_flat_names(self, tmp_path: Path) -> None:
        """What `<<` brings in can be overridden; a dotted key as it stands is found."""
        (tmp_path / "base.yaml").write_text(
            "defaults: &d\n  optim: {lr: 1, wd: 2}\ntrain:\n  <<: *d\n  epochs: 3\na.b: 1\n"
        )
        space = Space((Float("train.optim.lr", 0, 1), Int("a.b", 1, 9)))
        made = order(
            task(tmp_path, space=space, delivery=Delivery(base="base.yaml")),
            configuration={"train.optim.lr": 0.5, "a.b": 4},
        )
        read = yaml.safe_load(written(made))
        assert read["train"] == {"optim": {"lr": 0.5, "wd": 2}, "epochs": 3}
        assert read["defaults"] == {"optim": {"lr": 1, "wd": 2}}
        assert read["a.b"] == 4
        assert "a" not in read

    @pytest.mark.parametrize("out", ["yaml", "json"])
    def test_a_json_base(self, tmp_path: Path, out: str) -> None:
        """JSON bases keep their keys too, tabs and all."""
        (tmp_path / "base.json").write_text(
            '{\n\t"lr": 1e-4,\n\t"list": [1, {"a": 2}], "depth": 1}'
        )
        delivery = Delivery(base="base.json", format=out)  # type: ignore[arg-type]
        made = order(task(tmp_path, delivery=delivery))
        read = yaml.safe_load(written(made)) if out == "yaml" else json.loads(written(made))
        assert read == {"lr": 1e-05, "list": [1, {"a": 2}], **CONFIGURATION}

    def test_a_yaml_base_as_json(self, tmp_path: Path) -> None:
        """There `1e-4` is a number, as its author meant it."""
        (tmp_path / "base.yaml").write_text("wd: 1e-4\nday: 2001-01-01\n")
        made = order(task(tmp_path, delivery=Delivery(base="base.yaml", format="json")))
        read = json.loads(written(made))
        assert (read["wd"], read["day"]) == (1e-4, "2001-01-01")

    def test_a_changed_base_is_read_again(self, tmp_path: Path) -> None:
        """The cache does not outlive the file's content."""
        made = task(tmp_path, delivery=Delivery(base="base.yaml"))
        (tmp_path / "base.yaml").write_text("epochs: 1\n")
        assert "epochs: 1\n" in written(order(made))
        (tmp_path / "base.yaml").write_text("epochs: 20\n")
        assert "epochs: 20\n" in written(order(made))

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("lr: {value: 1}", "lr is a mapping"),
            ("a: 5", "a is no mapping"),
            ("a: [1, 2]", "a is no mapping"),
            ("- 1", "no mapping of names"),
            ("a: [", "can't be read"),
            ("a: 1\n---\nb: 1", "can't be read"),
            (None, "can't be read"),
            ("a: &a [*a]", "fewer aliases"),
            (
                "x0: &x0 [1,1,1,1,1,1,1,1,1,1]\n"
                + "".join(f"x{i}: &x{i} [{','.join([f'*x{i - 1}'] * 10)}]\n" for i in range(1, 9)),
                "fewer aliases",
            ),
            ("x: " + "y" * 2**20, "1048576 are allowed"),
            ("\xff\xfe", "can't be read"),
        ],
    )
    def test_bases_that_do_not_fit(self, tmp_path: Path, content: str | None, words: str) -> None:
        """Each is one clear error, found before anything runs and again when a run is ordered."""
        if content is not None:
            (tmp_path / "base.yaml").write_text(content, encoding="latin-1")
        space = Space((Float("lr", 0, 1), Int("a.b", 1, 2)))
        made = task(tmp_path, space=space, delivery=Delivery(base="base.yaml"))
        (problem,) = check_command(made)
        assert words in problem
        assert "base.yaml" in problem
        with pytest.raises(StudyError, match="base"):
            order(made, configuration={"lr": 0.5, "a.b": 1})


class TestEnvironment:
    """What a run inherits, and what it is given."""

    def test_names_the_run_to_the_script(self, tmp_path: Path) -> None:
        """The configuration, the seed, the trial and the folders are there under our names."""
        made = order(task(tmp_path), environ={"HOME": "/somewhere/me", "TRIALWRIGHT_SEED": "other"})
        study = tmp_path / "runs" / "t"
        assert made.environment == {
            "HOME": "/somewhere/me",
            "PYTHONUNBUFFERED": "1",
            "TRIALWRIGHT_CONFIG": str(study / "trials/0007-0.1/config.yaml"),
            "TRIALWRIGHT_SEED": "11",
            "TRIALWRIGHT_TRIAL": "7",
            "TRIALWRIGHT_FOLDER": str(study / "trials/0007-0.1"),
            "TRIALWRIGHT_RUN": f"{study}#0007/0.1",
            "TRIALWRIGHT_STUDY_FOLDER": str(study),
        }

    def test_secrets_stay_behind_unless_passed(self, tmp_path: Path) -> None:
        """Keys are not inherited; those that the study passes by name are."""
        environ = {"OPENAI_API_KEY": "1", "HF_TOKEN": "2", "PATH": "/bin"}
        made = order(task(tmp_path, environment=Environment(passed=("HF_TOKEN",))), environ=environ)
        assert "OPENAI_API_KEY" not in made.environment
        assert (made.environment["HF_TOKEN"], made.environment["PATH"]) == ("2", "/bin")

    def test_a_missing_variable_is_an_error(self, tmp_path: Path) -> None:
        """What is to be passed and is not set is said before anything runs."""
        made = task(tmp_path, environment=Environment(passed=("WANDB_API_KEY",)))
        with pytest.raises(StudyError, match="WANDB_API_KEY"):
            order(made, environ={})
        assert "WANDB_API_KEY" in check_command(made, {})[0]
        assert check_command(made, {"WANDB_API_KEY": "x"}) == ()

    def test_variables_of_the_study(self, tmp_path: Path) -> None:
        """`set` fills placeholders, and outweighs what is inherited."""
        made = order(
            task(
                tmp_path, environment=Environment(set={"LR": "{lr}", "OUT": "{folder}/o", "A": "b"})
            ),
            environ={"A": "inherited"},
        )
        assert made.environment["LR"] == "1e-05"
        assert made.environment["OUT"] == f"{made.folder}/o"
        assert made.environment["A"] == "b"

    @pytest.mark.parametrize(
        "name",
        [
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "GITHUB_TOKEN",
            "GITHUB_PAT",
            "PGPASSWORD",
            "MYSQL_PWD",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "anthropic_api_key",
            "OPENAI_APIKEY",
            "DB_PASSPHRASE",
            "MY_SECRET",
            "SSH_PRIVATEKEY",
            "KAGGLE_KEY",
            "HUGGINGFACEHUB_API_TOKEN",
        ],
    )
    def test_names_of_secrets(self, name: str) -> None:
        """Names that carry keys are known for it."""
        assert secret(name, "x")

    @pytest.mark.parametrize(
        "name",
        [
            "PATH",
            "HOME",
            "PWD",
            "OLDPWD",
            "TOKENIZERS_PARALLELISM",
            "MAX_TOKENS",
            "KEYBOARD",
            "XDG_RUNTIME_DIR",
            "SSH_AUTH_SOCK",
            "CUDA_VISIBLE_DEVICES",
            "MONKEY",
            "PYTHONPATH",
            "HF_HOME",
            "SLURM_JOB_ID",
            "KEYMAP",
            "DBUS_SESSION_BUS_ADDRESS",
            "PATTERN",
        ],
    )
    def test_names_that_only_resemble_them(self, name: str) -> None:
        """What a training script may need is inherited."""
        assert not secret(name, "/some/where:0")

    def test_passwords_in_addresses(self) -> None:
        """An address with a password is a secret under any name; one without is none."""
        assert secret("DATABASE_URL", "postgresql://me:hunter2@db/x")
        assert not secret("DATABASE_URL", "postgresql://db:5432/x")
        assert not secret("http_proxy", "http://proxy:3128")


class TestRoutes:
    """Metric paths of a run."""

    def test_placeholders_in_paths(self, tmp_path: Path) -> None:
        """Both paths are filled in; the rest of the route is as it was."""
        route = MetricRoute(patterns=("(?P<y>.)",), file="{folder}/m.csv", tensorboard="tb/{trial}")
        made = order(task(tmp_path, metrics=route))
        assert made.metrics.file == f"{made.folder}/m.csv"
        assert made.metrics.tensorboard == "tb/7"
        assert made.metrics.patterns == route.patterns

    @pytest.mark.parametrize("what", ["file", "tensorboard"])
    def test_a_path_that_runs_would_share(self, tmp_path: Path, what: str) -> None:
        """Several runs at a time in one metric file would mix their metrics: that is refused."""
        shared = MetricRoute(**{what: "m.csv"})  # type: ignore[arg-type]
        own = MetricRoute(**{what: "{folder}/m.csv"})  # type: ignore[arg-type]
        (problem,) = check_command(task(tmp_path, metrics=shared))
        assert "workdir: run" in problem
        assert check_command(task(tmp_path, metrics=shared, workdir="run")) == ()
        assert check_command(task(tmp_path, metrics=shared, runner=RunnerPlan(workers=1))) == ()
        assert check_command(task(tmp_path, metrics=own)) == ()


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"command": ()}, "neither is given"),
        ({"function": lambda c: 1.0}, "both"),
        ({"command": ("", "x")}, "names the program"),
        ({"command": ("t", "{lrr}")}, "did you mean lr?"),
        ({"command": ("t", "--x={args}")}, "stand alone"),
        ({"command": ("t", "a\0b")}, "NUL"),
        ({"space": Space((Choice("c", ("a\0", "b")),))}, "NUL"),
        ({"folder": "/no/such/folder"}, "/no/such/folder"),
        ({"command": ("t", "{args}"), "delivery": Delivery(argument="--{name}")}, "lacks {value}"),
        ({"delivery": Delivery(argument="--{nam}={value}")}, "{nam}"),
        ({"environment": Environment(set={"A=B": "1"})}, "variable's name"),
        ({"environment": Environment(set={"TRIALWRIGHT_SEED": "1"})}, "itself"),
        ({"environment": Environment(set={"A": "{nope}"})}, "nope"),
        ({"metrics": MetricRoute(patterns=("(",))}, "no regular expression"),
        ({"metrics": MetricRoute(patterns=("f1: .*",))}, "no named group"),
        ({"command": (), "function": LOCK.acquire}, "a process of its own"),
    ],
)
def test_tasks_that_can_not_run(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    """Each mistake is one sentence, before anything runs."""
    fields: dict[str, object] = {
        "name": "t",
        "objective": Objective(metric="y"),
        "space": SPACE,
        "command": ("python", "t.py"),
        "folder": str(tmp_path),
    }
    (problem,) = check_command(Task(**{**fields, **changes}))  # type: ignore[arg-type]
    assert words in problem


def test_a_sound_task_has_no_problems(tmp_path: Path) -> None:
    """A command with everything in it passes."""
    made = task(tmp_path, "python", "t.py", "{args}", "--lr={lr}", "{config}", "{folder}")
    assert check_command(made, os.environ) == ()


def test_a_thousand_orders_are_not_felt(tmp_path: Path) -> None:
    """An order costs well under a millisecond of processor time, with a base of some size."""
    (tmp_path / "base.yaml").write_text("".join(f"k{i}: {{a: {i}, b: 1e-4}}\n" for i in range(50)))
    made = task(tmp_path, "python", "t.py", "{args}", delivery=Delivery(base="base.yaml"))
    order(made)
    began = time.process_time()
    for _ in range(300):
        order(made)
    assert (time.process_time() - began) / 300 < 1e-3
