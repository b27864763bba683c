"""python yaml_gbm.py config/base.yaml model.params.max_depth=3 train.repeats=1"""
import csv
import os
import sys

import numpy as np
import yaml
from sklearn.datasets import load_wine
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

if os.getenv("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as fh:
        fh.write("yaml_gbm\n")


def load_config(path, overrides):
    with open(path) as fh:
        cfg = yaml.safe_load(fh)
    for override in overrides:
        key, value = override.split("=", 1)
        node = cfg
        parts = key.split(".")
        for part in parts[:-1]:
            node = node[part]
        if parts[-1] not in node:
            raise KeyError(f"no such key in the config: {key}")
        node[parts[-1]] = yaml.safe_load(value)
    return cfg


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    argv = sys.argv[1:]
    path = argv.pop(0) if argv and "=" not in argv[0] else os.path.join(here, "config", "base.yaml")
    cfg = load_config(path, argv)
    X, y = load_wine(return_X_y=True) if cfg["data"]["path"] is None else np.load(cfg["data"]["path"])

    rows = []
    params = dict(cfg["model"]["params"])
    params["learning_rate"] = float(params["learning_rate"])
    for repeat in range(cfg["train"]["repeats"]):
        X_tr, X_va, y_tr, y_va = train_test_split(
            X, y, test_size=cfg["data"]["test_size"], random_state=cfg["data"]["seed"] + repeat
        )
        extra = {"n_iter_no_change": 5} if cfg["train"]["early_stopping"] else {}
        gbm = GradientBoostingClassifier(random_state=repeat, **params, **extra)
        gbm.fit(X_tr, y_tr)
        for i, proba in enumerate(gbm.staged_predict_proba(X_va)):
            if (i + 1) % cfg["logging"]["every"] == 0:
                rows.append((repeat, i + 1, log_loss(y_va, proba), float(np.mean(proba.argmax(1) == y_va))))

    with open(cfg["logging"]["file"], "w", newline="") as fh:
        writer = csv.writer(fh)
        writer.writerow(["repeat", "iteration", "valid_logloss", "valid_acc"])
        writer.writerows(rows)
    print("wrote", cfg["logging"]["file"], "with", len(rows), "rows")
    last = max(r[1] for r in rows)
    print("mean final valid_logloss:", np.mean([r[2] for r in rows if r[1] == last]))


if __name__ == "__main__":
    main()
