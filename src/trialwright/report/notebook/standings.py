"""The best trials side by side, and the first: what each is worth seed by seed, and its cost."""

from __future__ import annotations

from collections.abc import Iterator

from trialwright.analysis.outliers import Outlier, outlier
from trialwright.analysis.paired import Paired, paired
from trialwright.analysis.ucb import lineage
from trialwright.history import History, Trial
from trialwright.report import seeds, words
from trialwright.robust import deviation, mean

MOST = 6
"""Of the best trials."""

DEARER = 1.25
"""How many times as long a run of the best trial takes, or of the first, that is worth saying."""

PAIRS = (
    "Differences are of means over the seeds that both trials have, with 95% intervals; positive"
    " is better, whichever way the metric points."
)

SINGLES = (
    "Differences are of single runs, so noise may make them; positive is better, whichever way the"
    " metric points."
)
"""Said instead where no trial has several seeds."""


def leaders(history: History) -> list[Trial]:
    """Return the best trials, the best one first, and the first trial last if it is none of them.

    Who has the seeds that contenders get goes before who has not.
    """
    best = history.best()
    if best is None:
        return []
    sign, confirm = history.task.objective.sign, history.task.seeds.confirm or 0
    done = history.done(code=best.code)
    order = sorted(
        done,
        key=lambda t: (t is not best, not t.has(confirm), -sign * (t.value or 0.0), t.number),
    )
    chosen = order[:MOST]
    return chosen if done[0] in chosen else [*chosen, done[0]]


def note(history: History) -> str:
    """Say what the differences of the table are."""
    return PAIRS if any(len(trial.values) > 1 for trial in leaders(history)) else SINGLES


def table(history: History) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows; no columns of seeds where no trial has several."""
    trials = leaders(history)
    several = any(len(trial.values) > 1 for trial in trials)
    first = history.done(code=trials[0].code)[0]
    heads = ["trial", "score"]
    heads += ["mean"] if several and _apart(history) else []
    heads += ["sd", "seeds", "worst seed"] if several else []
    heads += ["a run takes", f"against trial {first.number}", "against what it was built on"]
    return heads, [_row(trial, first, history, several=several) for trial in trials]


def sentences(history: History) -> Iterator[str]:
    """Say what the table hides: the winner's seeds, and each that makes a trial's spread."""
    trials = leaders(history)
    best = trials[0]
    if len(best.values) > 1:
        listed = [f"{words.number(value)}" for _, value in sorted(best.values.items())]
        yield f"Trial {best.number}, seed by seed: {', '.join(listed)}."
    for trial in dict.fromkeys((trials[0].number, *(t.number for t in trials))):
        found = outlier(history.trials[trial])
        if found is not None:
            yield apart(found, history)


def costs(history: History) -> list[str]:
    """Say what a run of the best trial costs, if that is not about what the first one cost."""
    best = history.best()
    said = cost(best, history.done(code=best.code)[0]) if best else ""
    return [said] if said else []


def apart(found: Outlier, history: History) -> str:
    """Name a seed that stands apart, and what the trial would be without it."""
    trial, sign = history.trials[found.trial], history.task.objective.sign
    others = [value for seed, value in trial.values.items() if seed != found.seed]
    robust = history.task.seeds.objective
    value = robust.value(others, sign=sign)
    low, high = map(words.number, found.others)
    said = (
        f"{words.sentence(seeds.name(found.seed))[:-1]} of trial {found.trial} stands apart:"
        f" {words.number(found.value)}, its {len(others)} others {low} to {high}. Without it the"
        f" sd would be {found.without:.3g} instead of {found.sd:.3g}"
    )
    if robust.kind == "mean" or value is None or trial.value is None:
        return f"{said}."
    return f"{said}, and the score {words.number(value)} instead of {words.number(trial.value)}."


def cost(best: Trial, first: Trial) -> str:
    """Say how much longer or shorter a run takes than in the first trial; '' if about as long."""
    ours, theirs = (trial.measures.get("seconds") for trial in (best, first))
    if best is first or not ours or not theirs or max(ours / theirs, theirs / ours) < DEARER:
        return ""
    longer = ours > theirs
    ratio = ours / theirs if longer else theirs / ours
    return (
        f"A run of trial {best.number} takes {words.seconds(ours)}, {ratio:.2g} times as"
        f" {'long' if longer else 'short'} as one of trial {first.number}"
        f" ({words.seconds(theirs)})."
    )


def short(trial: Trial, history: History) -> str:
    """Say in a line what a trial is worth: the score, what makes it, and what it gained."""
    first = history.done(code=trial.code)[0]
    values = list(trial.values.values())
    said = f"{words.line(seeds.measure(history.task))} = {words.number(trial.value)}"
    if len(values) > 1:
        worst = _worst(values, history)
        said += (
            f" (mean {words.number(mean(values))}, sd {deviation(values):.3g} over"
            f" {len(values)} seeds, worst {words.number(worst)})"
        )
    parts = [
        f"against trial {other.number} {difference(seen)}"
        for other in _others(trial, first, history)
        if (seen := paired(trial, other, sign=history.task.objective.sign)) is not None
    ]
    parts += [line[0].lower() + line[1:].rstrip(".")] if (line := cost(trial, first)) else []
    return f"{said}; {'; '.join(parts)}" if parts else said


def difference(found: Paired | None) -> str:
    """Say a paired difference with its interval and the seeds on which it is better."""
    if found is None:
        return "no seed in common"
    if found.seeds == 1:
        return f"{found.difference:+.3g} (one seed)" if found.difference else "the same (one seed)"
    if found.interval == (0.0, 0.0):
        return f"the same on all {found.seeds} seeds"
    ends = ""
    if found.interval is not None:
        ends = f" ({found.interval[0]:.2g} to {found.interval[1]:.2g})"
    return f"{found.difference:+.3g}{ends}, better on {found.wins} of {found.seeds} seeds"


def _row(trial: Trial, first: Trial, history: History, *, several: bool) -> list[str]:
    values, sign = list(trial.values.values()), history.task.objective.sign
    took = trial.measures.get("seconds")
    marks = ["best"] * (trial is history.best()) + ["first"] * (trial is first)
    marked = f" ({', '.join(marks)})" if marks else ""
    cells = [f"{trial.number}{marked}", words.number(trial.value)]
    if several:
        cells += [words.number(mean(values))] if _apart(history) else []
        cells += [
            f"{deviation(values):.3g}" if len(values) > 1 else "–",
            str(len(values)),
            words.number(_worst(values, history)),
        ]
    cells.append("–" if took is None else words.seconds(took))
    cells.append("–" if trial is first else difference(paired(trial, first, sign=sign)))
    parent = lineage(history)[trial.number]
    if parent is None or history.trials[parent].value is None:
        cells.append("–")
    else:
        seen = paired(trial, history.trials[parent], sign=sign)
        cells.append(f"trial {parent}: {difference(seen)}")
    return cells


def _apart(history: History) -> bool:
    """Whether the score is something other than the mean."""
    return history.task.seeds.objective.kind != "mean"


def _others(trial: Trial, first: Trial, history: History) -> list[Trial]:
    """The first trial, and the one that this was built on: without itself, each once."""
    parent = lineage(history)[trial.number]
    numbers = [first.number, *([parent] if parent is not None else [])]
    return [history.trials[n] for n in dict.fromkeys(numbers) if n != trial.number]


def _worst(values: list[float], history: History) -> float:
    return min(values, key=lambda value: history.task.objective.sign * value)
