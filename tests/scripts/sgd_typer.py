from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

if starts := os.environ.get("SCRIPT_STARTS"):
    with Path(starts).open("a") as out:
        print("sgd_typer", file=out)

app = typer.Typer(add_completion=False)


class Loss(str, Enum):
    hinge = "hinge"
    log = "log_loss"
    huber = "modified_huber"


class Schedule(str, Enum):
    constant = "constant"
    invscaling = "invscaling"
    adaptive = "adaptive"


@app.command()
def main(
    loss: Annotated[Loss, typer.Option(help="Training loss.")] = Loss.hinge,
    penalty: str = "l2",
    alpha: Annotated[float, typer.Option(min=0.0, help="Weight of the penalty.")] = 0.1,
    eta0: Annotated[float, typer.Option("--eta0", help="Initial learning rate.")] = 0.01,
    schedule: Schedule = Schedule.constant,
    power_t: float = 0.25,
    average: bool = False,
    epochs: Annotated[int, typer.Option("--epochs", "-e", min=1)] = 25,
    batch: int = 64,
    seed: int = 0,
    save_to: Annotated[Optional[Path], typer.Option(help="Write the weights here.")] = None,
) -> None:
    """A linear classifier, trained with mini-batches."""
    X, y = load_digits(return_X_y=True)
    X = X / 16.0
    X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.4, random_state=7)
    clf = SGDClassifier(
        loss=loss.value,
        penalty=penalty,
        alpha=alpha,
        eta0=eta0,
        learning_rate=schedule.value,
        power_t=power_t,
        average=average,
        random_state=seed,
    )
    rng = np.random.default_rng(seed)
    best = 0.0
    for epoch in range(epochs):
        order = rng.permutation(len(X_train))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            clf.partial_fit(X_train[rows], y_train[rows], classes=np.arange(10))
        score = f1_score(y_valid, clf.predict(X_valid), average="macro")
        best = max(best, score)
        filled = int(20 * (epoch + 1) / epochs)
        bar = "#" * filled + "." * (20 - filled)
        sys.stderr.write(f"\r{100 * (epoch + 1) // epochs:3d}%|{bar}| {epoch + 1}/{epochs} [f1={score:.3f}, best={best:.3f}]")
        sys.stderr.flush()
    sys.stderr.write("\n")
    if save_to is not None:
        np.save(save_to, clf.coef_)
    typer.echo(f"done. best macro-F1 = {best:.4f}")


if __name__ == "__main__":
    app()
