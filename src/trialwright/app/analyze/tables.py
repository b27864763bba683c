"""What an open data set of a study holds: each table's columns with units and words, and its rows.

Left out is what says more than the study: commands, folders, host names, and, unless they are asked
for, the texts of logs and the patches of code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trialwright.app.documents import plain
from trialwright.campaigns.campaign import Experiment
from trialwright.campaigns.dataset import CONFIG, METRIC, OWN, Kind
from trialwright.expression import Scalar
from trialwright.history import History, Run, Trial
from trialwright.insight.ours import campaign_of
from trialwright.records import (
    UNKNOWN_SEED,
    Admission,
    Entry,
    Exchange,
    Proposal,
    Refusal,
    RunKey,
    Verdict,
)
from trialwright.task import FRESH

Row = dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class Column:
    """What stands in a column."""

    name: str
    kind: Kind
    what: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of the data set."""

    name: str
    what: str
    columns: tuple[Column, ...]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Extent:
    """What is wished beside the numbers."""

    logs: bool = False
    """The texts of logs: the last lines of failed runs, and what was made of them."""
    code: bool = False
    """The patches of trials that change code."""


def sheets(entries: Sequence[Entry], history: History, extent: Extent) -> list[Sheet]:
    """Return every table of a study whose ledger holds `entries`."""
    return [
        _trials(history),
        _runs(history, extent),
        _curves(history),
        _proposals(entries, extent),
        _verdicts(entries, extent),
        _exchanges(entries),
    ]


def _columns(text: str) -> tuple[Column, ...]:
    """Columns as lines `name | kind | unit | what`."""
    found = []
    for line in text.strip().splitlines():
        name, kind, unit, what = (part.strip() for part in line.split("|"))
        kinds: dict[str, Kind] = {"int": "int", "float": "float", "bool": "bool", "str": "str"}
        found.append(Column(name, kinds[kind], what, unit))
    return tuple(found)


_TRIALS = _columns("""
trial | int | | number of the trial, from 0
state | str | | queued, running, done, failed, pruned or cancelled
status | str | | keep, discard, crash, or other: not decided; empty: not judged yet
verdict | str | | kept, discarded, unconfirmed or failed: the verdict that stands
mean | float | metric | mean of the objective over the seeds that are done
value | float | metric | what the trial is judged by: the study's robust objective over its seeds
seeds | int | seeds | seeds with a result, fresh ones left out
by | str | | who proposed it
category | str | | kind of change, by what differs in the code or in the settings
touched | str | | all kinds that it touches, where there are several
declared | str | | kind of change as it was declared
parent | int | | the trial that it changes
code | str | | version of the code as it was found: results of two versions are not one sample
tree | str | | id of the git tree with its code, where trials change code
admitted_at | float | s since 1970, UTC | when it became a trial
seconds | float | s | wall time of all its runs
memory_gb | float | GB | peak memory of its first run
description | str | | what changes in the code, or why it was proposed
predicted_low | float | metric | lower end of what was predicted before it ran
predicted_high | float | metric | upper end
predicted_level | float | | probability with which the result was to lie between them
predicted_result | float | metric | the result that was predicted: that of the first seed
llm_tokens | float | tokens | what its proposer's language model took, spread over its trials
llm_usd | float | US dollars | the same, where the price is known
context_tokens | float | tokens | what that model can read at once
""")


def _trials(history: History) -> Sheet:
    judged = {one.line: one for one in campaign_of(history).experiments}
    rows = [_trial(trial, judged.get(trial.number)) for trial in history.trials]
    extra = [
        *_found(rows, CONFIG, "setting"),
        *_found(rows, METRIC, "in its first run, the last value of"),
    ]
    return Sheet("trials", "one row per trial", (*_TRIALS, *extra), rows)


def _trial(trial: Trial, one: Experiment | None) -> Row:
    proposal, predicted = trial.proposal, trial.proposal.predicted
    row: Row = {
        "trial": trial.number,
        "state": trial.state,
        "value": trial.value,
        "seeds": len(trial.values),
        "by": proposal.by,
        "category": proposal.category if one is None else one.category,
        "declared": proposal.category,
        "parent": proposal.parent,
        "code": trial.code,
        "tree": trial.tree,
        "admitted_at": trial.admitted_at,
        "description": (proposal.edit.summary if proposal.edit else "") or proposal.rationale,
        "predicted_low": predicted.low if predicted else None,
        "predicted_high": predicted.high if predicted else None,
        "predicted_level": predicted.level if predicted else None,
        **{CONFIG + name: value for name, value in trial.configuration.items()},
    }
    if one is None:
        return row
    reported = {k: v for k, v in one.metrics.items() if k not in OWN}
    return row | {
        "status": one.status,
        "verdict": one.word,
        "mean": one.metric,
        "seconds": one.seconds,
        "memory_gb": one.memory_gb,
        "touched": one.extra["touched"] or None,
        **{name: one.metrics.get(name) for name in OWN},
        **{METRIC + name: value for name, value in reported.items()},
    }


def _found(rows: Sequence[Row], prefix: str, what: str) -> Iterator[Column]:
    """Columns whose names the study gave; one with values of several kinds becomes text."""
    for name in dict.fromkeys(key for row in rows for key in row if key.startswith(prefix)):
        values = [row[name] for row in rows if row.get(name) is not None]
        kind = _kind(values)
        for row in rows:
            value = row.get(name)
            if kind == "str" and value is not None and not isinstance(value, str):
                row[name] = json.dumps(value)
            elif kind == "float" and isinstance(value, int):
                row[name] = float(value)
        yield Column(name, kind, f"{what} {name.removeprefix(prefix)}")


def _kind(values: Sequence[Scalar]) -> Kind:
    if values and all(isinstance(value, bool) for value in values):
        return "bool"
    if any(isinstance(value, bool | str) for value in values):
        return "str"
    return "int" if values and all(isinstance(value, int) for value in values) else "float"


_RUNS = _columns("""
trial | int | | the trial
seed_index | int | | which of its seeds, from 0
attempt | int | | which attempt under that seed, from 0
fresh | bool | | a seed that no selection saw: only for what the winner is worth
seed | int | | the seed itself, as the script got it; empty: not recorded
outcome | str | | done, failed, pruned or cancelled; empty: it had not ended
value | float | metric | the objective
heldout | float | | the metric that nobody was shown before the study was over, where there is one
seconds | float | s | wall time
memory_bytes | int | bytes | peak memory
exit_status | int | | as a shell counts: 128 + n after signal n
cause | str | | why it failed
findings | str | | what its curve shows, separated by blanks
diagnosis | str | | the same as a sentence; with no logs none of failed runs, and none by a model
launched_at | float | s since 1970, UTC | when it was started
ended_at | float | s since 1970, UTC | when its end was recorded
code | str | | version of the code
machine | str | | id of the machine, as in dataset.json
""")
_LOGS = _columns("""
detail | str | | what happened, in a line
log_tail | str | | last lines of a failed run's log
""")


def _runs(history: History, extent: Extent) -> Sheet:
    heldout = history.heldout()
    rows = [
        _run(run, trial, heldout.get(run.key), extent)
        for trial in history.trials
        for run in trial.runs
    ]
    extra = tuple(_found(rows, METRIC, "last value of"))
    logs = _LOGS if extent.logs else ()
    return Sheet("runs", "one row per run of the script", (*_RUNS, *logs, *extra), rows)


def _run(run: Run, trial: Trial, heldout: float | None, extent: Extent) -> Row:
    seen, read, launch = run.observation, run.diagnosis, run.launch
    row = _key(run.key) | {
        "fresh": run.key.seed >= FRESH,
        "seed": None if launch.seed == UNKNOWN_SEED else launch.seed,
        "heldout": heldout,
        "findings": " ".join(read.findings) if read else None,
        "diagnosis": _diagnosis(run, extent),
        "launched_at": run.launched_at,
        "ended_at": run.ended_at,
        "code": launch.code or trial.admission.code,
        "machine": launch.machine,
    }
    if seen is None:
        return row
    row |= {
        "outcome": seen.outcome,
        "value": seen.value,
        "seconds": seen.seconds,
        "memory_bytes": seen.peak_memory_bytes,
        "exit_status": seen.exit_status,
        "cause": seen.cause,
        **{METRIC + name: value for name, value in seen.metrics.items()},
    }
    return row | ({"detail": seen.detail, "log_tail": seen.log_tail} if extent.logs else {})


def _diagnosis(run: Run, extent: Extent) -> str | None:
    """The sentence about a run; those of failures, and those of models, quote its log."""
    read, seen = run.diagnosis, run.observation
    if read is None or seen is None:
        return None
    quotes = seen.outcome == "failed" or read.by != ""
    return read.sentence if extent.logs or not quotes else None


def _key(key: RunKey) -> Row:
    return {"trial": key.trial, "seed_index": key.seed, "attempt": key.attempt}


_CURVES = _columns("""
trial | int | | the trial
seed_index | int | | which of its seeds
attempt | int | | which attempt
metric | str | | what was reported
step | float | steps | as the script counts them: epochs, steps
value | float | | the value; NaN where the script reported that
""")


def _curves(history: History) -> Sheet:
    rows = [
        _key(run.key) | {"metric": metric, "step": step, "value": value}
        for trial in history.trials
        for run in trial.runs
        if run.observation is not None
        for metric in run.observation.curve.series
        for step, value in run.observation.curve.points(metric)
    ]
    what = "one row per value that a run reported on its way; long runs are thinned"
    return Sheet("curves", what, _CURVES, rows)


_PROPOSALS = _columns("""
sequence | int | | place in the record
at | float | s since 1970, UTC | when it was decided on
trial | int | | the trial that it became; empty: it was refused
by | str | | who proposed it
category | str | | kind of change, as declared
parent | int | | the trial that it changes
configuration | str | JSON | what was proposed
rationale | str | | why, in words
reasons | str | JSON | why each value
hypothesis | str | | what was claimed beforehand
expects | str | | better, worse, no_worse or same
against | int | | as which trial
predicted_low | float | metric | lower end of what was predicted
predicted_high | float | metric | upper end
edit | str | | what changes in the code, in a line
added | int | lines | that an edit adds
removed | int | lines | that it takes away
faults | str | | why it was refused
""")
_PATCH = _columns("patch | str | | the edit, as git writes it, from the parent's tree")


def _proposals(entries: Sequence[Entry], extent: Extent) -> Sheet:
    rows: list[Row] = []
    for entry in entries:
        match entry.record:
            case Admission(number=number, proposal=proposal):
                rows.append(_proposal(entry, proposal, extent) | {"trial": number})
            case Refusal(proposal=proposal, faults=faults, cause=cause):
                # What was run for a moment is refused with the words of its log.
                told = "; ".join(faults) if extent.logs or cause is None else f"its code: {cause}"
                rows.append(_proposal(entry, proposal, extent) | {"faults": told})
    columns = (*_PROPOSALS, *(_PATCH if extent.code else ()))
    return Sheet("proposals", "one row per proposal, refused ones too", columns, rows)


def _proposal(entry: Entry, proposal: Proposal, extent: Extent) -> Row:
    claim, edit, predicted = proposal.hypothesis, proposal.edit, proposal.predicted
    row: Row = {
        "sequence": entry.sequence,
        "at": entry.at,
        "by": proposal.by,
        "category": proposal.category,
        "parent": proposal.parent,
        "configuration": _json(proposal.configuration),
        "rationale": proposal.rationale,
        "reasons": _json(proposal.reasons),
        "hypothesis": claim.claim if claim else None,
        "expects": claim.expects if claim else None,
        "against": claim.against if claim else None,
        "predicted_low": predicted.low if predicted else None,
        "predicted_high": predicted.high if predicted else None,
        "edit": edit.summary if edit else None,
        "added": edit.added if edit else None,
        "removed": edit.removed if edit else None,
    }
    return row | ({"patch": edit.patch if edit else None} if extent.code else {})


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


_VERDICTS = _columns("""
sequence | int | | place in the record
at | float | s since 1970, UTC | when it was given
trial | int | | the trial; a later verdict replaces an earlier one
status | str | | kept, discarded, unconfirmed or failed
against | int | | the trial that was the best until then
probability | float | | that the gain is real
seeds_needed | int | seeds | more per side, after which such a gain could be told from noise
simpler | bool | | kept as being as good with less code
sentence | str | | the verdict in words; with no logs none of failed trials
""")


def _verdicts(entries: Sequence[Entry], extent: Extent) -> Sheet:
    found = _listed(entries, Verdict, Sheet("verdicts", "one row per verdict", _VERDICTS, []))
    for row in found.rows:
        # Of a failure the sentence is what the log says.
        if row["status"] == "failed" and not extent.logs:
            row["sentence"] = None
    return found


_EXCHANGES = _columns("""
sequence | int | | place in the record
at | float | s since 1970, UTC | when it ended
by | str | | who asked
purpose | str | | propose, diagnose, analyse or describe
model | str | | the language model
requests | int | | calls of its interface
input_tokens | int | tokens | read by it
cached_tokens | int | tokens | of those, from a cache
output_tokens | int | tokens | written by it
estimated | bool | | whether tokens are characters divided by four
usd | float | US dollars | what it cost; empty: the price is not known
seconds | float | s | that it took
outcome | str | | answered or failed
""")


def _exchanges(entries: Sequence[Entry]) -> Sheet:
    what = "one row per conversation with a language model, without its texts"
    return _listed(entries, Exchange, Sheet("exchanges", what, _EXCHANGES, []))


def _listed(entries: Sequence[Entry], kind: type, into: Sheet) -> Sheet:
    """Every record of a kind, its fields under the columns of their names."""
    get: Callable[[object, str], Scalar] = getattr
    own = [column.name for column in into.columns if column.name not in ("sequence", "at")]
    for entry in entries:
        if isinstance(entry.record, kind):
            row: Row = {"sequence": entry.sequence, "at": entry.at}
            into.rows.append(row | {name: get(entry.record, name) for name in own})
    return into
