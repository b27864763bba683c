import logging
import os

import hydra
import numpy as np
from omegaconf import DictConfig, OmegaConf

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as f:
        f.write("spirals_hydra\n")

log = logging.getLogger(__name__)


def spirals(n, classes, rng):
    label = rng.integers(0, classes, n)
    radius = rng.uniform(0.1, 1, n)
    angle = 2 * np.pi * label / classes + 3 * radius + rng.normal(0, 0.25, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), label


def act(z, name):
    return np.maximum(z, 0) if name == "relu" else np.tanh(z)


def slope(a, name):
    return (a > 0).astype(float) if name == "relu" else 1 - a**2


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    log.info("config:\n%s", OmegaConf.to_yaml(cfg))
    rng = np.random.default_rng(cfg.seed)
    x, y = spirals(cfg.data.samples, cfg.data.classes, rng)
    cut = int(len(x) * (1 - cfg.data.valid_fraction))
    k, h = cfg.data.classes, cfg.model.hidden
    w = [rng.normal(0, 1, (2, h)), np.zeros(h), rng.normal(0, h**-0.5, (h, k)), np.zeros(k)]
    m = [np.zeros_like(p) for p in w]
    v = [np.zeros_like(p) for p in w]
    t = 0
    for epoch in range(cfg.epochs):
        order = rng.permutation(cut)
        for start in range(0, cut, cfg.batch_size):
            rows = order[start : start + cfg.batch_size]
            a = act(x[rows] @ w[0] + w[1], cfg.model.activation)
            z = a @ w[2] + w[3]
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            target = np.eye(k)[y[rows]] * (1 - cfg.label_smoothing) + cfg.label_smoothing / k
            d = (p - target) / len(rows)
            back = d @ w[2].T * slope(a, cfg.model.activation)
            grads = [x[rows].T @ back, back.sum(0), a.T @ d, d.sum(0)]
            t += 1
            for i, g in enumerate(grads):
                g = g + cfg.optim.weight_decay * w[i]
                if cfg.optim.name == "adam":
                    m[i] = cfg.optim.beta1 * m[i] + (1 - cfg.optim.beta1) * g
                    v[i] = 0.999 * v[i] + 0.001 * g**2
                    w[i] = w[i] - cfg.optim.lr * (m[i] / (1 - cfg.optim.beta1**t)) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
                else:
                    m[i] = cfg.optim.momentum * m[i] + g
                    w[i] = w[i] - cfg.optim.lr * m[i]
        scores = act(x[cut:] @ w[0] + w[1], cfg.model.activation) @ w[2] + w[3]
        accuracy = float(np.mean(scores.argmax(1) == y[cut:]))
        log.info("epoch %03d | valid/accuracy %.4f", epoch, accuracy)


if __name__ == "__main__":
    main()
