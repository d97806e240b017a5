"""Cases asked of PyTorch. The counterpart is test/agreement/with-torch.ts."""

import torch
import torch.nn.functional as F

from .cases import Case, between, floats, ints, positive_definite, real, truths, well_conditioned

CASES = []


def case(name, function, *inputs, gradients=True):
    CASES.append(Case(name, "torch", function, inputs, gradients))


# Convolution: x [batch, channel, space…], kernel [filter, channel / groups, window…].
case("conv: 1-D", F.conv1d, real(2, 3, 6), real(2, 3, 3))
case("conv: 1-D, stride 2, padding 1, bias", lambda x, k, b: F.conv1d(x, k, b, 2, 1), real(1, 2, 6), real(3, 2, 3), real(3))
case("conv: 1-D, dilation 2", lambda x, k: F.conv1d(x, k, dilation=2), real(1, 2, 8), real(2, 2, 3))
case("conv: 1-D, dilation 3, stride 2, padding 2", lambda x, k: F.conv1d(x, k, None, 2, 2, 3), real(1, 2, 8), real(2, 2, 2))
case("conv: 1-D, groups 2", lambda x, k: F.conv1d(x, k, groups=2), real(2, 4, 4), real(2, 2, 2))
case("conv: 1-D, each channel alone", lambda x, k: F.conv1d(x, k, groups=3), real(1, 3, 5), real(6, 1, 2))
case("conv: 1-D, same, window 4", lambda x, k: F.conv1d(x, k, padding="same"), real(1, 1, 5), real(2, 1, 4))
case("conv: 1-D, same, dilation 2", lambda x, k: F.conv1d(x, k, padding="same", dilation=2), real(1, 1, 6), real(1, 1, 2))
case("conv: 1-D, padding past the window", lambda x, k: F.conv1d(x, k, padding=3), real(1, 1, 3), real(1, 1, 2))
case("conv: 1-D, steps over the end", lambda x, k: F.conv1d(x, k, stride=3), real(1, 1, 6), real(1, 1, 2))
case("conv: 2-D", F.conv2d, real(1, 2, 4, 5), real(2, 2, 2, 3))
case("conv: 2-D, window of one", F.conv2d, real(2, 3, 2, 2), real(2, 3, 1, 1))
case("conv: 2-D, window of the whole", F.conv2d, real(2, 2, 3, 3), real(2, 2, 3, 3))
case("conv: 2-D, all unequal", lambda x, k, b: F.conv2d(x, k, b, (2, 1), (1, 2), (1, 2)), real(1, 2, 5, 4), real(2, 2, 2, 3), real(2))
case("conv: 2-D, groups 2, stride 2", lambda x, k: F.conv2d(x, k, groups=2, stride=2), real(1, 4, 4, 4), real(4, 2, 2, 2))
case("conv: 2-D, each channel alone, padding 1", lambda x, k: F.conv2d(x, k, groups=2, padding=1), real(1, 2, 3, 3), real(2, 1, 3, 3))
case("conv: 3-D", F.conv3d, real(1, 2, 3, 3, 3), real(2, 2, 2, 2, 2))
case("conv: 3-D, all unequal", lambda x, k: F.conv3d(x, k, None, (1, 2, 1), (1, 0, 1), (1, 1, 2)), real(1, 1, 2, 4, 3), real(2, 1, 2, 2, 2))
case("conv: 3-D, groups 2", lambda x, k: F.conv3d(x, k, groups=2), real(1, 2, 2, 3, 2), real(2, 1, 2, 2, 1))

case("transposed conv: 1-D", F.conv_transpose1d, real(2, 2, 4), real(2, 3, 3))
case("transposed conv: 1-D, stride 2, padding 1, output 1, bias", lambda x, k, b: F.conv_transpose1d(x, k, b, 2, 1, 1), real(1, 2, 4), real(2, 2, 3), real(2))
case("transposed conv: 1-D, dilation 2", lambda x, k: F.conv_transpose1d(x, k, dilation=2), real(1, 2, 4), real(2, 2, 3))
case("transposed conv: 1-D, groups 2, stride 3", lambda x, k: F.conv_transpose1d(x, k, stride=3, groups=2), real(1, 4, 3), real(4, 2, 2))
case("transposed conv: 2-D, all unequal", lambda x, k: F.conv_transpose2d(x, k, None, (2, 1), (1, 0), (1, 0), 1, (1, 2)), real(1, 2, 3, 2), real(2, 2, 3, 2))
case("transposed conv: 2-D, each channel alone", lambda x, k: F.conv_transpose2d(x, k, groups=2), real(1, 2, 2, 3), real(2, 1, 2, 2))
case("transposed conv: 3-D, stride 2", lambda x, k: F.conv_transpose3d(x, k, stride=2), real(1, 2, 2, 2, 2), real(2, 1, 2, 2, 2))

case("max pool: 1-D", lambda x: F.max_pool1d(x, 2), real(2, 2, 6))
case("max pool: 1-D, overlapping, padding 1", lambda x: F.max_pool1d(x, 3, 1, 1), real(1, 2, 6))
case("max pool: 1-D, dilation 2", lambda x: F.max_pool1d(x, 2, 1, 0, 2), real(1, 2, 6))
case("max pool: 1-D, ties", lambda x: F.max_pool1d(x, 3, 1), floats([[1, 1, 0, 1, 1, 2, 2]]))
case("max pool: 2-D", lambda x: F.max_pool2d(x, 2), real(1, 2, 4, 4))
case("max pool: 2-D, all unequal", lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2)), real(1, 2, 5, 5))
case("max pool: 2-D, ties in rows and columns", lambda x: F.max_pool2d(x, 2, 1), floats([[[1, 2, 2], [2, 1, 2], [2, 2, 1]]]))
case("max pool: 3-D, stride 1", lambda x: F.max_pool3d(x, 2, 1), real(1, 1, 3, 3, 3))
case("mean pool: 1-D", lambda x: F.avg_pool1d(x, 2), real(2, 2, 5))
case("mean pool: 1-D, padding counts", lambda x: F.avg_pool1d(x, 3, 2, 1), real(1, 2, 6))
case("mean pool: 1-D, padding does not count", lambda x: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False), real(1, 2, 6))
case("mean pool: 2-D, padding counts", lambda x: F.avg_pool2d(x, (2, 3), (1, 2), (1, 1)), real(1, 2, 3, 4))
case("mean pool: 2-D, padding does not count", lambda x: F.avg_pool2d(x, (2, 3), (1, 2), (1, 1), count_include_pad=False), real(1, 2, 3, 4))
case("mean pool: 3-D", lambda x: F.avg_pool3d(x, 2, 1), real(1, 1, 3, 3, 3))
case("mean pool: to 3 parts of 7", lambda x: F.adaptive_avg_pool1d(x, 3), real(2, 1, 7))
case("mean pool: to 2 by 3 parts", lambda x: F.adaptive_avg_pool2d(x, (2, 3)), real(1, 2, 4, 5))

for to in (1, 2, 3, 5, 8, 10):
    case(f"resize: 5 to {to}, nearest", lambda x, to=to: F.interpolate(x, to, mode="nearest-exact"), real(1, 2, 5))
    case(f"resize: 5 to {to}, linear", lambda x, to=to: F.interpolate(x, to, mode="linear", align_corners=False), real(1, 2, 5))
case("resize: 2-D, nearest", lambda x: F.interpolate(x, (5, 2), mode="nearest-exact"), real(1, 2, 3, 4))
case("resize: 2-D, linear", lambda x: F.interpolate(x, (5, 3), mode="bilinear", align_corners=False), real(1, 2, 3, 4))
case("resize: 3-D, linear", lambda x: F.interpolate(x, (3, 4, 2), mode="trilinear", align_corners=False), real(1, 1, 2, 2, 3))

# Attention: q [batch, head, query, dim], k and v [batch, kvHead, key, dim].
sdpa = F.scaled_dot_product_attention
case("attention: plain", sdpa, real(1, 2, 3, 4), real(1, 2, 5, 4), real(1, 2, 5, 3))
case("attention: scale", lambda q, k, v: sdpa(q, k, v, scale=0.3), real(1, 1, 2, 3), real(1, 1, 3, 3), real(1, 1, 3, 2))
case("attention: causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), real(2, 1, 4, 2), real(2, 1, 4, 2), real(2, 1, 4, 2))
case("attention: mask", lambda q, k, v, m: sdpa(q, k, v, m), real(1, 2, 3, 2), real(1, 2, 4, 2), real(1, 2, 4, 2), truths([[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]]))
case("attention: mask, a query that sees nothing", lambda q, k, v, m: sdpa(q, k, v, m), real(1, 1, 3, 2), real(1, 1, 2, 2), real(1, 1, 2, 2), truths([[1, 0], [0, 0], [1, 1]]))
case("attention: bias", lambda q, k, v, b: sdpa(q, k, v, b), real(1, 2, 2, 2), real(1, 2, 3, 2), real(1, 2, 3, 2), real(2, 2, 3))
case("attention: bias broadcast", lambda q, k, v, b: sdpa(q, k, v, b), real(2, 2, 2, 2), real(2, 2, 3, 2), real(2, 2, 3, 2), real(1, 2, 1, 3))
case("attention: bias and mask", lambda q, k, v, b, m: sdpa(q, k, v, b.masked_fill(~m, float("-inf"))), real(1, 1, 2, 2), real(1, 1, 3, 2), real(1, 1, 3, 2), real(2, 3), truths([[1, 0, 1], [1, 1, 0]]))
case("attention: bias and causal", lambda q, k, v, b: sdpa(q, k, v, b.masked_fill(~torch.ones(3, 3, dtype=torch.bool).tril(), float("-inf"))), real(1, 2, 3, 2), real(1, 2, 3, 2), real(1, 2, 3, 2), real(2, 3, 3))
case("attention: causal, the last query at the last key", lambda q, k, v: sdpa(q, k, v, torch.ones(2, 4, dtype=torch.bool).tril(2)), real(1, 1, 2, 2), real(1, 1, 4, 2), real(1, 1, 4, 2))
case("attention: grouped queries", lambda q, k, v: sdpa(q, k, v, enable_gqa=True), real(1, 4, 2, 2), real(1, 2, 3, 2), real(1, 2, 3, 2))
case("attention: one key head, causal", lambda q, k, v: sdpa(q, k, v, is_causal=True, enable_gqa=True), real(1, 3, 3, 2), real(1, 1, 3, 2), real(1, 1, 3, 2))
case("attention: one query", sdpa, real(1, 2, 1, 2), real(1, 2, 3, 2), real(1, 2, 3, 2))
case("attention: one key", sdpa, real(1, 1, 3, 2), real(1, 1, 1, 2), real(1, 1, 1, 2))
case("attention: large logits", sdpa, real(1, 1, 2, 2, scale=40), real(1, 1, 3, 2, scale=40), real(1, 1, 3, 2))


# Connectionist temporal classification: ours takes [batch, time, vocab] of logits.
def ctc(logits, labels, frames, lengths, blank=0):
    log_p = logits.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(log_p, labels, frames, lengths, blank=blank, reduction="none")


case("ctc: one label", ctc, real(1, 3, 3), ints([[1]]), ints([3]), ints([1]))
case("ctc: repeated label", ctc, real(1, 5, 3), ints([[1, 1]]), ints([5]), ints([2]))
case("ctc: repeated label that just fits", ctc, real(1, 3, 3), ints([[2, 2]]), ints([3]), ints([2]))
case("ctc: as many labels as frames", ctc, real(1, 3, 4), ints([[1, 2, 3]]), ints([3]), ints([3]))
case("ctc: several lengths", ctc, real(3, 6, 4), ints([[1, 2, 2], [3, 1, 0], [2, 0, 0]]), ints([6, 4, 3]), ints([3, 2, 1]))
case("ctc: no label", ctc, real(2, 3, 3), ints([[1], [2]]), ints([3, 2]), ints([0, 1]))
case("ctc: blank in the middle", lambda *xs: ctc(*xs, blank=2), real(2, 5, 4), ints([[0, 0, 3], [3, 1, 3]]), ints([5, 5]), ints([3, 3]))
case("ctc: extreme logits", ctc, real(1, 4, 3, scale=50), ints([[1, 2]]), ints([4]), ints([2]))
case("ctc: one frame", ctc, real(2, 1, 3), ints([[1], [2]]), ints([1, 1]), ints([1, 0]))
# PyTorch's gradient of an infinite loss is NaN unless zero_infinity is set, which also changes the loss.
case("ctc: too few frames", ctc, real(2, 2, 3), ints([[1, 1], [1, 2]]), ints([2, 2]), ints([2, 2]), gradients=False)

# Recurrent layers: weights as PyTorch lays them out, [gate · hidden, in].
case("lstm: cell", lambda x, h, c, wi, wh, bi, bh: torch.lstm_cell(x, (h, c), wi, wh, bi, bh), real(2, 3), real(2, 2), real(2, 2), real(8, 3), real(8, 2), real(8), real(8))


def lstm(xs, h, c, wi, wh, bi, bh):
    y, h, c = torch.lstm(xs, (h[None], c[None]), [wi, wh, bi, bh], True, 1, 0.0, False, False, False)
    return y, h[0], c[0]


case("lstm: sequence", lstm, real(4, 2, 3), real(2, 2), real(2, 2), real(8, 3, scale=1), real(8, 2, scale=1), real(8), real(8))
case("lstm: one step, one example", lstm, real(1, 1, 2), real(1, 1), real(1, 1), real(4, 2), real(4, 1), real(4), real(4))


def lstm_backwards(xs, *rest):
    y, h, c = lstm(xs.flip(0), *rest)
    return y.flip(0), h, c


case("lstm: backwards", lstm_backwards, real(3, 1, 2), real(1, 2), real(1, 2), real(8, 2, scale=1), real(8, 2, scale=1), real(8), real(8))
case("gru: cell", lambda x, h, wi, wh, bi, bh: torch.gru_cell(x, h, wi, wh, bi, bh), real(2, 3), real(2, 2), real(6, 3), real(6, 2), real(6), real(6))


def gru(xs, h, wi, wh, bi, bh):
    y, h = torch.gru(xs, h[None], [wi, wh, bi, bh], True, 1, 0.0, False, False, False)
    return y, h[0]


case("gru: sequence", gru, real(4, 2, 3), real(2, 2), real(6, 3, scale=1), real(6, 2, scale=1), real(6), real(6))
case("gru: one step, one example", gru, real(1, 1, 2), real(1, 1), real(3, 2), real(3, 1), real(3), real(3))
case("gru: backwards", lambda xs, *rest: (lambda y, h: (y.flip(0), h))(*gru(xs.flip(0), *rest)), real(3, 1, 2), real(1, 2), real(6, 2, scale=1), real(6, 2, scale=1), real(6), real(6))

case("norm: layer", lambda x, s, b: F.layer_norm(x, (4,), s, b), real(2, 3, 4), real(4), real(4))
case("norm: layer, large epsilon", lambda x: F.layer_norm(x, (5,), eps=0.5), real(2, 5))
case("norm: layer, far from 0", lambda x: F.layer_norm(x, (4,)), between(999, 1001, 2, 4))
case("norm: layer, one element", lambda x, s, b: F.layer_norm(x, (1,), s, b), real(3, 1), real(1), real(1))
case("norm: root mean square", lambda x, s: F.rms_norm(x, (4,), s, 1e-6), real(2, 3, 4), real(4))
case("norm: root mean square, large epsilon", lambda x: F.rms_norm(x, (3,), eps=0.5), real(2, 3))
case("norm: group", lambda x, s, b: F.group_norm(x, 2, s, b), real(2, 4, 3), real(4), real(4))
case("norm: group, 2-D", lambda x, s, b: F.group_norm(x, 3, s, b), real(1, 6, 2, 2), real(6), real(6))
case("norm: instance", lambda x, s, b: F.instance_norm(x, weight=s, bias=b), real(2, 2, 4), real(2), real(2))


def batch_norm(x, mean, variance, scale, bias):
    kept = [mean.detach().clone(), variance.detach().clone()]
    return F.batch_norm(x, *kept, scale, bias, training=True, momentum=0.1), *kept


case("norm: batch, training", batch_norm, real(4, 2), real(2), between(0.5, 2, 2), real(2), real(2))
case("norm: batch, training, 2-D", batch_norm, real(2, 2, 2, 3), real(2), between(0.5, 2, 2), real(2), real(2))
# PyTorch has no gradient for running statistics.
case("norm: batch, inference", lambda x, m, v, s, b: F.batch_norm(x, m.detach(), v.detach(), s, b), real(2, 3, 2), real(3), between(0.5, 2, 3), real(3), real(3))

for axis in (0, 1, 2):
    case(f"softmax: along {axis}", lambda x, axis=axis: F.softmax(x, axis), real(2, 3, 2))
    case(f"softmax: logarithm along {axis}", lambda x, axis=axis: F.log_softmax(x, axis), real(2, 3, 2))
case("softmax: far from 0", lambda x: F.softmax(x, 0), floats(1000, 1001, 999, -1000))
case("softmax: logarithm far from 0", lambda x: F.log_softmax(x, 0), floats(1000, 1001, 999, -1000))
case("softmax: of one", lambda x: F.softmax(x, 1), real(3, 1))
case("softmax: ties", lambda x: F.softmax(x, 0), floats(1, 1, 1, 0))

# Losses.
LABELS = ints(2, 0, 1, 2)
for reduction in ("mean", "sum", "none"):
    case(f"cross-entropy: {reduction}", lambda s, t, r=reduction: F.cross_entropy(s, t, reduction=r), real(4, 3), LABELS)
    case(f"cross-entropy: smoothing, {reduction}", lambda s, t, r=reduction: F.cross_entropy(s, t, reduction=r, label_smoothing=0.2), real(4, 3), LABELS)
    case(f"cross-entropy: ignored label, {reduction}", lambda s, t, r=reduction: F.cross_entropy(s, t, reduction=r, ignore_index=0), real(4, 3), LABELS)
    case(f"cross-entropy: ignored label, smoothing, {reduction}", lambda s, t, r=reduction: F.cross_entropy(s, t, reduction=r, ignore_index=0, label_smoothing=0.1), real(4, 3), LABELS)
    case(f"binary cross-entropy: {reduction}", lambda s, t, r=reduction: F.binary_cross_entropy_with_logits(s, t, reduction=r), real(2, 3), between(0, 1, 2, 3))
    case(f"huber: {reduction}", lambda p, t, r=reduction: F.huber_loss(p, t, reduction=r), real(2, 3), real(2, 3))
case("cross-entropy: classes on axis 1", lambda s, t: F.cross_entropy(s, t), real(2, 3, 4), ints([[0, 1, 2, 0], [2, 2, 1, 0]]))
case("cross-entropy: far from 0", lambda s, t: F.cross_entropy(s, t, reduction="none"), real(4, 3, scale=300), LABELS)
case("cross-entropy: square of the partition", lambda s, t: F.cross_entropy(s, t) + 0.1 * s.logsumexp(-1).square().mean(), real(4, 3), LABELS)
case("binary cross-entropy: far from 0", lambda s, t: F.binary_cross_entropy_with_logits(s, t, reduction="none"), floats(80, -80, 300, -300), floats(1, 1, 0, 0.5))
case("huber: delta 0.3", lambda p, t: F.huber_loss(p, t, delta=0.3), real(6), real(6))
case("huber: at the bend", lambda p, t: F.huber_loss(p, t, reduction="none"), floats(1, -1, 0), floats(0, 0, 0))
case("smooth L1: beta 0.5", lambda p, t: F.smooth_l1_loss(p, t, beta=0.5), real(6), real(6))
case("smooth L1: beta 2", lambda p, t: F.smooth_l1_loss(p, t, beta=2.0, reduction="sum"), real(6), real(6))
case("smooth L1: beta 0", lambda p, t: F.smooth_l1_loss(p, t, beta=0.0), real(6), real(6))


def focal(logits, targets, alpha, gamma):
    """Equation 5 of Lin et al. through PyTorch's own cross-entropy."""
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    right = torch.exp(-loss)
    share = alpha * targets + (1 - alpha) * (1 - targets)
    return share * (1 - right) ** gamma * loss


case("focal: mean", lambda s, t: focal(s, t.double(), 0.25, 2).mean(), real(6), ints(1, 0, 0, 1, 1, 0))
case("focal: alpha 0.6, gamma 1.5", lambda s, t: focal(s, t.double(), 0.6, 1.5), real(6), ints(1, 0, 0, 1, 1, 0))
case("focal: gamma 0", lambda s, t: focal(s, t.double(), 0.5, 0).sum(), real(6), ints(1, 0, 0, 1, 1, 0))

# Activations, also where exp overflows a float32.
POINTS = floats(-100, -20, -3.5, -1, -0.1, -1e-4, 0, 1e-4, 0.1, 0.7, 2, 5, 20, 100)
OFF_ZERO = floats(-100, -20, -3.5, -1.5, -0.1, -1e-4, 1e-4, 0.1, 0.7, 2, 5, 20, 100)
case("activation: gelu of erf", F.gelu, POINTS)
case("activation: gelu of tanh", lambda x: F.gelu(x, approximate="tanh"), POINTS)
case("activation: silu", F.silu, POINTS)
case("activation: elu", F.elu, OFF_ZERO)
case("activation: elu, alpha 0.4", lambda x: F.elu(x, 0.4), OFF_ZERO)
case("activation: softplus", lambda x: -F.logsigmoid(-x), POINTS)
case("activation: mish", lambda x: x * torch.tanh(-F.logsigmoid(-x)), POINTS)
case("activation: mish of PyTorch", F.mish, floats(-3, -0.5, 0, 0.5, 3))
case("activation: relu", F.relu, POINTS)
case("activation: leaky relu", lambda x: F.leaky_relu(x, 0.1), POINTS)
case("activation: hard tanh", lambda x: F.hardtanh(x, -1.5, 2.5), POINTS)
case("activation: logistic", torch.sigmoid, POINTS)
case("activation: tanh", torch.tanh, POINTS)

# Order.
TIED = floats([[2, 1, 2, 0, 1], [0, 0, 3, -1, 3]])
case("sort: rising", lambda x: torch.sort(x, stable=True)[0], real(2, 5))
case("sort: falling, along 0", lambda x: torch.sort(x, dim=0, descending=True, stable=True)[0], real(4, 2))
case("sort: ties", lambda x: torch.sort(x, stable=True), TIED)
case("sort: ties, falling", lambda x: torch.sort(x, descending=True, stable=True), TIED)
case("sort: places of ties", lambda x: torch.argsort(x, stable=True), TIED, gradients=False)
case("sort: places of ties, falling", lambda x: torch.argsort(x, descending=True, stable=True), TIED, gradients=False)
case("sort: integers", lambda x: torch.sort(x, stable=True), ints([3, -1, 3, 2**31 - 1, -(2**31), 0]), gradients=False)
case("top k: values and places", lambda x: torch.topk(x, 3), real(2, 5))
case("top k: ties", lambda x: tuple(y[..., :3] for y in torch.sort(x, descending=True, stable=True)), TIED)
case("top k: along 0", lambda x: torch.topk(x, 2, 0)[0].movedim(0, -1), real(4, 2))
case("top k: all", lambda x: torch.topk(x, 4), real(4))
for side in ("left", "right"):
    case(f"search: {side}", lambda s, v, side=side: torch.searchsorted(s, v, side=side), floats(-1, 0, 0, 0, 2), floats(-2, -1, -0.5, 0, 1, 2, 3), gradients=False)
    case(f"search: rows, {side}", lambda s, v, side=side: torch.searchsorted(s, v, side=side), floats([[1, 2, 2], [0, 5, 9]]), floats([[2, 3], [5, 10]]), gradients=False)

# Running along an axis.
for name, run in (("sum", torch.cumsum), ("product", torch.cumprod), ("log-sum", torch.logcumsumexp)):
    case(f"running {name}: along 0", lambda x, f=run: f(x, 0), real(4, 2))
    case(f"running {name}: along 1", lambda x, f=run: f(x, 1), real(2, 5))
    case(f"running {name}: backwards", lambda x, f=run: f(x.flip(0), 0).flip(0), real(5))
    case(f"running {name}: of one", lambda x, f=run: f(x, 0), real(1))
for name, run in (("maximum", torch.cummax), ("minimum", torch.cummin)):
    case(f"running {name}: along 0", lambda x, f=run: f(x, 0)[0], real(4, 2))
    case(f"running {name}: along 1", lambda x, f=run: f(x, 1)[0], real(2, 5))
    case(f"running {name}: backwards", lambda x, f=run: f(x.flip(0), 0)[0].flip(0), real(5))
case("running product: one zero", lambda x: torch.cumprod(x, 0), floats(2, 0, 3, -1))
case("running product: two zeros", lambda x: torch.cumprod(x, 0), floats(2, 0, 3, 0, -1))
case("running log-sum: far from 0", lambda x: torch.logcumsumexp(x, 0), floats(-900, -901, 800, 799, -5))

# Reading and writing by index.
case("gather: rows", lambda x, i: x[i], real(4, 2), ints([[0, 3], [3, 1]]))
case("gather: along an axis", lambda x, i: torch.gather(x, 1, i), real(2, 4), ints([[0, 3, 3], [1, 1, 2]]))
case("gather: along axis 0", lambda x, i: torch.gather(x, 0, i), real(4, 2), ints([[0, 3], [3, 3], [1, 2]]))
case("gather: one", lambda x, i: x[i], real(4, 2), ints(2)[()][None])
case("scatter: add rows", lambda x, i, u: x.index_add(0, i, u), real(4, 2), ints(1, 3, 1), real(3, 2))
case("scatter: add along an axis", lambda x, i, u: x.scatter_add(1, i, u), real(2, 4), ints([[0, 3, 3], [1, 1, 1]]), real(2, 3))
case("scatter: set along an axis", lambda x, i, u: x.scatter(1, i, u), real(2, 4), ints([[0, 3], [1, 2]]), real(2, 2))
case("scatter: set rows", lambda x, i, u: x.index_copy(0, i, u), real(4, 2), ints(3, 0), real(2, 2))
for name, how in (("maximum", "amax"), ("minimum", "amin")):
    case(f"scatter: {name} along an axis", lambda x, i, u, how=how: x.scatter_reduce(1, i, u, how), real(2, 4), ints([[0, 3, 3], [1, 1, 1]]), real(2, 3))
    case(f"scatter: {name} of rows", lambda x, i, u, how=how: x.index_reduce(0, i, u, how), real(3, 2), ints(0, 2, 0), real(3, 2))
    case(f"scatter: {name}, ties", lambda x, i, u, how=how: x.scatter_reduce(0, i, u, how), floats(1, 2, 3), ints(0, 0, 1, 2), floats(1, 1, 2, 0))

# Linear algebra.
L = torch.linalg
case("linear algebra: solve", L.solve, well_conditioned(3, 3), real(3, 2))
case("linear algebra: solve, a vector", L.solve, well_conditioned(3, 3), real(3))
case("linear algebra: solve, batch", L.solve, well_conditioned(2, 3, 3), real(2, 3, 1))
case("linear algebra: solve, exchanged rows", L.solve, floats([[0, 2, 1], [1, 0, 0], [0, 1, 3]]), real(3, 1))
case("linear algebra: solve, 1 by 1", L.solve, between(1, 2, 1, 1), real(1, 1))
for upper in (False, True):
    word = "upper" if upper else "lower"
    case(f"triangular solve: {word}", lambda a, b, u=upper: L.solve_triangular(a, b, upper=u), well_conditioned(3, 3), real(3, 2))
    case(f"triangular solve: {word}, ones on the diagonal", lambda a, b, u=upper: L.solve_triangular(a, b, upper=u, unitriangular=True), real(3, 3), real(3, 2))
    case(f"triangular solve: {word}, from the right", lambda a, b, u=upper: L.solve_triangular(a, b, upper=u, left=False), well_conditioned(3, 3), real(2, 3))
    case(f"triangular solve: {word}, transposed", lambda a, b, u=upper: L.solve_triangular(a.mT, b, upper=not u), well_conditioned(3, 3), real(3, 2))
case("triangular solve: batch", lambda a, b: L.solve_triangular(a, b, upper=False), well_conditioned(2, 2, 2), real(2, 2, 1))
case("linear algebra: cholesky", L.cholesky, positive_definite(3, 3))
case("linear algebra: cholesky, batch", L.cholesky, positive_definite(2, 2, 2))
case("linear algebra: cholesky, 1 by 1", L.cholesky, between(1, 2, 1, 1))
case("linear algebra: solve by cholesky", lambda a, b: torch.cholesky_solve(b, L.cholesky(a)), positive_definite(3, 3), real(3, 2))
case("linear algebra: inverse", L.inv, well_conditioned(3, 3))
case("linear algebra: inverse, batch", L.inv, well_conditioned(2, 2, 2))
for n in (1, 2, 3, 4):
    case(f"linear algebra: determinant, {n} by {n}", L.det, real(n, n))
    case(f"linear algebra: sign and logarithm of the determinant, {n} by {n}", lambda a: tuple(L.slogdet(a)), real(n, n))
case("linear algebra: determinant of a singular matrix", L.det, floats([[1, 2], [2, 4]]))
case("linear algebra: determinant, batch", L.det, real(2, 3, 3))
case("linear algebra: trace", torch.trace, real(3, 3))
case("linear algebra: triangles", lambda a: (a.tril(), a.triu(1)), real(3, 4))

# Sums of products; words of one letter on our side.
for equation, *forms in (
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij->j", (2, 3)),
    ("ij->", (2, 3)),
    ("ijk->kij", (2, 3, 2)),
    ("i,j->ij", (2,), (3,)),
    ("i,j->", (2,), (3,)),
    ("ij,k->jk", (2, 3), (2,)),
    ("ij,j->i", (2, 3), (3,)),
    ("i,->i", (3,), ()),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("bij,bkj->kbi", (2, 2, 3), (2, 2, 3)),
    ("ijk,jil->kl", (2, 3, 2), (3, 2, 2)),
    ("ij,kl->iljk", (2, 2), (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("ij,jk,ki->", (2, 3), (3, 2), (2, 2)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("bi,bj,bk->ijk", (2, 2), (2, 2), (2, 2)),
    ("ab,cb,dc,da->bd", (2, 2), (3, 2), (2, 3), (2, 2)),
    ("hqd,hkd,hqk->q", (2, 2, 2), (2, 3, 2), (2, 2, 3)),
):
    case(f"einsum: {equation}", lambda *xs, e=equation: torch.einsum(e, *xs), *(real(*form) for form in forms))

# Element by element.
UNIT = between(-0.95, 0.95, 6)
ABOVE = between(0.1, 4, 6)
for name, inputs in (
    ("erf", POINTS), ("erfinv", UNIT), ("log1p", between(-0.9, 3, 6)), ("expm1", between(-3, 3, 6)), ("exp", real(6)),
    ("log", ABOVE), ("sqrt", ABOVE), ("rsqrt", ABOVE), ("sin", real(6)), ("cos", real(6)), ("tan", UNIT), ("asin", UNIT),
    ("acos", UNIT), ("atan", real(6)), ("sinh", real(6)), ("cosh", real(6)), ("asinh", real(6)), ("acosh", between(1.1, 4, 6)),
    ("atanh", UNIT), ("abs", OFF_ZERO), ("square", real(6)), ("reciprocal", ABOVE), ("floor", real(6)), ("ceil", real(6)),
    ("round", floats(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.3)), ("trunc", real(6)), ("sign", OFF_ZERO),
):  # fmt: skip
    case(f"element: {name}", getattr(torch, name), inputs)
TINY = floats(1e-30, -1e-12, 1e-7, 3e-4)
case("element: log1p near 0", torch.log1p, TINY)
case("element: expm1 near 0", torch.expm1, TINY)
case("element: erf near 0", torch.erf, TINY)
case("element: erfinv near the ends", torch.erfinv, floats(-0.99999, -0.999, 0.999, 0.99999))
case("element: atan2 in all quarters", torch.atan2, floats(1, 1, -1, -1, 2, 0.1), floats(1, -1, 1, -1, 0.1, -3))
case("element: power", torch.pow, between(0.2, 3, 6), real(6))
for p in (-3, -1, 0, 1, 2, 5, 0.5, -1.5, 2.5):
    case(f"element: power {p}", lambda x, p=p: torch.pow(x, p), between(0.2, 3, 4))
case("element: whole power of negatives", lambda x: torch.pow(x, 3), floats(-2, -0.5, 0, 1.5))
case("element: remainder of the divisor's sign", torch.remainder, floats(5.5, -5.5, 5.5, -5.5, 1), floats(2, 2, -2, -2, 3))
case("element: remainder of the dividend's sign", torch.fmod, floats(5.5, -5.5, 5.5, -5.5, 1), floats(2, 2, -2, -2, 3))
case("element: sum of logarithms", torch.logaddexp, floats(0, 900, -900, 2), floats(0, 899, -901, -3))
case("element: arithmetic", lambda x, y: x * y + x / y - y, real(3, 2), between(0.5, 2, 3, 2))
case("element: broadcasting", lambda x, y: x * y, real(2, 1, 3), real(4, 1))
case("element: larger and smaller", lambda x, y: (torch.maximum(x, y), torch.minimum(x, y)), real(6), real(6))
case("element: clip", lambda x: x.clamp(-0.5, 1), real(8))
case("element: choice", lambda t, x, y: torch.where(t, x, y), truths(1, 0, 1, 0), real(4), real(4))
case("element: choice of broadcast", lambda t, x, y: torch.where(t, x, y), truths(1, 0), real(3, 1), real(2))

# Reductions.
case("reduce: sum", lambda x: x.sum((0, 2)), real(2, 3, 2))
case("reduce: mean", lambda x: x.mean((1, 2)), real(2, 3, 2))
case("reduce: kept axes", lambda x: x.mean(1, keepdim=True), real(2, 3))
case("reduce: product", lambda x: x.prod(1), real(2, 4))
case("reduce: product with one zero", lambda x: x.prod(0), floats(2, 0, 3, -1.5))
case("reduce: product with two zeros", lambda x: x.prod(0), floats(2, 0, 3, 0))
case("reduce: products with zeros", lambda x: x.prod(1), floats([[1, 2, 3], [0, 2, 3], [0, 0, 3], [0, 0, 0]]))
case("reduce: largest", lambda x: x.amax(1), real(2, 4))
case("reduce: smallest", lambda x: x.amin((0, 2)), real(2, 2, 3))
case("reduce: largest, ties", lambda x: x.amax(1), floats([[1, 3, 3], [2, 2, 2]]))
case("reduce: smallest, ties", lambda x: x.amin(0), floats([[1, 3], [1, 2], [4, 2]]))
case("reduce: log-sum over two axes", lambda x: x.logsumexp((0, 2)), real(2, 3, 2))
case("reduce: log-sum over all", lambda x: x.logsumexp((0, 1)), real(2, 3))
case("reduce: log-sum far from 0", lambda x: x.logsumexp(1), floats([[900, 901], [-900, -901]]))
for ddof in (0, 1, 2):
    case(f"reduce: variance, {ddof} off the count", lambda x, d=ddof: x.var(1, correction=d), real(2, 4))
    case(f"reduce: deviation, {ddof} off the count", lambda x, d=ddof: x.std((0, 1), correction=d), real(2, 4))
case("reduce: variance far from 0", lambda x: x.var(0, correction=0), between(999, 1001, 5))
case("reduce: places of the largest", lambda x: (x.argmax(1), x.argmin(0)), real(3, 4), gradients=False)
case("reduce: place in all", lambda x: x.argmax(), real(3, 4), gradients=False)
case("reduce: truth", lambda x: (x.any(1), x.all(1)), truths([[0, 0], [0, 1], [1, 1]]), gradients=False)
case("reduce: count", lambda x: torch.count_nonzero(x, 1), floats([[0, 1, 2], [0, 0, 0]]), gradients=False)
