"""What answers a failed run: a remedy that code knows, else what a model reads in its log."""

from __future__ import annotations

from trialwright.admission import sift
from trialwright.history import Run
from trialwright.post import Post
from trialwright.propose import healing
from trialwright.records import Notice, Observation, Proposal
from trialwright.scribe import Scribe


class Remedies:
    """The remedies of one session: each becomes a trial as any proposal does."""

    def __init__(self, post: Post, scribe: Scribe) -> None:
        self._post = post
        self._task = post.task
        self._scribe = scribe

    def heal(self, run: Run, *, proved: bool) -> bool:
        """Answer a failure whose cause has a known remedy; say whether a child will be tried.

        `proved`: the code has given a metric before, so that it is not what is broken.
        """
        observation = run.observation
        if not self._task.heal or run.launch.by or observation is None:
            return False
        mend = healing.repair_by_hand(observation)
        if mend is not None and proved:
            self._scribe.say(mend)
        child = healing.heal(self._scribe.history, observation)
        return child is not None and self._try(child, own=True)

    def explain(self, observation: Observation) -> None:
        """Have a model read a failure that code can't tell; a repair goes the way of proposals."""
        self._scribe.write_ahead()
        explained = self._post.crew.explain(self._scribe.history, observation)
        self._scribe.note(*self._post.crew.told())
        if explained is None:
            return
        self._scribe.note(explained.diagnosis)
        number = observation.run.trial
        if explained.remedy:
            text = f"trial {number}: the task itself looks broken: {explained.remedy}"
            self._scribe.note(Notice(level="warning", topic="task", text=text, trial=number))
        if explained.repair:
            self._try(explained.repair)

    def _try(self, proposal: Proposal, *, own: bool = False) -> bool:
        """Admit a remedy as any proposal, if the budget has a trial for it; say whether it was."""
        history, budget = self._scribe.history, self._task.budget.trials
        if budget is not None and len(history.trials) >= budget:
            return False
        sifted = sift([proposal], history, n=1, code=history.code, own=own)
        self._scribe.note(*sifted.admissions, *sifted.refusals)
        return bool(sifted.admissions)
