import os

import fire
import numpy as np

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as f:
        f.write("fourier_fire\n")


def make_data(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, size=(n, 4))
    y = np.sin(2 * x[:, 0]) + 0.3 * x[:, 1] ** 2 - x[:, 2] * x[:, 3] / 3 + rng.normal(0, 0.1, n)
    return x, y


def train(
    num_features: int = 64,
    bandwidth: float = 5.0,
    learning_rate: float = 0.005,
    momentum: float = 0.0,
    l2: float = 1e-3,
    steps: int = 2000,
    batch_size: int = 32,
    nesterov: bool = False,
    warmup: int = None,
    seed: int = 1,
):
    """Random Fourier features and SGD on a made-up function.

    Args:
        num_features: number of random features.
        bandwidth: scale of the random frequencies.
        learning_rate: peak learning rate.
        momentum: momentum of SGD.
        l2: weight decay.
        warmup: steps of linear warmup; none when left out.
    """
    x, y = make_data(3000, 0)
    x_test, y_test = make_data(1000, 99)
    rng = np.random.default_rng(seed)
    w = rng.normal(0, bandwidth, size=(4, num_features))
    b = rng.uniform(0, 2 * np.pi, num_features)
    phi = np.cos(x @ w + b) * np.sqrt(2 / num_features)
    phi_test = np.cos(x_test @ w + b) * np.sqrt(2 / num_features)

    theta, velocity, bias = np.zeros(num_features), np.zeros(num_features), y.mean()
    for step in range(steps):
        lr = learning_rate if not warmup else learning_rate * min(1.0, (step + 1) / warmup)
        rows = rng.integers(0, len(x), batch_size)
        error = phi[rows] @ theta + bias - y[rows]
        grad = phi[rows].T @ error / batch_size + l2 * theta
        velocity = momentum * velocity - lr * grad
        theta = theta + (momentum * velocity - lr * grad if nesterov else velocity)
        bias -= lr * error.mean()
        if step % 500 == 499:
            print("step", step + 1, "train mse", round(float(np.mean((phi @ theta + bias - y) ** 2)), 4))
    return {"test_mse": round(float(np.mean((phi_test @ theta + bias - y_test) ** 2)), 5)}


if __name__ == "__main__":
    fire.Fire(train)
