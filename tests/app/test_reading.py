"""Scripts in the idioms of public repositories, read without running a line of them."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from trialwright.app.script.names import direction_of, is_metric, slug, split_of
from trialwright.app.script.reading import read_script
from trialwright.app.script.setting import Interface, Reported, Script, Setting
from trialwright.errors import StudyError
from trialwright.execute.metrics import Collector
from trialwright.task import MetricRoute


def read(folder: Path, text: str, **beside: str) -> Script:
    """Read a script, with other files beside it (`config__yaml` is `config.yaml`)."""
    for name, content in beside.items():
        path = folder / name.replace("__", ".")
        path.write_text(dedent(content))
    (folder / "train.py").write_text(dedent(text))
    return read_script(folder / "train.py")


def first(script: Script) -> Interface:
    """The likeliest way into a script."""
    return script.interfaces[0]


def settings(script: Script) -> dict[str, Setting]:
    """Its settings by name."""
    return {setting.name: setting for setting in first(script).settings}


def reported(script: Script) -> dict[str, Reported]:
    """What a script reports, by metric; the first of each."""
    found: dict[str, Reported] = {}
    for one in script.reported:
        found.setdefault(one.metric, one)
    return found


def read_back(script: Script, output: str) -> dict[str, list[float]]:
    """What the patterns find in an output."""
    patterns = tuple(dict.fromkeys(one.pattern for one in script.reported if one.pattern))
    collector = Collector(MetricRoute(patterns=patterns), workdir=Path())
    collector.feed(output.encode())
    collector.finish()
    return {name: collector.series(name) for name in collector.last}


def test_nothing_is_run(tmp_path: Path) -> None:
    """Code at the top of a script has no effect when it is read."""
    marker = tmp_path / "marker"
    read(tmp_path, f"open({str(marker)!r}, 'w').write('ran')\nraise SystemExit\n")
    assert not marker.exists()


def test_argparse_arguments_of_every_kind(tmp_path: Path) -> None:
    """Types, choices, defaults, switches, short names, lists and computed defaults are told."""
    script = read(
        tmp_path,
        """
        import argparse, os
        LR = 1e-3
        KINDS = {"a": 1, "b": 2}
        def parser():
            p = argparse.ArgumentParser(description="Trains.")
            g = p.add_argument_group("model")
            g.add_argument("--learning-rate", "-l", type=float, default=LR, help="step  size")
            g.add_argument("-C", type=float, default=2 * 0.5)
            g.add_argument("--layers", default=2, dest="depth")
            g.add_argument("--kind", choices=sorted(KINDS), default="a")
            g.add_argument("--nesterov", action="store_true")
            g.add_argument("--no-bias", dest="bias", action="store_false")
            g.add_argument("--norm", action=argparse.BooleanOptionalAction, default=True)
            g.add_argument("--amp", type=lambda x: bool(strtobool(x)), default=True)
            g.add_argument("--flag", type=bool, default=False)
            g.add_argument("--betas", nargs=2, type=float, default=[0.9, 0.99])
            g.add_argument("--name", default=os.getcwd())
            g.add_argument("--data", required=True)
            g.add_argument("-v", action="count", default=0)
            g.add_argument("--version", action="version", version="1")
            p.set_defaults(depth=5)
            return p
        """,
    )
    found = settings(script)
    assert script.description == "Trains."
    rate = found["learning_rate"]
    assert (rate.type, rate.default, rate.spelling) == ("float", 0.001, "--learning-rate={}")
    assert rate.help == "step size"
    assert (found["C"].default, found["C"].spelling) == (1.0, "-C{}")
    assert (found["depth"].default, found["depth"].spelling) == (5, "--layers={}")
    assert found["kind"].choices == ("a", "b")
    assert found["nesterov"].switch == ("--nesterov", "")
    assert (found["bias"].default, found["bias"].switch) == (True, ("", "--no-bias"))
    assert found["norm"].switch == ("--norm", "--no-norm")
    assert found["amp"].switch == ("--amp=True", "--amp=False")
    assert found["flag"].switch == ("--flag=True", "--flag=")
    assert found["betas"].aside
    assert not found["name"].known
    assert found["data"].required
    assert found["v"].aside
    assert "version" not in found


def test_argparse_in_a_module_beside_the_script(tmp_path: Path) -> None:
    """Arguments declared in an imported file of the same folder are found."""
    script = read(
        tmp_path,
        "from options import get_args\nargs = get_args()\n",
        options__py="""
        import argparse
        def get_args():
            parser = argparse.ArgumentParser()
            parser.add_argument('--lr', type=float, default=0.1)
            return parser.parse_args()
        """,
    )
    assert settings(script)["lr"].default == 0.1


def test_subcommand_that_trains_is_chosen(tmp_path: Path) -> None:
    """Of several subcommands the one called train is read, and named in the command."""
    script = read(
        tmp_path,
        """
        import argparse
        parser = argparse.ArgumentParser()
        sub = parser.add_subparsers()
        p = sub.add_parser("evaluate")
        p.add_argument("--split")
        q = sub.add_parser("train")
        q.add_argument("--lr", type=float, default=0.1)
        """,
    )
    assert list(settings(script)) == ["lr"]
    assert first(script).words == ("train",)


def test_click_options(tmp_path: Path) -> None:
    """Ranges, choices, flags and both-ways flags of click are told."""
    script = read(
        tmp_path,
        """
        import click
        @click.command()
        @click.option("--lr", "rate", type=click.FloatRange(1e-4, 1), default=0.1)
        @click.option("--kind", type=click.Choice(["a", "b"]), default="a")
        @click.option("--bias/--no-bias", default=True)
        @click.option("--fast", is_flag=True)
        @click.option("--many", multiple=True, default=[1])
        @click.argument("data")
        def main(**kw): ...
        """,
    )
    found = settings(script)
    assert (found["rate"].low, found["rate"].high) == (0.0001, 1.0)
    assert found["kind"].choices == ("a", "b")
    assert found["bias"].switch == ("--bias", "--no-bias")
    assert found["fast"].switch == ("--fast", "")
    assert found["many"].aside
    assert found["data"].required


def test_typer_signature(tmp_path: Path) -> None:
    """Annotated options, enums, and plain defaults of typer are told; texts as annotations too."""
    script = read(
        tmp_path,
        """
        from __future__ import annotations
        from enum import Enum
        from typing import Annotated, Optional
        import typer
        class Kind(str, Enum):
            a = "first"
            b = "second"
        def main(data: str, kind: Kind = Kind.a, lr: float = typer.Option(0.1, "--rate"),
                 bias: bool = True, clip: Annotated[Optional[float], typer.Option(help="c")] = None,
                 width: "int" = 8): ...
        typer.run(main)
        """,
    )
    found = settings(script)
    assert found["data"].required
    assert (found["kind"].default, found["kind"].choices) == ("first", ("first", "second"))
    assert (found["lr"].default, found["lr"].spelling) == (0.1, "--rate={}")
    assert found["bias"].switch == ("--bias", "--no-bias")
    assert (found["clip"].type, found["clip"].default, found["clip"].help) == ("float", None, "c")
    assert found["width"].type == "int"


@pytest.mark.parametrize(
    ("tail", "spelling", "switch"),
    [
        ("import tyro\ncfg = tyro.cli(Config)", "--optim.lr={}", ("--use-bias", "--no-use-bias")),
        (
            "import pyrallis\n@pyrallis.wrap()\ndef main(cfg: Config): ...",
            "--optim.lr={}",
            ("--use_bias=true", "--use_bias=false"),
        ),
        (
            "from simple_parsing import ArgumentParser\np = ArgumentParser()\n"
            "p.add_arguments(Config, dest='cfg')",
            "--lr={}",
            ("--use_bias=True", "--use_bias=False"),
        ),
    ],
)
def test_dataclass_behind_a_library(
    tail: str, spelling: str, switch: tuple[str, str], tmp_path: Path
) -> None:
    """Nested dataclasses get the spelling of the library that turns them into options."""
    head = """
        from dataclasses import dataclass, field
        @dataclass
        class Optim:
            lr: float = 3e-4  # the rate
        @dataclass
        class Config:
            optim: Optim = field(default_factory=Optim)
            use_bias: bool = True
            layers: list[int] = field(default_factory=lambda: [1, 2])
        """
    found = settings(read(tmp_path, dedent(head) + tail + "\n"))
    assert found["optim.lr"].default == 0.0003
    assert found["optim.lr"].help == "the rate"
    assert found["optim.lr"].spelling == spelling
    assert found["use_bias"].switch == switch
    assert found["layers"].aside


def test_hugging_face_arguments(tmp_path: Path) -> None:
    """Own dataclasses and the trainer's own arguments are found behind HfArgumentParser."""
    script = read(
        tmp_path,
        """
        from dataclasses import dataclass, field
        from transformers import HfArgumentParser, TrainingArguments
        @dataclass
        class ModelArguments:
            model_name_or_path: str = field(metadata={"help": "where"})
            dropout: float = field(default=0.1)
        parser = HfArgumentParser((ModelArguments, TrainingArguments))
        """,
    )
    found = settings(script)
    assert found["model_name_or_path"].required
    assert found["dropout"].spelling == "--dropout={}"
    assert found["learning_rate"].default == 5e-05


def test_absl_flags(tmp_path: Path) -> None:
    """Flags of absl are told, with enums and negations."""
    script = read(
        tmp_path,
        """
        from absl import app, flags
        flags.DEFINE_float('lr', 1e-3, 'rate')
        flags.DEFINE_bool('bias', True, 'bias')
        flags.DEFINE_enum('opt', 'adam', ['adam', 'sgd'], 'optimizer')
        """,
    )
    found = settings(script)
    assert found["lr"].default == 0.001
    assert found["bias"].switch == ("--bias", "--nobias")
    assert found["opt"].choices == ("adam", "sgd")


def test_configurator_of_module_names(tmp_path: Path) -> None:
    """Names above `exec(open("configurator.py").read())` are settings, products included."""
    script = read(
        tmp_path,
        """
        learning_rate = 6e-4 # max rate
        steps = 5 * 8
        dtype = 'a' if x else 'b'
        exec(open('configurator.py').read())
        later = 1
        """,
    )
    assert first(script).style == "configurator"
    assert settings(script)["learning_rate"].help == "max rate"
    assert settings(script)["steps"].default == 40
    assert "later" not in settings(script)


def test_hydra_composes_its_files(tmp_path: Path) -> None:
    """Groups of the defaults list are nested; interpolations are told apart."""
    (tmp_path / "conf" / "optim").mkdir(parents=True)
    (tmp_path / "conf" / "optim" / "sgd.yaml").write_text("lr: 1e-2\n_target_: torch.SGD\n")
    (tmp_path / "conf" / "optim" / "adam.yaml").write_text("lr: 0.1\n")
    (tmp_path / "conf" / "main.yaml").write_text(
        "defaults:\n  - optim: sgd\n  - override hydra/launcher: x\n  - _self_\n"
        "width: 8\nsame: ${width}\nhydra: {job: {chdir: true}}\n"
    )
    script = read(
        tmp_path,
        """
        import hydra
        @hydra.main(config_path="conf", config_name="main", version_base=None)
        def main(cfg): ...
        """,
    )
    found = settings(script)
    assert found["optim.lr"].default == 0.01
    assert found["optim._target_"].aside
    assert found["width"].default == 8
    assert found["same"].aside
    assert not any(name.startswith("hydra") for name in found)
    assert "adam" in " ".join(first(script).notes)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        (
            "p = argparse.ArgumentParser()\np.add_argument('--config', default='config.yaml')\n"
            "cfg = yaml.safe_load(open(p.parse_args().config))",
            "--config={}",
        ),
        (
            "path = sys.argv[1] if len(sys.argv) > 1 else 'config.yaml'\n"
            "cfg = yaml.safe_load(open(path))",
            None,
        ),
    ],
)
def test_configuration_file(text: str, spelling: str | None, tmp_path: Path) -> None:
    """A YAML file that the script loads gives its settings, and the door by which to replace it."""
    script = read(
        tmp_path,
        "import argparse, sys, yaml\n" + text + "\n",
        config__yaml="model: {lr: 1e-3, layers: [1, 2]}\nname: x\n",
    )
    interface = first(script)
    assert (interface.channel, interface.file) == ("file", "config.yaml")
    assert settings(script)["model.lr"].default == 0.001
    assert settings(script)["model.layers"].aside
    assert (interface.file_setting.spelling if interface.file_setting else None) == spelling


def test_file_under_a_fixed_name_is_noted(tmp_path: Path) -> None:
    """A file that nothing can replace is no way in, and the user is told what to change."""
    script = read(
        tmp_path,
        "import yaml\nLR = 0.1\ncfg = yaml.safe_load(open('config.yaml'))\n",
        config__yaml="lr: 0.1\n",
    )
    assert first(script).style == "constants"
    assert "fixed name" in " ".join(script.notes)


def test_yaml_bomb_is_left_alone(tmp_path: Path) -> None:
    """A file whose aliases would fill the memory is not read."""
    lines = ["a0: &a0 [x]"] + [
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)
    ]
    script = read(
        tmp_path,
        "import yaml, sys\ncfg = yaml.safe_load(open(sys.argv[1] or 'config.yaml'))\nLR = 1.0\n",
        config__yaml="\n".join(lines),
    )
    assert first(script).style == "constants"


def test_constants_and_defaults_without_a_command_line(tmp_path: Path) -> None:
    """Capital constants come before a settings class, and derived ones are told apart."""
    script = read(
        tmp_path,
        """
        LR = 1e-3  # the rate
        WIDTH = 2 * 16
        LAYERS = [WIDTH, 8]
        COPY = LR
        class Config:
            dropout = 0.5
        cfg = Config()
        """,
    )
    found = settings(script)
    assert (found["LR"].default, found["LR"].help) == (0.001, "the rate")
    assert found["WIDTH"].default == 32
    assert found["LAYERS"].aside
    assert found["COPY"].aside
    assert [s.name for s in script.interfaces[1].settings] == ["Config.dropout"]


@pytest.mark.parametrize(
    ("code", "output", "metric", "values"),
    [
        (
            "print(f'Epoch {e}/{n}: val_loss={x:.4f} acc: {a * 100:.1f}%')",
            "Epoch 1/9: val_loss=0.5 acc: 85.0%\nEpoch 2/9: val_loss=nan acc: 9.5%\n",
            "val_acc",
            [85.0, 9.5],
        ),
        (
            "print('\\nTest set: Average loss: {:.4f}, Accuracy: {}/{} ({:.0f}%)\\n'"
            ".format(a, b, c, d))",
            "\nTest set: Average loss: 0.0301, Accuracy: 9905/10000 (99%)\n\n",
            "test_accuracy",
            [99.0],
        ),
        (
            "print('Epoch: {:04d}'.format(e + 1), 'loss_val: {:.4f}'.format(l.item()),"
            " 'acc_val: {:.4f}'.format(a), 'time: {:.4f}s'.format(t))",
            "Epoch: 0001 loss_val: 1.9 acc_val: 0.3500 time: 0.1s\n",
            "acc_val",
            [0.35],
        ),
        (
            "print('[%2d/%2d] train loss: %.5f  val loss: %.5f' % (e, n, a, b))",
            "[ 1/20] train loss: 0.5  val loss: 0.25\n",
            "val_loss",
            [0.25],
        ),
        ("print('val acc:', a)", "val acc: tensor(0.75)\n", "val_acc", None),
        (
            "logging.info('eval accuracy %.2f step %d', a, s)",
            "INFO:root:eval accuracy 0.50 step 10\n",
            "eval_accuracy",
            [0.5],
        ),
        (
            "pbar.set_postfix(val_f1=f1, best=best)",
            " 10%|# | 1/9 [val_f1=0.5, best=0.6]\r 20%|# | 2/9 [val_f1=0.75, best=0.8]\n",
            "val_f1",
            [0.5, 0.75],
        ),
        (
            "print(json.dumps({'epoch': e, 'val_auc': a}))",
            '{"epoch": 1, "val_auc": 0.5}\n{"epoch": 2, "val_auc": 1e-05}\n',
            "val_auc",
            [0.5, 1e-05],
        ),
        ("print({'eval_loss': l})", "{'eval_loss': 0.25}\n", "eval_loss", [0.25]),
        ("msg = f'dev acc {a}'\nprint(msg)", "dev acc 0.5\n", "dev_acc", [0.5]),
        ("sys.stdout.write('val mse = ' + str(m))", "val mse = 0.5\n", "val_mse", [0.5]),
    ],
)
def test_printed_metrics_are_read_back(
    code: str, output: str, metric: str, values: list[float] | None, tmp_path: Path
) -> None:
    """A pattern made from the code finds the value in what that code prints."""
    inner = code.replace("\n", "\n    ")
    script = read(tmp_path, f"import json, logging, sys\nfor e in range(2):\n    {inner}\n")
    assert metric in reported(script), script.reported
    assert reported(script)[metric].repeated
    if values is not None:
        found = read_back(script, output)[metric]
        assert found == values or all(a == b or a != a for a, b in zip(found, values, strict=True))


def test_value_takes_the_data_set_it_is_made_from(tmp_path: Path) -> None:
    """`acc` is a validation metric where it is computed from validation data."""
    script = read(tmp_path, "acc = model.score(X_val, y_val)\nprint(f'acc: {acc}')\n")
    assert script.reported[0].split == "validation"


def test_other_routes(tmp_path: Path) -> None:
    """emit, TensorBoard, CSV columns, JSON lines and services are told apart."""
    script = read(
        tmp_path,
        """
        import csv, json, wandb
        from trialwright import emit
        from torch.utils.tensorboard import SummaryWriter
        writer = SummaryWriter(args.logdir)
        with open("out/metrics.csv", "w") as f:
            rows = csv.DictWriter(f, fieldnames=["epoch", "val_rmse"])
        with open("log.jsonl", "a") as g:
            g.write(json.dumps({"epoch": 1, "val_mae": m}) + "\\n")
        for epoch in range(3):
            emit(step=epoch, val_f1=f1)
            writer.add_scalar("loss/val", loss, epoch)
            wandb.log({"val/acc": acc})
        """,
    )
    found = reported(script)
    assert found["val_f1"].where == "emit"
    assert (found["loss_val"].where, found["loss_val"].source) == ("tensorboard", "loss/val")
    assert found["loss_val"].spot.setting == "logdir"
    assert (found["val_rmse"].where, found["val_rmse"].spot.path) == ("file", "out/metrics.csv")
    assert (found["val_mae"].where, found["val_mae"].spot.path) == ("file", "log.jsonl")
    assert (found["val_acc"].where, found["val_acc"].source) == ("unreachable", "Weights & Biases")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "line 1"),
        ("\0", "null bytes"),
        ("x = " + "(" * 500 + ")" * 500, "can't be read|too many nested"),
    ],
)
def test_what_is_no_python_is_refused(text: str, said: str, tmp_path: Path) -> None:
    """A file that can't be parsed is one clear error."""
    (tmp_path / "train.py").write_text(text)
    with pytest.raises(StudyError, match=said):
        read_script(tmp_path / "train.py")


def test_binary_folder_and_missing_file_are_refused(tmp_path: Path) -> None:
    """What is no text file is refused with what to do."""
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)))
    for name in ("weights.bin", ".", "missing.py"):
        with pytest.raises(StudyError):
            read_script(tmp_path / name)


def test_hostile_text_costs_nothing(tmp_path: Path) -> None:
    """Towers of powers, circular names and huge ranges are unknown, not computed."""
    script = read(
        tmp_path,
        """
        A = 9 ** 9 ** 9 ** 9
        B = B2
        B2 = B
        C = tuple(range(10 ** 12))
        D = 1 / 0
        E = "x" * 10 ** 10
        LR = 0.1
        """,
    )
    assert [s.name for s in first(script).settings if not s.aside] == ["LR"]


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_loss", "minimize"),
        ("top1", "maximize"),
        ("R2", "maximize"),
        ("test reconstruction error", "minimize"),
        ("neg_mean_squared_error", "maximize"),
        ("valLoss", "minimize"),
        ("perplexity", "minimize"),
        ("macro-F1", "maximize"),
        ("elapsed", None),
    ],
)
def test_direction_is_told_by_the_name(name: str, direction: str | None) -> None:
    """Loss, error and the like go down; accuracy, scores and the like go up."""
    assert direction_of(name) == direction


def test_names_become_legal_and_keep_their_data_set() -> None:
    """A label becomes a name of letters, digits and underscores that can name a group."""
    for label in ("Average loss", "valid/Macro-F1", "5-fold acc", "R²", "mean"):
        assert re.fullmatch(r"[A-Za-z_]\w*", slug(label), re.ASCII), label
    assert split_of("X_val") == "validation"
    assert split_of("held_out validation of the training set") == "validation"
    assert not is_metric("evaluated")
