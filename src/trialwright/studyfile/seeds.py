"""How many seeds trials get, and what counts of them, from a study file."""

from __future__ import annotations

from trialwright.robust import Robust
from trialwright.studyfile.fields import Fields
from trialwright.task import FRESH, Seeds

SEED_KEYS = ("screen", "confirm", "max", "fresh", "objective", "failure", "study")


def read_seeds(fields: Fields, *, sign: int) -> Seeds:
    """Read the section; `sign` is that of the metric, 0 where it is not known."""
    screen = fields.whole("screen", least=1) or 1
    confirm, most = fields.whole("confirm", least=2), fields.whole("max", least=2)
    fresh, study = fields.whole("fresh", least=0), fields.whole("study", least=0)
    objective = _objective(fields, screen=screen, sign=sign)
    if confirm is not None and confirm < screen:
        _fault(fields, "confirm", f"{confirm} lies below screen, which every trial gets: {screen}")
    if most is not None and confirm is None:
        _fault(fields, "max", "needs confirm, the seeds of a contender, such as confirm: 4")
    elif most is not None and confirm is not None and most < confirm:
        _fault(fields, "max", f"{most} lies below confirm: {confirm}")
    given = {"screen": screen, "confirm": confirm, "max": most, "fresh": fresh}
    for key, seeds in given.items():
        if (seeds or 0) > FRESH:
            _fault(fields, key, f"is more than {FRESH}, the most seeds that a trial can have")
    return Seeds(
        screen=screen,
        confirm=confirm,
        most=most,
        fresh=fresh or 0,
        objective=objective,
        failure=fields.number("failure"),
        study=study or 0,
    )


def _objective(fields: Fields, *, screen: int, sign: int) -> Robust:
    text = fields.text("objective")
    if text is None or sign == 0:
        return Robust()
    try:
        objective = Robust.parse(text, sign=sign)
    except ValueError as error:
        _fault(fields, "objective", str(error))
        return Robust()
    if screen < objective.least:
        _fault(
            fields,
            "objective",
            f"{text!r} needs {objective.least} seeds of every trial, since one has no spread:"
            f" write screen: {objective.least}",
        )
    return objective


def _fault(fields: Fields, key: str, problem: str) -> None:
    fields.fault(fields.tree(key) or fields.place, f"{fields.path(key)} {problem}")
