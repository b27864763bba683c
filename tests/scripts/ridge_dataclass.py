"""Kernel ridge regression on the diabetes data.  Usage: ridge_dataclass.py [key=value ...]"""

import dataclasses
import os
import sys
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import KFold

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as f:
        f.write("ridge_dataclass\n")


@dataclass
class KernelConfig:
    name: Literal["rbf", "laplacian", "polynomial"] = "rbf"
    gamma: float = 10.0
    degree: int = 3


@dataclass
class Config:
    # regularization strength
    alpha: float = 10.0
    kernel: KernelConfig = field(default_factory=KernelConfig)
    log_target: bool = False
    clip_quantile: float = 0.0
    folds: int = 5
    seed: int = 0
    verbose: bool = False


def cast(value, like):
    if isinstance(like, bool):
        return value.lower() in ("1", "true", "yes")
    return type(like)(value)


def parse(argv):
    cfg = Config()
    for item in argv:
        key, sep, value = item.partition("=")
        if not sep:
            raise SystemExit(f"expected key=value, got {item!r}")
        owner = cfg
        *path, leaf = key.split(".")
        for part in path:
            owner = getattr(owner, part)
        if not hasattr(owner, leaf):
            raise SystemExit(f"unknown option {key!r}")
        setattr(owner, leaf, cast(value, getattr(owner, leaf)))
    return cfg


def evaluate(cfg: Config):
    X, y = load_diabetes(return_X_y=True)
    target = np.log(y) if cfg.log_target else y
    predictions = np.zeros_like(y)
    for i, (train, test) in enumerate(KFold(cfg.folds, shuffle=True, random_state=cfg.seed).split(X)):
        t = target[train]
        if cfg.clip_quantile > 0:
            t = np.clip(t, np.quantile(t, cfg.clip_quantile), np.quantile(t, 1 - cfg.clip_quantile))
        mean = t.mean()
        reg = KernelRidge(alpha=cfg.alpha, kernel=cfg.kernel.name, gamma=cfg.kernel.gamma, degree=cfg.kernel.degree)
        reg.fit(X[train], t - mean)
        p = reg.predict(X[test]) + mean
        predictions[test] = np.exp(p) if cfg.log_target else p
        if cfg.verbose:
            print(f"fold {i}: rmse {mean_squared_error(y[test], predictions[test]) ** 0.5:.3f}")
    return mean_squared_error(y, predictions) ** 0.5, r2_score(y, predictions)


if __name__ == "__main__":
    config = parse(sys.argv[1:])
    print(dataclasses.asdict(config))
    rmse, r2 = evaluate(config)
    print("-" * 40)
    print(f"RMSE  {rmse:10.4f}")
    print(f"R2    {r2:10.4f}")
