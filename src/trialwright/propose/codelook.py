"""What a model that edits code may look up: files, diffs, trials, logs; each answer is bounded.

Functions of plain arguments that return text; a wrong argument is told, not raised.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import numpy as np

from trialwright.errors import RepositoryError
from trialwright.history import History
from trialwright.propose import codebrief, fence, notebook, sheet
from trialwright.propose.lookup import Lookup
from trialwright.records import Category
from trialwright.research.rules import category_of
from trialwright.research.workshop import Workshop, workshop
from trialwright.task import Task

MOST = 12_000
"""Characters of one answer."""

LINES = 400
"""Lines of a file in one answer."""

FOUND, SEARCHED = 40, 400
"""Lines that a search finds, and files that it looks into, the editable ones first."""

LISTED = 25
"""Trials in one list."""

SECRET = (
    *(".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", "_netrc", ".npmrc", ".pypirc"),
    *("*.kdbx", ".git-credentials", ".htpasswd", ".pgpass", "*credential*", "*secret*"),
    *("*password*", "*token.*", "*_token", "*apikey*", "*api_key*", "service-account*.json"),
)  # fmt: skip
"""Names of files and folders that nobody is shown, whoever committed them."""


class CodeLook:
    """The tools of one turn."""

    def __init__(
        self, task: Task, history: History, log: codebrief.Log, rng: np.random.Generator
    ) -> None:
        self._task = task
        self._history = history
        self._shop = workshop(task)
        self._trials = Lookup(task, history, log, rng)

    @property
    def tools(self) -> tuple[Callable[..., str], ...]:
        """Everything that a model may call; the notebook where the study keeps one."""
        usual = (
            self.read_file,
            self.search_code,
            self.show_diff,
            self.show_trial,
            self._trials.read_log,
            self.list_trials,
        )
        kept = notebook.kept(self._task, self._history)
        return (*usual, self._trials.search_notebook) if kept else usual

    def read_file(
        self, path: str, trial: int | None = None, first: int = 1, last: int | None = None
    ) -> str:
        """Lines of a file, editable or frozen, as the best trial (or another) has it."""
        tree, wrong = self._tree(trial)
        if wrong:
            return wrong
        known, text = self._text(tree, path)
        if text is None:
            return known
        lines = text.splitlines()
        begin = max(first, 1)
        end = min(len(lines) if last is None else last, len(lines), begin + LINES - 1)
        if begin > end:
            return f"{fence.path(known)} has {len(lines)} lines"
        shown = "\n".join(lines[begin - 1 : end])
        cut = "" if len(shown) <= MOST else f", cut after {MOST} characters"
        title = f"{fence.path(known)}, lines {begin} to {end} of {len(lines)}{cut}:"
        return f"{title}\n{fence.source(shown[:MOST])}"

    def search_code(self, text: str, trial: int | None = None) -> str:
        """Lines that contain a text, in any file."""
        tree, wrong = self._tree(trial)
        if wrong:
            return wrong
        if not text.strip():
            return "give a text to search for"
        found: list[str] = []
        editable = self._shop.editable(tree)
        for path in list(dict.fromkeys([*editable, *self._shop.files(tree)]))[:SEARCHED]:
            for at, line in self._hits(tree, path, text):
                found.append(f"{fence.path(path)}:{at}:{line[: fence.LONGEST_LINE]}")
                if len(found) == FOUND:
                    return fence.source("\n".join([*found, "... more"])[:MOST])
        return fence.source("\n".join(found)[:MOST]) if found else "no line contains that"

    def show_diff(self, number: int, against: int | None = None) -> str:
        """What a trial changed of its parent's code; or how it differs from another trial's."""
        tree, wrong = self._tree(number)
        if wrong:
            return wrong
        trial = self._history.trials[number]
        other, wrong = self._tree(trial.proposal.parent if against is None else against)
        if wrong:
            return wrong
        try:
            patch = self._shop.repository.patch(other, tree)
        except RepositoryError as error:
            return str(error)[:MOST]
        if any(self._secret(path) for path in self._shop.repository.differing(other, tree)):
            return "it touches files that nobody is shown"
        return fence.source(patch[:MOST]) if patch else "the code is the same"

    def show_trial(self, number: int) -> str:
        """A trial in full: change, reasons, claim, metrics, curves, verdict."""
        said = self._trials.show_trial(number)
        if not 0 <= number < len(self._history.trials):
            return said
        edit = self._history.trials[number].proposal.edit
        parent = self._history.trials[number].proposal.parent
        what = "the code as it was found" if edit is None else fence.prose(edit.summary, most=300)
        of = "" if parent is None else f", on trial {parent}"
        return f"{said}\nchange{of}: {what}"[:MOST]

    def list_trials(self, kind: Category | None = None) -> str:
        """The best trials, of one kind of change if wanted."""
        sign = self._task.objective.sign
        found = [t for t in self._history.done() if kind in (None, category_of(t))]
        found.sort(key=lambda trial: -sign * (trial.value or 0.0))
        write = sheet.digits(self._history)
        lines = [
            f"trial {one.number}: {write(one.value or 0.0)}; {codebrief.change(one)}"
            for one in found[:LISTED]
        ]
        return fence.fenced("\n".join(lines), most=MOST) if lines else "none"

    def _tree(self, trial: int | None) -> tuple[str, str]:
        """The tree of a trial, of the best by default; or what is wrong with the number."""
        best = self._history.best() if self._history.opened else None
        if trial is None:
            trial = best.number if best is not None else None
        elif not 0 <= trial < len(self._history.trials):
            there = len(self._history.trials)
            return "", f"there is no trial {trial}; there are {there}, numbered from 0"
        return self._shop.tree(self._history, trial), ""

    def _text(self, tree: str, path: str) -> tuple[str, str | None]:
        """A file's path and text; or why it is not shown, and None."""
        known = codebrief.within(self._shop, tree, path)
        node = self._shop.files(tree).get(known)
        if node is None or not node.regular:
            some = ", ".join(fence.path(one) for one in list(self._shop.files(tree))[:40])
            return f"there is no such file; there are {some}", None
        if self._secret(known):
            return "by its name that file may hold a secret: nobody is shown it", None
        content = self._shop.content(tree, known)
        if b"\0" in content[:8000]:
            return f"it is no text, and has {len(content)} bytes", None
        return known, content.decode("utf-8", "replace")

    def _hits(self, tree: str, path: str, text: str) -> Iterator[tuple[int, str]]:
        if not self._shop.files(tree)[path].regular or self._secret(path):
            return
        content = self._shop.content(tree, path)
        if b"\0" in content[:8000] or text.encode() not in content:
            return
        for at, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            if text in line:
                yield at, line

    def _secret(self, path: str) -> bool:
        return secret(path, self._shop)


def secret(path: str, shop: Workshop) -> bool:
    """Say whether a file's name tells that nobody is to be shown it; what may be edited may be."""
    return not shop.allows(path) and any(
        fnmatch.fnmatchcase(part.casefold(), pattern)
        for part in PurePosixPath(path).parts
        for pattern in SECRET
    )
