"""A study file for a git repository whose code may be edited: read, guess, prove, write, tell.

What the user does not say is read from the repository, and marked as a guess. The dry run works as
the study will: on a copy of what is committed, in the sandbox. Only the study file is written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from trialwright.app.init.autoresearch import Said, recognised, said_of
from trialwright.app.init.command import UNNAMED, limit_of, proved, put
from trialwright.app.init.command import Wishes as Asked
from trialwright.app.init.compose import (
    Draft,
    duration,
    goal_lines,
    metric_lines,
    quoted,
    spelled,
    study_name,
)
from trialwright.app.init.domains import Passed, guess_all
from trialwright.app.init.dry_run import Proof
from trialwright.app.init.interpreter import python_for
from trialwright.app.init.routes import Goal, goal_of, ranked, route_of
from trialwright.app.init.telling import proof_line
from trialwright.app.place import FILE, RUNS
from trialwright.app.script.names import direction_of
from trialwright.app.script.reading import read_script
from trialwright.app.script.setting import Interface, Reported, Script
from trialwright.errors import RepositoryError, StudyError
from trialwright.process.repository import Repository
from trialwright.process.sandbox import available
from trialwright.report import words
from trialwright.study import Study
from trialwright.studyfile import parse
from trialwright.studyfile.fields import octets
from trialwright.studyfile.tree import Place, Tree
from trialwright.task import MetricRoute

USUAL = ("train.py", "main.py", "run.py", "experiment.py")
PROGRAM = "program.md"
TRIALS = 20
"""Of a study whose budget nobody names."""
LEAST_LIMIT_S = 300

Say = Callable[[str], None]
Confinement = Literal["bubblewrap", "none"]
From = Literal["start", "first_metric"]

_BARE = Interface(style="constants", channel="assignments", settings=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asks of `research`; None and () where it is to be read or guessed."""

    folder: Path = Path()
    editable: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    command: str | None = None
    goal: str | None = None
    regex: str | None = None
    time_budget: str | None = None
    budget_from: From | None = None
    memory: str | None = None
    program: str | None = None
    trials: int | None = None
    time: str | None = None
    runs: int | None = None
    team: tuple[str, ...] = ()
    """Names of members, models as provider:name, and command lines of coding agents."""
    sandbox: Confinement | None = None
    name: str | None = None
    workers: int | None = None
    output: Path | None = None
    limit: str = "10m"
    dry_run: bool = True

    @property
    def file(self) -> Path:
        """The study file to write."""
        return self.output or self.folder / FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a study file says beside a draft."""

    wishes: Wishes
    name: str
    command: tuple[str, ...]
    editable: tuple[str, ...]
    readable: tuple[str, ...] = ()
    program: str | None = None
    links: tuple[str, ...] = ()
    results: str | None = None
    guesses: tuple[str, ...] = ()
    """Keys that are guessed: editable, command, program."""
    others: int = 0
    """Files that git tracks and that may not be edited."""


def init_repository(wishes: Wishes, say: Say) -> Path:
    """Write a study file for a repository, and tell what was guessed; return the file.

    Raises:
        StudyError: the repository can't be used, or the dry run proves that it would not work.
    """
    limit_s = limit_of(wishes.limit)
    _check(wishes)
    if wishes.time_budget:
        limit_s = max(limit_s, 2 * span_of(wishes.time_budget, option="--time-budget"))
    tracked = _tracked(wishes)
    said = _said(wishes, tracked)
    draft, plan, candidates = _draft(wishes, tracked, said)
    text = partial(composed, plan)
    _fit(text(draft), wishes.file)
    proof = None
    if wishes.dry_run:
        asked = Asked(script=draft.script.path, output=wishes.file, goal=wishes.goal)
        draft, proof = proved(draft, candidates, asked, limit_s=limit_s, text=text)
    elif draft.goal is UNNAMED:
        raise StudyError("no metric was found: name it with --goal, such as 'minimize val_loss'")
    written = text(draft)
    parse(written, path=wishes.file)
    put(wishes.file, written)
    for line in _told(draft, plan, proof):
        say(line)
    return wishes.file


def _check(wishes: Wishes) -> None:
    """Hold each wish to its form before anything is read.

    Raises:
        StudyError: one can't be understood.
    """
    for name, value in (("--time-budget", wishes.time_budget), ("--time", wishes.time)):
        if value is not None:
            span_of(value, option=name)
    if wishes.memory is not None:
        octets_of(wishes.memory)
    if wishes.budget_from and not wishes.time_budget:
        raise StudyError("--from says from when the time budget counts: give --time-budget, too")
    if not wishes.file.absolute().parent.is_dir():
        raise StudyError(f"there is no folder {wishes.file.absolute().parent}: make it first")
    if wishes.file.suffix not in (".yaml", ".yml"):
        raise StudyError(f"{wishes.file} must end in .yaml")
    if wishes.sandbox != "none" and (missing := available()):
        raise StudyError(
            f"edited code is to run in a sandbox: {missing}. Or consent to running it with your own"
            " rights, on your own files: --sandbox none"
        )


def octets_of(text: str) -> int:
    """Return a size in bytes.

    Raises:
        StudyError: it is none.
    """
    found = octets(Tree(text, Place(1, 1)))
    if found is None:
        raise StudyError(f"--memory {text!r} is no size: write, e.g., 8GB or 500MiB")
    return round(found)


def span_of(text: str, *, option: str) -> float:
    """Return a duration in seconds.

    Raises:
        StudyError: it is none.
    """
    try:
        return limit_of(text)
    except StudyError:
        raise StudyError(f"{option} {text!r} is no duration: write, e.g., 90s, 10m or 1h") from None


def _tracked(wishes: Wishes) -> tuple[str, ...]:
    """The files that are committed in the folder, relative to it.

    Raises:
        StudyError: it is no folder, in no repository, or nothing is committed there.
    """
    if not wishes.folder.is_dir():
        raise StudyError(f"{wishes.folder} is no folder: name a git repository, or a study file")
    try:
        git = Repository(wishes.folder)
        files = git.files(git.tree_of(git.commit_of("HEAD")))
    except RepositoryError as error:
        raise StudyError(f"research needs a git repository: {error}") from None
    inside = (path.removeprefix(git.prefix) for path in files if path.startswith(git.prefix))
    tracked = tuple(inside)
    file = wishes.file.absolute()
    if file.is_relative_to(wishes.folder.absolute()):
        name = file.relative_to(wishes.folder.absolute()).as_posix()
        if name in tracked:
            raise StudyError(f"git tracks {name}, which is left alone: name another --output")
    return tracked


def _said(wishes: Wishes, tracked: Sequence[str]) -> Said | None:
    """What program.md says, where the repository has the layout of autoresearch."""
    if not {"train.py", "prepare.py", PROGRAM} <= set(tracked) or wishes.command:
        return None
    try:
        return said_of(recognised(wishes.folder), wishes.goal)
    except StudyError:
        return None  # another project with files of these names


def _draft(
    wishes: Wishes, tracked: Sequence[str], said: Said | None
) -> tuple[Draft, Plan, list[Reported]]:
    given = words_of(wishes.command) if wishes.command else said.command if said else ()
    named = next((word for word in given if word in tracked and word.endswith(".py")), None)
    path = named or (None if given else _script(wishes.folder, tracked))
    if path is None and not wishes.editable:
        raise StudyError(
            f"{shlex.join(given)} names no script that git tracks: name what may be edited with"
            " --editable"
        )
    script = read_script(wishes.folder / path) if path else _unread(wishes.folder)
    interface = script.interfaces[0] if script.interfaces else _BARE
    python, told = python_for(script.modules, constants=False) if not given else ("", "")
    command = given or (python, str(path), *_seed(script))
    candidates = ranked(script.reported)
    draft = Draft(
        script=script,
        interface=interface,
        guesses=(),
        goal=UNNAMED,
        route=MetricRoute(),
        python=python,
        path=wishes.file,
        run_limit_s=round(limit_of(said.limit)) if said else None,
        notes=tuple(note for note in (told, *script.notes) if note),
    )
    draft = _aimed(draft, wishes, said, candidates)
    editable = wishes.editable or (said.editable if said else (str(path),))
    program = wishes.program or (PROGRAM if PROGRAM in tracked else None)
    guessed = {
        "editable": not wishes.editable, "command": not wishes.command,
        "program": not wishes.program and program is not None,
    }  # fmt: skip
    plan = Plan(
        wishes=wishes,
        name=wishes.name or study_name(wishes.folder.resolve().name),
        command=command,
        editable=editable,
        readable=said.readable if said else (),
        program=program,
        links=(".venv",) if said and (wishes.folder / ".venv").is_dir() else (),
        results="results.tsv" if said else None,
        guesses=tuple(key for key, is_guess in guessed.items() if is_guess),
        others=len(tracked) - len([one for one in tracked if one in editable]),
    )
    return draft, plan, candidates


def words_of(command: str) -> tuple[str, ...]:
    """Return the words of a command line.

    Raises:
        StudyError: it has none, or a quotation mark without its other one.
    """
    try:
        found = tuple(shlex.split(command))
    except ValueError as error:
        raise StudyError(f"--command {command!r} can't be read: {error}") from None
    if not found:
        raise StudyError("--command is empty: name what a run is, such as 'python train.py'")
    return found


def _script(folder: Path, tracked: Sequence[str]) -> str:
    """The script that trains, as far as its name tells.

    Raises:
        StudyError: several could be it, or none.
    """
    top = [path for path in tracked if path.endswith(".py") and "/" not in path]
    for name in USUAL:
        if name in top:
            return name
    started = [p for p in top if "__main__" in (folder / p).read_text(errors="replace")]
    if len(only := started or top) == 1:
        return only[0]
    there = f"there are {words.listed(only)}" if only else "git tracks no script at its top"
    raise StudyError(
        f"{folder}: which script trains? Name it with --command 'python NAME.py': {there}"
    )


def _unread(folder: Path) -> Script:
    """Where the command is no Python script: nothing is known but what it prints."""
    return Script(path=folder / "command", text="", interfaces=())


def _seed(script: Script) -> Iterator[str]:
    """How the script is handed its seed, where it takes one."""
    for interface in script.interfaces:
        if interface.channel not in ("options", "words"):
            continue
        for guess in guess_all(interface.settings, script, family=None, metric=""):
            if isinstance(guess, Passed) and guess.value == "{seed}":
                yield spelled(guess.setting, interface).replace("{}", guess.value)
                return


def _aimed(
    draft: Draft, wishes: Wishes, said: Said | None, candidates: Sequence[Reported]
) -> Draft:
    """The draft with its goal, and how the metric is read."""
    if wishes.regex is not None:
        goal, pattern = patterned(wishes.regex, wishes.goal)
        return replace(draft, goal=goal, route=MetricRoute(patterns=(pattern,)))
    if said is not None:
        aim = Goal(metric=said.metric, direction=said.direction, guessed=said.source)
        return replace(draft, goal=aim, route=MetricRoute(patterns=said.patterns))
    found = goal_of(candidates, metric=None, goal=wishes.goal)
    if found is None:
        return draft
    route, _ = route_of(candidates, found.metric, interface=draft.interface, guesses=[])
    return replace(draft, goal=found, route=route)


def patterned(regex: str, wished: str | None) -> tuple[Goal, str]:
    """Return the goal, and the expression whose named group is its metric.

    Raises:
        StudyError: it is none, or nothing says what it finds.
    """
    try:
        compiled = re.compile(regex)
    except re.error as error:
        raise StudyError(f"--metric-regex {regex!r} is no regular expression: {error}") from None
    goal = goal_of([], metric=None, goal=wished)
    names = list(compiled.groupindex)
    if goal is None:
        way = direction_of(names[0]) if names else None
        if way is None:
            raise StudyError("--metric-regex says where, not what: add --goal 'minimize METRIC'")
        goal = Goal(metric=names[0], direction=way, guessed="the name says which way is better")
    if goal.metric in names:
        return goal, regex
    if compiled.groups == 1 and not names and goal.metric.isidentifier():
        at = next(m.start() for m in re.finditer(r"(?<!\\)\((?!\?)", regex))
        return goal, f"{regex[:at]}(?P<{goal.metric}>{regex[at + 1 :]}"
    raise StudyError(
        f"--metric-regex {regex!r} has no group for {goal.metric}: write"
        f" '(?P<{goal.metric}>\\S+)' where the number stands"
    )


def _fit(text: str, file: Path) -> None:
    """Hold the study to what holds every study before it starts, the checkout being clean too."""
    task = parse(text, path=file)
    Study(task, file.absolute().parent / RUNS / task.name)


def composed(plan: Plan, draft: Draft) -> str:
    """Return the text of the study file."""
    return "\n".join(_lines(plan, draft)) + "\n"


def _lines(plan: Plan, draft: Draft) -> Iterator[str]:
    wishes = plan.wishes
    folder = wishes.folder.resolve()
    yield "# A study of a repository's code, by `trialwright research`: check what it guessed."
    yield ""
    yield f"name: {quoted(plan.name)}"
    yield from goal_lines(draft.goal)
    if draft.path.absolute().parent.resolve() != folder:
        yield f"folder: {quoted(str(folder))}"
    yield f"command: {_listed(plan.command)}{_guess('command', plan)}"
    yield from metric_lines(draft.route)
    yield "research:"
    yield f"  editable: {_listed(plan.editable)}{_guess('editable', plan)}"
    if wishes.frozen:
        yield f"  frozen: {_listed(wishes.frozen)}"
    if plan.program:
        yield f"  program: {quoted(plan.program)}{_guess('program', plan)}"
    for key, values in (("readable", plan.readable), ("links", plan.links)):
        if values:
            yield f"  {key}: {_listed(values)}"
    if wishes.sandbox:
        yield f"  sandbox: {wishes.sandbox}"
    if plan.results:
        yield f"  results: {plan.results}"
    yield from _limits(wishes, draft)
    yield f"budget: {{{', '.join(_budget(wishes))}}}"
    if _handed(plan, draft):
        yield "seeds: {confirm: 3}  # of what may be better, so that it is told from noise"
    if wishes.team:
        yield f"team: [{', '.join(map(_member, wishes.team))}]"
    yield f"runner: {{workers: {wishes.workers or 1}}}"


def _handed(plan: Plan, draft: Draft) -> bool:
    """Whether the script is known to take its seed."""
    return "{seed}" in " ".join(plan.command) or "TRIALWRIGHT_SEED" in draft.script.text


def _guess(key: str, plan: Plan) -> str:
    return "  # guessed" if key in plan.guesses else ""


def _limits(wishes: Wishes, draft: Draft) -> Iterator[str]:
    parts = []
    run_s = draft.run_limit_s
    if wishes.time_budget:
        budget_s = span_of(wishes.time_budget, option="--time-budget")
        run_s = max(run_s or 0, LEAST_LIMIT_S, round(2 * budget_s))
        parts.append(f"budget: {quoted(wishes.time_budget)}")
        parts += [f"budget_from: {wishes.budget_from}"] if wishes.budget_from else []
    parts += [f"run: {duration(run_s)}"] if run_s else []
    parts += [f"memory: {quoted(wishes.memory)}"] if wishes.memory else []
    if parts:
        yield f"limits: {{{', '.join(parts)}}}"


def _budget(wishes: Wishes) -> Iterator[str]:
    if wishes.trials or not (wishes.time or wishes.runs):
        yield f"trials: {wishes.trials or TRIALS}"
    if wishes.runs:
        yield f"runs: {wishes.runs}"
    if wishes.time:
        yield f"time: {quoted(wishes.time)}"


def _member(word: str) -> str:
    """A member as a study file has it; a command line of several words is a coding agent."""
    parts = shlex.split(word)
    return f"{{coder: {_listed(parts)}}}" if len(parts) > 1 else quoted(word)


def member_name(word: str) -> str:
    """Return how a member of the team is called.

    >>> member_name("editor"), member_name("bin/claude -p")
    ('editor', 'claude')
    """
    parts = shlex.split(word)
    return PurePosixPath(parts[0]).name if len(parts) > 1 else word


def _listed(items: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, items))}]"


def _told(draft: Draft, plan: Plan, proof: Proof | None) -> Iterator[str]:
    def marked(key: str) -> str:
        return " (guessed)" if key in plan.guesses else ""

    wishes = plan.wishes
    yield f"editable: {', '.join(plan.editable)}{marked('editable')}"
    others = words.count(plan.others, "other file")
    yield f"frozen: {', '.join(wishes.frozen) or f'{others} that git tracks'}"
    yield f"command: {shlex.join(plan.command)}{marked('command')}"
    yield f"goal: {draft.goal.direction} {draft.goal.metric}"
    if draft.goal.guessed:
        yield f"  guessed: {draft.goal.guessed}"
    if plan.program:
        yield f"notes for agents: {plan.program}{marked('program')}"
    if proof is not None:
        yield proof_line(draft, proof)
    for note in draft.notes:
        yield f"note: {note}"
    if not (plan.others or wishes.frozen):
        yield (
            "note: nothing is frozen, so edits may touch the evaluation, too: move it into a file"
            " of its own, and commit that"
        )
    if not _handed(plan, draft):
        yield (
            "note: nothing hands the script a seed, so how much of a gain is noise can't be told:"
            " let it take one, and write {seed} into the command"
        )
    yield f"wrote {wishes.file}, which git does not track"
