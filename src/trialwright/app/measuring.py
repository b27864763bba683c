"""`noise`: run the default configuration under several seeds, and say what its noise hides."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import typer

from trialwright.app.documents import dumps, plain
from trialwright.app.interrupt import interrupts
from trialwright.app.live import JsonWatcher
from trialwright.app.place import made, to_run
from trialwright.app.running import DONE, HOPELESS, Output, opened
from trialwright.report import seeds


def measure(study: Path | None, runs: int, output: Output) -> int:
    """Measure the noise of a study's defaults; return the exit status.

    Raises:
        TrialwrightError: the study can't be run.
    """
    given = opened(to_run(study, None))
    with ExitStack() as stack:
        stack.enter_context(made(given.folder))
        watcher = stack.enter_context(output.watcher(given))
        stack.enter_context(interrupts(given, watcher.say))
        number = given.measure(runs, watcher)
        trial = given.history.trials[number]
    if isinstance(watcher, JsonWatcher):
        typer.echo(dumps({"noise": plain(seeds.measured(trial, given.history))}, indent=None))
    else:
        for sentence in seeds.noise_sentences(trial, given.history):
            typer.echo(sentence)
    return DONE if trial.values else HOPELESS
