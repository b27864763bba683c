"""Edits as search and replace: text that stands once in a file, and what is to stand instead.

This is how models write edits best: no line numbers to get wrong. Nothing is guessed: text that
does not occur, or occurs twice, is an error that says where to look.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trialwright.errors import EditError

SHOWN = 3
"""Places that an error names."""

LONGEST = 160
"""Characters of a line that an error quotes."""

LOOKED = 20_000
"""Lines of a file that are searched for the nearest ones."""

SEARCHED = 100
"""Lines of a search that are held against them."""


@dataclass(frozen=True, slots=True)
class Block:
    """One change of one file."""

    file: str
    search: str = ""
    """Text that occurs exactly once; '' for a file that is new, or empty."""
    replace: str = ""
    content: str | None = None
    """The whole of the new text, instead of `search` and `replace`."""


def apply(text: str, search: str, replace: str) -> str:
    r"""Return `text` with its only `search` replaced; white space counts, line ends do not.

    Raises:
        EditError: it occurs not at all (`not_found`) or more than once (`ambiguous`).

    >>> apply("a = 1\nb = 2\n", "b = 2", "b = 3")
    'a = 1\nb = 3\n'
    """
    if not search:
        if text.strip():
            raise EditError(
                f"`search` is empty, and the file has {_lines(text)}: quote the lines to replace,"
                " or give the whole file as `content`",
                cause="not_found",
            )
        return replace
    if "\r\n" in text:
        search, replace = (one.replace("\r\n", "\n").replace("\n", "\r\n") for one in
                           (search, replace))  # fmt: skip
    places = list(_places(text, search))
    if not places:
        raise EditError(f"`search` does not occur in it: {_nearest(text, search)}",
                        cause="not_found")  # fmt: skip
    if len(places) > 1:
        numbers = [str(text.count("\n", 0, at) + 1) for at in places[:SHOWN]]
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        raise EditError(
            f"`search` occurs {len(places)} times in it, at lines {', '.join(numbers)}{more}:"
            " quote the lines before or behind it too, until it occurs once",
            cause="ambiguous",
        )
    at = places[0]
    return text[:at] + replace + text[at + len(search) :]


def apply_all(texts: Mapping[str, str], blocks: Sequence[Block]) -> dict[str, str]:
    r"""Return the new text of each file that `blocks` change, each block seeing those before it.

    `texts` are the files that are there.

    Raises:
        EditError: a block can't be applied; it says which.

    >>> apply_all({"a.py": "x = 1\n"}, [Block("a.py", "1", "2"), Block("b.py", "", "y = 1\n")])
    {'a.py': 'x = 2\n', 'b.py': 'y = 1\n'}
    """
    found: dict[str, str] = {}
    for number, block in enumerate(blocks, start=1):
        before = found.get(block.file, texts.get(block.file))
        try:
            found[block.file] = _changed(block, before, texts)
        except EditError as error:
            raise EditError(f"edit {number}, {block.file}: {error}", cause=error.cause) from None
    return found


def _changed(block: Block, before: str | None, texts: Mapping[str, str]) -> str:
    if block.content is not None:
        if block.search:
            raise EditError(
                "it has both `search` and `content`: give one of them", cause="ambiguous"
            )
        return block.content
    if before is None and block.search:
        there = ", ".join(sorted(texts)[: 2 * SHOWN]) or "none"
        raise EditError(
            f"there is no such file to search in (there are {there}): for a new one leave `search`"
            " empty",
            cause="not_found",
        )
    return apply(before or "", block.search, block.replace)


def _places(text: str, search: str) -> Iterator[int]:
    """Where `search` occurs, overlaps counted."""
    at = text.find(search)
    while at >= 0:
        yield at
        at = text.find(search, at + 1)


def _nearest(text: str, search: str) -> str:
    """Say which lines of a text are most like `search`, and where they first differ from it."""
    there, wanted = text.splitlines()[:LOOKED], search.splitlines()[:SEARCHED]
    if not any(line.strip() for line in wanted):
        return "it holds nothing but white space"
    at = _most_alike(there, wanted)
    if at is None:
        return "no line of the file is like it; it has to be quoted as it stands in the file"
    for offset, line in enumerate(wanted):
        found = there[at + offset] if at + offset < len(there) else None
        if found is None:
            return f"lines {at + 1} on are nearest, and the file ends with line {len(there)}"
        if not _fits(line, found, first=offset == 0, last=offset == len(wanted) - 1):
            space = ", which differs in white space alone" if _bare(found) == _bare(line) else ""
            return (
                f"line {at + offset + 1} is nearest{space}. There: {_quoted(found)}; in `search`:"
                f" {_quoted(line)}"
            )
    return f"lines {at + 1} to {at + len(wanted)} are nearest, and differ in how lines end"


def _fits(line: str, found: str, *, first: bool, last: bool) -> bool:
    """Whether a line of a search may stand in a line of the file: its ends may be parts."""
    if first == last:
        return found == line
    return found.endswith(line) if first else found.startswith(line)


def _most_alike(there: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where in `there` most lines are those of `wanted`, white space aside; None: nowhere."""
    bare, sought = [_bare(line) for line in there], [_bare(line) for line in wanted]
    votes: dict[int, int] = {}
    for offset, line in enumerate(sought):
        if line:
            for at, other in enumerate(bare):
                if other == line and at >= offset:
                    votes[at - offset] = votes.get(at - offset, 0) + 1
    if votes:
        return max(votes, key=lambda at: (votes[at], -at))
    longest = max(sought, key=len)
    close = difflib.get_close_matches(longest, list(dict.fromkeys(bare)), n=1)
    return max(bare.index(close[0]) - sought.index(longest), 0) if close else None


def _bare(line: str) -> str:
    """A line without white space."""
    return "".join(line.split())


def _quoted(line: str) -> str:
    short = line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."
    return json.dumps(short, ensure_ascii=False)


def _lines(text: str) -> str:
    count = len(text.splitlines())
    return f"{count} line" if count == 1 else f"{count} lines"
