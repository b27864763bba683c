"""What of a repository may be edited, what may not, and who edits with a program of their own.

Pure data, a part of `task`. Globs are relative to the task's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """A short run that an edit has to survive before it counts as a trial."""

    seconds: float = 20.0
    """After which a run that still goes on has passed; None of its metrics are looked at."""
    set: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that make the script do a few steps only."""
    repairs: int = 2
    """Times that whoever made the edit may mend it, told how it crashed."""


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
    shown: int = 24_000
    """Characters of code that a prompt shows at most."""
    price: float = 0.1
    """What code costs: a gain that adds a hundred syntax-tree nodes has to be this share of the
    noise (sd) at least."""
    ablate: int | None = 5
    """After so many kept changes each is tested again, left out alone; None: never."""
    pivot: int = 2
    """Discarded changes of one category in a row after which the next is to be of another."""
    plateau: int = 8
    """Trials in a row without a kept one after which steps grow, or another node is built on."""
    results: str | None = None
    """A file in autoresearch's format that is kept up in the study's folder, such as
    `results.tsv`."""
    smoke: Smoke | None = None
    """None: an edit goes into its full run at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coder:
    """A member that edits with a program of its own: a coding agent's command line."""

    name: str
    """What stands in `Proposal.by`."""
    command: tuple[str, ...]
    """Run in a copy of the parent's code; the prompt on its standard input, or in the file
    `{prompt}`."""
    timeout_s: float = 900.0
    network: bool = False
    """Whether it may use the network: a program that asks a model has to."""
    passed: tuple[str, ...] = ()
    """Environment variables that it gets although they look like secrets."""
    readable: tuple[str, ...] = ()
    """Paths besides the system's that it may read, such as its own configuration."""
    model: str = ""
    """What it runs on, for the record."""
    context: int | None = None
    """Tokens that its model can hold, for the record."""
