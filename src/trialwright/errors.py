"""Every exception that Trialwright raises on purpose.

A message says what was given, what was allowed and what to do. A failed run is data, not an
exception: see `records.Observation`.

    TrialwrightError
    ├── ExpressionError        a constraint or condition that does not parse or compute
    ├── SpaceError             a space that contradicts itself
    ├── InvalidConfiguration   a configuration outside its space (carries every fault)
    ├── StudyFileError         a study file that can't be used (carries every problem)
    ├── LedgerError            a ledger that can't be opened or read
    │   ├── StaleSequence      somebody else appended first
    │   └── LeaseLost          another coordinator took the study over
    ├── RunnerError            the runner itself failed (not a run)
    ├── RepositoryError        a git repository that can't be read, or does not take an edit
    ├── EditError              a block of an edit that does not fit its file (carries the cause)
    ├── CampaignError          a log of experiments that can't be read, or a wish about it
    ├── ProposerError          a proposer that can't work here (missing package, key, ...)
    └── StudyError             a study that can't start or go on
        └── StudyBusy          another process runs the study
"""

from __future__ import annotations


class TrialwrightError(Exception):
    """The root: catch it to catch everything that Trialwright raises on purpose."""


class ExpressionError(TrialwrightError):
    """A constraint or condition does not parse, or can't be computed for given values."""


class SpaceError(TrialwrightError):
    """A space contradicts itself: an empty range, a default outside it, a circular condition."""


class InvalidConfiguration(TrialwrightError):
    """A configuration lies outside its space; `faults` has one sentence per fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class StudyFileError(TrialwrightError):
    """A study file can't be used; `problems` has one line per problem, with its place."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class LedgerError(TrialwrightError):
    """A ledger is torn, foreign, of an unknown version, or locked by another coordinator."""


class StaleSequence(LedgerError):
    """The ledger holds records that the writer has not read: read again, decide again."""


class LeaseLost(LedgerError):
    """Another coordinator took the study over: who held it may write no more."""


class RunnerError(TrialwrightError):
    """The runner failed, not a run: its guard died, or the machine refuses new processes."""


class RepositoryError(TrialwrightError):
    """A git repository can't be read or written, or a patch does not apply to a tree of it."""


class EditError(TrialwrightError):
    """A block of an edit does not fit its file; `cause` is a word to count by, as `not_found`."""

    def __init__(self, text: str, *, cause: str) -> None:
        super().__init__(text)
        self.cause = cause


class CampaignError(TrialwrightError):
    """A log of experiments is in no dialect that is known, or is not to be read as was wished."""


class ProposerError(TrialwrightError):
    """A proposer can't work here: a package or a key is missing, or it returned nothing usable."""


class StudyError(TrialwrightError):
    """A study can't start or can't go on; the message says what to fix."""


class StudyBusy(StudyError):
    """Another process runs the study, or another thread of this one; the message says which."""
