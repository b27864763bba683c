"""Campaigns of agents whose behaviour is known, because it is made here.

The world: eight kinds of change, each with a setting whose best value is hidden, and one discovery
(`clip`) that is worth much. Lower is better; what beats the best is kept.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.expression import Scalar

KINDS = ("architecture", "optimizer", "schedule", "regularization", "data", "systems",
         "hyperparameter", "multi")  # fmt: skip
TRIALS = 80
CLIP = 0.4
"""What the discovery is worth."""


@dataclass(frozen=True)
class Agent:
    """How somebody searches."""

    name: str
    kinds: int
    """Of change, that it ever thinks of."""
    pivot: float
    """Probability to turn to another kind after a discarded change."""
    stay: float
    """Probability to stay with a kind that was just kept."""
    step: float
    """Standard deviation of its moves."""
    clip: float
    """Probability of a proposal to be the discovery, until it has it."""
    forget: float = 0.0
    """Probability to propose what it proposed before, once more."""


BROAD = Agent("broad 1M", kinds=8, pivot=0.9, stay=0.3, step=0.25, clip=0.05)
PERSISTENT = Agent("persistent 200k", kinds=5, pivot=0.05, stay=1.0, step=0.02, clip=0.0)
FORGETFUL = Agent("forgetful 8k", kinds=3, pivot=0.15, stay=0.9, step=0.2, clip=0.0, forget=0.45)
AGENTS = (BROAD, PERSISTENT, FORGETFUL)


def campaign(agent: Agent, seed: int, *, trials: int = TRIALS, name: str = "") -> Campaign:
    """Return what an agent does in the world, a different course for each seed."""
    rng = random.Random(f"{agent} {seed}")
    world = random.Random(seed)
    best_at = {kind: world.uniform(0.6, 1.0) for kind in KINDS}
    best: dict[str, Scalar] = dict.fromkeys(KINDS, 0.0) | {"clip": False}
    lowest = loss(best, best_at)
    rows = [row(1, lowest, "keep", "baseline", best, agent.name, seed)]
    kind, kept = rng.choice(KINDS[: agent.kinds]), True
    past: list[tuple[str, dict[str, Scalar]]] = []
    while len(rows) < trials:
        if rng.random() < (1 - agent.stay if kept else agent.pivot):
            kind = rng.choice([one for one in KINDS[: agent.kinds] if one != kind])
        if past and rng.random() < agent.forget:
            same = [one for one in past if one[0] == kind]
            kind, proposal = rng.choice(same or past)
        elif not best["clip"] and rng.random() < agent.clip:
            kind, proposal = "regularization", best | {"clip": True}
        else:
            proposal = best | {kind: round(float(best[kind] or 0) + rng.gauss(0, agent.step), 4)}
        past.append((kind, proposal))
        value = loss(proposal, best_at)
        kept = value < lowest
        if kept:
            best, lowest = proposal, value
        word = "keep" if kept else "discard"
        rows.append(row(len(rows) + 1, value, word, kind, proposal, agent.name, seed))
    return Campaign(
        name=name or f"{agent.name} {seed}", metric="loss", direction="minimize",
        experiments=tuple(rows), dialect="made",
    )  # fmt: skip


def loss(configuration: dict[str, Scalar], best_at: dict[str, float]) -> float:
    """Return how bad a configuration is."""
    apart = sum((float(configuration[kind] or 0) - best_at[kind]) ** 2 for kind in KINDS)
    return 1.0 + apart / 8 + (0.0 if configuration["clip"] else CLIP)


def row(
    number: int, value: float, word: str, kind: str, configuration: dict[str, Scalar], agent: str,
    seed: int,
) -> Experiment:  # fmt: skip
    """Return one experiment of theirs."""
    return Experiment(
        number=number, line=number, metric=value, status=word, category=kind, agent=agent,  # type: ignore[arg-type]  # one of the two words
        configuration=configuration, seed=seed, label=str(number), seconds=60.0,
    )  # fmt: skip


def campaigns(agents: tuple[Agent, ...] = AGENTS, *, seeds: int = 6) -> list[Campaign]:
    """Return the campaigns of some agents, replicate by replicate."""
    return [campaign(agent, seed) for seed in range(seeds) for agent in agents]
