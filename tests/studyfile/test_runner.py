"""The section `runner` of a study file: this machine, or a Ray cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from trialwright.errors import StudyFileError
from trialwright.studyfile import dump
from trialwright.studyfile.read import parse
from trialwright.task import RunnerPlan, RuntimeEnv, Task


def read(folder: Path, runner: str) -> Task:
    """Read a small study file with a section `runner`."""
    (folder / "train.py").write_text("")
    (folder / "code").mkdir(exist_ok=True)
    text = f"""
goal: maximize y
command: python3 train.py {{args}}
space: {{x: {{float: [0, 1]}}}}
runner: {runner}
"""
    return parse(text, path=folder / "study.yaml")


def test_a_cluster_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Every key of a cluster reaches the plan, and `dump` writes it so that it reads the same."""
    task = read(
        tmp_path,
        "{kind: ray, address: 'ray://head:10001', workers: 8, cpus: 2, gpus: 0.5, memory: 4GiB,"
        " resources: {tpu: 1, lab: 0.5},"
        " runtime_env: {working_dir: code, excludes: ['*.pt'], pip: [xgboost]}}",
    )
    assert task.runner == RunnerPlan(
        kind="ray",
        address="ray://head:10001",
        workers=8,
        cpus=2,
        gpus=0.5,
        memory_bytes=4 * 2**30,
        resources={"tpu": 1, "lab": 0.5},
        runtime_env=RuntimeEnv(working_dir="code", excludes=("*.pt",), pip=("xgboost",)),
    )
    assert parse(dump(task), path=tmp_path / "study.yaml").runner == task.runner


@pytest.mark.parametrize(
    "address", ["auto", "head.lab:6379", "node-1:6379", "ray://[fe80::1]:10001"]
)
def test_addresses_that_ray_knows(tmp_path: Path, address: str) -> None:
    """The address of a head, of its client port, or of whatever this machine belongs to."""
    assert read(tmp_path, f"{{kind: ray, address: '{address}'}}").runner.address == address


@pytest.mark.parametrize(
    ("runner", "problem"),
    [
        ("{address: auto}", "runner.address is for a cluster: add kind: ray"),
        ("{kind: ray, address: head}", "'head' is none: write auto"),
        ("{kind: ray, address: 'http://head:1'}", "'http://head:1' is none"),
        ("{kind: ray, resources: {lab: 0}}", "runner.resources.lab must be a number above 0"),
        ("{kind: ray, resources: {GPU: 1}}", "GPU has a key of its own"),
        ("{kind: ray, resources: 3}", "runner.resources must be a mapping"),
        ("{kind: ray, runtime_env: {working_dir: there}}", "there is no folder"),
        ("{kind: ray, runtime_env: {conda: x}}", "unknown key 'conda'"),
        ("{kind: slurm}", "slurm is not in this version"),
        ("{kind: rai}", "did you mean ray?"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, runner: str, problem: str) -> None:
    """Each mistake has one line with its place."""
    with pytest.raises(StudyFileError) as caught:
        read(tmp_path, runner)
    (only,) = caught.value.problems
    assert problem in only
    assert f"{tmp_path / 'study.yaml'}:5:" in only
