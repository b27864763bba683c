"""The case studies: small forms of each train for real, and what they measure is what they say."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from trialwright.studyfile.read import load

torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make torch` adds it")

EXAMPLES = Path(__file__).parents[2] / "examples"
TAG = "@trialwright "
MODULES = ("circuit", "model", "measure", "train", "siren")
STUDIES = sorted(
    path for name in ("circuit", "siren", "joint") for path in (EXAMPLES / name).glob("study*.yaml")
)

Points = list[Mapping[str, float]]


@pytest.fixture
def load_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Load modules of an example by name, as its train.py does, and forget them afterwards."""

    def loaded(example: str, name: str) -> ModuleType:
        monkeypatch.syspath_prepend(EXAMPLES / example)
        return importlib.import_module(name)

    yield loaded
    for name in MODULES:
        sys.modules.pop(name, None)


def trained(example: str, *arguments: str) -> Points:
    """Run an example's train.py in a process of its own and return the points that it emitted."""
    answer = subprocess.run(
        [sys.executable, "-W", "error", "train.py", *arguments],
        cwd=EXAMPLES / example,
        capture_output=True,
        text=True,
        timeout=190,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    lines = [line for line in answer.stdout.splitlines() if line.startswith(TAG)]
    return [json.loads(line.removeprefix(TAG))["metrics"] for line in lines]


def small(example: str, path: Path, **changes: Mapping[str, object]) -> str:
    """Write an example's settings with some changed, section by section."""
    settings = yaml.safe_load((EXAMPLES / example / "base.yaml").read_text())
    for section, values in changes.items():
        assert set(values) <= set(settings[section])
        settings[section] |= values
    path.write_text(yaml.safe_dump(settings))
    return str(path)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_study_files_vary_what_the_scripts_know(path: Path) -> None:
    """Every study file is legal, and varies settings that the script has."""
    task = load(path)
    assert task.budget.trials
    assert all(parameter.default is not None for parameter in task.space.parameters)
    base = path.parent / "base.yaml"
    if base.exists():
        settings = yaml.safe_load(base.read_text())
        known = {f"{part}.{name}" for part, below in settings.items() for name in below}
        assert {parameter.name for parameter in task.space.parameters} <= known


def test_the_circuit_has_enough_to_tune() -> None:
    """The recovered model has at least 15 parameters, in the same space in all three regimes."""
    spaces = [
        load(EXAMPLES / "circuit" / f"study-{tag}.yaml").space for tag in ("000", "005", "050")
    ]
    assert len(spaces[0].parameters) >= 15
    assert [p.name for p in spaces[1].parameters] == [p.name for p in spaces[0].parameters]
    assert [p.name for p in spaces[2].parameters] == [p.name for p in spaces[0].parameters]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_training_a_small_circuit_finds_some_of_its_wiring(tmp_path: Path) -> None:
    """Voltages and wiring are better explained at the end than at first, and seeds repeat."""
    config = small(
        "circuit",
        tmp_path / "config.yaml",
        circuit={"neurons": 16, "kinds": 4, "films": 8, "frames": 500},
        train={"loops": 3},
        optimizer={"lr_weights": 0.01, "lr_embedding": 0.01, "lr_functions": 0.005},
        penalty={"weights_l1": 0.0001, "functions_l2": 0.000001},
    )
    first = trained("circuit", config, "--sigma=0.5", "--seed=2")
    assert trained("circuit", config, "--sigma=0.5", "--seed=2") == first
    assert trained("circuit", config, "--sigma=0.5", "--seed=3") != first
    assert first[-1]["voltage_r2"] > first[0]["voltage_r2"]
    assert first[-1]["connectivity_r2"] > max(first[0]["connectivity_r2"], 0.4)


def test_noise_alone_differs_between_recordings(load_module) -> None:
    """The circuit and the films are always the same; without noise, so are the voltages."""
    circuit = load_module("circuit", "circuit")
    stimulus = circuit.shown(2, 50, 10)
    wired = circuit.wire(10, kinds=3)
    assert torch.equal(wired.weights, circuit.wire(10, kinds=3).weights)
    calm = [circuit.record(wired, stimulus, sigma=0.0, seed=seed).voltage for seed in (1, 2)]
    shaken = [circuit.record(wired, stimulus, sigma=0.5, seed=seed).voltage for seed in (1, 2)]
    assert torch.equal(*calm)
    assert not torch.equal(*shaken)
    signs = torch.sign(wired.weights)
    assert all(len(set(signs[:, j][signs[:, j] != 0].tolist())) <= 1 for j in range(10))


class Regauged(torch.nn.Module):
    """The truth in another gauge: messages larger, shifted, weights and embeddings to match."""

    def __init__(self, circuit, *, factor, shift) -> None:
        super().__init__()
        self.circuit, self.factor, self.shift = circuit, factor, shift
        self.embedding = torch.nn.Parameter(circuit.kind[:, None].float())

    def wiring(self):
        """Weights that undo the factor of each sender, and double what arrives."""
        return 2 * self.circuit.weights / self.factor

    def sent(self, voltage):
        """Firing rates, stretched and shifted by sender."""
        return self.factor * self.circuit.rate(voltage) + self.shift

    def changed(self, voltage, arriving, stimulus):
        """The true slopes from what arrives in this gauge."""
        offset = self.wiring() @ self.shift
        drive = (arriving - offset) / 2 + self.circuit.driven * stimulus
        return (self.circuit.rest - voltage + drive) / self.circuit.tau

    def forward(self, voltage, stimulus):
        """The true slopes."""
        return self.changed(voltage, self.sent(voltage) @ self.wiring().T, stimulus)


def test_connectivity_is_compared_without_the_gauge(load_module) -> None:
    """The truth in another gauge is recovered in full; another circuit is not."""
    circuit, measure = load_module("circuit", "circuit"), load_module("circuit", "measure")
    wired = circuit.wire(50, kinds=10)
    recording = circuit.record(wired, circuit.shown(8, 300, 50), sigma=0.0, seed=0)
    draw = torch.Generator().manual_seed(0)
    factor = 0.2 + 3 * torch.rand(50, generator=draw)
    truth = Regauged(wired, factor=factor, shift=torch.randn(50, generator=draw))
    found = measure.recovered(truth, wired, recording)
    assert found["connectivity_r2"] == pytest.approx(1, abs=1e-3)
    assert found["tau_r2"] == pytest.approx(1, abs=1e-3)
    assert found["rest_r2"] == pytest.approx(1, abs=1e-3)
    assert found["type_accuracy"] == 1
    assert measure.voltage_r2(truth, recording) == pytest.approx(1, abs=1e-3)
    raw = measure.r2_of_line(truth.wiring().flatten(), wired.weights.flatten())
    assert raw < 0.9
    other = Regauged(circuit.wire(50, kinds=10, seed=1), factor=factor, shift=truth.shift)
    assert measure.recovered(other, wired, recording)["connectivity_r2"] < 0.5


def test_a_line_that_falls_explains_nothing(load_module) -> None:
    """R2 of weights with the wrong sign is 0, and so it is where nothing was learned."""
    measure = load_module("circuit", "measure")
    truth = torch.linspace(-1, 1, 9)
    assert measure.r2_of_line(3 * truth + 2, truth) == pytest.approx(1)
    assert measure.r2_of_line(-truth, truth) == 0
    assert measure.r2_of_line(torch.zeros(9), truth) == 0
    assert measure.r2_of_line(truth / 0, truth) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_omega_decides_in_the_siren() -> None:
    """With one learning rate, a small omega is too slow for the field, a huge one is noise."""
    fits = {
        omega: trained("siren", f"--omega={omega}", "--steps=300", "--seed=1")[-1]["field_r2"]
        for omega in (2, 30, 3000)
    }
    assert fits[30] > fits[2] + 0.1
    assert fits[30] > fits[3000] + 0.1


def test_the_field_is_smooth_and_of_unit_variance(load_module) -> None:
    """The field to be fitted has variance about 1 and the same values for the same places."""
    siren = load_module("siren", "siren")
    side = torch.linspace(-1, 1, 200)
    grid = torch.cartesian_prod(side, side)
    values = siren.field(grid, fastest=14.0)
    assert float(values.std()) == pytest.approx(1, abs=0.25)
    assert torch.equal(values, siren.field(grid, fastest=14.0))
    apart = siren.field(grid + torch.tensor([1e-4, 0.0]), fastest=14.0) - values
    assert float(apart.abs().max()) < 0.1


def test_a_small_joint_run_reports_both(tmp_path: Path) -> None:
    """Circuit and field are trained together; what decides is the smaller of the two."""
    config = small(
        "joint",
        tmp_path / "config.yaml",
        circuit={"neurons": 12, "kinds": 3, "frames": 800},
        train={"steps": 60},
    )
    points = trained("joint", config, "--sigma=0.1", "--seed=1")
    assert len(points) == 10
    for point in points:
        assert point["worse_r2"] == min(point["field_r2"], point["connectivity_r2"])
        assert all(math.isfinite(value) for value in point.values())
    assert np.diff([point["loss"] for point in points]).min() < 0
