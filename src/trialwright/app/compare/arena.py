"""Who is compared, and where: a campaign for each agent and replicate, apart from all others."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from trialwright.editable import CodingAgent, Research
from trialwright.errors import StudyError
from trialwright.llm.providers import name_fault
from trialwright.process.repository import Repository
from trialwright.studyfile import dump
from trialwright.studyfile.team import MEMBERS
from trialwright.task import Agent, LedgerPlan, Member, Someone, Task, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One agent's campaign in one replicate."""

    agent: str
    member: Someone
    replicate: int
    """From 1."""
    seed: int
    """Of the study: the same for all agents of a replicate."""
    folder: Path

    @property
    def name(self) -> str:
        """What it is called in lines and folders."""
        return self.folder.name

    @property
    def study(self) -> Path:
        """The folder of its results."""
        return self.folder / "study"

    @property
    def code(self) -> Path:
        """Its clone of the repository."""
        return self.folder / "code"


def name_of(member: Someone) -> str:
    """Return what a member is called."""
    return member if isinstance(member, str) else member.name


def entrants(task: Task, names: Sequence[str]) -> tuple[Someone, ...]:
    """Return the members that are compared: those of the study's team by name, or well-known ones.

    Raises:
        StudyError: there are fewer than two, one is named twice, or a name means nobody.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise StudyError(f"{twice} is named twice: name each agent once")
    if len(names) < 2:
        raise StudyError("name two agents or more: trialwright compare STUDY --agents A B")
    return tuple(_member(task, name) for name in names)


def _member(task: Task, name: str) -> Someone:
    described = {name_of(one): one for one in task.team}
    if name in described:
        return described[name]
    if name in MEMBERS:
        return cast("Member", name)
    if ":" in name:
        fault = name_fault(name)
        if fault:
            raise StudyError(f"--agents: {fault}")
        return Agent(name=name, model=name)
    known = (*described, *(one for one in MEMBERS if one not in described))
    raise StudyError(
        f"--agents: {name!r} is no member of the study's team{nearest(name, known)}; there are"
        f" {', '.join(known)}; a model is provider:name; a coding agent is described in the team"
    )


def legs(task: Task, members: Sequence[Someone], replicates: int, folder: Path) -> list[Leg]:
    """Return every campaign, replicate by replicate, so that what is there can be compared."""
    return [
        Leg(
            agent=name_of(member),
            member=member,
            replicate=k,
            seed=task.seeds.study + k - 1,
            folder=folder / f"{_plain(name_of(member))}-{k}",
        )
        for k in range(1, replicates + 1)
        for member in members
    ]


def _plain(name: str) -> str:
    """A name as a folder may have it; told from others that look alike by a digest."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    if plain == name and not name.startswith("."):
        return name
    return f"{plain.lstrip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def base_of(task: Task) -> str:
    """Return the commit at which every campaign begins; '' where none changes code."""
    if task.research is None:
        return ""
    return Repository(Path(task.folder)).commit_of(task.research.base)


def terms(task: Task, base: str) -> str:
    """Return a digest of what all campaigns have in common: another one can't be compared."""
    common = replace(task, team=("random",), notify=(), ledger=LedgerPlan())
    return hashlib.sha256(json.dumps([dump(common), base]).encode()).hexdigest()[:16]


def lay_out(leg: Leg, task: Task, base: str) -> Task:
    """Make what a campaign needs, if it is not there; return its task.

    Raises:
        StudyError: the repository can't be cloned.
    """
    leg.folder.mkdir(parents=True, exist_ok=True)
    ours = replace(
        task,
        team=(leg.member,),
        seeds=replace(task.seeds, study=leg.seed),
        notify=(),
        ledger=LedgerPlan(),
    )
    if task.research is None:
        return ours
    source = Repository(Path(task.folder))
    if not leg.code.exists():
        _clone(source, leg.code, base)
    folder = leg.code / source.prefix
    _bring(task, task.research, folder)
    return replace(
        ours,
        team=(_at_home(leg.member, Path(task.folder)),),
        folder=str(folder),
        research=replace(
            task.research,
            base=base,
            readable=_absolute(task.research.readable, Path(task.folder)),
            writable=_absolute(task.research.writable, Path(task.folder)),
        ),
    )


def _clone(source: Repository, target: Path, base: str) -> None:
    """Copy a repository whole, objects and all, with no way back to it; all of it or nothing."""
    part = target.with_name(f"{target.name}.part")
    if part.exists():
        shutil.rmtree(part)
    environment = {name: v for name, v in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_TERMINAL_PROMPT"] = "0"
    quiet = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")
    steps = (
        ("clone", "--quiet", "--no-hardlinks", "--no-checkout", "--template=", "--",
         str(source.root), str(part)),
        ("-C", str(part), "remote", "remove", "origin"),
        ("-C", str(part), "checkout", "--quiet", "--detach", base),
    )  # fmt: skip
    for step in steps:
        done = subprocess.run(["git", *quiet, *step], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StudyError(f"the repository can't be cloned: {done.stderr.strip()}")
    part.rename(target)


def _bring(task: Task, plan: Research, folder: Path) -> None:
    """Bring along what git does not track and the campaign needs: its links lead to the user's."""
    for path in plan.links:
        place = folder / path
        if not place.exists() and not place.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(Path(task.folder).absolute() / path)
    for name in (plan.program, task.instructions, task.delivery.base):
        if name and not (folder / name).exists() and (Path(task.folder) / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(task.folder) / name, folder / name)


def _at_home(member: Someone, folder: Path) -> Someone:
    """A coding agent whose own folders are where the study file means them to be."""
    if not isinstance(member, CodingAgent):
        return member
    return replace(member, writable=_absolute(member.writable, folder))


def _absolute(paths: Sequence[str], folder: Path) -> tuple[str, ...]:
    return tuple(str(folder.absolute() / Path(path).expanduser()) for path in paths)
