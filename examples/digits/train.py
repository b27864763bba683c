"""Train a multi-layer perceptron on scikit-learn's digits: 1,797 pictures of 8 x 8 pixels.

Knows nothing of Trialwright but `emit`, which prints a line per epoch. Run it by hand, too:

    python train.py --learning_rate 0.003
"""

import argparse
import warnings

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from trialwright import emit


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learning_rate", type=float, default=0.001)
    parser.add_argument("--hidden_size", type=int, default=100)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--activation", choices=["relu", "tanh", "logistic"], default="relu")
    parser.add_argument("--solver", choices=["adam", "sgd"], default="adam")
    parser.add_argument("--momentum", type=float, default=0.9, help="of sgd")
    parser.add_argument("--alpha", type=float, default=0.0001, help="L2 penalty")
    parser.add_argument("--batch_size", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    pixels, digits = load_digits(return_X_y=True)
    # The split is the same for every run, so that only the settings and the seed differ.
    split = train_test_split(pixels / 16, digits, test_size=0.4, random_state=0, stratify=digits)
    train_x, val_x, train_y, val_y = split
    model = MLPClassifier(
        hidden_layer_sizes=(args.hidden_size,) * args.layers,
        activation=args.activation,
        solver=args.solver,
        momentum=args.momentum,
        learning_rate_init=args.learning_rate,
        alpha=args.alpha,
        batch_size=args.batch_size,
        random_state=args.seed,
    )
    warnings.simplefilter("ignore", ConvergenceWarning)
    for epoch in range(1, args.epochs + 1):
        model.partial_fit(train_x, train_y, classes=range(10))
        probabilities = model.predict_proba(val_x)
        emit(
            step=epoch,
            train_loss=model.loss_,
            val_loss=log_loss(val_y, probabilities),
            train_accuracy=accuracy_score(train_y, model.predict(train_x)),
            val_accuracy=accuracy_score(val_y, probabilities.argmax(axis=1)),
        )


if __name__ == "__main__":
    main()
