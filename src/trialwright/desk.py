"""A study's desk, where outside agents ask, tell and propose: a step at a time, held to the rules.

Whoever comes here is trusted with nothing: what is offered goes through the same admission as any
proposer's, and the study alone judges. With no study running, the desk takes the study's lock for
one step; else what is offered or told is left as a request, and whoever runs the study serves it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Literal

from trialwright import admission
from trialwright.analysis.claims import faults
from trialwright.analysis.heldout import withhold
from trialwright.errors import StudyBusy, StudyError
from trialwright.execute.local import LocalRunner
from trialwright.execute.runlog import write_atomically
from trialwright.execute.runner import Inbox, Order
from trialwright.expression import Scalar
from trialwright.history import History, Run, Trial
from trialwright.records import (
    Admission,
    Category,
    Cause,
    Claim,
    Curve,
    Entry,
    Hypothesis,
    Interval,
    Observation,
    Opened,
    Proposal,
    Refusal,
    Request,
    RunKey,
)
from trialwright.report.notebook import inbox
from trialwright.report.notebook import write as notebook
from trialwright.research.sketch import Sketch, edit_of
from trialwright.research.workshop import workshop
from trialwright.session import Session
from trialwright.steering import wished
from trialwright.study import Study
from trialwright.task import RunnerPlan

PATIENCE_S = 15.0
"""Seconds that whoever runs the study has to answer, before an agent is told to look later."""

LOOK_S = 0.02
LONGEST_NOTE = 4000
"""Characters."""

AGENT = re.compile(r"[A-Za-z0-9][\w.@-]{0,39}")
"""Names that an agent may go by."""

Expectation = Literal["better", "worse", "no_worse", "same"]
"""How a result is expected to compare with another."""

OURS = (
    "the runs of a study that changes code are not handed out: its evaluator has to be where no"
    " agent can reach it. `trialwright run` makes them; over the protocol, start_run does"
)

_SAME: Mapping[str, Scalar] = {}
_KEY = re.compile(r"(\d{1,9})(?:/(\d{1,9})\.(\d{1,9}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an agent proposes: what to change in which trial, and why."""

    change: Mapping[str, Scalar]
    """What is not named stays as it is in the parent."""
    why: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why this value, per parameter."""
    parent: int | None = None
    """The trial that is changed; None: the best so far, and the defaults before there is one."""
    expect: Expectation | None = None
    """How the result will compare with the parent's: what may turn out to be wrong."""
    claim: str = ""
    """What the expectation rests on, in words; '': `why`."""
    predicted: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditOffer:
    """What an agent proposes to change in a trial's code, and why."""

    sketch: Sketch
    why: str = ""
    category: Category = "multi"
    """As the agent sees it; what the edit shows is found out beside it."""
    parent: int | None = None
    """The trial whose code is changed; None: the best so far, else the code as it was found."""
    expect: Expectation | None = None
    claim: str = ""
    """What the expectation rests on, in words; '': `why`."""
    predicted: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an agent says of a run that it was handed."""

    outcome: Literal["done", "failed", "pruned"]
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The last value of each."""
    points: tuple[tuple[float, Mapping[str, float]], ...] = ()
    """Earlier values: steps with their metrics."""
    step: float | None = None
    """The step that `metrics` belong to."""
    cause: Cause | None = None
    detail: str = ""
    seconds: float | None = None
    """Wall time; None: since the run was handed out."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run that is handed out: what to run, and with what."""

    run: RunKey
    trial: Trial
    order: Order

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the study sets for this run, without what is inherited."""
        told = self.order.environment.items()
        return {name: value for name, value in told if name.startswith("TRIALWRIGHT_")}


class Elsewhere:
    """A runner whose runs happen elsewhere: it lays their files out and keeps their orders."""

    def __init__(self, lock: int) -> None:
        self.orders: list[Order] = []
        self._lock = lock

    @property
    def slots(self) -> int:
        """One: a step hands out one run."""
        return 1

    def fits(self, order: Order) -> bool:  # noqa: ARG002  # its needs are met elsewhere
        """Say whether the step's run is still to be handed out."""
        return not self.orders

    def start(self, order: Order, inbox: Inbox) -> Elsewhere:  # noqa: ARG002  # nothing to report
        """Lay out the folder and files of a run, and keep its order."""
        order.folder.mkdir(parents=True, exist_ok=True)
        for path, content in order.files.items():
            write_atomically(path, content)
        self.orders.append(order)
        return self

    def idle(self) -> bool:
        """Do nothing: a step does not wait."""
        return False

    def stop(self, outcome: Literal["pruned", "cancelled"]) -> None:
        """Do nothing: nothing runs here."""

    def recover(self, order: Order) -> Observation | None:
        """Return what an interrupted run of our own showed, as the local runner reads it."""
        # Any plan will do: what the study asks of a cluster, this machine need not have.
        with LocalRunner(RunnerPlan(workers=1, gpus=0), lock=self._lock) as local:
            return local.recover(order)

    def close(self) -> None:
        """Let go; nothing runs here."""


class Desk:
    """A study as the agent `by` has it. Every method leaves the study ready for the next.

    Raises:
        StudyError: the name is no name, or is taken by the study itself.
    """

    def __init__(self, study: Study, *, by: str = "agent") -> None:
        own = {str(getattr(member, "name", member)) for member in study.task.team}
        if not AGENT.fullmatch(by) or by in admission.RESERVED | own:
            raise StudyError(
                f"an agent can't be called {by!r}: take up to 40 letters, digits and ._@-, and none"
                f" of the study's own names ({', '.join(sorted(admission.RESERVED | own))})"
            )
        self.study = study
        self.by = by
        self._history: History | None = None

    def history(self) -> History:
        """Return what is known now; of a study that was never run, its task alone."""
        if self._history is None or not self._history.opened:
            self._history = History()
        ledger = self.study.store.find()
        if ledger is not None:
            with closing(ledger):
                self._history.extend(ledger.read(self._history.sequence))
        if not self._history.opened:
            task = self.study.task
            opened = Opened(task=task, seed=task.seeds.study, version="")
            return History([Entry(1, time.time(), opened)])
        return self._history

    def trial(self, number: int) -> Trial:
        """Return a trial.

        Raises:
            StudyError: there is none of this number.
        """
        trials = self.history().trials
        if not 0 <= number < len(trials):
            there = f"there are trials 0 to {len(trials) - 1}" if trials else "there are none yet"
            raise StudyError(f"there is no trial {number}: {there}")
        return trials[number]

    def ask(self) -> Assignment:
        """Take the next run: what was offered first, else what the study's team proposes.

        Whoever takes a run tells how it went (`tell`); nobody else is given it meanwhile.

        Raises:
            StudyBusy: somebody runs the study and starts its runs.
            StudyError: there is nothing to run: the budget is used up, or all has been tried; or
                the study changes code.
        """
        if self.study.task.research is not None:
            raise StudyError(OURS)
        try:
            with self._step() as (session, runner):
                session.propose(most=1)
                session.launch()
                closed = session.end()
        except StudyBusy as busy:
            raise StudyBusy(
                f"{busy}: it starts the runs itself; `propose` and `note` are still heard"
            ) from None
        if not runner.orders:
            why = closed.sentence if closed else "what is left is being run"
            raise StudyError(f"there is nothing to run: {why}")
        order = runner.orders[0]
        return Assignment(order.run, self.trial(order.run.trial), order)

    def tell(self, run: str, told: Told) -> Trial:
        """Say how a run went; return its trial with the diagnosis and the verdict.

        Raises:
            StudyError: the run was not handed out, or was told of already; `told` contradicts
                itself.
        """
        launched = self._handed_out(run)
        observation = self._observation(launched, told)
        self._ask_for(Request(what="tell", by=self.by, observation=observation))
        self._serve(lambda: self._told(launched.key))
        if not self._told(launched.key):
            raise StudyError(
                f"what was told of {run} is noted; whoever runs the study has yet to take it in"
            )
        return self.trial(launched.key.trial)

    def propose(self, offer: Offer) -> Admission | Refusal | None:
        """Offer a configuration; it is admitted as a trial, or refused with every reason.

        None: it is noted, but whoever runs the study has not answered in time.

        Raises:
            StudyError: the parent is no trial.
        """
        return self._offer(self.proposal(offer))

    def propose_edit(self, offer: EditOffer) -> Admission | Refusal | None:
        """Offer a change of code; it is admitted as a trial, or refused with every reason.

        None: as for `propose`.

        Raises:
            StudyError: the study changes no code, the parent is no trial, or the sketch can't be
                made an edit.
        """
        return self._offer(self.edit_proposal(offer))

    def edit_proposal(self, offer: EditOffer) -> Proposal:
        """Return an offer of code as a proposal: complete, its edit not yet looked into.

        Raises:
            StudyError: as for `propose_edit`.
        """
        shop, history = workshop(self.study.task), self.history()
        parent = history.best() if offer.parent is None else self.trial(offer.parent)
        number = parent.number if parent else None
        edit = edit_of(offer.sketch, shop, shop.tree(history, number))
        proposal = self._proposal(parent, offer)
        return replace(proposal, edit=edit, category=offer.category)

    def _offer(self, proposal: Proposal) -> Admission | Refusal | None:
        _check_words(proposal)
        sequence = self._ask_for(Request(what="propose", by=self.by, proposal=proposal))
        self._serve(lambda: sequence in self.history().answers)
        return self.history().answers.get(sequence)

    def proposal(self, offer: Offer) -> Proposal:
        """Return an offer as a proposal: complete, not yet checked.

        Raises:
            StudyError: the parent is no trial.
        """
        history = self.history()
        parent = history.best() if offer.parent is None else self.trial(offer.parent)
        changed = [*offer.change]
        proposal = self._proposal(parent, offer, offer.change)
        if proposal.hypothesis is not None and len(changed) == 1:
            about = replace(proposal.hypothesis, parameter=changed[0])
            proposal = replace(proposal, hypothesis=about)
        return replace(proposal, reasons=dict(offer.reasons))

    def _proposal(
        self, parent: Trial | None, offer: Offer | EditOffer, change: Mapping[str, Scalar] = _SAME
    ) -> Proposal:
        """What every offer says: on top of which trial, why, and what is expected of it."""
        number = parent.number if parent else None
        hypothesis = None
        if offer.expect is not None:
            hypothesis = Hypothesis(
                claim=offer.claim or offer.why, expects=offer.expect, against=number
            )
        values = {**(parent.configuration if parent else {}), **change}
        return Proposal(
            configuration=self.history().space.complete(values),
            by=self.by,
            rationale=offer.why,
            hypothesis=hypothesis,
            predicted=offer.predicted,
            parent=number,
        )

    def note(self, text: str, trial: int | None = None) -> None:
        """Write something down, about a trial or about the study.

        Raises:
            StudyError: there is no such trial, or the text is empty or too long.
        """
        if not text.strip() or len(text) > LONGEST_NOTE:
            raise StudyError(f"a note has 1 to {LONGEST_NOTE} characters; this one has {len(text)}")
        if trial is not None:
            self.trial(trial)
        self._ask_for(Request(what="note", by=self.by, text=text.strip(), trial=trial))

    def claim(self, claim: Claim) -> int:
        """Write a claim down, under this agent's name; return its number, from 0.

        Trials that come later test it; where it stands, `analysis.claims` says.

        Raises:
            StudyError: it can't be tested; the message says what to do.
        """
        claim = replace(claim, by=self.by, text=" ".join(claim.text.split()))
        wrong = faults(claim, self.history())
        if wrong:
            raise StudyError("refused: " + "; ".join(wrong))
        self._ask_for(Request(what="claim", by=self.by, claim=claim))
        return max(n for n, one in enumerate(self.history().claims) if one.claim == claim)

    def steer(self, text: str) -> Admission | Refusal | None:
        """Leave a person's wish for whoever proposes; a trial that it spells out is answered.

        None: it is only words, or whoever runs the study has not answered in time.

        Raises:
            StudyError: there are no words in it.
        """
        wish = inbox.cleaned(text)
        if not wish:
            raise StudyError("a wish has words: what should be tried, or looked at, or left alone")
        sequence = self._ask_for(Request(what="steer", text=wish))
        if wished(wish, self.history()) is not None:
            self._serve(lambda: sequence in self.history().answers)
        with suppress(OSError):
            notebook.tick(self.history(), self.study.folder)
        return self.history().answers.get(sequence)

    def suggest(self, n: int = 1) -> list[Proposal]:
        """Return what the study's team would propose now; nothing is admitted."""
        history, task = self.history(), self.study.task
        sifted = admission.ask(self.study.proposer, task, history, n=n, seed=history.seed)
        return [admitted.proposal for admitted in sifted.admissions]

    # -- steps

    @contextmanager
    def _step(self) -> Iterator[tuple[Session, Elsewhere]]:
        """Hold the study for one step; what waits to be served is served on the way in."""
        made: list[Elsewhere] = []

        def elsewhere(lock: int) -> Elsewhere:
            made.append(Elsewhere(lock))
            return made[0]

        with self.study.session(by=self.by, elsewhere=elsewhere) as session:
            yield session, made[0]
            closed = session.end()
            if closed is not None and not session.history.handed_out():
                session.close(closed)

    def _ask_for(self, request: Request) -> int:
        self.history()
        if self._history is None or not self._history.opened:
            with suppress(StudyBusy), self._step():
                pass  # the ledger begins with the task
        return self.study.request(request)

    def _serve(self, answered: Callable[[], bool]) -> None:
        """Have what waits served: by whoever runs the study, else by a step of our own."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            served = False
            with suppress(StudyBusy), self._step():
                served = True
            if served or answered() or time.monotonic() > deadline:
                return
            time.sleep(LOOK_S)

    # -- runs

    def _handed_out(self, run: str) -> Run:
        out = {str(launched.key): launched for launched in self.history().handed_out()}
        there = f"handed out now: {', '.join(out) or 'none'}"
        key = _KEY.fullmatch(run)
        if key is None:
            raise StudyError(f"{run!r} is no run: a run is TRIAL/SEED.ATTEMPT; {there}")
        number = int(key[1])
        mine = [r for r in out.values() if r.key.trial == number]
        if key[2] is None and len(mine) == 1:
            return mine[0]
        name = f"{number:04d}/{key[2] or 0}.{key[3] or 0}"
        if name not in out:
            self.trial(number)
            raise StudyError(f"run {name} is not handed out, or was told of already; {there}")
        return out[name]

    def _told(self, key: RunKey) -> bool:
        return self.history().run(key).observation is not None

    def _observation(self, run: Run, told: Told) -> Observation:
        objective = self.history().task.objective
        points = [*told.points]
        if told.step is not None:
            points.append((told.step, told.metrics))
        points.sort(key=lambda point: point[0])
        metrics = {**{k: v for _, values in points for k, v in values.items()}, **told.metrics}
        series = [values[objective.metric] for _, values in points if objective.metric in values]
        if objective.metric in told.metrics and told.step is None:
            series.append(told.metrics[objective.metric])
        value = objective.value(series) if told.outcome == "done" else None
        _check_told(told, metrics, metric=objective.metric, value=value)
        observation = Observation(
            run=run.key,
            outcome=told.outcome,
            value=value,
            metrics=metrics,
            curve=_curve(points),
            seconds=max(time.time() - run.launched_at, 0.0)
            if told.seconds is None
            else told.seconds,
            cause=(told.cause or "other") if told.outcome == "failed" else None,
            detail=told.detail,
        )
        return withhold(observation, self.history().task)


def _check_words(proposal: Proposal) -> None:
    """Refuse what no ledger can hold: text that is none, or without end."""
    claimed = proposal.hypothesis.claim if proposal.hypothesis else ""
    given = [value for value in proposal.configuration.values() if isinstance(value, str)]
    words = [proposal.rationale, claimed, *proposal.reasons.values(), *proposal.reasons, *given]
    length = sum(map(len, words))
    if length > admission.LONGEST_TEXT:
        raise StudyError(f"{length} characters of words; {admission.LONGEST_TEXT} are allowed")
    held = proposal.predicted
    if held is not None and not (math.isfinite(held.low + held.high) and held.low <= held.high):
        raise StudyError(f"{held.low} to {held.high} is no range: two finite numbers, low first")
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        raise StudyError(
            "the words of the proposal are no text: they hold half a character"
        ) from None


def _check_told(
    told: Told, metrics: Mapping[str, float], *, metric: str, value: float | None
) -> None:
    if told.seconds is not None and not (told.seconds >= 0 and math.isfinite(told.seconds)):
        raise StudyError(f"a run can't have taken {told.seconds} seconds")
    steps = [step for step, _ in told.points]
    if not all(math.isfinite(step) for step in steps):
        raise StudyError("a point's step is a finite number; nan and inf are none")
    if told.outcome == "done" and metric not in metrics:
        given = ", ".join(metrics) or "none"
        raise StudyError(f"a run that is done tells {metric}, the goal's metric; told: {given}")
    if told.outcome == "done" and value is None:
        raise StudyError(
            f"{metric} = {metrics[metric]} is no result: tell the run as failed, with the cause"
            " diverged"
        )


def _curve(points: list[tuple[float, Mapping[str, float]]]) -> Curve:
    names = dict.fromkeys(name for _, values in points for name in values)
    return Curve(
        steps=tuple(float(step) for step, _ in points),
        series={name: tuple(values.get(name) for _, values in points) for name in names},
    )
