"""Edits as somebody outside states them: passages, whole files or a patch, made into `Edit`s.

Whether an edit may be made is not asked here: `Workshop.examined` says so, of everybody's alike.
What can't even be written down as an edit is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from trialwright.code.blocks import Block, apply_all
from trialwright.errors import EditError, RepositoryError, StudyError
from trialwright.process.repository import safe_path
from trialwright.records import Edit
from trialwright.research.workshop import LARGEST_FILE, LARGEST_PATCH, Workshop

MOST_FILES = 50
"""Files that one edit may give a new text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A change of code, stated in one of several ways."""

    blocks: tuple[Block, ...] = ()
    """Passages and what is to stand instead, one after the other."""
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Whole new texts by path; None removes the file."""
    patch: str = ""
    """As `git diff` writes it, against the code of the trial that is changed."""


def edit_of(sketch: Sketch, shop: Workshop, tree: str) -> Edit:
    """Return the edit of `tree` that a sketch means, for `Workshop.examined` to look into.

    Paths are relative to the study's folder, or to the top of the repository.

    Raises:
        StudyError: it can't be made out; nothing was written.
    """
    stated = {"edits": sketch.blocks, "files": sketch.files, "patch": sketch.patch}
    ways = [name for name, given in stated.items() if given]
    if len(ways) != 1:
        said = f"{' and '.join(ways)} were given" if ways else "nothing was given"
        raise StudyError(f"state the edit in one way, as edits, as files or as a patch: {said}")
    if sketch.patch:
        return Edit(patch=_patch(sketch.patch), tree="", files=())
    named = _texts(sketch, shop, tree)
    wrong = [*_unfit(named)]
    if wrong:
        raise StudyError("refused: " + "; ".join(wrong))
    try:
        edit = shop.edit(tree, named)
    except RepositoryError as error:
        raise StudyError(f"refused: the files can't be written: {error}") from None
    _patch(edit.patch)
    return edit


def _texts(sketch: Sketch, shop: Workshop, tree: str) -> dict[str, str | None]:
    """The new text of each file, by its path from the top of the repository."""
    if sketch.files:
        return {_within(path, shop, tree): text for path, text in sketch.files.items()}
    length = sum(
        len(one.search) + len(one.replace) + len(one.content or "") for one in sketch.blocks
    )
    if length > LARGEST_FILE:
        raise StudyError(f"refused: {length} characters of edits; {LARGEST_FILE} are allowed")
    blocks = [replace(one, file=_within(one.file, shop, tree)) for one in sketch.blocks]
    there = shop.files(tree)
    named = {one.file for one in blocks if one.file in there and there[one.file].regular}
    try:
        texts = {path: shop.content(tree, path).decode() for path in named}
        return {**apply_all({**shop.texts(tree), **texts}, blocks)}
    except EditError as error:
        raise StudyError(f"refused: {error}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"refused: a file to edit is no UTF-8 text: {error}") from None


def _unfit(files: Mapping[str, str | None]) -> Iterator[str]:
    """Say what must not even be written into git's store."""
    if len(files) > MOST_FILES:
        yield f"{len(files)} files; {MOST_FILES} are allowed in one edit"
        return
    for path, text in files.items():
        if not safe_path(path) or not _sound(path):
            yield f"{path!r} is no path within the repository"
        elif text is not None and not _sound(text):
            yield f"{path} would be no UTF-8 text"
        elif text is not None and len(text.encode()) > LARGEST_FILE:
            yield f"{path} would have {len(text.encode())} bytes; {LARGEST_FILE} are allowed"


def _patch(text: str) -> str:
    """A patch that a ledger can hold, its last line ended."""
    if not _sound(text):
        raise StudyError("refused: the patch is no UTF-8 text")
    if len(text) > LARGEST_PATCH:
        raise StudyError(
            f"refused: the patch has {len(text)} characters; {LARGEST_PATCH} are allowed"
        )
    return text if not text or text.endswith("\n") else f"{text}\n"


def _within(path: str, shop: Workshop, tree: str) -> str:
    """A path from the top of the repository."""
    prefix = shop.repository.prefix
    there = path in shop.files(tree) and prefix + path not in shop.files(tree)
    return path if there or path.startswith(prefix) else prefix + path


def _sound(text: str) -> bool:
    """Whether a text can be written down at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
