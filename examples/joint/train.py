"""Recover a circuit's wiring together with the field that drives it, which nobody recorded.

    python train.py base.yaml --seed=3

The circuit of examples/circuit lies on a line; a field, which differs from place to place and from
frame to frame, drives half of its neurons. A graph network learns the circuit, a SIREN (of
examples/siren) the field at every place and time, both from the voltages alone. Emits
`worse_r2`, the smaller of `connectivity_r2` and `field_r2`, which decides.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from trialwright import emit

for neighbour in ("circuit", "siren"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / neighbour))

# ruff: noqa: E402 -- these lie in the two examples that this one joins.
from measure import r2_of_line, recovered, voltage_r2
from model import GraphNetwork, Shape
from siren import Siren, field

from circuit import DT, Circuit, Recording, record, wire

Settings = dict[str, dict[str, float]]

EXTENT = 0.2
"""How far the circuit reaches to either side, where the whole of time reaches 1."""

REPORTS = 10
"""Points per curve."""


@dataclass(frozen=True)
class World:
    """What happened: one long film, its last quarter held out."""

    circuit: Circuit
    recording: Recording
    places: Tensor  # (frames, n, 2) when and where each neuron was


def simulate(settings: dict[str, int], *, sigma: float, seed: int) -> World:
    """Let the field drive the circuit, over four films that follow one another in time."""
    circuit = wire(settings["neurons"], kinds=settings["kinds"])
    time = torch.linspace(-1, 1, settings["frames"])
    place = torch.linspace(-EXTENT, EXTENT, circuit.neurons)
    places = torch.stack(torch.meshgrid(time, place, indexing="ij"), -1)
    drive = field(places, fastest=settings["periods"]).unflatten(0, (4, -1))
    return World(circuit, record(circuit, drive, sigma=sigma, seed=seed), places)


class Joint(nn.Module):
    """A graph network whose stimulus is a SIREN's value at each neuron's place and time."""

    def __init__(self, settings: Settings, circuit: Circuit) -> None:
        super().__init__()
        self.graph = GraphNetwork(Shape(**settings["model"]), circuit.contacts)
        self.siren = Siren(inputs=2, **settings["siren"])


def train(settings: Settings, *, sigma: float, seed: int) -> None:
    """Simulate, train both networks together, and emit what was found on the way."""
    torch.set_num_threads(1)
    world = simulate(settings["circuit"], sigma=sigma, seed=seed)
    torch.manual_seed(seed)
    model = Joint(settings, world.circuit)
    rates = settings["optimizer"]
    adam = torch.optim.Adam(
        [
            {"params": [model.graph.weights], "lr": rates["lr_weights"]},
            {"params": [model.graph.embedding], "lr": rates["lr_embedding"]},
            {"params": model.siren.parameters(), "lr": rates["lr_siren"]},
            {
                "params": [*model.graph.message.parameters(), *model.graph.update.parameters()],
                "lr": rates["lr_functions"],
            },
        ]
    )
    steps = settings["train"]["steps"]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda step: falling(str(rates["schedule"]), step / steps)
    )
    voltage = world.recording.voltage.flatten(0, 1)
    for step in range(1, steps + 1):
        frame = torch.randint(len(voltage) - 1, (settings["train"]["batch_size"],))
        wanted = (voltage[frame + 1] - voltage[frame]) / DT
        change = model.graph(voltage[frame], model.siren(world.places[frame]))
        loss = ((change - wanted) ** 2).mean() + sparsity(model, settings)
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), rates["clip"])
        adam.step()
        schedule.step()
        if step % max(1, steps // REPORTS) == 0 or step == steps:
            emit(step=step, loss=loss.item(), **report(model, world))


def falling(schedule: str, done: float) -> float:
    """What learning rates are multiplied by when a share `done` of the training is over."""
    return 0.5 + 0.5 * math.cos(math.pi * done) if schedule == "cosine" else 1.0


def sparsity(model: Joint, settings: Settings) -> Tensor:
    """The mean size of the weights, as a penalty."""
    wiring = model.graph.wiring().abs().sum() / model.graph.contacts.sum()
    return settings["penalty"]["weights_l1"] * wiring


def report(model: Joint, world: World) -> dict[str, float]:
    """R2 of the field and of the wiring, and the smaller of the two.

    The field is compared where it can show in a voltage, at the driven neurons, each of them up to
    a factor and a constant of its own, which nothing but the truth could tell.
    """
    with torch.no_grad():
        drawn = model.siren(world.places[::10])
    stimulus = world.recording.stimulus.flatten(0, 1)[::10]
    driven = world.circuit.driven > 0
    field_r2 = r2_of_lines(drawn[:, driven], stimulus[:, driven])
    with torch.no_grad():
        shape = world.recording.stimulus.shape[:2]
        felt = model.siren(world.places).unflatten(0, shape)
    seen = Recording(world.recording.voltage, felt, world.recording.held_out)
    found = recovered(model.graph, world.circuit, seen)
    return {
        "worse_r2": min(field_r2, found["connectivity_r2"]),
        "field_r2": field_r2,
        "connectivity_r2": found["connectivity_r2"],
        "voltage_r2": voltage_r2(model.graph, seen),
        "tau_r2": found["tau_r2"],
    }


def r2_of_lines(found: Tensor, truth: Tensor) -> float:
    """Mean over columns of the R2 of the best straight line through the pairs, falling or not."""
    pairs = list(zip(found.T, truth.T, strict=True))
    return sum(max(r2_of_line(a, b), r2_of_line(-a, b)) for a, b in pairs) / len(pairs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--sigma", type=float, default=0.3, help="noise of the neurons")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    train(yaml.safe_load(args.config.read_text()), sigma=args.sigma, seed=args.seed)
