"""A task's training script at the command line: a configuration in a file, a seed, metrics out.

It knows no task and no model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml

from trialwright.emit import emit
from trialwright.expression import Scalar

Points = Iterator[tuple[int, dict[str, float]]]
"""(step, metrics) in turn."""


def main(train: Callable[[Mapping[str, Scalar], int], Points], about: str | None) -> None:
    """Read the configuration, train, and print the metrics as they come."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the settings")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    settings = yaml.safe_load(arguments.config.read_text())
    for step, metrics in train(settings, arguments.seed):
        emit(step=step, **metrics)
