"""The application: its addresses, its event streams, and a server that ends at once when told."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from trialwright.app.dashboard import actions, assets, pages, tails
from trialwright.app.dashboard.feed import Shelf, Watched
from trialwright.app.dashboard.guard import Door, Guarded
from trialwright.errors import TrialwrightError
from trialwright.records import RunKey

LOOK_S = 0.4
"""Seconds between two looks for what is new, while a page is open."""
BEAT_S = 15.0
"""Seconds of silence after which a stream says that it is still there."""


def application(shelf: Shelf, door: Door) -> Guarded:
    """Return the dashboard of some studies, behind its door."""
    page = pages.answering
    routes = [
        Route("/", page(pages.studies)),
        Route("/events", _shelf_events),
        Route("/static/{name}", _asset),
        Route("/s/{key}/", page(pages.study)),
        Route("/s/{key}/events", _study_events),
        Route("/s/{key}/team", page(pages.team)),
        Route("/s/{key}/tree", page(pages.tree_page)),
        Route("/s/{key}/tree.svg", page(pages.tree_picture)),
        Route("/s/{key}/notebook", page(pages.notebook)),
        Route("/s/{key}/trials.json", page(pages.trials_json)),
        Route("/s/{key}/progress.json", page(pages.progress_json)),
        Route("/s/{key}/t/{number:int}", page(pages.trial)),
        Route("/s/{key}/t/{number:int}/curves.json", page(pages.curves_json)),
        Route("/s/{key}/t/{number:int}/log/{seed:int}.{attempt:int}", page(pages.log)),
        Route("/s/{key}/t/{number:int}/log/{seed:int}.{attempt:int}/events", _log_events),
    ]
    for action in (actions.steer, actions.stop, actions.prune, actions.rerun, actions.replicate):
        path = f"/s/{{key}}/{action.__name__}"
        routes.append(Route(path, actions.posted(action), methods=["POST"]))
    # Read now: the package may be upgraded while the dashboard is up.
    assets.read()
    pages.templates()
    app = Starlette(routes=routes)
    app.state.shelf, app.state.door, app.state.said = shelf, door, {}
    return Guarded(app, door)


def server_of(app: Guarded) -> uvicorn.Server:
    """Return what serves a dashboard; its event streams, which have no end, are not waited for."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=0,
        )
    )


def serve(app: Guarded, door: socket.socket) -> None:
    """Serve until a Ctrl-C or a SIGTERM."""
    server = server_of(app)
    # uvicorn gives the signal back once it is down; the command ends in order instead.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server.run(sockets=[door])
    finally:
        signal.signal(signal.SIGINT, before)


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    found = assets.read().get(name)
    if found is None:
        return PlainTextResponse("There is no such file.\n", 404)
    known = request.headers.get("if-none-match") == found.tag
    kept = {"etag": found.tag, "cache-control": "private, max-age=31536000, immutable"}
    if request.query_params.get("v") != found.digest:
        kept["cache-control"] = "private, no-cache"
    if known:
        return Response(status_code=304, headers=kept)
    return Response(found.content, media_type=found.kind, headers=kept)


async def _shelf_events(request: Request) -> Response:
    return _stream(_versions(pages.shelf_of(request).version))


async def _study_events(request: Request) -> Response:
    try:
        study = await run_in_threadpool(pages.study_of, request)
    except TrialwrightError as error:
        return PlainTextResponse(f"{error}\n", 404)
    return _stream(_versions(study.version))


async def _log_events(request: Request) -> Response:
    at = request.path_params
    key = RunKey(at["number"], at["seed"], at["attempt"])
    try:
        study = await run_in_threadpool(pages.study_of, request)
        log = await run_in_threadpool(_log, study, key)
    except (TrialwrightError, KeyError) as error:
        return PlainTextResponse(f"{error}\n", 404)
    return _stream(_lines(study, key, log))


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream")


async def _versions(version: Callable[[], str]) -> AsyncIterator[str]:
    """Yield an event for each change; the first at once, so that a page that slept catches up."""
    told, silent = "", 0.0
    yield "retry: 1500\n\n"
    while True:
        now = await run_in_threadpool(version)
        if now != told:
            told, silent = now, 0.0
            yield f"data: {json.dumps(now)}\n\n"
        elif silent >= BEAT_S:
            silent = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_S)
        silent += LOOK_S


def _log(study: Watched, key: RunKey) -> tails.Tail:
    with study.reading() as history:
        run = history.run(key)
        return tails.Tail(study.log(run), study.place.folder, tails.hidden_from(history))


def _ended(study: Watched, key: RunKey) -> bool:
    with study.reading() as history:
        return history.run(key).observation is not None or not study.going()


async def _lines(study: Watched, key: RunKey, log: tails.Tail) -> AsyncIterator[str]:
    """Yield what a log holds, and what it grows by, until its run has ended."""
    yield "retry: 60000\n\n"
    try:
        while True:
            # Asked before the read, so that the last lines are not missed.
            ended = await run_in_threadpool(_ended, study, key)
            lines = await run_in_threadpool(log.more)
            if lines:
                yield f"data: {json.dumps(lines)}\n\n"
            elif ended:
                rest = await run_in_threadpool(lambda: log.more(ended=True))
                yield f"event: end\ndata: {json.dumps(rest)}\n\n"
                return
            else:
                yield ": still here\n\n"
            await asyncio.sleep(0 if lines else LOOK_S)
    except TrialwrightError as error:
        yield f"event: problem\ndata: {json.dumps(str(error))}\n\n"
