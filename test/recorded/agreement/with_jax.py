"""Cases asked of JAX. The counterpart is test/agreement/with-jax.ts."""

import jax
import jax.numpy as jnp
from jax import lax

from .cases import Case, between, floats, ints, real, truths

CASES = []


def case(name, function, *inputs, gradients=True):
    CASES.append(Case(name, "jax", function, inputs, gradients))


# Windows: sizes, strides, padding, dilation.
def window(start, step, size, stride=None, padding=None, dilation=None):
    ones = (1,) * len(size)
    padding = padding or ((0, 0),) * len(size)
    return lambda x: lax.reduce_window(x, start, step, size, stride or ones, padding, window_dilation=dilation)


for name, start, step in (("sum", 0.0, lax.add), ("largest", -jnp.inf, lax.max), ("smallest", jnp.inf, lax.min)):
    case(f"window: {name}, 1-D", window(start, step, (3,)), real(7))
    # JAX has no gradient of extremes in dilated windows.
    linear = name == "sum"
    case(f"window: {name}, dilation 2", window(start, step, (3,), None, None, (2,)), real(8), gradients=linear)
    case(f"window: {name}, 2-D, all unequal", window(start, step, (2, 3), (2, 1), ((1, 0), (2, 1)), (2, 1)), real(4, 4), gradients=linear)
    case(f"window: {name}, of an inner axis", window(start, step, (1, 2, 1), (1, 2, 1)), real(2, 4, 2))
case("window: sum, 4-D", window(0.0, lax.add, (2, 2, 2, 2)), real(2, 3, 2, 2))


# Convolution with channels last, and padding by rule.
def channels_last(stride=(1, 1), padding="VALID", dilation=(1, 1), groups=1):
    return lambda x, k: lax.conv_general_dilated(
        x, k, stride, padding, rhs_dilation=dilation, dimension_numbers=("NHWC", "OIHW", "NHWC"), feature_group_count=groups
    )


case("channels last: conv", channels_last(), real(1, 3, 4, 2), real(2, 2, 2, 2))
case("channels last: conv, same, stride 2", channels_last((2, 2), "SAME"), real(1, 4, 5, 2), real(2, 2, 3, 3))
case("channels last: conv, groups, dilation", channels_last((1, 1), ((1, 0), (0, 2)), (2, 1), 2), real(1, 4, 3, 2), real(2, 1, 2, 2))
case("channels last: conv, negative padding", channels_last((1, 1), ((-1, 0), (1, -1))), real(1, 4, 3, 1), real(1, 1, 2, 2))

for to in (2, 3, 4, 7, 12):
    for method in ("nearest", "linear"):
        case(f"resize: 4 to {to}, {method}", lambda x, to=to, m=method: jax.image.resize(x, (2, to), m, antialias=False), real(2, 4))

# Grouped matrix products.
case("grouped product: three groups", lax.ragged_dot, real(5, 2), real(3, 2, 3), ints(2, 1, 2))
case("grouped product: an empty group", lax.ragged_dot, real(4, 2), real(3, 2, 2), ints(3, 0, 1))
case("grouped product: rows past the last group", lax.ragged_dot, real(5, 2), real(2, 2, 2), ints(1, 2))
case("grouped product: all in one", lax.ragged_dot, real(3, 2), real(2, 2, 2), ints(0, 3))


# Loops and branches.
def rnn(w, u, h, xs):
    def step(h, x):
        h = jnp.tanh(h @ w + x @ u)
        return h, h * 2

    return lax.scan(step, h, xs)


case("loop: recurrent net", rnn, real(2, 2, scale=1), real(3, 2, scale=1), real(2), real(4, 3))
case("loop: backwards", lambda c, xs: lax.scan(lambda c, x: (c * x + 1, c - x), c, xs, reverse=True), real(2), real(3, 2))
case("loop: no steps", lambda c, xs: lax.scan(lambda c, x: (c * x, c), c, xs), real(), real(0))
case("loop: length alone", lambda c: lax.scan(lambda c, _: (jnp.sin(c), c), c, None, 4), real(2))
case("loop: two carries, two sequences", lambda a, b, x, y: jax.tree.leaves(lax.scan(lambda c, e: ((c[1] * e[0], c[0] + e[1]), c[0]), (a, b), (x, y))), real(), real(), real(3), real(3))
case("loop: in a loop", lambda c, xs: lax.scan(lambda c, row: lax.scan(lambda d, x: (jnp.cos(d) * x, d), c, row), c, xs), real(), real(2, 3))
case("loop: counted", lambda x: lax.fori_loop(0, 4, lambda i, c: c * x + i, x), real(2))
case("loop: hessian times a direction", lambda w, v, xs: jax.jvp(jax.grad(lambda w: rnn(w, jnp.eye(2), jnp.ones(2), xs)[1].sum()), (w,), (v,))[1], real(2, 2, scale=1), real(2, 2, scale=1), real(3, 2))
case("loop: while, value", lambda x: lax.while_loop(lambda c: c[0] < 20, lambda c: (c[0] * c[1], c[1] + 0.1), (x, x)), floats(1.5)[()], gradients=False)
case("loop: while, forward derivative", lambda x: jax.jvp(lambda x: lax.while_loop(lambda c: c < 20, lambda c: c * x + 1, x), (x,), (jnp.ones(()),)), floats(1.5)[()], gradients=False)
case("loop: while, no step", lambda x: lax.while_loop(lambda c: c < -9, lambda c: c + 1, x), real(), gradients=False)
case("branch: taken", lambda x, y: lax.cond(x.sum() > 0, lambda x, y: x * y, lambda x, y: x - y, x, y), between(0.1, 1, 3), real(3))
case("branch: not taken", lambda x, y: lax.cond(x.sum() < 0, lambda x, y: x * y, lambda x, y: x - y, x, y), between(0.1, 1, 3), real(3))
for index in (-2, 0, 1, 2, 7):
    case(f"branch: {index} of three", lambda i, x: lax.switch(i, [jnp.sin, lambda x: x * x, lambda x: 3 * x], x), ints([index])[0], real(3))
case("branch: in a loop", lambda c, xs: lax.scan(lambda c, x: (lax.cond(x > 0, lambda c: c * x, lambda c: c + x, c), c), c, xs), real(), floats(1.5, -0.5, 0.7, -2))

# Derivatives of derivatives, and by axes.
CUBIC = lambda x: jnp.sum(x**3 * jnp.flip(x)) + jnp.prod(jnp.sin(x))  # noqa: E731
case("derivative: hessian", jax.hessian(CUBIC), real(3))
case("derivative: jacobian forward", jax.jacfwd(lambda x: jnp.outer(x, jnp.sin(x))), real(2))
case("derivative: jacobian backward", jax.jacrev(lambda x: jnp.outer(x, jnp.sin(x))), real(2))
case("derivative: along a direction", lambda x, v: jax.jvp(lambda x: jnp.exp(-x) * x, (x,), (v,)), real(3), real(3))
case("derivative: third", jax.grad(jax.grad(jax.grad(lambda x: jnp.tanh(x) * x))), between(-1, 1))
case("derivative: of each example", lambda w, xs: jax.vmap(jax.grad(lambda w, x: jnp.sum(jnp.tanh(w @ x))), (None, 0))(w, xs), real(2, 2), real(3, 2))
case("derivative: of the gradient of softmax", jax.grad(lambda x: jnp.sum(jax.grad(lambda x: jax.nn.softmax(x)[0])(x) ** 2)), real(3))
case("derivative: of a solution", jax.grad(lambda a: jnp.sum(jax.grad(lambda a: jnp.sum(jnp.linalg.solve(a, jnp.ones(2)) ** 2))(a) ** 2)), floats([[3, 1], [0.5, 2]]))
case("derivative: computed again", jax.checkpoint(lambda x: jnp.sin(jnp.exp(x)) * x), real(3))


# Fourier transforms; complex numbers are pairs of reals here.
def pair(z):
    return z.real, z.imag


for n in (1, 2, 3, 5, 8, 12, 17, 30):
    half = n // 2 + 1
    case(f"fourier: forward, {n}", lambda a, b: pair(jnp.fft.fft(a + 1j * b)), real(n), real(n))
    case(f"fourier: inverse, {n}", lambda a, b: pair(jnp.fft.ifft(a + 1j * b)), real(n), real(n))
    case(f"fourier: of reals, {n}", lambda x: pair(jnp.fft.rfft(x)), real(n))
    case(f"fourier: to reals, {n}", lambda a, b, n=n: jnp.fft.irfft(a + 1j * b, n), real(half), real(half))
for norm in ("ortho", "forward"):
    case(f"fourier: forward, {norm}", lambda a, b, m=norm: pair(jnp.fft.fft(a + 1j * b, norm=m)), real(6), real(6))
    case(f"fourier: inverse, {norm}", lambda a, b, m=norm: pair(jnp.fft.ifft(a + 1j * b, norm=m)), real(6), real(6))
    case(f"fourier: of reals, {norm}", lambda x, m=norm: pair(jnp.fft.rfft(x, norm=m)), real(7))
    case(f"fourier: to reals, {norm}", lambda a, b, m=norm: jnp.fft.irfft(a + 1j * b, norm=m), real(4), real(4))
case("fourier: along the first axis", lambda a, b: pair(jnp.fft.fft(a + 1j * b, axis=0)), real(3, 2), real(3, 2))
case("fourier: 2-D", lambda a, b: pair(jnp.fft.fft2(a + 1j * b)), real(3, 4), real(3, 4))
case("fourier: 2-D, inverse", lambda a, b: pair(jnp.fft.ifft2(a + 1j * b)), real(2, 5), real(2, 5))
case("fourier: 2-D, of reals", lambda x: pair(jnp.fft.rfftn(x)), real(3, 4))
case("fourier: 2-D, to reals", lambda a, b: jnp.fft.irfftn(a + 1j * b), real(3, 3), real(3, 3))
case("fourier: frequencies", lambda: (jnp.fft.fftfreq(5, 0.5), jnp.fft.rfftfreq(6)), gradients=False)
case("fourier: middle", lambda x: (jnp.fft.fftshift(x), jnp.fft.ifftshift(x)), real(3, 4))

# Segments.
ROWS, SEGMENTS = real(5, 2), ints(2, 0, 2, 3, 0)
case("segments: sum", lambda x, of: jax.ops.segment_sum(x, of, 4), ROWS, SEGMENTS)
case("segments: mean", lambda x, of: jax.ops.segment_sum(x, of, 4) / jnp.maximum(jax.ops.segment_sum(jnp.ones(5), of, 4), 1)[:, None], ROWS, SEGMENTS)
case("segments: largest", lambda x, of: jax.ops.segment_max(x, of, 4), ROWS, SEGMENTS, gradients=False)
case("segments: smallest", lambda x, of: jax.ops.segment_min(x, of, 4), ROWS, SEGMENTS, gradients=False)
case("segments: largest of integers", lambda x, of: jax.ops.segment_max(x, of, 3), ints(5, -7, 2), ints(0, 0, 2), gradients=False)

# Writing and reading at places known at run time.
case("place: slice", lambda x, i: lax.dynamic_slice(x, (i, i * 0), (2, 3)), real(4, 3), ints([1])[0])
case("place: slice past the end", lambda x, i: lax.dynamic_slice(x, (i,), (2,)), real(4), ints([9])[0])
case("place: slice before the start", lambda x, i: lax.dynamic_slice(x, (i - 9,), (2,)), real(4), ints([2])[0])
case("place: update", lambda x, u, i: lax.dynamic_update_slice(x, u, (i, i)), real(3, 3), real(2, 2), ints([1])[0])
case("place: update past the end", lambda x, u, i: lax.dynamic_update_slice(x, u, (i,)), real(4), real(2), ints([7])[0])
case("place: set rows", lambda x, i, u: x.at[i].set(u), real(4, 2), ints(2, 0), real(2, 2))
case("place: set in each row", lambda x, i, u: x.at[jnp.arange(2)[:, None], i].set(u), real(2, 3), ints([[2, 0], [1, 2]]), real(2, 2))
case("place: add to rows, twice", lambda x, i, u: x.at[i].add(u), real(3, 2), ints(1, 1, 0), real(3, 2))
case("place: take with clamped places", lambda x, i: x.at[i].get(mode="clip", wrap_negative_indices=False), real(3, 2), ints(-1, 0, 5))
case("place: in a batch", lambda x, i: jnp.take_along_axis(x, i[:, :, None], 1), real(2, 3, 2), ints([[2, 0], [1, 1]]))

# Order.
case("order: by two keys", lambda a, b, c: lax.sort((a, b, c), num_keys=2), floats(1, 0, 1, 0), floats(3, 2, 1, 2), real(4))
case("order: by one of two", lambda a, b: lax.sort((a, b), dimension=0, num_keys=1), floats([[1, 2], [0, 2], [1, 0]]), real(3, 2))
case("order: top k", lambda x: lax.top_k(x, 2), floats([[1, 3, 3], [2, 2, 2]]))

# Running along an axis.
for name, run in (("sum", lax.cumsum), ("product", lax.cumprod), ("largest", lax.cummax), ("smallest", lax.cummin), ("log-sum", lax.cumlogsumexp)):
    case(f"run: {name}", lambda x, f=run: f(x, 1), real(2, 4))
    case(f"run: {name}, backwards", lambda x, f=run: f(x, 0, reverse=True), real(4, 2))

# Pieces.
case("pieces: joined", lambda x, y: jnp.concatenate([x, y, x], 1), real(2, 2), real(2, 1))
case("pieces: stacked", lambda x, y: jnp.stack([x, y], 1), real(3), real(3))
case("pieces: every second", lambda x: x[1:7:2], real(8))
case("pieces: padded, also between and by less than nothing", lambda x: lax.pad(x, 0.5, ((1, -1, 2), (-1, 2, 0))), real(3, 3))
case("pieces: turned round", lambda x: jnp.flip(x, (0, 2)), real(2, 2, 3))
case("pieces: rolled", lambda x: (jnp.roll(x, 2, 1), jnp.roll(x, -1, 0)), real(3, 4))
case("pieces: tiled", lambda x: jnp.tile(x, (1, 3)), real(2, 2))
case("pieces: repeated", lambda x: jnp.repeat(x, 3, 1), real(2, 2))
case("pieces: split", lambda x: jnp.split(x, [1, 3], 1), real(2, 4))

# Integers and their bits.
WORDS = ints(0, 1, -1, 7, -8, 2**31 - 1, -(2**31), 1431655765)
case("bits: of two words", lambda x, y: (x & y, x | y, x ^ y, ~x), WORDS, ints(3, 5, -7, 255, 12, -1, 1, 715827882), gradients=False)
case("bits: moved", lambda x, n: (lax.shift_left(x, n), lax.shift_right_arithmetic(x, n)), WORDS, ints(0, 31, 1, 2, 3, 4, 5, 32), gradients=False)
case("bits: counted", lambda x: (lax.population_count(x), lax.clz(x)), WORDS.astype("uint32"), gradients=False)
case("integers: quotients", lambda x, y: (lax.div(x, y), lax.rem(x, y), x // y, x % y), ints(7, -7, 7, -7, 9), ints(2, 2, -2, -2, 3), gradients=False)
case("integers: wrap around", lambda x: (x + x, x * x, -x, abs(x)), WORDS, gradients=False)
case("integers: sums and products", lambda x: (jnp.sum(x, dtype=jnp.int32), jnp.prod(x, dtype=jnp.int32), x.max(), x.min()), ints(2**30, 2**30, 3, -5), gradients=False)

# Element by element, where PyTorch has no such function.
case("element: cube root", jnp.cbrt, floats(-8, -0.3, 0.001, 5))
case("element: one-hot", lambda i: jax.nn.one_hot(i, 4), ints([[0, 3], [1, 9]]), gradients=False)
case("element: same where nothing is chosen", lambda t, x: jnp.where(t, jnp.sqrt(jnp.where(t, x, 1.0)), 0.0), truths(1, 0), floats(4, -1))
case("element: log-sum with its own slope", lambda x: jax.nn.logsumexp(x, axis=0), real(3, 2))
