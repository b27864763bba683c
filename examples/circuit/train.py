"""Recover the wiring of a simulated circuit from its voltages, with a graph network.

    python train.py base.yaml --sigma=0.05 --seed=3

Emits `connectivity_r2`, which decides, and `voltage_r2`, which does not: good prediction is no
proof of the right wiring.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
import yaml
from circuit import DT, Circuit, Recording, record, shown, wire
from measure import recovered, voltage_r2
from model import GraphNetwork, Shape
from torch import Tensor, nn

from trialwright import emit

Settings = dict[str, dict[str, float]]

REPORTS = 10
"""Points per curve."""

OPTIMIZERS = {
    "adam": lambda groups: torch.optim.Adam(groups, fused=True),
    "rmsprop": torch.optim.RMSprop,
}


def train(settings: Settings, *, sigma: float, seed: int) -> None:
    """Simulate, train, and emit what was found on the way."""
    torch.set_num_threads(1)
    world, plan = settings["circuit"], settings["train"]
    circuit = wire(world["neurons"], kinds=world["kinds"])
    stimulus = shown(world["films"], world["frames"], circuit.neurons)
    recording = record(circuit, stimulus, sigma=sigma, seed=seed)
    torch.manual_seed(seed)
    model = GraphNetwork(Shape(**settings["model"]), circuit.contacts)
    optimizer = OPTIMIZERS[settings["optimizer"]["kind"]](_groups(model, settings["optimizer"]))
    steps = steps_of(plan, recording)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: scale(settings["optimizer"], step / steps)
    )
    draw = torch.Generator().manual_seed(seed)
    frames = batches(recording, plan, count=steps, draw=draw)
    for step, (voltage, stimulus) in enumerate(frames, 1):
        ramp = min(1.0, step / steps / max(settings["penalty"]["ramp"], 1e-9))
        loss = misfit(model, voltage, stimulus, plan) + ramp * penalty(
            model, voltage[0], settings["penalty"]
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings["optimizer"]["clip"])
        optimizer.step()
        schedule.step()
        if step % max(1, steps // REPORTS) == 0 or step == steps:
            report(model, circuit, recording, step=step, loss=loss.item())


def steps_of(plan: Mapping[str, float], recording: Recording) -> int:
    """How many steps `loops` passes over the recording take."""
    frames = recording.held_out * recording.voltage.shape[1]
    return max(10, round(plan["loops"] * frames / plan["batch_size"]))


def _groups(model: GraphNetwork, settings: Mapping[str, float]) -> list[dict[str, object]]:
    functions = [*model.message.parameters(), *model.update.parameters()]
    return [
        {"params": [model.weights], "lr": settings["lr_weights"]},
        {"params": [model.embedding], "lr": settings["lr_embedding"]},
        {"params": functions, "lr": settings["lr_functions"]},
    ]


def scale(settings: Mapping[str, float | str], done: float) -> float:
    """What learning rates are multiplied by when a share `done` of the training is over."""
    rising = min(1.0, (done + 1e-3) / max(float(settings["warmup"]), 1e-3))
    if settings["schedule"] == "cosine":
        return rising * (0.5 + 0.5 * float(torch.cos(torch.tensor(min(done, 1.0) * torch.pi))))
    if settings["schedule"] == "linear":
        return rising * max(0.0, 1.0 - done)
    return rising


def batches(
    recording: Recording, plan: Mapping[str, float], *, count: int, draw: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield voltages and stimuli of random stretches, shape (rollout + 1, batch, n)."""
    length, size = plan["rollout"] + 1, plan["batch_size"]
    last = recording.voltage.shape[1] - length
    ahead = torch.arange(length)[:, None]
    for _ in range(count):
        film = torch.randint(recording.held_out, (size,), generator=draw)
        frame = torch.randint(last + 1, (size,), generator=draw)
        rows = (film, ahead + frame)
        yield recording.voltage[rows], recording.stimulus[rows]


def misfit(
    model: GraphNetwork, voltage: Tensor, stimulus: Tensor, plan: Mapping[str, float]
) -> Tensor:
    """Mean squared error of the slopes over a rollout from the first frame, jittered."""
    now = voltage[0] + plan["jitter"] * torch.randn_like(voltage[0])
    total = torch.zeros(())
    for step in range(plan["rollout"]):
        following = now + DT * model(now, stimulus[step])
        wanted = voltage[step + 1] if step else now + voltage[1] - voltage[0]
        total = total + (((following - wanted) / DT) ** 2).mean()
        now = following
    return total / plan["rollout"]


def penalty(model: GraphNetwork, voltage: Tensor, weight: Mapping[str, float]) -> Tensor:
    """The weighted sum of all regularisers."""
    touching = model.contacts.sum()
    wiring = model.wiring()
    functions = [p for part in (model.message, model.update) for p in part.parameters()]
    total = (
        weight["weights_l1"] * wiring.abs().sum() / touching
        + weight["weights_l2"] * (wiring**2).sum() / touching
        + weight["functions_l2"] * sum((p**2).sum() for p in functions)
    )
    if weight["rising"] > 0:
        falling = model.sent(voltage) - model.sent(voltage + 0.1)
        total = total + weight["rising"] * (10 * falling).clamp(min=0).mean()
    return total


def report(
    model: GraphNetwork, circuit: Circuit, recording: Recording, *, step: int, loss: float
) -> None:
    """Emit one point of every curve."""
    found = recovered(model, circuit, recording)
    emit(step=step, loss=loss, voltage_r2=voltage_r2(model, recording), **found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--sigma", type=float, required=True, help="noise of the neurons")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    train(yaml.safe_load(args.config.read_text()), sigma=args.sigma, seed=args.seed)
