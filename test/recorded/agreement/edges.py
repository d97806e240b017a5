"""Edges of domains, asked of JAX. The counterpart, test/agreement/edges.ts, says where we differ on purpose."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .cases import Case, floats, ints, real, truths

CASES = []
NAN, INF = np.nan, np.inf


def case(name, function, *inputs, gradients=False):
    CASES.append(Case(name, "jax", function, inputs, gradients))


# NaN.
WITH_NAN = floats([[1, NAN, 3], [NAN, NAN, 0], [2, 1, 0]])
case("NaN: reductions", lambda x: (x.max(1), x.min(1), x.sum(1), x.prod(1), jnp.var(x, 1)), WITH_NAN)
case("NaN: places", lambda x: (x.argmax(1), x.argmin(1)), WITH_NAN)
case("NaN: larger, smaller, clipped", lambda x, y: (jnp.maximum(x, y), jnp.minimum(x, y), jnp.clip(x, -1, 1)), floats(NAN, 1, NAN), floats(0, NAN, NAN))
case("NaN: sorted", lambda x: (jnp.sort(x), jnp.argsort(x)), floats(3, NAN, -INF, 1, NAN, INF))
case("NaN: sorted, falling", lambda x: (jnp.sort(x, descending=True), jnp.argsort(x, descending=True)), floats(3, NAN, -INF, 1, NAN, INF))
case("NaN: top k", lambda x: lax.top_k(x, 3), floats(3, NAN, -INF, 1, NAN, INF))
case("NaN: searched", lambda s, v: jnp.searchsorted(s, v), floats(0, 1, NAN, NAN), floats(NAN, 5, 1))
case("NaN: searched from the right", lambda s, v: jnp.searchsorted(s, v, side="right"), floats(0, 1, NAN, NAN), floats(NAN, 5, 1))
case("NaN: running", lambda x: tuple(f(x, 0) for f in (lax.cumsum, lax.cumprod, lax.cummax, lax.cummin, lax.cumlogsumexp)), floats(1, NAN, 2))
case("NaN: softmax", lambda x: (jax.nn.softmax(x, 1), jax.nn.logsumexp(x, 1)), WITH_NAN)
case("NaN: windows", lambda x: (lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), "VALID"), lax.reduce_window(x, 0.0, lax.add, (2,), (1,), "VALID")), floats(1, NAN, 2, 3))
case("NaN: compared", lambda x, y: (x == y, x != y, x < y, x >= y), floats(NAN, 1, NAN), floats(NAN, NAN, 0))
case("NaN: powers", lambda x, y: jnp.power(x, y), floats(NAN, 1, NAN, 2), floats(0, NAN, 1, NAN))
case("NaN: truth", lambda x: (jnp.any(x != 0, 0), jnp.all(x != 0, 0)), np.array([[NAN, 0], [NAN, 0]]))
case("NaN: outside the domain", lambda x: (jnp.log(x), jnp.sqrt(x), jnp.arcsin(x), jnp.arccosh(x), jnp.log1p(x), lax.erf_inv(x)), floats(-2))
case("NaN: written as the largest", lambda x, i, u: (x.at[i].max(u), x.at[i].min(u)), floats(1, NAN, 3), ints(0, 1, 2), floats(NAN, 0, 5))
case("NaN: largest of segments", lambda x, of: (jax.ops.segment_max(x, of, 2), jax.ops.segment_min(x, of, 2)), floats(1, NAN, 2), ints(0, 0, 1))
case("NaN: sums of segments", lambda x, of: jax.ops.segment_sum(x, of, 2), floats(1, NAN, 2), ints(0, 0, 1))
case("NaN: convolved", lambda x, k: jnp.convolve(x, k[::-1], "valid"), floats(1, NAN, 2, 3, 4), floats(0, 1))
case("NaN: not positive definite", jnp.linalg.cholesky, np.array([[1.0, 2], [2, 1]]))

# Infinities.
case("infinity: arithmetic", lambda x, y: (x + y, x - y, x * y, x / y), floats(INF, INF, -INF, 0, 1), floats(INF, -INF, 0, INF, 0))
case("infinity: log-sums", lambda x: (jax.nn.logsumexp(x, 1), lax.cumlogsumexp(x, 1)), np.array([[-INF, -INF], [INF, 0], [INF, -INF], [-INF, 1]]))
case("infinity: sum of logarithms", jnp.logaddexp, floats(INF, -INF, INF, 0), floats(INF, -INF, -INF, -INF))
case("infinity: softmax", lambda x: jax.nn.softmax(x, 1), np.array([[-INF, 0, 0], [INF, 0, 0], [-INF, -INF, -INF]]))
case("infinity: functions", lambda x: (jnp.exp(x), jnp.expm1(x), jnp.tanh(x), jax.scipy.special.erf(x), jnp.arctan(x), jax.nn.sigmoid(x), jax.nn.softplus(x)), floats(INF, -INF))
case("infinity: at the ends of domains", lambda x: (lax.erf_inv(x), jnp.arctanh(x), jnp.log1p(x), jnp.log(x - x)), floats(1, -1))
case("infinity: angles", jnp.arctan2, floats(INF, INF, -INF, -INF, 1, 1, INF), floats(INF, -INF, INF, -INF, INF, -INF, 1))
case("infinity: remainders", lambda x, y: (lax.rem(x, y), jnp.remainder(x, y)), floats(INF, 3, -1, 5), floats(2, INF, INF, 0))
case("infinity: powers", jnp.power, floats(0, -1, 2, 0.5, INF, -INF, 0), floats(-1, INF, INF, INF, -1, 3, 0))
case("infinity: largest in windows", lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), ((1, 1),)), floats(-INF, -INF, 3))
case("infinity: activations", lambda x: (jax.nn.gelu(x, approximate=False), jax.nn.silu(x), jax.nn.elu(x), jax.nn.relu(x), jax.nn.leaky_relu(x)), floats(INF))
case("infinity: overflow", lambda x: (jnp.exp(x), jnp.exp(-x), jnp.cosh(x)), floats(1000))

# Signs of zero.
case("zero: sign kept", lambda x: (x + x, -x, x * 2, jnp.floor(x), jnp.round(x), jnp.trunc(x), jnp.sqrt(x), jnp.sin(x), jnp.tan(x), jnp.arctan(x)), floats(-0.0, 0.0))
case("zero: of roundings", lambda x: (jnp.round(x), jnp.ceil(x)), floats(-0.4, 0.4))
case("zero: of angles", jnp.arctan2, floats(0.0, -0.0, 0.0, -0.0), floats(0.0, 0.0, -0.0, -0.0))
case("zero: of quotients", lambda x: 1 / x, floats(0.0, -0.0))
case("zero: equal to itself", lambda x, y: (x == y, x < y), floats(-0.0), floats(0.0))
case("zero: places", lambda x: (x.argmax(), x.argmin()), floats(-0.0, 0.0, -0.0))
case("zero: sorted places", lambda x: (jnp.argsort(x), jnp.argsort(x, descending=True)), floats(0.0, -0.0, 0.0, -1))
case("zero: searched", lambda s, v: (jnp.searchsorted(s, v), jnp.searchsorted(s, v, side="right")), floats(-0.0, 0.0, 1), floats(0.0, -0.0))
case("zero: remainders", lambda x, y: lax.rem(x, y), floats(-4, 4), floats(2, -2))

# Gradients at kinks and ties.
case("kink: larger of equals", lambda x, y: (jnp.maximum(x, y), jnp.minimum(x, y)), floats(1, 2), floats(1, 2), gradients=True)
case("kink: relu", jax.nn.relu, floats(0.0, -1, 1), gradients=True)
case("kink: leaky relu", lambda x: jax.nn.leaky_relu(x, 0.1), floats(0.0), gradients=True)
case("kink: elu", jax.nn.elu, floats(0.0), gradients=True)
case("kink: size", jnp.abs, floats(0.0, -1), gradients=True)
case("kink: clipped at the bounds", lambda x: jnp.clip(x, -1, 1), floats(-1, 1, 0, 2), gradients=True)
case("kink: hard tanh at the bounds", jax.nn.hard_tanh, floats(-1, 1, 0), gradients=True)
case("kink: largest of equals", lambda x: x.max(), floats(3, 1, 3), gradients=True)
case("kink: largest of equal infinities", lambda x: x.max(), floats(-INF, -INF), gradients=True)
case("kink: sorted equals", jnp.sort, floats(2, 1, 2, 1), gradients=True)
case("kink: top of equals", lambda x: lax.top_k(x, 1)[0], floats(1, 2, 2), gradients=True)
case("kink: running largest of equals", lambda x: lax.cummax(x, 0), floats(1, 1, 2, 2), gradients=True)
case("kink: largest of equals in a window", lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), "VALID"), floats(1, 1, 1), gradients=True)
case("kink: product of zeros", lambda x: x.prod(1), np.array([[0.0, 2, 3], [0, 0, 3]]), gradients=True)
case("kink: running product of zeros", lambda x: lax.cumprod(x, 0), floats(2, 0, 3, 0, 1), gradients=True)
case("kink: sum of equal logarithms", jnp.logaddexp, floats(1, -INF), floats(1, 2), gradients=True)
case("kink: root at 0", jnp.sqrt, floats(0.0), gradients=True)
case("kink: whole powers at 0", lambda x: (x**2, x**1, x**0), floats(0.0), gradients=True)
case("kink: powers of 0", jnp.power, floats(0.0, 0.0), floats(2.0, 1.0), gradients=True)
case("kink: deviation of equals", lambda x: jnp.std(x), floats(2, 2), gradients=True)
case("kink: log-sum of nothing likely", lambda x: jax.nn.logsumexp(x), floats(-INF, 0), gradients=True)
case("kink: choice beside NaN", lambda x: jnp.where(x > 0, x, 0.0), floats(NAN, 1), gradients=True)
case("kink: determinant of a singular matrix", jnp.linalg.det, np.array([[1.0, 2], [2, 4]]), gradients=True)

# Axes of size 0.
E = np.zeros((2, 0))
case("empty: reductions", lambda x: (x.sum(1), x.prod(1), jnp.any(x != 0, 1), jnp.all(x != 0, 1)), E, gradients=False)
case("empty: means", lambda x: (x.mean(1), jnp.var(x, 1)), E)
case("empty: the other axis", lambda x: (x.sum(0), x.max(0), x.argmax(0)), E)
case("empty: deviation of too few", lambda x: jnp.var(x, 1, ddof=2), np.array([[1.0, 2], [3, 5]]))
case("empty: product of matrices", lambda x, y: x @ y, E, np.zeros((0, 3)), gradients=True)
case("empty: product with no rows", lambda x, y: x @ y, np.zeros((0, 2)), real(2, 3), gradients=True)
case("empty: order", lambda x: (jnp.sort(x), jnp.argsort(x)), E)
case("empty: running", lambda x: (lax.cumsum(x, 1), lax.cumprod(x, 1), lax.cummax(x, 1)), E)
case("empty: searched", lambda s, v: jnp.searchsorted(s, v), np.zeros(0), floats(1, 2))
case("empty: search for nothing", lambda s, v: jnp.searchsorted(s, v), floats(1, 2), np.zeros(0))
case("empty: joined", lambda x, y: jnp.concatenate([x, y], 1), E, real(2, 2), gradients=True)
case("empty: rows taken", lambda x, i: x[i], real(3, 2), np.zeros(0, np.int32), gradients=True)
case("empty: rows added", lambda x, i, u: x.at[i].add(u), real(3, 2), np.zeros(0, np.int32), np.zeros((0, 2)), gradients=True)
case("empty: segments", lambda x, of: jax.ops.segment_sum(x, of, 2), np.zeros((0, 2)), np.zeros(0, np.int32), gradients=True)
case("empty: segments without rows", lambda x, of: (jax.ops.segment_max(x, of, 3), jax.ops.segment_min(x, of, 3)), floats(1, 2), ints(1, 1))
case("empty: softmax", lambda x: jax.nn.softmax(x, 0), np.zeros((2, 0)))
case("empty: examples convolved", lambda x, k: lax.conv(x, k, (1,), "VALID"), np.zeros((0, 2, 4)), real(1, 2, 2))
case("empty: grouped product", lax.ragged_dot, np.zeros((0, 2)), real(2, 2, 2), ints(0, 0))
case("empty: solve", jnp.linalg.solve, np.array([[2.0, 0], [1, 3]]), np.zeros((2, 0)))
case("empty: padded", lambda x: jnp.pad(x, ((0, 0), (1, 2)), constant_values=7.0), E)
case("empty: log-sum", lambda x: jax.nn.logsumexp(x, 1), E)

# Axes of size 1.
ONE = real(1)
case("one: reductions", lambda x: (x.sum(0), x.prod(0), x.max(0), x.mean(0), jnp.var(x, 0), jax.nn.logsumexp(x, 0)), ONE, gradients=True)
case("one: order and running", lambda x: (jnp.sort(x), lax.cumsum(x, 0), lax.cumprod(x, 0), lax.cummax(x, 0), lax.top_k(x, 1)[0]), ONE, gradients=True)
case("one: variance of a sample", lambda x: jnp.var(x, ddof=1), ONE)
case("one: softmax", lambda x: (jax.nn.softmax(x, 0), jax.nn.log_softmax(x, 0)), ONE, gradients=True)
case("one: transform", lambda x: (jnp.fft.fft(x).real, jnp.fft.rfft(x).imag), ONE, gradients=True)
case("one: scalars", lambda x: (x.sum(), jnp.exp(x), x * x, jnp.max(x)), real(), gradients=True)
case("one: stretched", lambda x, y: x + y, real(1, 3), real(2, 1), gradients=True)

# Places out of range, and other promises.
case("place: set past the end", lambda x, i, u: x.at[i].set(u), floats(1, 2, 3), ints(5), floats(9))
case("place: added before the start", lambda x, i, u: x.at[i].add(u, mode="drop", wrap_negative_indices=False), floats(1, 2, 3), ints(-5), floats(9))
case("bounds: crossed", lambda x: jnp.clip(x, 2, 1), floats(0, 1.5, 3))
case("integers: quotient by 0", lambda x, y: (lax.div(x, y), lax.rem(x, y)), ints(7, -7, 0), ints(0, 0, 0))
case("integers: least number", lambda x: (abs(x), -x, lax.div(x, x * 0 - 1), jnp.sort(x)), ints(-(2**31), 3))
case("integers: largest of bits", lambda x: (x.max(), x.min(), x.argmax(), jnp.sort(x)), ints(1, -1, 2**31 - 1).astype("uint32"))
case("truth: as numbers", lambda t: t.astype(jnp.float64), truths(1, 0))
case("linear algebra: singular", lambda a: (jnp.linalg.slogdet(a)[0], jnp.linalg.slogdet(a)[1], jnp.linalg.det(a)), np.array([[0.0, 0], [0, 0]]))
case("linear algebra: without rows", lambda a: (jnp.linalg.slogdet(a)[0], jnp.linalg.slogdet(a)[1]), np.zeros((0, 0)))
