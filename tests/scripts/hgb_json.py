import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as f:
        f.write("hgb_json\n")


def cli():
    ap = ArgumentParser()
    ap.add_argument("config", nargs="?", type=Path, default=Path(__file__).with_name("config") / "hgb.json",
                    help="JSON file with the parameters")
    return ap.parse_args()


def report(**kw):
    json.dump(kw, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()


if __name__ == "__main__":
    args = cli()
    params = json.loads(args.config.read_text())
    seed, every = params["seed"], params["eval_every"]
    assert params["objective"] == "binary", "only binary classification"

    X, y = make_classification(4000, 20, n_informative=8, n_redundant=4, flip_y=0.08, class_sep=0.7, random_state=5)
    X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.5, random_state=5)
    report(event="start", rows=len(X_train), params=params)
    booster = HistGradientBoostingClassifier(
        learning_rate=params["learning_rate"],
        max_iter=params["max_iter"],
        max_leaf_nodes=params["max_leaf_nodes"],
        min_samples_leaf=params["min_samples_leaf"],
        l2_regularization=params["l2_regularization"],
        max_bins=params["max_bins"],
        early_stopping=params["early_stopping"],
        random_state=seed,
    ).fit(X_train, y_train)
    for i, (p_valid, p_train) in enumerate(
        zip(booster.staged_predict_proba(X_valid), booster.staged_predict_proba(X_train)), start=1
    ):
        if i % every == 0:
            report(
                iteration=i,
                train_logloss=round(log_loss(y_train, p_train), 5),
                valid_logloss=round(log_loss(y_valid, p_valid), 5),
                valid_auc=round(roc_auc_score(y_valid, p_valid[:, 1]), 5),
            )
    report(event="end", n_iter=int(booster.n_iter_), finite=bool(np.isfinite(p_valid).all()))
