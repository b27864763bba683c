"""What is below a folder that a stranger wrote: looked at, opened and removed with care.

Links are not followed, pipes not waited for, and no depth of folders is too much.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

MOST = 1_000_000
"""Files and folders that are looked at."""


def below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield all that is below a folder, each folder before what is in it; links are not followed.

    What can't be looked into is left out, and what is deeper than a path can say.
    """
    todo = [str(folder)]
    count = 0
    while todo and count < MOST:
        try:
            with os.scandir(todo.pop()) as listing:
                entries = list(listing)
        except OSError:
            continue
        for entry in entries:
            count += 1
            yield entry
            if kind_of(entry) == "folder":
                todo.append(entry.path)


def kind_of(entry: os.DirEntry[str]) -> str:
    """Return what something is: a file, a folder, a link, or anything else, in words."""
    try:
        if entry.is_symlink():
            return "link"
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "file" if entry.is_file(follow_symlinks=False) else "pipe, socket or device"
    except OSError:
        return "pipe, socket or device"


def opened(path: Path, *, within: Sequence[Path] | None = None) -> BinaryIO:
    """Open a plain file for reading, without waiting for anybody, whatever it has become meanwhile.

    With `within`, links are followed only where they end in one of these folders.

    Raises:
        OSError: it is no plain file, is elsewhere, or can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no plain file", str(path))
        if within is not None and not is_within(_place(descriptor, path), within):
            raise OSError(0, "it leads out of the run's folder", str(path))
    except OSError:
        file.close()
        raise
    return file


def is_within(path: Path, folders: Sequence[Path]) -> bool:
    """Say whether a path ends in one of some folders, links followed."""
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _place(descriptor: int, path: Path) -> Path:
    """Where an open file is: the path may lead elsewhere by now."""
    if sys.platform == "linux":
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
    return path


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all in it, also what was made unreadable.

    Raises:
        OSError: something of it can't be removed.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    # A stranger's folders may be deeper than Python's own removal goes, and than a path can say.
    if _run("rm", "-rf", path):
        _run("chmod", "-R", "u+rwX", path)
        said = _run("rm", "-rf", path)
        if said:
            raise OSError(0, said[:500], str(path))


def _run(*words: str | Path) -> str:
    """Run a program of the system; return what it complains of, '' if it went well."""
    command = [*map(str, words[:-1]), "--", str(words[-1])]
    done = subprocess.run(command, capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace").strip()
    return "" if done.returncode == 0 else said or f"status {done.returncode}"
