"""Loads an exported folder as anybody would, and prints what it computes as one line of JSON.

    python test/peers/read_export.py versions
    python test/peers/read_export.py hub FOLDER '{"ids": [[1, 2]], "texts": ["a"]}'
    python test/peers/read_export.py onnx FOLDER '{"ids": [[1, 2]]}'
"""

import json
import sys


def versions():
    import onnxruntime
    import tokenizers
    import torch
    import transformers

    modules = (onnxruntime, tokenizers, torch, transformers)
    return {module.__name__: module.__version__ for module in modules}


def hub(folder, given):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    ids = torch.tensor(given["ids"])
    with torch.no_grad():
        logits = model.eval()(ids).logits
    encoded = [tokenizer(text).input_ids for text in given["texts"]]
    generation = GenerationConfig.from_pretrained(folder)
    return {
        "model": type(model).__name__,
        "dtype": str(model.dtype),
        "loading": {key: sorted(map(str, value)) for key, value in info.items() if value},
        "logits": logits.flatten().tolist(),
        "encoded": encoded,
        "decoded": [tokenizer.decode(row) for row in encoded],
        "generated": model.generate(ids[:1], max_new_tokens=4, do_sample=False)[0].tolist(),
        "eos": generation.eos_token_id,
    }


def onnx(folder, given):
    import numpy as np
    import onnxruntime

    ids = np.array(given["ids"], dtype=np.int64)
    whole = onnxruntime.InferenceSession(f"{folder}/onnx/model.onnx")
    [logits] = whole.run(["logits"], {"input_ids": ids})
    decoder = onnxruntime.InferenceSession(f"{folder}/onnx/decoder_with_past_model.onnx")
    past = {
        entry.name: np.zeros(entry.shape, np.float32)
        for entry in decoder.get_inputs()
        if entry.name.startswith("past_key_values.")
    }
    names = [entry.name for entry in decoder.get_outputs()]
    steps = []
    for at in range(ids.shape[1]):
        positions = np.full(ids.shape[0], at, dtype=np.int64)
        out = dict(zip(names, decoder.run(names, {"input_ids": ids[:, at : at + 1], "positions": positions, **past})))
        steps.append(out["logits"])
        past = {name: out[name.replace("past_key_values", "present")] for name in past}
    return {"logits": logits.flatten().tolist(), "steps": np.concatenate(steps, axis=1).flatten().tolist()}


COMMANDS = {"versions": versions, "hub": hub, "onnx": onnx}

if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if arguments:
        arguments[-1] = json.loads(arguments[-1])
    print(json.dumps(COMMANDS[command](*arguments)))
