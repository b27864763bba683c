"""Configurations as they stood when a block ended: the best one, and all that the block tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import Block
from trialwright.report import words


def last_of(block: Block) -> str:
    """Return the file of a block that is written last: where it is, the others are."""
    return f"{_folder(block)}/tried.yaml"


def snapshots(history: History, block: Block) -> Iterator[tuple[str, str]]:
    """Yield the files of a block, each with its name below the notebook and its text."""
    if block.best is not None:
        best = history.trials[block.best]
        metric = history.task.objective.metric
        head = (
            f"# The best configuration after block {block.number}: trial {block.best},"
            f" {words.line(metric)} = {words.number(block.value)}\n"
        )
        yield f"{_folder(block)}/best.yaml", head + _yaml(best.configuration)
    trials = history.trials[block.first : block.last + 1]
    tried = {trial.number: dict(trial.configuration) for trial in trials}
    head = f"# What block {block.number} tried, by the number of the trial\n"
    yield last_of(block), head + _yaml(tried)


def _folder(block: Block) -> str:
    return f"block-{block.number:02d}"


def _yaml(values: Mapping[str, Scalar] | Mapping[int, dict[str, Scalar]]) -> str:
    return str(yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True))
