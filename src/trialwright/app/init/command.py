"""`trialwright init`: read, guess, prove, write, tell. Nothing is written before all is well."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import typer

from trialwright.app.init.compose import Draft, compose
from trialwright.app.init.describe import agent_of, described
from trialwright.app.init.domains import Guess, Left, Passed, Tuned, guess_all
from trialwright.app.init.dry_run import Proof, dry_run
from trialwright.app.init.interpreter import python_for
from trialwright.app.init.routes import Goal, goal_of, key_of, named, ranked, route_of
from trialwright.app.init.telling import tell
from trialwright.app.script.reading import read_script
from trialwright.app.script.setting import Interface, Reported, Script, Setting
from trialwright.errors import StudyError
from trialwright.knowledge import family_of
from trialwright.studyfile import parse
from trialwright.studyfile.fields import seconds
from trialwright.studyfile.tree import Place, Tree
from trialwright.task import MetricRoute, Task

UNNAMED = Goal(metric="metric", direction="maximize")
"""Stands in while only the dry run can tell what there is to tune for."""

ROOM = 20
"""A run may take so many times what the dry run took: more epochs, larger models."""

LEAST_LIMIT_S = 300
DONE, REFUSED, INTERRUPTED = 0, 1, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asks of `init`."""

    script: Path
    arguments: tuple[str, ...] = ()
    metric: str | None = None
    goal: str | None = None
    output: Path = Path("study.yaml")
    trials: int = 10
    limit: str = "10m"
    dry_run: bool = True
    force: bool = False
    describe: str | None = None
    """The task in the user's words."""
    model: str | None = None
    base_url: str | None = None
    yes: bool = False
    """Whether what a model writes is accepted unseen."""


def init_study(wishes: Wishes) -> int:
    """Write a study file for a script, and tell what was guessed; return the exit status.

    Raises:
        StudyError: the script can't be used, or the dry run proves that the file would not work.
    """
    limit_s = limit_of(wishes.limit)
    _check_output(wishes)
    script = read_script(wishes.script)
    draft, candidates = _draft(script, wishes)
    if wishes.describe is not None:
        agent = agent_of(wishes.model, wishes.base_url) if wishes.model else None
        draft = described(draft, wishes.describe, agent)
    proof = None
    if wishes.dry_run:
        try:
            draft, proof = proved(draft, candidates, wishes, limit_s=limit_s)
        except KeyboardInterrupt:
            typer.echo("interrupted: nothing was written", err=True)
            return INTERRUPTED
    elif draft.goal is UNNAMED:
        raise StudyError(_no_metric(script, wishes) + "; the dry run may find it in the output")
    text = compose(draft)
    parse(text, path=wishes.output)
    if draft.written_by and not _agreed(text, wishes):
        typer.echo("nothing was written", err=True)
        return REFUSED
    put(wishes.output, text)
    tell(draft, proof, output=wishes.output)
    return DONE


def _agreed(text: str, wishes: Wishes) -> bool:
    """Show what a model wrote, and ask.

    Raises:
        StudyError: there is nobody to ask.
    """
    typer.echo(text)
    if wishes.yes:
        return True
    if not sys.stdin.isatty():
        raise StudyError(
            "a model wrote this, and nobody is there to agree: read it, and call again with --yes"
        )
    return typer.confirm(f"Write this to {wishes.output}?", default=True)


def limit_of(text: str) -> float:
    """Return the time limit of the dry run in seconds.

    Raises:
        StudyError: the text says none.
    """
    limit_s = seconds(Tree(text, Place(1, 1), text=text))
    if limit_s is None or limit_s <= 0:
        raise StudyError(f"--limit {text!r} is no duration: write, e.g., 90s, 10m or 1h")
    return limit_s


def _check_output(wishes: Wishes) -> None:
    output = wishes.output
    if output.is_dir():
        raise StudyError(f"{output} is a folder: name the study file to write with --output")
    if output.exists() and not wishes.force:
        raise StudyError(f"{output} exists: overwrite it with --force, or name another --output")
    if not output.absolute().parent.is_dir():
        raise StudyError(f"there is no folder {output.absolute().parent}: make it first")
    if output.suffix not in (".yaml", ".yml"):
        raise StudyError(f"{output} must end in .yaml")


def _draft(script: Script, wishes: Wishes) -> tuple[Draft, list[Reported]]:
    candidates = ranked(script.reported)
    if wishes.metric:
        candidates = [*named(wishes.metric, candidates), *candidates]
    goal = goal_of(candidates, metric=wishes.metric, goal=wishes.goal) or UNNAMED
    family = family_of(f"{script.description}\n{script.text}")
    interface, guesses = _interface(script, wishes, family=family, metric=goal.metric)
    _check_required(interface, wishes)
    python, told = python_for(script.modules, constants=interface.channel == "assignments")
    draft = Draft(
        script=script,
        interface=interface,
        guesses=guesses,
        goal=goal,
        route=MetricRoute(),
        python=python,
        path=wishes.output,
        arguments=wishes.arguments,
        trials=wishes.trials,
        family=family,
        notes=tuple(note for note in (told, *interface.notes, *script.notes) if note),
    )
    return _routed(draft, candidates, goal), candidates


def _routed(draft: Draft, candidates: Sequence[Reported], goal: Goal) -> Draft:
    """The draft for a goal, with the route that finds it."""
    route, guesses = route_of(
        candidates, goal.metric, interface=draft.interface, guesses=list(draft.guesses)
    )
    return replace(draft, goal=goal, route=route, guesses=guesses)


def _interface(
    script: Script, wishes: Wishes, *, family: str | None, metric: str
) -> tuple[Interface, list[Guess]]:
    """The first way into the script that has anything to tune."""
    given = _given(wishes.arguments)
    for interface in script.interfaces:
        guesses = [
            _allowed(guess, interface, given)
            for guess in guess_all(interface.settings, script, family=family, metric=metric)
        ]
        if any(isinstance(guess, Tuned) for guess in guesses):
            return interface, guesses
    seen = [s.name for interface in script.interfaces for s in interface.settings]
    notes = [note for i in script.interfaces for note in i.notes]
    found = (
        f"found {', '.join(dict.fromkeys(seen))}, none of which" if seen else "found nothing that"
    )
    raise StudyError(
        f"{script.path}: {found} can be tuned by what is known of it"
        f"{': ' + '; '.join(notes) if notes else ''}. Let the script take its hyperparameters as"
        " arguments (argparse, click, typer, ...), as capital constants, or from a YAML file; or"
        " write study.yaml by hand"
    )


def _allowed(guess: Guess, interface: Interface, given: frozenset[str]) -> Guess:
    """The guess, unless the user's own arguments or the way into the script rule it out."""
    if _is_given(guess.setting, given):
        return Left(guess.setting, "given to init")
    if isinstance(guess, Passed) and interface.channel == "file":
        return Left(guess.setting, "stands in the file: the same for every run")
    return guess


def _given(arguments: Sequence[str]) -> frozenset[str]:
    """The names that the user's own arguments set."""
    heads = (argument.split("=")[0] for argument in arguments)
    return frozenset(head.lstrip("-").replace("-", "_") for head in heads)


def _is_given(setting: Setting, given: frozenset[str]) -> bool:
    spelt = setting.spelling.split("=")[0].lstrip("-").replace("-", "_").replace("{}", "")
    return setting.name in given or (bool(spelt) and spelt in given)


def _check_required(interface: Interface, wishes: Wishes) -> None:
    given = _given(wishes.arguments)
    free = sum(not argument.startswith("-") for argument in wishes.arguments)
    missing = []
    for setting in interface.settings:
        if not setting.required or setting.choices or _is_given(setting, given):
            continue
        if setting.spelling == "{}" and free > 0:
            free -= 1
            continue
        if setting is not interface.file_setting:
            missing.append(setting)
    if missing:
        example = " ".join(
            s.spelling.replace("{}", s.name.upper()) or f"{s.name}=..." for s in missing
        )
        raise StudyError(
            f"{wishes.script} requires {', '.join(s.name for s in missing)}: give what every run"
            f" is to get behind --, such as: trialwright init {wishes.script} -- {example}"
        )


def proved(
    draft: Draft,
    candidates: Sequence[Reported],
    wishes: Wishes,
    *,
    limit_s: float,
    text: Callable[[Draft], str] = compose,
) -> tuple[Draft, Proof]:
    """Run the draft once; take another route where its own found nothing.

    `text` makes the study file of a draft.

    Raises:
        StudyError: the run failed, or no route finds a metric.
    """
    task = parse(text(draft), path=wishes.output)
    with dry_run(task, limit_s=limit_s, say=partial(typer.echo, err=True)) as shown:
        proof = shown
        if not _finite(proof.series):
            found = [*candidates, *ranked(proof.found)]
            better = _improved(draft, found, proof, wishes)
            if better is None:
                raise StudyError(_failed(draft, proof, task, wishes))
            draft, series = better
            proof = replace(proof, series=series)
        elif not _ended(proof):
            raise StudyError(_failed(draft, proof, task, wishes))
    room = max(LEAST_LIMIT_S, math.ceil(proof.observation.seconds * ROOM / 60) * 60)
    return replace(draft, run_limit_s=room), proof


def _improved(
    draft: Draft, candidates: Sequence[Reported], proof: Proof, wishes: Wishes
) -> tuple[Draft, list[float]] | None:
    """Another metric, or another route to the one that is wished, that the dry run proves."""
    if not _ended(proof):
        return None
    wished = None if draft.goal is UNNAMED or not (wishes.goal or wishes.metric) else draft.goal
    for one in candidates:
        if wished is not None and wished.metric not in (key_of(one), one.metric):
            continue
        goal = wished or goal_of([one, *candidates], metric=None, goal=None)
        assert goal is not None
        if wished is None:
            goal = replace(goal, guessed=f"seen in the dry run's output; {goal.guessed}")
        routed = _routed(draft, [one], replace(goal, metric=key_of(one)))
        series = proof.values(routed.route).get(key_of(one), [])
        if _finite(series):
            return routed, series
    return None


def _ended(proof: Proof) -> bool:
    """Whether the script came to its end, or at least ran until its time was up."""
    observation = proof.observation
    return observation.outcome == "done" or observation.cause in ("no_metric", "timed_out")


def _finite(series: Sequence[float]) -> bool:
    return any(math.isfinite(value) for value in series)


def _failed(draft: Draft, proof: Proof, task: Task, wishes: Wishes) -> str:
    observation = proof.observation
    tail = observation.log_tail or _tail(proof.log)
    shown = f"\nits last lines:\n{tail}" if tail else ""
    if _ended(proof):
        return _no_metric(draft.script, wishes) + shown
    cause = (observation.cause or observation.outcome).replace("_", " ")
    return (
        f"the dry run failed ({cause}): {observation.detail}\ncommand:"
        f" {shlex.join(task.command)}{shown}\nnothing was written; --no-dry-run writes the file"
        " all the same"
    )


def _no_metric(script: Script, wishes: Wishes) -> str:
    wished = wishes.metric or (wishes.goal or "").partition(" ")[2]
    seen = ", ".join(dict.fromkeys(one.metric for one in script.reported if one.pattern)) or "none"
    what = f"the metric {wished} was not found (seen: {seen})" if wished else "no metric was found"
    services = {one.source for one in script.reported if one.where == "unreachable"}
    gone = (
        f" What it sends to {', '.join(sorted(services))} can't be read here." if services else ""
    )
    return (
        f"{script.path}: {what}.{gone} Let the script print one line per epoch, such as"
        ' `print(f"epoch {epoch} val_acc={acc}")`, or call'
        " `trialwright.emit(step=epoch, val_acc=acc)`; nothing was written"
    )


def _tail(log: bytes, lines: int = 15) -> str:
    return "\n".join(log.decode("utf-8", "replace").splitlines()[-lines:])


def put(path: Path, text: str) -> None:
    """Write a study file, whole or not at all.

    Raises:
        StudyError: it can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StudyError(f"{path} can't be written: {error.strerror}") from None
