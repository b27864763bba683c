"""The user's own text for whoever proposes: the file that `instructions:` names."""

from __future__ import annotations

from pathlib import Path

from trialwright.studyfile.command import outside
from trialwright.studyfile.fields import Fields
from trialwright.task import Task

LARGEST = 20_000
"""Bytes of instructions: some pages. What a prompt has room for is less."""


def read_instructions(fields: Fields, folder: Path) -> str | None:
    """Return the path as written, its file checked to be a text of a bearable size."""
    path, tree = fields.text("instructions"), fields.tree("instructions")
    if path is None or tree is None:
        return None
    fault = outside(path, folder)
    if fault is None:
        _, fault = _read(folder / path)
    if fault is not None:
        fields.fault(tree, f"instructions: {fault}")
    return path


def instructions(task: Task) -> str | None:
    """Return the text as it is now; '' where the task names none, None where it can't be read."""
    if task.instructions is None:
        return ""
    text, _ = _read(Path(task.folder) / task.instructions)
    return text


def _read(path: Path) -> tuple[str | None, str | None]:
    """The text of a file without white space at its ends, or why there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None, f"{path.name} is not in {path.parent}: write it, or leave the key out"
    except OSError as error:
        return None, f"{path.name} can't be read: {error.strerror}"
    if len(content) > LARGEST:
        return None, f"{path.name} has more than {LARGEST} bytes: say it in fewer words"
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").strip(), None
    except UnicodeDecodeError:
        return None, f"{path.name} is not UTF-8: save it as UTF-8 text"
