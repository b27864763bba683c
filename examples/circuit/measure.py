"""How well a trained network predicts voltages, and how much of the circuit it found.

Prediction and recovery are two things. What a network learned is fixed only up to a gauge: a
message twice as large with weights half as large gives the same voltages. So the weights are
compared after the gauge is taken out, neuron by neuron, as `corrected` says.
"""

import torch
from model import GraphNetwork
from torch import Tensor

from circuit import DT, Circuit, Recording

HORIZON = 10
"""Frames over which voltages are predicted from one recorded frame."""

PLAUSIBLE = (0.1, 4.0)
"""Time constants beyond these are cut: a slope near zero would make a neuron's weights endless."""

Found = dict[str, float]


@torch.no_grad()
def voltage_r2(model: GraphNetwork, recording: Recording) -> float:
    """R2 of the held-out voltages, each predicted from those HORIZON frames before it.

    The variance to be explained is that around each neuron's own mean.
    """
    voltage, stimulus = recording.voltage[recording.held_out :], recording.stimulus
    shown = stimulus[recording.held_out :]
    now = voltage[:, :-HORIZON:5]
    for step in range(HORIZON):
        last = shown.shape[1] - HORIZON + step
        now = now + DT * model(now, shown[:, step:last:5])
    truth = voltage[:, HORIZON::5]
    residual = ((now - truth) ** 2).mean()
    return 1 - float(residual / truth.var(dim=(0, 1), correction=0).mean())


def recovered(model: GraphNetwork, circuit: Circuit, recording: Recording) -> Found:
    """Compare what was learned with the truth: connectivity, time constants, rests, types."""
    weights, tau, rest = corrected(model, circuit, recording)
    touching = (circuit.contacts > 0) & ~torch.eye(circuit.neurons, dtype=torch.bool)
    return {
        "connectivity_r2": r2_of_line(weights[touching], circuit.weights[touching]),
        "tau_r2": r2_of_line(tau, circuit.tau),
        "rest_r2": r2_of_line(rest, circuit.rest),
        "type_accuracy": type_accuracy(model.embedding.detach(), circuit.kind),
    }


def corrected(
    model: GraphNetwork, circuit: Circuit, recording: Recording
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (n, n), time constants (n,) and resting voltages (n,), the gauge taken out.

    With update = (-v + rest + s * arriving + stimulus) / tau near the recorded states:
    tau_i is -1 over the mean slope of the update in v_i; s_i its mean slope in what arrives, times
    tau_i; alpha_j the least-squares slope of the learned message against the true firing rate over
    the voltages that neuron j visits, beta_j the constant beside it. Then
    W_ij = s_i * learned W_ij * alpha_j, and the rest is what remains at the mean state.
    """
    seen = recording.voltage[:, ::20].flatten(0, 1)
    shown = recording.stimulus[:, ::20].flatten(0, 1)
    with torch.no_grad():
        sent, learned = model.sent(seen), model.wiring()
        rate = circuit.rate(seen)
        around = rate - rate.mean(0)
        alpha = ((sent - sent.mean(0)) * around).mean(0) / (around**2).mean(0).clamp(min=1e-7)
        beta = sent.mean(0) - alpha * rate.mean(0)
    arriving = sent @ learned.T
    leaves = [seen.requires_grad_(), arriving.requires_grad_()]
    change = model.changed(leaves[0], leaves[1], shown)
    by_voltage, by_arriving = torch.autograd.grad(change.sum(), leaves)
    tau = (-1 / by_voltage.mean(0).clamp(max=-1 / PLAUSIBLE[1])).clamp(min=PLAUSIBLE[0]).detach()
    s = by_arriving.mean(0) * tau
    stimulus = circuit.driven * shown.mean(0)
    rest = change.detach().mean(0) * tau + seen.detach().mean(0) - stimulus
    rest = rest - s * (arriving.detach().mean(0) - learned @ beta)
    return s[:, None] * learned * alpha, tau, rest


def type_accuracy(embedding: Tensor, kind: Tensor) -> float:
    """Share of neurons whose nearest neighbour among the embeddings is of their own type."""
    apart = torch.cdist(embedding, embedding).fill_diagonal_(torch.inf)
    return float((kind[apart.argmin(1)] == kind).float().mean())


def r2_of_line(found: Tensor, truth: Tensor) -> float:
    """R2 of the best straight line through the pairs: 0 where they rise in opposite directions."""
    if not bool(torch.isfinite(found).all()) or float(found.std()) < 1e-9:
        return 0.0
    correlation = torch.corrcoef(torch.stack([found, truth]))[0, 1]
    return float(correlation.clamp(min=0) ** 2)
