"""Where runs go: this machine, or a Ray cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from trialwright.studyfile.fields import Fields, Problems
from trialwright.studyfile.tree import Tree
from trialwright.task import RunnerPlan, RuntimeEnv

_ON_A_CLUSTER = ("address", "resources", "runtime_env")
RUNNER_KEYS = ("kind", "workers", "cpus", "gpus", "memory", "disk_floor", *_ON_A_CLUSTER)

_ADDRESS = re.compile(r"auto|(ray://)?[\w.-]+:\d{1,5}|(ray://)?\[[0-9a-fA-F:.]+\]:\d{1,5}")
_ELSEWHERE = re.compile(r"\w+://.+")
"""A working directory that a node fetches by itself, such as an archive in a bucket."""


def read_runner(fields: Fields, problems: Problems, *, folder: Path) -> RunnerPlan:
    """Read the section `runner`; paths in it are relative to `folder`."""
    kind = fields.word("kind", ("local", "ray"), later=("slurm", "simulate"))
    workers = fields.tree("workers")
    auto = workers is not None and workers.value == "auto"
    if kind != "ray":
        for key in _ON_A_CLUSTER:
            if key in fields:
                fields.fault(fields.keys[key], f"runner.{key} is for a cluster: add kind: ray")
    return RunnerPlan(
        kind="ray" if kind == "ray" else "local",
        workers=None if auto else fields.whole("workers", least=1, instead="auto"),
        cpus=fields.formula("cpus", above=0) or 1.0,
        gpus=fields.formula("gpus", least=0),
        memory_bytes=fields.size("memory"),
        disk_floor_bytes=fields.size("disk_floor"),
        address=_address(fields),
        resources=_resources(fields, problems),
        runtime_env=_runtime_env(fields, problems, folder),
    )


def _address(fields: Fields) -> str | None:
    text, tree = fields.text("address"), fields.tree("address")
    if text is not None and tree is not None and not _ADDRESS.fullmatch(text):
        fields.fault(
            tree,
            f"runner.address: {text!r} is none: write auto (the cluster of this machine),"
            " host:port, or ray://host:port",
        )
        return None
    return text


def _resources(fields: Fields, problems: Problems) -> dict[str, float]:
    tree = fields.tree("resources")
    if tree is None:
        return {}
    names = tuple(tree.value) if isinstance(tree.value, Mapping) else ("NAME: NUMBER",)
    section = Fields(tree, "runner.resources", problems, known=names)
    found = {name: section.number(name, above=0) for name in names}
    for name in found:
        if name in ("CPU", "GPU", "memory") and name in section:
            fields.fault(section.keys[name], f"runner.resources: {name} has a key of its own")
    return {name: number for name, number in found.items() if number is not None}


def _runtime_env(fields: Fields, problems: Problems, folder: Path) -> RuntimeEnv:
    tree = fields.tree("runtime_env") or Tree(None, fields.place)
    section = Fields(tree, "runner.runtime_env", problems, known=("working_dir", "excludes", "pip"))
    path, at = section.text("working_dir"), section.tree("working_dir")
    if path is not None and at and not _ELSEWHERE.fullmatch(path) and not (folder / path).is_dir():
        section.fault(at, f"runner.runtime_env.working_dir: there is no folder {folder / path}")
    return RuntimeEnv(
        working_dir=path, excludes=section.texts("excludes"), pip=section.texts("pip")
    )
