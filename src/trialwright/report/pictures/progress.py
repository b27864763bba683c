"""How far a search came: kept against reverted, personal bests, what it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.insight.sequence import progress
from trialwright.insight.telling import percent
from trialwright.report import drawing, words
from trialwright.report.pictures import looks
from trialwright.report.pictures.chart import (
    Axis,
    Chart,
    Line,
    Mark,
    Points,
    Sheet,
    axis,
    named,
    within,
)
from trialwright.report.pictures.course import (
    POINTS,
    Course,
    improvements,
    leading,
    left_out,
    shown,
    thinned,
)
from trialwright.report.pictures.looks import Look
from trialwright.report.pictures.picture import Picture

Outcome = Literal["keep", "discard", "crash", "other"]

OUTCOMES: dict[Outcome, tuple[str, Look]] = {
    "discard": ("reverted", looks.DISCARDED),
    "other": ("another status", looks.UNCLEAR),
    "crash": ("crashed", looks.CRASHED),
    "keep": ("kept", looks.KEPT),
}
"""What became of an experiment, those that should be seen best drawn last."""
CRASHES = 150
"""Crashes that are drawn."""
LONG = 300
"""Results from which on they stand on a log scale: progress is early."""
RACERS = len(looks.SERIES)
"""Agents, or campaigns, whose bests are drawn."""


def kept_reverted(course: Course) -> Picture | None:
    """Return all results, kept or reverted, with the best so far; None without a result."""
    if not course.results:
        return None
    height = course.height()
    crashed = [one for one in course.campaign.experiments if one.status == "crash"]
    marks: list[Mark] = [*course.rules()]
    drawn = beyond = 0
    for status, (name, look) in OUTCOMES.items():
        chosen = [one for one in course.results if one.status == status]
        values = [one.metric or 0.0 for one in chosen]
        always: Sequence[int] = ()
        most = POINTS
        if status == "crash":
            # On the worse edge, whatever was measured before they crashed.
            chosen, edge = crashed, height.low if course.sign >= 0 else height.high
            values = [edge] * len(crashed)
            most = CRASHES
        elif status == "keep":
            best = {course.results[i].number for i in course.improving}
            always = [i for i, one in enumerate(chosen) if one.number in best]
        if not chosen:
            continue
        places = thinned(values, most, always=always)
        drawn += len(places)
        beyond += sum(not height.low <= value <= height.high for value in values)
        marks.append(
            Points(
                x=[chosen[i].number for i in places],
                y=[within(values[i], height) for i in places],
                look=look, name=name, size=8 if status == "keep" else 6,
                texts=[_hover(chosen[i]) for i in places],
                opacity=1.0 if status in ("keep", "crash") else 0.75,
            )
        )  # fmt: skip
    if course.sign:
        marks.append(_best_line(course, height))
    what = f"{words.count(beyond, 'result')} far off"
    off = (f"{what} {'is' if beyond == 1 else 'are'} drawn at the edge.",)
    return Picture(
        name="kept_reverted",
        title="Kept against reverted",
        sentence=_kept_sentence(course, crashed=len(crashed)),
        sheet=Sheet(charts=(Chart(x=course.along(), y=height, marks=tuple(marks)),)),
        notes=(*(off if beyond else ()), *left_out(drawn, len(course.results) + len(crashed))),
    )


def _best_line(course: Course, height: Axis) -> Line:
    steps = course.improving
    return Line(
        x=[*(course.numbers[i] for i in steps), float(course.last)],
        y=[*(within(course.best[i], height) for i in steps), course.best[-1]],
        look=looks.LEADING, name="best so far", width=2.5, step=True,
    )  # fmt: skip


def _hover(one: Experiment) -> str:
    said = f"{one.number} ({one.word}): {words.number(one.metric)}"
    return f"{said}; {words.line(one.description, most=160)}" if one.description else said


def _kept_sentence(course: Course, *, crashed: int) -> str:
    experiments = course.campaign.experiments
    counts = {status: sum(one.status == status for one in experiments) for status in OUTCOMES}
    parts = [f"{counts['keep']} kept", f"{counts['discard']} reverted"]
    parts += [f"{crashed} crashed"] if crashed else []
    parts += [f"{counts['other']} with another status"] if counts["other"] else []
    lead = f"Of {words.count(len(experiments), 'experiment')}: {words.listed(parts)}"
    if not course.sign:
        return f"{lead}; whether more or less is better, the log does not say."
    place = course.improving[-1]
    went = progress(course.campaign)
    idle = 0 if went is None else sum(
        one.status == "keep" and not better
        for one, better in zip(experiments, went.improved, strict=True)
    )  # fmt: skip
    said = f"; the best, {shown(course.values[place])}, came with {course.results[place].number}"
    said += f", and {idle} of those kept improved on nothing before" if idle else ""
    return f"{lead}{said}."


def personal_bests(course: Course) -> Picture | None:
    """Return each agent's best so far by its own results; None with fewer than two agents."""
    agents = course.agents[:RACERS]
    if len(agents) < 2 or not course.sign:
        return None
    runs = {
        agent: np.array([one.metric for one in course.results if one.agent == agent], dtype=float)
        for agent in agents
    }
    known = {agent: values for agent, values in runs.items() if len(values)}
    more = len(course.agents) - len(agents)
    return _race(
        dict(zip(_told_apart([named(agent) for agent in known]), known.values(), strict=True)),
        course,
        what="agent",
        notes=(f"The {len(agents)} of {len(course.agents)} agents with most are drawn.",)
        if more
        else (),
    )


def races(campaigns: Sequence[Campaign]) -> Picture | None:
    """Return the best so far of campaigns side by side; None unless two have one metric."""
    courses = [Course(one) for one in campaigns]
    fitting = [
        one for one in courses
        if one.sign and len(one.results) and one.sign == courses[0].sign
        and one.campaign.metric == courses[0].campaign.metric
    ][:RACERS]  # fmt: skip
    if len(fitting) < 2:
        return None
    names = _told_apart([named(one.campaign.name) for one in fitting])
    rest = len(courses) - len(fitting)
    apart = (
        f"{words.count(rest, 'campaign')} with another metric, without results, or one too many"
        f" {'is' if rest == 1 else 'are'} left out.",
    )
    runs = {name: one.values for name, one in zip(names, fitting, strict=True)}
    return _race(runs, fitting[0], what="campaign", notes=apart if rest else ())


def _told_apart(names: Sequence[str]) -> list[str]:
    return [
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


def _race(
    runs: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
    course: Course,
    *,
    what: str,
    notes: tuple[str, ...],
) -> Picture | None:
    if len(runs) < 2:
        return None
    marks: list[Mark] = []
    everything: list[float] = []
    bests = {name: float(leading(values, course.sign)[-1]) for name, values in runs.items()}
    for (name, values), look in zip(runs.items(), looks.series(len(runs)), strict=True):
        steps = improvements(values, course.sign)
        heights = [float(values[i]) for i in steps]
        at = [i + 1.0 for i in steps]
        marks.append(
            Line(x=[*at, float(len(values))], y=[*heights, heights[-1]], look=look, name=name,
                 step=True)
        )  # fmt: skip
        marks.append(Points(x=at, y=heights, look=look, size=6))
        everything += heights
    ranked = sorted(bests, key=lambda name: -course.sign * bests[name])
    first, last = ranked[0], ranked[-1]
    sentence = (
        f"Of {words.count(len(runs), what)}, {first} came furthest, to {shown(bests[first])} in"
        f" {words.count(len(runs[first]), 'result')}; {last} least far, to {shown(bests[last])} in"
        f" {len(runs[last])}."
    )
    low, high = drawing.window(everything, keep=list(bests.values()))
    longest = max(len(values) for values in runs.values())
    along = axis(f"results of the {what}", (0.0, longest + 1.0), margin=0.01)
    if longest > LONG:
        along = replace(along, label=f"{along.label} (log scale)", low=0.9, log=True)
    chart = Chart(
        x=along,
        y=axis(course.metric, (low, high)),
        marks=tuple(marks),
    )
    title = "Personal bests" if what == "agent" else "Best so far, side by side"
    name = "personal_bests" if what == "agent" else "races"
    return Picture(
        name=name, title=title, sentence=sentence, sheet=Sheet(charts=(chart,)), notes=notes
    )


def spend(course: Course) -> Picture | None:
    """Return the hours that went by, by what became of them; None without durations."""
    timed = [one for one in course.campaign.experiments if one.seconds is not None]
    total = sum(one.seconds or 0.0 for one in timed)
    if len(timed) < 2 or total <= 0:
        return None
    scale, unit = (3600.0, "hours") if total >= 7200 else (60.0, "minutes")
    marks: list[Mark] = []
    spent: dict[Outcome, float] = {}
    for status in ("keep", "discard", "crash", "other"):
        name, look = OUTCOMES[status]
        own = np.array([one.seconds or 0.0 if one.status == status else 0.0 for one in timed])
        if not own.any():
            continue
        spent[status] = float(own.sum())
        added = np.cumsum(own) / scale
        places = thinned(added.tolist(), 400, always=(0, len(added) - 1))
        marks.append(
            Line(x=[timed[i].number for i in places], y=added[places].tolist(), look=look,
                 name=name, step=True)
        )  # fmt: skip
    top = max(spent.values()) / scale
    chart = Chart(
        x=course.along(), y=axis(f"{unit} of runs, added up", (0.0, top), within=(0.0, top * 1.05)),
        marks=(*course.rules(), *marks),
    )  # fmt: skip
    went = progress(course.campaign)
    gains = 0 if went is None else sum(gain > 0 for gain in went.gains)
    parts = [f"{percent(spent[s] / total)} into what {_became(s)}" for s in spent]
    said = f"Of {words.seconds(total)} of runs, {words.listed(parts)}"
    said += f"; {words.seconds(total / gains)} per improvement of the best" if gains > 0 else ""
    untimed = len(course.campaign.experiments) - len(timed)
    none = (f"{words.count(untimed, 'experiment')} without a duration left out.",)
    return Picture(
        name="spend", title="What it took", sentence=f"{said}.", sheet=Sheet(charts=(chart,)),
        notes=none if untimed else (),
    )  # fmt: skip


def _became(status: Outcome) -> str:
    return {
        "keep": "was kept",
        "discard": "was reverted",
        "crash": "crashed",
        "other": "has another status",
    }[status]
