"""What the words of a notebook mean, for somebody who meets them for the first time."""

from __future__ import annotations

from collections.abc import Iterator

from trialwright.history import History
from trialwright.report import seeds, words

_MEMBERS: dict[str, str] = {
    "expert": "code that proposes as an experienced practitioner would, from rules and a model of"
    " the results; no language model",
    "inquirer": "code that proposes experiments which test claims",
    "tpe": "a classical optimiser, the tree-structured Parzen estimator",
    "gp": "a classical optimiser, a Gaussian process",
    "cmaes": "a classical optimiser, CMA-ES",
    "editor": "code that proposes edits of the program",
    "random": "code that draws configurations at random",
    "tree": "code that branches from the trial of the tree with the highest score",
}


def glossary(history: History) -> Iterator[tuple[str, str]]:
    """Yield each word with what it means; only words that such a study uses."""
    task = history.task
    several = task.seeds.screen > 1 or any(len(trial.values) > 1 for trial in history.trials)
    yield "trial", "one configuration, with its runs"
    yield (
        "seed",
        "what a run draws its random numbers from; seed 3 is the same number in every trial, so"
        " that trials can be compared seed by seed",
    )
    yield "score", f"the number that decides: {words.line(seeds.measure(task))}"
    if several:
        yield (
            "sd",
            "the standard deviation of the values of a trial's seeds",
        )
    yield (
        "kept, unconfirmed, discarded",
        f"how a trial stands against the best one before it: better with probability"
        f" {task.confidence:g} or more, better but not so surely, not better",
    )
    yield (
        "confirmed",
        f"better than the trial that is named, with probability {task.confidence:g} or more",
    )
    if history.claims:
        yield (
            "established, supported, tentative",
            "how far later trials bear out what somebody claimed before; `memory.md` has the rules",
        )
    if history.blocks:
        yield "block", f"{task.block or 'some'} trials in a row, after which this page is written"
    by = dict.fromkeys(trial.proposal.by for trial in history.trials)
    for name in by:
        if name in _MEMBERS:
            yield name, _MEMBERS[name]
    yield (
        "ucb_scores.tsv",
        "every trial as a place to go on from: value is the score, mean and sd are over its seeds;"
        " reward is the share of results that it is at least as good as, from 0 to 1; visits are"
        " the trials of its branch; bonus is for having been tried rarely; score, in that file, is"
        " reward + bonus",
    )
