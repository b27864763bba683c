"""What of a repository may be edited, and what may not.

Pure data, a part of `task`. Globs are relative to the task's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Research:
    """Which code of a git repository a study may change."""

    editable: tuple[str, ...]
    """Globs of the files that an edit may change, add or remove."""
    frozen: tuple[str, ...] = ()
    """Globs of files that no run may change: the evaluator, tests, data; (): whatever git tracks
    and is not editable."""
    base: str = "HEAD"
    """The commit at which the study begins; read once."""
    program: str | None = None
    """A file with notes for whoever edits, such as `program.md`."""
    readable: tuple[str, ...] = ()
    """Paths outside of the repository that runs may read, such as a data set's folder."""
    writable: tuple[str, ...] = ()
    """Paths outside of it that runs may write, such as a cache."""
    links: tuple[str, ...] = ()
    """Paths within the repository that git does not track and that runs need, such as `data`."""
    sandbox: Literal["bubblewrap", "none"] = "bubblewrap"
    """`none` is the user's consent to run edited code with the rights of the user."""
    network: bool = False
    """Whether runs may use the network."""
    processes: int | None = 256
    """Processes that one run may have at a time, where the sandbox can hold it to that."""
    disk_bytes: int | None = 20 * 2**30
    """What the files of one run may take together, where there is a sandbox."""
    lines: int = 400
    """The most lines that one edit may add and remove."""
    pivot: int = 2
    """Discarded changes of one category in a row after which the next is to be of another."""
    results: str | None = None
    """A file in autoresearch's format that is kept up in the study's folder, such as
    `results.tsv`."""
