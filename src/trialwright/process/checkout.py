"""A tree of a repository laid out for one run, without what is git's, and looked at afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trialwright.errors import RepositoryError
from trialwright.process.below import below, kind_of, remove
from trialwright.process.repository import LINK, Node, repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """Which tree a run works in, and where."""

    repository: Path
    """A folder of the repository."""
    tree: str
    into: Path
    """The folder that becomes the top of the tree."""
    frozen: tuple[str, ...] = ()
    """Files of the tree that the run must leave as they are."""
    links: tuple[str, ...] = ()
    """What the run needs of the user's checkout beside the tree, by its path from the top."""


def lay_out(checkout: Checkout) -> None:
    """Write the tree's files, with nothing left of an earlier run.

    Raises:
        OSError: they can't be written.
    """
    if checkout.into.exists():
        remove(checkout.into)
    store = repository(checkout.repository)
    try:
        store.export(checkout.tree, checkout.into)
    except RepositoryError as error:
        raise OSError(str(error)) from error
    lay_links(checkout)


def lay_links(checkout: Checkout) -> None:
    """Put the links of a checkout into a tree that is laid out."""
    root = repository(checkout.repository).root
    for path in checkout.links:
        place = checkout.into / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists() and not place.is_symlink():
            place.symlink_to(root / path)


def altered(checkout: Checkout) -> tuple[str, ...]:
    """Return the frozen files that are not as they were, are gone, or have a double.

    A double is what Python would load in a module's place: a folder or a library of its name.
    """
    store = repository(checkout.repository)
    there = store.files(checkout.tree)
    kinds = {path: there[path] for path in checkout.frozen if path in there}
    frozen = [path for path, node in kinds.items() if node.regular or node.mode == LINK]
    changed = [path for path in frozen if not _as_it_was(checkout, path, there[path])]
    return (*changed, *(path for path in _doubles(checkout.into, frozen) if path not in there))


def _doubles(into: Path, paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if not path.endswith(".py"):
            continue
        module = (into / path).with_suffix("")
        libraries = module.parent.glob(f"{module.name}.*so")
        for place in (module, module.with_suffix(".pyc"), *libraries):
            if place.exists() and not _came_with(place, into, paths):
                yield str(place.relative_to(into))


def _came_with(place: Path, into: Path, paths: Sequence[str]) -> bool:
    """Say whether a folder holds something of the tree."""
    return any(path.startswith(f"{place.relative_to(into)}/") for path in paths)


def clear(into: Path, paths: Sequence[str]) -> None:
    """Remove the files of a tree from where a run worked; what the run made stays."""
    if not into.is_dir():
        return
    for path in paths:
        place = into / path
        # What a link leads to is not the run's.
        if _within(place.parent, into) and (place.is_symlink() or place.is_file()):
            place.unlink(missing_ok=True)
    folders: list[str | Path] = [entry.path for entry in below(into) if kind_of(entry) == "folder"]
    for folder in [*reversed(folders), into]:
        # One that holds what the run made stays.
        with suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106  # a text for most of them


def _as_it_was(checkout: Checkout, path: str, node: Node) -> bool:
    place, store = checkout.into / path, repository(checkout.repository)
    if not _within(place.parent, checkout.into):
        return False
    if node.regular:
        return store.holds(place, node.blob)
    return place.is_symlink() and os.fsencode(place.readlink()) == store.content(node.blob)


def _within(folder: Path, top: Path) -> bool:
    """Say whether no folder on the way from `top` to `folder` was replaced by a link."""
    return folder.resolve() == top.resolve() / folder.relative_to(top)
