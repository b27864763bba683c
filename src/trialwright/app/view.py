"""The live view of a study as lines of text: what stands in it, and what gives way where.

A frame is taken of a history, in the thread that owns it; it can be drawn at any later moment, in
any thread, for any size of a terminal. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from trialwright.crew import Asking
from trialwright.execute.runner import Reported
from trialwright.expression import Scalar
from trialwright.history import History, Run, Trial
from trialwright.records import RunKey
from trialwright.report.words import line

NARROW = 64
"""Columns below which what stands side by side is put below each other."""

REASON_ROWS = 3
"""Rows that the reason of the best trial may take."""

SHOWN = 8
"""Runs that are shown, at most."""

_MORE = "…"


@dataclass(frozen=True, slots=True)
class Going:
    """A run that goes on."""

    title: str
    began_at: float
    metric: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A study at one moment, but for the time that passes."""

    name: str
    goal: str
    done: int
    total: int | None
    seconds: float
    """That the study had taken at `at`."""
    at: float
    time_s: float | None
    """The budget of time."""
    going: tuple[Going, ...]
    more: int
    """Runs that go on besides."""
    best: str
    settings: str
    reason: str
    foot: str = ""
    """A last line: what the user was told."""
    still: bool = False
    """Whether nobody runs the study: no time passes then."""


def frame(history: History, latest: Mapping[RunKey, Reported], foot: str = "") -> Frame:
    """Take a frame of a history, with the latest metrics of its runs."""
    task, best = history.task, history.best()
    going = list(runs_of(history.pending()))
    value = "" if best is None or best.value is None else f"{best.value:.6g}"
    return Frame(
        name=line(task.name, most=100),
        goal=f"{task.objective.direction} {task.objective.metric}",
        done=len(history.finished()),
        total=task.budget.trials,
        seconds=history.seconds,
        at=history.counted_at or history.updated_at,
        time_s=task.budget.time_s,
        going=tuple(_going(run, latest.get(run.key), history) for run in going[:SHOWN]),
        more=max(len(going) - SHOWN, 0),
        best="" if best is None else f"trial {best.number}  {task.objective.metric} = {value}",
        settings="" if best is None else configured(best.configuration),
        reason="" if best is None else line(best.proposal.rationale),
        foot=foot,
    )


def drawn(
    shot: Frame, *, now: float, size: tuple[int, int], asking: Sequence[Asking] = ()
) -> list[Text]:
    """Return the rows of a frame for a terminal of `size` (columns, rows).

    No row is wider, and there are fewer than the terminal has. Where room is short, the reason of
    the best trial gives way first, then its settings, then runs beyond the first.
    """
    width, height = max(size[0] - 1, 8), max(size[1] - 1, 3)
    head = _flow(_standing(shot, now, width), width)
    asked = asked_rows(asking, width)
    foot = _wrapped(shot.foot, width, "yellow", most=3) if shot.foot else []
    best, settings, reason = _best(shot, width)
    room = height - len(head) - len(asked) - len(foot) - len(best)
    runs = _runs(shot, now, width, room=max(room, 1))
    room -= len(runs)
    settings = settings if len(settings) <= room else []
    room -= len(settings)
    reason = reason[: max(room, 0)]
    return [*head, *asked, *runs, *best, *settings, *reason, *foot][:height]


def asked_rows(asking: Iterable[Asking], width: int) -> list[Text]:
    """Return rows that say who is waited for."""
    rows = []
    for one in asking:
        pieces = [(f"… asking {line(one.model)}", "cyan"), (f"({one.member})", "")]
        rows += _flow([*pieces, (passed(one.seconds), "")], width)
    return rows


def runs_of(pending: Iterable[Trial]) -> Iterator[Run]:
    """Yield the runs that have not ended."""
    for trial in pending:
        for run in trial.runs:
            if run.observation is None:
                yield run


def configured(configuration: Mapping[str, Scalar], *, limit: int = 0) -> str:
    """Return `lr=0.01 depth=3`, cut after `limit` characters if that is not 0."""
    text = " ".join(f"{name}={_short(value)}" for name, value in configuration.items())
    return text if not limit or len(text) <= limit else text[: limit - 1] + _MORE


def duration(seconds: float) -> str:
    """Return `4.2 s`, `3 min 5 s` or `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return passed(seconds)


def passed(seconds: float) -> str:
    """Return a duration as `duration` does, but in whole seconds: it changes once in a second."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


Piece = tuple[str, str]
"""Text with its style."""


def _standing(shot: Frame, now: float, width: int) -> list[Piece]:
    seconds = shot.seconds if shot.still else shot.seconds + max(now - shot.at, 0.0)
    pieces = [(shot.name, "bold"), (shot.goal, "")]
    if shot.total:
        bar = 20 if width >= NARROW else 10
        filled = min(round(bar * shot.done / shot.total), bar)
        full = f"{'━' * filled}{'─' * (bar - filled)} {shot.done}/{shot.total} trials"
        pieces.append((full, "green"))
    else:
        pieces.append((f"{shot.done} trials", "green"))
    pieces.append((passed(seconds), ""))
    if shot.total is not None and shot.done and not shot.still:
        rest = max(shot.total - shot.done, 0) * seconds / shot.done
        pieces.append((f"about {passed(rest)} left", "bright_black"))
    if shot.time_s is not None:
        rest = max(shot.time_s - seconds, 0.0)
        pieces.append((f"{passed(rest)} of the time budget left", "bright_black"))
    return pieces


def _runs(shot: Frame, now: float, width: int, *, room: int) -> list[Text]:
    cells = [(f"▶ {one.title}", _past(one.began_at, now), one.metric) for one in shot.going]
    if width < NARROW:
        each = [_flow([(text, "") for text in row if text], width) for row in cells]
    else:
        wide = [max((cell_len(row[i]) for row in cells), default=0) for i in range(3)]
        each = []
        for row, one in zip(cells, shot.going, strict=True):
            text = "  ".join(cell.ljust(size) for cell, size in zip(row, wide, strict=True) if size)
            fits = Text(text, end="")
            fits.append(f"  {one.configuration}", style="bright_black")
            fits.truncate(width, overflow="ellipsis")
            each.append([fits])
    rows: list[Text] = []
    for number, one_run in enumerate(each):
        left = len(each) - number + shot.more
        last = left == 1
        if rows and len(rows) + len(one_run) + (not last) > room:
            return [*rows, Text(f"  and {left} more runs", style="bright_black", end="")]
        rows += one_run
    if shot.more:
        rows.append(Text(f"  and {shot.more} more runs", style="bright_black", end=""))
    return rows


def _best(shot: Frame, width: int) -> tuple[list[Text], list[Text], list[Text]]:
    """The best trial with its value, its settings, and its reason."""
    if not shot.best:
        return [], [], []
    head = _flow([(f"★ best: {shot.best}", "bold green")], width)
    settings = _wrapped(f"  {shot.settings}", width, "bright_black", most=3)
    reason = _wrapped(f"  {shot.reason}", width, "", most=REASON_ROWS) if shot.reason else []
    return head, settings, reason


def _going(run: Run, reported: Reported | None, history: History) -> Going:
    seed = f" seed {run.key.seed}" if run.key.seed else ""
    configuration = history.trials[run.key.trial].configuration
    return Going(
        title=f"trial {run.key.trial}{seed}",
        began_at=run.launched_at,
        metric=_metric(reported, history),
        configuration=configured(configuration),
    )


def _metric(reported: Reported | None, history: History) -> str:
    if reported is None:
        return ""
    metric = history.task.objective.metric
    name = metric if metric in reported.metrics else next(iter(reported.metrics), "")
    if not name:
        return ""
    return f"{name} {reported.metrics[name]:.5g} @ {reported.step:g}"


def _flow(pieces: Iterable[Piece], width: int) -> list[Text]:
    """Set pieces side by side, two blanks apart, as many as fit into each row; none is cut."""
    rows = [Text(end="")]
    for text, style in pieces:
        needed = cell_len(text)
        if rows[-1].cell_len and rows[-1].cell_len + 2 + needed > width:
            rows.append(Text("  ", end=""))
        elif rows[-1].cell_len:
            rows[-1].append("  ")
        rows[-1].append(text, style=style)
    return [part for row in rows for part in broken(row, width)]


def _wrapped(text: str, width: int, style: str, *, most: int) -> list[Text]:
    """Break a text into rows between words; behind row `most` it is cut."""
    rows = broken(Text(text, style=style, end=""), width)
    if len(rows) > most:
        rows = rows[:most]
        rows[-1].append(" " + _MORE)
        rows[-1].truncate(width, overflow="ellipsis")
    return rows


def broken(row: Text, width: int) -> list[Text]:
    """Break a text between words into rows that are no wider than that."""
    if row.cell_len <= width:
        return [row]
    from rich.console import Console

    parts = list(row.wrap(Console(width=width), width, overflow="fold"))
    for part in parts:
        part.rstrip()
        part.end = ""
    return parts


def _past(since: float, now: float) -> str:
    return passed(max(now - since, 0.0))


def _short(value: Scalar) -> str:
    return f"{value:.6g}" if isinstance(value, float) else line(str(value))
