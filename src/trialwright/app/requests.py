"""`rerun`, `replicate` and `prune`: note a request in the ledger, and have it served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from trialwright.app.place import to_read
from trialwright.app.running import DONE, Output, opened, run
from trialwright.study import Study


def ask_rerun(study: Path | None, number: int, *, later: bool, plain: bool, json: bool) -> int:
    """Ask for trial `number` to be run once more; return the exit status.

    Raises:
        TrialwrightError: there is no such study or trial.
    """
    return _ask(study, lambda s: s.rerun(number), later=later, output=Output(plain, json))


def ask_replicate(
    study: Path | None, number: int, *, seeds: int, later: bool, plain: bool, json: bool
) -> int:
    """Ask for more seeds of trial `number`; return the exit status.

    Raises:
        TrialwrightError: there is no such study or trial.
    """
    return _ask(
        study, lambda s: s.replicate(number, seeds), later=later, output=Output(plain, json)
    )


def ask_prune(study: Path | None, number: int) -> None:
    """Ask whoever runs the study to end trial `number` early.

    Raises:
        TrialwrightError: there is no such study or trial, or no run of it goes on.
    """
    opened(to_read(study)).prune(number)
    typer.echo(f"asked to end trial {number} early: whoever runs the study does it")


def _ask(
    study: Path | None, request: Callable[[Study], None], *, later: bool, output: Output
) -> int:
    place = to_read(study)
    opened_study = opened(place)
    request(opened_study)
    if place.store.going():
        _note("noted: the process that is running the study will do it", output)
        return DONE
    if later:
        _note("noted: the next `trialwright run` will do it", output)
        return DONE
    return run(opened_study, output)


def _note(text: str, output: Output) -> None:
    if not output.json:
        typer.echo(text)
