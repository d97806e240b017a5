"""What a case is: a name, a function of a peer, and inputs. Gradients come by themselves.

Inputs are arrays, or one of the draws below, which take the seed of the case's name: adding a case
changes no other. Numbers have few decimals, so that the record stays small.
"""

import zlib
from dataclasses import dataclass
from typing import Callable

import numpy as np


@dataclass(frozen=True)
class Case:
    name: str
    peer: str
    function: Callable
    inputs: tuple
    gradients: bool


def real(*dims, scale=2.0):
    """Uniform in ±scale."""
    return lambda rng: np.round(rng.uniform(-scale, scale, dims), 3)


def between(low, high, *dims):
    return lambda rng: np.round(rng.uniform(low, high, dims), 3)


def positive_definite(*dims):
    """Symmetric, with eigenvalues well above 0."""

    def draw(rng):
        a = np.round(rng.uniform(-1, 1, dims), 1)
        return np.round(a @ np.swapaxes(a, -1, -2) + 2 * np.eye(dims[-1]), 3)

    return draw


def well_conditioned(*dims):
    """Any signs, but a diagonal that dominates."""
    return lambda rng: np.round(rng.uniform(-1, 1, dims) + 3 * np.eye(dims[-1]), 3)


def floats(*values):
    """Exactly these; lists nest as NumPy's do."""
    return np.array(values[0] if len(values) == 1 else values, np.float64)


def ints(*values):
    return np.array(values[0] if len(values) == 1 else values, np.int32)


def truths(*values):
    return np.array(values[0] if len(values) == 1 else values, bool)


def cotangent(dims, output):
    """The weights that a result's gradient is taken with: the same sequence as in agreement/replay.ts."""
    state = 7 + output
    weights = []
    for _ in range(int(np.prod(dims))):
        state = (75 * state + 74) % 65537
        weights.append(state / 32768 - 1)
    return np.array(weights, np.float64).reshape(dims)


def drawn(case):
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    return [x(rng) if callable(x) else x for x in case.inputs]
