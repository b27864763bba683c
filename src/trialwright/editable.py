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
    smoke_s: float | None = None
    """Seconds for which an edit is run before it becomes a trial; 0: it is not; None: a tenth of
    what runs have taken."""
    smoke: tuple[str, ...] = ()
    """A shorter command for that, of a few steps; (): the task's own."""
    repairs: int = 2
    """Times that an edit which crashed goes back to who made it."""
    price: float = 0.1
    """What 100 further nodes of the syntax tree have to gain, in standard deviations of a seed."""
    ablate: int | None = 5
    """Kept changes after which each is tried without, to see whether it is still needed; None:
    never."""
    plateau: int = 8
    """Judged changes in a row without a new best one, after which the study goes on from another
    trial, or in larger steps."""
    results: str | None = None
    """A file in autoresearch's format that is kept up in the study's folder, such as
    `results.tsv`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingAgent:
    """A coding agent's command line in the team: it edits a copy of the code, and is then read."""

    name: str
    """What stands in `Proposal.by`."""
    command: tuple[str, ...]
    """Such as `claude -p`; the prompt is its standard input, or a file for which `{prompt}`
    stands."""
    time_s: float = 600.0
    """After which it is ended, with all that it started."""
    network: bool = False
    """Whether it may use the network, as an agent that asks a model has to."""
    passed: tuple[str, ...] = ()
    """Environment variables that it gets although they look like secrets."""
    writable: tuple[str, ...] = ()
    """Paths that it may write besides its copy, such as the folder of its own settings."""
    role: str = ""
    """Words on how it is to behave; put into its prompt."""
