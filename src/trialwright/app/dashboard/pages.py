"""The pages: from an address to HTML or JSON. They read; what is asked for is in `actions`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import cast

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from trialwright import __version__
from trialwright.app.dashboard import assets, board, prose, views
from trialwright.app.dashboard.feed import Shelf, Watched
from trialwright.app.dashboard.guard import Door
from trialwright.app.logs import run_of, trial_of
from trialwright.errors import StudyError, TrialwrightError
from trialwright.history import History, Trial
from trialwright.report import branches, tree, words

TEXT_TREE = 2000
"""Lines of the tree that are shown as text."""

TABS = (("", "Trials"), ("team", "Team"), ("tree", "Tree"), ("notebook", "Notebook"))


class Missing(StudyError):
    """There is nothing at an address."""


@cache
def templates() -> Environment:
    """Return the templates, all of them read at once; what they are given is escaped.

    A package that is upgraded underneath a dashboard changes nothing of its pages.
    """
    folder = files("trialwright.app.dashboard") / "templates"
    read = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    surroundings = Environment(
        loader=DictLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    surroundings.globals["asset"] = assets.address
    return surroundings


def page(
    request: Request, name: str, given: Mapping[str, object], *, status: int = 200
) -> HTMLResponse:
    """Lay a page out."""
    door = cast("Door", request.app.state.door)
    said = request.app.state.said.get(request.query_params.get("said", ""), "")
    common = {
        "words": words,
        "version": __version__,
        "csrf": door.csrf,
        "said": said,
        "chain": views.chain,
        "events": "",
        "study": None,
        "tabs": TABS,
        "tab": None,
    }
    text = templates().get_template(name).render({**common, **given})
    # A lone surrogate, from a name that was no UTF-8, must not lose the whole page.
    return HTMLResponse(text.encode("utf-8", "replace"), status)


def problem(request: Request, error: Exception) -> Response:
    """Say what went wrong, as a page or as JSON."""
    status = 404 if isinstance(error, Missing) else 409
    said = words.plain(str(error))
    if request.url.path.endswith(".json"):
        return JSONResponse({"error": said}, status)
    return page(request, "problem.html.j2", {"problem": said}, status=status)


def shelf_of(request: Request) -> Shelf:
    """Return the studies that are shown."""
    return cast("Shelf", request.app.state.shelf)


def study_of(request: Request) -> Watched:
    """Return the study that an address names.

    Raises:
        Missing: there is none.
    """
    found = shelf_of(request).study(request.path_params["key"])
    if found is None:
        raise Missing("There is no such study here; it may have been moved or removed.")
    return found


@contextmanager
def _read(request: Request) -> Iterator[tuple[Watched, History]]:
    """Hold the study that an address names, and what is known of it."""
    study = study_of(request)
    with study.reading() as history:
        if not history.opened:
            raise StudyError("The study is about to begin: its ledger is still empty.")
        yield study, history


def _trial(request: Request, history: History) -> Trial:
    try:
        return trial_of(history, request.path_params["number"])
    except StudyError as error:
        raise Missing(str(error)) from None


def studies(request: Request) -> Response:
    """All studies; the one study where one was named."""
    shelf = shelf_of(request)
    if shelf.single is not None:
        return RedirectResponse(f"/s/{shelf.single.key}/", 303)
    cards, faults = [], []
    for study in shelf.studies():
        try:
            cards.append(views.card(study))
        except TrialwrightError as error:
            faults.append(words.line(f"{study.place.folder}: {error}"))
    cards.sort(key=lambda card: (not card.state.running, card.name))
    given = {"cards": cards, "faults": faults, "events": "/events", "title": "Studies"}
    return page(request, "studies.html.j2", given)


def study(request: Request) -> Response:
    """Where a study stands: the best, what runs, the figure, the leaderboard, steering."""
    with _read(request) as (found, history):
        return _laid_out(
            request,
            "study.html.j2",
            found,
            history,
            tab="",
            about=views.overview(found, history),
            count=len(history.trials),
            metric=words.line(history.task.objective.metric),
            description=words.plain(history.task.description, most=1500).strip().split("\n\n"),
        )


def team(request: Request) -> Response:
    """Who proposes, what came of it, what it cost."""
    with _read(request) as (found, history):
        told = found.known("team", views.team_page)
        return _laid_out(request, "team.html.j2", found, history, tab="team", team=told)


def tree_page(request: Request) -> Response:
    """Which trial was made from which."""
    with _read(request) as (found, history):
        grown = found.known("tree", tree.grown) if history.trials else None
        metric = history.task.objective.metric
        lines = list(tree.lines(grown, metric=metric)) if grown else []
        return _laid_out(
            request,
            "tree.html.j2",
            found,
            history,
            tab="tree",
            reading=tree.reading(grown) if grown else "",
            lines=[words.plain(line) for line in lines[:TEXT_TREE]],
            left=len(lines[TEXT_TREE:]),
            sequence=history.sequence,
        )


def tree_picture(request: Request) -> Response:
    """The tree as a picture, in which nothing can run."""
    with _read(request) as (found, history):
        if not history.trials:
            raise Missing("There are no trials yet.")
        grown = found.known("tree", tree.grown)
        picture = found.known("svg", lambda history: branches.svg(history, grown))
        return Response(picture.encode("utf-8", "replace"), media_type="image/svg+xml")


def notebook(request: Request) -> Response:
    """What was supposed, claimed, noted and written."""
    with _read(request) as (found, history):
        folder = found.place.folder
        return _laid_out(
            request,
            "notebook.html.j2",
            found,
            history,
            tab="notebook",
            book=found.known("notebook", views.notebook_page),
            analysis=prose.rendered(views.written(folder, "analysis.md")),
            memory=prose.rendered(views.written(folder, "memory.md")),
        )


def trial(request: Request) -> Response:
    """All about a trial."""
    with _read(request) as (found, history):
        chosen = _trial(request, history)
        return _laid_out(
            request,
            "trial.html.j2",
            found,
            history,
            part=f"Trial {chosen.number}",
            about=views.trial_page(found, chosen, history),
            metric=words.line(history.task.objective.metric),
            last=len(history.trials) - 1,
        )


def log(request: Request) -> Response:
    """The output of a run, which `events` continues."""
    with _read(request) as (found, history):
        chosen = _trial(request, history)
        seed, attempt = request.path_params["seed"], request.path_params["attempt"]
        try:
            run = run_of(chosen, seed, attempt)
        except StudyError as error:
            raise Missing(str(error)) from None
        given = {
            "study": found,
            "title": words.line(history.task.name),
            "part": f"Log of trial {chosen.number}",
            "trial": chosen.number,
            "run": run,
            "path": words.line(str(found.log(run))),
        }
        return page(request, "log.html.j2", given)


def _laid_out(
    request: Request,
    name: str,
    found: Watched,
    history: History,
    *,
    tab: str | None = None,
    **given: object,
) -> HTMLResponse:
    common = {
        "study": found,
        "title": words.line(history.task.name),
        "tab": tab,
        "events": f"/s/{found.key}/events",
    }
    return page(request, name, {**common, **given})


def trials_json(request: Request) -> Response:
    """A window of the leaderboard."""
    with _read(request) as (found, history):
        asked = request.query_params
        order = asked.get("order", "rank")
        if order not in board.ORDERS:
            raise StudyError(f"trials can be ordered by {', '.join(board.ORDERS)}")
        going = bool(found.going())
        numbers = found.known(
            f"order {order} {going}", lambda history: board.ordered(history, order, going=going)
        )
        first = _whole(asked.get("first", "0"), most=len(numbers))
        count = _whole(asked.get("count", "50"), most=board.WINDOW)
        chosen = numbers[::-1] if asked.get("down") == "1" else numbers
        rows = [
            board.cells(history.trials[number], history, going=going)
            for number in chosen[first : first + count]
        ]
        best = history.best()
        return JSONResponse(
            {
                "total": len(numbers),
                "first": first,
                "best": best.number if best else None,
                "rows": rows,
            }
        )


def progress_json(request: Request) -> Response:
    """The figure of all results."""
    with _read(request) as (found, _):
        return JSONResponse(found.known("progress", board.progress))


def curves_json(request: Request) -> Response:
    """The figure of a trial's runs."""
    with _read(request) as (_, history):
        return JSONResponse(board.curves(_trial(request, history), history))


def _whole(text: str, *, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise StudyError("`first` and `count` are whole numbers")
    return min(int(text), most)


Shown = Callable[[Request], Response]


def answering(shown: Shown) -> Shown:
    """Return a page that says what went wrong instead of failing."""

    def answered(request: Request) -> Response:
        try:
            return shown(request)
        except TrialwrightError as error:
            return problem(request, error)

    return answered
