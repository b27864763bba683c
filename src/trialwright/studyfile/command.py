"""The `command` of a study file, and the files that it names.

Nothing is run. A path outside the folder of the study file is refused, so that a study can be
copied, its code versions are complete, and a file from elsewhere can't reach beyond itself.
"""

from __future__ import annotations

import difflib
import re
import shlex
import shutil
from pathlib import Path

from trialwright.studyfile.fields import Fields
from trialwright.studyfile.tree import Place, Tree
from trialwright.task import placeholders

_OPERATORS = re.compile(r"\|\|?|&&?|;|\d?>>?(?:&\d)?|<<?<?")
_SCRIPT = re.compile(r"[^{}]+\.(py|sh|R|r|jl|pl|rb|lua|js)")


def read_command(fields: Fields, folder: Path) -> tuple[str, ...]:
    """Return the argument list, its program and script checked to be there."""
    tree = fields.tree("command")
    if tree is None:
        fields.fault(
            fields.keys.get("command", fields.place),
            'command is missing; add, e.g., command: [python, train.py, --config, "{config}"]',
        )
        return ()
    parts = _words(tree, fields) if isinstance(tree.value, str) else _arguments(tree, fields)
    if parts:
        _check_program(parts[0], folder, fields)
        for place, part in parts[1:]:
            _check_script(place, part, folder, fields)
    return tuple(part for _, part in parts)


def read_base(fields: Fields, folder: Path) -> str | None:
    """Return the base configuration file's path as written, checked to be there."""
    base = fields.text("base")
    tree = fields.tree("base")
    if base is None or tree is None:
        return None
    fault = outside(base, folder)
    if fault:
        fields.fault(tree, f"base: {fault}")
    elif Path(base).suffix not in (".yaml", ".yml", ".json"):
        fields.fault(tree, f"base: {base} must end in .yaml, .yml or .json")
    elif not (folder / base).is_file():
        fields.fault(tree, f"base: {base} is not in {folder}{_near(base, folder)}")
    return base


def outside(path: str, folder: Path) -> str | None:
    """Say why a path is not within `folder`, links followed; None if it is."""
    try:
        target = (folder / path).resolve()
    except (OSError, RuntimeError, ValueError):
        return f"{path!r} is not a path"
    if Path(path).is_absolute() or not target.is_relative_to(folder.resolve()):
        return (
            f"{path} lies outside the study's folder {folder}: put it in there, or move the study"
            " file up"
        )
    return None


def _arguments(tree: Tree, fields: Fields) -> list[tuple[Place, str]]:
    parts = []
    for item in fields.items("command"):
        if isinstance(item.value, str) or (item.text and not isinstance(item.value, tuple)):
            parts.append((item.place, item.text))
        else:
            fields.fault(
                item,
                f"command must hold texts, not {item.shown}: put the argument in quotes, such as"
                ' "{config}"',
            )
    if not parts and isinstance(tree.value, tuple) and not tree.value:
        fields.fault(tree, "command is empty; write, e.g., [python, train.py]")
    for place, part in parts:
        if _OPERATORS.fullmatch(part):
            _no_shell(place, part, fields)
        if "\0" in part:
            fields.fault(place, "an argument can't hold a NUL character: remove it")
    return parts


def _words(tree: Tree, fields: Fields) -> list[tuple[Place, str]]:
    """Split one line as a shell would, without being one."""
    assert isinstance(tree.value, str)
    lexer = shlex.shlex(tree.value, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as error:
        fields.fault(tree, f"command can't be split ({error}): write a list instead")
        return []
    operator = next((word for word in words if _OPERATORS.fullmatch(word)), None)
    if operator:
        _no_shell(tree.place, operator, fields)
    if not words:
        fields.fault(tree, "command is empty; write, e.g., [python, train.py]")
    return [(tree.place, word) for word in words]


def _no_shell(place: Place, operator: str, fields: Fields) -> None:
    fields.fault(
        place,
        f"command has the shell's {operator}, but runs without a shell: put the commands into a"
        " script, and call that",
    )


def _check_program(program: tuple[Place, str], folder: Path, fields: Fields) -> None:
    place, name = program
    if placeholders(name):
        fields.fault(place, f"command: the program {name} can't be a parameter")
        return
    if "/" not in name:
        if shutil.which(name) is None:
            also = ["python3"] if name == "python" and shutil.which("python3") else []
            near = f"; did you mean {also[0]}?" if also else ": install it, or give its path"
            fields.fault(place, f"command: the program {name} is not found on PATH{near}")
        return
    if not Path(name).is_absolute() and (fault := outside(name, folder)):
        fields.fault(place, f"command: {fault}")
        return
    if shutil.which(folder / name) is None:
        there = (folder / name).is_file()
        remedy = f": make it executable (chmod +x {name})" if there else _near(name, folder)
        what = "is not executable" if there else "is not there"
        fields.fault(place, f"command: the program {name} {what}{remedy}")


def _check_script(place: Place, part: str, folder: Path, fields: Fields) -> None:
    if part.startswith("-") or not _SCRIPT.fullmatch(part):
        return
    fault = outside(part, folder)
    if fault:
        fields.fault(place, f"command: {fault}")
    elif not (folder / part).is_file():
        fields.fault(place, f"command: {part} is not in {folder}{_near(part, folder)}")


def _near(path: str, folder: Path) -> str:
    """The file most like `path`, as a question."""
    parent = (folder / path).parent
    try:
        there = [entry.name for entry in parent.iterdir() if entry.is_file()]
    except OSError:
        return ": no such folder"
    near = difflib.get_close_matches(Path(path).name, there, n=1, cutoff=0.5)
    if not near:
        return ": check the path"
    return f"; did you mean {Path(path).with_name(near[0])}?"
