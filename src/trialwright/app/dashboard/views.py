"""What the pages say, read off a history: strings and small records that templates only lay out.

Text from outside goes through `words`, which takes escape sequences and control characters out of
it; escaping it for HTML is the templates'.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from trialwright.analysis.compare import HypothesisStatus, hypothesis_status
from trialwright.app.dashboard import tails
from trialwright.app.dashboard.feed import Watched, under_way
from trialwright.app.service.told import service_lines
from trialwright.history import History, Run, Trial
from trialwright.report import counting, heldout, seeds, words
from trialwright.report.claimed import ClaimRow, claim_rows
from trialwright.report.notebook import write as notebook
from trialwright.report.notebook.inbox import came
from trialwright.report.rows import Row, row, standing
from trialwright.report.team import TeamSection, section

WARNINGS = 4
WISHES = 12
HYPOTHESES = 40
"""The latest that a page lists."""
NOTES = 100
DIFF_LINES = 3000
PAGE_BYTES = 400_000
"""Of a page of the notebook."""

Sort = Literal["file", "place", "more", "less", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a study stands, in a word and in a sentence."""

    word: Literal["running", "ended", "stopped", "failed", "waiting"]
    sentence: str
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A study in the list of studies."""

    key: str
    name: str
    folder: str
    state: State
    goal: str = ""
    trials: str = ""
    best: str = ""
    updated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """A run that goes on."""

    trial: int
    seed: int
    attempt: int
    since: str
    says: str
    """The last line of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A hypothesis, and what became of it."""

    trial: int
    by: str
    claim: str
    status: HypothesisStatus


def state(history: History, *, going: str) -> State:
    """Say where a study stands."""
    closed = history.closed
    if going:
        return State(word="running", sentence=f"{going} is running it", running=True)
    if closed is None:
        said = "Nothing is running it, and it has not ended in order: `trialwright run` resumes it."
        return State(word="waiting", sentence=said, running=False)
    said = words.sentence(closed.sentence, most=300)
    word: Literal["ended", "stopped", "failed"] = "ended"
    if closed.reason in ("stopped", "failed"):
        word = closed.reason
    return State(word=word, sentence=said, running=False)


def card(study: Watched) -> Card:
    """Return a study's line in the list.

    Raises:
        LedgerError: its ledger can't be read.
    """
    folder = study.place.folder
    with study.reading() as history:
        going = study.going()
        if not history.opened:
            begins = State(word="waiting", sentence="It is about to begin.", running=bool(going))
            return Card(key=study.key, name=folder.name, folder=str(folder), state=begins)
        best, budget = history.best(), history.task.budget.trials
        of = "" if budget is None else f" of {budget}"
        return Card(
            key=study.key,
            name=words.line(history.task.name, most=80),
            folder=words.line(str(folder)),
            state=state(history, going=going),
            goal=words.goals(history.task),
            trials=f"{len(history.trials)}{of}",
            best="" if best is None else f"{words.number(best.value)} (trial {best.number})",
            updated=at(history.updated_at),
        )


def at(seconds: float) -> str:
    """Write a time of day with its date.

    >>> at(0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The first page of a study."""

    state: State
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    best: Row | None
    measure: str
    going: tuple[Going, ...]
    wishes: tuple[tuple[str, str], ...]
    """What was wished, and what became of it."""
    service: tuple[str, ...]
    heldout: tuple[str, ...]


def overview(study: Watched, history: History) -> Overview:
    """Return what the first page of a study says."""
    going, best = study.going(), history.best()
    return Overview(
        state=state(history, going=going),
        facts=tuple(facts(history)),
        warnings=counting.warnings(history)[-WARNINGS:],
        best=row(best, history) if best else None,
        measure=words.line(seeds.measure(history.task)),
        going=tuple(_going(study, run, history) for run in under_way(history)) if going else (),
        wishes=tuple(
            (words.line(wish.text), words.line(came(wish, history)))
            for wish in history.wishes[: -WISHES - 1 : -1]
        ),
        service=tuple(words.line(said) for said in service_lines(study.place.folder, ())),
        heldout=tuple(heldout.sentences(history)) if heldout.is_told(history) else (),
    )


def facts(history: History) -> Iterator[tuple[str, str]]:
    """Yield what is asked for, and how far the study is."""
    task, budget = history.task, history.task.budget
    found = Counter[str](trial.state for trial in history.trials)
    counts = [
        f"{found[state]} {said}"
        for state, said in (
            ("done", "with a result"),
            ("failed", "failed"),
            ("pruned", "stopped early"),
            ("running", "under way" if history.closed is None else "begun"),
            ("queued", "waiting"),
            ("cancelled", "interrupted"),
        )
        if found[state]
    ]
    told = f": {', '.join(counts)}" if counts else ""
    yield "Goal", words.goals(task)
    if task.require:
        yield "Required", words.line("; ".join(task.require))
    yield "Trials", f"{len(history.trials)}{_of(budget.trials, str)}{told}"
    yield "Runs", f"{history.launches}{_of(budget.runs, str)}"
    yield "Time", f"{words.seconds(history.seconds)}{_of(budget.time_s, words.seconds)}"
    yield "Started", at(history.started_at)


def _going(study: Watched, run: Run, history: History) -> Going:
    says = tails.last_line(study.log(run), study.place.folder, tails.hidden_from(history))
    return Going(
        trial=run.key.trial,
        seed=run.key.seed,
        attempt=run.key.attempt,
        since=f"{datetime.fromtimestamp(run.launched_at, UTC):%H:%M:%S} UTC",
        says=says,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPage:
    """All about a trial."""

    row: Row
    state: str
    configuration: tuple[tuple[str, str, str, str], ...]
    """Name, value, the parent's value where it is another one, and why."""
    diff: tuple[tuple[Sort, str], ...]
    left: int
    """Lines of the diff that are not shown."""
    given: tuple[str, ...]
    """Why it got more seeds."""
    notes: tuple[tuple[str, str], ...]
    ends: Literal["no", "can", "asked"]
    """Whether a run of it goes on, which can be ended early, and is to be."""
    command: str
    """What its first run executed."""
    rerun: str
    heldout: str


def trial_page(study: Watched, trial: Trial, history: History) -> TrialPage:
    """Return what the page of a trial says."""
    shown = row(trial, history)
    before = {change.parameter: change for change in shown.changed} if trial.number else {}
    table = [
        (
            words.line(name),
            value,
            (before[name].before or "not set") if name in before else "",
            shown.reasons.get(name, ""),
        )
        for name, value in shown.configuration.items()
    ]
    table += [
        (words.line(change.parameter), "not set", change.before or "", "")
        for change in before.values()
        if change.after is None
    ]
    lines = diff_lines(trial.proposal.edit.patch) if trial.proposal.edit else ()
    command = trial.run.launch.command if trial.run else ()
    return TrialPage(
        row=shown,
        state=standing(trial, going=bool(study.going())),
        configuration=tuple(table),
        diff=lines[:DIFF_LINES],
        left=len(lines[DIFF_LINES:]),
        given=seeds.granted(history, trial.number),
        notes=tuple(
            (words.line(note.by, most=40), words.plain(note.text))
            for note in history.notes
            if note.trial == trial.number
        ),
        ends=_ends(trial) if study.going() else "no",
        command=words.line(shlex.join(command)),
        rerun=shlex.join(["trialwright", "rerun", str(trial.number), str(study.place.folder)]),
        heldout=_heldout(trial, history),
    )


def _ends(trial: Trial) -> Literal["no", "can", "asked"]:
    if not trial.going:
        return "no"
    return "asked" if all(run.unwanted_by for run in trial.going) else "can"


def _heldout(trial: Trial, history: History) -> str:
    found = history.heldout()
    values = [found[run.key] for run in trial.every.values() if run.key in found]
    if not values or history.task.heldout is None:
        return ""
    told = words.listed([words.number(value) for value in values])
    return f"{words.line(history.task.heldout)}, which was held out: {told}"


def diff_lines(patch: str) -> tuple[tuple[Sort, str], ...]:
    r"""Return the lines of a patch with what each is.

    >>> diff_lines("@@ -1 +1 @@\n-a\n+b\n")
    (('place', '@@ -1 +1 @@'), ('less', '-a'), ('more', '+b'))
    """
    return tuple(
        (_sort(line), words.plain(line.expandtabs(4), most=600)) for line in patch.splitlines()
    )


def _sort(line: str) -> Sort:
    if line.startswith(("--- ", "+++ ", "diff ", "index ", "new file", "deleted file")):
        return "file"
    if line.startswith("@@"):
        return "place"
    return "more" if line.startswith("+") else "less" if line.startswith("-") else "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """What was supposed, claimed, noted and written."""

    guesses: tuple[Guess, ...]
    counts: tuple[tuple[str, int], ...]
    claims: tuple[ClaimRow, ...]
    notes: tuple[tuple[str, str, int | None], ...]
    words: str
    """Of a model, over the whole study."""
    by: str


def notebook_page(history: History) -> Notebook:
    """Return what the page of the notebook says, its written pages aside."""
    guesses = [
        Guess(
            trial=trial.number,
            by=words.line(trial.proposal.by, most=40),
            claim=words.claimed(trial.proposal.hypothesis.claim),
            status=hypothesis_status(history, trial),
        )
        for trial in history.trials
        if trial.proposal.hypothesis is not None
    ]
    statuses = [guess.status for guess in guesses]
    return Notebook(
        guesses=tuple(guesses[: -HYPOTHESES - 1 : -1]),
        counts=tuple((status, statuses.count(status)) for status in dict.fromkeys(statuses)),
        claims=tuple(claim_rows(history)),
        notes=tuple(
            (words.line(note.by, most=40), words.plain(note.text), note.trial)
            for note in history.notes[: -NOTES - 1 : -1]
        ),
        words=words.plain(history.analysis.text) if history.analysis else "",
        by=words.line(history.analysis.by) if history.analysis else "",
    )


def written(folder: Path, name: Literal["analysis.md", "memory.md"]) -> str:
    """Return a page of the notebook as the study wrote it last; '' without one.

    Raises:
        StudyError: it is no file of the study.
    """
    return tails.text_of(folder / notebook.NOTEBOOK / name, folder, most=PAGE_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Who proposes, what came of it, and what it cost."""

    section: TeamSection | None
    alone: str
    """Who does it all, where there is no team to speak of."""
    spend: tuple[tuple[str, str], ...]
    calls: tuple[tuple[str, ...], ...]
    """The latest conversations with models."""


CALLS = 30


def team_page(history: History) -> Team:
    """Return what the page of the team says."""
    tokens, usd = history.spent
    budget = history.task.budget
    spend = [
        ("Time", f"{words.seconds(history.seconds)}{_of(budget.time_s, words.seconds)}"),
        ("Trials", f"{len(history.trials)}{_of(budget.trials, str)}"),
        ("Runs", f"{history.launches}{_of(budget.runs, str)}"),
        ("Conversations with models", str(len(history.exchanges))),
        ("Tokens", f"{tokens:,}"),
        ("Cost, as far as prices are known", f"${usd:.4f}" if usd else "$0"),
    ]
    return Team(
        section=section(history),
        alone=words.listed([words.line(name) for name in history.task.member_names]),
        spend=tuple(spend),
        calls=tuple(
            (
                words.line(call.by, most=40),
                call.purpose,
                words.line(call.model, most=60),
                f"{call.input_tokens + call.output_tokens:,}",
                "" if call.usd is None else f"${call.usd:.4f}",
                words.seconds(call.seconds),
                words.line(f"{call.outcome}{': ' if call.detail else ''}{call.detail}", most=160),
            )
            for call in history.exchanges[: -CALLS - 1 : -1]
        ),
    )


def _of(limit: float | None, said: Callable[[float], str]) -> str:
    return "" if limit is None else f" of {said(limit)}"


def chain(names: Sequence[str]) -> str:
    """Join the parts of a page's title."""
    return " – ".join([*map(words.line, names), "Trialwright"])
