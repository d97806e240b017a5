"""Writes the backend test cases of the Python package onnx into a folder: cases.json and values.bin.

usage: dump_onnx_backend.py FOLDER

Node cases are made by the package in memory (by older ones they are files), the others lie beside it as files. Values are TensorProtos; a sequence is
a list of them, an absent optional is null, and what is neither (maps) is the name of its type.
"""

import json
import os
import sys

import numpy as np
import onnx
from onnx import ModelProto, OptionalProto, SequenceProto, TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

DATA = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data")
LIGHT = os.path.join(DATA, "light")


class Blob:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.at = 0

    def add(self, data):
        self.file.write(data)
        self.at += len(data)
        return [self.at - len(data), len(data)]


def tensor(blob, value):
    if isinstance(value, TensorProto):
        return blob.add(value.SerializeToString())
    return blob.add(numpy_helper.from_array(np.asarray(value)).SerializeToString())


def dump(blob, value):
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [dump(blob, item) for item in value]
    if isinstance(value, dict):
        return "map"
    return {"tensor": tensor(blob, value)}


def from_file(path, kind):
    with open(path, "rb") as file:
        data = file.read()
    if kind == "sequence_type":
        return numpy_helper.to_list(SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(OptionalProto.FromString(data))
    return TensorProto.FromString(data)


def file_sets(folder, model):
    inputs = [value.type.WhichOneof("value") for value in model.graph.input]
    outputs = [value.type.WhichOneof("value") for value in model.graph.output]
    sets = []
    for name in sorted(os.listdir(folder)):
        data = os.path.join(folder, name)
        if not (name.startswith("test_data_set") and os.path.isdir(data)):
            continue
        side = lambda word, kinds: [
            from_file(os.path.join(data, f"{word}_{i}.pb"), kinds[i])
            for i in range(len([f for f in os.listdir(data) if f.startswith(f"{word}_")]))
        ]
        sets.append((side("input", inputs), side("output", outputs)))
    return sets


def light_sets(model, path):
    """Whole networks with constant weights: the package makes the input, and stores what comes out."""
    given = {tensor.name for tensor in model.graph.initializer}
    feeds = [
        Runner.generate_dummy_data(value, seed=0, name="light", random=False)
        for value in model.graph.input
        if value.name not in given
    ]
    return [(feeds, [from_file(path.replace(".onnx", "_output_0.pb"), "tensor_type")])]


def cases():
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            if case.model is not None:
                yield kind, case.name, case.model.SerializeToString(), case.data_sets, case
                continue
            with open(os.path.join(case.model_dir, "model.onnx"), "rb") as file:
                data = file.read()
            sets = file_sets(case.model_dir, ModelProto.FromString(data))
            yield kind, case.name, data, sets, case
    for case in load_model_tests(kind="real"):
        path = os.path.join(LIGHT, os.path.basename(case.url))
        with open(path, "rb") as file:
            data = file.read()
        yield "light", case.name, data, light_sets(ModelProto.FromString(data), path), case


def main(folder):
    blob = Blob(os.path.join(folder, "values.bin"))
    index = []
    for kind, name, model, sets, case in cases():
        index.append(
            {
                "kind": kind,
                "name": name,
                "rtol": case.rtol,
                "atol": case.atol,
                "model": blob.add(model),
                "sets": [
                    {side: [dump(blob, value) for value in values] for side, values in zip(("inputs", "outputs"), one)}
                    for one in sets
                ],
            }
        )
    with open(os.path.join(folder, "cases.json"), "w") as file:
        json.dump({"version": onnx.__version__, "cases": index}, file)


main(sys.argv[1])
