"""The read-only face of a ledger: trials with their runs, the best, what was seen, what was spent.

A history is a fold over entries: the same entries give the same history, live or read again. Each
entry costs the same however many came before. It decides nothing: verdicts are records.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from trialwright.errors import LedgerError
from trialwright.expression import Scalar
from trialwright.ledger import SqliteLedger
from trialwright.records import (
    Admission,
    Analysis,
    Block,
    Claim,
    Closed,
    CodeVersion,
    Diagnosis,
    Entry,
    Exchange,
    Instructions,
    Launch,
    Machine,
    Notice,
    Observation,
    Opened,
    Outcome,
    Promotion,
    Proposal,
    Refusal,
    Request,
    RunKey,
    Verdict,
)
from trialwright.robust import Robust, shared
from trialwright.space import Space
from trialwright.task import FRESH, Seeds, Task, unmet

State = Literal["queued", "running", "done", "failed", "pruned", "cancelled"]


ROUNDING = 1e-7
"""Part of two values below which their difference is rounding, as of sums in another order."""

LEDGER = "ledger.db"
"""A study's ledger, within its folder."""


@dataclass(slots=True)
class Run:
    """One execution: its launch, and what it showed once it ended."""

    launch: Launch
    launched_at: float
    observation: Observation | None = None
    diagnosis: Diagnosis | None = None
    ended_at: float | None = None

    @property
    def key(self) -> RunKey:
        """Trial, seed index, attempt."""
        return self.launch.run

    @property
    def handed_out(self) -> bool:
        """Whether an outside agent has it, and has not told yet how it went."""
        return bool(self.launch.by) and self.observation is None


@dataclass(slots=True)
class Trial:
    """An admitted proposal with its runs."""

    admission: Admission
    admitted_at: float
    planned: int = 1
    """Seeds that the trial is to have: the task's `screen`, and what was added to them."""
    fresh_planned: int = 0
    """Fresh seeds that it is to have, which no selection sees."""
    runs: list[Run] = field(default_factory=list)
    """Every attempt, in the order of their launches."""
    verdict: Verdict | None = None
    value: float | None = None
    """The robust objective over the seeds done; None if there are too few, or one failed.

    Kept by the history: it is asked for far more often than it changes.
    """
    breach: str = ""
    """The requirement of the task that the trial does not meet, in words; such a one has no value.

    Kept by the history, as `value` is.
    """
    rerun: bool = False
    """Whether a further attempt of the first seed was asked for and not yet launched."""

    @property
    def number(self) -> int:
        """The trial's number, from 0."""
        return self.admission.number

    @property
    def proposal(self) -> Proposal:
        """What was proposed, by whom and why."""
        return self.admission.proposal

    @property
    def configuration(self) -> Mapping[str, Scalar]:
        """The values that the runs get."""
        return self.admission.proposal.configuration

    @property
    def code(self) -> str:
        """Id of the code version under which the trial ran last, or was admitted."""
        return (self.runs[-1].launch.code if self.runs else None) or self.admission.code

    @property
    def latest(self) -> dict[int, Run]:
        """The latest attempt of each seed index, under the trial's code version; no fresh seeds."""
        return {seed: run for seed, run in self.every.items() if seed < FRESH}

    @property
    def fresh(self) -> dict[int, Run]:
        """The latest attempt of each fresh seed, which neither `value` nor `values` counts."""
        return {seed: run for seed, run in self.every.items() if seed >= FRESH}

    @property
    def every(self) -> dict[int, Run]:
        """The latest attempt of each seed index, fresh ones too."""
        code = self.code
        return {
            run.key.seed: run
            for run in self.runs
            if (run.launch.code or self.admission.code) == code
        }

    def attempts(self, seed: int) -> int:
        """Return how often seed index `seed` was launched, under any code version."""
        return sum(run.key.seed == seed for run in self.runs)

    @property
    def values(self) -> dict[int, float]:
        """The objective of each seed index whose latest attempt is done."""
        return {
            seed: run.observation.value
            for seed, run in self.latest.items()
            if run.observation
            and run.observation.outcome == "done"
            and run.observation.value is not None
        }

    @property
    def measures(self) -> dict[str, float]:
        """Each metric, `seconds` and `memory_gb` too: the mean over the seeds that are done."""
        found: dict[str, list[float]] = {}
        for seed in self.values:
            seen = self.latest[seed].observation
            for name, value in seen.measures.items() if seen else ():
                found.setdefault(name, []).append(value)
        return {name: sum(values) / len(values) for name, values in found.items()}

    @property
    def missing(self) -> tuple[int, ...]:
        """The seed indices that are planned and not yet launched."""
        launched = self.every
        planned = (*range(self.planned), *range(FRESH, FRESH + self.fresh_planned))
        return tuple(seed for seed in planned if seed not in launched)

    @property
    def state(self) -> State:
        """Where the trial stands: a failed or pruned seed outweighs a done one."""
        if not self.runs:
            return "queued"
        worst = self._worst()
        if self._going():
            return "running"
        if worst in ("failed", "pruned", "cancelled"):
            return worst
        if any(run.observation and run.observation.outcome == "cancelled" for run in self.runs):
            ended = [run.observation for run in self.fresh.values()]
            if any(seen and seen.outcome == "cancelled" for seen in ended):
                return "cancelled"
        return "running" if self.missing or self.rerun else "done"

    def worth(self, robust: Robust, *, sign: int) -> float | None:
        """Compute `value` from the runs: for the history, after each change of them."""
        values = list(self.values.values())
        if not values or self._worst() not in (None, "done"):
            return None
        return robust.value(values, sign=sign)

    def has(self, seeds: int) -> bool:
        """Say whether so many seeds have a value; it saves looking where none are needed."""
        return not seeds or (len(self.runs) >= seeds and len(self.values) >= seeds)

    def _going(self) -> bool:
        return any(run.observation is None for run in self.every.values())

    def _worst(self) -> Outcome | None:
        outcomes = {run.observation.outcome for run in self.latest.values() if run.observation}
        order: tuple[Outcome, ...] = ("failed", "pruned", "cancelled", "done")
        return next((outcome for outcome in order if outcome in outcomes), None)

    @property
    def run(self) -> Run | None:
        """The latest attempt of the first seed: the run to show where one is shown."""
        return self.latest.get(0)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim in its place: only trials from number `trials` on came later, and can test it."""

    claim: Claim
    trials: int


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote down beside the results."""

    text: str
    by: str
    at: float
    """Seconds since the epoch."""
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of the study, in words that whoever proposes is to read."""

    text: str
    at: float
    """Seconds since the epoch."""
    request: int
    """Sequence of the request, under which `answers` has what became of a wished trial."""


class History:
    """Everything that a study has recorded, as trials. Read it; the study alone extends it.

    Raises:
        LedgerError: entries that contradict each other.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:  # noqa: PLR0915  # a line each
        self.sequence = 0
        """Of the last entry; 0 if there is none."""
        self.trials: list[Trial] = []
        """By number."""
        self.refusals: list[Refusal] = []
        self.notices: list[Notice] = []
        self.promotions: list[Promotion] = []
        """In their order: which trials got more seeds, and why."""
        self.analysis: Analysis | None = None
        """The latest that a model wrote about the whole study."""
        self.exchanges: list[Exchange] = []
        """Conversations with language models."""
        self.requests: list[tuple[int, Request]] = []
        """With the sequence of each."""
        self.answers: dict[int, Admission | Refusal] = {}
        """What became of an offered proposal, by the sequence of its request."""
        self.notes: list[Note] = []
        self.claims: list[Claimed] = []
        self.wishes: list[Wish] = []
        self.blocks: list[Block] = []
        """That have ended, in their order."""
        self.summaries: dict[int, Analysis] = {}
        """What a model wrote about a block, by its number."""
        self.instructions = ""
        """The user's own text for whoever proposes, as it was last read."""
        self.codes: dict[str, CodeVersion] = {}
        self.machines: dict[str, Machine] = {}
        self.closed: Closed | None = None
        """How the last session ended; None while one is open."""
        self.launches = 0
        """Runs started, attempts of any kind included."""
        self.seconds = 0.0
        """Wall seconds of all sessions so far, gaps between sessions left out."""
        self.memo: dict[Hashable, object] = {}
        """For values derived from the history that are dear to compute; never for state."""
        self._opened: Opened | None = None
        self._keys: dict[tuple[str, str], int] = {}
        self._tried: set[str] = set()
        self._pending: set[int] = set()
        self._valued: set[int] = set()
        self._favoured: set[int] = set()
        self._valued_code = ""
        self._spreads: dict[int, tuple[str, float, int]] = {}
        self._spread_totals: dict[str, tuple[float, int]] = {}
        self.spread_changes = 0
        """How often the spread of any trial's seeds has changed."""
        self._withheld: dict[RunKey, float] = {}
        self._tokens = 0
        self._usd = 0.0
        self._first_at = 0.0
        self._last_at = 0.0
        self._counted_at = 0.0
        self.extend(entries)

    @property
    def task(self) -> Task:
        """The task as last recorded; a function is not in it."""
        if self._opened is None:
            raise LedgerError("the ledger holds no study yet")
        return self._opened.task

    @property
    def seed(self) -> int:
        """The study's seed."""
        return self._opened.seed if self._opened else 0

    @property
    def space(self) -> Space:
        """The task's space."""
        return self.task.space

    @property
    def opened(self) -> bool:
        """Whether any session was ever opened."""
        return self._opened is not None

    @property
    def started_at(self) -> float:
        """Seconds since the epoch of the first entry."""
        return self._first_at

    @property
    def updated_at(self) -> float:
        """Seconds since the epoch of the last entry."""
        return self._last_at

    @property
    def code(self) -> str:
        """Id of the newest code version; '' before the first."""
        return next(reversed(self.codes), "")

    def finished(self) -> list[Trial]:
        """Return the trials that have ended, by number."""
        return [trial for trial in self.trials if trial.number not in self._pending]

    def done(self, *, code: str | None = None) -> list[Trial]:
        """Return the trials with a value, by number; of one code version if given."""
        return [
            self.trials[number]
            for number in sorted(self._valued)
            if code in (None, self.trials[number].code)
        ]

    def pending(self) -> list[Trial]:
        """Return the trials that are queued or running, by number."""
        return [self.trials[number] for number in sorted(self._pending)]

    @property
    def spent(self) -> tuple[int, float]:
        """Tokens and US dollars that language models took, as far as prices are known."""
        return self._tokens, self._usd

    def heldout(self) -> dict[RunKey, float]:
        """Return the metric that is held out, by run: of a study that is over; before, nothing.

        Over is a study whose budget is used up, or whose space is: one that was stopped may go on.
        """
        over = self.closed is not None and self.closed.reason in ("budget", "exhausted")
        return dict(self._withheld) if over else {}

    def interrupted(self) -> list[Run]:
        """Return the runs of ours that were launched, did not end, and were not taken up again."""
        return [
            run
            for trial in self.pending()
            for run in trial.every.values()
            if (run.observation is None and not run.handed_out)
            or (run.observation is not None and run.observation.outcome == "cancelled")
        ]

    def handed_out(self) -> list[Run]:
        """Return the runs that outside agents have, and have not told about."""
        return [run for trial in self.pending() for run in trial.every.values() if run.handed_out]

    def run(self, key: RunKey) -> Run:
        """Return one run.

        Raises:
            KeyError: there is none.
        """
        if key.trial < len(self.trials):
            for run in self.trials[key.trial].runs:
                if run.key == key:
                    return run
        raise KeyError(str(key))

    def seen(self, configuration: Mapping[str, Scalar], *, code: str) -> int | None:
        """Return the trial that has this configuration under code version `code`, if any."""
        return self._keys.get((code, self.space.key(configuration)))

    def tried(self, configuration: Mapping[str, Scalar]) -> bool:
        """Say whether any trial, under any code version, has this configuration."""
        return self.space.key(configuration) in self._tried

    def favoured(self) -> list[Trial]:
        """Return the trials whose verdict is kept or unconfirmed, by number."""
        return [self.trials[number] for number in sorted(self._favoured)]

    def best(self, *, code: str | None = None) -> Trial | None:
        """Return the best trial that is kept or unconfirmed, of code version `code`.

        Who has `seeds.confirm` seeds goes before who has not. Else two are compared as by `sides`,
        the earlier one staying ahead of its equal. None: the newest version with any value.
        """
        code = code or self._valued_code
        best: Trial | None = None
        confirm = self.task.seeds.confirm or 0
        for trial in self.favoured():
            if trial.value is None or trial.code != code:
                continue
            if best is None:
                best = trial
                continue
            ahead = float(trial.has(confirm)) - best.has(confirm)
            if (ahead or self.task.objective.sign * lead(trial, best, self.task)) > 0:
                best = trial
        return best

    def spread(self, *, code: str) -> tuple[float, int]:
        """Return the squared deviations of seeds from their trial's mean, and their degrees.

        Summed over the trials of code version `code` that have several seeds.
        """
        squares, degrees = self._spread_totals.get(code, (0.0, 0))
        return max(squares, 0.0), degrees

    def spreads(self, *, code: str) -> list[tuple[int, float, int]]:
        """Return (trial, squared deviations, degrees) of each trial that `spread` sums over."""
        return [
            (number, squares, degrees)
            for number, (version, squares, degrees) in self._spreads.items()
            if version == code
        ]

    def extend(self, entries: Iterable[Entry]) -> None:
        """Take further entries in."""
        for entry in entries:
            if entry.sequence != self.sequence + 1:
                raise LedgerError(
                    f"entry {entry.sequence} follows {self.sequence}: the ledger"
                    " has a gap; restore it from a copy"
                )
            try:
                self._take(entry)
            except (KeyError, IndexError):
                raise LedgerError(
                    f"entry {entry.sequence} is about a trial or run that is not in the ledger:"
                    " restore it from a copy"
                ) from None
            self.sequence = entry.sequence

    def _take(self, entry: Entry) -> None:  # noqa: C901, PLR0912  # a line per kind
        record = entry.record
        self._count_time(entry)
        match record:
            case Opened():
                self._open(record)
            case Closed():
                self.closed = record
            case CodeVersion():
                self.codes.pop(record.id, None)
                self.codes[record.id] = record
                self._adopt(record.id)
                self._drop_fresh(record.id)
            case Machine():
                self.machines[record.id] = record
            case Refusal():
                self.refusals.append(record)
                self._answer(record)
            case Exchange():
                self.exchanges.append(record)
                self._tokens += record.input_tokens + record.output_tokens
                self._usd += record.usd or 0.0
            case Notice():
                self.notices.append(record)
            case Promotion():
                self._promote(record)
            case Analysis():
                self._sum_up(record)
            case Block():
                self.blocks.append(record)
            case Claim():
                self._claim(record)
            case Instructions():
                self.instructions = record.text
            case Request():
                self._request(entry, record)
            case Admission():
                self._admit(record, entry.at)
            case Launch():
                self._launch(record, entry.at)
            case Observation():
                self._observe(record, entry.at)
            case Diagnosis():
                self.run(record.run).diagnosis = record
            case Verdict():
                self._judge(record)

    def _open(self, opened: Opened) -> None:
        changed = self.opened and self.task.require != opened.task.require
        self._opened, self.closed = opened, None
        for trial in self.trials if changed else ():
            self._revalue(trial)

    def _count_time(self, entry: Entry) -> None:
        """Add the time since the last entry, unless it was a gap between sessions."""
        if self.sequence == 0:
            self._first_at = entry.at
        elif not isinstance(entry.record, Opened | Request):
            self.seconds += max(entry.at - self._counted_at, 0.0)
        self._last_at = entry.at
        # A door may append a request at any time, long after a session ended.
        if self.sequence == 0 or not isinstance(entry.record, Request):
            self._counted_at = entry.at

    def _answer(self, answer: Admission | Refusal) -> None:
        if answer.request is not None:
            self.answers[answer.request] = answer

    def _sum_up(self, analysis: Analysis) -> None:
        if analysis.block is None:
            self.analysis = analysis
        else:
            self.summaries[analysis.block] = analysis

    def _request(self, entry: Entry, request: Request) -> None:
        self.requests.append((entry.sequence, request))
        if request.what == "note":
            self.notes.append(Note(request.text, request.by, entry.at, request.trial))
        elif request.claim is not None:
            self._claim(request.claim)
        elif request.what == "steer":
            self.wishes.append(Wish(request.text, entry.at, entry.sequence))
        if request.trial is None or not 0 <= request.trial < len(self.trials):
            return
        trial = self.trials[request.trial]
        if request.what == "replicate":
            trial.planned += request.seeds
            self._pending.add(trial.number)
        elif request.what == "rerun":
            trial.rerun = True
            self._pending.add(trial.number)

    def _claim(self, claim: Claim) -> None:
        self.claims.append(Claimed(claim, len(self.trials)))

    def _promote(self, promotion: Promotion) -> None:
        trial = self.trials[promotion.trial]
        self.promotions.append(promotion)
        if promotion.fresh:
            trial.fresh_planned = max(trial.fresh_planned, promotion.seeds)
        else:
            trial.planned = max(trial.planned, promotion.seeds)
        self._pending.add(trial.number)
        self._settle(trial)

    def _drop_fresh(self, code: str) -> None:
        """Plan no fresh seeds of other code: run now, they would be of the code as it is."""
        for trial in self.pending():
            if trial.fresh_planned and trial.code != code:
                trial.fresh_planned = sum(seed >= FRESH for seed in trial.every)
                self._settle(trial)

    def _admit(self, admission: Admission, at: float) -> None:
        if admission.number != len(self.trials):
            raise LedgerError(f"trial {admission.number} follows {len(self.trials)} trials")
        self.trials.append(Trial(admission, at, planned=self.task.seeds.screen))
        self._answer(admission)
        key = self.space.key(admission.proposal.configuration)
        self._keys.setdefault((admission.code, key), admission.number)
        self._tried.add(key)
        self._pending.add(admission.number)

    def _launch(self, launch: Launch, at: float) -> None:
        trial = self.trials[launch.run.trial]
        trial.runs.append(Run(launch, at))
        if launch.run.seed == 0:
            trial.rerun = False
        self.launches += 1
        self._pending.add(trial.number)
        self._revalue(trial)
        if launch.code is not None:
            self._keys.setdefault((trial.code, self.space.key(trial.configuration)), trial.number)

    def _observe(self, observation: Observation, at: float) -> None:
        trial = self.trials[observation.run.trial]
        run = self.run(observation.run)
        if observation.withheld is not None:
            self._withheld[observation.run] = observation.withheld
            observation = replace(observation, withheld=None)
        run.observation, run.ended_at = observation, at
        self._revalue(trial)
        self._settle(trial)
        if trial.value is not None:
            self._valued_code = trial.code

    def _revalue(self, trial: Trial) -> None:
        """Keep the indices of values current: a launch can take a value away, an end give one."""
        trial.value = trial.worth(self.task.seeds.objective, sign=self.task.objective.sign)
        trial.breach = self._breach(trial)
        if trial.breach:
            trial.value = None
        self._count_spread(trial)
        if trial.value is None:
            self._valued.discard(trial.number)
        else:
            self._valued.add(trial.number)

    def _breach(self, trial: Trial) -> str:
        require = self.task.require
        return unmet(require, trial.measures) if require and trial.value is not None else ""

    def _settle(self, trial: Trial) -> None:
        # A cancelled run is taken up again by the next session, so its trial stays pending.
        if trial.state in ("done", "failed", "pruned"):
            self._pending.discard(trial.number)

    def _count_spread(self, trial: Trial) -> None:
        """Keep the sums behind `spread` current, at a cost that does not grow with history."""
        old = self._spreads.pop(trial.number, None)
        self.spread_changes += 1
        values = list(trial.values.values())
        new = None
        if len(values) > 1:
            mean = math.fsum(values) / len(values)
            squares = math.fsum((value - mean) ** 2 for value in values)
            new = self._spreads[trial.number] = (trial.code, squares, len(values) - 1)
        for sums, sign in ((old, -1), (new, 1)):
            if sums is not None:
                code, squares, degrees = sums
                total = self._spread_totals.get(code, (0.0, 0))
                self._spread_totals[code] = (total[0] + sign * squares, total[1] + sign * degrees)

    def _adopt(self, code: str) -> None:
        """Count trials without a code version, which were imported, with the first that runs."""
        if len(self.codes) > 1:
            return
        for trial in self.trials:
            if not trial.admission.code:
                trial.admission = replace(trial.admission, code=code)
                self._keys.setdefault((code, self.space.key(trial.configuration)), trial.number)
                self._count_spread(trial)
        if self._valued:
            self._valued_code = code

    def _judge(self, verdict: Verdict) -> None:
        self.trials[verdict.trial].verdict = verdict
        if verdict.status in ("kept", "unconfirmed"):
            self._favoured.add(verdict.trial)
        else:
            self._favoured.discard(verdict.trial)


def sides(
    trial: Trial, other: Trial, seeds: Seeds | None = None
) -> tuple[list[float], list[float]]:
    """Return the values over which two trials are compared: `shared`; enough is `seeds.confirm`."""
    enough = seeds.objective.enough(seeds.confirm) if seeds else None
    return shared(trial.values, other.values, enough)


def lead(trial: Trial, other: Trial, task: Task | None = None) -> float:
    """Return by how much the robust objective of a trial is above another's; both have values.

    Over `sides`; between their values where they share no seed. Means are compared where the seeds
    are too few for the objective.
    """
    ours, theirs = sides(trial, other, task.seeds if task else None)
    if not ours:
        return told_apart((trial.value or 0.0) - (other.value or 0.0), trial.value, other.value)
    robust = task.seeds.objective if task else Robust()
    if robust.kind == "mean" and len(ours) == len(theirs):
        mean = math.fsum(a - b for a, b in zip(ours, theirs, strict=True)) / len(ours)
        return told_apart(mean, *ours, *theirs)
    sign = task.objective.sign if task else 1
    robust = robust if len(ours) >= robust.least else Robust()
    values = [robust.value(side, sign=sign) or 0.0 for side in (ours, theirs)]
    return told_apart(values[0] - values[1], *values)


def told_apart(difference: float, *values: float | None) -> float:
    """Return a difference of values, or 0 where rounding in a script's arithmetic may have made it.

    >>> told_apart(1.29e-9, 0.568090809, 0.568090808), told_apart(2e-9, 3e-9, 1e-9)
    (0.0, 2e-09)
    """
    size = max((abs(value) for value in values if value is not None), default=0.0)
    return difference if abs(difference) > ROUNDING * size else 0.0


def read(folder: Path | str) -> History:
    """Read a study's history, whether or not it is being run; nothing is written.

    Raises:
        LedgerError: there is no ledger in `folder`, or it can't be read.
    """
    ledger = SqliteLedger(Path(folder) / LEDGER, create=False)
    try:
        return History(ledger.read())
    finally:
        ledger.close()
