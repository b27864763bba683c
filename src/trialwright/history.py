"""The read-only face of a ledger: trials with their runs, the best, what was seen, what was spent.

A history is a fold over entries: the same entries give the same history, live or read again. Each
entry costs the same however many came before. It decides nothing: verdicts are records.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trialwright.errors import LedgerError
from trialwright.expression import Scalar
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
    Promotion,
    Proposal,
    Refusal,
    Request,
    RunKey,
    Verdict,
)
from trialwright.space import Space
from trialwright.store import LEDGER, Store, store_in
from trialwright.task import FRESH, Task, unmet
from trialwright.trial import Run, State, Trial, lead, sides, told_apart

__all__ = [
    "LEDGER",
    "History",
    "Note",
    "Run",
    "State",
    "Trial",
    "lead",
    "read",
    "sides",
    "told_apart",
]


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
        self.attempts: list[Trial | Refusal] = []
        """Edits whose code was run, in order: as a trial, or for a moment and then refused."""
        self.lost: dict[str, list[str]] = {}
        """Why each proposer lost its latest turns, those since its last trial."""
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
        self.judged: list[int] = []
        """The trial of each verdict, in the order in which they were given."""
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
        self._valued, self._favoured = set[int](), set[int]()
        self._leaders: dict[str, Trial | None] = {}
        """By code version: what `best` found, until a favoured trial changes."""
        self._valued_code = ""
        self._spreads: dict[int, tuple[str, float, int]] = {}
        self._spread_totals: dict[str, tuple[float, int]] = {}
        self.spread_changes = 0
        """How often the spread of any trial's seeds has changed."""
        self._withheld: dict[RunKey, float] = {}
        self._tokens, self._usd = 0, 0.0
        self._first_at = self._last_at = self._counted_at = 0.0
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
    def counted_at(self) -> float:
        """Seconds since the epoch up to which `seconds` counts; doors' entries don't move it."""
        return self._counted_at

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

    def seen(self, configuration: Mapping[str, Scalar], *, code: str, tree: str = "") -> int | None:
        """Return the trial with this configuration under code version `code`, if any.

        Its own edits, and those that it builds on, lead to `tree`.
        """
        return self._keys.get((code, self._key(configuration, tree)))

    def tried(self, configuration: Mapping[str, Scalar]) -> bool:
        """Say whether any trial, of whatever code, has this configuration."""
        return self.space.key(configuration) in self._tried

    def tree_of(self, proposal: Proposal) -> str:
        """Return the id of the git tree that a proposal would run; '': the code as found."""
        if proposal.edit is not None:
            return proposal.edit.tree
        known = proposal.parent is not None and 0 <= proposal.parent < len(self.trials)
        return self.trials[proposal.parent].tree if known and proposal.parent is not None else ""

    def _key(self, configuration: Mapping[str, Scalar], tree: str) -> str:
        key = self.space.key(configuration)
        return f"{key}\n{tree}" if tree else key

    def favoured(self) -> list[Trial]:
        """Return the trials whose verdict is kept or unconfirmed, by number."""
        return [self.trials[number] for number in sorted(self._favoured)]

    def best(self, *, code: str | None = None) -> Trial | None:
        """Return the best trial that is kept or unconfirmed, of code version `code`.

        Who has `seeds.confirm` seeds goes before who has not. Else two are compared as by `sides`,
        the earlier one staying ahead of its equal. From who leads so, verdicts lead on to what was
        found to be as good with less code. None: the newest version with any value.
        """
        code = code or self._valued_code
        if code not in self._leaders:
            self._leaders[code] = self._leader(code)
        return self._leaders[code]

    def _leader(self, code: str) -> Trial | None:
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
        return best if best is None else self._simplest(best)

    def _simplest(self, best: Trial) -> Trial:
        """Follow the verdicts that found less code to be as good, from `best` on."""
        # Each step leads to less code, so there is an end.
        while True:
            found = [
                trial
                for trial in self.favoured()
                if trial.verdict is not None
                and trial.verdict.simpler
                and trial.verdict.against == best.number
                and trial.code == best.code
                and trial.value is not None
                and (trial.size, trial.lines) < (best.size, best.lines)
            ]
            if not found:
                return best
            best = min(found, key=lambda trial: (trial.size, trial.lines, trial.number))

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

    def _lose(self, refusal: Refusal) -> None:
        """Note a turn that brought no configuration at all."""
        if refusal.request is None and not refusal.proposal.configuration:
            reasons = self.lost.setdefault(refusal.proposal.by, [])
            reasons.append("; ".join(refusal.faults))

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
                self.attempts += [record] if record.cause is not None else []
                self._answer(record)
                self._lose(record)
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
        self._leaders.clear()
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
        elif request.what == "prune":
            for run in trial.going:
                run.unwanted_by = request.by

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
        proposal = admission.proposal
        trial = Trial(admission, at, planned=self.task.seeds.screen)
        self._place(trial)
        self.trials.append(trial)
        self.attempts += [trial] if proposal.edit is not None else []
        self.lost.pop(proposal.by, None)
        self._answer(admission)
        key = self._key(proposal.configuration, trial.tree)
        self._keys.setdefault((admission.code, key), admission.number)
        self._tried.add(self.space.key(proposal.configuration))
        self._pending.add(admission.number)

    def _place(self, trial: Trial) -> None:
        """Say which code a new trial has: its parent's, and what its own edit makes of it."""
        proposal = trial.proposal
        trial.tree = self.tree_of(proposal)
        if trial.tree and proposal.parent is not None:
            parent = self.trials[proposal.parent]
            trial.size, trial.lines = parent.size, parent.lines
        if proposal.edit is not None:
            trial.size += proposal.edit.nodes
            trial.lines += proposal.edit.added - proposal.edit.removed

    def _launch(self, launch: Launch, at: float) -> None:
        trial = self.trials[launch.run.trial]
        trial.runs.append(Run(launch, at))
        if launch.run.seed == 0:
            trial.rerun = False
        self.launches += 1
        self._pending.add(trial.number)
        self._revalue(trial)
        if launch.code is not None:
            key = self._key(trial.configuration, trial.tree)
            self._keys.setdefault((trial.code, key), trial.number)

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
        if trial.number in self._favoured:
            self._leaders.clear()
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
        self._leaders.clear()
        for trial in self.trials:
            if not trial.admission.code:
                trial.admission = replace(trial.admission, code=code)
                key = self._key(trial.configuration, trial.tree)
                self._keys.setdefault((code, key), trial.number)
                self._count_spread(trial)
        if self._valued:
            self._valued_code = code

    def _judge(self, verdict: Verdict) -> None:
        trial = self.trials[verdict.trial]
        before = trial.verdict is not None and trial.verdict.simpler
        trial.verdict = verdict
        trial.first_verdict = trial.first_verdict or verdict
        self.judged.append(verdict.trial)
        favoured = verdict.status in ("kept", "unconfirmed")
        if favoured != (verdict.trial in self._favoured) or verdict.simpler or before:
            self._leaders.clear()
        if favoured:
            self._favoured.add(verdict.trial)
        else:
            self._favoured.discard(verdict.trial)


def read(place: Path | str | Store) -> History:
    """Read a study's history by its folder or store, whether or not it is being run.

    Nothing is written.

    Raises:
        LedgerError: there is no ledger, or it can't be read.
    """
    store = place if isinstance(place, Store) else store_in(Path(place))
    ledger = store.open()
    try:
        return History(ledger.read())
    finally:
        ledger.close()
