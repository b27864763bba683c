"""The reasoning log: every decision with what it rested on, a paragraph each, in their order.

A paragraph is made from one entry of the ledger and what never changes about the trials that it
names, so that the log can be continued where it ends: the same entries give the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import get_args

from trialwright.history import History
from trialwright.records import (
    Admission,
    Analysis,
    Block,
    Claim,
    Closed,
    CodeVersion,
    Entry,
    Exchange,
    Instructions,
    Notice,
    Observation,
    Opened,
    Promotion,
    Proposal,
    Record,
    Refusal,
    Request,
    Status,
    Verdict,
)
from trialwright.report import words

LONGEST = 1_000
"""Characters of one remark."""

_HEAD = re.compile(r"#(\d+) ")
_VERDICT = re.compile(
    rf"^#\d+ [-\d]+ [:\d]+ UTC  trial (\d+) ({'|'.join(get_args(Status))})[,:]", re.MULTILINE
)


def header(history: History) -> str:
    """Return the log's first line, by which a log of another study is told."""
    begun = f"# Reasoning of {history.task.name}, begun {stamp(history.started_at)}"
    return f"{begun}; verdicts are told when their status changes"


def continued(text: str, history: History) -> tuple[str, int]:
    """Return a log as far as it can be kept, and the sequence of the last entry that it tells of.

    A log of another study, or of entries that are not in the ledger, is begun again.
    """
    head = header(history)
    told = [int(match[1]) for line in text.splitlines() if (match := _HEAD.match(line))]
    whole = text.startswith(f"{head}\n") and text.endswith("\n")
    if not whole or not told or told[-1] > history.sequence:
        return f"{head}\n", 0
    return text, told[-1]


def statuses(text: str) -> dict[int, str]:
    """Return the status of each trial as a log told it last."""
    return {int(match[1]): match[2] for match in _VERDICT.finditer(text)}


def paragraphs(
    entries: Iterable[Entry], history: History, *, told: Mapping[int, str] | None = None
) -> str:
    """Return what entries say of decisions; '' of entries that decide nothing.

    `told` is what status of each trial the log tells of already: the same one is not told again.
    """
    found = []
    status = dict(told or {})
    for entry in entries:
        if isinstance(entry.record, Verdict):
            if status.get(entry.record.trial) == entry.record.status:
                continue
            status[entry.record.trial] = entry.record.status
        said = _said(entry.record, history)
        if said:
            first, *more = said
            lines = [f"#{entry.sequence} {stamp(entry.at)}  {first}", *(f"    {m}" for m in more)]
            found.append("\n".join(lines))
    return "".join(f"{text}\n" for text in found)


def stamp(at: float) -> str:
    """Return a time in words: UTC, to the second."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _said(record: Record, history: History) -> Sequence[str]:  # noqa: C901, PLR0911, PLR0912  # a line per kind
    match record:
        case Opened():
            return _opened(record)
        case CodeVersion():
            return (f"code version {record.id}",)
        case Admission():
            return _admitted(record, history)
        case Refusal():
            faults = words.listed(list(map(_one, record.faults)))
            return (f"refused {_one(record.proposal.by)}: {faults}", *_why(record.proposal))
        case Observation():
            return _observed(record, history)
        case Verdict():
            rests = "" if record.against is None else f", held against trial {record.against}"
            return (f"trial {record.trial} {record.status}{rests}: {_one(record.sentence)}",)
        case Promotion():
            fresh = "fresh seeds" if record.fresh else "seeds"
            return (
                f"trial {record.trial} is to have {record.seeds} {fresh}: {_one(record.reason)}",
            )
        case Claim():
            return (f"{_one(record.by)} claims: {_one(record.text)}",)
        case Exchange():
            return _asked(record)
        case Notice(level="info"):
            return ()
        case Notice():
            return (f"{record.level}: {_one(record.text)}",)
        case Analysis():
            about = "the study" if record.block is None else f"block {record.block}"
            struck = f"; {words.count(len(record.struck), 'statement')} struck out"
            return (f"{_one(record.by)} wrote about {about}{struck if record.struck else ''}",)
        case Block():
            return (_closed_block(record),)
        case Instructions():
            return (f"instructions: {_one(record.text) or 'none any more'}",)
        case Request():
            return _requested(record)
        case Closed():
            return (f"the session ended ({record.reason}): {_one(record.sentence)}",)
    return ()


def _opened(opened: Opened) -> Sequence[str]:
    objective = opened.task.objective
    head = f"a session began: {objective.direction} {objective.metric}, seed {opened.seed}"
    return (head, *(f"changed: {_one(change)}" for change in opened.changes))


def _admitted(admission: Admission, history: History) -> Sequence[str]:
    proposal = admission.proposal
    parent = proposal.parent
    if parent is None or parent >= len(history.trials):
        origin, values = "", words.configuration(proposal.configuration)
    else:
        before = history.trials[parent].configuration
        origin = f" from trial {parent}"
        changes = words.changes(before, proposal.configuration)
        values = words.listed(changes, most=len(changes) + 1)
    asked = "" if admission.request is None else f" (request {admission.request})"
    head = f"trial {admission.number} proposed by {_one(proposal.by)}{origin}{asked}: {values}"
    return (head, *_why(proposal))


def _why(proposal: Proposal) -> Sequence[str]:
    lines = [f"because: {_one(proposal.rationale)}"] if proposal.rationale else []
    lines += [f"{', '.join(names)}: {why}" for why, names in _together(proposal).items()]
    expected = proposal.hypothesis
    if expected is not None:
        than = "" if expected.against is None else f" trial {expected.against}"
        relation = {"better": "better than", "worse": "worse than", "same": "like"}
        way = relation.get(expected.expects, "no worse than") if than else "as predicted"
        lines.append(f"expects it {way}{than}: {_one(expected.claim)}")
    if proposal.predicted is not None:
        low, high = words.number(proposal.predicted.low), words.number(proposal.predicted.high)
        lines.append(f"predicts {low} to {high} with {proposal.predicted.level:.0%}")
    return lines


def _together(proposal: Proposal) -> dict[str, list[str]]:
    """The parameters of each reason: many share one, and it is told once."""
    found: dict[str, list[str]] = {}
    for name, why in proposal.reasons.items():
        found.setdefault(_one(why), []).append(_one(name))
    return found


def _observed(observation: Observation, history: History) -> Sequence[str]:
    run, metric = observation.run, history.task.objective.metric
    seed = f" under seed {run.seed}" if run.seed else ""
    again = f", attempt {run.attempt + 1}" if run.attempt else ""
    took = words.seconds(observation.seconds)
    if observation.outcome == "done":
        said = f"{metric} = {words.number(observation.value)}"
    else:
        cause = f" ({observation.cause.replace('_', ' ')})" if observation.cause else ""
        said = f"{observation.outcome}{cause}"
    detail = [_one(observation.detail)] if observation.detail else []
    return (f"trial {run.trial}{seed}{again}: {said} after {took}", *detail)


def _asked(exchange: Exchange) -> Sequence[str]:
    tokens = exchange.input_tokens + exchange.output_tokens
    price = "" if exchange.usd is None else f", ${exchange.usd:.4f}"
    mended = f"; mended: {', '.join(map(_one, exchange.repairs))}" if exchange.repairs else ""
    failed = f"; no answer: {_one(exchange.detail)}" if exchange.outcome == "failed" else ""
    return (
        f"{_one(exchange.by)} was asked to {exchange.purpose}: {tokens:,} tokens{price},"
        f" {words.seconds(exchange.seconds)}{mended}{failed}",
    )


def _closed_block(block: Block) -> str:
    head = f"block {block.number} ended: trials {block.first} to {block.last}"
    if block.best is None:
        return f"{head}, no result yet"
    return f"{head}, the best so far trial {block.best} with {words.number(block.value)}"


def _requested(request: Request) -> Sequence[str]:
    by, asked = f" by {_one(request.by)}" if request.by else "", ""
    match request.what:
        case "steer":
            return (f"a person wishes: {_one(request.text)}",)
        case "note":
            return (f"note{by}: {_one(request.text)}",)
        case "replicate":
            asked = f"{words.count(request.seeds, 'more seed')} of trial {request.trial}"
        case "rerun":
            asked = f"trial {request.trial} once more"
        case "prune":
            asked = f"end trial {request.trial} early"
        case "stop":
            asked = f"stop{' at once' if request.now else ''}"
    return (f"asked{by}: {asked}",) if asked else ()


def _one(text: str) -> str:
    return words.line(text, most=LONGEST)
