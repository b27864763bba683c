"""One session of a study: what one coordinator does between taking the study up and letting go.

Every change is a record. Records are noted in memory first (`scribe`) and written together, always
before the next effect on the world: so one commit covers a result, its verdict and the launch that
follows.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Literal

from trialwright import __version__, steering
from trialwright.admission import FRUITLESS, Sifted, ask, gave_up, nothing_left, sift
from trialwright.analysis import agenda
from trialwright.analysis.compare import judge, renewed
from trialwright.analysis.curves import diagnose
from trialwright.analysis.heldout import withhold, without
from trialwright.analysis.pace import Pace
from trialwright.analysis.promote import promotions
from trialwright.analysis.pruning import Pruner, timed
from trialwright.analysis.twins import Twins
from trialwright.asking import Offered
from trialwright.edits import changed
from trialwright.ending import advice, blocked, hopeless, runs_left, searched, spent
from trialwright.errors import RunnerError, StudyError
from trialwright.execute.keep import Folders, Keeper, shortage
from trialwright.execute.local import LocalRunner
from trialwright.execute.order import make_order, run_seed
from trialwright.execute.provenance import CodeWatch, machine
from trialwright.execute.runner import Event, Finished, Handle, Order, Reported, run_folder
from trialwright.history import History, Run, Trial
from trialwright.post import Happening, Post
from trialwright.propose import healing
from trialwright.publish import code_version, tree_of
from trialwright.records import (
    Admission,
    Closed,
    Entry,
    Launch,
    Notice,
    Observation,
    Opened,
    Promotion,
    Proposal,
    Refusal,
    RunKey,
)
from trialwright.remedies import Remedies
from trialwright.research import ablation
from trialwright.scribe import Scribe
from trialwright.task import FRESH
from trialwright.tryout import Passed, Tried, Tryouts

DECIDED = "what the budget kept for seeds of the best trials is used, or was not needed"

ATTEMPTS = 3
"""Times that a run is tried when its failure looks transient."""

PATIENCE = 8
"""First failures, all alike, after which no remedy is waited for."""

LOOK_S = 1.0
"""Seconds between looks at the ledger for requests, and at the task's files for changes."""

SYNC_S = 0.25
"""Seconds between flushes to the disk while results pour in: what a power cut may cost."""


class Session:
    """A coordinator's work on one study. `Study.run` is its loop."""

    def __init__(self, post: Post, history: History) -> None:
        self._post = post
        self._scribe = Scribe(post, history)
        self._note, self._say = self._scribe.note, self._scribe.say
        self._write, self._clock = self._scribe.write, self._scribe.clock
        self._remedies = Remedies(post, self._scribe)
        self._task = post.task
        self._seed = history.seed if history.opened else post.task.seeds.study
        self._inbox: queue.SimpleQueue[Happening | None] = queue.SimpleQueue()
        self._ahead = post.ahead(self._inbox.put) if post.ahead else None
        self._handles: dict[RunKey, Handle] = {}
        self._tryouts = Tryouts(
            post.task, post.folder, environ=post.environ, seed=self._seed, inbox=self._inbox.put
        )
        self._retries: set[RunKey] = set()
        self._failures: list[Observation] = []
        self._proved = False
        """Whether the code version has given any metric: then failures are the configurations'."""
        self._stop: Literal["no", "soon", "now"] = "no"
        self._exhausted = False
        self._fruitless = 0
        self._code = CodeWatch(post.task, code_version(post.task, history))
        self._looked_at = 0.0
        self._read_at = 0.0
        self._served = 0
        """Requests that were looked at."""
        self._sync_at = 0.0
        self._machine = machine(post.task)
        self._open()
        self._own = agenda.own(self._task, self.history)

    def stop(self, *, now: bool) -> None:
        """End the session, from any thread or a signal: after the running runs, or at once."""
        self._stop = "now" if now else "soon"
        self._inbox.put(None)

    def wake(self) -> None:
        """Let `wait` return, from any thread, and look at what was asked."""
        self._read_at = 0.0
        self._inbox.put(None)

    @property
    def history(self) -> History:
        """What the ledger says, with what was noted since."""
        return self._scribe.history

    @property
    def going(self) -> tuple[RunKey, ...]:
        """The runs that were started and have not ended."""
        return tuple(self._handles)

    @property
    def free(self) -> int:
        """How many more runs could go on now."""
        return self._slots - len(self._handles) - self._tryouts.going

    @property
    def trying(self) -> bool:
        """Whether what was proposed is still to be run for a moment, and is no trial yet."""
        return bool(self._tryouts)

    def due(self) -> list[RunKey]:
        """Return the runs that should be started, in order."""
        return agenda.due(self.history, self._handles, self._retries, self._task)

    def prune(self, run: RunKey) -> None:
        """End a run that is going on; it counts as pruned."""
        self._handles[run].stop("pruned")

    def end(self) -> Closed | None:
        """Return why the session is over, or None while there is something to do."""
        if self._handles or self._tryouts.going:
            return None
        reason: Literal["budget", "exhausted"] = "budget"
        if self._hopeless():
            return Closed(reason="failed", sentence=advice(self._failures, self._post.folder))
        if self._stop != "no":
            return Closed(reason="stopped", sentence="stopped on request; run it again to resume")
        used_up = spent(self._task.budget, self.history, now=self._clock())
        if used_up and blocked(self._task.budget, self.history, now=self._clock()):
            return Closed(reason="budget", sentence=used_up)
        if self.due() or self._tryouts or not self._searched() or self._granted(1):
            full = self._full()
            return Closed(reason="stopped", sentence=full) if full else None
        if self._exhausted and not used_up:
            used_up, reason = nothing_left(self._task), "exhausted"
        return Closed(reason=reason, sentence=used_up or DECIDED)

    def propose(self, *, most: int | None = None) -> None:
        """Give more seeds to whom they are due, and admit trials for the slots that stay empty.

        At most `most` of either.
        """
        budget = self._task.budget
        if self._ending() or self._full():
            return
        granted = self._granted(self._vacant(most))
        self._note(*granted)
        free = 0 if granted and most == 1 else self._vacant(most)
        if budget.trials is not None:
            free = min(free, budget.trials - len(self.history.trials) - len(self._tryouts))
        if self._searched() or (free > 0 and self._admit_own(free)):
            return
        if self._ahead is not None:
            self._ahead.ask(self.history, self._read, vacant=self._vacant(None), queued=self.due())
        elif free > 0 and not self._tryouts:
            self._scribe.write_ahead()
            sifted = ask(self._post.proposer, self._task, self.history, n=free, seed=self._seed)
            self._admit(sifted)
            if not sifted.admissions:
                self._fruitless += 1
                self._exhausted = gave_up(sifted, self._task, self._fruitless)

    def _admit(self, sifted: Sifted) -> None:
        self._note(*self._post.crew.told())
        for notice in sifted.notices:
            self._say(notice)
        self._note(*sifted.refusals, *sifted.claims)
        for admission in sifted.admissions:
            self._take_in(admission)

    def _take_in(self, admission: Admission) -> None:
        """Admit a proposal, unless its code is to be run for a moment first."""
        if self._tryouts.wanted(admission.proposal, self.history, self._post.runner):
            self._tryouts.add(admission)
        else:
            self._fruitless = 0
            self._note(replace(admission, number=len(self.history.trials)))

    def _tried(self, tried: Tried) -> None:
        """Admit what was run for a moment, or refuse it."""
        match self._tryouts.ended(tried):
            case Passed(admission, notice):
                if notice is not None:
                    self._say(notice)
                self._fruitless = 0
                self._note(self._answer(admission.proposal, request=admission.request, own=True))
            case Refusal() as refusal:
                self._note(refusal)
                self._fruitless += refusal.request is None
                self._exhausted = self._exhausted or self._fruitless >= FRUITLESS

    def _read(self, after: int) -> list[Entry]:
        """The ledger, with all that is known: what whoever thinks aside has to know."""
        self._write()
        return self._post.ledger.read(after)

    def _vacant(self, most: int | None) -> int:
        """How many slots would stay empty, at most `most`, and no more than the budget has runs."""
        free = self._slots - len(self._handles) - len(self.due()) - len(self._tryouts)
        runs = self._task.budget.runs
        free = free if runs is None else min(free, runs - self.history.launches)
        return free if most is None else min(free, most)

    @property
    def _slots(self) -> int:
        """How many runs may go on at a time: fewer than fit, after what failed."""
        slots = self._post.runner.slots
        return slots if self._post.by else self._pace.most(slots)

    def _searched(self) -> bool:
        """Whether no further trial is to come."""
        slots = self._post.runner.slots
        return self._exhausted or searched(self._task, self.history, slots=slots, now=self._clock())

    def _granted(self, n: int) -> list[Promotion]:
        """Whom to give more seeds, as far as `n` slots go."""
        if n < 1:
            return []
        slots = self._post.runner.slots
        left, _ = runs_left(self._task.budget, self.history, slots=slots, now=self._clock())
        return promotions(self._task, self.history, n=n, searched=self._searched(), runs_left=left)

    def measure(self, runs: int) -> int:
        """Plan `runs` seeds of the default configuration; return its trial's number.

        Raises:
            StudyError: the defaults are not legal.
        """
        configuration = self.history.space.complete({})
        number = self.history.seen(configuration, code=self.history.code)
        if number is None:
            proposal = agenda.asked(configuration, "the defaults, to measure the noise")
            sifted = sift([proposal], self.history, n=1, code=self.history.code, own=True)
            if not sifted.admissions:
                faults = [fault for refusal in sifted.refusals for fault in refusal.faults]
                raise StudyError("the defaults can't be run: " + "; ".join(faults))
            self._note(*sifted.admissions)
            number = sifted.admissions[0].number
        self._note(Promotion(trial=number, seeds=runs, reason="its seeds are to tell the noise"))
        return number

    def launch(self, only: Container[int] | None = None) -> None:
        """Start what is due, as far as there are slots; of the trials in `only`, if given."""
        if self._ending() or self._full():
            return
        self._look_at_code()
        self._tryouts.start(self._post.runner, self.history, most=self._slots - len(self._handles))
        ready: list[Order] = []
        launched = len(self._handles)
        for key in self.due():
            if only is not None and key.trial not in only:
                continue
            if len(self._handles) + len(ready) + self._tryouts.going >= self._slots:
                break
            order = self._order(key)
            if self._held(order, ready):
                continue
            if not self._post.runner.fits(order):
                break
            ready.append(order)
            code = self.history.code
            trial = self.history.trials[key.trial]
            self._note(
                Launch(
                    run=key,
                    seed=order.seed,
                    command=order.command,
                    machine=self._machine.id,
                    code=None if code == trial.admission.code else code,
                    by=self._post.by,
                )
            )
            if self._task.runner.varied:
                # What it takes shows only once it has it.
                self._start(ready)
        self._start(ready)
        if len(self._handles) > launched:
            self._post.watch(self.history, None)

    def _start(self, ready: list[Order]) -> None:
        """Start what was noted as launched."""
        self._write()
        while ready:
            order = ready.pop(0)
            self._retries.discard(order.run)
            self._handles[order.run] = self._post.runner.start(order, self._inbox.put)

    def _held(self, order: Order, ready: Sequence[Order]) -> bool:
        """Whether a run is held back after like ones failed."""
        going = [self.history.trials[key.trial].configuration for key in self._handles]
        going += [other.configuration for other in ready]
        at = self._clock()
        return not self._post.by and self._pace.holds(order.configuration, going, at=at)

    def _full(self) -> str:
        """Say that too little of the disk is free to launch anything; '' if enough is."""
        text = shortage(self._post.folder, self._task.runner.disk_floor_bytes)
        if text:
            self._say(Notice(level="warning", topic="disk", text=text))
        return text

    def wait(self) -> list[Happening]:
        """Return the next events, all that are there.

        Empty after `LOOK_S` without one, or when something was asked of the session.
        """
        self._write()
        self._publish()
        self._read_requests()
        try:
            found = [self._next()]
            while True:
                found.append(self._inbox.get_nowait())
        except queue.Empty:
            return [event for event in found if event is not None]

    def take(self, events: Sequence[Happening]) -> None:
        """Take in what a runner reported and members offered, if anything."""
        if not events:
            self._post.watch(self.history, None)
        for happening in events:
            if isinstance(happening, Offered):
                self._offered(happening)
                continue
            if isinstance(happening, Tried):
                self._tried(happening)
                self._post.watch(self.history, None)
                continue
            event = self._shown(happening)
            match event:
                case Reported():
                    self._judge_early(event)
                case Finished(observation=observation):
                    self._handles.pop(observation.run, None)
                    self._observed(observation)
            self._post.watch(self.history, event)
        self._scribe.close_blocks()
        if self._stop != "no":
            self._tryouts.stop()
        if self._stop == "now":
            for handle in self._handles.values():
                handle.stop("cancelled")

    def close(self, closed: Closed) -> None:
        """Write the session's last records."""
        if self._ahead is not None:
            self._ahead.close()
        if closed.reason in ("budget", "exhausted"):
            self._scribe.sum_up_rest()
            self._scribe.write_ahead()
            analysis = self._post.crew.analyse(self.history)
            self._note(*self._post.crew.told(), *([analysis] if analysis else []))
        self._write()
        self._publish()
        self._note(closed)
        self._write()
        self._scribe.write_notebook()
        self._post.watch(self.history, None)

    # -- opening

    def _open(self) -> None:
        changes = changed(self.history, self._task)
        self._note(Opened(task=self._task, seed=self._seed, version=__version__, changes=changes))
        if self._machine.id not in self.history.machines:
            self._note(self._machine)
        self._pace = Pace(self.history)
        self._look_at_code()
        self._pruner = Pruner.restored(self._task, self.history)
        self._keeper = Keeper(self._task.keep, self._task.objective, folders=self._folders)
        self._stored = Folders(self._task.keep, folders=self._folders)
        for trial in self.history.finished():
            self._keeper.settle(trial, self.history)
            self._stored.settle(trial, self.history, holders=self._keeper.holders)
        self._twins = Twins(self.history)
        self._recover()
        for trial in self.history.finished():
            if trial.verdict is None:
                self._settle(trial)
            elif any(change.startswith("require:") for change in changes):
                self._note(judge(trial, self.history))
        self._scribe.listen()
        self._serve(opening=True)
        if self._post.by:
            self._try_out_here()
        self._write()
        self._scribe.catch_up()

    def _recover(self) -> None:
        """Take in the results of runs that ended after the last coordinator was killed."""
        for run in self.history.interrupted():
            if run.observation is None:
                observation = self._post.runner.recover(self._order(run.key))
                if observation is not None:
                    self._observed(observation)

    def _look_at_code(self) -> None:
        """Open a new code version if the task's files changed."""
        now = time.monotonic()
        if self.history.code and now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        version = self._code.version()
        if version.id == self.history.code:
            self._proved = self._proved or bool(self.history.done(code=version.id)[:1])
            return
        if self.history.code:
            self._note(
                Notice(
                    level="warning",
                    topic="code",
                    text=f"the task's files changed ({', '.join(version.files) or 'the function'}):"
                    f" code version {version.id} begins; results before and after are not compared",
                )
            )
        self._note(version)
        self._pace = Pace(self.history)
        self._failures.clear()
        self._proved = bool(self.history.done(code=version.id))

    def _try_out_here(self) -> None:
        """Run for a moment what was offered, on this machine: a step does not come again."""
        if not self._tryouts:
            return
        plan = replace(self._task.runner, kind="local", workers=1)
        # Where this machine lacks what a run takes, it is left to whoever runs the study.
        with suppress(RunnerError), LocalRunner(plan) as runner:
            while self._tryouts:
                self._tryouts.start(runner, self.history, most=1)
                happening = self._inbox.get()
                if isinstance(happening, Tried):
                    self._tried(happening)
        self._tryouts.stop()

    # -- proposing

    def _admit_own(self, n: int) -> bool:
        """Admit up to `n` of the user's configurations that were not tried yet, and ablations."""
        admitted, taken_back = 0, ablation.due(self.history)
        self._note(*taken_back.notices)
        for proposal in chain(taken_back.proposals, self._own):
            if proposal.edit is None and self.history.tried(proposal.configuration):
                continue
            sifted = sift([proposal], self.history, n=1, code=self.history.code, own=True)
            self._note(*sifted.admissions, *sifted.refusals)
            admitted += 1
            if admitted == n:
                break
        return admitted > 0

    # -- taking in

    def _next(self) -> Happening | None:
        """Wait for one event, and for the disk where it is due."""
        while self._inbox.empty() and self._post.runner.idle():
            pass
        soon_s = self._sync_at - time.monotonic()
        if soon_s > 0:
            with suppress(queue.Empty):
                return self._inbox.get(timeout=soon_s)
        # After the launches that would have to wait for it: a disk takes a millisecond or many.
        self._post.ledger.sync()
        self._sync_at = time.monotonic() + SYNC_S
        try:
            return self._inbox.get(timeout=LOOK_S)
        except queue.Empty:
            return None

    def _shown(self, event: Event) -> Event:
        """An event as everybody may see it: without the metric that is held out."""
        if self._task.heldout is None:
            return event
        match event:
            case Reported():
                return replace(event, metrics=without(event.metrics, self._task))
            case Finished():
                return Finished(withhold(event.observation, self._task))

    def _offered(self, offered: Offered) -> None:
        if self._ahead is not None:
            queued = [*self.due(), *[None] * len(self._tryouts)]
            self._admit(self._ahead.answered(offered, self.history, queued=queued))
            self._exhausted = self._ahead.exhausted or self._fruitless >= FRUITLESS

    def _judge_early(self, event: Reported) -> None:
        run = event.run
        # Replicates are asked for on purpose, and are worth their time.
        if self._pruner is None or run.seed != 0 or run.attempt != 0:
            return
        metrics = timed(event.metrics, event.seconds)
        if self._pruner.report_all(run.trial, event.step, metrics) and run in self._handles:
            self._handles[run].stop("pruned")

    def _observed(self, observation: Observation) -> None:
        observation = withhold(observation, self._task)
        trial = self.history.trials[observation.run.trial]
        self._note(observation, diagnose(observation, self._task.objective))
        run = self.history.run(observation.run)
        self._note(*self._pace.heard(self.history, run, others=len(self._handles)))
        if observation.run.seed >= FRESH:
            # It judges nobody: who is best was settled before, without it.
            self._retry(trial)
            return
        crowded = self._pace.crowded(observation.run)
        # How an agent's own set-up fails says nothing about ours.
        if observation.outcome == "failed" and not run.launch.by and not crowded:
            self._failures.append(observation)
        self._proved = self._proved or observation.outcome in ("done", "pruned")
        twin = self._twins.report(trial, observation, self.history)
        if twin is not None:
            self._say(twin)
        if observation.outcome == "failed" and not self._again(run):
            healed = self._remedies.heal(run, proved=self._proved)
            if not healed:
                self._remedies.explain(observation)
        self._settle(trial)

    def _settle(self, trial: Trial) -> None:
        """Judge a trial that has ended, and whatever hangs on its result."""
        if trial.state not in ("done", "failed", "pruned"):
            return
        if self._retry(trial):
            return
        if self._pruner is not None:
            self._pruner.finish(trial.number, completed=trial.state == "done")
        again = trial.verdict is not None
        self._note(judge(trial, self.history))
        if again:
            for verdict in renewed(trial, self.history):
                self._note(verdict)
        elif (said := healing.outcome(self.history, trial)) is not None:
            self._note(said)
        self._keeper.settle(trial, self.history)
        self._stored.settle(trial, self.history, holders=self._keeper.holders)

    def _retry(self, trial: Trial) -> bool:
        """Set a run aside to be tried again, if its failure does not lie in its configuration."""
        for seed, run in trial.every.items():
            if self._again(run):
                self._retries.add(RunKey(trial.number, seed, trial.attempts(seed)))
                return True
        return False

    def _again(self, run: Run) -> bool:
        """Whether a run failed for a passing reason, or for want of memory beside others."""
        passing = run.observation is not None and run.observation.cause == "transient"
        return run.key.attempt + 1 < ATTEMPTS and (passing or self._pace.crowded(run.key))

    # -- ending

    def _ending(self) -> bool:
        used_up = blocked(self._task.budget, self.history, now=self._clock())
        return used_up or self._stop != "no" or self._hopeless()

    def _hopeless(self) -> bool:
        return not self._proved and hopeless(self._failures) and not self._healing()

    def _healing(self) -> bool:
        """Whether a remedy for the first failures is still to show what it does."""
        coming = any(t.proposal.by == healing.HEALER for t in self.history.pending())
        return coming and len(self._failures) < PATIENCE

    # -- records

    def _publish(self) -> None:
        """Have git show what the ledger says, where trials change code."""
        for notice in self._post.publish(self.history):
            self._say(notice)

    def _read_requests(self) -> None:
        now = time.monotonic()
        if now - self._read_at >= LOOK_S:
            self._read_at = now
            self.history.extend(self._post.ledger.read(self.history.sequence))
            self._scribe.listen()
            self._serve()
            self._scribe.tick()

    def _serve(self, *, opening: bool = False) -> None:
        """Do what doors asked for and nobody has done; a `stop` was for the session of its time."""
        waiting = self.history.requests[self._served :]
        self._served += len(waiting)
        for sequence, request in waiting:
            if request.what == "stop" and not opening:
                self._stop = "now" if request.now else "soon"
            if request.what == "prune":
                for key in [key for key in self.going if key.trial == request.trial]:
                    self.prune(key)
            offered, own = request.proposal, request.what == "steer"
            if own:
                offered = steering.wished(request.text, self.history)
            if offered is not None and sequence not in self.history.answers:
                answer = self._answer(offered, request=sequence, own=own)
                if isinstance(answer, Admission):
                    self._take_in(answer)
                else:
                    self._note(answer)
            if request.observation is not None:
                self._told(request.observation)

    def _answer(self, offered: Proposal, *, request: int | None, own: bool) -> Admission | Refusal:
        """What becomes of a proposal that came through a door."""
        used_up = spent(self._task.budget, self.history, now=self._clock())
        if used_up:
            return Refusal(proposal=offered, faults=(used_up,), request=request)
        sifted = sift([offered], self.history, n=1, code=self.history.code, own=own)
        answers: list[Admission | Refusal] = [*sifted.admissions, *sifted.refusals]
        return replace(answers[0], request=request)

    def _told(self, observation: Observation) -> None:
        """Take in what an agent told, unless the run is not (or no longer) the agent's."""
        with suppress(KeyError):
            run = self.history.run(observation.run)
            if run.handed_out and run is self.history.trials[run.key.trial].every[run.key.seed]:
                self._observed(observation)

    # -- runs

    def _order(self, key: RunKey) -> Order:
        return make_order(
            self._task,
            run=key,
            seed=run_seed(self._seed, key.seed),
            configuration=self.history.trials[key.trial].configuration,
            study_folder=self._post.folder,
            environ=self._post.environ,
            tree=tree_of(self._task, self.history, key.trial),
        )

    def _folders(self, trial: Trial) -> list[Path]:
        return [run_folder(self._post.folder, run.key) for run in trial.runs]
