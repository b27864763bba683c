"""What git shows of a study: a commit for each trial, and a branch that is at the best one.

All of it follows from the ledger, so making it again gives the same commits. Nothing else is
touched: no checkout, no index, and no branch that somebody else has moved or has checked out.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trialwright.campaigns.write import keep_up
from trialwright.editable import CodingAgent
from trialwright.errors import CampaignError, RepositoryError, TrialwrightError
from trialwright.execute.runner import code_folder, run_folder
from trialwright.history import History, Trial
from trialwright.process.checkout import clear
from trialwright.process.sandbox import available
from trialwright.records import CodeVersion, Notice, Verdict
from trialwright.research.naming import branch_of, ref_of, title
from trialwright.research.workshop import Workshop, workshop
from trialwright.task import Agent, Someone, Task

EDITORS = frozenset({"editor", "tree"})
"""Members of a team that edit code; so does every language model, and every coding agent."""

WIDE = 72
"""Characters of a line of a commit's message."""


def code_version(task: Task, history: History) -> CodeVersion | None:
    """Return what all trials of a study begin from, where they change code; else None."""
    if task.research is None:
        return None
    commit = workshop(task).root(history)
    described = json.dumps([commit, task.command])
    return CodeVersion(
        id=hashlib.sha256(described.encode()).hexdigest()[:12],
        commit=commit,
        files=task.research.editable,
    )


def edits(member: Someone) -> bool:
    """Say whether a member of a team edits code."""
    return isinstance(member, Agent | CodingAgent) or member in EDITORS


def problems(task: Task, history: History, *, own: bool = False) -> list[str]:
    """Return what keeps a study from changing code here, a sentence each; [] if nothing does.

    `own`: who proposes was passed in, and the task's team is not asked.
    """
    if task.research is None:
        return []
    if task.function is not None:
        return ["research changes files, and runs a command: a Python function has no files"]
    strangers = [one if isinstance(one, str) else one.name for one in task.team if not edits(one)]
    if strangers and not own:
        return [
            f"team: {', '.join(strangers)} can't edit code: name {', '.join(sorted(EDITORS))}, or a"
            " language model, or leave the team out; proposers of your own are passed in Python"
        ]
    try:
        shop = workshop(task)
        tree = shop.tree(history, None)
    except TrialwrightError as error:
        return [str(error)]
    found = []
    if not shop.editable(tree):
        globs = ", ".join(task.research.editable)
        found.append(
            f"research.editable: {globs} matches no file that is committed in"
            f" {shop.repository.root}: commit the files that may be changed"
        )
    missing = "" if task.research.sandbox == "none" else available()
    if missing:
        found.append(
            f"edited code is to run in a sandbox: {missing}. Or consent to running it with your own"
            " rights, on your own files: research: {sandbox: none}"
        )
    if not history.codes:
        relevant = {*shop.editable(tree), *shop.frozen(tree)}
        changed = sorted(relevant.intersection(shop.repository.changed()))
        if changed:
            found.append(
                f"{', '.join(changed[:5])} differ from what is committed, and the study begins at"
                f" commit {shop.root(history)[:10]}: commit the changes first, or undo them"
            )
    return found


def tree_of(task: Task, history: History, trial: int) -> str:
    """Return the git tree that a trial's runs work in; '' where trials change no code."""
    return "" if task.research is None else workshop(task).tree(history, trial)


def publisher(task: Task, folder: Path) -> Callable[[History], Sequence[Notice]]:
    """Return what keeps git up to date for a study in `folder`; does nothing without research."""
    if task.research is None:
        return lambda _: ()
    ignored = folder / ".gitignore"
    if not ignored.exists():
        # The folder may lie in the checkout, whose status is to stay as it is.
        ignored.write_text("*\n")
    return Publisher(workshop(task), folder)


class Publisher:
    """Keeps git's view of one study up to date, and clears away what runs worked on."""

    def __init__(self, workshop: Workshop, folder: Path) -> None:
        self._workshop = workshop
        self._folder = folder
        self._git = workshop.repository
        self._unlocked = False
        self._commits: dict[int, str] = {}
        self._seen = (-1, -1)
        self._refused = ""

    def __call__(self, history: History) -> tuple[Notice, ...]:
        """Make what is missing since the last call; return what the user should know.

        A repository that can't be written is no reason to end a study: it is said, and made up for
        by the next call.
        """
        seen = (len(history.trials), len(history.judged))
        if seen == self._seen:
            return ()
        try:
            self._publish(history)
            self._clear(history)
            self._seen = seen
            refused = self._move_branch(history) or self._keep_up(history)
        except RepositoryError as error:
            refused = f"the trials' commits can't be written now, and will be later: {error}"
        if not refused or refused == self._refused:
            return ()
        self._refused = refused
        return (Notice(level="warning", topic="git", text=refused),)

    def commit(self, history: History, number: int) -> str:
        """Return the id of the commit that holds a trial's code, made if it is not there."""
        if number not in self._commits:
            self._commits[number] = self._made(history, history.trials[number])
        return self._commits[number]

    def _unlock(self, study: str) -> None:
        """Do away with what a git left that was killed with the last coordinator."""
        if not self._unlocked:
            self._git.unlock(f"refs/trialwright/{study}", branch_of(study))
            self._unlocked = True

    def _publish(self, history: History) -> None:
        self._unlock(history.task.name)
        # What was judged since may have children whose commits follow it.
        stale = set(history.judged[max(self._seen[1], 0) :]) if self._seen[1] >= 0 else set()
        for trial in history.trials:
            if trial.proposal.parent in stale and trial.tree:
                stale.add(trial.number)
        for number in stale:
            self._commits.pop(number, None)
        study = history.task.name
        there = self._git.refs(f"refs/trialwright/{study}")
        targets = {}
        for trial in history.trials:
            # Until it is judged, the ledger has its patch, and its message is not complete.
            if not trial.tree or trial.first_verdict is None:
                continue
            name, commit = ref_of(study, trial.number), self.commit(history, trial.number)
            if there.get(name) != commit:
                targets[name] = (commit, None)
        self._git.point(targets)

    def _keep_up(self, history: History) -> str:
        """Write the judged trials as rows in autoresearch's format; say why, if that can't be."""
        name = self._workshop.plan.results
        if name is None:
            return ""
        commits = {
            trial.number: self.commit(history, trial.number) if trial.tree
            else self._workshop.root(history)
            for trial in history.trials
            if trial.first_verdict is not None
        }  # fmt: skip
        theirs = self._workshop.folder / name
        try:
            earlier = theirs.read_text(encoding="utf-8") if theirs.is_file() else ""
            keep_up(self._folder / name, history, commits, earlier=earlier)
        except (CampaignError, OSError, UnicodeDecodeError) as error:
            return f"{name} is not kept up: {error}"
        return ""

    def _clear(self, history: History) -> None:
        """Remove the code that judged runs worked on: git has it."""
        for number in history.judged[max(self._seen[1], 0) :]:
            trial = history.trials[number]
            paths = tuple(self._workshop.files(self._workshop.tree(history, number)))
            for run in trial.runs:
                if run.observation is not None:
                    clear(code_folder(run_folder(self._folder, run.key)), paths)

    def _made(self, history: History, trial: Trial) -> str:
        parent = trial.proposal.parent
        built_on = parent is not None and bool(history.trials[parent].tree)
        before = self.commit(history, parent) if built_on and parent is not None else ""
        before = before or self._workshop.root(history)
        if trial.proposal.edit is None:
            return before
        text = message(trial, history)
        return self._git.commit(trial.tree, (before,), text, at=trial.admitted_at)

    def _move_branch(self, history: History) -> str:
        """Point the branch to the best trial's code; say why, if that can't be."""
        best = history.best()
        if best is None:
            return ""
        study = history.task.name
        branch, ours = branch_of(study), f"refs/trialwright/{study}/branch"
        target = self.commit(history, best.number) if best.tree else self._workshop.root(history)
        there = {**self._git.refs(branch), **self._git.refs(ours)}
        present, last = there.get(branch), there.get(ours)
        short = branch.removeprefix("refs/heads/")
        if present == target and last == target:
            return ""
        if present is not None and present not in (last, target):
            return (
                f"somebody else moved the branch {short}: it is left alone. Rename or delete it,"
                f" and it will be made anew; the best trial is at {ref_of(study, best.number)}"
            )
        if present is not None and present != target and branch in self._git.checked_out():
            return (
                f"the branch {short} is checked out, and is left where it is: the best trial is"
                f" at {ref_of(study, best.number)}"
            )
        self._git.point({ours: (target, None), branch: (target, present or "0" * 40)})
        return ""


def message(trial: Trial, history: History) -> str:
    """Return the message of a trial's commit: what, why, and what came of it.

    What came of it is the first verdict, so that a commit stays the same when more seeds come.
    """
    lines = [_subject(trial), ""]
    lines += [*_paragraphs(trial.proposal.rationale), ""] if trial.proposal.rationale else []
    hypothesis = trial.proposal.hypothesis
    if hypothesis is not None:
        lines += [*textwrap.wrap(f"Hypothesis: {hypothesis.claim}", WIDE), ""]
    lines += _trailers(trial, history)
    return "\n".join(lines) + "\n"


def _subject(trial: Trial) -> str:
    proposal = trial.proposal
    said = title(proposal) or _first_line(proposal.rationale)
    return textwrap.shorten(f"{proposal.category}: {said}", WIDE, placeholder=" ...")


def _paragraphs(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        yield from textwrap.wrap(line, WIDE) or [""]


def _trailers(trial: Trial, history: History) -> Iterator[str]:
    first: Verdict | None = trial.first_verdict
    yield f"Study: {history.task.name}"
    yield f"Trial: {trial.number}"
    if trial.proposal.parent is not None:
        yield f"Parent-Trial: {trial.proposal.parent}"
    yield f"Proposed-By: {_first_line(trial.proposal.by)}"
    yield f"Result: {_first_line(f'{first.status}: {first.sentence}') if first else 'not yet run'}"


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].strip() if lines else ""
