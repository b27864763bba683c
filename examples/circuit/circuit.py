"""A recurrent network of neurons whose wiring is known, and what an electrode records of it.

    tau_i dv_i/dt = rest_i - v_i + sum_j W_ij phi_j(v_j) + stimulus_i(t) + noise

Every neuron has a type, and a type has a time constant, a resting voltage, a threshold of its
firing rate phi, and a sign: its synapses all excite, or all inhibit. Knows no model.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

DT = 0.1
"""Time between two frames; the time constants of the types lie between 4 and 20 frames."""

SHARPNESS = 2.5
"""Slope of the firing rate at its threshold, times 4."""

SIGNALS = 16
"""Independent signals that stimuli are mixed from."""


@dataclass(frozen=True)
class Circuit:
    """The truth: what training is to recover."""

    kind: Tensor  # (n,) type of each neuron, as an index
    tau: Tensor  # (n,)
    rest: Tensor  # (n,)
    threshold: Tensor  # (n,)
    weights: Tensor  # (n, n) W[i, j]: from neuron j to neuron i; 0 where there is no synapse
    contacts: Tensor  # (n, n) 1 where two neurons touch: every synapse, and as many that are none
    driven: Tensor  # (n,) how strongly the stimulus reaches each neuron

    @property
    def neurons(self) -> int:
        """How many neurons there are."""
        return len(self.kind)

    def rate(self, voltage: Tensor) -> Tensor:
        """Map voltages, shape (..., n), to firing rates between 0 and 1."""
        return torch.sigmoid(SHARPNESS * (voltage - self.threshold))

    def slope(self, voltage: Tensor, stimulus: Tensor) -> Tensor:
        """Give dv/dt without noise, shape (..., n)."""
        drive = self.rate(voltage) @ self.weights.T + self.driven * stimulus
        return (self.rest - voltage + drive) / self.tau


@dataclass(frozen=True)
class Recording:
    """Voltages and stimuli, film by film; the last quarter of the films is held out."""

    voltage: Tensor  # (films, frames, n)
    stimulus: Tensor  # (films, frames, n)
    held_out: int  # the first film that training never sees


def wire(neurons: int, *, kinds: int, density: float = 0.12, seed: int = 0) -> Circuit:
    """Draw a circuit. The same arguments give the same circuit."""
    draw = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=draw)

    kind = torch.arange(neurons) % kinds
    sign = torch.where(torch.arange(kinds) % 2 == 1, -1.0, 1.0)
    strength = uniform(0.4, 1.6, kinds, kinds) * sign  # from the type of the column
    touching = uniform(0.0, 1.0, neurons, neurons)
    touching.fill_diagonal_(1.0)
    synapses = (touching < density).float()
    spread = torch.exp(0.4 * torch.randn(neurons, neurons, generator=draw))
    weights = synapses * spread * strength[kind][:, kind]
    weights = _balanced(weights)
    return Circuit(
        kind=kind,
        tau=uniform(0.4, 2.0, kinds)[kind],
        rest=uniform(-0.6, 0.6, kinds)[kind],
        threshold=uniform(-0.4, 0.4, kinds)[kind],
        weights=weights,
        contacts=(touching < 2 * density).float(),
        driven=(uniform(0.0, 1.0, neurons) < 0.5).float(),
    )


def _balanced(weights: Tensor) -> Tensor:
    """Scale each neuron's inhibition to its excitation, so that none rests at an extreme."""
    excitation, inhibition = weights.clamp(min=0), weights.clamp(max=0)
    ratio = excitation.sum(1, keepdim=True) / (-inhibition.sum(1, keepdim=True)).clamp(min=0.1)
    return excitation + inhibition * ratio.clamp(0.25, 4.0)


def record(circuit: Circuit, stimulus: Tensor, *, sigma: float, seed: int) -> Recording:
    """Simulate the circuit under a stimulus (films, frames, n), with noise in every neuron.

    The seed draws the noise, and nothing else: without noise every recording is the same.
    """
    noise = torch.Generator().manual_seed(1_000_003 + seed)
    films = len(stimulus)
    voltage = torch.empty_like(stimulus)
    now = circuit.rest.expand(films, -1)
    for frame in range(stimulus.shape[1]):
        voltage[:, frame] = now
        kick = torch.randn(now.shape, generator=noise)
        now = now + DT * circuit.slope(now, stimulus[:, frame]) + sigma * DT**0.5 * kick
    return Recording(voltage, stimulus, held_out=films * 3 // 4)


def shown(films: int, frames: int, neurons: int) -> Tensor:
    """Draw smooth signals, shape (films, frames, neurons), mixtures of a few common ones.

    They are the same in every study: films that are shown again.
    """
    draw = torch.Generator().manual_seed(12)
    steps = torch.randn(films, frames, SIGNALS, generator=draw)
    mixture = torch.randn(SIGNALS, neurons, generator=draw) / SIGNALS**0.5
    smooth = torch.empty_like(steps)
    level = torch.zeros(films, SIGNALS)
    for frame in range(frames):
        level = 0.9 * level + 0.19**0.5 * steps[:, frame]
        smooth[:, frame] = level
    return smooth @ mixture
