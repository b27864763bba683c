"""Pages of a notebook, which are Markdown, as HTML that holds text and its layout alone.

What is HTML in them stays text, links and pictures do too: agents' words are in these pages.
"""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

LIFT = 2
"""Levels by which headings go down: the page around them has its own."""


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    return reader.disable(["link", "image", "autolink", "reference", "html_block", "html_inline"])


def rendered(text: str) -> Markup:
    """Return a page as HTML.

    >>> print(rendered("<b>[x](javascript:y)</b>").strip())
    <p>&lt;b&gt;[x](javascript:y)&lt;/b&gt;</p>
    """
    reader = _reader()
    tokens = reader.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + LIFT, 6)}"
    html: str = reader.renderer.render(tokens, reader.options, {})
    return Markup(_scrolling(html))  # noqa: S704  # the renderer has escaped all text


def _scrolling(html: str) -> str:
    """Let wide tables scroll by themselves, for keyboards too."""
    opened = '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>'
    return html.replace("<table>", opened).replace("</table>", "</table></div>")
