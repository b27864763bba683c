"""The tree of trials as a picture: one SVG that needs nothing else.

Each trial is a circle with its number, coloured by the rank of its robust objective, and the step
that led to it stands at its edge. A small tree has all steps in words; it grows to the right, or
down where it is deeper than wide. A large one has them at trials without children, and on the way
to the best; the others are in the tips that a browser shows.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trialwright.analysis.ucb import children
from trialwright.history import History
from trialwright.report import drawing, words
from trialwright.report.rows import chosen
from trialwright.report.tree import Branch, Grown, reading

SMALL = 60
"""Trials up to which every edge has its words."""
WIDE = 1000
"""Pixels from which on a small tree that is deeper than wide grows down."""
MOST = 600
"""Trials that are drawn: the best, the latest, what failed, and all that lead to them."""
RAMP = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Viridis, from the worst to the best: it grows lighter, so it can be read without colours."""
HEAD = 84
"""Height of what stands above the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Measures of a drawing, in pixels."""

    column: float
    row: float
    radius: float
    font: float
    words: bool
    """Whether the words of a step stand on every edge."""
    tail: float
    """Room to the right of the last column."""
    down: bool = False
    """Whether the tree grows down, one column per tip; else to the right, one row per tip."""


@dataclass(frozen=True, slots=True)
class _Place:
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pen:
    """How an outline is drawn."""

    stroke: str
    width: float
    fill: str = "#ffffff"
    dash: str = ""


_BEST = _Pen(stroke=drawing.ORANGE, width=3.2, fill=RAMP[-1])
_NEXT = _Pen(stroke=drawing.BLUE, width=1.6, fill="none", dash="3 2")
_OPEN = _Pen(stroke=drawing.GREY, width=1.4, dash="2 2")


def svg(history: History, tree: Grown) -> str:
    """Draw the tree. All text from outside is escaped."""
    shown = _shown(history, tree)
    look = _look_of(shown)
    places = _laid_out(shown, look)
    inner = {branch.parent for branch in shown}
    width = max((p.x for p in places.values()), default=0.0) + look.tail
    width = max(width, 620.0)
    way = _way(tree, width=width)
    top = HEAD + 15.0 * len(way)
    height = top + max((p.y for p in places.values()), default=0.0) + look.row
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img" font-family="system-ui, -apple-system,'
        ' Segoe UI, Roboto, DejaVu Sans, sans-serif">',
        f"<title>{_safe(reading(tree))}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *_head(history, tree, omitted=len(tree.branches) - len(shown)),
        *(
            f'<text x="14" y="{HEAD + 15 * i:.0f}" font-size="11" fill="{drawing.INK}">'
            f"{_safe(text)}</text>"
            for i, text in enumerate(way)
        ),
        f'<g transform="translate(0 {top:.0f})">',
        *(_edge(branch, places, look, bold=branch.number in tree.way) for branch in shown),
        *(_node(branch, places[branch.number], look, tree) for branch in shown),
        *(_words(branch, places, look, tip=branch.number not in inner) for branch in shown),
        "</g></svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _shown(history: History, tree: Grown) -> list[Branch]:
    """The trials to draw, by number: of many, those that tell most, with all above them."""
    wanted = {trial.number for trial in chosen(history, most=MOST)} | set(tree.way)
    for number in sorted(wanted, reverse=True):
        parent = tree.branches[number].parent
        while parent is not None and parent not in wanted:
            wanted.add(parent)
            parent = tree.branches[parent].parent
    return [branch for branch in tree.branches if branch.number in wanted]


def _look_of(shown: Sequence[Branch]) -> _Look:
    if len(shown) > SMALL:
        return _Look(column=34, row=15, radius=7, font=7, words=False, tail=250)
    longest = max((len(line) for b in shown for line in _step(b)), default=0)
    column = min(max(6.2 * longest + 54, 96), 210)
    depth, tips = _extent(shown)
    if depth * column > WIDE and tips < depth:
        return _Look(
            column=column, row=66, radius=13, font=10.5, words=True, tail=column, down=True
        )
    return _Look(column=column, row=44, radius=13, font=10.5, words=True, tail=90)


def _extent(shown: Sequence[Branch]) -> tuple[int, int]:
    """How many trials stand above each other at most, and how many have nothing below them."""
    depths: dict[int | None, int] = {None: 0}
    for branch in shown:
        depths[branch.number] = depths[branch.parent] + 1
    return max(depths.values()), len(shown) - len({b.parent for b in shown} - {None})


def _laid_out(shown: Sequence[Branch], look: _Look) -> dict[int, _Place]:
    """Give every tip a row of its own, in order, and put parents in the middle of their children.

    Without recursion: a tree may be as deep as a study is long.
    """
    below = _below(shown)
    rows: dict[int, float] = {}
    depths: dict[int, int] = {}
    tips = 0
    waiting = [(number, 0, False) for number in reversed(below.get(None, []))]
    while waiting:
        number, depth, done = waiting.pop()
        own = below.get(number, [])
        if done:
            rows[number] = (rows[own[0]] + rows[own[-1]]) / 2
            continue
        depths[number] = depth
        if own:
            waiting.append((number, depth, True))
            waiting += [(child, depth + 1, False) for child in reversed(own)]
        else:
            rows[number] = float(tips)
            tips += 1
    left = 24 + look.radius
    if look.down:
        return {
            number: _Place(left + look.column * row, look.row * (0.4 + depths[number]))
            for number, row in rows.items()
        }
    return {
        number: _Place(left + look.column * depths[number], look.row * (0.9 + row))
        for number, row in rows.items()
    }


def _below(shown: Sequence[Branch]) -> dict[int | None, list[int]]:
    """The children of each trial that is drawn."""
    numbers = [branch.number for branch in shown]
    position = {number: index for index, number in enumerate(numbers)}
    parents = [None if b.parent is None else position[b.parent] for b in shown]
    return {
        None if parent is None else numbers[parent]: [numbers[child] for child in own]
        for parent, own in children(parents).items()
    }


def _head(history: History, tree: Grown, *, omitted: int) -> list[str]:
    """The title, the scale of colours, and what the marks mean."""
    metric = history.task.objective.metric
    title = f"{words.count(len(tree.branches), 'trial')}, coloured by the rank of {metric}"
    title += f" ({omitted} not drawn)" if omitted else ""
    values = sorted(
        (b.value for b in tree.branches if b.value is not None),
        reverse=history.task.objective.sign < 0,
    )
    ticks = [values[0], values[len(values) // 2], values[-1]] if values else []
    stops = "".join(
        f'<stop offset="{i / (len(RAMP) - 1):.2f}" stop-color="{colour}"/>'
        for i, colour in enumerate(RAMP)
    )
    scale = [
        f'<text x="{14 + 90 * i}" y="58" font-size="10" text-anchor="{anchor}"'
        f' fill="{drawing.INK}">{words.number(value)}</text>'
        for i, (value, anchor) in enumerate(zip(ticks, ("start", "middle", "end"), strict=False))
    ]
    marks = [
        (220, _circle(_Place(226, 40), 6, _BEST), "best, and the way to it"),
        (380, _circle(_Place(386, 40), 8, _NEXT), "highest score"),
        (480, _square(_Place(486, 40), 6), "failed"),
        (540, _circle(_Place(546, 40), 6, _OPEN), "no result"),
    ]
    return [
        f'<text x="14" y="20" font-size="13" font-weight="600" fill="{drawing.INK}">'
        f"{_safe(title)}</text>",
        f'<defs><linearGradient id="tree-scale">{stops}</linearGradient></defs>',
        '<rect x="14" y="34" width="180" height="11" fill="url(#tree-scale)"/>' if ticks else "",
        *scale,
        *(
            f'{mark}<text x="{x + 18}" y="44" font-size="11" fill="{drawing.INK}">{text}</text>'
            for x, mark, text in marks
        ),
    ]


def _way(tree: Grown, *, width: float) -> list[str]:
    """The steps to the best, in lines that fit; the last ones where there are many."""
    if len(tree.way) < 2:
        return []
    steps = [f"{n}: {words.line(tree.branches[n].step, most=60)}" for n in tree.way[1:]]
    if len(steps) > 12:
        steps = [f"… {len(steps) - 12} earlier steps", *steps[-12:]]
    most = int((width - 28) / 5.9)
    lines = ["Way to the best"]
    for step in steps:
        joined = f"{lines[-1]}  →  {step}"
        if len(joined) > most:
            lines.append(f"    →  {step}")
        else:
            lines[-1] = joined
    return lines


def _edge(branch: Branch, places: dict[int, _Place], look: _Look, *, bold: bool) -> str:
    if branch.parent is None:
        return ""
    start, end = places[branch.parent], places[branch.number]
    colour, stroke = (drawing.ORANGE, 2.6) if bold else ("#b0b0b0", 1.1)
    way = f"H{start.x + look.radius + 7:.1f}V{end.y:.1f}H{end.x:.1f}"
    if look.down:
        way = f"V{start.y + look.radius + 7:.1f}H{end.x:.1f}V{end.y:.1f}"
    return (
        f'<path d="M{start.x:.1f} {start.y:.1f}{way}" fill="none" stroke="{colour}"'
        f' stroke-width="{stroke}"/>'
    )


def _node(branch: Branch, place: _Place, look: _Look, tree: Grown) -> str:
    ink = drawing.INK
    if branch.state in ("failed", "infeasible"):
        shape, ink = _square(place, look.radius), drawing.VERMILION
    elif branch.reward is None or branch.state == "pruned":
        shape = _circle(place, look.radius, _OPEN)
    else:
        pen = _BEST if branch.number == tree.best else _Pen(stroke="#333333", width=0.8)
        shape = _circle(place, look.radius, replace(pen, fill=_colour(branch.reward)))
        ink = "#ffffff" if branch.reward < 0.6 else drawing.INK
    if branch.number == tree.following:
        shape += _circle(place, look.radius + 3, _NEXT)
    font = look.font * (1.0 if branch.number < 1000 else 0.75)
    return (
        f"<g><title>{_safe(_tip(branch))}</title>{shape}"
        f'<text x="{place.x:.1f}" y="{place.y + 0.36 * font:.1f}" font-size="{font:g}"'
        f' text-anchor="middle" fill="{ink}">{branch.number}</text></g>'
    )


def _words(branch: Branch, places: dict[int, _Place], look: _Look, *, tip: bool) -> str:
    """What stands beside a trial: its value, and the step that led to it."""
    place = places[branch.number]
    result = words.number(branch.value) if branch.value is not None else branch.state
    if not look.words:
        if not tip:
            return ""
        text = f"{_short(words.line(branch.step), 36)} · {result}"
        return _text(place.x + look.radius + 4, place.y + 3, text, size=9)
    name, values = _step(branch)
    if look.down:
        x = place.x + 6
        return (
            _text(place.x + look.radius + 5, place.y + 4, result, size=9.5)
            + _text(x, place.y - look.radius - 18, name, size=10)
            + _text(x, place.y - look.radius - 5, values, size=10, colour="#555555")
        )
    below = _text(place.x, place.y + look.radius + 11, result, size=9.5, anchor="middle")
    if branch.parent is None:
        return below
    x = places[branch.parent].x + look.radius + 11
    return (
        below
        + _text(x, place.y - 4, name, size=10)
        + _text(x, place.y + 11, values, size=10, colour="#555555")
    )


def _step(branch: Branch) -> tuple[str, str]:
    """What was changed, in two short lines: the parameter, and its values."""
    if not branch.changed:
        return "", ""
    first, more = branch.changed[0], len(branch.changed) - 1
    after = first.after if first.after is not None else "dropped"
    values = f"{first.before} → {after}" if first.before is not None else f"= {after}"
    name = _short(first.parameter, 24 if not more else 20) + (f" + {more}" if more else "")
    return name, _short(values, 26)


def _tip(branch: Branch) -> str:
    result = words.number(branch.value) if branch.value is not None else branch.state
    score = "" if branch.score is None else f", score {branch.score:.3f}"
    above = "" if branch.parent is None else f" from trial {branch.parent}: {branch.step}"
    return f"trial {branch.number} ({branch.by}): {result}{score}{above}"


def _colour(reward: float) -> str:
    """The colour of a reward in [0, 1], between the stops of the ramp."""
    at = min(max(reward, 0.0), 1.0) * (len(RAMP) - 1)
    index = min(int(at), len(RAMP) - 2)
    ends = [[int(RAMP[index + side][i : i + 2], 16) for i in (1, 3, 5)] for side in (0, 1)]
    mixed = [round(a + (at - index) * (b - a)) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _circle(place: _Place, radius: float, pen: _Pen) -> str:
    dashed = f' stroke-dasharray="{pen.dash}"' if pen.dash else ""
    return (
        f'<circle cx="{place.x:.1f}" cy="{place.y:.1f}" r="{radius:g}" fill="{pen.fill}"'
        f' stroke="{pen.stroke}" stroke-width="{pen.width:g}"{dashed}/>'
    )


def _square(place: _Place, radius: float) -> str:
    side = 1.8 * radius
    return (
        f'<rect x="{place.x - side / 2:.1f}" y="{place.y - side / 2:.1f}" width="{side:.1f}"'
        f' height="{side:.1f}" fill="#ffffff" stroke="{drawing.VERMILION}" stroke-width="1.6"/>'
    )


def _text(
    x: float, y: float, text: str, *, size: float, anchor: str = "start", colour: str = drawing.INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"'
        f' fill="{colour}">{_safe(text)}</text>'
    )


def _short(text: str, most: int) -> str:
    return words.plain(text, most=most)


def _safe(text: str) -> str:
    return html.escape(words.line(text), quote=True)
