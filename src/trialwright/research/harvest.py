"""What somebody changed in a copy of a tree: the edit that it amounts to, and what else was done.

The copy is hostile. Links in it are not followed, nothing but plain files of a bounded size is
opened, and git is never run there: it would obey what the copy says of hooks and filters.
"""

from __future__ import annotations

import fnmatch
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from trialwright.errors import RepositoryError
from trialwright.process.below import below, kind_of, opened
from trialwright.process.repository import LINK, TIMEOUT_S, Node, safe_path
from trialwright.research.workshop import LARGEST_FILE, Workshop

MOST_ENTRIES = 100_000
"""Files and folders of a copy that are looked at."""

NAMED = 5
"""Paths that a reason names."""

DROPPINGS = (
    *("__pycache__", "*.pyc", "*.pyo", "*.log", "logs", "nohup.out", ".DS_Store", "Thumbs.db"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".cache", "core"),
    *("*.swp", "*.swo", "*~", "*.orig", "*.rej", "*.bak", "*.tmp"),
    *(".claude", ".codex", ".gemini", ".opencode", ".cursor", ".aider*"),
)
"""Names of files and folders that are left behind by tools, and are no part of an edit."""

_PLAIN_GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Harvest:
    """What became of a copy."""

    changes: dict[str, str | None] = field(default_factory=dict)
    """New texts of files that may be edited, by path; None for one that is gone."""
    faults: tuple[str, ...] = ()
    """What was done besides, a sentence each: with any, the changes are not to be used."""


def with_history(folder: Path, environment: dict[str, str]) -> None:
    """Make a copy that nobody has touched yet a repository of its own, with one commit.

    Raises:
        RepositoryError: git can't.
    """
    who = ("-c", "user.name=Trialwright", "-c", "user.email=trialwright@localhost")
    for words in (
        ("init", "--quiet", "--template=", "--initial-branch=main"),
        ("add", "--all", "--force"),
        (*who, "commit", "--quiet", "--allow-empty", "--message=The code to be improved"),
    ):
        _git(words, folder, environment)


def harvest(shop: Workshop, tree: str, folder: Path, *, ours: Sequence[str] = ()) -> Harvest:
    """Return what differs between a copy in `folder` and the tree that it was made from.

    `ours`: paths that are not the copy's, such as links that were laid in it.

    Raises:
        RepositoryError: git can't say what the tree's own `.gitignore` leaves out.
    """
    there = dict(_entries(folder))
    if len(there) > MOST_ENTRIES:
        return Harvest(faults=(f"over {MOST_ENTRIES} files were left behind",))
    look = _Look(shop, tree, folder, there)
    look.at_known(apart={".git", *ours})
    look.at_new(apart={".git", *ours})
    return look.harvest()


class _Look:
    """One look at a copy: its files are sorted into changes, and what was done besides."""

    def __init__(self, shop: Workshop, tree: str, folder: Path, there: dict[str, str]) -> None:
        self._shop = shop
        self._tree = tree
        self._folder = folder
        self._there = there
        self._changes: dict[str, str | None] = {}
        self._wrong: dict[str, str] = {}
        self._faults: list[str] = []

    def at_known(self, *, apart: set[str]) -> None:
        """Take in what became of the tree's files."""
        for path, node in self._shop.files(self._tree).items():
            if _below(path, apart):
                continue
            kind = self._there.get(path)
            if self._as_it_was(path, node, kind):
                continue
            if self._shop.allows(path) and node.regular:
                self._take(path, kind)
            else:
                self._wrong[path] = "changed" if kind else "removed"

    def at_new(self, *, apart: set[str]) -> None:
        """Take in what is there besides, but for droppings."""
        files = self._shop.files(self._tree)
        added = [
            path
            for path, kind in self._there.items()
            if path not in files and kind != "folder" and not _below(path, apart)
        ]
        for path in _left_out(self._shop, self._tree, added):
            if self._shop.allows(path):
                self._take(path, self._there[path])
            else:
                self._wrong[path] = "new"

    def harvest(self) -> Harvest:
        """Return what was found."""
        known = {*self._shop.editable(self._tree), *self._changes}
        if self._changes and all(self._changes.get(path, "") is None for path in known):
            self._faults.append("every file that may be edited was removed")
        return Harvest(self._changes, (*_outside(self._shop, self._wrong), *self._faults))

    def _as_it_was(self, path: str, node: Node, kind: str | None) -> bool:
        place = self._folder / path
        if node.regular:
            return kind == "file" and self._shop.repository.holds(place, node.blob)
        if node.mode != LINK:
            return True  # a submodule, which is not laid out
        same = kind == "link" and os.fsencode(place.readlink())
        return same == self._shop.content(self._tree, path)

    def _take(self, path: str, kind: str | None) -> None:
        """Take the new text of a file that may be edited, or what keeps it from being read."""
        text, fault = _text(self._folder / path, kind)
        if fault:
            self._faults.append(f"{_shown(path)} {fault}")
        else:
            self._changes[path] = text


def _text(path: Path, kind: str | None) -> tuple[str | None, str]:
    """The text of a file, None where there is none; and what keeps it from being read."""
    if kind is None:
        return None, ""
    if kind != "file":
        return None, f"has become a {kind}: only plain files may be written"
    try:
        content = _content(path)
    except OSError as error:
        return None, f"can't be read: {error.strerror}"
    if content is None:
        return None, f"has over {LARGEST_FILE} bytes, which is the most that a file may have"
    return content.decode("utf-8", "surrogateescape"), ""


def _content(path: Path) -> bytes | None:
    """A plain file's content; None where it is too large. Links and pipes are not opened."""
    with opened(path, within=(path.parent,)) as file:
        content = file.read(LARGEST_FILE + 1)
    return content if len(content) <= LARGEST_FILE else None


def read_small(path: Path) -> str:
    """Return the text of a plain file of a hostile folder; '' if there is none, or a huge one."""
    try:
        content = _content(path)
    except (OSError, ValueError):
        return ""
    return "" if content is None else content.decode("utf-8", "replace")


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what is below a folder by its path, and its kind: a little more than the most."""
    top = f"{folder}{os.sep}"
    for entry in islice(below(folder), MOST_ENTRIES + 1):
        path = entry.path.removeprefix(top)
        if not _below(path, {".git"}):
            yield path, kind_of(entry)


def _left_out(shop: Workshop, tree: str, added: Sequence[str]) -> list[str]:
    """Return which new files are neither droppings nor left out by the tree's own `.gitignore`."""
    kept = [path for path in added if not _dropping(path)]
    plain = [path for path in kept if safe_path(path)]
    ignored = _ignored(shop, tree, plain) if plain else frozenset()
    return [path for path in kept if path not in ignored]


def _dropping(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return any(fnmatch.fnmatchcase(part, glob) for part in parts for glob in DROPPINGS)


def _ignored(shop: Workshop, tree: str, paths: Sequence[str]) -> frozenset[str]:
    """Return the paths that the `.gitignore` files of a tree name; those of a copy have no say."""
    rules = [path for path in shop.files(tree) if PurePosixPath(path).name == ".gitignore"]
    if not rules:
        return frozenset()
    with tempfile.TemporaryDirectory(prefix="trialwright-ignored-") as place:
        top = Path(place)
        _git(("init", "--quiet", "--template="), top, dict(os.environ))
        for path in rules:
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(shop.content(tree, path))
        given = b"".join(os.fsencode(path) + b"\0" for path in paths)
        words = ("check-ignore", "--stdin", "-z", "--no-index")
        found = _git(words, top, dict(os.environ), given=given, well=(0, 1))
    return frozenset(os.fsdecode(path) for path in found.split(b"\0") if path)


def _git(
    words: Sequence[str],
    folder: Path,
    environment: dict[str, str],
    *,
    given: bytes = b"",
    well: Sequence[int] = (0,),
) -> bytes:
    """Run git in a folder that is ours alone, with nobody's configuration."""
    plain = {name: text for name, text in environment.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            env=plain | _PLAIN_GIT,
            input=given,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepositoryError(f"git {words[0]}: {error}") from error
    if done.returncode not in well:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise RepositoryError(f"git {words[0]}: {said or done.returncode}")
    return done.stdout


def _below(path: str, tops: set[str]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)


def _outside(shop: Workshop, wrong: dict[str, str]) -> Iterator[str]:
    """Say what was changed that may not be."""
    if not wrong:
        return
    listed = [f"{_shown(path)} ({what})" for path, what in sorted(wrong.items())]
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    yield (
        f"it changed what may not be edited: {', '.join(listed[:NAMED])}{more}; only"
        f" {', '.join(shop.plan.editable)} may be"
    )


def _shown(path: str) -> str:
    """A path in words: whatever somebody called a file."""
    plain = "".join(c if c.isprintable() else "?" for c in path)
    return plain if len(plain) <= 120 else f"{plain[:117]}..."
