"""`trialwright compare`: lay out the campaigns, run them, write and tell what came of them."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import typer
from rich.console import Console

from trialwright.app.compare.arena import Leg, base_of, entrants, lay_out, legs, name_of, terms
from trialwright.app.compare.record import FILE, Record, keep_rows, prompt_of
from trialwright.app.compare.tallies import compared, sums, tally
from trialwright.app.compare.telling import baselines, judged, sentences, tables
from trialwright.app.documents import dumps
from trialwright.app.interrupt import interrupts, tell
from trialwright.app.live import PlainWatcher
from trialwright.app.place import FILE as STUDY
from trialwright.app.place import RUNS, shown, to_run
from trialwright.app.running import reported
from trialwright.errors import StudyError, TrialwrightError
from trialwright.execute.runlog import write_atomically
from trialwright.history import History, read
from trialwright.store import begun
from trialwright.study import Study
from trialwright.studyfile import load
from trialwright.task import Task
from trialwright.webhook import without_addresses

DONE, FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    study: Path | None
    agents: tuple[str, ...]
    replicates: int = 3
    parallel: int = 1
    folder: Path | None = None
    json: bool = False


def wishes_of(words: Sequence[str], agents: Sequence[str], **more: object) -> Wishes:
    """Sort what stands behind the command: the study is the first word, the others are agents.

    Without a study before it, `./study.yaml` is meant. `agents` may hold names joined by commas.

    Raises:
        StudyError: no agent is named.
    """
    named, rest = [*agents], [*words]
    study: Path | None = None
    if rest and (Path(rest[0]).exists() or not Path(STUDY).exists()):
        study = Path(rest.pop(0))
    given = [name.strip() for text in [*named, *rest] for name in text.split(",") if name.strip()]
    return Wishes(study=study, agents=tuple(given), **more)  # type: ignore[arg-type]  # its fields


def compare(wishes: Wishes) -> int:
    """Run what is missing of a comparison, and tell what it came to; return the exit status.

    Raises:
        TrialwrightError: it can't be begun, or was begun on other terms.
    """
    place = to_run(wishes.study, None)
    task = load(place.file)
    members = entrants(task, wishes.agents)
    folder = wishes.folder or place.file.absolute().parent / RUNS / f"{task.name}-compare"
    base = _agreed(folder, task)
    every = legs(task, members, wishes.replicates, folder.absolute())
    prompts = _rehearsed([leg for leg in every if leg.replicate == 1], task, base)
    record = Record(
        folder=folder, task=task, terms=terms(task, base), base=base, members=members,
        prompts=prompts, legs=every,
    )  # fmt: skip
    contest = Contest(task, base, record, quiet=wishes.json)
    with interrupts(contest, tell):
        contest.run(every, parallel=wishes.parallel)
    document = record.write()
    if wishes.json:
        typer.echo(dumps(document))
    else:
        _conclude(record, contest)
    return FAILED if contest.troubles else DONE


def _agreed(folder: Path, task: Task) -> str:
    """The commit at which all campaigns begin: as it was, where some have begun."""
    try:
        before = json.loads((folder / FILE).read_text(encoding="utf-8"))
        base = str(before["base"] or "")
        same = terms(task, base) == before["terms"]
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        # It may lie in the checkout, whose status is to stay as it is.
        write_atomically(folder / ".gitignore", b"*\n")
        return base_of(task)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{folder / FILE} can't be read: {error}") from None
    if not same:
        raise StudyError(
            f"the study has changed since the comparison in {shown(folder)} began: its campaigns"
            " would not be alike. Undo the change, or name another folder with --folder"
        )
    return base


def _rehearsed(first: Sequence[Leg], task: Task, base: str) -> dict[str, str]:
    """Hold every agent to what keeps it from working, before anybody begins; return its prompt."""
    found, problems = {}, []
    for leg in first:
        try:
            ours = lay_out(leg, task, base)
            _study(leg, ours, task)
            found[leg.agent] = prompt_of(leg.member, ours)
        except TrialwrightError as error:
            problems.append(f"{leg.agent}: {error}")
    if problems:
        raise StudyError("\n".join(problems))
    return found


def _study(leg: Leg, ours: Task, told: Task) -> Study:
    """A campaign's study; addresses of `notify`, which it tells nothing, stay out of its runs."""
    environ = without_addresses(os.environ, told.notify, passed=told.environment.passed)
    return Study(ours, leg.study, environ=environ)


@dataclass(slots=True)
class Contest:
    """The campaigns of a comparison while they run, each in a thread; stopped by signals."""

    task: Task
    base: str
    record: Record
    quiet: bool
    troubles: list[str] = field(default_factory=list)
    over: bool = False
    _now: bool = False
    _going: list[Study] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def stop(self, *, now: bool = False) -> None:
        """Begin no further campaign, and stop those that go on: from a signal handler."""
        self.over, self._now = True, now
        for study in list(self._going):
            study.stop(now=now)

    def run(self, every: Sequence[Leg], *, parallel: int) -> None:
        """Run what has not come to its end."""
        for leg in every:
            self._look(leg)
        self.record.write()
        left = [leg for leg in every if self.record.states.get(leg.name) != "ended"]
        with ThreadPoolExecutor(max_workers=parallel) as pool:
            for ended in as_completed([pool.submit(self._leg, leg) for leg in left]):
                if ended.exception() is not None:
                    self.stop()
                ended.result()
                self.record.write()

    def _look(self, leg: Leg) -> None:
        """Take in what is there of a campaign."""
        if begun(leg.study):
            self._note(leg, read(leg.study))

    def _note(self, leg: Leg, history: History) -> None:
        closed = history.closed
        reason = closed.reason if closed else "stopped"
        ended = reason in ("budget", "exhausted")
        self.record.states[leg.name] = (
            "ended" if ended else "failed" if reason == "failed" else "open"
        )
        self.record.tallies[leg.name] = tally(history, leg.agent, leg.replicate)

    def _leg(self, leg: Leg) -> None:
        if self.over:
            return
        try:
            history = self._ran(leg)
        except (TrialwrightError, OSError) as error:
            self.record.states[leg.name] = "failed"
            self._trouble(leg, str(error))
            return
        self._note(leg, history)
        if history.closed is not None and history.closed.reason == "failed":
            self._trouble(leg, history.closed.sentence)

    def _ran(self, leg: Leg) -> History:
        task = lay_out(leg, self.task, self.base)
        study = _study(leg, task, self.task)
        self._going.append(study)
        if self.over:
            # The signal may have come before the study was among those that are told.
            study.stop(now=self._now)
        try:
            history = study.run(self._watcher(leg))
        finally:
            self._going.remove(study)
        keep_rows(leg, history, task)
        with self._lock:
            reported(history, leg.study, lambda said: self._say(f"{leg.name}: {said}"))
        best, ended = history.best(), history.closed
        value = "none" if best is None or best.value is None else f"{best.value:g}"
        self._say(f"{leg.name}: best {value}; {ended.sentence if ended else 'stopped'}")
        return history

    def _watcher(self, leg: Leg) -> PlainWatcher:
        out = _Nowhere() if self.quiet else _Labelled(f"{leg.name}: ")
        watcher = PlainWatcher(out)
        self._say(f"{leg.name}: begins, seed {leg.seed}")
        return watcher

    def _trouble(self, leg: Leg, said: str) -> None:
        self.troubles.append(f"{leg.name}: {said}")
        typer.echo(f"{leg.name}: {said}", err=True)

    def _say(self, text: str) -> None:
        if not self.quiet:
            typer.echo(text)


class _Nowhere(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


class _Labelled(io.StringIO):
    """Lines on standard output, each behind the name of its campaign."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label
        self._part = ""

    def write(self, text: str) -> int:
        *whole, self._part = (self._part + text).split("\n")
        for line in whole:
            typer.echo(f"{self._label}{line}")
        return len(text)


def _conclude(record: Record, contest: Contest) -> None:
    agents, goal = [name_of(one) for one in record.members], record.task.objective
    found = sums(record.ended(), agents)
    pairs = compared(record.ended(), agents, goal)
    console = Console(highlight=False)
    console.print()
    console.print(f"{goal.direction} {goal.metric}; {baselines(record.ended(), goal)}")
    console.print(judged(record.ended()), soft_wrap=True)
    for one in tables(found):
        console.print()
        console.print(one)
    console.print()
    for said in sentences(found, pairs, goal):
        console.print(said, markup=False, soft_wrap=True)
    if contest.over:
        console.print("stopped on request; the same command goes on", soft_wrap=True)
    for trouble in contest.troubles:
        console.print(trouble, style="red", markup=False, soft_wrap=True)
    where = shown(record.folder / FILE)
    console.print(f"record: {where}", markup=False, soft_wrap=True)
