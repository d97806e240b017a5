"""Records what PyTorch and JAX compute, values and gradients in float64: test/recorded/agreement.json.

    python test/recorded/record_agreement.py && npx biome check --write test/recorded/agreement.json

A case is one line here (agreement/with_torch.py, with_layers.py, with_jax.py, edges.py) and one line of the same name in
test/agreement/. test/agreement.test.ts checks that neither side has a name that the other lacks.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers

jax.config.update("jax_enable_x64", True)

from agreement import edges, with_jax, with_layers, with_torch  # noqa: E402
from agreement.cases import cotangent, drawn  # noqa: E402

HERE = pathlib.Path(__file__).parent
DIGITS = 12


def number(x):
    x = float(x)
    if np.isnan(x):
        return "NaN"
    if np.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    if x == 0:
        return -0.0 if np.signbit(x) else 0
    rounded = float(f"{x:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def plain(x):
    x = np.asarray(x)
    kind = {"f": "float32", "i": "int32", "u": "uint32", "b": "bool"}[x.dtype.kind]
    return {"dtype": kind, "dims": list(x.shape), "data": [number(v) for v in x.ravel()]}


def listed(y):
    return list(y) if isinstance(y, (tuple, list)) else [y]


def asked_of_torch(case, inputs):
    leaves = [torch.tensor(x, requires_grad=case.gradients and x.dtype.kind == "f") for x in inputs]
    # Indices of PyTorch have 64 bits; the cases convert where they must not.
    leaves = [x.long() if x.dtype == torch.int32 else x for x in leaves]
    results = listed(case.function(*leaves))
    values = [y.detach().numpy() for y in results]
    if not case.gradients:
        return values, None
    real = [(i, y) for i, y in enumerate(results) if y.is_floating_point()]
    # A result that is a constant has no gradient function, and moves nothing.
    total = sum(
        (torch.from_numpy(cotangent(tuple(y.shape), i)) * torch.where(torch.isinf(y), 0, y)).sum()
        for i, y in real
    )
    moving = [x for x in leaves if x.requires_grad]
    gradients = torch.autograd.grad(total, moving, allow_unused=True)
    return values, [
        np.zeros(tuple(x.shape)) if g is None else g.numpy() for x, g in zip(moving, gradients)
    ]


def asked_of_jax(case, inputs):
    leaves = [jnp.asarray(x) for x in inputs]
    moving = [i for i, x in enumerate(leaves) if x.dtype == jnp.float64]

    def function(*moved):
        full = list(leaves)
        for i, x in zip(moving, moved):
            full[i] = x
        return listed(case.function(*full))

    results = function(*(leaves[i] for i in moving))
    if not case.gradients:
        return results, None
    real = [i for i, y in enumerate(results) if y.dtype == jnp.float64]
    _, pullback = jax.vjp(
        lambda *moved: [function(*moved)[i] for i in real], *(leaves[i] for i in moving)
    )
    return results, list(pullback([jnp.asarray(cotangent(results[i].shape, i)) for i in real]))


ASK = {"torch": asked_of_torch, "jax": asked_of_jax}


def record(case):
    inputs = drawn(case)
    try:
        values, gradients = ASK[case.peer](case, inputs)
    except Exception as error:
        raise RuntimeError(f"case {case.name!r} of {case.peer}") from error
    return {
        "name": case.name,
        "peer": case.peer,
        "inputs": [plain(x) for x in inputs],
        "values": [plain(y) for y in values],
        **({} if gradients is None else {"gradients": [plain(g) for g in gradients]}),
    }


def main():
    cases = [*with_torch.CASES, *with_layers.CASES, *with_jax.CASES, *edges.CASES]
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"named twice: {twice}"
    versions = {
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "jax": jax.__version__,
    }
    text = json.dumps({"versions": versions, "cases": [record(case) for case in cases]})
    (HERE / "agreement.json").write_text(text)
    print(f"{len(cases)} cases, {len(text)} characters")


if __name__ == "__main__":
    main()
