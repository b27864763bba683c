"""Recurrent regression of a noisy sine, logged to TensorBoard."""
import argparse
import os
from datetime import datetime

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

if os.environ.get("SCRIPT_STARTS"):
    with open(os.environ["SCRIPT_STARTS"], "a") as f:
        f.write("torch_tensorboard\n")


def parse_args():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--cell", type=str.lower, default="rnn", choices=["rnn", "gru", "lstm"])
    p.add_argument("--hidden-size", default=8, type=int)
    p.add_argument("--num-layers", default=1, type=int)
    p.add_argument("--lr", default=3e-4, type=float, help="learning rate of AdamW")
    p.add_argument("--wd", default=0.01, type=float, help="weight decay")
    p.add_argument("--betas", default=[0.9, 0.999], nargs=2, type=float)
    p.add_argument("--clip-grad", default=None, type=float, help="max gradient norm, off by default")
    p.add_argument("--scheduler", default="none", choices=["none", "cosine", "step"])
    p.add_argument("--epochs", default=15, type=int)
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", default=None, type=int)
    p.add_argument("--logdir", default="tb")
    p.add_argument("--run-name", default=datetime.now().strftime("%Y%m%d-%H%M%S"))
    p.add_argument("--resume", default="", help="checkpoint to start from")
    return p.parse_args()


class Model(nn.Module):
    def __init__(self, cell, hidden, layers):
        super().__init__()
        self.rnn = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](1, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])[:, 0]


def windows(n, length, generator):
    start = torch.rand(n, 1, generator=generator) * 6.28
    freq = 0.2 + 0.3 * torch.rand(n, 1, generator=generator)
    t = torch.arange(length + 1) * freq + start
    series = torch.sin(t) + 0.05 * torch.randn(n, length + 1, generator=generator)
    return series[:, :-1, None], series[:, -1]


def main():
    args = parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed if args.seed is not None else 0)
    g = torch.Generator().manual_seed(17)
    x, y = windows(512, 20, g)
    x_val, y_val = windows(256, 20, g)
    model = Model(args.cell, args.hidden_size, args.num_layers).to(args.device)
    if args.resume:
        model.load_state_dict(torch.load(args.resume))
    opt = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.wd, betas=tuple(args.betas))
    sched = None
    if args.scheduler == "cosine":
        sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, args.epochs)
    elif args.scheduler == "step":
        sched = torch.optim.lr_scheduler.StepLR(opt, max(args.epochs // 3, 1))
    writer = SummaryWriter(os.path.join(args.logdir, args.run_name))
    for epoch in range(args.epochs):
        model.train()
        for rows in torch.randperm(len(x)).split(64):
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            opt.zero_grad()
            loss.backward()
            if args.clip_grad is not None:
                nn.utils.clip_grad_norm_(model.parameters(), args.clip_grad)
            opt.step()
        if sched:
            sched.step()
        model.eval()
        with torch.no_grad():
            val = nn.functional.mse_loss(model(x_val), y_val).item()
        writer.add_scalar("loss/train", loss.item(), epoch)
        writer.add_scalar("loss/val", val, epoch)
        writer.add_scalar("lr", opt.param_groups[0]["lr"], epoch)
    writer.close()
    print("logs in", writer.log_dir)


if __name__ == "__main__":
    main()
