"""What the shell's verbs for outside agents do: read their words, go to the desk, print."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

import typer

from trialwright.analysis.claiming import Draft, drafted
from trialwright.analysis.claims import contradicting, standings, statement
from trialwright.app.digest import (
    Filter,
    assignment_digest,
    history_digest,
    proposal_digest,
    standing_digest,
    trial_digest,
)
from trialwright.app.place import to_run
from trialwright.app.running import opened
from trialwright.desk import Desk, EditOffer, Offer, Told
from trialwright.errors import StudyError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import Admission, Cause, Refusal
from trialwright.research.naming import title
from trialwright.research.sketch import Sketch
from trialwright.research.workshop import LARGEST_PATCH
from trialwright.space import Space
from trialwright.studyfile.fields import scalar
from trialwright.studyfile.tree import Unreadable, read


@dataclass(frozen=True, slots=True)
class Visit:
    """Who comes to which study, and how to answer."""

    study: Path | None
    """Its file, its folder of results, or the folder of its file; None: the folder here."""
    by: str = "agent"
    json: bool = False

    def desk(self) -> Desk:
        """Open the study's desk.

        Raises:
            TrialwrightError: there is no such study, or it can't be run here.
        """
        return Desk(opened(to_run(self.study or Path(), None)), by=self.by)

    def say(self, document: object, *lines: str) -> None:
        """Print the document with `--json`, else the lines."""
        if self.json:
            text = json_text.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
            typer.echo(text)
        else:
            typer.echo("\n".join(lines))


def ask(visit: Visit) -> None:
    """Take the next run."""
    desk = visit.desk()
    assignment = desk.ask()
    metric = desk.study.task.objective.metric
    visit.say(
        assignment_digest(assignment, metric=metric),
        f"run {assignment.run}, seed {assignment.order.seed}",
        settings(assignment.trial.configuration),
        f"why: {assignment.trial.proposal.rationale or 'nothing was said'}",
        f"command: {' '.join(assignment.order.command)}",
        f"then: trialwright tell {assignment.run} --metric {metric}=VALUE",
    )


def tell(visit: Visit, run: str, told: Told) -> None:
    """Say how a run went."""
    desk = visit.desk()
    trial = desk.tell(run, told)
    verdict = trial.verdict
    visit.say(
        trial_digest(trial, desk.history()),
        f"trial {trial.number} {trial.state}",
        *([f"{verdict.status}: {verdict.sentence}"] if verdict else []),
    )


def propose(visit: Visit, values: Sequence[str], offer: Offer) -> None:
    """Offer a configuration: what `values` set, NAME=VALUE each."""
    desk = visit.desk()
    change = dict(value_of(text, desk.study.task.space) for text in values)
    _answer(visit, desk.propose(replace(offer, change=change)))


def propose_edit(visit: Visit, patch: Path, offer: EditOffer) -> None:
    """Offer a change of code: a patch in a file; `-` is standard input."""
    text = patch_of(patch)
    _answer(visit, visit.desk().propose_edit(replace(offer, sketch=Sketch(patch=text))))


def patch_of(path: Path) -> str:
    """Read a patch.

    Raises:
        StudyError: it can't be read, is empty, is too large, or is no text.
    """
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(LARGEST_PATCH + 1)
        else:
            with path.open("rb") as file:
                content = file.read(LARGEST_PATCH + 1)
        text = content.decode()
    except OSError as error:
        raise StudyError(f"the patch can't be read: {error}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"the patch in {path} is no UTF-8 text: {error}") from None
    if len(content) > LARGEST_PATCH:
        raise StudyError(f"the patch in {path} is longer than {LARGEST_PATCH} bytes")
    if not text.strip():
        raise StudyError(f"there is no patch in {path}: write one with `git diff`")
    return text


def _answer(visit: Visit, answer: Admission | Refusal | None) -> None:
    match answer:
        case Admission(number=number, proposal=proposal):
            said = title(proposal) or settings(proposal.configuration)
            document = {"trial": number, **proposal_digest(proposal)}
            visit.say(document, f"trial {number}: {said}")
        case Refusal(faults=faults):
            if visit.json:
                visit.say({"trial": None, "faults": list(faults)})
            raise StudyError("refused: " + "; ".join(faults))
        case None:
            raise StudyError("noted, but whoever runs the study has not answered: see `history`")


def suggest(visit: Visit, number: int) -> None:
    """Show what the team would propose."""
    proposals = visit.desk().suggest(number)
    visit.say(
        [proposal_digest(proposal) for proposal in proposals],
        *(f"{settings(p.configuration)}\n  {p.by}: {p.rationale}" for p in proposals),
    )


def history(visit: Visit, choice: Filter) -> None:
    """List trials and notes."""
    told = visit.desk().history()
    lines = []
    for trial in choice.chosen(told):
        value = f"{trial.value:g}" if trial.value is not None else "-"
        status = trial.verdict.status if trial.verdict else ""
        head = f"{trial.number:>4} {trial.state:<9} {value:>10} {status:<11}"
        lines.append(f"{head} {settings(trial.configuration)}")
    for note in told.notes:
        about = f" on trial {note.trial}" if note.trial is not None else ""
        lines.append(f"note by {note.by}{about}: {note.text}")
    lines += _claims(told)
    visit.say(history_digest(told, choice), *(lines or ["there are no trials yet"]))


def note(visit: Visit, text: str, trial: int | None) -> None:
    """Write a note."""
    visit.desk().note(text, trial)
    visit.say({"text": text, "by": visit.by, "trial": trial}, "noted")


def claim(visit: Visit, draft: Draft) -> None:
    """Write a claim down."""
    desk = visit.desk()
    number = desk.claim(drafted(draft, desk.study.task))
    standing = standings(desk.history())[number]
    tested = statement(standing.claim, desk.study.task.objective.metric)
    visit.say(
        standing_digest(standing, desk.history()),
        f"claim {number}: {tested}",
        f"could be contradicted by {contradicting(standing.claim)}",
    )


def claims(visit: Visit) -> None:
    """List claims."""
    told = visit.desk().history()
    found = standings(told)
    visit.say([standing_digest(one, told) for one in found], *(_claims(told) or [NO_CLAIMS]))


def _claims(told: History) -> list[str]:
    metric = told.task.objective.metric
    return [
        f"claim {one.number} by {one.claim.by} [{one.status}]: {statement(one.claim, metric)};"
        f" {one.sentence}"
        for one in standings(told)
    ]


NO_CLAIMS = "nobody has claimed anything yet"


def value_of(text: str, space: Space) -> tuple[str, Scalar]:
    """Read `NAME=VALUE`, the value as a study file would have it.

    Raises:
        StudyError: there is no `=` in it.
    """
    name, equals, given = text.partition("=")
    if not equals:
        raise StudyError(f"{text!r} is not NAME=VALUE: write --set lr=0.01")
    # An option may be a text that looks like a number.
    if name in space and space[name].admits(given):
        return name, given
    try:
        tree = read(given)
    except Unreadable:
        return name, given
    return name, given if isinstance(tree.value, tuple | Mapping) else scalar(tree)


def cause_of(word: str) -> Cause:
    """Return a cause of failure by its name.

    Raises:
        StudyError: there is none of this name; the message lists them.
    """
    if word not in get_args(Cause):
        raise StudyError(f"{word!r} is no cause: one of {', '.join(get_args(Cause))}")
    return cast("Cause", word)


def metric_of(text: str) -> tuple[str, float]:
    """Read `NAME=NUMBER`.

    Raises:
        StudyError: it is not that.
    """
    name, _, given = text.partition("=")
    try:
        return name, float(given)
    except ValueError:
        raise StudyError(f"{text!r} is not NAME=NUMBER: write --metric loss=0.25") from None


def settings(configuration: Mapping[str, Scalar]) -> str:
    """Return a configuration in a line."""
    return " ".join(f"{name}={value}" for name, value in configuration.items())
