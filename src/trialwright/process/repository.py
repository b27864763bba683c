"""A git repository used as a store of code: trees, patches and commits; knows no trial.

Nothing here touches a checkout, the index, HEAD or a branch that it was not told to move. Every
step has an index of its own; hooks, prompts and the rewriting of line ends are switched off.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trialwright.errors import RepositoryError

TIMEOUT_S = 120.0
"""For one call of git: reading a large tree from a slow disk takes long, and nothing else does."""

EMPTY = "0" * 40
"""Instead of a commit's id: there is none."""

_QUIET = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.autocrlf=false"),
    *("-c", "core.safecrlf=false"),
    *("-c", "core.quotePath=false"),
    *("-c", "gc.auto=0"),
)
_REGULAR = ("100644", "100755")

LINK = "120000"
"""The mode of a symbolic link."""

_SHORT = 1 << 20
"""Bytes of a file that is read without a look at how long it should be, and of a part of others."""


@dataclass(frozen=True, slots=True)
class Node:
    """A file of a tree."""

    mode: str
    """As git writes it: 100644, 100755 (executable), 120000 (a link), 160000 (a submodule)."""
    blob: str

    @property
    def regular(self) -> bool:
        """Whether it is a file, and no link or submodule."""
        return self.mode in _REGULAR


class Repository:
    """The repository that holds `folder`.

    Raises:
        RepositoryError: there is none, or git is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._git_dir = ""
        found = self._text("rev-parse", "--absolute-git-dir", "--show-toplevel", "--show-prefix")
        lines = found.split("\n")
        if len(lines) < 2 or not lines[1]:
            raise RepositoryError(f"{folder} is in a bare repository: make a checkout of it first")
        self._git_dir = lines[0]
        self._id = ""
        # Where git is told its folder, it takes the working directory for the top of the checkout.
        self._folder = Path(lines[1])
        self.root = Path(lines[1])
        """The top folder of the checkout."""
        self.prefix = lines[2] if len(lines) > 2 else ""
        """`folder` within the checkout: '' or a path that ends in a slash."""

    def commit_of(self, revision: str) -> str:
        """Return the id of the commit that `revision` means.

        Raises:
            RepositoryError: it means none.
        """
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        try:
            return self._text(*asked)
        except RepositoryError:
            raise RepositoryError(
                f"{revision!r} is no commit of the repository in {self.root}: commit your files"
                " first, or name another revision"
            ) from None

    def tree_of(self, revision: str) -> str:
        """Return the id of a commit's tree."""
        return self._text("rev-parse", "--verify", "--end-of-options", f"{revision}^{{tree}}")

    def changed(self) -> tuple[str, ...]:
        """Return the tracked files whose content in the checkout is not that of HEAD."""
        listing = self._bytes("status", "--porcelain=v1", "-z", "--untracked-files=no")
        return tuple(
            entry[3:].decode("utf-8", "replace") for entry in listing.split(b"\0") if entry
        )

    def files(self, tree: str) -> dict[str, Node]:
        """Return all files of a tree, by path."""
        found = {}
        for entry in self._bytes("ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0"):
            if entry:
                described, _, path = entry.partition(b"\t")
                mode, _, blob = described.decode().split(" ")
                found[path.decode("utf-8", "surrogateescape")] = Node(mode, blob)
        return found

    def content(self, blob: str) -> bytes:
        """Return the content of a file by its blob."""
        return self._bytes("cat-file", "blob", blob)

    def with_files(self, tree: str, changes: Mapping[str, bytes | None]) -> str:
        """Return the tree in which the files `changes` have that content; None removes one."""
        before = self.files(tree)
        lines = []
        for path, content in changes.items():
            if content is None:
                lines.append(f"0 {EMPTY}\t{path}")
                continue
            blob = self._bytes("hash-object", "-w", "--no-filters", "--stdin", given=content)
            mode = before[path].mode if path in before and before[path].regular else _REGULAR[0]
            lines.append(f"{mode} {blob.decode().strip()}\t{path}")
        with self._index(tree) as index:
            listing = "".join(f"{line}\0" for line in lines).encode("utf-8", "surrogateescape")
            self._bytes("update-index", "-z", "--index-info", given=listing, index=index)
            return self._text("write-tree", index=index)

    def patched(self, tree: str, patch: str) -> str:
        """Return the tree that a patch makes of `tree`.

        Raises:
            RepositoryError: it does not apply.
        """
        if not patch:
            return tree
        with self._index(tree) as index:
            command = ("apply", "--cached", "--whitespace=nowarn", "--unidiff-zero", "-")
            self._bytes(*command, given=patch.encode("utf-8", "surrogateescape"), index=index)
            return self._text("write-tree", index=index)

    def without(self, tree: str, patch: str) -> str:
        """Return the tree in which a patch that it came about by is taken back, later ones kept.

        Raises:
            RepositoryError: it does not come off cleanly.
        """
        with self._index(tree) as index:
            command = ("apply", "--cached", "--reverse", "--3way", "--whitespace=nowarn", "-")
            self._bytes(*command, given=patch.encode("utf-8", "surrogateescape"), index=index)
            return self._text("write-tree", index=index)

    def patch(self, before: str, after: str, *, context: int = 3) -> str:
        """Return what changes from one tree to another as a patch; '' if nothing does."""
        plain = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index")
        return self._bytes(
            "diff-tree", "-r", "-p", "--binary", f"-U{context}", *plain, before, after
        ).decode("utf-8", "surrogateescape")

    def differing(self, before: str, after: str) -> tuple[str, ...]:
        """Return the paths that differ between two trees."""
        plain = ("-r", "-z", "--name-only", "--no-renames", "--no-ext-diff")
        names = self._bytes("diff-tree", *plain, before, after).split(b"\0")
        return tuple(name.decode("utf-8", "surrogateescape") for name in names if name)

    def export(self, tree: str, folder: Path) -> None:
        """Write the files of a tree into `folder`, which is made; nothing of git comes with them.

        Raises:
            RepositoryError: a file can't be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with self._index(tree) as index:
            place = f"--prefix={folder}{os.sep}"
            self._bytes("checkout-index", "--all", "--force", "--quiet", place, index=index)

    def holds(self, path: Path, blob: str) -> bool:
        """Say whether a plain file has the content of a blob; what is none is not opened.

        A file may be whatever a stranger made of it: of one that is too long, nothing is read.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            size = status.st_size
            if not stat.S_ISREG(status.st_mode) or (size > _SHORT and size != self._size_of(blob)):
                return False
            # Git's own definition, without a process for each of many files.
            kind = "sha256" if len(EMPTY) < len(self._known_id()) else "sha1"
            digest = hashlib.new(kind, f"blob {size}\0".encode(), usedforsecurity=False)
            while chunk := file.read(_SHORT):
                digest.update(chunk)
        return digest.hexdigest() == blob

    def _size_of(self, blob: str) -> int:
        return int(self._text("cat-file", "-s", blob))

    def _known_id(self) -> str:
        """An id of this repository: of 40 digits, or of 64."""
        if not self._id:
            self._id = self._bytes("hash-object", "--stdin").decode().strip()
        return self._id

    def commit(self, tree: str, parents: Sequence[str], message: str, *, at: float) -> str:
        """Write a commit and return its id: the same for the same arguments, whoever writes it.

        `at` is in seconds since the epoch.
        """
        when = f"{int(at)} +0000"
        by = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Trialwright"), ("EMAIL", "trialwright@localhost"))
        } | {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        before = [word for parent in parents for word in ("-p", parent)]
        command = ("-c", "i18n.commitEncoding=UTF-8", "commit-tree", *before, tree)
        content = message.encode("utf-8", "replace").replace(b"\0", b"")
        return self._bytes(*command, given=content, more=by).decode().strip()

    def refs(self, prefix: str) -> dict[str, str]:
        """Return the refs whose names start with `prefix`, a whole part, and what they point to."""
        listing = self._text("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {name: target for target, name in pairs}

    def point(self, targets: Mapping[str, tuple[str, str | None]]) -> None:
        """Point refs to commits, all of them or none: by name, the new target and the old one.

        None for the old one: whatever it is.

        Raises:
            RepositoryError: a ref no longer points to its old target.
        """
        if not targets:
            return
        lines = [
            f"update {name}\0{new}\0{'' if old is None else old}\0"
            for name, (new, old) in targets.items()
        ]
        given = "".join(lines).encode()
        self._bytes("update-ref", "-z", "--stdin", "--no-deref", given=given)

    def unlock(self, *names: str) -> None:
        """Remove the locks that a git which was killed left on refs of these names, and below them.

        Whoever calls it is the only one that writes these refs.
        """
        common = self._text("rev-parse", "--path-format=absolute", "--git-common-dir")
        for name in names:
            top = Path(common.strip(), name)
            for lock in (top.with_name(f"{top.name}.lock"), *top.rglob("*.lock")):
                lock.unlink(missing_ok=True)

    def checked_out(self) -> frozenset[str]:
        """Return the branches, by their full names, that some checkout is on."""
        listing = self._text("worktree", "list", "--porcelain")
        lines = [line.split(" ", 1) for line in listing.splitlines() if " " in line]
        return frozenset(value for key, value in lines if key == "branch")

    @contextmanager
    def _index(self, tree: str) -> Iterator[str]:
        """An index of our own that holds a tree, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="trialwright-index-") as folder:
            index = str(Path(folder) / "index")
            self._bytes("read-tree", tree, index=index)
            yield index

    def _text(self, *command: str, index: str = "") -> str:
        return self._bytes(*command, index=index).decode("utf-8", "surrogateescape").rstrip("\n")

    def _bytes(
        self,
        *command: str,
        given: bytes = b"",
        index: str = "",
        more: Mapping[str, str] | None = None,
    ) -> bytes:
        environment = {name: v for name, v in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        environment |= {"GIT_NO_REPLACE_OBJECTS": "1"} | dict(more or {})
        if index:
            environment["GIT_INDEX_FILE"] = index
        if self._git_dir:
            environment["GIT_DIR"] = self._git_dir
        try:
            done = subprocess.run(
                ["git", *_QUIET, *command],
                cwd=self._folder,
                env=environment,
                input=given,
                capture_output=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        except FileNotFoundError:
            if not self._folder.is_dir():
                raise RepositoryError(f"there is no folder {self._folder}") from None
            raise RepositoryError("git is not installed: install it, such as by apt-get") from None
        except subprocess.TimeoutExpired:
            raise RepositoryError(f"git {command[0]} took over {TIMEOUT_S:g} s") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip() or f"status {done.returncode}"
            raise RepositoryError(f"git {_verb(command)}: {said}")
        return done.stdout


def _verb(command: Sequence[str]) -> str:
    return next(word for word in command if not word.startswith("-") and "=" not in word)


_KNOWN: dict[Path, Repository] = {}


def repository(folder: Path) -> Repository:
    """Return the repository that holds a folder, the same object each time.

    Raises:
        RepositoryError: as for `Repository`.
    """
    if folder not in _KNOWN:
        _KNOWN[folder] = Repository(folder)
    return _KNOWN[folder]


def safe_path(path: str) -> bool:
    """Say whether a path may stand in a tree: relative, within it, and no part of git's own.

    >>> safe_path("src/model.py"), safe_path("../x"), safe_path(".git/hooks/pre-commit")
    (True, False, False)
    """
    parts = PurePosixPath(path).parts
    plain = bool(parts) and not path.startswith("/") and "\\" not in path and "\0" not in path
    return plain and "\n" not in path and not any(_odd(part) for part in parts)


def _odd(part: str) -> bool:
    return part in ("..", ".") or part.lower().rstrip(". ") == ".git" or part.lower() == "git~1"
