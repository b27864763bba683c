"""The command line: each command in a few lines, the work elsewhere.

Imports here are light, so that `--help` answers at once; what a command needs it imports itself.
"""

from __future__ import annotations

import errno
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trialwright.app import agents, optuna_commands, research_command
from trialwright.app.analyze import options as analyze_options
from trialwright.errors import StudyError, TrialwrightError

app = typer.Typer(
    name="trialwright",
    help="Tunes a training script: proposes with reasons, runs, judges, explains.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

BAD_INPUT = 2
INTERRUPTED = 130

StudyOption = Annotated[
    Path | None,
    typer.Option("--study", help="The study: its file, or its folder of results.", metavar="PATH"),
]
StudyPlace = Annotated[
    Path | None,
    typer.Argument(help="The study: its file or folder, as --study.", metavar="[STUDY]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Plain = Annotated[bool, typer.Option("--plain", help="Print plain lines, also on a terminal.")]
Number = Annotated[int, typer.Argument(help="The trial's number.", metavar="N")]
Later = Annotated[
    bool, typer.Option("--later", help="Only note it; the next `run` does it.", show_default=False)
]


class Form(StrEnum):
    """Ways to print a configuration."""

    args = "args"
    dict = "dict"  # the word for it
    yaml = "yaml"
    json = "json"


class TrackerName(StrEnum):
    """Trackers that runs are copied to."""

    mlflow = "mlflow"
    tensorboard = "tensorboard"


def _version(value: bool) -> None:
    if value:
        version()
        raise typer.Exit


FromAutoresearch = Annotated[
    bool, typer.Option("--from-autoresearch", help="SCRIPT is an autoresearch checkout; else here.")
]


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Tunes a training script: proposes with reasons, runs, judges, explains."""


@app.command()
def init(
    script: Annotated[
        Path | None,
        typer.Argument(help="The training script, or an autoresearch checkout.", metavar="SCRIPT"),
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Behind `--`: what the script is always given.", metavar="[-- ARGS]"),
    ] = None,
    *,
    metric: Annotated[str | None, typer.Option(help="The metric to tune for.")] = None,
    goal: Annotated[str | None, typer.Option(help="Such as 'maximize val_f1'.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="The study file to write; else study.yaml.")
    ] = None,
    trials: Annotated[int, typer.Option(help="The budget to write.", min=1)] = 10,
    limit: Annotated[str, typer.Option(help="Time limit of the dry run.")] = "10m",
    dry_run: Annotated[
        bool, typer.Option("--dry-run/--no-dry-run", help="Run the script once, to prove it.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the study file.")] = False,
    describe: Annotated[
        str | None, typer.Option(help="The task in your words, for a model to read.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model that reads them, such as openai:NAME.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Of the model's endpoint.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Accept what a model writes without asking.")
    ] = False,
    from_autoresearch: FromAutoresearch = False,
) -> None:
    """Read a training script and write a study file for it."""
    if script is None and not from_autoresearch:
        raise StudyError("name the training script: trialwright init train.py")
    from trialwright.app.init.command import Wishes, init_study

    wishes = Wishes(
        script=script or Path(),
        arguments=tuple(arguments or ()),
        metric=metric,
        goal=goal,
        output=output or Path("study.yaml"),
        trials=trials,
        limit=limit,
        dry_run=dry_run,
        force=force,
        describe=describe,
        model=model,
        base_url=base_url,
        yes=yes,
    )
    if from_autoresearch:
        from trialwright.app.init.autoresearch import init_autoresearch

        raise typer.Exit(init_autoresearch(wishes, output))
    raise typer.Exit(init_study(wishes))


@app.command()
def run(
    study: Annotated[
        Path | None,
        typer.Argument(help="The study file; else ./study.yaml.", metavar="[STUDY]"),
    ] = None,
    *,
    folder: Annotated[
        Path | None, typer.Option(help="For the results; else runs/NAME beside the file.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials in all.", min=1)] = None,
    workers: Annotated[int | None, typer.Option(help="Runs at a time.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The study's own seed.", min=0)] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Models' answers from a recording; nobody is asked.")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(help="The server that keeps the ledger.", metavar="URL")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for who runs it on another machine.")
    ] = True,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Run a study, or resume it. Ctrl-C once finishes the running trials, twice stops them."""
    from trialwright.app.place import to_run

    # A broken file is told of before the heavy half is imported.
    place = to_run(study, folder, ledger=ledger)
    from trialwright.app.running import Changes, Output, opened
    from trialwright.app.running import run as run_study

    changes = Changes(trials=trials, workers=workers, seed=seed)
    given = opened(place, changes, replay)
    replayed = replay is not None
    raise typer.Exit(run_study(given, Output(plain, json), replay=replayed, wait=wait))


@app.command()
def status(
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on showing it while it runs elsewhere.")
    ] = False,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Show where a study stands, also while it runs."""
    from trialwright.app import showing
    from trialwright.app.place import one_of

    if watch:
        if json:
            raise StudyError("--watch is for people: a script reads --json again and again")
        from trialwright.app import watching

        watching.watch(one_of(place, study), plain=plain)
        return
    if plain:
        raise StudyError("--plain says how to --watch: call with both")
    showing.status(one_of(place, study), json=json)


@app.command()
def show(
    number: Number,
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print its code's patch instead.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Of the patch: a trial's number, or start.", metavar="TRIAL"),
    ] = None,
    json: Json = False,
) -> None:
    """Show a trial: what was proposed and why, what came out, what was decided."""
    from trialwright.app import showing
    from trialwright.app.place import one_of

    if since is not None and not diff:
        raise StudyError("--from says from where on a patch is: call with --diff")
    if diff and not json:
        from trialwright.app.lineage import print_patch

        print_patch(one_of(place, study), number, since=since)
        return
    showing.show(one_of(place, study), number, diff=diff, since=since, json=json)


@app.command()
def log(
    target: Annotated[
        str | None,
        typer.Argument(help="A trial's number: its run's output. Else the study.", metavar="[N]"),
    ] = None,
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    seed: Annotated[int, typer.Option(help="Which seed of the trial, from 0.", min=0)] = 0,
    attempt: Annotated[
        int | None, typer.Option(help="Which attempt, from 0; else the latest.", min=0)
    ] = None,
    tail: Annotated[int | None, typer.Option(help="Only the last lines.", min=0)] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on while the run goes on.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Without N: trials that led nowhere, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Print how the best trial came about, step by step; with a number, the output of its run."""
    from trialwright.app.place import one_of, to_read

    if target is None or not target.isdecimal():
        from trialwright.app.lineage import print_lineage

        if attempt is not None or tail is not None or seed or follow:
            raise StudyError("--seed, --attempt, --tail and --follow are about a run: name a trial")
        named = one_of(None if target is None else Path(target), place)
        print_lineage(one_of(named, study), every=every, json=json)
        return
    if every or json:
        raise StudyError(f"--all and --json are about the whole study: call without {target}")
    from trialwright.app.logs import print_log

    found = to_read(one_of(place, study))
    print_log(found, int(target), seed=seed, attempt=attempt, tail=tail, ongoing=follow)


@app.command()
def best(
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    export: Annotated[
        Path | None, typer.Option(help="Write the configuration to a .yaml or .json file.")
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--as", help="Print only the configuration, in this form.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the best trial and why it is; export its configuration."""
    from trialwright.app import showing
    from trialwright.app.place import one_of

    showing.best(one_of(place, study), target=export, form=form.value if form else None, json=json)


@app.command()
def rerun(
    number: Number,
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    later: Later = False,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Run a trial once more, under its first seed, then go on with the study."""
    from trialwright.app.place import one_of
    from trialwright.app.requests import ask_rerun

    study = one_of(place, study)
    raise typer.Exit(ask_rerun(study, number, later=later, plain=plain, json=json))


@app.command()
def replicate(
    number: Number,
    place: StudyPlace = None,
    *,
    seeds: Annotated[int, typer.Option(help="How many more seeds.", min=1)],
    study: StudyOption = None,
    later: Later = False,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Run a trial under more seeds, then go on with the study."""
    from trialwright.app.place import one_of
    from trialwright.app.requests import ask_replicate

    study = one_of(place, study)
    status = ask_replicate(study, number, seeds=seeds, later=later, plain=plain, json=json)
    raise typer.Exit(status)


@app.command()
def prune(number: Number, place: StudyPlace = None, *, study: StudyOption = None) -> None:
    """End a trial early, wherever the study runs; it counts as stopped early."""
    from trialwright.app.place import one_of
    from trialwright.app.requests import ask_prune

    ask_prune(one_of(place, study), number)


@app.command()
def tree(
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    draw: Annotated[
        bool, typer.Option("--draw", help="Write tree/tree.svg and tree/tree.json, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Show which trial was made from which, and the scores by which the tree grows."""
    from trialwright.app import showing
    from trialwright.app.place import one_of

    showing.draw_tree(one_of(place, study), draw=draw, json=json)


@app.command()
def noise(
    study: Annotated[
        Path | None,
        typer.Argument(help="The study file; else ./study.yaml.", metavar="[STUDY]"),
    ] = None,
    *,
    runs: Annotated[int, typer.Option(help="Seeds of the defaults, in all.", min=2)] = 8,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Measure the noise before a study: run the defaults under several seeds, and nothing else."""
    from trialwright.app.measuring import measure
    from trialwright.app.running import Output

    raise typer.Exit(measure(study, runs, Output(plain, json)))


@app.command()
def plan(
    study: Annotated[
        Path | None,
        typer.Argument(help="The study: its file or folder; else ./study.yaml.", metavar="[STUDY]"),
    ] = None,
    *,
    workers: Annotated[
        str | None, typer.Option(help="Numbers of workers to compare.", metavar="N,N,...")
    ] = None,
    team: Annotated[
        str | None, typer.Option(help="Teams to compare, members joined by +.", metavar="TEAM,...")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials in all.", min=1)] = None,
    seconds_per_run: Annotated[
        float | None, typer.Option(help="That a run takes, where none has shown it.")
    ] = None,
    failures: Annotated[
        float | None, typer.Option(help="Share of the runs that fail, such as 0.05.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Results to take as the landscape, in CSV.")
    ] = None,
    json: Json = False,
) -> None:
    """Say before a campaign when it will be done, what it will cost and how good it gets."""
    from trialwright.app.plan.command import plan_study, wishes_of

    wishes = wishes_of(
        workers=workers,
        team=team,
        trials=trials,
        run_s=seconds_per_run,
        failures=failures,
        table=table,
    )
    plan_study(study, wishes, json=json)


@app.command()
def compare(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="The study file; behind it further agents.", metavar="[STUDY] [AGENT]..."
        ),
    ] = None,
    *,
    agents: Annotated[list[str], typer.Option(help="Who is compared.", metavar="AGENT...")],
    replicates: Annotated[int, typer.Option(help="Campaigns of each agent.", min=1)] = 3,
    parallel: Annotated[int, typer.Option(help="Campaigns at a time.", min=1, max=64)] = 1,
    folder: Annotated[
        Path | None, typer.Option(help="For all of it; else runs/NAME-compare beside the file.")
    ] = None,
    json: Json = False,
) -> None:
    """Run a study's task with each of several agents, in copies of its own, and compare them."""
    from trialwright.app.compare.command import compare as compare_agents
    from trialwright.app.compare.command import wishes_of

    wishes = wishes_of(
        words or (), agents, replicates=replicates, parallel=parallel, folder=folder, json=json
    )
    raise typer.Exit(compare_agents(wishes))


@app.command()
def report(place: StudyPlace = None, *, study: StudyOption = None, json: Json = False) -> None:
    """Write report.html and report.md: figures, the analysis, every trial with its reasons."""
    from trialwright.app import showing
    from trialwright.app.place import one_of

    showing.report(one_of(place, study), json=json)


@app.command()
def notebook(place: StudyPlace = None, *, study: StudyOption = None, json: Json = False) -> None:
    """Write the notebook again: what was learnt, why, and what to try next."""
    from trialwright.app import keeping
    from trialwright.app.place import one_of

    keeping.notebook(one_of(place, study), json=json)


@app.command()
def steer(
    text: Annotated[str, typer.Argument(help="What you wish.", metavar="TEXT")],
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    json: Json = False,
) -> None:
    """Tell whoever proposes what you wish; `try NAME=VALUE, ...` is offered as a trial."""
    from trialwright.app import keeping
    from trialwright.app.place import one_of

    keeping.steer(one_of(place, study), text, json=json)


@app.command()
def mirror(
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    to: Annotated[
        TrackerName | None, typer.Option(help="Which tracker; else those of the study file.")
    ] = None,
    uri: Annotated[
        str | None, typer.Option(help="Of MLflow: http://..., sqlite:///FILE, or $NAME.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="In MLflow; else the study's name.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Of TensorBoard's event files.")] = None,
    json: Json = False,
) -> None:
    """Copy a study's runs to MLflow or TensorBoard; what is there already is not copied again."""
    from trialwright.app.place import one_of
    from trialwright.app.tracking.command import mirror as mirror_study

    wish = {"uri": uri or "", "experiment": experiment or "", "folder": str(folder or "")}
    raise typer.Exit(mirror_study(one_of(place, study), to, wish, json=json))


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(help="A new folder for the example.", metavar="[FOLDER]")
    ] = Path("trialwright-demo"),
    *,
    plain: Plain = False,
    json: Json = False,
) -> None:
    """Tune the digits example that ships with the package: ten trials, under two minutes."""
    from trialwright.app.demo import laid_out, own_python
    from trialwright.app.running import Output, opened
    from trialwright.app.running import run as run_study

    with own_python():
        raise typer.Exit(run_study(opened(laid_out(folder)), Output(plain, json)))


@app.command()
def serve(
    study: Annotated[
        Path | None,
        typer.Argument(help="The study file; else ./study.yaml.", metavar="[STUDY]"),
    ] = None,
    *,
    folder: Annotated[
        Path | None, typer.Option(help="For the results; else runs/NAME beside the file.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials in all.", min=1)] = None,
    workers: Annotated[int | None, typer.Option(help="Runs at a time.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The study's own seed.", min=0)] = None,
    ledger: Annotated[
        str | None, typer.Option(help="The server that keeps the ledger.", metavar="URL")
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay in the foreground, for systemd.")
    ] = False,
    test_notify: Annotated[
        bool, typer.Option("--test-notify", help="Only send each of `notify` a test.")
    ] = False,
) -> None:
    """Run a study in the background: with a log, started again after a crash."""
    from trialwright.app.running import Changes
    from trialwright.app.service.command import Wishes
    from trialwright.app.service.command import serve as serve_study

    wishes = Wishes(
        study=study,
        folder=folder,
        ledger=ledger,
        changes=Changes(trials=trials, workers=workers, seed=seed),
        foreground=foreground,
        test_notify=test_notify,
    )
    raise typer.Exit(serve_study(wishes))


@app.command()
def stop(
    place: StudyPlace = None,
    *,
    study: StudyOption = None,
    now: Annotated[bool, typer.Option("--now", help="Do not wait for the running trials.")] = False,
    json: Json = False,
) -> None:
    """Stop a study, wherever it runs, and wait until it is down."""
    from trialwright.app.place import one_of
    from trialwright.app.service import stopping

    stopping.stop(one_of(place, study), now=now, json=json)


@app.command()
def dashboard(
    runs: Annotated[
        Path, typer.Argument(help="A folder of studies, or one study.", metavar="[RUNS]")
    ] = Path("runs"),
    *,
    host: Annotated[str, typer.Option(help="Where to listen; other hosts need --token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="0 takes any that is free.", min=0, max=65535)] = 8787,
    token: Annotated[
        str | None, typer.Option(help="What lets one in; else made up and printed.")
    ] = None,
) -> None:
    """Show studies in a browser, live: leaderboard, logs, trials, notebook; steer and stop."""
    from trialwright.app.dashboard import command

    command.dashboard(command.Wishes(runs=runs, host=host, port=port, token=token))


@app.command("version")
def version() -> None:
    """Print the version."""
    from trialwright import __version__

    typer.echo(f"trialwright {__version__}")


research = app.command("research")(research_command.research)
import_ = app.command("import")(optuna_commands.import_)
export = app.command("export")(optuna_commands.export)
analyze = app.command("analyze")(analyze_options.analyze)


app.registered_commands += agents.verbs.registered_commands


def main() -> None:
    """Run the command line: one clear message and status 2 for what the user can mend."""
    try:
        app()
    except TrialwrightError as error:
        if os.environ.get("TRIALWRIGHT_DEBUG"):
            raise
        _complain(f"trialwright: {error}")
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone: say nothing, and let the interpreter's own flush go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or os.environ.get("TRIALWRIGHT_DEBUG"):
            raise
        _complain(f"trialwright: {error}: free some disk space, and run it again to resume")
        sys.exit(BAD_INPUT)


def _complain(text: str) -> None:
    typer.echo(text, err=True)


if __name__ == "__main__":
    main()
