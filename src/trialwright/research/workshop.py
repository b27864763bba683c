"""The code of trials: read, changed in memory, and every change held against the study's rules.

It writes objects into git's store, which nobody sees, and nothing else.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from trialwright.code.changes import Change, describe
from trialwright.code.forms import Form, form_of, together, trifle
from trialwright.code.skeleton import fingerprint
from trialwright.editable import Research
from trialwright.errors import RepositoryError, StudyError
from trialwright.history import History
from trialwright.process.repository import Node, Repository, safe_path
from trialwright.records import Edit, Proposal
from trialwright.research.alike import near_repeat, told
from trialwright.task import Task

LARGEST_FILE = 1_000_000
"""Bytes of a file that an edit may leave."""

MANY = 8
"""Files of a folder from which on it is frozen as a whole."""

LARGEST_PATCH = 400_000
"""Characters of a patch: it stands in the ledger."""


class Workshop:
    """The repository of a task that may be edited, seen through its rules.

    Raises:
        StudyError: the task's folder is in no repository, or nothing in it may be edited.
    """

    def __init__(self, task: Task) -> None:
        if task.research is None:
            raise StudyError("nothing of this study's code may be edited: add `research:` to it")
        self.plan: Research = task.research
        self.folder = Path(task.folder)
        try:
            self.repository = Repository(self.folder)
        except RepositoryError as error:
            raise StudyError(f"research needs a git repository: {error}") from error
        self._files: dict[str, dict[str, Node]] = {}
        self._contents: dict[str, bytes] = {}
        self._roots: dict[str, str] = {}
        self._forms: dict[str, Form] = {}
        """By tree, and by path and blob."""

    def root(self, history: History) -> str:
        """Return the commit at which the study began, or would begin now."""
        for version in history.codes.values():
            if version.commit:
                return version.commit
        return self.repository.commit_of(self.plan.base)

    def tree(self, history: History, trial: int | None) -> str:
        """Return the git tree that a trial runs; of None, the one at which the study began."""
        if trial is not None and history.trials[trial].tree:
            return history.trials[trial].tree
        root = self.root(history)
        if root not in self._roots:
            self._roots[root] = self.repository.tree_of(root)
        return self._roots[root]

    def files(self, tree: str) -> dict[str, Node]:
        """Return the files of a tree by their path within the repository."""
        if tree not in self._files:
            if len(self._files) > 64:
                self._files.clear()
            self._files[tree] = self.repository.files(tree)
        return self._files[tree]

    def editable(self, tree: str) -> tuple[str, ...]:
        """Return the files of a tree that an edit may change, by path."""
        found = self.files(tree)
        return tuple(path for path, node in found.items() if node.regular and self.allows(path))

    def allows(self, path: str) -> bool:
        """Say whether an edit may change, add or remove a file."""
        return safe_path(path) and self._among(path, self.plan.editable) and not self._held(path)

    def frozen(self, tree: str) -> tuple[str, ...]:
        """Return the files of a tree that no run may change."""
        files = self.files(tree)
        if self.plan.frozen:
            return tuple(path for path in files if self._held(path))
        return tuple(path for path in files if not self._among(path, self.plan.editable))

    def mounts(self, tree: str) -> tuple[str, ...]:
        """Return what is to be made read-only for a run: frozen files, or folders full of them.

        A folder is taken as a whole where a glob names it, or where it holds many files and nothing
        that may be edited: files that are added to it could be loaded in place of others.
        """
        held = set(self.frozen(tree))
        whole = {folder for folder in _folders(held) if self._whole(folder, held, tree)}
        inside = {path for path in held if any(path.startswith(f"{top}/") for top in whole)}
        outer = {f for f in whole if not any(f.startswith(f"{top}/") for top in whole)}
        # Links can't be made so; what became of them is looked at after the run.
        plain = {path for path in held - inside if self.files(tree)[path].regular}
        return (*sorted(outer), *sorted(plain))

    def _whole(self, folder: str, held: set[str], tree: str) -> bool:
        files = [path for path in self.files(tree) if path.startswith(f"{folder}/")]
        if not held.issuperset(files):
            return False
        named = self._among(folder, tuple(glob.rstrip("/") for glob in self.plan.frozen))
        return named or len(files) > MANY

    def texts(self, tree: str) -> dict[str, str]:
        """Return the editable files of a tree as text, those left out that are no UTF-8."""
        found = {}
        for path in self.editable(tree):
            text = _text(self.content(tree, path))
            if text is not None:
                found[path] = text
        return found

    def content(self, tree: str, path: str) -> bytes:
        """Return the content of a file of a tree."""
        blob = self.files(tree)[path].blob
        if blob not in self._contents:
            if len(self._contents) > 512:
                self._contents.clear()
            self._contents[blob] = self.repository.content(blob)
        return self._contents[blob]

    def edit(self, tree: str, changes: Mapping[str, str | None]) -> Edit:
        """Return the edit that gives files of `tree` new texts; None removes one.

        It is not checked: `faults` says whether it may be made.
        """
        content = {
            path: None if text is None else text.encode("utf-8", "surrogateescape")
            for path, text in changes.items()
        }
        there = self.files(tree)
        content = {path: new for path, new in content.items() if new is not None or path in there}
        return self.between(tree, self.repository.with_files(tree, content))

    def between(self, before: str, after: str) -> Edit:
        """Return the edit that leads from one tree to another."""
        patch = self.repository.patch(before, after)
        paths = self.repository.differing(before, after)
        change = self.change(before, after)
        return Edit(
            patch=patch,
            tree=after,
            files=paths,
            added=change.lines_added,
            removed=change.lines_removed,
            nodes=change.nodes,
            inferred=change.category or "multi",
            summary=change.words,
        )

    def change(self, before: str, after: str) -> Change:
        """Return what differs between two trees, as their texts tell it."""
        paths = self.repository.differing(before, after)
        old, new = ({p: text for p in paths if (text := self._words(tree, p)) is not None}
                    for tree in (before, after))  # fmt: skip
        return describe(old, new)

    def examined(self, proposal: Proposal, history: History) -> tuple[Edit | None, tuple[str, ...]]:
        """Return the edit of a proposal as code finds it, and everything that is wrong with it.

        Nothing that the proposal says of its edit but the patch is believed.
        """
        given = proposal.edit
        if given is None:
            return None, ()
        if len(given.patch) > LARGEST_PATCH:
            return given, (f"the patch has {len(given.patch)} characters; {LARGEST_PATCH} allowed",)
        if "\nGIT binary patch\n" in given.patch:
            # A few characters of it can stand for gigabytes.
            return given, ("the patch holds binary content: only text may be edited",)
        before = self.tree(history, proposal.parent)
        try:
            after = self.repository.patched(before, given.patch)
        except RepositoryError as error:
            return given, (f"the patch does not apply to the parent's code: {error}",)
        edit = self.between(before, after)
        if after == self.tree(history, None) != before:
            return edit, ("the edit leads back to the code as it was found: that is trial 0",)
        wrong = self.faults(edit, before=before)
        return edit, wrong or self.repeats(replace(proposal, edit=edit), history)

    def repeats(self, proposal: Proposal, history: History) -> tuple[str, ...]:
        """Return which earlier trial has nearly the code of a proposal, in words; () if none."""
        root = self.tree(history, None)
        near = near_repeat(proposal, history, lambda tree: self.form(tree or root))
        if near is None or proposal.edit is None:
            return ()
        before, after = self.tree(history, near), proposal.edit.tree
        what = trifle(self.texts(before), self.texts(after))
        moved = self.change(before, after).words if what == "numbers" else ""
        return (told(near, what, moved),)

    def form(self, tree: str) -> Form:
        """Return what the editable files of a tree share with any that differ in trifles alone."""
        if tree not in self._forms:
            files, forms = self.files(tree), []
            for path in self.editable(tree):
                key = f"{path} {files[path].blob}"
                if key not in self._forms:
                    text = _text(self.content(tree, path))
                    self._forms[key] = form_of(files[path].blob if text is None else text, path)
                forms.append((path, self._forms[key]))
            self._forms[tree] = together(forms)
        return self._forms[tree]

    def faults(self, edit: Edit, *, before: str) -> tuple[str, ...]:
        """Return why an edit of tree `before` may not be made, a sentence each; () if it may."""
        if edit.tree == before:
            return ("the edit changes nothing",)
        wrong = [self._path_fault(path, before, edit.tree) for path in edit.files]
        found = [fault for fault in wrong if fault]
        if not found:
            found = [fault for path in edit.files if (fault := self._text_fault(path, edit.tree))]
        if edit.added + edit.removed > self.plan.lines:
            found.append(
                f"the edit adds {edit.added} lines and removes {edit.removed}; {self.plan.lines}"
                " are allowed in one step: do it in smaller ones"
            )
        if not found:
            found = self._idle(before, edit.tree)
        return tuple(found)

    def _idle(self, before: str, after: str) -> list[str]:
        """What keeps an edit from being an experiment."""
        if all(
            self._same(path, before, after) for path in self.repository.differing(before, after)
        ):
            return ["the edit changes comments or layout alone: nothing that runs"]
        if self.change(before, after).seed_only:
            return [
                "the edit changes a seed or an order, and nothing else: another draw is no better"
                " code, and contenders get more seeds by themselves"
            ]
        return []

    def _path_fault(self, path: str, before: str, after: str) -> str:
        if not safe_path(path):
            return f"{path!r} is no path within the repository"
        if self._held(path):
            return f"{path} is frozen: no edit may touch it"
        if not self._among(path, self.plan.editable):
            return f"{path} may not be edited: only {', '.join(self.plan.editable)} may"
        return _mode_fault(path, self.files(before).get(path), self.files(after).get(path))

    def _text_fault(self, path: str, tree: str) -> str:
        if path not in self.files(tree):
            return ""
        content = self.content(tree, path)
        text = _text(content)
        if len(content) > LARGEST_FILE:
            return f"{path} would have {len(content)} bytes; {LARGEST_FILE} are allowed"
        if text is None:
            return f"{path} would be no UTF-8 text"
        if path.endswith(".py"):
            try:
                compile(text, path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
                return f"{path} would not be Python: {_where(error)}"
        return ""

    def _same(self, path: str, before: str, after: str) -> bool:
        old, new = (self._words(tree, path) for tree in (before, after))
        if not path.endswith(".py") or not old or not new:
            return False
        try:
            return fingerprint(old) == fingerprint(new)
        except SyntaxError:
            return False

    def _words(self, tree: str, path: str) -> str | None:
        """A file's text; None where there is none."""
        return _text(self.content(tree, path)) if path in self.files(tree) else None

    def _held(self, path: str) -> bool:
        return self._among(path, self.plan.frozen)

    def _among(self, path: str, globs: tuple[str, ...]) -> bool:
        prefix = self.repository.prefix
        if not path.startswith(prefix):
            return False
        return any(matches(path[len(prefix) :], glob) for glob in globs)


def examine(proposal: Proposal, history: History) -> tuple[Edit | None, tuple[str, ...]]:
    """Hold the edit of a proposal against the rules of a history's study: `Workshop.examined`."""
    if proposal.edit is None:
        return None, ()
    try:
        return workshop(history.task).examined(proposal, history)
    except (StudyError, RepositoryError) as error:
        return proposal.edit, (str(error),)


_SHOPS: dict[tuple[str, Research | None], Workshop] = {}


def workshop(task: Task) -> Workshop:
    """Return the workshop of a task, the same one for the same folder and rules.

    Raises:
        StudyError: as for `Workshop`.
    """
    key = (task.folder, task.research)
    if key not in _SHOPS:
        _SHOPS[key] = Workshop(task)
    return _SHOPS[key]


def matches(path: str, glob: str) -> bool:
    """Say whether a path matches a glob: `*` within a folder's name, `**` across folders.

    A glob without a slash is about the top folder; one that names a folder, about all in it.

    >>> matches("a/b.py", "a/*.py"), matches("a/b.py", "*.py"), matches("a/b/c.py", "a/**")
    (True, False, True)
    >>> matches("data/x/y.npy", "data/"), matches("data/x", "data"), matches("x/t.py", "**/t.py")
    (True, True, True)
    """
    glob = glob.removeprefix("./")
    if glob.endswith("/"):
        return path.startswith(glob)
    return _match(PurePosixPath(path).parts, PurePosixPath(glob).parts)


def _match(parts: tuple[str, ...], globs: tuple[str, ...]) -> bool:
    if not globs:
        return True
    if globs[0] == "**":
        return any(_match(parts[at:], globs[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], globs[0]) and _match(parts[1:], globs[1:])


def _folders(paths: set[str]) -> set[str]:
    return {str(top) for path in paths for top in PurePosixPath(path).parents if str(top) != "."}


def _mode_fault(path: str, old: Node | None, new: Node | None) -> str:
    if new is not None and not new.regular:
        return f"{path} would become a link: only plain files may be written"
    if old is not None and new is not None and old.regular and old.mode != new.mode:
        return f"{path} would change its mode from {old.mode} to {new.mode}"
    return ""


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _where(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    return str(error) or type(error).__name__
