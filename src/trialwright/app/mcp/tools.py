"""What an agent may do through the protocol: each tool in a few lines over the desk and the bench.

The docstrings are what agents read. What goes wrong is raised as a `TrialwrightError`; the server
turns it into an answer.
"""

from __future__ import annotations

import json
import time
from typing import Literal

from trialwright.analysis.claiming import Draft, Sense, What, drafted
from trialwright.analysis.claims import standings
from trialwright.analysis.importance import importance
from trialwright.app.digest import (
    Filter,
    assignment_digest,
    history_digest,
    importance_digest,
    proposal_digest,
    standing_digest,
    task_digest,
    trial_digest,
)
from trialwright.app.documents import Document, plain
from trialwright.app.mcp.answers import answered
from trialwright.app.mcp.code import CodeTools
from trialwright.bench import Bench
from trialwright.desk import Desk, Offer, Told
from trialwright.errors import StudyError
from trialwright.expression import Scalar
from trialwright.history import History, Run, State
from trialwright.records import Cause, Interval, RunKey
from trialwright.report.notebook.recall import memory_page

LONGEST_WAIT_S = 600.0
LOOK_S = 0.05
TRIALS = 20
"""Trials in an answer, unless more are asked for."""


class Tools:
    """The tools of one server, for one study."""

    def __init__(self, desk: Desk, bench: Bench) -> None:
        self._desk, self._bench = desk, bench
        self.code = CodeTools(desk) if desk.study.task.research is not None else None
        """What an agent may do with code; None where the study changes none."""

    def read_task(self) -> str:
        """Read what is to be improved: goal, parameters and their domains, budget, best so far."""
        return _text(task_digest(self._desk.study.task, self._desk.history()))

    def read_history(
        self,
        state: State | None = None,
        by: str | None = None,
        last: int = TRIALS,
        sort: Literal["number", "value"] = "number",
    ) -> str:
        """Read the trials: the last ones, or the best first with sort="value"."""
        choice = Filter(state=state, by=by, last=max(last, 1), sort=sort)
        return _text(history_digest(self._desk.history(), choice))

    def read_trial(self, trial: int) -> str:
        """Read one trial in full: runs, curves, diagnosis, and the end of a failed run's log."""
        found = self._desk.trial(trial)
        return _text(trial_digest(found, self._desk.history(), full=True))

    def read_importance(self) -> str:
        """Read how much each parameter matters for the goal, and how sure that is."""
        return _text({"parameters": importance_digest(importance(self._desk.history()))})

    def read_memory(self) -> str:
        """Read what the study believes: principles, what proved false, open questions."""
        return memory_page(self._desk.history())

    def suggest(self, n: int = 1) -> str:
        """See what the study's own team would propose now; nothing is admitted."""
        proposals = self._desk.suggest(min(max(n, 1), TRIALS))
        return _text({"suggestions": [proposal_digest(proposal) for proposal in proposals]})

    def propose(
        self,
        change: dict[str, Scalar],
        why: str,
        *,
        expect: Literal["better", "worse", "no_worse", "same"] | None = None,
        claim: str = "",
        parent: int | None = None,
        reasons: dict[str, str] | None = None,
        predicted: tuple[float, float] | None = None,
    ) -> str:
        """Offer a configuration: what changes against `parent` (default: the best so far), and why.

        `expect` and `claim` are your hypothesis, which the result will support or contradict;
        `predicted` is the range in which the goal's metric should fall with 90 % probability.
        """
        interval = Interval(low=predicted[0], high=predicted[1]) if predicted else None
        offer = Offer(
            change=change,
            why=why,
            reasons=reasons or {},
            parent=parent,
            expect=expect,
            claim=claim,
            predicted=interval,
        )
        return answered(self._desk.propose(offer))

    def start_run(self, trial: int | None = None) -> str:
        """Start a run here: of a queued trial, else the next one; then call wait_run."""
        if trial is not None:
            self._desk.trial(trial)
        run = self._bench.start(trial)
        found = self._desk.trial(run.trial)
        answer: Document = {"run": str(run), "trial": run.trial}
        return _text({**answer, **proposal_digest(found.proposal)})

    def wait_run(self, run: str, timeout_s: float = 50.0) -> str:
        """Wait until a run has ended, or the time is over; say how it went, or how far it is."""
        key = self._key(run)
        deadline = time.monotonic() + min(timeout_s, LONGEST_WAIT_S)
        while self._run(key).observation is None and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        history = self._desk.history()
        ended = self._run(key).observation is not None
        answer: Document = {"run": str(key), "ended": ended}
        if ended:
            return _text({**answer, **trial_digest(history.trials[key.trial], history)})
        latest = self._bench.latest(key)
        if latest is not None:
            answer |= {"step": latest[0], "metrics": plain(latest[1])}
        return _text(answer)

    def prune_run(self, run: str, why: str) -> str:
        """Stop a run that start_run started, since it is hopeless; it counts as pruned."""
        key = self._key(run)
        self._bench.prune(key)
        self._desk.note(f"pruned: {why}"[:4000], key.trial)
        return self.wait_run(run, timeout_s=30.0)

    def ask_run(self) -> str:
        """Take the next run to run it yourself; then report_run. Prefer start_run where it can."""
        self._bench.settle()
        metric = self._desk.study.task.objective.metric
        return _text(assignment_digest(self._desk.ask(), metric=metric))

    def report_run(
        self,
        run: str,
        outcome: Literal["done", "failed", "pruned"],
        *,
        metrics: dict[str, float] | None = None,
        step: float | None = None,
        points: list[tuple[float, dict[str, float]]] | None = None,
        cause: Cause | None = None,
        detail: str = "",
        seconds: float | None = None,
    ) -> str:
        """Report a run that ask_run handed out: done with metrics, failed with a cause, or pruned.

        `points` are earlier metrics, each as [step, {name: value}]: with them the curve is read.
        """
        told = Told(
            outcome=outcome,
            metrics=metrics or {},
            points=tuple(points or ()),
            step=step,
            cause=cause,
            detail=detail,
            seconds=seconds,
        )
        trial = self._desk.tell(run, told)
        return _text(trial_digest(trial, self._desk.history()))

    def write_note(self, text: str, trial: int | None = None) -> str:
        """Write down what you learnt, about a trial or the study, for whoever reads it later."""
        self._desk.note(text, trial)
        return _text({"noted": text, "trial": trial})

    def write_claim(
        self,
        text: str,
        extents: list[str],
        *,
        what: What | None = None,
        expect: Sense = "better",
        threshold: float | None = None,
        against: list[str] | None = None,
        metric: str = "",
        where: str = "",
    ) -> str:
        """Claim something general that later trials can contradict; code says where it stands.

        `extents`: the parameters, each "lr" (larger values), "lr=0.1..0.5", "lr=0.1.." or
        "act=relu,gelu"; `against` likewise, if not all other values. `what`: direction, region,
        interaction (two extents together), rate (of seeds that fail), no_effect. `expect` says
        where the metric goes: better, worse, higher, lower. What can't be tested is refused.
        """
        draft = Draft(
            text=text,
            extents=tuple(extents),
            against=tuple(against or ()),
            what=what,
            expect=expect,
            threshold=threshold,
            metric=metric,
            where=where,
        )
        number = self._desk.claim(drafted(draft, self._desk.study.task))
        history = self._desk.history()
        return _text(standing_digest(standings(history)[number], history))

    def _key(self, run: str) -> RunKey:
        for trial in self._history().trials:
            for known in trial.runs:
                if str(known.key) == run:
                    return known.key
        raise StudyError(f"there is no run {run!r}: start_run and ask_run name theirs")

    def _run(self, key: RunKey) -> Run:
        return self._desk.history().run(key)

    def _history(self) -> History:
        return self._desk.history()


def _text(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False)
