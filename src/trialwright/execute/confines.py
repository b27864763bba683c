"""What the sandbox did to a run that failed: which of its bounds the run came up against.

What the log says is hostile text here as elsewhere: it chooses among causes, and is quoted.
"""

from __future__ import annotations

import re

from trialwright.execute.lastwords import Crash, candidates
from trialwright.process.sandbox import Confinement
from trialwright.process.warden import REFUSED
from trialwright.records import Cause

_ENDED = re.compile(
    r"^sandbox: the run was ended, as it had (?P<why>[\w ]{1,80})\s*$", re.MULTILINE
)
_CROWDED = re.compile(
    r"^.*(?:Resource temporarily unavailable|can't start new thread|pthread_create failed).*",
    re.MULTILINE,
)
_FULL = re.compile(r"^.*No space left on device.*", re.MULTILINE)


def held_back(
    confinement: Confinement, exit_status: int | None, crash: Crash
) -> tuple[Cause, str] | None:
    """Return the cause of a failure that the sandbox brought about, and what to do; else None."""
    ended = _ENDED.search(crash.behind) if exit_status == REFUSED else None
    if ended is not None:
        return _ended(ended["why"], confinement)
    for words in candidates(crash):
        crowded = _CROWDED.search(words)
        if crowded is not None and confinement.processes is not None:
            return "other", f"{_short(crowded[0])}: {_processes(confinement)}"
        full = _FULL.search(words)
        if full is not None:
            size = confinement.scratch_bytes / 2**30
            return "other", (
                f"{_short(full[0])}: in the sandbox /tmp and /dev/shm hold {size:.3g} GiB each:"
                " write to {folder} instead, or free some disk space"
            )
    return None


def _ended(why: str, confinement: Confinement) -> tuple[Cause, str]:
    if "processes" in why:
        return "other", f"the sandbox ended it: {_processes(confinement)}"
    if "files" in why:
        most = (confinement.disk_bytes or 0) / 2**30
        return "other", (
            f"the sandbox ended it: its files took more than {most:.3g} GiB: write fewer or smaller"
            " ones, or raise `research: {disk: ...}`"
        )
    return "transient", f"the sandbox ended it, as it had {why}: it may pass when run again"


def _processes(confinement: Confinement) -> str:
    return (
        f"it may have {confinement.processes} processes at a time, threads included: use fewer"
        " workers and threads, or raise `research: {processes: ...}`"
    )


def _short(text: str) -> str:
    return text.strip()[:200]
