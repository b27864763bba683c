"""Train a small MLP on a toy 2-D dataset."""
import argparse
import os

import numpy as np
from sklearn.datasets import make_circles, make_classification, make_moons
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as f:
        f.write("moons_mlp\n")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
parser.add_argument("--dataset", required=True, choices=["moons", "circles", "blobs"], help="which toy data")
parser.add_argument("--n-samples", type=int, default=1200, help="number of points to draw")
parser.add_argument("--noise", type=float, default=0.3, help="noise added to the points")
parser.add_argument("--lr", "--learning-rate", dest="lr", type=float, default=0.1, metavar="LR")
parser.add_argument("--hidden", type=int, default=8, help="units in the hidden layer")
parser.add_argument("--activation", choices=["relu", "tanh", "logistic"], default="logistic")
parser.add_argument("--solver", choices=("sgd", "adam"), default="sgd")
parser.add_argument("--alpha", type=float, default=1e-4, help="L2 penalty")
parser.add_argument("-b", "--batch-size", type=int, default=256, choices=[16, 32, 64, 128, 256])
parser.add_argument("-e", "--epochs", type=int, default=30)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("-v", "--verbose", action="store_true")
args = parser.parse_args()

rng = np.random.RandomState(args.seed)
if args.dataset == "moons":
    X, y = make_moons(args.n_samples, noise=args.noise, random_state=rng)
elif args.dataset == "circles":
    X, y = make_circles(args.n_samples, noise=args.noise, factor=0.5, random_state=rng)
else:
    X, y = make_classification(args.n_samples, n_features=2, n_redundant=0, flip_y=args.noise, random_state=rng)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.3, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_val = scaler.transform(X_train), scaler.transform(X_val)

model = MLPClassifier(
    hidden_layer_sizes=(args.hidden,),
    activation=args.activation,
    solver=args.solver,
    learning_rate_init=args.lr,
    alpha=args.alpha,
    batch_size=args.batch_size,
    random_state=args.seed,
)
for epoch in range(1, args.epochs + 1):
    model.partial_fit(X_train, y_train, classes=[0, 1])
    loss = log_loss(y_val, model.predict_proba(X_val))
    acc = model.score(X_val, y_val)
    print(f"Epoch {epoch}: val_loss={loss:.4f} acc: {acc * 100:.1f}%")
    if args.verbose:
        print("  weights:", [w.shape for w in model.coefs_])
