"""Records PyTorch's SGD and AdamW on a small problem, in float64: test/peers/optimizers.json.

    python test/peers/record_optimizers.py

The loss is sum((x @ w + b - y)^2) / 4 + sum(w^4) / 32 with x, y, w, b from the formulas below.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
STEPS = 100
KEPT = [1, 2, 3, 10, 30, 100]


def problem():
    i = torch.arange(12.0)
    x = torch.sin(1.3 * i + 0.2).reshape(4, 3)
    y = torch.cos(0.7 * torch.arange(8.0)).reshape(4, 2)
    w = (0.5 * torch.sin(2.1 * torch.arange(6.0))).reshape(3, 2).requires_grad_()
    b = torch.tensor([0.3, -0.2]).requires_grad_()
    return x, y, w, b


def trajectory(make):
    x, y, w, b = problem()
    optimizer = make([w, b])
    kept = []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss = ((x @ w + b - y) ** 2).sum() / 4 + (w**4).sum() / 32
        loss.backward()
        optimizer.step()
        if step in KEPT:
            kept.append({"step": step, "loss": loss.item(), "w": w.flatten().tolist(), "b": b.tolist()})
    return kept


RUNS = {
    "sgd": lambda ps: torch.optim.SGD(ps, lr=0.05),
    "adamw": lambda ps: torch.optim.AdamW(
        ps, lr=0.02, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1
    ),
    "adamw without decay": lambda ps: torch.optim.AdamW(
        ps, lr=0.05, betas=(0.8, 0.999), eps=1e-6, weight_decay=0.0
    ),
}

if __name__ == "__main__":
    out = {"torch": torch.__version__, "runs": {k: trajectory(v) for k, v in RUNS.items()}}
    path = pathlib.Path(__file__).with_name("optimizers.json")
    path.write_text(json.dumps(out, indent=1) + "\n")
