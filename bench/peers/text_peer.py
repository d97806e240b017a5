"""The Rust `tokenizers` package as a peer: trains on a text, encodes its documents.

Reads JSON lines from standard input, answers each with one on standard output:
{"do": "hello", "threads"} -> {"versions"}; {"do": "train", "kind", "splitting", "vocab", "text"} -> {"seconds"};
{"do": "open", "file", "documents"} -> {"tokens"}; {"do": "encode"} -> {"seconds"}; {"do": "quit"}.
Encoding runs on one thread; training on as many as said.
"""

import json
import os
import sys
import time

META = "\u2581"


def tokenizer_for(kind, splitting, vocab):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    options = {"vocab_size": vocab, "show_progress": False}
    if splitting == "metaspace":
        special = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % byte for byte in range(256)]
        model = models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
        alphabet = []
    else:
        special, model = ["<|endoftext|>"], models.BPE()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    if kind == "unigram":
        trainer = trainers.UnigramTrainer(**options, special_tokens=special, unk_token="<unk>")
        tokenizer = Tokenizer(models.Unigram())
    else:
        trainer = trainers.BpeTrainer(
            **options, special_tokens=special, initial_alphabet=alphabet, min_frequency=2
        )
        tokenizer = Tokenizer(model)
    if splitting == "metaspace":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend(META), normalizers.Replace(" ", META)]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer, trainer


def main():
    opened, documents = None, []
    for line in sys.stdin:
        request = json.loads(line)
        do = request["do"]
        try:
            if do == "hello":
                # Read by the package when it first works in parallel.
                os.environ["RAYON_NUM_THREADS"] = str(request["threads"])
                import tokenizers

                answer = {"versions": {"tokenizers": tokenizers.__version__}}
            elif do == "train":
                with open(request["text"], encoding="utf8", newline="") as file:
                    texts = json.load(file)
                tokenizer, trainer = tokenizer_for(request["kind"], request["splitting"], request["vocab"])
                started = time.perf_counter()
                tokenizer.train_from_iterator(texts, trainer)
                answer = {"seconds": time.perf_counter() - started}
            elif do == "open":
                from tokenizers import Tokenizer

                opened = Tokenizer.from_file(request["file"])
                with open(request["documents"], encoding="utf8", newline="") as file:
                    documents = json.load(file)
                answer = {"tokens": sum(len(opened.encode(d, add_special_tokens=False)) for d in documents)}
            elif do == "encode":
                started = time.perf_counter()
                for document in documents:
                    opened.encode(document, add_special_tokens=False).ids
                answer = {"seconds": time.perf_counter() - started}
            elif do == "quit":
                return
            else:
                answer = {"error": f"unknown request {do}"}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
