"""Singular spectrum analysis by numpy's dense decompositions.

Reads JSON lines on standard input: {"do": "hello"} -> {"versions"}; {"do": "ssa", "file", "window", "count",
"variant"} -> {"seconds", "singularValues"}; {"do": "quit"}. Threads come from --threads, before numpy loads.
"""

import argparse
import json
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
THREADS = str(parser.parse_args().threads)
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = THREADS

import numpy as np  # noqa: E402

from common import answer_requests  # noqa: E402


def leading(x, window, count, variant):
    """The largest singular values: by the covariance of the trajectory matrix or of the lags."""
    columns = len(x) - window + 1
    trajectory = np.lib.stride_tricks.sliding_window_view(x, columns)
    if variant == "basic":
        values, vectors = np.linalg.eigh(trajectory @ trajectory.T)
        return np.sqrt(np.maximum(values[::-1][:count], 0))
    lags = np.correlate(x, x, "full")[len(x) - 1 : len(x) - 1 + window] / (len(x) - np.arange(window))
    place = np.abs(np.subtract.outer(np.arange(window), np.arange(window)))
    values, vectors = np.linalg.eigh(lags[place])
    return np.linalg.norm(vectors[:, ::-1][:, :count].T @ trajectory, axis=1)


def answer(request):
    if request["do"] == "hello":
        return {"versions": {"numpy": np.__version__}}
    if request["do"] != "ssa":
        return {"error": f"unknown request {request['do']}"}
    with open(request["file"]) as file:
        x = np.array(json.load(file))
    started = time.perf_counter()
    values = leading(x, request["window"], request["count"], request["variant"])
    return {"seconds": time.perf_counter() - started, "singularValues": values.tolist()}


answer_requests(answer)
