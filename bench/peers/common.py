"""What the Python peers share: the config, a safetensors reader and the JSON-lines loop.

A peer is an object with `load()` (returns the fields of the load reply), `reset()` (puts the
initial weights back) and `step(index)` (trains on batch `index` and returns the loss, with the new
weights ready). `serve` answers requests on stdin with replies on stdout; see README.md.
"""

import argparse
import json
import os
import sys
import time
import types

import numpy

DTYPES = {"F32": numpy.float32, "I32": numpy.int32}


def arguments(**options):
    """Parses `--config FILE` and any `name=[choices]`; returns the config with the choices added."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    for name, choices in options.items():
        parser.add_argument(f"--{name}", choices=choices, default=choices[0])
    given = vars(parser.parse_args())
    with open(given.pop("config")) as file:
        return types.SimpleNamespace(**json.load(file), **given)


def limit_threads(count):
    """Keeps this process on `count` of its cores, for libraries with no thread count of their own."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:count])


def read_safetensors(path):
    """Reads a safetensors file: 8 bytes of header length, a JSON header, then the data."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = numpy.frombuffer(memoryview(data)[begin:end], DTYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def peak_bytes():
    """The largest resident size this process has had."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def answer_requests(answer):
    """Answers requests on stdin, one JSON line each, by `answer(request)`, until `quit` or the end."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "quit":
            break
        try:
            reply = answer(request)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


def serve(peer):
    """Answers requests until `quit` or the end of stdin."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    position = 0
    for line in sys.stdin:
        request = json.loads(line)
        try:
            match request["do"]:
                case "load":
                    start = time.perf_counter()
                    fields = peer.load()
                    peer.reset()
                    peer.step(0)  # compiles, where there is something to compile
                    peer.reset()
                    fields["detail"]["loadMs"] = round(1000 * (time.perf_counter() - start))
                    reply = {"ok": True, **fields}
                case "losses":
                    peer.reset()
                    position = request["steps"]
                    reply = {"losses": [peer.step(index) for index in range(position)]}
                case "step":
                    times = []
                    for _ in range(request["count"]):
                        start = time.perf_counter()
                        peer.step(position)
                        times.append(1000 * (time.perf_counter() - start))
                        position += 1
                    reply = {"ms": times}
                case "memory":
                    reply = {"peakBytes": peak_bytes()}
                case "quit":
                    break
                case other:
                    reply = {"error": f"unknown request {other!r}"}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)
