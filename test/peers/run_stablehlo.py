"""Compiles and runs StableHLO modules through XLA.

Reads JSON lines from standard input: {"id", "text", "inputs": [{"dtype", "dims", "data"}]}, data in
base64, little-endian, row-major. Writes {"version"}, then one JSON line per module as each is done:
{"id", "outputs"}, of the same form as inputs, or {"id", "error"}.
"""

import base64
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"
# The text is under test, not LLVM: level 0 compiles in two thirds of the time.
os.environ["XLA_FLAGS"] = "--xla_cpu_enable_fast_math=false --xla_backend_optimization_level=0"

import jax
import jaxlib
import ml_dtypes  # teaches numpy the name bfloat16
import numpy as np
from jax.extend import backend
from jaxlib import _jax

CLIENT = backend.get_backend("cpu")
DEVICES = _jax.DeviceList(tuple(CLIENT.local_devices()[:1]))


def decode(entry):
    data = np.frombuffer(base64.b64decode(entry["data"]), dtype=entry["dtype"])
    return jax.device_put(data.reshape(entry["dims"]), CLIENT.local_devices()[0])


def encode(array):
    # A tensor of bool has one byte per element on both sides.
    array = np.asarray(array)
    return {
        "dtype": str(array.dtype),
        "dims": list(array.shape),
        "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
    }


def run(line):
    module = json.loads(line)
    try:
        executable = CLIENT.compile_and_load(module["text"], DEVICES, _jax.CompileOptions())
        inputs = [decode(entry) for entry in module["inputs"]]
        results = executable.execute_sharded(inputs).disassemble_into_single_device_arrays()
        return {"id": module["id"], "outputs": [encode(shards[0]) for shards in results]}
    except Exception as error:  # the report of one module must not stop the others
        return {"id": module["id"], "error": f"{type(error).__name__}: {error}"}


def main():
    print(json.dumps({"version": f"jax {jax.__version__}, jaxlib {jaxlib.__version__}"}), flush=True)
    printing = Lock()

    def answer(line):
        report = json.dumps(run(line))
        with printing:
            print(report, flush=True)

    # Compilation releases the interpreter lock.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for line in iter(sys.stdin.readline, ""):
            pool.submit(answer, line)


if __name__ == "__main__":
    main()
