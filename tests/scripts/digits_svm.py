#!/usr/bin/env python
# Linear / kernel SVM on the digits data.
import argparse
import logging
import os
import sys
import time

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

if "SCRIPT_STARTS" in os.environ:
    open(os.environ["SCRIPT_STARTS"], "a").write("digits_svm\n")

logger = logging.getLogger("digits")


def build_parser():
    parser = argparse.ArgumentParser("digits_svm")

    data = parser.add_argument_group("data")
    data.add_argument("--test-fraction", type=float, default=0.25)
    data.add_argument("--standardize", action=argparse.BooleanOptionalAction, default=False,
                      help="scale every pixel to unit variance")
    data.add_argument("--pca", type=int, default=0, help="components to keep, 0 keeps all pixels")

    model = parser.add_argument_group("model", "what the SVM looks like")
    model.add_argument("--kernel", default="rbf", choices=["linear", "rbf", "poly"])
    model.add_argument("-C", type=float, default=0.05, help="inverse regularization strength")
    model.add_argument("--gamma", type=float, default=0.0001)
    model.add_argument("--degree", type=int, default=3, help="for the poly kernel")
    model.add_argument("--balanced", action="store_true", help="weigh classes by frequency")

    misc = parser.add_argument_group("misc")
    misc.add_argument("--seed", type=int, default=42)
    misc.add_argument("--max-iter", type=int, default=-1)
    misc.add_argument("--log-level", default="INFO")
    misc.add_argument("--cache-mb", type=float, default=200)
    return parser


def main(args):
    logging.basicConfig(
        level=args.log_level, stream=sys.stderr, format="%(asctime)s | %(levelname)-8s | %(name)s - %(message)s"
    )
    logger.info("arguments: %s", vars(args))
    X, y = load_digits(return_X_y=True)
    X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=args.test_fraction, random_state=args.seed, stratify=y)

    steps = []
    if args.standardize:
        steps.append(StandardScaler())
    if args.pca > 0:
        steps.append(PCA(args.pca, random_state=args.seed))
    steps.append(
        SVC(
            kernel=args.kernel,
            C=args.C,
            gamma=args.gamma,
            degree=args.degree,
            class_weight="balanced" if args.balanced else None,
            max_iter=args.max_iter,
            cache_size=args.cache_mb,
        )
    )
    clf = make_pipeline(*steps)
    t0 = time.time()
    clf.fit(X_tr, y_tr)
    logger.info("fitted %d samples in %.2fs", len(X_tr), time.time() - t0)

    pred = clf.predict(X_te)
    logger.info("train accuracy = %.4f", clf.score(X_tr, y_tr))
    logger.info("test accuracy = %.4f", accuracy_score(y_te, pred))
    logger.info("test macro f1 = %.4f", f1_score(y_te, pred, average="macro"))
    return 0


if __name__ == "__main__":
    sys.exit(main(build_parser().parse_args()))
