"""Scripts whose settings are constants in their own text, run for real with other values."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from trialwright.execute.constants import replace

SCRIPT = '''\
"""Trains."""
from __future__ import annotations

import dataclasses
import pickle
import sys
from dataclasses import dataclass, field

import neighbour

LR = 1e-3
DECAY: float = 0.1
A, B = 1, "two"
NAME = "relu"
FAST = False
CLIP = None
HALF = LR / 2
if sys.argv:
    BATCH = 16
else:
    BATCH = 32


@dataclass
class Config:
    hidden: int = 32
    rate: float = field(default=0.5)
    sizes: list = field(default_factory=list)

    class Inner:
        depth = 2


def train(LR=5):
    K = 7
    return K, LR


if __name__ == "__main__":
    c = Config()
    assert pickle.loads(pickle.dumps(c)) == c
    print(LR, DECAY, A, B, NAME, FAST, CLIP, HALF, BATCH, c.hidden, c.rate, Config.Inner.depth)
    print(train(), sys.argv, __file__, neighbour.WHO, dataclasses.fields(Config)[0].type)
    if len(sys.argv) > 1 and sys.argv[1] == "fail":
        raise RuntimeError("here")
'''


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script, written into `folder`, with the given constants."""
    (folder / "train.py").write_text(SCRIPT)
    (folder / "neighbour.py").write_text("WHO = 'beside the script'\n")
    return subprocess.run(
        [sys.executable, "-m", "trialwright.execute.constants", str(folder / "train.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
    )


def first(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The values that the script saw."""
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0].split()


def test_without_constants_it_is_the_script(tmp_path: Path) -> None:
    """It runs as by `python train.py`: name, path, arguments, neighbours, dataclasses."""
    done = run(tmp_path)
    values = ["0.001", "0.1", "1", "two", "relu", "False", "None", "0.0005", "16", "32", "0.5", "2"]
    assert first(done) == values
    script = str(tmp_path / "train.py")
    assert done.stdout.splitlines()[1] == f"(7, 5) ['{script}'] {script} beside the script int"


def test_replaces_constants_of_every_form(tmp_path: Path) -> None:
    """Plain, annotated, unpacked, branched and class-level ones; what depends on them follows."""
    done = run(
        tmp_path,
        "LR=0.5",
        "DECAY=1",
        "A=3",
        "B=four",
        "NAME=tanh",
        "FAST=true",
        "CLIP=1.5",
        "BATCH=64",
        "Config.hidden=128",
        "Config.rate=1",
        "Config.Inner.depth=9",
    )
    assert first(done) == [
        "0.5",
        "1.0",
        "3",
        "four",
        "tanh",
        "True",
        "1.5",
        "0.25",
        "64",
        "128",
        "1.0",
        "9",
    ]


def test_local_names_and_arguments_are_no_constants(tmp_path: Path) -> None:
    """What stands in a function is the function's."""
    assert run(tmp_path, "LR=0.5").stdout.splitlines()[1].startswith("(7, 5)")
    assert run(tmp_path, "K=1").returncode == 2


def test_the_scripts_own_arguments(tmp_path: Path) -> None:
    """Whatever follows `--` is the script's."""
    done = run(tmp_path, "LR=0.5", "--", "a=b", "--", "c")
    assert "'a=b', '--', 'c']" in done.stdout
    assert first(done)[0] == "0.5"


def test_tracebacks_show_the_scripts_lines(tmp_path: Path) -> None:
    """File, line and source of a failure are the script's; the exit status is Python's."""
    done = run(tmp_path, "LR=0.5", "--", "fail")
    line = SCRIPT.splitlines().index('        raise RuntimeError("here")') + 1
    assert f'train.py", line {line}, in <module>' in done.stderr
    assert 'raise RuntimeError("here")' in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["LT=1"], "no constant LT; did you mean LR?"),
        (["Config.hiden=1"], "did you mean Config.hidden?"),
        (["LR"], "'LR' is no NAME=VALUE"),
        (["=1"], "no NAME=VALUE"),
    ],
)
def test_refuses_what_the_script_does_not_have(tmp_path: Path, words: list[str], said: str) -> None:
    """An unknown name ends with status 2 and one line that names the nearest."""
    done = run(tmp_path, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_missing_script_and_a_broken_one(tmp_path: Path) -> None:
    """A file that is not there is said to be missing; one that does not parse shows where."""
    command = [sys.executable, "-m", "trialwright.execute.constants"]
    gone = subprocess.run([*command, "gone.py"], capture_output=True, text=True, check=False)
    assert gone.returncode == 2
    assert "can't open file 'gone.py'" in gone.stderr
    (tmp_path / "broken.py").write_text("x = 1\nif x\n")
    broken = subprocess.run(
        [*command, str(tmp_path / "broken.py")], capture_output=True, text=True, check=False
    )
    assert broken.returncode == 1
    assert 'broken.py", line 2' in broken.stderr
    assert "SyntaxError" in broken.stderr


def test_it_imports_the_standard_library_only() -> None:
    """A script pays for nothing of ours."""
    code = (
        "import sys; import trialwright.execute.constants\n"
        "print(sorted({n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stdout))
    bare = subprocess.run(
        [sys.executable, "-c", code.replace("trialwright.execute.constants", "sys")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded - set(ast.literal_eval(bare.stdout)) == {"trialwright"}


def replaced(source: str, **settings: str) -> str:
    """The source with other constants."""
    tree = ast.parse(textwrap.dedent(source))
    replace(tree, settings)
    return ast.unparse(tree)


@pytest.mark.parametrize(
    ("source", "text", "result"),
    [
        ("X = 'a'", "1", "X = '1'"),
        ("X = 'a'", "true", "X = 'true'"),
        ("X = 'a'", "null", "X = None"),
        ("X = 1", "1.5", "X = 1.5"),
        ("X = 1.0", "2", "X = 2.0"),
        ("X = 1", "true", "X = True"),
        ("X = None", "relu", "X = 'relu'"),
        ("X = (1, 2)", "(3, 4)", "X = (3, 4)"),
        ("X = float('1')", "2", "X = 2"),
        ("X = 1", "__import__('os')", "X = \"__import__('os')\""),
        ("X = Y = 1", "2", "X = Y = 2"),
    ],
)
def test_values_take_the_type_that_is_meant(source: str, text: str, result: str) -> None:
    """Text is read as a literal, in the type of the old value in doubt, and never evaluated."""
    assert replaced(source, X=text) == result


def test_a_derived_reassignment_stays() -> None:
    """Of several assignments those of a literal change; `X = X * 2` goes on doubling."""
    assert replaced("X = 1\nX = X * 2\nprint(X)", X="5") == "X = 5\nX = X * 2\nprint(X)"


def test_pydantic_fields() -> None:
    """`Field(0.1, gt=0)` and `Field(default=0.1)` keep their other arguments."""
    source = "class C:\n    X: float = Field(0.1, gt=0)\n"
    tree = ast.parse(source)
    replace(tree, {"C.X": "0.5"})
    assert "Field(0.5, gt=0)" in ast.unparse(tree)
