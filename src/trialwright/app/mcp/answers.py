"""How the study's answer to an offer is told to an agent."""

from __future__ import annotations

from trialwright.app.digest import proposal_digest
from trialwright.app.documents import dumps
from trialwright.errors import StudyBusy, StudyError
from trialwright.records import Admission, Refusal


def answered(answer: Admission | Refusal | None) -> str:
    """Return what was admitted.

    Raises:
        StudyError: it was refused; the message has every reason.
        StudyBusy: whoever runs the study has not answered yet.
    """
    match answer:
        case Admission() as admitted:
            document = {"admitted": True, "trial": admitted.number}
            return dumps({**document, **proposal_digest(admitted.proposal)}, indent=None)
        case Refusal(faults=faults):
            raise StudyError("refused: " + "; ".join(faults))
        case None:
            raise StudyBusy("noted; whoever runs the study has not answered yet: read_history")
