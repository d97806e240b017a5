"""Compiles StableHLO modules of several partitions through XLA, runs them, and tells what XLA made of them.

Reads JSON lines on standard input: {"do": "hello"} -> {"version"}; {"do": "run", "text", "partitioner",
"devices"} -> {"devices", "hlo"}; {"do": "quit"}. `devices` lists the pieces of the inputs on each partition,
[[{"dtype", "dims", "data"}]], data in base64, little-endian, row-major; the reply has the pieces of the outputs
in the same form, and the optimised HLO. `partitioner` is "gspmd" for a whole program with shardings, "manual" for
what each partition computes by itself, written as a manual computation.
"""

import base64
import json
import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # a warning per module that GSPMD is deprecated
# Values and collectives are of interest, not speed: so it compiles in a quarter of the time.
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_enable_fast_math=false --xla_backend_optimization_level=0"
    " --xla_cpu_use_fusion_emitters=false --xla_force_host_platform_device_count=8"
)

import jax  # noqa: E402
import jaxlib  # noqa: E402
import ml_dtypes  # noqa: E402, F401  teaches numpy the name bfloat16
import numpy as np  # noqa: E402
from jax.extend import backend  # noqa: E402
from jaxlib import _jax  # noqa: E402

from common import answer_requests  # noqa: E402

CLIENT = backend.get_backend("cpu")


def decode(entry, device):
    data = np.frombuffer(base64.b64decode(entry["data"]), dtype=entry["dtype"])
    return jax.device_put(data.reshape(entry["dims"]), device)


def encode(array):
    array = np.asarray(array)
    return {
        "dtype": str(array.dtype),
        "dims": list(array.shape),
        "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
    }


def options_for(devices, partitioner):
    options = _jax.CompileOptions()
    options.num_partitions = len(devices)
    build = options.executable_build_options
    build.num_partitions = len(devices)
    build.use_spmd_partitioning = len(devices) > 1
    build.use_shardy_partitioner = len(devices) > 1 and partitioner == "manual"
    build.device_assignment = _jax.DeviceAssignment.create(np.array([[d.id for d in devices]]))
    return options


def spread(shards, devices):
    """One array per device under the name of one; they hold different pieces, of equal form."""
    mesh = jax.sharding.Mesh(np.array(devices), ("device",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.make_array_from_single_device_arrays(shards[0].shape, sharding, shards)


def run(text, partitioner, pieces):
    devices = CLIENT.local_devices()[: len(pieces)]
    executable = CLIENT.compile_and_load(
        text, _jax.DeviceList(tuple(devices)), options_for(devices, partitioner)
    )
    own = [[decode(x, d) for x in xs] for xs, d in zip(pieces, devices)]
    inputs = [spread(list(shards), devices) for shards in zip(*own)]
    results = executable.execute_sharded(inputs).disassemble_into_single_device_arrays()
    return {
        "devices": [[encode(y[i]) for y in results] for i in range(len(devices))],
        "hlo": executable.hlo_modules()[0].to_string(),
    }


def answer(request):
    match request["do"]:
        case "hello":
            return {"version": f"jax {jax.__version__}, jaxlib {jaxlib.__version__}"}
        case "run":
            return run(request["text"], request["partitioner"], request["devices"])
        case other:
            return {"error": f"unknown request {other}"}


answer_requests(answer)
