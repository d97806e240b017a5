"""Records draws of jax.random: test/recorded/random.json.

    python test/recorded/record_random.py

Floats of 32 bits are written as the shortest decimals that give them back. `biome check --write` then
lays the file out.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

HERE = pathlib.Path(__file__).parent


def plain(array):
    array = np.asarray(array)
    if array.dtype == bool:
        return array.astype(int).ravel().tolist()
    if array.dtype == np.float32:
        return [float(str(x)) for x in array.ravel()]
    return array.astype(float).ravel().tolist() if array.dtype.itemsize == 2 else array.ravel().tolist()


def draws():
    key = random.PRNGKey(42)
    probabilities = jnp.array([0.1, 0.2, 0.3, 0.4])
    logits = jnp.log(jnp.arange(1, 13, dtype=jnp.float32)).reshape(3, 4)
    return {
        "fold 7": random.fold_in(key, 7),
        "split 3": random.split(key, 3),
        "normal of split keys": jax.vmap(lambda k: random.normal(k, (2,)))(random.split(key, 3)),
        "bits [2, 3]": random.bits(key, (2, 3)),
        "uniform [8]": random.uniform(key, (8,)),
        "uniform -1 3 [2, 4]": random.uniform(key, (2, 4), minval=-1, maxval=3),
        "uniform 0.1 0.7 [8]": random.uniform(key, (8,), minval=0.1, maxval=0.7),
        "uniform float16 [8]": random.uniform(key, (8,), jnp.float16),
        "uniform bfloat16 [8]": random.uniform(key, (8,), jnp.bfloat16),
        "normal [2, 8]": random.normal(key, (2, 8)),
        "truncatedNormal -2 2 [8]": random.truncated_normal(key, -2, 2, (8,)),
        "truncatedNormal 0.5 inf [8]": random.truncated_normal(key, 0.5, jnp.inf, (8,)),
        "logNormal 0.5 [8]": random.lognormal(key, 0.5, (8,)),
        "exponential [8]": random.exponential(key, (8,)),
        "pareto 3 [8]": random.pareto(key, 3.0, (8,)),
        "rayleigh 2 [8]": random.rayleigh(key, 2.0, (8,)),
        "cauchy [8]": random.cauchy(key, (8,)),
        "gumbel [8]": random.gumbel(key, (8,)),
        "gumbel high [8]": random.gumbel(key, (8,), mode="high"),
        "laplace [8]": random.laplace(key, (8,)),
        "logistic [8]": random.logistic(key, (8,)),
        "gamma 0.4 [8]": random.gamma(key, 0.4, (8,)),
        "gamma of four [2, 4]": random.gamma(key, jnp.array([0.1, 1.0, 3.0, 50.0]), (2, 4)),
        "logGamma 0.01 [8]": random.loggamma(key, 0.01, (8,)),
        "beta 0.5 2 [8]": random.beta(key, 0.5, 2.0, (8,)),
        "dirichlet of four [2]": random.dirichlet(key, jnp.array([0.1, 1.0, 3.0, 5.0]), (2,)),
        "chiSquare 3 [8]": random.chisquare(key, 3.0, (8,)),
        "studentT 5 [8]": random.t(key, 5.0, (8,)),
        "bernoulli 0.3 [16]": random.bernoulli(key, 0.3, (16,)),
        "bernoulli of four [3, 4]": random.bernoulli(key, probabilities, (3, 4)),
        "rademacher [16]": random.rademacher(key, (16,)),
        "randint -5 17 [16]": random.randint(key, (16,), -5, 17),
        "randint 0 2000000011 [8]": random.randint(key, (8,), 0, 2000000011),
        "randint int32 [8]": random.randint(key, (8,), -(2**31), 2**31 - 1),
        "categorical": random.categorical(key, logits),
        "categorical along 0": random.categorical(key, logits, axis=0),
        "categorical, 5 draws": random.categorical(key, logits, shape=(5, 3)),
        "categorical, 2 without replacement": random.categorical(
            key, logits, shape=(2, 3), replace=False
        ),
        "permutation 1": random.permutation(key, 1),
        "permutation 20": random.permutation(key, 20),
        "permutation 2000, every 100th": random.permutation(key, 2000)[::100],
        "choice of 10 [2, 4]": random.choice(key, 10, (2, 4)),
        "choice of 10 [4] without replacement": random.choice(key, 10, (4,), replace=False),
        "choice of 4 [8] by p": random.choice(key, 4, (8,), p=probabilities),
        "choice of 4 [3] by p without replacement": random.choice(
            key, 4, (3,), replace=False, p=probabilities
        ),
    }


def main():
    assert jax.config.jax_threefry_partitionable
    record = {"jax": jax.__version__, "seed": 42}
    record["draws"] = {name: plain(values) for name, values in draws().items()}
    with jax.enable_x64(True):
        u = random.uniform(random.PRNGKey(42), (8,), jnp.float64)
        record["draws"]["uniform float64 [8]"] = plain(u)
    (HERE / "random.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
