"""What was asked, for somebody who knows nothing of the study: the goal, the knobs, the seeds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trialwright.history import History
from trialwright.report import counting, words
from trialwright.report.notebook import opening
from trialwright.report.notebook.glossary import glossary
from trialwright.space import Parameter
from trialwright.task import placeholders

DESCRIBED = 1500
"""Characters of a description."""

Point = tuple[str, str]
"""What a sentence is about, and the sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A parameter as a stranger needs it."""

    name: str
    meaning: str
    """'' where the study file says nothing."""
    allowed: str
    """Its domain, and when it applies."""
    default: str
    """'' where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question."""

    paragraphs: tuple[str, ...]
    """The task's own description."""
    points: tuple[Point, ...]
    knobs: tuple[Knob, ...]
    rules: tuple[str, ...]
    """That parameters have to keep together."""

    @property
    def meanings(self) -> dict[str, str]:
        """What each parameter is, of those of which the study file says it."""
        return {knob.name: knob.meaning for knob in self.knobs if knob.meaning}


def asked(history: History) -> Asked:
    """Return what the study was asked, from its task and from what was handed to the runs."""
    task = history.task
    return Asked(
        paragraphs=tuple(_paragraphs(task.description)),
        points=tuple(_points(history)),
        knobs=tuple(knob(parameter) for parameter in history.space.parameters),
        rules=tuple(words.line(rule) for rule in history.space.constraints),
    )


def knob(parameter: Parameter) -> Knob:
    """Describe a parameter: what it is, and what it may be."""
    when = f", when {words.line(parameter.when)}" if parameter.when else ""
    return Knob(
        name=parameter.name,
        meaning=words.line(parameter.description, most=200),
        allowed=words.line(f"{parameter.allowed}{when}", most=300),
        default="" if parameter.default is None else words.value(parameter.default),
    )


def _paragraphs(description: str) -> Iterator[str]:
    """The description without the line ends of whoever wrote it, but with its paragraphs."""
    for part in re.split(r"\n\s*\n", words.plain(description, most=DESCRIBED)):
        if part.strip():
            yield words.line(part)


def _points(history: History) -> Iterator[Point]:
    task = history.task
    yield "What decides", opening.decides(history)
    if task.require:
        yield "Required", words.sentence("; ".join(task.require))
    if task.heldout:
        yield (
            "Held out",
            f"{words.line(task.heldout)} is told only when the study is over, so that nothing was"
            " chosen by it.",
        )
    yield "What may change", _scope(history)
    yield "What a seed changes", seeded(history)
    yield "Who proposed", _team(history)


def _scope(history: History) -> str:
    task = history.task
    count = len(history.space.parameters)
    parts = [words.count(count, "parameter")] if count else []
    if task.research is not None:
        patterns = words.listed([words.line(one) for one in task.research.editable], most=6)
        parts.append(f"the code in {patterns}")
    return words.sentence(f"{words.listed(parts)}; everything else stays as it is")


def seeded(history: History) -> str:
    """Say what one seed has in common with another run's, and what differs with it."""
    task = history.task
    if task.function is None and counting.unseeded(history):
        return (
            "Nothing is known to hand the script a seed, so what differs between two runs of one"
            " configuration, if anything does, is left to the script."
        )
    given = [part for part in task.command if "seed" in placeholders(part)]
    how = f" (through {words.line(given[0], most=80)})" if given else ""
    return (
        f"Each run is handed one number{how}, from which the script is to draw whatever is random"
        " in it: initial weights, say, or the order of the data. Only the script knows what it"
        " does with it. Every trial gets the same numbers, so that trials can be compared seed by"
        " seed."
    )


def _team(history: History) -> str:
    known = dict(glossary(history))
    by = dict.fromkeys(trial.proposal.by for trial in history.trials)
    names = [name for name in by if name] or list(history.task.member_names)
    told = [
        f"{words.line(name, most=40)}{f' ({known[name]})' if name in known else ''}"
        for name in names[:8]
    ]
    more = f"; and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{'; '.join(told)}{more}."
