"""Compiles and runs StableHLO modules through XLA.

Reads JSON lines from standard input: {"id", "text", "devices"}, where devices lists the inputs of each
partition, [[{"dtype", "dims", "data"}]], data in base64, little-endian, row-major. Writes {"version"},
then one JSON line per module as each is done: {"id", "devices"}, the outputs of each partition in the
same form, or {"id", "error"}.
"""

import base64
import contextlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"
# The text is under test, not LLVM: level 0 compiles in two thirds of the time.
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_enable_fast_math=false --xla_backend_optimization_level=0"
    " --xla_force_host_platform_device_count=8"
)

import jax
import jaxlib
import ml_dtypes  # teaches numpy the name bfloat16
import numpy as np
from jax.extend import backend
from jaxlib import _jax

CLIENT = backend.get_backend("cpu")
# Two modules whose partitions wait for each other must not share one pool of threads.
ALONE = Lock()


def decode(entry, device):
    data = np.frombuffer(base64.b64decode(entry["data"]), dtype=entry["dtype"])
    return jax.device_put(data.reshape(entry["dims"]), device)


def encode(array):
    # A tensor of bool has one byte per element on both sides.
    array = np.asarray(array)
    return {
        "dtype": str(array.dtype),
        "dims": list(array.shape),
        "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
    }


def options_for(devices):
    """One partition per device; a module with several holds them as a manual computation."""
    options = _jax.CompileOptions()
    options.num_partitions = len(devices)
    build = options.executable_build_options
    build.num_partitions = len(devices)
    build.use_spmd_partitioning = build.use_shardy_partitioner = len(devices) > 1
    build.device_assignment = _jax.DeviceAssignment.create(np.array([[d.id for d in devices]]))
    return options


def spread(shards, devices):
    """One array per device as one value of all; what they hold may differ."""
    mesh = jax.sharding.Mesh(np.array(devices), ("device",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.make_array_from_single_device_arrays(shards[0].shape, sharding, shards)


def run(line):
    module = json.loads(line)
    try:
        devices = CLIENT.local_devices()[: len(module["devices"])]
        executable = CLIENT.compile_and_load(
            module["text"], _jax.DeviceList(tuple(devices)), options_for(devices)
        )
        own = [[decode(x, d) for x in xs] for xs, d in zip(module["devices"], devices)]
        inputs = [spread(list(shards), devices) for shards in zip(*own)]
        with ALONE if len(devices) > 1 else contextlib.nullcontext():
            results = executable.execute_sharded(inputs).disassemble_into_single_device_arrays()
            outputs = [[encode(y[i]) for y in results] for i in range(len(devices))]
        return {"id": module["id"], "devices": outputs}
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
