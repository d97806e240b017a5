"""Single operations in PyTorch on CPU, and matrix products in stock ONNX Runtime where it is installed.

Reads JSON lines from standard input, answers each with one on standard output:
{"do": "hello", "threads"} -> {"versions"}; {"do": "open", "name", "inputs": [{"dims", "dtype", "below"}],
"model"} -> {"sums"}, the sums of the results; {"do": "time", "count"} -> {"ms"}; {"do": "quit"}.
"""

import json
import sys
import time

import numpy
import torch
import torch.nn.functional as F

try:
    import onnxruntime
except ImportError:
    onnxruntime = None


def data(entry, salt):
    """The same numbers as in src/bench/ops.ts: a fixed sequence in [-0.5, 0.5), or integers below a bound."""
    count = int(numpy.prod(entry["dims"], dtype=numpy.int64))
    steps = (numpy.arange(count, dtype=numpy.int64) * 7919 + salt * 104729) % 2003
    if entry["dtype"] == "int32":
        return torch.from_numpy((steps * entry["below"] // 2003).astype(numpy.int64).reshape(entry["dims"]))
    values = (steps / 2003 - 0.5).astype(numpy.float32)
    return torch.from_numpy(values.reshape(entry["dims"]))


def gradients(f):
    """The value and the gradients of all float inputs for a cotangent, which comes last."""

    def run(*args):
        *inputs, cotangent = args
        leaves = [x.detach().requires_grad_() for x in inputs]
        y = f(*leaves)
        return torch.autograd.grad(y, leaves, cotangent)

    return run


def convolution_gradient(mask, dims):
    def run(x, w, ct):
        out = torch.ops.aten.convolution_backward(
            ct, x, w, None, [1] * dims, [w.shape[-1] // 2] * dims, [1] * dims, False, [0] * dims, 1, mask
        )
        return [y for y in out if y is not None]

    return run


def layer_norm(x, scale, bias):
    return F.layer_norm(x, scale.shape, scale, bias)


def attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def scatter_rows(x, at):
    return torch.zeros(8192, x.shape[1]).index_add_(0, at, x)


CASES = {
    "matmul": lambda x, y: x @ y,
    "conv": lambda x, w: F.conv2d(x, w, padding=1),
    "conv input gradient": convolution_gradient([True, False, False], 2),
    "conv kernel gradient": convolution_gradient([False, True, False], 2),
    "conv1d": lambda x, w: F.conv1d(x, w, padding=w.shape[-1] // 2),
    "conv1d input gradient": convolution_gradient([True, False, False], 1),
    "conv1d kernel gradient": convolution_gradient([False, True, False], 1),
    "softmax": lambda x: torch.softmax(x, -1),
    "softmax gradient": gradients(lambda x: torch.softmax(x, -1)),
    "layerNorm": layer_norm,
    "layerNorm gradient": gradients(layer_norm),
    "attention": attention,
    "attention gradient": gradients(attention),
    "gather rows": lambda x, at: F.embedding(at, x),
    "scatter rows": scatter_rows,
    "topK": lambda x: torch.topk(x, 1024, dim=-1)[0],
    "sort": lambda x: torch.sort(x, dim=-1, stable=True)[0],
    "cumsum": lambda x: torch.cumsum(x, 0),
}


class Peer:
    def __init__(self):
        self.run = None

    def hello(self, threads):
        torch.set_num_threads(threads)
        self.threads = threads
        versions = {"torch": torch.__version__}
        if onnxruntime is not None:
            versions["onnxruntime"] = onnxruntime.__version__
        return {"versions": versions}

    def open(self, name, inputs, model):
        args = [data(entry, salt) for salt, entry in enumerate(inputs)]
        kind, _, runtime = name.partition(" @ ")
        if runtime == "onnxruntime":
            self.run = self.stock_session(model, args)
        else:
            f = CASES[kind.split(" [")[0]]
            self.run = lambda: f(*args)
        out = self.run()
        return {"sums": [float(y.double().sum()) for y in (out if isinstance(out, (list, tuple)) else [out])]}

    def stock_session(self, model, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        feeds = {
            entry.name: (x.numpy() if x.dtype == torch.float32 else x.to(torch.int32).numpy())
            for entry, x in zip(session.get_inputs(), args)
        }
        return lambda: [torch.from_numpy(y) for y in session.run(None, feeds)]

    def time(self, count):
        ms = []
        for _ in range(count):
            start = time.perf_counter()
            self.run()
            ms.append(1000 * (time.perf_counter() - start))
        return {"ms": ms}


def main():
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        what = request.pop("do")
        if what == "quit":
            return
        try:
            reply = getattr(peer, what)(**request)
        except Exception as error:  # the reason of one case must not stop the others
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
