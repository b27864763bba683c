"""Small tasks with models in their team, and what their ledgers say of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.llm.servers import Provider
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import Exchange
from trialwright.space import Choice, Float, Int, Space
from trialwright.study import Study
from trialwright.task import Agent, Budget, Member, Objective, RunnerPlan, Task

SPACE = Space(
    (
        Float("rate", 0.0, 1.0, default=0.5),
        Int("depth", 1, 9, default=3),
        Choice("kind", ("tree", "dart"), default="tree"),
    )
)

PLAIN = {"PATH": "/usr/bin:/bin"}
"""An environment without keys."""


def score(configuration: Mapping[str, Scalar], seed: int) -> float:
    """What the tasks maximise: best at a rate of 0.3 and a depth of 5."""
    rate, depth = configuration["rate"], configuration["depth"]
    assert isinstance(rate, float)
    assert isinstance(depth, int)
    return 1 - (rate - 0.3) ** 2 - 0.01 * abs(depth - 5)


def agent(server: Provider, **changes: object) -> Agent:
    """A member that asks a server."""
    more = {"name": "model", "timeout_s": 20.0, **changes}
    return Agent(model=f"{server.wire}:some-model", base_url=server.url, **more)  # type: ignore[arg-type]


def task(*team: Member | Agent, trials: int = 3, **changes: object) -> Task:
    """A task for a team, one run at a time."""
    usual: dict[str, object] = {
        "budget": Budget(trials=trials),
        "space": SPACE,
        "command": ("true",),
    }
    return Task(
        name="small",
        objective=Objective(metric="y"),
        runner=RunnerPlan(workers=1),
        team=team,
        **{**usual, **changes},  # type: ignore[arg-type]
    )


def ran(
    what: Task,
    folder: Path,
    *,
    replay: Path | None = None,
    environ: Mapping[str, str] = PLAIN,
) -> History:
    """Run a study of `score` under a virtual clock; all the rest of it is real."""
    with SimulatedRunner(score, slots=1) as runner:
        return Study(what, folder, runner=runner, environ=environ, replay=replay).run()


def asked(history: History) -> list[Exchange]:
    """The conversations about proposals, as the ledger has them."""
    return [exchange for exchange in history.exchanges if exchange.purpose == "propose"]


def makers(history: History) -> list[str]:
    """Who made each trial."""
    return [trial.proposal.by for trial in history.trials]
