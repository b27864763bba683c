"""`analysis.md`: the running synthesis, for somebody who knows nothing of the study.

What stands in it was computed; a model's words stand only where they are said to be a model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from trialwright.analysis import memory
from trialwright.analysis.beliefs import Belief
from trialwright.analysis.steps import Trend
from trialwright.history import History
from trialwright.records import Block
from trialwright.report import dependence, seeds, words
from trialwright.report.final import BestTrial, FinalAnalysis, final_analysis
from trialwright.report.notebook import episodes, opening, origins, standings, surprises
from trialwright.report.notebook.glossary import glossary
from trialwright.report.notebook.inbox import came
from trialwright.report.notebook.recall import LEGEND

TOLD = 6
"""Blocks, the latest, that are told in full; the others have a row of the table."""

CLAIMS = 30
"""Claims of a list."""

IN_SHORT = 3
"""Principles that the summary names."""

_SPECIAL = re.compile(r"([\\`*\[\]<|])")


def synthesis(history: History) -> str:
    """Return the file at any stage of a study."""
    analysis = final_analysis(history)
    held, seen = memory.remembered(history)
    parts = [
        _title(history),
        _short(history, analysis, held),
        _standings(history),
        _origins(history, analysis),
        _questions(history, analysis, held),
        _experiments(history),
        _findings(history, analysis, held, seen),
        _list("Surprises", surprises.sentences(history, held), "Nothing came otherwise so far."),
        _next(analysis),
        _wishes(history),
        _words(history),
        _list("What the words mean", [f"{word}: {what}." for word, what in glossary(history)], ""),
    ]
    return "\n".join(line for part in parts for line in (*part, "") if part).rstrip("\n") + "\n"


def text(said: str) -> str:
    r"""Return text from outside on one line, so that it formats nothing.

    >>> text("a*b* <script> val_f1")
    'a\\*b\\* \\<script> val_f1'
    """
    return _SPECIAL.sub(r"\\\1", words.line(said))


def _title(history: History) -> list[str]:
    task, blocks = history.task, history.blocks
    when = f" Written after block {blocks[-1].number}." if blocks else ""
    about = text(opening.described(task))
    return [
        f"# {text(task.name)}: what has been learnt",
        "",
        *([about, ""] if about else []),
        f"- **Goal:** {task.objective.direction} {text(task.objective.metric)}",
        f"- **What decides:** {text(opening.decides(history))}",
        f"- **Where it stands:** {text(opening.stage(history))}{when}",
        "",
        "Every number is computed from the record. What each decision rested on is in"
        " `reasoning.log`, the short form is `memory.md`, and the words are explained at the end.",
    ]


def _short(history: History, analysis: FinalAnalysis, held: Sequence[Belief]) -> list[str]:
    lines = ["## In short", "", text(analysis.headline), ""]
    if analysis.best is not None:
        lines.append(f"- **Settings:** {text(_settings(analysis.best))}")
    if analysis.gain is not None:
        lines.append(f"- **How sure that is:** The score is {text(analysis.gain.sentence)}")
        if said := opening.rivalry(history):
            lines.append(f"- **And against the next best:** {text(said)}")
    lines += [f"- **What it costs:** {text(said)}" for said in standings.costs(history)]
    fresh = " ".join(seeds.announced(history))
    lines += [f"- **The winner, on fresh seeds:** {text(fresh)}"] if fresh else []
    sure = [belief for belief in held if belief.level in ("established", "supported")]
    lines += [f"- **What holds:** {_claim(belief)}" for belief in sure[:IN_SHORT]]
    telling = _telling(analysis)
    if telling:
        doubt = origins.cautions(history, telling)
        but = " (but see what the gain came from)" if doubt else ""
        lines.append(f"- **What goes along with the results:** {text(words.listed(telling))}{but}")
    lines += [f"- **What fails:** {text(group.sentence)}" for group in analysis.failures[:2]]
    lines += [f"- **Next:** {text(one.sentence)}" for one in analysis.advice[:1]]
    lines += [f"- **Beware:** {text(warning)}" for warning in analysis.warnings[-3:]]
    return lines


def _settings(best: BestTrial) -> str:
    """The best configuration, once: what differs from the first trial, then what does not."""
    changed = {change.parameter: change.before for change in best.from_first}
    now = {name: f"{name} = {words.value(best.configuration[name])}" for name in best.configuration}
    moved = [
        f"{said} ({f'was {changed[name]}' if changed[name] is not None else 'new'})"
        for name, said in now.items()
        if name in changed
    ]
    same = [said for name, said in now.items() if name not in changed]
    if not moved:
        return ", ".join(same)
    lead = f"changed from trial {best.first}: {', '.join(moved)}"
    return f"{lead}; the same as in trial {best.first}: {', '.join(same)}" if same else lead


def _telling(analysis: FinalAnalysis) -> list[str]:
    return [one.parameter for one in analysis.influences if one.told]


def _standings(history: History) -> list[str]:
    if history.best() is None:
        return []
    heads, rows = standings.table(history)
    noted = [f"- {text(sentence)}" for sentence in standings.sentences(history)]
    lines = ["## The best trials", "", *_table(heads, rows), "", standings.note(history)]
    return [*lines, "", *noted] if noted else lines


def _origins(history: History, analysis: FinalAnalysis) -> list[str]:
    rows, telling = origins.rows(history), _telling(analysis)
    if not rows:
        return []
    lines = ["## What the gain came from", ""]
    lines += [f"- {text(sentence)}" for sentence in origins.told(history, telling)]
    lines += ["", *_table(origins.HEADINGS, rows)]
    if few := origins.pairs(history):
        lines += [
            "",
            "Pairs of trials that differ in few parameters tell more of each of them:",
            "",
        ]
        lines += [f"- {text(pair)}" for pair in few]
    said, commands = origins.missing(history, telling)
    if commands:
        lines += ["", text(said), "", *(f"- `{command}`" for command in commands)]
    return lines


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return [*lines, *(f"| {' | '.join(map(text, row))} |" for row in rows)]


def _questions(history: History, analysis: FinalAnalysis, held: Sequence[Belief]) -> list[str]:
    asked = [*map(text, origins.questions(history, _telling(analysis))), *_asked(analysis, held)]
    return _list("Questions", asked, "None is open.", escaped=True)


def _asked(analysis: FinalAnalysis, held: Sequence[Belief]) -> Iterator[str]:
    gain, best = analysis.gain, analysis.best
    if gain is not None and best is not None and not gain.confirmed:
        yield f"Is trial {best.number} really better than trial {gain.first}? {text(gain.sentence)}"
    still = [one.parameter for one in analysis.influences if not one.varied]
    if still:
        yield f"What would {text(words.listed(still, most=9))} do? Never varied so far."
    unsettled = ("tentative", "undecided", "open")
    open_ = [one for one in held if one.level in unsettled and not one.single]
    for belief in open_[:CLAIMS]:
        yield _claim(belief)


def _experiments(history: History) -> list[str]:
    if not history.blocks:
        none = (
            "No block of trials has ended yet."
            if history.task.block is not None and not opening.over(history)
            else "This study is not divided into blocks (its study file sets no `block:`)."
        )
        return ["## Experiments", "", none]
    rows = [episodes.row(history, block) for block in history.blocks]
    lines = ["## Experiments", "", *_table(episodes.HEADINGS, rows)]
    for block in history.blocks[: -TOLD - 1 : -1]:
        lines += ["", *_episode(history, block)]
    return lines


def _episode(history: History, block: Block) -> Iterator[str]:
    yield f"### Block {block.number}: trials {block.first} to {block.last}"
    yield ""
    yield " ".join(map(text, episodes.facts(history, block)))
    summary = history.summaries.get(block.number)
    if summary is not None:
        yield ""
        for paragraph in summary.text.splitlines():
            yield f"> {text(paragraph)}".rstrip()
        yield ">"
        yield f"> *{text(summary.by)}, {words.held(summary)[:1].lower()}{words.held(summary)[1:]}*"


def _findings(
    history: History, analysis: FinalAnalysis, held: Sequence[Belief], seen: Sequence[Trend]
) -> list[str]:
    sure = [belief for belief in held if belief.level in ("established", "supported")]
    refuted = [one for one in held if one.level == "contradicted" and not one.single]
    sections = {
        "What matters": _influences(analysis),
        "What is held to be true": [*map(_claim, sure[:CLAIMS]), LEGEND] if sure else [],
        "What turned out false": [_claim(belief) for belief in refuted[:CLAIMS]],
        "What single steps showed": [_trend(trend) for trend in seen[:CLAIMS]],
        "What depends on the seed": _seeds(history),
        "What fails": [
            text(f"{group.sentence} {group.remedy}".strip()) for group in analysis.failures
        ],
        "How well results were foretold": [
            text(f"{analysis.calibration.sentence} {analysis.calibration.width}")
        ]
        if analysis.calibration
        else [],
    }
    lines = ["## Findings"]
    for title, items in sections.items():
        if items:
            lines += ["", f"### {title}", "", *(f"- {item}" for item in items)]
    return lines if len(lines) > 1 else [*lines, "", "None yet."]


def _influences(analysis: FinalAnalysis) -> list[str]:
    """What can be told of parameters, each on its own; all that can't, in one line."""
    told = [one for one in analysis.influences if one.told]
    little = [one for one in analysis.influences if one.varied and one.little]
    open_ = [
        one.parameter
        for one in analysis.influences
        if one.varied and not one.told and one not in little
    ]
    lines = [f"{text(one.parameter)}: {text(one.sentence)}" for one in told]
    if little:
        most = max(one.high for one in little)
        listed = words.listed([one.parameter for one in little], most=len(little))
        lines.append(f"Hardly matters (at most {most:.0%} of the variation each): {text(listed)}.")
    if open_:
        listed = words.listed(open_, most=len(open_))
        lines.append(f"Can't be told from chance with these trials: {text(listed)}.")
    return lines


def _seeds(history: History) -> list[str]:
    found = dependence.section(history)
    return [text(sentence) for sentence in found.sentences] if found else []


def _next(analysis: FinalAnalysis) -> list[str]:
    items = []
    for advice in analysis.advice:
        command = f" `{advice.command}`" if advice.command else ""
        items.append(f"{text(advice.sentence)}{command}")
    return _list("Next", items, "Nothing is advised so far.", escaped=True)


def _wishes(history: History) -> list[str]:
    if not history.wishes:
        return []
    items = [f"{text(wish.text)} ({text(came(wish, history))})" for wish in history.wishes[::-1]]
    return _list("Wishes", items, "", escaped=True)


def _words(history: History) -> list[str]:
    """What a model wrote about the whole study, if one did."""
    written = history.analysis
    if written is None:
        return []
    lines = [f"## In {text(written.by)}'s words", ""]
    lines += [text(line) for line in written.text.splitlines()]
    return [*lines, "", f"*{words.held(written)}*"]


def _claim(belief: Belief) -> str:
    return text(memory.line(belief).removeprefix("- "))


def _trend(trend: Trend) -> str:
    return text(memory.trend(trend).removeprefix("- "))


def _list(title: str, items: Sequence[str], empty: str, *, escaped: bool = False) -> list[str]:
    shown = [f"- {item if escaped else text(item)}" for item in items]
    return [f"## {title}", "", *(shown or [empty])]
