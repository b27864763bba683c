"""Reads Markdown documents as tests need them: fenced blocks, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?%?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what stands behind the language, its text, its place."""

    language: str
    note: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the output that the document shows."""

    words: str
    status: int
    shown: tuple[str, ...]


def documents() -> list[Path]:
    """The documents whose blocks are executed."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a document, in order."""
    for found in _FENCE.finditer(text):
        language, _, note = found[1].strip().partition(" ")
        yield Block(language, note.strip(), found[2], text.count("\n", 0, found.start()) + 1)


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block: lines behind `$`, and what stands below each.

    `# exits with 2` behind a command states its exit status, which else is 0.
    """
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, *shown = part.splitlines()
        words, _, remark = line.partition("  # ")
        status = re.search(r"exits with (\d+)", remark)
        yield Command(words.strip(), int(status[1]) if status else 0, tuple(shown))


def fragments(shown: tuple[str, ...]) -> list[str]:
    """The parts of shown output that a real run must print again: no numbers, no ellipses."""
    pieces = [piece for line in shown for piece in re.split(r"\.\.\.|…", line)]
    return [bare for piece in pieces if len(bare := skeleton(piece)) > 2]


def skeleton(text: str) -> str:
    """Text with each number replaced by `#`, and rules, boxes and runs of blanks levelled."""
    text = re.sub(r"[─━│┃╭╮╰╯┌┐└┘├┤┬┴┼╇┡┩┏┓╷╵╴╶]+", " ", text)
    return re.sub(r"\s+", " ", _NUMBER.sub("#", text)).strip()


def headings(text: str) -> set[str]:
    """The anchors that a Markdown viewer gives the headings."""
    bare = _FENCE.sub("", text)
    titles = re.findall(r"^#+ (.+)$", bare, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links(text: str) -> list[str]:
    """The targets of the relative links."""
    found = re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", text))
    return [target for target in found if not re.match(r"[a-z]+:", target)]
