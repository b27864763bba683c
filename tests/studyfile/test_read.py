"""What a study file may say, and the one clear error that each broken one gets."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from trialwright.errors import StudyFileError
from trialwright.robust import Robust
from trialwright.space import Choice, Float, Int, Ordinal, Space
from trialwright.studyfile import load, parse
from trialwright.task import (
    Budget,
    Delivery,
    Environment,
    Keep,
    Limits,
    MetricRoute,
    Objective,
    Prune,
    RunnerPlan,
    Schedule,
    Seeds,
    Task,
    Ucb,
)

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))

SMALL = """\
goal: maximize val_f1
command: [python, train.py, "{config}"]
space:
  lr: {float: [1e-3, 1E0], log: true}
"""


FULL = """\
name: w.1
goal: minimize val_loss
reduce: mean_last_3
description: |
  Two
  lines
model: xgboost
command: [python, train.py, "--out={folder}", "{args}", 3]
workdir: run
base: base.yaml
format: json
argument: "--{name} {value}"
environment: {pass: [API_KEY], set: {OMP_NUM_THREADS: 1, LR: "{lr}"}}
metrics:
  regex: ['loss (?P<val_loss>\\S+)']
  file: m.csv
  tensorboard: "{folder}/tb"
  rename: {a: b}
space:
  lr: {float: [1e-4, .1], log: true, default: 1E-2, description: step}
  drop: {float: [0, 1], step: 0.25}
  depth: {int: [1, 9], step: 2, default: 3.0}
  booster: {choice: [tree, dart, null, 1, true], default: tree}
  rate: {float: [0, 0.5], when: {booster: dart, depth: [3, 5]}}
  batch: {ordinal: [16, 32, 64], default: 32, when: lr > 0.001}
constraints: [lr * depth <= 1]
start: [{lr: 0.05}, {depth: 5, booster: dart, rate: 0.5}]
grid: {depth: [1, 3], drop: [0, 1]}
limits: {run: 1h30m, memory: 4GiB, stall: 90, grace: 0, log: 500KB}
budget: {trials: 20, runs: 40, time: 2d}
seeds: {screen: 2, confirm: 4, max: 12, fresh: 5, objective: mean + 1 sd, failure: 0.6, study: 7}
prune: {rule: asha, first: 2, factor: 4}
keep: {files: ["*.pt"], trials: 3, runs: 200}
code: ["*.py"]
team: [expert, tree]
tree: {c: 0.5, rule: variant, mutate: 2}
block: 12
instructions: notes.txt
runner:
  {kind: local, workers: 4, cpus: 2, gpus: "1 if depth > 3 else 0.5", memory: 2GiB,
   disk_floor: 5GiB}
schedule: {first: cheap, cost: depth * lr}
heal: false
confidence: 0.9
"""
"""Every key of a study file."""

FULL_SPACE = Space(
    (
        Float("lr", 1e-4, 0.1, log=True, default=0.01, description="step"),
        Float("drop", 0.0, 1.0, step=0.25),
        Int("depth", 1, 9, step=2, default=3),
        Choice("booster", ("tree", "dart", None, 1, True), default="tree"),
        Float("rate", 0.0, 0.5, when="booster == 'dart' and depth in [3, 5]"),
        Ordinal("batch", (16, 32, 64), default=32, when="lr > 0.001"),
    ),
    ("lr * depth <= 1",),
)
FULL_TASK = Task(
    name="w.1",
    objective=Objective(metric="val_loss", direction="minimize", reduce="mean_last", window=3),
    description="Two\nlines\n",
    model="xgboost",
    command=("python", "train.py", "--out={folder}", "{args}", "3"),
    workdir="run",
    delivery=Delivery(base="base.yaml", format="json", argument="--{name} {value}"),
    environment=Environment(passed=("API_KEY",), set={"OMP_NUM_THREADS": "1", "LR": "{lr}"}),
    metrics=MetricRoute(
        patterns=(r"loss (?P<val_loss>\S+)",),
        file="m.csv",
        tensorboard="{folder}/tb",
        rename={"a": "b"},
    ),
    space=FULL_SPACE,
    start=({"lr": 0.05}, {"depth": 5, "booster": "dart", "rate": 0.5}),
    grid={"depth": (1, 3), "drop": (0.0, 1.0)},
    limits=Limits(run_s=5400, memory_bytes=2**32, stall_s=90, grace_s=0, log_bytes=500_000),
    budget=Budget(trials=20, runs=40, time_s=172800),
    seeds=Seeds(
        screen=2,
        confirm=4,
        most=12,
        fresh=5,
        objective=Robust(kind="spread", amount=1.0),
        failure=0.6,
        study=7,
    ),
    prune=Prune(rule="asha", first=2, factor=4),
    keep=Keep(files=("*.pt",), trials=3, runs=200),
    code=("*.py",),
    team=("expert", "tree"),
    tree=Ucb(c=0.5, rule="variant", mutate=2),
    block=12,
    instructions="notes.txt",
    runner=RunnerPlan(
        workers=4,
        cpus=2,
        gpus="1 if depth > 3 else 0.5",
        memory_bytes=2**31,
        disk_floor_bytes=5 * 2**30,
    ),
    schedule=Schedule(first="cheap", cost="depth * lr"),
    heal=False,
    confidence=0.9,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a script and a base configuration."""
    (tmp_path / "train.py").write_text("")
    (tmp_path / "base.yaml").write_text("lr: 1\n")
    (tmp_path / "notes.txt").write_text("Leave the depth alone.\n")
    return tmp_path


def read(text: str, folder: Path) -> Task:
    """Load `text` from a file in `folder`."""
    path = folder / "water.yaml"
    path.write_text(text)
    return load(path)


def problems_of(content: bytes, tmp_path: Path) -> tuple[str, ...]:
    """The problems of a file of these bytes."""
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyFileError) as caught:
        load(path)
    return caught.value.problems


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_gets_one_error_with_its_line_and_remedy(path: Path) -> None:
    """Each file in `broken` states in its first line where its only problem is, and the remedy."""
    expected = re.match(r"# line (\d+): (.*)", path.read_text())
    assert expected is not None
    with pytest.raises(StudyFileError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert re.fullmatch(rf"{re.escape(str(path))}:{expected[1]}:\d+: .+", problem), problem
    assert expected[2] in problem
    assert len(problem) < 1000


def test_at_least_thirty_broken_files_are_tried() -> None:
    """The folder of broken files has not been lost."""
    assert len(BROKEN) >= 30


def test_an_empty_file_says_what_it_needs(tmp_path: Path) -> None:
    """Nothing, blanks and comments alone are empty files."""
    for content in (b"", b"\n  \n", b"# only a comment\n", b"\xef\xbb\xbf"):
        (problem,) = problems_of(content, tmp_path)
        assert "empty; it needs at least goal, command and space" in problem


def test_a_binary_file_is_called_binary(tmp_path: Path) -> None:
    """A model or data set given by mistake is not parsed."""
    (problem,) = problems_of(b"goal: x\n" + bytes(range(256)), tmp_path)
    assert "is binary" in problem


def test_a_file_in_another_encoding_names_the_byte_and_line(tmp_path: Path) -> None:
    """Latin-1 text is refused where its first odd byte stands."""
    (problem,) = problems_of(b"goal: maximize f1\ndescription: caf\xe9\n", tmp_path)
    assert ":2:17: byte 0xe9 is not UTF-8: save the file as UTF-8" in problem


def test_a_control_character_is_named_with_its_place(tmp_path: Path) -> None:
    """A character that YAML forbids is shown by its code."""
    (problem,) = problems_of(b"goal: maximize f1\ndescription: a\x07b\n", tmp_path)
    assert r":2:15: the character '\x07' can't stand" in problem


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """More than a mebibyte is no study file."""
    (problem,) = problems_of(b"# " + b"x" * 2**21, tmp_path)
    assert "is larger than 1048576 bytes" in problem


def test_many_values_are_refused_early(tmp_path: Path) -> None:
    """A file below the size limit with too many values is refused without reading it all."""
    (problem,) = problems_of(b"start: [" + b"1," * 400_000 + b"1]", tmp_path)
    assert "more than 20000 values" in problem


def test_a_folder_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    """Both are errors of the file as a whole, with what to do."""
    for path, remedy in ((tmp_path, "is a folder"), (tmp_path / "no.yaml", "does not exist")):
        with pytest.raises(StudyFileError, match=remedy):
            load(path)


def test_all_problems_are_told_at_once_in_the_order_of_lines(folder: Path) -> None:
    """Four faults in four sections are four lines."""
    text = SMALL.replace("[1e-3, 1E0]", "[2, 1]") + "team: [exprt]\nlimits: {run: soon}\nx: 1\n"
    with pytest.raises(StudyFileError) as caught:
        read(text, folder)
    lines = [int(problem.split(":")[1]) for problem in caught.value.problems]
    assert lines == [4, 5, 6, 7]


@pytest.mark.parametrize("junk", ["true", "3", "1.5", "text", "[1, [2]]", "{a: {b: 1}}", "[{}]"])
def test_the_wrong_type_anywhere_is_a_problem_and_never_a_crash(junk: str, folder: Path) -> None:
    """Whatever stands under whatever key, reading ends in a task or in problems with places."""
    from trialwright.studyfile.read import KEYS

    nested = {
        "limits": ("run", "memory", "stall", "grace", "log"),
        "budget": ("trials", "runs", "time"),
        "seeds": ("screen", "confirm", "max", "fresh", "objective", "failure", "study"),
        "prune": ("rule", "first"),
        "keep": ("files", "trials", "runs"),
        "runner": ("kind", "workers", "cpus", "gpus", "memory", "disk_floor"),
        "schedule": ("first", "cost"),
        "metrics": ("regex", "file", "tensorboard", "rename"),
        "environment": ("pass", "set"),
    }
    domains = ("float", "int", "choice", "ordinal", "log", "step", "default", "when")
    texts = [f"{key}: {junk}\n" for key in KEYS]
    texts += [f"{key}: {{{inner}: {junk}}}\n" for key, keys in nested.items() for inner in keys]
    texts += [f"space: {{a: {{int: [1, 2], {key}: {junk}}}}}\n" for key in domains[4:]]
    texts += [f"space: {{a: {{{key}: {junk}}}}}\n" for key in domains[:4]]
    problems = []
    for text in texts:
        kept = [line for line in SMALL.splitlines(keepends=True) if line[0] != text[0]]
        try:
            read("".join(kept) + text, folder)
        except StudyFileError as error:
            problems.append(error.problems)
    assert len(problems) > len(texts) // 2
    assert all(re.match(r".+:\d+:\d+: .+", line) for lines in problems for line in lines)


def test_every_key_reaches_its_place_in_the_task(folder: Path) -> None:
    """A file that uses everything gives the task that says the same in Python."""
    assert read(FULL, folder) == replace(FULL_TASK, folder=str(folder))


def test_a_small_file_has_the_usual_values(folder: Path) -> None:
    """Only goal, command and space are needed; the name is the file's."""
    task = read(SMALL, folder)
    assert (task.name, task.budget, task.team) == ("water", Budget(trials=10), ("expert",))
    assert task.objective == Objective(metric="val_f1", direction="maximize", reduce="last")
    assert task.space["lr"] == Float("lr", 0.001, 1.0, log=True)


def test_a_file_called_study_is_named_after_its_folder(folder: Path) -> None:
    """`study.yaml` says nothing, so the folder's name does, made safe."""
    odd = folder / "my water (2)"
    odd.mkdir()
    (odd / "train.py").write_text("")
    assert parse(SMALL, path=odd / "study.yaml").name == "my-water-2"


def test_a_command_in_one_line_is_split_like_a_shell_would(folder: Path) -> None:
    """Quotes group, and no shell sees the line."""
    text = SMALL.replace('[python, train.py, "{config}"]', "python train.py --note 'a b' {config}")
    assert read(text, folder).command == ("python", "train.py", "--note", "a b", "{config}")


def test_an_absolute_interpreter_and_a_program_in_the_folder_are_fine(folder: Path) -> None:
    """Interpreters may lie anywhere, programs within the folder."""
    (folder / "run.sh").write_text("#!/bin/sh\n")
    for program in (sys.executable, "./run.sh"):
        text = SMALL.replace("[python, train.py,", f"[{program}, train.py,")
        if program == "./run.sh":
            with pytest.raises(StudyFileError, match=r"not executable: make it executable"):
                read(text, folder)
            (folder / "run.sh").chmod(0o755)
        assert read(text, folder).command[0] == program


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    """A path is where its links lead."""
    (folder / "inside.yaml").symlink_to("/etc/hostname")
    with pytest.raises(StudyFileError, match="lies outside the study's folder"):
        read(SMALL + "base: inside.yaml\n", folder)


def test_nested_start_keys_are_joined_with_dots(folder: Path) -> None:
    """A start may be written as the base configuration is."""
    text = SMALL + "  opt.lr: {float: [0, 1]}\nstart: [{opt: {lr: 1}, lr: 0.5}]\n"
    assert read(text, folder).start == ({"opt.lr": 1.0, "lr": 0.5},)


def test_aliases_within_reason_are_values(folder: Path) -> None:
    """An anchor used twice is the same as writing it twice."""
    text = SMALL + "  a: &d {int: [1, 4]}\n  b: *d\n"
    space = read(text, folder).space
    assert (space["a"].allowed, space["a"].name) == (space["b"].allowed, "a")


def test_null_sections_count_as_absent(folder: Path) -> None:
    """A section whose lines are all commented out has its usual values."""
    assert read(SMALL + "limits:\nteam:\nbudget:\n", folder) == read(SMALL, folder)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1E5", 1e5), (".5", 0.5), ("1.", 1.0), ("010", 10), ("-3", -3), ("+2", 2)],
)
def test_numbers_are_read_as_people_mean_them(text: str, value: float, folder: Path) -> None:
    """YAML 1.1 reads `1e-4` as text and `010` as eight; a study file does neither."""
    option = read(SMALL + f"  x: {{choice: [{text}, other]}}\n", folder).space["x"]
    assert isinstance(option, Choice)
    assert option.options == (value, "other")
    assert type(option.options[0]) is type(value)


def test_yes_and_dates_are_text(folder: Path) -> None:
    """Only true and false are truth values, and a date is what it looks like."""
    option = read(SMALL + "  x: {choice: [yes, off, 2020-01-01, 1_000]}\n", folder).space["x"]
    assert isinstance(option, Choice)
    assert option.options == ("yes", "off", "2020-01-01", "1_000")
