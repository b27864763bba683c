"""The shell's verbs for outside agents: `ask`, `tell`, `propose`, `history`, `claim` and others."""

from __future__ import annotations

from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trialwright.errors import StudyError

verbs = typer.Typer()

StudyOption = Annotated[
    Path | None,
    typer.Option("--study", help="The study: its file, or its folder of results.", metavar="PATH"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
By = Annotated[str, typer.Option(help="The name that you go by in the study.", metavar="NAME")]


class State(StrEnum):
    """States of a trial."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    pruned = "pruned"
    cancelled = "cancelled"


class Order(StrEnum):
    """Orders of trials."""

    number = "number"
    value = "value"


class Expectation(StrEnum):
    """How a result is expected to compare with the parent's."""

    better = "better"
    worse = "worse"
    no_worse = "no_worse"
    same = "same"


class Kind(StrEnum):
    """Kinds of changes of code."""

    hyperparameter = "hyperparameter"
    architecture = "architecture"
    optimizer = "optimizer"
    schedule = "schedule"
    data = "data"
    regularization = "regularization"
    systems = "systems"
    multi = "multi"


class What(StrEnum):
    """Kinds of claims."""

    direction = "direction"
    region = "region"
    interaction = "interaction"
    rate = "rate"
    no_effect = "no_effect"


class Sense(Enum):
    """Where a metric goes."""

    higher = "higher"
    lower = "lower"
    better = "better"
    worse = "worse"


@verbs.command()
def ask(*, study: StudyOption = None, by: By = "agent", json: Json = False) -> None:
    """Take the next run, to run it yourself; `tell` how it went."""
    from trialwright.app import visiting

    visiting.ask(visiting.Visit(study, by, json))


@verbs.command()
def tell(
    run: Annotated[str, typer.Argument(help="The run, as `ask` named it.", metavar="RUN")],
    *,
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric's last value.", metavar="NAME=VALUE")
    ] = None,
    step: Annotated[float | None, typer.Option(help="The step that it belongs to.")] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(help="An earlier step with its metrics.", metavar="'step=N NAME=VALUE'"),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="A file of such points, as JSON lines; - is standard input.")
    ] = None,
    failed: Annotated[
        str | None, typer.Option(help="It failed: why, such as diverged.", metavar="CAUSE")
    ] = None,
    detail: Annotated[str, typer.Option(help="What happened, in a line.")] = "",
    pruned: Annotated[bool, typer.Option("--pruned", help="It was stopped early.")] = False,
    seconds: Annotated[
        float | None, typer.Option(help="How long it took; else since `ask`.")
    ] = None,
    study: StudyOption = None,
    by: By = "agent",
    json: Json = False,
) -> None:
    """Say how a run went that `ask` handed out; the study judges it."""
    from trialwright.app import visiting
    from trialwright.app.points import points as read_points
    from trialwright.desk import Told

    if failed is not None and pruned:
        raise StudyError("a run that failed was not pruned: give --failed or --pruned")
    told = Told(
        outcome="failed" if failed is not None else "pruned" if pruned else "done",
        metrics=dict(visiting.metric_of(text) for text in metric or ()),
        points=read_points(point or (), points),
        step=step,
        cause=visiting.cause_of(failed) if failed is not None else None,
        detail=detail,
        seconds=seconds,
    )
    visiting.tell(visiting.Visit(study, by, json), run, told)


@verbs.command()
def propose(
    *,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter's value; the others stay.", metavar="NAME=VALUE"),
    ] = None,
    parent: Annotated[
        int | None, typer.Option(help="The trial that is changed; else the best so far.", min=0)
    ] = None,
    why: Annotated[str, typer.Option(help="Why, in words.", metavar="TEXT")] = "",
    expect: Annotated[
        Expectation | None, typer.Option(help="How it will compare with the parent.")
    ] = None,
    patch: Annotated[
        Path | None, typer.Option(help="A change of code, as git diff has it; - is standard input.")
    ] = None,
    category: Annotated[Kind, typer.Option(help="What kind of change of code it is.")] = Kind.multi,
    study: StudyOption = None,
    by: By = "agent",
    json: Json = False,
) -> None:
    """Offer a configuration, or an edit; it becomes a trial, or is refused with every reason."""
    from trialwright.app import visiting
    from trialwright.desk import EditOffer, Offer
    from trialwright.research.sketch import Sketch

    visit = visiting.Visit(study, by, json)
    if patch is None:
        offer = Offer(change={}, why=why, parent=parent, expect=expect.value if expect else None)
        visiting.propose(visit, values or (), offer)
        return
    if values:
        raise StudyError("an edit is proposed without values: give --patch or --set")
    edit = EditOffer(
        sketch=Sketch(),
        why=why,
        category=category.value,
        parent=parent,
        expect=expect.value if expect else None,
    )
    visiting.propose_edit(visit, patch, edit)


@verbs.command()
def suggest(
    *,
    number: Annotated[int, typer.Option("--n", help="How many.", min=1, max=20)] = 1,
    study: StudyOption = None,
    json: Json = False,
) -> None:
    """Show what the study's own team would propose now, without admitting it."""
    from trialwright.app import visiting

    visiting.suggest(visiting.Visit(study, json=json), number)


@verbs.command()
def history(
    *,
    state: Annotated[State | None, typer.Option(help="Only trials in this state.")] = None,
    by: Annotated[str | None, typer.Option(help="Only those of one proposer.")] = None,
    last: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    sort: Annotated[
        Order, typer.Option(help="By number, or by value, the best first.")
    ] = Order.number,
    study: StudyOption = None,
    json: Json = False,
) -> None:
    """List the trials, each in a line, and the notes."""
    from trialwright.app import visiting
    from trialwright.app.digest import Filter

    choice = Filter(state=state.value if state else None, by=by, last=last, sort=sort.value)
    visiting.history(visiting.Visit(study, json=json), choice)


@verbs.command()
def note(
    text: Annotated[str, typer.Argument(help="What to write down.", metavar="TEXT")],
    *,
    trial: Annotated[int | None, typer.Option(help="The trial that it is about.", min=0)] = None,
    study: StudyOption = None,
    by: By = "agent",
    json: Json = False,
) -> None:
    """Write a note into the study, for whoever reads its history."""
    from trialwright.app import visiting

    visiting.note(visiting.Visit(study, by, json), text, trial)


@verbs.command()
def claim(
    text: Annotated[str, typer.Argument(help="What you hold to be true.", metavar="TEXT")],
    *,
    extent: Annotated[
        list[str],
        typer.Option("--with", help="A parameter, or values of it.", metavar="NAME[=A..B|=A,B]"),
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(help="What it is held against; else all else.", metavar="NAME=A..B|=A,B"),
    ] = None,
    what: Annotated[What | None, typer.Option(help="What is claimed.")] = None,
    expect: Annotated[Sense, typer.Option(help="Where the metric goes.")] = Sense.higher,
    threshold: Annotated[
        float | None, typer.Option(help="By more than this, in the metric's unit.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="Another metric than the goal's; failure: seeds that fail.")
    ] = "",
    where: Annotated[str, typer.Option(help="Of trials that meet this.", metavar="CONDITION")] = "",
    study: StudyOption = None,
    by: By = "agent",
    json: Json = False,
) -> None:
    """Claim something that later trials can contradict; they decide where it stands."""
    from trialwright.analysis.claiming import Draft
    from trialwright.app import visiting

    draft = Draft(
        text=text,
        extents=tuple(extent),
        against=tuple(against or ()),
        what=what.value if what else None,
        expect=expect.value,
        threshold=threshold,
        metric=metric,
        where=where,
    )
    visiting.claim(visiting.Visit(study, by, json), draft)


@verbs.command()
def claims(*, study: StudyOption = None, json: Json = False) -> None:
    """List the claims, and where each stands."""
    from trialwright.app import visiting

    visiting.claims(visiting.Visit(study, json=json))


@verbs.command()
def mcp(
    study: Annotated[
        Path | None,
        typer.Argument(help="The study file, its folder, or its results.", metavar="[STUDY]"),
    ] = None,
    *,
    by: By = "agent",
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP instead of standard input and output.")
    ] = False,
    host: Annotated[str, typer.Option(help="Where to listen: this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any.", min=0, max=65535)] = 0,
    token: Annotated[
        str | None,
        typer.Option(
            help="What clients must send; else one is made up.", envvar="TRIALWRIGHT_MCP_TOKEN"
        ),
    ] = None,
) -> None:
    """Serve a study to agents that speak the Model Context Protocol."""
    from trialwright.app.mcp.command import Wishes, serve

    serve(Wishes(study=study, by=by, http=http, host=host, port=port, token=token))
