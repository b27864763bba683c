"""`init --from-autoresearch`: a study file for a checkout in which an agent edits train.py.

What can be tuned, how it is started and what counts stands in the checkout's own program.md.
Nothing is run: the study's first trial is the code as it is.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import typer

from trialwright.app.campaigns_command import summary
from trialwright.app.init.command import Wishes
from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.read import read
from trialwright.campaigns.vocabulary import MEMORY, direction_of, words
from trialwright.errors import CampaignError, StudyError, StudyFileError
from trialwright.studyfile import parse
from trialwright.task import Direction

SCRIPT, EVALUATOR, PROGRAM, RESULTS = "train.py", "prepare.py", "program.md", "results.tsv"
LISTED = 40
"""Frozen files that are named; where there are more, all that git tracks is frozen anyway."""
DONE = 0

_BLOCK = re.compile(r"^```\w*\n-{3,}\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\w+):[ \t]+[-+]?\d", re.MULTILINE)
_GOAL = re.compile(r"\bget the (lowest|highest|smallest|largest|best) `?(\w+)`?", re.IGNORECASE)
_LAUNCH = re.compile(
    r"\b(?:launch|run) (?:it|the experiment)[^`\n]{0,60}`([^`\n]+)`", re.IGNORECASE
)
_EDITED = re.compile(r"^[-*]\s+Modify `([^`\n]+)`", re.MULTILINE)
_CANNOT = re.compile(r"\bcan(?:not|'t) do\b", re.IGNORECASE)
_LIMIT = re.compile(r"\bexceeds (\d+) (minute|second|hour)s?\b", re.IGNORECASE)
_BUDGET = re.compile(r"\bTIME_BUDGET\s*=\s*(\d+)")
_CACHE = re.compile(r"~/\.cache/[\w.-]+")
_PLAIN = re.compile(r"[A-Za-z_./][\w./-]*", re.ASCII)
_WORDS = words("true false null yes no on off y n .inf .nan")
_WAYS: dict[str, Direction] = {
    "lowest": "minimize",
    "smallest": "minimize",
    "highest": "maximize",
    "largest": "maximize",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What a checkout says of itself."""

    folder: Path
    tracked: tuple[str, ...]
    program: str
    """The text of program.md."""
    evaluator: str
    """The text of prepare.py."""
    has_project: bool
    """Whether a pyproject.toml says what to install, so that `uv run` knows it."""
    past: Campaign | None
    """What its results.tsv holds."""
    trouble: str = ""
    """Why its results.tsv can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a checkout's program.md says of a study of it."""

    metric: str
    direction: Direction
    source: str
    """Where the goal comes from."""
    command: tuple[str, ...]
    patterns: tuple[str, ...]
    editable: tuple[str, ...]
    readable: tuple[str, ...]
    limit: str


def said_of(checkout: Checkout, goal: str | None = None) -> Said:
    """Return what a study of a checkout is to be like.

    Raises:
        StudyError: nothing says what it is about; the message says what to name.
    """
    metric, direction, source = _goal(checkout, Wishes(script=checkout.folder, goal=goal))
    cache = _CACHE.search(checkout.program)
    return Said(
        metric=metric,
        direction=direction,
        source=source,
        command=tuple(_command(checkout)),
        patterns=tuple(_pattern(key) for key in _read_off(checkout, metric)),
        editable=tuple(_editable(checkout)),
        readable=(str(Path(cache[0]).expanduser()),) if cache else (),
        limit=_limit(checkout),
    )


def _pattern(key: str) -> str:
    return f"^{key}:\\s+(?P<{key}>\\S+)"


def init_autoresearch(wishes: Wishes, output: Path | None = None) -> int:
    """Write a study file for the checkout in `wishes.script`, and tell what was found.

    `output` is the file, else `study.yaml` in the checkout. Returns the exit status.

    Raises:
        StudyError: it is none, or the study file can't be written.
    """
    checkout = recognised(wishes.script)
    output = output or checkout.folder / "study.yaml"
    if output.absolute().parent.resolve() != checkout.folder.resolve():
        raise StudyError(f"{output} must be in {checkout.folder}: what is beside it is edited")
    if output.exists() and not wishes.force:
        raise StudyError(f"{output} exists: overwrite it with --force")
    text = composed(checkout, wishes)
    missing = _unfit(text, output)
    temporary = output.with_name(f".{output.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(output)
    except OSError as error:
        raise StudyError(f"{output} can't be written: {error.strerror}") from None
    for line in (*_told(checkout, output), *missing):
        typer.echo(line)
    return DONE


def _unfit(text: str, output: Path) -> list[str]:
    """What is missing on this machine only, such as uv: the file may be meant for another.

    Raises:
        StudyFileError: the study file would be wrong on every machine.
    """
    try:
        parse(text, path=output)
    except StudyFileError as error:
        if any("is not found on PATH" not in problem for problem in error.problems):
            raise
        return [f"not yet: {problem}" for problem in error.problems]
    return []


def recognised(folder: Path) -> Checkout:
    """Return what a folder says of itself, if it is an autoresearch checkout.

    Raises:
        StudyError: it is none; the message says what it lacks.
    """
    if not folder.is_dir():
        raise StudyError(f"{folder} is no folder: name the checkout, such as autoresearch/")
    tracked = _tracked(folder)
    lacking = [name for name in (SCRIPT, EVALUATOR, PROGRAM) if name not in tracked]
    if lacking:
        raise StudyError(
            f"{folder} is no autoresearch checkout: git tracks no {', no '.join(lacking)} in it."
            " For another layout write study.yaml by hand, with research: {editable: [...]}"
        )
    past, trouble = None, ""
    if (folder / RESULTS).is_file():
        try:
            past = read(folder / RESULTS)
        except CampaignError as error:
            trouble = str(error)
    return Checkout(
        folder=folder,
        tracked=tracked,
        program=_text(folder / PROGRAM),
        evaluator=_text(folder / EVALUATOR),
        has_project=(folder / "pyproject.toml").is_file(),
        past=past,
        trouble=trouble,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise StudyError(f"{path} can't be read: {error.strerror}") from None


def _tracked(folder: Path) -> tuple[str, ...]:
    """The files that git tracks in a folder, relative to it."""
    command = ["git", "-C", str(folder), "ls-files", "-z"]
    try:
        answer = subprocess.run(command, capture_output=True, check=False, timeout=60)
    except FileNotFoundError:
        raise StudyError("git is not installed: a study of code needs it") from None
    except subprocess.TimeoutExpired:
        raise StudyError(f"git did not answer within a minute in {folder}") from None
    if answer.returncode:
        raise StudyError(
            f"{folder} is in no git repository: a study of code begins at a commit; `git init`,"
            " `git add` and `git commit` make one"
        )
    return tuple(name for name in answer.stdout.decode("utf-8", "replace").split("\0") if name)


def composed(checkout: Checkout, wishes: Wishes) -> str:
    """Return the text of the study file."""
    return "\n".join(_lines(checkout, wishes)) + "\n"


def _lines(checkout: Checkout, wishes: Wishes) -> Iterator[str]:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", checkout.folder.resolve().name).strip("-._")
    metric, direction, source = _goal(checkout, wishes)
    editable = _editable(checkout)
    yield "# A study of an autoresearch checkout: `trialwright init --from-autoresearch` wrote it."
    yield ""
    yield f"name: {_quoted(name or 'autoresearch')}"
    yield f"# {source}"
    yield f"goal: {direction} {metric}"
    yield f"command: [{_listed(_command(checkout))}]"
    yield "metrics:"
    yield "  regex:  # from the block that a run prints at its end"
    for key in _read_off(checkout, metric):
        yield f"    - '{_pattern(key)}'"
    yield "research:"
    yield f"  editable: [{_listed(editable)}]"
    yield from _frozen(checkout, editable)
    yield f"  program: {PROGRAM}"
    cache = _CACHE.search(checkout.program)
    if cache:
        place = _quoted(str(Path(cache[0]).expanduser()))
        yield f"  readable: [{place}]  # where {PROGRAM} says that the data is"
    if (checkout.folder / ".venv").is_dir():
        yield "  links: [.venv]  # what runs import"
    yield f"  results: {RESULTS}"
    budget = _BUDGET.search(checkout.evaluator)
    if budget:
        yield f"# {EVALUATOR} gives each run {budget[1]} seconds of training."
    yield f"limits: {{run: {_limit(checkout)}}}"
    yield f"budget: {{trials: {wishes.trials}}}"
    yield "runner: {workers: 1}  # runs beside each other would share the time that they are given"


def _goal(checkout: Checkout, wishes: Wishes) -> tuple[str, Direction, str]:
    """Metric, direction, and where they come from."""
    if wishes.goal:
        way, _, metric = wishes.goal.partition(" ")
        for direction in get_args(Direction):
            if way == direction and re.fullmatch(r"\w+", metric):
                return metric, direction, "given to init"
        raise StudyError(f"--goal {wishes.goal!r} must be 'minimize METRIC' or 'maximize METRIC'")
    said = _GOAL.search(checkout.program)
    past = checkout.past
    if wishes.metric:
        metric, source = wishes.metric, "given to init"
    elif said:
        metric, source = said[2], f"from {PROGRAM}: {said[0]}"
    elif past is not None:
        metric, source = past.metric, f"from {RESULTS}"
    elif entries := _entries(checkout):
        metric, source = entries[0], f"guessed: the first of what {PROGRAM} says that a run prints"
    else:
        raise StudyError(f"{checkout.folder / PROGRAM} names no metric: name it with --goal")
    way = said[1].casefold() if said and said[2] == metric else ""
    named = past.direction if past is not None and past.metric == metric else None
    found = _WAYS.get(way) or direction_of(metric) or named
    if found is None:
        raise StudyError(f"nothing says which way {metric} is better: --goal 'minimize {metric}'?")
    return metric, found, source


def _entries(checkout: Checkout) -> list[str]:
    """What a run prints at its end, by program.md."""
    block = _BLOCK.search(checkout.program)
    return _ENTRY.findall(block[1]) if block else []


def _read_off(checkout: Checkout, metric: str) -> list[str]:
    memory = [key for key in _entries(checkout) if MEMORY.fullmatch(key) and key != metric]
    return [metric, *memory]


def _editable(checkout: Checkout) -> list[str]:
    """The files that program.md allows to modify; else train.py."""
    allowed = _CANNOT.split(checkout.program, maxsplit=1)[0]
    named = [name for name in _EDITED.findall(allowed) if name in checkout.tracked]
    return list(dict.fromkeys(named)) or [SCRIPT]


def _frozen(checkout: Checkout, editable: Sequence[str]) -> Iterator[str]:
    kept = [name for name in checkout.tracked if name not in (*editable, RESULTS)]
    kept.sort(key=lambda name: name != EVALUATOR)
    if len(kept) > LISTED:
        yield f"  # Frozen: all {len(kept)} other files that git tracks."
    else:
        yield f"  frozen: [{_listed(kept)}]"


def _command(checkout: Checkout) -> list[str]:
    """How program.md says that a run is started, without where its output goes."""
    said = _LAUNCH.search(checkout.program)
    if said:
        try:
            started = shlex.split(re.split(r"\s\d?>", said[1])[0])
        except ValueError:
            started = []
        if SCRIPT in started:
            return started
    return ["uv", "run", SCRIPT] if checkout.has_project else ["python", SCRIPT]


def _limit(checkout: Checkout) -> str:
    said = _LIMIT.search(checkout.program)
    return f"{said[1]}{said[2][0].lower()}" if said else "10m"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_quoted, names))


def _quoted(text: str) -> str:
    """The text as YAML reads it back: plain where that is safe, else in single quotes."""
    plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS
    return text if plain else "'" + text.replace("'", "''") + "'"


def _told(checkout: Checkout, output: Path) -> Iterator[str]:
    if checkout.past is not None:
        yield from summary(checkout.past)
    elif checkout.trouble:
        yield f"its {RESULTS} was not read: {checkout.trouble}"
    else:
        yield f"it has no {RESULTS} yet"
    yield f"wrote {output}; check it, then: trialwright run {output}"
