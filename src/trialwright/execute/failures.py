"""Why a run failed, and what to do about it: from its exit status, its limits and its last words.

The table of known texts is in `symptoms`. What a log says is hostile text: it chooses among causes
and is quoted, nothing more.
"""

from __future__ import annotations

import math
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePath
from typing import Literal

from trialwright.analysis.curves import spelled
from trialwright.execute.confines import held_back
from trialwright.execute.lastwords import Crash, candidates, clean, crash_of
from trialwright.execute.metrics import Collector
from trialwright.execute.runner import Order
from trialwright.execute.symptoms import SYMPTOMS, Symptom, package
from trialwright.records import Cause
from trialwright.task import Limits

LONGEST_DETAIL = 500
"""Characters of a detail."""

LONGEST_QUOTE = 200

_CRASHES = {
    signal.SIGSEGV: "a segmentation fault in native code",
    signal.SIGABRT: "native code gave up (abort)",
    signal.SIGBUS: "a bus error: often a full /dev/shm, or a truncated memory-mapped file",
    signal.SIGILL: "an illegal instruction: a package that was built for another processor",
    signal.SIGFPE: "an arithmetic error in native code",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run's processes ended, as whoever ran them saw it."""

    exit_status: int | None
    """As the shell counts: 128 + n after signal n; None if it never started."""
    stopped: Literal["pruned", "cancelled"] | None = None
    """Ended because somebody asked the runner to."""
    breach: Literal["timed_out", "stalled", "out_of_memory_host"] | None = None
    """The limit for which the runner killed it."""
    given_s: float | None = None
    """Its time, where it was ended for having had it: no breach, but what every run is given."""
    seconds: float = 0.0
    peak_memory_bytes: int | None = None
    start_error: str | None = None
    """Why the command could not be started."""


def cause_of(ending: Ending, tail: str, *, order: Order, collector: Collector) -> tuple[Cause, str]:
    """Name the cause of a run that has no result, with one line that says what to do.

    `tail` is the end of its log. What the runner itself saw (a limit, a failed start) outweighs
    what the log says; the last traceback outweighs all chatter before it.
    """
    cause, detail = _cause(ending, tail, order=order, collector=collector)
    return cause, _one_line(detail, LONGEST_DETAIL)


def _cause(ending: Ending, tail: str, *, order: Order, collector: Collector) -> tuple[Cause, str]:
    if ending.start_error is not None:
        return _not_started(ending.start_error, order)
    if ending.breach is not None:
        return ending.breach, _breach(ending, order.limits)
    if ending.given_s is not None or ending.exit_status == 0:
        return _in_its_time(ending.given_s, order, collector)
    crash = crash_of(tail)
    known = _known(ending, crash, order)
    if known is not None:
        return known
    series = collector.series(order.objective.metric)
    if series and not math.isfinite(series[-1]):
        return "diverged", f"{_last_line(crash)}; {_diverged(order.objective.metric, series)}"
    return _unknown(ending, crash)


def _known(ending: Ending, crash: Crash, order: Order) -> tuple[Cause, str] | None:
    """What a bound of the sandbox, or a known text, says of a death."""
    if order.confinement is not None:
        held = held_back(order.confinement, ending.exit_status, crash)
        if held is not None:
            return held
    for words in candidates(crash):
        for symptom in SYMPTOMS:
            match = symptom.pattern.search(words)
            if match and symptom.exit_status in (None, ending.exit_status):
                return symptom.cause, _explained(symptom, match, crash=crash, order=order)
    return None


def _explained(symptom: Symptom, match: re.Match[str], *, crash: Crash, order: Order) -> str:
    groups = {name: text for name, text in match.groupdict().items() if text}
    said = _one_line(match[0], LONGEST_QUOTE)
    if symptom.cause == "syntax_error" and crash.place:
        said += f" ({crash.place})"
    remedy = symptom.remedy.format(
        package=package(groups.get("module", "")),
        python=_interpreter(order.command),
        workdir=order.workdir,
    )
    return f"{said}: {remedy}" if remedy else said


def _unknown(ending: Ending, crash: Crash) -> tuple[Cause, str]:
    status = ending.exit_status
    last = _last_line(crash)
    if status is None:
        return "killed", f"it ended without an exit status, as on a machine that went down; {last}"
    if status - 128 not in set(signal.Signals) or crash.exceptions:
        return "other", f"exit status {status}; {last}"
    sent = signal.Signals(status - 128)
    if sent in _CRASHES:
        return "other", f"{sent.name}: {_CRASHES[sent]}; {last}"
    if sent == signal.SIGXCPU:
        return "timed_out", "SIGXCPU: the processor time that `ulimit -t` grants was used up"
    if sent == signal.SIGKILL:
        return _killed(ending, crash)
    return "killed", f"somebody else ended it with {sent.name}; {last}"


def _killed(ending: Ending, crash: Crash) -> tuple[Cause, str]:
    """Tell the kernel's out-of-memory killer from a person or a scheduler, as far as one can."""
    memory = _gibibytes(ending.peak_memory_bytes)
    if re.search(r"^(?:.*: line \d+: +\d+ )?Killed\b", crash.behind, re.MULTILINE):
        return "out_of_memory_host", (
            f"Killed (SIGKILL){memory}: most likely the kernel, for want of memory; take less data"
            " into memory, a smaller model, or fewer runs at a time (runner: workers)"
        )
    return "killed", (
        f"somebody else ended it with SIGKILL{memory}: a person, a scheduler, or the kernel for"
        " want of memory (`dmesg` would say); try again, or fewer runs at a time (runner: workers)"
    )


def _not_started(error: str, order: Order) -> tuple[Cause, str]:
    program = order.command[0] if order.command else ""
    if not order.workdir.is_dir():
        return "missing_file", f"the working directory {order.workdir} is not there: {error}"
    if re.search(r"not found|No such file|Errno 2\b|ENOENT", error):
        return "command_not_found", (
            f"the program {program!r} was not found ({error}): install it, or write its whole path"
            " as the first word of `command`"
        )
    if re.search(r"Permission denied|Errno 13\b|EACCES", error):
        return "command_not_found", (
            f"{program} can't be executed ({error}): `chmod +x` it, or name its interpreter first"
        )
    if re.search(r"Exec format|Errno 8\b|ENOEXEC", error):
        return "command_not_found", (
            f"{program} is no program for this machine ({error}): a script needs `#!` and its"
            " interpreter in its first line, or name the interpreter first"
        )
    return "other", f"{program} could not be started: {error}"


def _breach(ending: Ending, limits: Limits) -> str:
    match ending.breach:
        case "timed_out":
            return (
                f"it ran for {ending.seconds:.4g} s; {_limit(limits.run_s, 's')} allowed: raise"
                " `limits.run`, or make runs shorter (fewer epochs, less data)"
            )
        case "stalled":
            return (
                f"it printed nothing for {_limit(limits.stall_s, 's')}: it hangs, or it should"
                " print its progress more often, or `limits.stall` be raised"
            )
        case _:
            allowed = _gibibytes(limits.memory_bytes) or " the limit"
            return (
                f"it used{_gibibytes(ending.peak_memory_bytes) or ' more'} of memory;{allowed}"
                " allowed: raise `limits.memory`, or make the model or the batch smaller"
            )


def _limit(number: float | None, unit: str) -> str:
    return "the limit" if number is None else f"{number:g} {unit}"


def _without_result(order: Order, collector: Collector) -> tuple[Cause, str]:
    """Explain a run that ended well and has no usable value."""
    metric = order.objective.metric
    series = collector.series(metric)
    if series:
        return "diverged", _diverged(metric, series)
    came = [name for name, _ in collector.last.items()]
    nearest = nearest_name(metric, came)
    found = f"it reported {', '.join(came[:10])}" if came else "it reported no metric at all"
    if nearest:
        remedy = (
            f"did you mean {nearest}? Set `goal`, or `metrics: {{rename: {{{nearest}: {metric}}}}}`"
        )
    else:
        remedy = (
            f"print it with `trialwright.emit({identifier(metric)}=...)`, or say under `metrics`"
            " where the script leaves it"
        )
    problems = "; ".join(collector.problems)
    return "no_metric", f"it never reported {metric}; {found}: {remedy}" + (
        f" ({problems})" if problems else ""
    )


def _in_its_time(given_s: float | None, order: Order, collector: Collector) -> tuple[Cause, str]:
    """Explain a run without a usable value that ended well, or when its time was over."""
    cause, detail = _without_result(order, collector)
    if given_s is None:
        return cause, detail
    said = f"ended after its {spelled(given_s)} (`limits.budget`): {detail}"
    if cause == "no_metric":
        said += "; what counts has to be reported before its time is over, while it trains"
    return cause, said


def nearest_name(name: str, known: Sequence[str]) -> str | None:
    """Return the name among `known` that `name` was probably meant to be, if any."""
    plain = {re.sub(r"[\W_]+", "", other).lower(): other for other in known}
    wanted = re.sub(r"[\W_]+", "", name).lower()
    close = get_close_matches(wanted, plain, n=1, cutoff=0.6)
    if close:
        return plain[close[0]]
    return next((other for short, other in plain.items() if short and short in wanted), None)


def identifier(metric: str) -> str:
    """Return a metric's name as a Python keyword argument."""
    return metric if metric.isidentifier() else "**{" + repr(metric) + ": value}"


def _diverged(metric: str, series: Sequence[float]) -> str:
    first = next(i for i, value in enumerate(series) if not math.isfinite(value))
    return (
        f"{metric} is {series[-1]:g} at the end (first at its point {first + 1} of {len(series)}):"
        " lower the learning rate, clip gradients, or check the data for missing values"
    )


def _last_line(crash: Crash) -> str:
    if crash.exceptions:
        return crash.exceptions[0].splitlines()[0]
    line = next((line for line in reversed(crash.behind.splitlines()) if line.strip()), "")
    return f"its last line: {line.strip()}" if line else "it printed nothing"


def _interpreter(command: Sequence[str]) -> str:
    """The command's own Python, to install packages for; else Python in general."""
    program = command[0] if command else ""
    return program if PurePath(program).name.startswith("python") else "python"


def _gibibytes(count: int | None) -> str:
    return "" if count is None else f" {count / 2**30:.3g} GiB"


def _one_line(text: str, longest: int) -> str:
    words = " ".join(clean(text).split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
