# ruff: noqa: E501  # scripts as strangers write them
"""Training scripts in public idioms, small enough to be run: autoresearch, nanoGPT, and others."""

AUTORESEARCH = '''
"""Pretraining in one file, the knobs in a block of capitals."""

import math
import os
import time
from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

# ---------------------------------------------------------------------------
# GPT Model
# ---------------------------------------------------------------------------


@dataclass
class GPTConfig:
    sequence_len: int = 2048
    vocab_size: int = 32768
    n_layer: int = 12
    n_head: int = 6
    n_kv_head: int = 6
    n_embd: int = 768
    window_pattern: str = "SSSL"


def norm(x):
    return F.rms_norm(x, (x.size(-1),))


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=False)

    def forward(self, x):
        x = self.c_fc(x)
        x = F.relu(x).square()
        return self.c_proj(x)


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.h = nn.ModuleList([MLP(config) for _ in range(config.n_layer)])
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.resid_lambdas = nn.Parameter(torch.ones(config.n_layer))

    def setup_optimizer(self, unembedding_lr=0.004, embedding_lr=0.2, matrix_lr=0.02,
                        weight_decay=0.0, adam_betas=(0.8, 0.95), scalar_lr=0.5):
        dmodel_lr_scale = (self.config.n_embd / 768) ** -0.5
        param_groups = [
            dict(params=list(self.lm_head.parameters()), lr=unembedding_lr * dmodel_lr_scale, betas=adam_betas, eps=1e-10),
            dict(params=list(self.wte.parameters()), lr=embedding_lr * dmodel_lr_scale, betas=adam_betas, eps=1e-10),
            dict(params=[self.resid_lambdas], lr=scalar_lr * 0.01, betas=adam_betas, eps=1e-10, weight_decay=0.0),
            dict(params=list(self.h.parameters()), lr=matrix_lr, weight_decay=weight_decay),
        ]
        optimizer = torch.optim.AdamW(param_groups)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        return optimizer

    def forward(self, idx, targets=None, reduction="mean"):
        x = norm(self.wte(idx))
        for i, block in enumerate(self.h):
            x = self.resid_lambdas[i] * x + block(norm(x))
        softcap = 15
        logits = self.lm_head(norm(x)).float()
        logits = softcap * torch.tanh(logits / softcap)
        if targets is None:
            return logits
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1), reduction=reduction)


# ---------------------------------------------------------------------------
# Hyperparameters (edit these directly, no CLI flags needed)
# ---------------------------------------------------------------------------

# Model architecture
ASPECT_RATIO = 64       # model_dim = depth * ASPECT_RATIO
HEAD_DIM = 128          # target head dimension for attention
WINDOW_PATTERN = "SSSL" # sliding window pattern: L=full, S=half context

# Optimization
TOTAL_BATCH_SIZE = 2**19 # ~524K tokens per optimizer step
EMBEDDING_LR = 0.6      # learning rate for token embeddings (Adam)
UNEMBEDDING_LR = 0.004  # learning rate for lm_head (Adam)
MATRIX_LR = 0.04        # learning rate for matrix parameters (Muon)
SCALAR_LR = 0.5         # learning rate for per-layer scalars (Adam)
WEIGHT_DECAY = 0.2      # cautious weight decay for Muon
ADAM_BETAS = (0.8, 0.95) # Adam beta1, beta2
WARMUP_RATIO = 0.0      # fraction of time budget for LR warmup
WARMDOWN_RATIO = 0.5    # fraction of time budget for LR warmdown
FINAL_LR_FRAC = 0.0     # final LR as fraction of initial

# Model size
DEPTH = 8               # number of transformer layers
DEVICE_BATCH_SIZE = 128  # per-device batch size (reduce if OOM)

# Fixed
TIME_BUDGET = 300
MAX_SEQ_LEN = 2048
EVAL_TOKENS = 40 * 524288
CACHE_DIR = os.path.expanduser("~/.cache/autoresearch")
DATA_PATH = "data/shards"
VOCAB = 32

# ---------------------------------------------------------------------------
# Setup
# ---------------------------------------------------------------------------

t_start = time.time()
torch.manual_seed(42)
torch.set_num_threads(1)
config = GPTConfig(sequence_len=16, vocab_size=VOCAB, n_layer=min(DEPTH, 2), n_head=2, n_kv_head=2,
                   n_embd=ASPECT_RATIO // 2, window_pattern=WINDOW_PATTERN)
model = GPT(config)
optimizer = model.setup_optimizer(
    unembedding_lr=UNEMBEDDING_LR,
    embedding_lr=EMBEDDING_LR,
    scalar_lr=SCALAR_LR,
    adam_betas=ADAM_BETAS,
    matrix_lr=MATRIX_LR,
    weight_decay=WEIGHT_DECAY,
)


def get_lr_multiplier(progress):
    if progress < WARMUP_RATIO:
        return progress / WARMUP_RATIO if WARMUP_RATIO > 0 else 1.0
    elif progress < 1.0 - WARMDOWN_RATIO:
        return 1.0
    else:
        cooldown = (1.0 - progress) / WARMDOWN_RATIO
        return cooldown * 1.0 + (1 - cooldown) * FINAL_LR_FRAC


step = 0
text = torch.randint(0, VOCAB, (64, 17))
while step < 10:
    batch = text[(step * 8) % 64:][:8]
    loss = model(batch[:, :-1], batch[:, 1:])
    loss.backward()
    lrm = get_lr_multiplier(step / 10)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * lrm
    optimizer.step()
    model.zero_grad(set_to_none=True)
    step += 1

print("---")
print(f"val_bpb:          {loss.item() / math.log(2):.6f}")
print(f"training_seconds: {time.time() - t_start:.1f}")
'''

NANOGPT = '''
"""
This training script can be run on a single gpu, and takes its settings from a block of names.
"""

import math
import os
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F

# -----------------------------------------------------------------------------
# I/O
out_dir = 'out'
eval_interval = 2000
log_interval = 1
eval_iters = 200
eval_only = False # if True, script exits right after the first eval
always_save_checkpoint = True # if True, always save a checkpoint after each eval
init_from = 'scratch' # 'scratch' or 'resume'
# wandb logging
wandb_log = False # disabled by default
wandb_project = 'owt'
# data
dataset = 'openwebtext'
gradient_accumulation_steps = 5 * 8 # used to simulate larger batch sizes
batch_size = 12 # if gradient_accumulation_steps > 1, this is the micro-batch size
block_size = 1024
# model
n_layer = 12
n_head = 12
n_embd = 768
dropout = 0.0 # for pretraining 0 is good, for finetuning try 0.1+
bias = False # do we use bias inside LayerNorm and Linear layers?
# adamw optimizer
learning_rate = 6e-4 # max learning rate
max_iters = 600_000 # total number of training iterations
weight_decay = 1e-1
beta1 = 0.9
beta2 = 0.95
grad_clip = 1.0 # clip gradients at this value, or disable if == 0.0
# learning rate decay settings
decay_lr = True # whether to decay the learning rate
warmup_iters = 2000 # how many steps to warm up for
lr_decay_iters = 600000 # should be ~= max_iters per Chinchilla
min_lr = 6e-5 # minimum learning rate, should be ~= learning_rate/10 per Chinchilla
# system
device = 'cpu' # examples: 'cpu', 'cuda', 'cuda:0', 'cuda:1' etc., or try 'mps' on macbooks
dtype = 'float32'
compile = False # use PyTorch 2.0 to compile the model to be faster
# -----------------------------------------------------------------------------
seed_offset = 0
torch.manual_seed(1337 + seed_offset)
torch.set_num_threads(1)


class Block(nn.Module):
    def __init__(self, n_embd, dropout):
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.mlp = nn.Sequential(
            nn.Linear(n_embd, 4 * n_embd, bias=bias),
            nn.GELU(),
            nn.Linear(4 * n_embd, n_embd, bias=bias),
            nn.Dropout(dropout),
        )

    def forward(self, x):
        return x + self.mlp(self.ln_1(x))


class GPT(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, 48)
        self.h = nn.ModuleList([Block(48, dropout) for _ in range(2)])
        self.ln_f = nn.LayerNorm(48)
        self.lm_head = nn.Linear(48, vocab_size, bias=False)

    def forward(self, idx, targets):
        x = self.wte(idx)
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1), ignore_index=-1)
        return logits, loss


def get_lr(it):
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    if it > lr_decay_iters:
        return min_lr
    decay_ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio))
    return min_lr + coeff * (learning_rate - min_lr)


model = GPT(vocab_size=32)
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(beta1, beta2), weight_decay=weight_decay)
data = torch.randint(0, 32, (64, 17))
iter_num = 0
best_val_loss = 1e9
while True:
    lr = get_lr(iter_num) if decay_lr else learning_rate
    for param_group in optimizer.param_groups:
        param_group['lr'] = lr
    logits, loss = model(data[:, :-1], data[:, 1:])
    loss.backward()
    if grad_clip != 0.0:
        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    iter_num += 1
    if iter_num > min(max_iters, 6):
        break
print(f"iter {iter_num}: loss {loss.item():.8f}")
'''

SEQUENTIAL = """
import torch
import torch.nn as nn
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
torch.set_num_threads(1)
x = torch.randn(256, 8)
y = (x[:, :1] * x[:, 1:2]).tanh()
train_loader = DataLoader(TensorDataset(x[:192], y[:192]), batch_size=32, shuffle=True)
x_val, y_val = x[192:], y[192:]

model = nn.Sequential(
    nn.Linear(8, 32),  # the first layer
    nn.ReLU(),
    nn.Linear(32, 16),
    nn.ReLU(inplace=True),
    nn.Linear(16, 1),
)
criterion = nn.MSELoss()
optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)

for epoch in range(6):
    model.train()
    for xb, yb in train_loader:
        loss = criterion(model(xb), yb)
        optimizer.zero_grad(); loss.backward(); optimizer.step()  # three at once
    # how well it does on the rest
    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(x_val), y_val).item()
    print(f"epoch {epoch}: val_loss={val_loss:.5f}")
"""

FUNCTIONS = """
import argparse

import torch
import torch.nn.functional as F
from torch import nn, optim


class Net(nn.Module):
    def __init__(self, width=16, classes=4):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.features = nn.Sequential(nn.Conv2d(width, width, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.fc1 = nn.Linear(width * 9, 32)
        self.norm = nn.LayerNorm(32)
        self.fc2 = nn.Linear(32, classes)

    def forward(self, x):
        x = self.features(F.relu(self.conv1(x)))
        x = F.relu(self.norm(self.fc1(torch.flatten(x, 1))))
        return self.fc2(x)


def train(model, device, batches, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(batches):
        optimizer.zero_grad()
        output = model(data.to(device))
        loss = F.cross_entropy(output, target)
        loss.backward()
        optimizer.step()
    return loss.item()


def test(model, batches):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for data, target in batches:
            total += F.cross_entropy(model(data), target).item()
    return total / len(batches)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--epochs', type=int, default=4)
    parser.add_argument('--lr', type=float, default=1e-3, help='learning rate')
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    images, labels = torch.randn(96, 1, 8, 8), torch.randint(0, 4, (96,))
    batches = [(images[i:i + 16], labels[i:i + 16]) for i in range(0, 96, 16)]
    model = Net().to("cpu")
    optimizer = optim.Adam(model.parameters(), lr=args.lr, betas=(0.9, 0.99), eps=1e-7)
    for epoch in range(1, args.epochs + 1):
        train(model, "cpu", batches, optimizer, epoch)
        test_loss = test(model, batches)
        print('Test loss: {:.4f}'.format(test_loss))


if __name__ == '__main__':
    main()
"""

FOREST = """
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

X, y = load_wine(return_X_y=True)
clf = RandomForestClassifier(n_estimators=20, max_depth=4, random_state=0)
print("accuracy:", cross_val_score(clf, X, y, cv=3).mean())
"""

BOOSTING = """
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=7)
model = GradientBoostingRegressor(n_estimators=30, learning_rate=0.1, max_depth=2, random_state=0)
model.fit(X_train, y_train)
print("mse:", mean_squared_error(y_test, model.predict(X_test)))
"""

NEIGHBOURS = """
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=7)
knn = KNeighborsClassifier(n_neighbors=5)
knn.fit(X_train, y_train)
print("accuracy:", knn.score(X_test, y_test))
"""

NETWORK = """
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X[:400], y[:400], test_size=0.25, random_state=7)
clf = MLPClassifier(hidden_layer_sizes=(16,), max_iter=400, tol=1e-2, random_state=1).fit(X_train, y_train)
print("accuracy:", np.mean(clf.predict(X_test) == y_test))
"""

LINEAR = """
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

X, y = load_diabetes(return_X_y=True)
model = Ridge(alpha=0.5)
print("r2:", cross_val_score(model, X, y, cv=3).mean())
"""

TORCH = {
    "autoresearch": AUTORESEARCH,
    "nanogpt": NANOGPT,
    "sequential": SEQUENTIAL,
    "functions": FUNCTIONS,
}
SKLEARN = {
    "forest": FOREST,
    "boosting": BOOSTING,
    "neighbours": NEIGHBOURS,
    "network": NETWORK,
    "linear": LINEAR,
}
ALL = TORCH | SKLEARN
