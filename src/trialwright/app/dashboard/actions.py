"""What a person asks for in the browser: wishes, stops, more seeds. All of it goes to the ledger.

The functions are those of the commands `steer`, `stop`, `prune`, `rerun` and `replicate`; the study
alone acts on what it is asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from trialwright.app.dashboard.feed import Watched
from trialwright.app.dashboard.pages import problem, study_of
from trialwright.app.door import append
from trialwright.app.place import Place, to_run
from trialwright.app.running import opened
from trialwright.app.service import card
from trialwright.desk import Desk
from trialwright.errors import StudyError, TrialwrightError
from trialwright.records import Admission, Refusal
from trialwright.records import Request as Asked
from trialwright.store import begun

LARGEST = 32_768
"""Bytes of a form."""
MOST_SAID = 200
"""Answers that are kept for the page that follows."""

Form = Mapping[str, str]
Action = Callable[[Watched, Form], str]
"""Does what was asked for, and says so."""


def steer(study: Watched, form: Form) -> str:
    """Leave a wish for whoever proposes; a trial that it spells out is admitted, or refused."""
    desk = Desk(opened(_to_run(study)))
    match desk.steer(form.get("text", "")):
        case Admission(number=number):
            return f"Noted; it is trial {number}."
        case Refusal(faults=faults):
            return f"Noted, but it can't be tried: {'; '.join(faults)}."
    when = "now" if study.going() else "from the next `trialwright run` on"
    return f"Noted; whoever proposes and can read is told of it {when}."


def stop(study: Watched, form: Form) -> str:
    """Ask whoever runs the study to end: after its running runs, or now."""
    if not study.going() and not card.alive(study.place.folder):
        return "Nothing is running the study."
    now = form.get("now") == "1"
    append(study.place.store, Asked(what="stop", now=now, by="user"))
    return "Asked to stop: " + (
        "its running trials are stopped, and run again on resume."
        if now
        else "it finishes its running trials first."
    )


def prune(study: Watched, form: Form) -> str:
    """Ask whoever runs the study to end a trial early."""
    number = _number(form, "trial")
    opened(_to_run(study)).prune(number)
    return f"Asked to end trial {number} early; it is going to count as stopped early."


def rerun(study: Watched, form: Form) -> str:
    """Ask for a trial to be run once more."""
    number = _number(form, "trial")
    opened(_to_run(study)).rerun(number)
    return f"Trial {number} is to be run once more: {_who(study)}."


def replicate(study: Watched, form: Form) -> str:
    """Ask for more seeds of a trial."""
    number, more = _number(form, "trial"), _number(form, "seeds")
    opened(_to_run(study)).replicate(number, more)
    return f"Trial {number} is to get {more} more seed{'s' if more > 1 else ''}: {_who(study)}."


def _who(study: Watched) -> str:
    runs = (
        "the process that is running the study" if study.going() else "the next `trialwright run`"
    )
    return f"{runs} will do it"


def _to_run(study: Watched) -> Place:
    folder = study.place.folder
    return to_run(folder if begun(folder) else study.place.file, None)


def _number(form: Form, name: str) -> int:
    text = form.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise StudyError(f"{name} has to be a whole number")
    return int(text)


def posted(action: Action) -> Callable[[Request], Awaitable[Response]]:
    """Return the address of an action: it takes a form of our own pages, and leads back."""

    async def answer(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return PlainTextResponse("The form is too large.\n", 413)
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        form = {name: values[-1] for name, values in fields.items()}
        if not secrets.compare_digest(
            form.get("csrf", "").encode(), request.app.state.door.csrf.encode()
        ):
            return PlainTextResponse("The form is not of a page of this dashboard.\n", 403)
        try:
            study = study_of(request)
            said = await run_in_threadpool(action, study, form)
        except TrialwrightError as error:
            return problem(request, error)
        return RedirectResponse(f"{_back(study, form)}?said={_kept(request, said)}", 303)

    return answer


def _back(study: Watched, form: Form) -> str:
    number = form.get("trial", "")
    plain = number.isascii() and number.isdecimal()
    return f"/s/{study.key}/" + (f"t/{int(number)}" if plain else "")


def _kept(request: Request, said: str) -> str:
    """Keep an answer for the next page: an address names it, and can't make one up."""
    known = request.app.state.said
    name = secrets.token_urlsafe(6)
    known[name] = said
    while len(known) > MOST_SAID:
        known.pop(next(iter(known)))
    return name
