"""How much a language model reads per turn, as the history grows: it must not grow with it.

Studies of ten parameters with three curves per run; at several lengths a Creator asks a server on
loopback, which counts what it is sent: instructions, state, tools and the answer's schema.

    python benchmarks/prompt_growth.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import numpy as np

from trialwright import Budget, Choice, Float, Int, Objective, Ordinal, Space, Task
from trialwright.errors import ProposerError
from trialwright.execute.failures import Ending
from trialwright.execute.metrics import Collector
from trialwright.execute.observe import observe
from trialwright.execute.runner import Finished, Inbox, Order
from trialwright.history import History
from trialwright.llm.conversation import Line
from trialwright.propose.creator import Creator, Surroundings
from trialwright.study import Study
from trialwright.task import Agent, MetricRoute

FIRST, LARGEST = 2_500, 6_000
"""Tokens: at most the first at 10 trials of 10 parameters, never more than the second."""

CHARACTERS = 4
"""Characters per token, about."""

STEPS = 30

DESCRIPTION = """\
A convolutional network on CIFAR-10, trained for 30 epochs on one GPU; 45,000 images to train on and
5,000 for validation. The accuracy on the validation images decides. Runs take about 20 minutes."""

PARAMETERS = (
    Float("learning_rate", 1e-5, 1.0, log=True, default=0.01, description="peak learning rate"),
    Ordinal("batch_size", (16, 32, 64, 128, 256, 512), default=64),
    Choice("optimizer", ("adam", "adamw", "sgd"), default="adam"),
    Float("momentum", 0.0, 0.99, default=0.9, when="optimizer == 'sgd'"),
    Float("weight_decay", 1e-6, 0.1, log=True, default=1e-4),
    Float("dropout", 0.0, 0.6, default=0.1),
    Int("width", 16, 512, log=True, default=64, description="channels of the first block"),
    Int("blocks", 1, 8, default=3),
    Choice("schedule", ("constant", "cosine", "step"), default="constant"),
    Float("label_smoothing", 0.0, 0.3, default=0.0),
)


def task(parameters: int, trials: int) -> Task:
    """A task of so many parameters; those beyond the tenth are plain numbers with descriptions."""
    more = [
        Float(f"augmentation_{i:02d}", 0.0, 1.0, default=0.5, description="strength of a transform")
        for i in range(parameters - len(PARAMETERS))
    ]
    return Task(
        name="growth",
        description=DESCRIPTION,
        objective=Objective(metric="val_accuracy"),
        space=Space((*PARAMETERS[:parameters], *more)),
        command=("true",),
        budget=Budget(trials=trials),
        team=("random",),
    )


def curves(
    configuration: Mapping[str, object], seed: int
) -> Iterator[tuple[float, Mapping[str, float]]]:
    """What a run of the made-up network reports, step by step."""
    rate, width = configuration["learning_rate"], configuration["width"]
    assert isinstance(rate, float)
    assert isinstance(width, int)
    top = 0.95 - 0.04 * (math.log10(rate) + 2) ** 2 - 0.01 * (math.log2(width) - 7) ** 2
    noise = np.random.default_rng([seed, width]).normal(0, 0.003, STEPS)
    for step in range(1, STEPS + 1):
        rise = 1 - math.exp(-0.2 * step)
        yield (
            float(step),
            {
                "train_accuracy": 0.1 + top * rise,
                "val_accuracy": 0.1 + 0.93 * top * rise + float(noise[step - 1]),
                "val_loss": 2.3 - 2.0 * top * rise,
            },
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended by the time it was started."""

    def stop(self, outcome: Literal["pruned", "cancelled"]) -> None:
        """Leave it as it is."""


class AtOnce:
    """A runner whose runs end as they start.

    The package's simulated runner leaves the study 2 ms after each point, to stop the run: that
    would be ten minutes for the points of 10,000 runs that nobody stops.
    """

    slots = 1

    def fits(self, order: Order) -> bool:  # noqa: ARG002  # all are alike
        """There is always room."""
        return True

    def start(self, order: Order, inbox: Inbox) -> Ended:
        """Take in the whole of a run's curves."""
        collector = Collector(MetricRoute(), workdir=order.workdir)
        for step, metrics in curves(order.configuration, order.seed):
            collector.add(metrics, step=step)
        ending = Ending(exit_status=0, seconds=float(STEPS))
        inbox(Finished(observe(order, collector, ending, "")))
        return Ended()

    def recover(self, order: Order) -> None:
        """Nothing is left of a run."""

    def close(self) -> None:
        """Hold nothing."""


def history(folder: Path, *, parameters: int, trials: int) -> History:
    """Run such a study: proposals by random search, admitted, judged and recorded as ever."""
    return Study(task(parameters, trials), folder, runner=AtOnce()).run()


@contextmanager
def counting() -> Iterator[tuple[str, list[int]]]:
    """Hold a server that counts the characters it is sent and refuses to answer."""
    sizes: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sizes.append(len(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", sizes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tokens(known: History) -> int:
    """Return how much a Creator sends in its first request after this history."""
    with counting() as (url, sizes):
        agent = Agent(name="model", model="openai:some-model", base_url=url)
        around = Surroundings(told=lambda _: None, log=lambda _: "")
        # One more trial than there are: else there would be nothing to ask for.
        asking = replace(known.task, budget=Budget(trials=len(known.trials) + 1))
        try:
            Creator(Line(agent, {}), around)(asking, known, 2, np.random.default_rng(0))
        except ProposerError:
            assert len(sizes) == 1, "the request was not sent"
    return math.ceil(sizes[0] / CHARACTERS)


def main() -> None:
    """Print the figures, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 1,000 trials")
    arguments = parser.parse_args()
    lengths = (10, 100, 1000) if arguments.quick else (10, 100, 1000, 10_000)
    figures: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        for trials in lengths:
            known = history(Path(name) / str(trials), parameters=10, trials=trials)
            figures[str(trials)] = tokens(known)
            print(f"10 parameters, {trials} trials: {figures[str(trials)]} tokens")
        wide = tokens(history(Path(name) / "wide", parameters=50, trials=10))
        print(f"50 parameters, 10 trials: {wide} tokens")
    ok = figures["10"] <= FIRST and max(*figures.values(), wide) <= LARGEST
    targets = {"10": FIRST, "any": LARGEST}
    print(json.dumps({"tokens": figures, "wide": wide, "targets": targets, "ok": ok}))
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
