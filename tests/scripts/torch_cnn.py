import argparse
import csv
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as f:
        f.write("torch_cnn\n")


class Net(nn.Module):
    def __init__(self, width, dropout):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2 * width * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(self.dropout(torch.flatten(x, 1)))


def run_epoch(model, loader, optimizer=None):
    model.train(optimizer is not None)
    total, correct, count = 0.0, 0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            logits = model(x)
            loss = F.cross_entropy(logits, y)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
    return total / count, correct / count


def main():
    parser = argparse.ArgumentParser(description="PyTorch CNN on 8x8 digits")
    parser.add_argument("--batch-size", type=int, default=256, metavar="N", help="input batch size (default: 256)")
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="epochs to train (default: 5)")
    parser.add_argument("--lr", type=float, default=1e-3, metavar="LR", help="learning rate (default: 0.001)")
    parser.add_argument("--weight-decay", type=float, default=0)
    parser.add_argument("--momentum", type=float, default=0.5, metavar="M", help="SGD momentum (default: 0.5)")
    parser.add_argument("--optimizer", type=str, default="sgd", help="sgd or adam")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--no-cuda", action="store_true", default=False, help="disables CUDA training")
    parser.add_argument("--num-workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--log-dir", default="logs")
    parser.add_argument("--save-model", action="store_true", default=False)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    data = load_digits()
    dataset = TensorDataset(torch.tensor(data.images[:, None], dtype=torch.float32) / 16, torch.tensor(data.target))
    train_set, val_set = random_split(dataset, [1297, 500], generator=torch.Generator().manual_seed(0))
    train_loader = DataLoader(train_set, args.batch_size, shuffle=True, num_workers=args.num_workers)
    val_loader = DataLoader(val_set, 500)
    model = Net(args.width, args.dropout)
    if args.optimizer == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    elif args.optimizer == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), args.lr, args.momentum, weight_decay=args.weight_decay)
    else:
        parser.error(f"unknown optimizer {args.optimizer}")

    os.makedirs(args.log_dir, exist_ok=True)
    with open(os.path.join(args.log_dir, "history.csv"), "w", newline="") as fh:
        writer = csv.DictWriter(fh, ["epoch", "train_loss", "train_acc", "val_loss", "val_acc"])
        writer.writeheader()
        for epoch in range(1, args.epochs + 1):
            train_loss, train_acc = run_epoch(model, train_loader, optimizer)
            val_loss, val_acc = run_epoch(model, val_loader)
            print(f"Train Epoch: {epoch} [{len(train_set)}/{len(train_set)} (100%)]\tLoss: {train_loss:.6f}")
            print(f"\nTest set: Average loss: {val_loss:.4f}, Accuracy: {int(val_acc * 500)}/500 ({100 * val_acc:.0f}%)\n")
            writer.writerow(dict(epoch=epoch, train_loss=train_loss, train_acc=train_acc, val_loss=val_loss, val_acc=val_acc))
            fh.flush()
    if args.save_model:
        torch.save(model.state_dict(), os.path.join(args.log_dir, "mnist_cnn.pt"))


if __name__ == "__main__":
    main()
