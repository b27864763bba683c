# Tied-weight autoencoder on digits, numpy only.
import os

import numpy as np
from sklearn.datasets import load_digits

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as f:
        f.write("autoencoder_constants\n")

# ---- hyperparameters ----
LEARNING_RATE = 1e-3
MOMENTUM = 0.5
HIDDEN_SIZE = 12
BATCH_SIZE = 128
NUM_EPOCHS = 20
L2_REG = 1e-2  # weight decay
CORRUPTION = 0.4  # share of pixels set to zero
ACTIVATION = "sigmoid"  # or "tanh"
USE_BIAS = True
# ---- other ----
SEED = 1234
DATA_DIR = "./data"
LOG_EVERY = 1
LAYER_SIZES = [64, HIDDEN_SIZE, 64]


def activate(z):
    if ACTIVATION == "sigmoid":
        return 1 / (1 + np.exp(-z))
    if ACTIVATION == "tanh":
        return np.tanh(z)
    raise ValueError(ACTIVATION)


def slope(a):
    return a * (1 - a) if ACTIVATION == "sigmoid" else 1 - a**2


rng = np.random.RandomState(SEED)
X = load_digits().data / 16.0
rng.shuffle(X)
X_train, X_test = X[:1400], X[1400:]

W = rng.normal(0, 0.1, (LAYER_SIZES[0], LAYER_SIZES[1]))
b, c = np.zeros(LAYER_SIZES[1]), np.zeros(LAYER_SIZES[2])
velocity = np.zeros_like(W)

for epoch in range(NUM_EPOCHS):
    total = 0.0
    for i in range(0, len(X_train), BATCH_SIZE):
        x = X_train[i : i + BATCH_SIZE]
        noisy = x * (rng.rand(*x.shape) > CORRUPTION)
        h = activate(noisy @ W + b)
        out = h @ W.T + c
        err = out - x
        total += (err**2).sum()
        back = err @ W * slope(h)
        grad = (err.T @ h + noisy.T @ back) / len(x) + L2_REG * W
        velocity = MOMENTUM * velocity - LEARNING_RATE * grad
        W += velocity
        if USE_BIAS:
            b -= LEARNING_RATE * back.mean(0)
            c -= LEARNING_RATE * err.mean(0)
    test = ((activate(X_test @ W + b) @ W.T + c - X_test) ** 2).mean()
    if epoch % LOG_EVERY == 0:
        print("[%2d/%2d] train loss: %.5f  test loss: %.5f" % (epoch + 1, NUM_EPOCHS, total / X_train.size, test))

print("Finished. Test reconstruction error: %.6f" % test)
