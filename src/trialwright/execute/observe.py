"""From how a run ended to what it showed. Every runner ends here, so that all judge alike."""

from __future__ import annotations

import math

from trialwright.execute.failures import Ending, cause_of
from trialwright.execute.lastwords import last_lines
from trialwright.execute.metrics import Collector
from trialwright.execute.runner import Order
from trialwright.knowledge import facts_in
from trialwright.process.checkout import altered
from trialwright.records import Cause, Observation, Outcome


def observe(order: Order, collector: Collector, ending: Ending, tail: str) -> Observation:
    """Read a run that has ended; `collector` has taken in all of its output.

    `tail` is the end of its log, some hundred lines. A result that the script declared final stands
    whatever happened afterwards. Without one, only a run that ended well is done, or one that has
    had the time that every run is given, so that half a training is never taken for a whole one.
    """
    objective = order.objective
    value = objective.value(collector.series(objective.metric))
    ended_well = ending.exit_status == 0 and ending.breach is None and ending.start_error is None
    had_its_time = ending.given_s is not None and ending.stopped is None
    warnings: tuple[str, ...] = ()
    cause: Cause | None = None
    outcome: Outcome
    detail = ""
    touched = altered(order.code) if order.code is not None and ending.start_error is None else ()
    if touched and ending.stopped is None:
        outcome, cause, detail = "failed", "tampered", _tampered(touched)
    elif collector.final and value is not None:
        outcome = "done"
        warnings = _afterwards(ending, tail, order=order, collector=collector)
    elif ending.stopped is not None:
        outcome = ending.stopped
    elif (ended_well or had_its_time) and value is not None:
        outcome = "done"
    else:
        outcome = "failed"
        cause, detail = cause_of(ending, tail, order=order, collector=collector)
    return Observation(
        run=order.run,
        outcome=outcome,
        value=value if outcome == "done" else None,
        metrics=collector.last,
        curve=collector.curve(),
        seconds=ending.seconds,
        peak_memory_bytes=ending.peak_memory_bytes,
        exit_status=ending.exit_status,
        given_s=ending.given_s if had_its_time else None,
        cause=cause,
        detail=detail,
        log_tail=last_lines(tail) if outcome == "failed" else "",
        facts=facts_in(collector.opening, loose=False) if outcome == "done" else {},
        warnings=(*warnings, *_doubts(order, collector, outcome)),
    )


def _tampered(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return (
        f"the run changed frozen files ({', '.join(paths[:3])}{more}), so what it reports counts"
        " for nothing: an edit must not write to them"
    )


def _afterwards(
    ending: Ending, tail: str, *, order: Order, collector: Collector
) -> tuple[str, ...]:
    """Warn of a run that declared its result final and then did not end well."""
    if ending.exit_status == 0 or ending.stopped is not None or ending.given_s is not None:
        return ()
    cause, detail = cause_of(ending, tail, order=order, collector=collector)
    return (f"after its result was final the run {cause.replace('_', ' ')}: {detail}",)


def _doubts(order: Order, collector: Collector, outcome: Outcome) -> tuple[str, ...]:
    """Warn of what a done run's curve leaves unsaid."""
    if outcome != "done":
        return ()
    series = collector.series(order.objective.metric)
    missing = sum(not math.isfinite(point) for point in series)
    if not missing:
        return ()
    return (f"{missing} of {len(series)} points of {order.objective.metric} are NaN or infinite",)
