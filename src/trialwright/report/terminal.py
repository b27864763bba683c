"""Views for a terminal, as Rich renderables: how it stands, one trial, the best, the end.

They read well at 80 columns and without colour: colour only repeats what a word says. Text from
outside is shown as it is, never read as markup, and can't move the cursor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trialwright.execute.runner import run_folder
from trialwright.history import History, Run, Trial
from trialwright.report import counting, dependence, front, heldout, seeds, words
from trialwright.report.final import FinalAnalysis, final_analysis
from trialwright.report.rows import Row, RunRow, row, standing
from trialwright.report.team import standing_table

LATEST = 6
"""Trials listed in the overview."""
LATEST_WARNINGS = 3
ADVICE = 4
"""Pieces of advice at the end of a run."""

_COLOURS = {
    "kept": "green",
    "supported": "green",
    "unconfirmed": "cyan",
    "consistent": "cyan",
    "failed": "red",
    "infeasible": "red",
    "contradicted": "red",
    "running": "yellow",
    "interrupted": "yellow",
}


def overview(history: History, *, going: bool = True) -> RenderableType:
    """Return how a study stands: budget, what runs, the best and why, the latest verdicts.

    `going` tells whether a process is running the study: else what had begun is interrupted.
    """
    facts = [("goal", Text(words.goals(history.task)))]
    facts += [("required", _text("; ".join(history.task.require)))] if history.task.require else []
    facts += [("used", Text(used(history)))]
    facts += [("seeds", _text(said))] if (said := seeds.policy(history.task)) else []
    facts += [("promoted", _text(seeds.granted(history)[-1]))] if history.promotions else []
    facts += _pending(history, going=going)
    if history.closed:
        facts.append(("ended", _text(history.closed.sentence)))
    best = history.best()
    parts: list[RenderableType] = [Text(words.line(history.task.name), style="bold"), _facts(facts)]
    parts += _warnings(history)
    if best is not None:
        parts += [Text(), _lead(best, history)]
        parts += _quoted(best.proposal.rationale)
    parts += _front(history)
    if history.trials:
        parts += [Text()]
        if len(history.trials) > LATEST:
            parts += [Text(f"the latest {LATEST} of {len(history.trials)} trials", style="dim")]
        parts += [_latest(history.trials[-LATEST:], history, going=going)]
        parts += standing_table(history)
    return Group(*parts)


def trial_view(
    history: History, number: int, *, folder: Path | None = None, commit: str = ""
) -> RenderableType:
    """Return all about one trial; `folder` is the study's, for the paths of its logs.

    `commit` says what git calls its code.

    Raises:
        KeyError: there is no such trial; the message says which there are.
    """
    if not 0 <= number < len(history.trials):
        there = f"0 to {len(history.trials) - 1}" if history.trials else "none yet"
        raise KeyError(f"there is no trial {number}; the trials are: {there}")
    trial = history.trials[number]
    shown = row(trial, history)
    head = Text(f"Trial {number}", style="bold")
    head.append(f", by {shown.by}").append(": ").append(_pill(shown.standing))
    facts = [("value", Text(_value(shown, history)))]
    facts += [("verdict", _text(shown.verdict))] if shown.verdict else []
    if shown.claim:
        facts.append(("hypothesis", _held(shown.claim, shown.hypothesis or "", by=shown.yardstick)))
    facts += [("predicted", Text(shown.predicted))] if shown.predicted else []
    facts += [("promoted", _text(said)) for said in seeds.granted(history, number)]
    facts += [("from", Text(f"trial {shown.parent}"))] if shown.parent is not None else []
    facts += [("commit", Text(commit))] if commit else []
    metric = history.task.objective.metric
    runs = [
        _run(told, run, metric=metric, folder=folder)
        for told, run in zip(shown.runs, trial.runs, strict=True)
    ]
    return Group(head, *_quoted(shown.rationale), _facts(facts), Text(), _settings(shown), *runs)


def best_view(history: History) -> RenderableType:
    """Return the best configuration with its reason and the evidence for it."""
    analysis = final_analysis(history)
    if analysis.best is None:
        return Text(analysis.headline)
    shown = row(history.trials[analysis.best.number], history)
    return Group(
        Text(analysis.headline, style="bold"),
        *_quoted(analysis.best.rationale),
        Text(),
        _settings(shown, against=analysis),
        Text(),
        _evidence(analysis),
        *_announced(history),
    )


def summary(history: History) -> RenderableType:
    """Return what a run of the study ends with: the best, why, the evidence, what next."""
    analysis = final_analysis(history)
    parts: list[RenderableType] = [*_warnings(history), best_view(history)]
    told = [i for i in analysis.influences if i.told]
    if told:
        named = words.listed([f"{i.parameter} ({i.share:.0%})" for i in told], most=4)
        parts.append(_facts([("mattered", Text(named))]))
    if analysis.failures:
        lines = [f"{group.sentence} {group.remedy}" for group in analysis.failures]
        parts += [Text(), Text("What failed", style="bold"), *_bullets(lines)]
    parts += _front(history)
    if depends := dependence.section(history):
        parts += [Text(), Text("What depends on the seed", style="bold")]
        parts += _bullets(depends.sentences)
    if heldout.is_told(history):
        parts += [Text(), Text("The metric held out", style="bold")]
        parts += _bullets(heldout.sentences(history))
    if history.analysis is not None:
        written = history.analysis
        parts += [Text(), Text(f"In the words of {words.line(written.by)}", style="bold")]
        parts += [Text(words.plain(written.text)), Text(words.held(written), style="dim")]
    if analysis.advice:
        parts += [Text(), Text("What to do next", style="bold")]
        for piece in analysis.advice[:ADVICE]:
            parts += _bullets([piece.sentence])
            if piece.command:
                parts.append(Padding(Text(piece.command, style="bold cyan"), (0, 0, 0, 4)))
        if left := len(analysis.advice[ADVICE:]):
            parts.append(Text(f"The report has {left} more.", style="dim"))
    return Group(*parts)


def _front(history: History) -> list[RenderableType]:
    """The trials that no other one beats in all objectives, where there are several."""
    found = front.section(history)
    if found is None:
        return []
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in found.headings:
        table.add_column(words.line(heading, most=24), header_style="bold", overflow="fold")
    for cells in found.rows:
        table.add_row(*map(_text, cells))
    return [Text(), Text("Several objectives", style="bold"), _text(found.sentence), table]


def used(history: History) -> str:
    """Say what has been used of the budget.

    Trials count from their admission, whatever becomes of them.
    """
    budget = history.task.budget
    parts = [_part(len(history.trials), budget.trials, "trial")]
    if budget.runs is not None or history.launches != len(history.trials):
        parts.append(_part(history.launches, budget.runs, "run"))
    spent = words.seconds(history.seconds)
    whole = "" if budget.time_s is None else f" of {words.seconds(budget.time_s)}"
    return ", ".join([*parts, spent + whole])


def curve_of(run: Run, metric: str) -> str:
    """Draw the objective's curve of a run as one line; '' without a curve."""
    points = run.observation.curve.points(metric) if run.observation else []
    finite = [value for _, value in points if math.isfinite(value)]
    line = words.sparkline(finite)
    return f"{line} {words.number(finite[0])} → {words.number(finite[-1])}" if line else ""


def _part(amount: int, whole: int | None, noun: str) -> str:
    return words.count(amount, noun) if whole is None else f"{amount} of {words.count(whole, noun)}"


def _pending(history: History, *, going: bool) -> list[tuple[str, Text]]:
    """What runs, what was interrupted, and what waits, as far as there is any."""
    found: dict[str, list[int]] = {}
    for trial in history.pending():
        found.setdefault(standing(trial, going=going), []).append(trial.number)
    running, interrupted = found.pop("running", []), found.pop("interrupted", [])
    waiting = sorted(number for numbers in found.values() for number in numbers)
    facts = [("running", Text(_numbered(running)))] if running else []
    if interrupted:
        again = "will be run again" if going else "to be run again on resume"
        facts.append(("interrupted", Text(f"{_numbered(interrupted)}: {again}")))
    facts += [("waiting", Text(_numbered(waiting)))] if waiting else []
    return facts


def _numbered(trials: Sequence[int]) -> str:
    return f"{'trial' if len(trials) == 1 else 'trials'} {words.listed(trials)}"


def _lead(best: Trial, history: History) -> Text:
    lead = Text("best so far: ", style="bold")
    lead.append(f"{seeds.measure(history.task)} = {words.number(best.value)}", style="bold")
    lead.append(f" (trial {best.number}, ").append(_pill(row(best, history).standing)).append(")")
    return lead.append("\n").append(words.line(words.configuration(best.configuration)))


def _latest(trials: Sequence[Trial], history: History, *, going: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("#", history.task.objective.metric, "verdict", "by", "what changed"):
        table.add_column(words.line(name, most=20), header_style="bold", overflow="fold")
    for trial in trials:
        shown = row(trial, history)
        table.add_row(
            str(shown.number),
            words.number(shown.value),
            _pill(standing(trial, going=going)),
            _text(shown.by),
            _text(shown.what(most=2)),
        )
    return table


def _settings(shown: Row, *, against: FinalAnalysis | None = None) -> RenderableType:
    """The configuration, with what changed: against the first trial in a final analysis."""
    if not shown.configuration:
        return Text(f"code: {shown.edit}" if shown.edit else "code: as it was found")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    changes, origin, reasons = shown.changed, shown.parent or 0, shown.reasons
    if against is not None and against.best is not None:
        best = against.best
        changes, origin, reasons = best.from_first, best.first, best.reasons
    before = {change.parameter: change.before or "not set" for change in changes}
    table.add_column("parameter", header_style="bold")
    table.add_column("value", header_style="bold")
    if shown.number != origin:
        table.add_column(f"trial {origin}", header_style="bold")
    if reasons:
        table.add_column("why", header_style="bold", overflow="fold")
    for name, value in shown.configuration.items():
        cells = [Text(name), Text(value, style="bold" if name in before else "")]
        cells += [Text(before.get(name, "same"))] if shown.number != origin else []
        cells += [_text(reasons.get(name, ""))] if reasons else []
        table.add_row(*cells)
    for change in changes:
        if change.after is None:
            table.add_row(Text(change.parameter), Text("not set"), Text(change.before or ""))
    return table


def _run(told: RunRow, run: Run, *, metric: str, folder: Path | None) -> RenderableType:
    facts = [("result", Text(_result(told)))]
    curve = curve_of(run, metric)
    facts += [("curve", Text(curve))] if curve else []
    facts += [("diagnosis", _text(told.diagnosis))] if told.diagnosis else []
    facts += [("failure", _text(told.detail))] if told.detail else []
    facts += [("warning", _text(warning)) for warning in told.warnings]
    if folder is not None:
        facts.append(("log", Text(str(run_folder(folder, run.key) / "stdout.log"))))
    head = Text(f"\n{seeds.name(told.seed).capitalize()}", style="bold")
    given = "its seed is not known" if told.given is None else f"the script got {told.given}"
    if told.given is not None and not told.handed:
        given = "the command names no {seed}: the script did not get it"
    head.append(f" ({given})", style="not bold")
    head.append(f", attempt {told.attempt + 1}" if told.attempt else "")
    tail = [Padding(_text(told.log_tail, lines=True), (0, 0, 0, 4))] if told.log_tail else []
    return Group(head, _facts(facts), *tail)


def _result(run: RunRow) -> str:
    parts = [run.outcome]
    parts += [words.number(run.value)] if run.value is not None else []
    parts += [words.seconds(run.seconds)] if run.seconds is not None else []
    parts += [words.size(run.memory_bytes)] if run.memory_bytes else []
    return ", ".join(parts)


def _value(shown: Row, history: History) -> str:
    if shown.value is None:
        return "none"
    said = f"{seeds.measure(history.task)} = {words.number(shown.value)}"
    if shown.deviation is not None:
        return f"{said} ± {shown.deviation:.2g} over {words.count(shown.seeds, 'seed')}"
    return f"{said}, one seed"


def _evidence(analysis: FinalAnalysis) -> RenderableType:
    best = analysis.best
    assert best is not None
    facts = [("gain", _text(analysis.gain.sentence))] if analysis.gain else []
    facts += [("verdict", _text(best.verdict))] if best.verdict else []
    if best.claim:
        facts.append(("hypothesis", _held(best.claim, best.hypothesis or "", by=best.yardstick)))
    facts += [("curve", _text(best.diagnosis))] if best.diagnosis else []
    return _facts(facts)


def _held(claim: str, status: str, *, by: str) -> Text:
    """A claim, where it stands, and by which yardstick."""
    said = _text(claim).append(": ").append(_pill(status))
    return said.append(f" ({by})") if by else said


def _announced(history: History) -> list[RenderableType]:
    """What fresh seeds say of the best, where there are any."""
    said = seeds.announced(history)
    return [Text(), Text("On fresh seeds", style="bold"), *_bullets(said)] if said else []


def _facts(facts: Iterable[tuple[str, Text]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True, min_width=10)
    table.add_column(overflow="fold")
    for name, fact in facts:
        table.add_row(name, fact)
    return table


def _bullets(lines: Iterable[str]) -> list[RenderableType]:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row("-", _text(line))
    return [table]


def _quoted(text: str) -> list[RenderableType]:
    said = words.line(text)
    return [Padding(Text(f"“{said}”", style="italic"), (0, 0, 0, 2))] if said else []


def _warnings(history: History) -> list[RenderableType]:
    """What to know before the numbers: the code's change, and the latest of the rest."""
    found = counting.warnings(history)
    changed = found[:1] if counting.change(history) else ()
    latest = found[len(changed) :][-LATEST_WARNINGS:]
    return [
        Text("warning: ", style="bold yellow").append(_text(said)) for said in (*changed, *latest)
    ]


def _pill(status: str) -> Text:
    return Text(status, style=_COLOURS.get(status, ""))


def _text(text: str, *, lines: bool = False) -> Text:
    """Text from outside: shown as it is, control characters left out."""
    return Text(words.plain(text) if lines else words.line(text))
