"""Records trajectories of optimisers and values of schedules, in float64: optimizers.json, schedules.json.

    python test/recorded/record_optimizers.py && npx biome check --write test/recorded

The problem has two matrices, a vector, a scalar, and a part whose curvatures span a factor of 1000:

    mean((scale * (tanh(x @ wi + bias) @ wo) - y)^2) + sum(c * (slow - 1)^2) / 2

Shampoo has no reference in these libraries: it is written here with eigenvalues, which the graph has not.
"""

import json
import pathlib
import re

import jax
import numpy as np
import optax
import torch
import torch.optim._muon as torch_muon

jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)
STEPS = 100
KEPT = [1, 10, 100]
NAMES = ["wi", "bias", "wo", "scale", "slow"]
HERE = pathlib.Path(__file__).parent


def wave(shape, a, b, size=1.0):
    return size * np.sin(a * np.arange(int(np.prod(shape))) + b).reshape(shape)


X = wave((8, 4), 1.3, 0.2)
Y = wave((8, 3), 0.7, 1.6)
C = np.array([10.0, 3.0, 1.0, 0.1, 0.01])


def start():
    return {
        "wi": wave((4, 6), 2.1, 0.0, 0.5),
        "bias": wave((6,), 1.1, 0.5, 0.2),
        "wo": wave((6, 3), 0.9, 0.3, 0.5),
        "scale": np.array(1.2),
        "slow": wave((5,), 1.7, 0.1),
    }


def loss_of(p, tanh, x, y, c):
    fit = p["scale"] * (tanh(x @ p["wi"] + p["bias"]) @ p["wo"]) - y
    return (fit**2).mean() + (c * (p["slow"] - 1) ** 2).sum() / 2


def kept(loss, params):
    flat = {n: np.asarray(params[n]).ravel().tolist() for n in NAMES}
    return {"loss": float(loss), **flat}


def with_torch(make):
    p = {n: torch.tensor(v, requires_grad=True) for n, v in start().items()}
    x, y, c = (torch.tensor(v) for v in (X, Y, C))
    optimizers = make(p)
    out = {}
    for step in range(1, STEPS + 1):
        for o in optimizers:
            o.zero_grad()
        loss = loss_of(p, torch.tanh, x, y, c)
        loss.backward()
        for o in optimizers:
            o.step()
        if step in KEPT:
            out[step] = kept(loss.detach(), {n: v.detach() for n, v in p.items()})
    return out


def with_optax(transform):
    p = {n: jax.numpy.asarray(v) for n, v in start().items()}
    state = transform.init(p)
    slope = jax.jit(jax.value_and_grad(lambda q: loss_of(q, jax.numpy.tanh, X, Y, C)))
    update = jax.jit(transform.update)
    out = {}
    for step in range(1, STEPS + 1):
        loss, g = slope(p)
        updates, state = update(g, state, p)
        p = optax.apply_updates(p, updates)
        if step in KEPT:
            out[step] = kept(loss, p)
    return out


class Shampoo(torch.optim.Optimizer):
    """Per block: L, R; roots by eigenvalues; a grafted length for the whole matrix."""

    def __init__(self, ps, lr, beta1, beta2, epsilon, block, every, graft, decay):
        super().__init__(ps, {})
        self.o = (lr, beta1, beta2, epsilon, block, every, graft, decay)
        self.t = 0
        self.s = {}

    @staticmethod
    def root(a, epsilon):
        values, vectors = np.linalg.eigh(a + epsilon * np.linalg.norm(a) * np.eye(len(a)))
        return (vectors * values**-0.25) @ vectors.T

    def step(self):
        lr, beta1, beta2, epsilon, block, every, graft, decay = self.o
        for p in self.param_groups[0]["params"]:
            w, g = p.data.numpy(), p.grad.numpy()
            s = self.s.setdefault(id(p), {"m": 0 * w, "v": 0 * w, "b": {}})
            cuts = []
            for n in w.shape:
                count = -(-n // block)
                size = -(-n // count)
                cuts.append([slice(i * size, min(n, (i + 1) * size)) for i in range(count)])
            u = np.zeros_like(w)
            new = 1.0 if beta2 == 1 else 1 - beta2
            for i, rows in enumerate(cuts[0]):
                for j, cols in enumerate(cuts[1]):
                    piece = g[rows, cols]
                    b = s["b"].setdefault((i, j), {"l": 0, "r": 0})
                    b["l"] = beta2 * b["l"] + new * piece @ piece.T
                    b["r"] = beta2 * b["r"] + new * piece.T @ piece
                    if self.t % every == 0:
                        b["roots"] = self.root(b["l"], epsilon), self.root(b["r"], epsilon)
                    u[rows, cols] = b["roots"][0] @ piece @ b["roots"][1]
            s["v"] = beta2 * s["v"] + (1 - beta2) * g * g
            if graft == "rmsprop":
                model = g / (np.sqrt(s["v"] / (1 - beta2 ** (self.t + 1))) + 1e-8)
                u *= np.linalg.norm(model) / np.linalg.norm(u)
            elif graft == "sgd":
                u *= np.linalg.norm(g) / np.linalg.norm(u)
            s["m"] = beta1 * s["m"] + (1 - beta1) * u
            p.data -= torch.tensor(lr * (s["m"] / (1 - beta1 ** (self.t + 1)) + decay * w))
        self.t += 1


def in_float64(grad, coefficients, steps, eps):
    """The library's Newton-Schulz rounds to bfloat16; this one does not."""
    a, b, c = coefficients
    x = grad.T if grad.size(0) > grad.size(1) else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if grad.size(0) > grad.size(1) else x


torch_muon._zeropower_via_newtonschulz = in_float64


def rest(p):
    return [p[n] for n in NAMES if p[n].dim() < 2]


def matrices(p):
    return [p["wi"], p["wo"]]


o = torch.optim
aux = lambda p, lr, decay: o.AdamW(rest(p), lr=lr, betas=(0.9, 0.95), weight_decay=decay)
shampoo = lambda lr, **k: lambda p: [Shampoo(matrices(p), lr, **k), aux(p, lr, k["decay"])]
TORCH = {
    "sgd": lambda p: [o.SGD(p.values(), lr=0.05)],
    "sgd with momentum": lambda p: [o.SGD(p.values(), lr=0.02, momentum=0.9)],
    "sgd with Nesterov momentum": lambda p: [
        o.SGD(p.values(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01)
    ],
    "sgd with dampening": lambda p: [
        o.SGD(p.values(), lr=0.05, momentum=0.8, dampening=0.5, weight_decay=0.1)
    ],
    "adam": lambda p: [o.Adam(p.values(), lr=0.03)],
    "adam with decay": lambda p: [o.Adam(p.values(), lr=0.03, betas=(0.8, 0.99), weight_decay=0.1)],
    "adam with amsgrad": lambda p: [o.Adam(p.values(), lr=0.03, betas=(0.9, 0.9), amsgrad=True)],
    "adamw": lambda p: [o.AdamW(p.values(), lr=0.02, betas=(0.9, 0.95), weight_decay=0.1)],
    "adamw with amsgrad": lambda p: [
        o.AdamW(p.values(), lr=0.05, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.01, amsgrad=True)
    ],
    "torch's adafactor": lambda p: [o.Adafactor(p.values(), lr=0.2, weight_decay=0.01)],
    "torch's muon": lambda p: [
        o.Muon(matrices(p), lr=0.005, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        aux(p, 0.005, 0.1),
    ],
    "shampoo": shampoo(
        0.02, beta1=0, beta2=1, epsilon=1e-4, block=8, every=1, graft="none", decay=0
    ),
    "shampoo with a gradient's length": shampoo(
        0.1, beta1=0.9, beta2=0.95, epsilon=1e-6, block=8, every=5, graft="sgd", decay=0.05
    ),
    "shampoo in blocks": shampoo(
        0.02, beta1=0.9, beta2=0.95, epsilon=1e-6, block=3, every=1, graft="rmsprop", decay=0.1
    ),
}
OPTAX = {
    "lion": optax.lion(0.003, weight_decay=0.1),
    "optax's adafactor": optax.adafactor(0.02, min_dim_size_to_factor=4),
    "optax's adafactor with momentum": optax.adafactor(
        0.01, min_dim_size_to_factor=3, momentum=0.9, multiply_by_parameter_scale=False,
        dtype_momentum=jax.numpy.float64, clipping_threshold=0.8,
    ),
    "optax's muon": optax.contrib.muon(
        0.005, nesterov=False, beta=0.9, eps=1e-30, adam_b1=0.9, adam_b2=0.95,
    ),
}


def torch_schedule(make, steps=160):
    p = torch.nn.Parameter(torch.zeros(1))
    opt = o.SGD([p], lr=1.0)
    s = make(opt)
    rates = []
    for _ in range(steps):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        s.step()
    return rates


AT = [0, 1, 2, 5, 9, 10, 11, 29, 30, 31, 49, 50, 69, 70, 71, 89, 99, 100, 120, 150]
t = torch.optim.lr_scheduler
# OneCycleLR ends with its last step; the rest is what it ended with.
one_cycle = torch_schedule(lambda opt: t.OneCycleLR(opt, 0.5, total_steps=100), 100)
SCHEDULES = {
    "linear": optax.linear_schedule(1.0, 0.1, 100),
    "polynomial": optax.polynomial_schedule(1.0, 0.1, 2.5, 100),
    "exponential": optax.exponential_decay(0.5, 30, 0.4),
    "exponential in stairs": optax.exponential_decay(0.5, 30, 0.4, staircase=True),
    "piecewise": optax.piecewise_constant_schedule(0.8, {30: 0.5, 70: 0.5}),
    "cosine": optax.cosine_decay_schedule(0.6, 100, alpha=0.1),
    "warm-up and cosine": optax.join_schedules(
        [optax.linear_schedule(0.06, 0.6, 9), optax.cosine_decay_schedule(0.6, 90, alpha=0.05)], [10]
    ),
    "warm-up, stable, decay": optax.join_schedules(
        [
            optax.linear_schedule(0.06, 0.6, 9),
            optax.constant_schedule(0.6),
            optax.linear_schedule(0.6, 0.006, 30),
        ],
        [10, 70],
    ),
    "MultiStepLR": torch_schedule(lambda opt: t.MultiStepLR(opt, [30, 70], 0.1)),
    "OneCycleLR": one_cycle + [one_cycle[-1]] * 60,
    "CosineAnnealingWarmRestarts": torch_schedule(
        lambda opt: t.CosineAnnealingWarmRestarts(opt, 30, eta_min=0.1)
    ),
    "CosineAnnealingWarmRestarts, twice as long": torch_schedule(
        lambda opt: t.CosineAnnealingWarmRestarts(opt, 10, T_mult=2)
    ),
}


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.13g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


def write(name, value):
    versions = {"torch": torch.__version__, "optax": optax.__version__, "jax": jax.__version__}
    text = json.dumps({**versions, **value}, indent=1)
    HERE.joinpath(name).write_text(re.sub(r",\s+(?=-?\d)", ", ", text) + "\n")


if __name__ == "__main__":
    runs = {k: with_torch(v) for k, v in TORCH.items()}
    runs.update({k: with_optax(v) for k, v in OPTAX.items()})
    write("optimizers.json", {"runs": rounded(runs)})
    rates = {k: [float(s[i] if isinstance(s, list) else s(i)) for i in AT] for k, s in SCHEDULES.items()}
    write("schedules.json", {"at": AT, "rates": rounded(rates)})
