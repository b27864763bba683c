import os

import click
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.model_selection import cross_val_score

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as handle:
        handle.write("forest_click\n")

MODELS = {"rf": RandomForestClassifier, "extra": ExtraTreesClassifier}


@click.command(context_settings={"show_default": True})
@click.option("--model", type=click.Choice(sorted(MODELS)), default="rf")
@click.option("--n-estimators", "-n", type=click.IntRange(1, 500), default=10, help="Number of trees.")
@click.option("--max-depth", type=click.IntRange(min=1), default=2, help="Maximal depth of a tree.")
@click.option("--max-features", type=click.FloatRange(0.05, 1.0), default=0.1)
@click.option("--min-samples-leaf", default=20, help="Smallest leaf.")
@click.option("--criterion", type=click.Choice(["gini", "entropy", "log_loss"], case_sensitive=False), default="gini")
@click.option("--bootstrap/--no-bootstrap", default=True)
@click.option("--folds", default=3)
@click.option("--random-state", type=int, default=1)
@click.option("--n-jobs", type=int, default=1)
@click.option("--quiet", is_flag=True, help="Print the final score only.")
def train(model, n_estimators, max_depth, max_features, min_samples_leaf, criterion, bootstrap, folds, random_state,
          n_jobs, quiet):
    """Fit a forest on the breast cancer data and report the cross-validated accuracy."""
    X, y = load_breast_cancer(return_X_y=True)
    forest = MODELS[model](
        n_estimators=n_estimators,
        max_depth=max_depth,
        max_features=max_features,
        min_samples_leaf=min_samples_leaf,
        criterion=criterion,
        bootstrap=bootstrap,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    scores = cross_val_score(forest, X, y, cv=folds)
    if not quiet:
        click.secho(f"Model: {model}", bold=True)
        for fold, score in enumerate(scores):
            click.echo(f"  fold {fold} -> {score:.3f}")
    click.echo(click.style(f"Accuracy: {np.mean(scores):.4f} (+/- {np.std(scores):.4f})", fg="green"))


if __name__ == "__main__":
    train()
