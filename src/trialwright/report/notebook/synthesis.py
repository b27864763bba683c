"""`analysis.md`: the running synthesis, for somebody who knows nothing of the study.

What stands in it was computed; a model's words stand only where they are said to be a model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from trialwright.analysis import memory
from trialwright.analysis.beliefs import Belief
from trialwright.analysis.steps import Trend
from trialwright.history import History
from trialwright.records import Block
from trialwright.report import dependence, seeds, words
from trialwright.report.final import FinalAnalysis, final_analysis
from trialwright.report.notebook import episodes, surprises
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
        _questions(analysis, held),
        _experiments(history),
        _findings(history, analysis, held, seen),
        _list("Surprises", surprises.sentences(history, held), "Nothing came otherwise so far."),
        _next(analysis),
        _wishes(history),
        _words(history),
    ]
    return "\n".join(line for part in parts for line in (*part, "")).rstrip("\n") + "\n"


def text(said: str) -> str:
    r"""Return text from outside on one line, so that it formats nothing.

    >>> text("a*b* <script> val_f1")
    'a\\*b\\* \\<script> val_f1'
    """
    return _SPECIAL.sub(r"\\\1", words.line(said))


def _title(history: History) -> list[str]:
    task, blocks = history.task, history.blocks
    trials = words.count(len(history.trials), "trial")
    when = f" after block {blocks[-1].number}" if blocks else ""
    about = [text(line) for line in task.description.splitlines() if line.strip()][:5]
    return [
        f"# {text(task.name)}: what has been learnt",
        "",
        *([" ".join(about), ""] if about else []),
        f"Goal: {task.objective.direction} `{words.line(task.objective.metric)}`. Written{when},"
        f" {trials} into the study. Every number is computed from the record; what"
        " each decision rested on is in `reasoning.log`, the short form is `memory.md`.",
    ]


def _short(history: History, analysis: FinalAnalysis, held: Sequence[Belief]) -> list[str]:
    lines = ["## In short", "", text(analysis.headline)]
    best = analysis.best
    if best is not None:
        lines += ["", f"- **Settings:** {text(words.configuration(best.configuration))}"]
        if best.from_first:
            changes = words.listed(best.from_first, most=12)
            lines.append(f"- **Against the first trial ({best.first}):** {text(changes)}")
    if analysis.gain is not None:
        lines.append(f"- **How sure that is:** {text(analysis.gain.sentence)}")
    fresh = " ".join(seeds.announced(history))
    lines += [f"- **The winner, on fresh seeds:** {text(fresh)}"] if fresh else []
    sure = [belief for belief in held if belief.level in ("established", "supported")]
    lines += [f"- **What holds:** {_claim(belief)}" for belief in sure[:IN_SHORT]]
    telling = [one for one in analysis.influences if one.told]
    if telling:
        lines.append(f"- **What matters:** {text(words.listed([i.parameter for i in telling]))}")
    lines += [f"- **What fails:** {text(group.sentence)}" for group in analysis.failures[:2]]
    lines += [f"- **Next:** {text(one.sentence)}" for one in analysis.advice[:1]]
    lines += [f"- **Beware:** {text(warning)}" for warning in analysis.warnings[-3:]]
    return lines


def _questions(analysis: FinalAnalysis, held: Sequence[Belief]) -> list[str]:
    return _list("Questions", list(_asked(analysis, held)), "None is open.", escaped=True)


def _asked(analysis: FinalAnalysis, held: Sequence[Belief]) -> Iterator[str]:
    gain, best = analysis.gain, analysis.best
    if gain is not None and best is not None and not gain.confirmed:
        yield f"Is trial {best.number} really better than trial {gain.first}? {text(gain.sentence)}"
    undecided = [one.parameter for one in analysis.influences if one.varied and not one.told]
    if undecided:
        yield (
            f"Does it matter what {text(words.listed(undecided, most=9))}"
            f" {'is' if len(undecided) == 1 else 'are'}? No more is seen of it so far than chance"
            " would show."
        )
    still = [one.parameter for one in analysis.influences if not one.varied]
    if still:
        yield f"What would {text(words.listed(still, most=9))} do? Never varied so far."
    unsettled = ("tentative", "undecided", "open")
    open_ = [one for one in held if one.level in unsettled and not one.single]
    for belief in open_[:CLAIMS]:
        yield _claim(belief)


def _experiments(history: History) -> list[str]:
    if not history.blocks:
        return ["## Experiments", "", "No block of trials has ended yet."]
    head = [f"| {' | '.join(episodes.HEADINGS)} |", "|---" * len(episodes.HEADINGS) + "|"]
    rows = [
        f"| {' | '.join(map(text, episodes.row(history, block)))} |" for block in history.blocks
    ]
    lines = ["## Experiments", "", *head, *rows]
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
    told = [one for one in analysis.influences if one.varied]
    sure = [belief for belief in held if belief.level in ("established", "supported")]
    refuted = [one for one in held if one.level == "contradicted" and not one.single]
    sections = {
        "What matters": [f"{text(one.parameter)}: {text(one.sentence)}" for one in told],
        "What is held to be true": [*map(_claim, sure[:CLAIMS]), LEGEND] if sure else [],
        "What turned out false": [_claim(belief) for belief in refuted[:CLAIMS]],
        "What single steps showed": [_trend(trend) for trend in seen[:CLAIMS]],
        "What depends on the seed": _seeds(history),
        "What fails": [
            text(f"{group.sentence} {group.remedy}".strip()) for group in analysis.failures
        ],
        "How well results were foretold": [text(analysis.calibration.sentence)]
        if analysis.calibration
        else [],
    }
    lines = ["## Findings"]
    for title, items in sections.items():
        if items:
            lines += ["", f"### {title}", "", *(f"- {item}" for item in items)]
    return lines if len(lines) > 1 else [*lines, "", "None yet."]


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
