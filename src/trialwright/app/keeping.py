"""The commands `notebook` and `steer`: write the notebook again, tell a study what one wishes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import typer

from trialwright.app.documents import Document, dumps
from trialwright.app.place import shown, to_read, to_run
from trialwright.app.running import opened
from trialwright.desk import Desk
from trialwright.history import History
from trialwright.records import Admission, Refusal
from trialwright.report.notebook import write


def notebook(study: Path | None, *, json: bool) -> None:
    """Write the notebook of a study, and print where it is.

    Raises:
        TrialwrightError: there is no such study.
    """
    place = to_read(study)
    with closing(place.store.open()) as ledger:
        path = write.rewrite(History(ledger.read()), ledger, place.folder)
    if json:
        document: Document = {"notebook": str(path), "files": list(write.PAGES)}
        typer.echo(dumps(document))
    else:
        typer.echo(f"notebook: {shown(path)}")


def steer(study: Path | None, text: str, *, json: bool) -> None:
    """Leave a wish for whoever proposes; a trial that it spells out is admitted, or refused.

    Raises:
        TrialwrightError: there is no such study, or the wish is empty.
    """
    desk = Desk(opened(to_run(study or Path(), None)))
    answer = desk.steer(text)
    going = desk.study.store.going()
    document: Document = {"wish": desk.history().wishes[-1].text, "trial": None}
    match answer:
        case Admission(number=number):
            document |= {"trial": number}
            said = f"noted; it is trial {number}"
        case Refusal(faults=faults):
            document |= {"faults": list(faults)}
            said = f"noted, but it can't be tried: {'; '.join(faults)}"
        case None:
            when = "now" if going else "from the next `trialwright run` on"
            said = f"noted; whoever proposes and can read is told of it {when}"
    typer.echo(dumps(document) if json else said)
