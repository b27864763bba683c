"""`memory.md`: what the next reader, person or model, needs to know, in at most `LINES` lines."""

from __future__ import annotations

from collections.abc import Sequence

from trialwright.analysis import memory
from trialwright.analysis.beliefs import Belief, Level
from trialwright.analysis.importance import importance
from trialwright.analysis.noise import scatter_of
from trialwright.analysis.outliers import outlier
from trialwright.history import History
from trialwright.report import dependence, words
from trialwright.report.advice import advice
from trialwright.report.failures import failures
from trialwright.report.notebook import opening, origins, standings
from trialwright.robust import deviation

LINES = 200
"""Of the file, at any length of the study."""

MOST = {
    "contradicted": 40, "open": 30, "single": 8, "steps": 25, "seeds": 12, "fails": 10,
    "wishes": 10,
}  # fmt: skip
"""Lines of each section but for the principles, which get what is left."""

CAME = 6
"""Sentences about what the gain came from."""

NEXT = 5
"""Pieces of advice."""

LEGEND = (
    "Established: it holds beside all the other claims, however often one looks, and one in twenty"
    " of such claims is false at most, on average. Supported: if it were false, what was compared"
    " would look like this in one case of twenty at most. Tentative: what was compared so far"
    " points its way."
)


def memory_page(history: History) -> str:
    """Return the file: how things stand, principles, what is false, what is open, what was seen."""
    held, seen = memory.remembered(history)
    head = _head(history)
    others = {
        "What the gain came from": _came(history),
        "Contradicted": _beliefs(held, ("contradicted",), "contradicted"),
        "Open questions": [
            *_asked(history),
            *_beliefs(held, ("tentative", "undecided", "open"), "open"),
        ],
        "Next": _next(history),
        "Expected of single trials": _single(held),
        "Seen in steps of one parameter, not foretold": memory.fitted(
            [memory.trend(trend) for trend in seen], room=MOST["steps"], what="trend"
        ),
        "What depends on the seed": _seeds(history),
        "What fails": memory.fitted(
            [f"- {words.line(group.sentence, most=memory.LONGEST)}" for group in failures(history)],
            room=MOST["fails"],
            what="kind of failure",
        ),
        "Wishes": [
            f"- {words.line(wish.text, most=memory.LONGEST)}"
            for wish in history.wishes[-MOST["wishes"] :][::-1]
        ],
    }
    taken = len(head) + sum(len(lines) + 3 for lines in others.values() if lines) + 3
    lines = [
        *head,
        *_section("Principles", memory.principles(held, room=LINES - taken), "None yet."),
    ]
    for title, content in others.items():
        lines += _section(title, content)
    return "\n".join(lines) + "\n"


def _head(history: History) -> list[str]:
    objective, best = history.task.objective, history.best()
    blocks = words.count(len(history.blocks), "block")
    trials = words.count(len(history.trials), "trial")
    results = words.count(len(history.done()), "result")
    lines = [
        f"# Memory of {words.line(history.task.name)}",
        "",
        f"Goal: {objective.direction} {words.line(objective.metric)}. What decides:"
        f" {opening.decides(history)}",
        f"{trials}, {results}, {blocks}. {_noise(history)}",
    ]
    if best is not None and best.value is not None:
        lines.append(
            f"Best: trial {best.number}, {standings.short(best, history)}. Its settings:"
            f" {words.configuration(best.configuration)}."
        )
    return [*lines, "", f"> {LEGEND}"]


def _noise(history: History) -> str:
    found = scatter_of(history)
    if found is None:
        return "The noise over seeds is not known: no trial has several seeds."
    best = history.best()
    spreads = {
        trial.number: deviation(list(trial.values.values()))
        for trial in history.done(code=best.code if best else None)
        if len(trial.values) > 1
    }
    if len(spreads) < 2:
        return f"Noise over seeds (sd): {found.typical.sd:.3g}."
    own = ""
    if best is not None and best.number in spreads:
        own = f"; trial {best.number}: {spreads[best.number]:.3g}"
    return (
        f"Noise over seeds (sd): {found.typical.sd:.3g},"
        f" {'pooled over' if found.even else 'typical of'} {len(spreads)} trials;"
        f" {min(spreads.values()):.2g} to {max(spreads.values()):.2g} in single ones{own}."
    )


def _came(history: History) -> list[str]:
    """What the gain came from, in short, and a seed of the best trial that stands apart."""
    best = history.best()
    if best is None:
        return []
    telling = [one.parameter for one in importance(history) if one.told]
    said = origins.told(history, telling)[:CAME]
    found = outlier(best)
    return [f"- {one}" for one in (*said, *([standings.apart(found, history)] if found else []))]


def _asked(history: History) -> list[str]:
    """What is open about the gain."""
    telling = [one.parameter for one in importance(history) if one.told]
    asked = origins.questions(history, telling)
    return [f"- {words.line(one, most=2 * memory.LONGEST)}" for one in asked]


def _next(history: History) -> list[str]:
    """What to do first."""
    found = advice(history, importance(history), failures(history))[:NEXT]
    lines = [f"{one.sentence} `{one.command}`" if one.command else one.sentence for one in found]
    return [f"- {words.line(one, most=2 * memory.LONGEST)}" for one in lines]


def _beliefs(held: Sequence[Belief], levels: tuple[Level, ...], section: str) -> list[str]:
    told = [one for one in held if one.level in levels and not one.single]
    return memory.fitted([memory.line(one) for one in told], room=MOST[section], what="claim")


def _single(held: Sequence[Belief]) -> list[str]:
    """The latest that proposers expected of single trials, and what came of it."""
    told = sorted((one for one in held if one.single), key=lambda one: -one.latest)
    lines = [memory.line(one) for one in told]
    return memory.fitted(lines, room=MOST["single"], what="expectation")


def _seeds(history: History) -> list[str]:
    found = dependence.section(history)
    told = found.sentences if found else ()
    lines = [f"- {words.line(one, most=2 * memory.LONGEST)}" for one in told]
    return memory.fitted(lines, room=MOST["seeds"], what="sentence")


def _section(title: str, lines: Sequence[str], empty: str = "") -> list[str]:
    if not lines and not empty:
        return []
    return ["", f"## {title}", "", *(lines or [empty])]
