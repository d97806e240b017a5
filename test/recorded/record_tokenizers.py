"""Records what the Rust `tokenizers` package trains and encodes: test/recorded/tokenizers.json.

    python test/recorded/record_tokenizers.py [folder with the shared data]

Written with tokenizers 0.23.3. Merges and ids of the data sets are kept as digests: their texts are not
ours to spread. `biome check --write` then lays the file out.
"""

import gzip
import hashlib
import json
import pathlib
import random
import struct
import sys

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Regex

HERE = pathlib.Path(__file__).parent
SHARED = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[2] / "shared" / "data"
LANGUAGES = (HERE / "tokenizers" / "languages.txt").read_text(encoding="utf8")

GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
OWN_PATTERN = r"\p{Lu}?\p{Ll}+|\p{N}|[^\s\p{L}\p{N}]+|\s"
META = "\u2581"
BYTES = ["<0x%02X>" % byte for byte in range(256)]
# Of each file of the shared data, this many characters are encoded.
MOST = 120_000


def read(path):
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf8")


def chain(lines, every=64):
    """Digests of ever more lines: the first that differs says where."""
    digest = hashlib.sha256()
    marks = []
    for i, line in enumerate(lines):
        digest.update((line + "\n").encode("utf8"))
        if (i + 1) % every == 0 or i + 1 == len(lines):
            marks.append(digest.hexdigest()[:16])
    return marks


def metaspace(tokenizer):
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(META), normalizers.Replace(" ", META)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )


def byte_level(tokenizer, pattern):
    if pattern is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    tokenizer.decoder = decoders.ByteLevel()


def train_bpe(text, splitting, vocab, **options):
    if splitting == "metaspace":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        metaspace(tokenizer)
        special, alphabet = ["<unk>", "<s>", "</s>"] + BYTES, []
    else:
        tokenizer = Tokenizer(models.BPE())
        patterns = {"gpt2": None, "gpt4": GPT4, "own": OWN_PATTERN}
        byte_level(tokenizer, patterns[splitting])
        special, alphabet = ["<|endoftext|>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
        **{"min_frequency": 2, **options},
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def train_unigram(text, vocab):
    tokenizer = Tokenizer(models.Unigram())
    metaspace(tokenizer)
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab,
        special_tokens=["<unk>", "<s>", "</s>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def loaded(tokenizer):
    return json.loads(tokenizer.to_str())


def without_byte_specials(value):
    """Bytes were special only to give them ids; in a file for use they are ordinary pieces."""
    value["added_tokens"] = [t for t in value["added_tokens"] if t["content"] not in BYTES]
    return value


def training_records(texts):
    records = []
    for name, text in texts.items():
        cases = [
            ("gpt2", 1500, {}),
            ("gpt4", 1500, {}),
            ("metaspace", 3000, {}),
            ("gpt2", 900, {"min_frequency": 5, "max_token_length": 7}),
            ("metaspace", 2600, {"min_frequency": 3, "max_token_length": 6}),
        ]
        for splitting, vocab, options in cases:
            value = loaded(train_bpe(text, splitting, vocab, **options))
            merges = [" ".join(pair) for pair in value["model"]["merges"]]
            records.append(
                {
                    "text": name,
                    "splitting": splitting,
                    "vocab": vocab,
                    "options": options,
                    "pieces": len(value["model"]["vocab"]),
                    "merges": len(merges),
                    "digests": chain(merges),
                }
            )
    return records


def unigram_record(name, text, vocab):
    tokenizer = train_unigram(text, vocab)
    scores = dict(loaded(tokenizer)["model"]["vocab"])
    tokens = tokenizer.encode(text, add_special_tokens=False).tokens
    return {
        "text": name,
        "vocab": vocab,
        "pieces": len(scores),
        "tokens": len(tokens),
        # Of the best segmentation, under the model's own scores.
        "nats": -sum(scores[token] for token in tokens),
    }


def tokenizer_files():
    """Small tokenizers of many kinds, trained on the text beside this script."""
    files = {
        "gpt2": loaded(train_bpe(LANGUAGES, "gpt2", 500)),
        "gpt4": loaded(train_bpe(LANGUAGES, "gpt4", 500)),
        "own-pattern": loaded(train_bpe(LANGUAGES, "own", 500)),
        "llama": without_byte_specials(loaded(train_bpe(LANGUAGES, "metaspace", 900))),
    }
    # As Llama 2 has it: no pre-tokenizer, and a template.
    llama2 = json.loads(json.dumps(files["llama"]))
    llama2["pre_tokenizer"] = None
    llama2["post_processor"] = loaded_template(("<s>", 1), None)
    files["llama2"] = llama2

    unigram = loaded(train_unigram(LANGUAGES, 900))
    scores = [score for _, score in unigram["model"]["vocab"][3:]]
    unigram["model"]["vocab"] += [[piece, min(scores) * 8 - 8] for piece in BYTES]
    unigram["model"]["byte_fallback"] = True
    files["unigram"] = unigram

    t5 = loaded(train_unigram(LANGUAGES, 900))
    t5["normalizer"] = {"type": "NFKC"}
    t5["pre_tokenizer"] = {"type": "Metaspace", "replacement": META, "prepend_scheme": "always", "split": True}
    t5["decoder"] = {"type": "Metaspace", "replacement": META, "prepend_scheme": "always", "split": True}
    t5["post_processor"] = loaded_template(None, ("</s>", 2))
    files["t5"] = t5

    bert = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    bert.normalizer = normalizers.BertNormalizer(lowercase=True)
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bert.decoder = decoders.WordPiece(prefix="##")
    bert.train_from_iterator(
        [LANGUAGES],
        trainers.WordPieceTrainer(
            vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
        ),
    )
    bert.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    files["bert"] = loaded(bert)
    return files


def loaded_template(before, after):
    """A template processor as JSON, made by the package itself."""
    single = " ".join(([before[0]] if before else []) + ["$A"] + ([after[0]] if after else []))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[token for token in (before, after) if token]
    )
    return loaded(tokenizer)["post_processor"]


def hard_texts():
    """Texts on which encoders like to differ, and random ones."""
    chosen = [
        "", " ", "  ", "\n", "\r\n", "\t\t x", " a", "a ", "  a  b  ", "a\n\n  b", "\u00a0x\u00a0\u00a0y",
        "\ufeffmark", "x\ufeff y", "x\u0085y \u0085", "x\u180ey", "x\u200by\u200d", "x\u2028y\u2029",
        "it's IT'S 'Re 'll 'LL 'v 've' ''s", "it'\u017f '\u017f", "don\u2019t", "\u212a \u017f K",
        "1234567890", "12 345\u0661\u0662\u0663 \u00bd\u00b2", "x1y22z333", "\u2581", "a\u2581b \u2581\u2581c",
        "caf\u00e9 cafe\u0301", "\u1e9e \u00df \ufb01", "\u0130i\u0131I", "e\u0301\u0301\u0301\u0323",
        "<0x41>", "<0x0A><0xFF>", "<s>", "a<s>b</s> <unk>", "<|endoftext|>", "x <|endoftext|> y", "[CLS] [SEP]",
        "\u0000\u0001\u0002\u001f\u007f\u009f", "\x1c\x1d\x1e\x1f", "!?.,;:-_()[]{}", "...---...!!!???",
        "\U0001f9f5\U0001faa2 \U0001f469\u200d\U0001f52c \U0001f44b\U0001f3fd \U0001f3f4\U000e0067\U000e0062",
        "\U00010348\U0001d11e\U00020000\U0010ffff\uffff\ufffe", "\ue000\uf8ff\ufffd", "\u0e01\u0e33 \u0e40\u0e01",
        "\u1100\u1161\u11a8 \uac01", "\u0915\u094d\u0937\u093f", "\u05d0\u05b8\u05bc", "\u202eabc\u202c",
        "a" * 300, "ab" * 200, " " * 100, "\n" * 50 + "x", "9" * 70, "\u4e00" * 90, "=" * 65, "\U0001f9f5" * 40,
        "the" * 60 + " " + "weaver" * 30, "_private__name__ camelCaseWord SNAKE_CASE kebab-case",
        "if (x<=y){return x+1;}//end\n\n\n\tdone", "http://example.org/a?b=c&d=%20#e",
    ]
    generator = random.Random(20)
    pools = [
        "abc xyz'st \n", "The weaver's knot, 12. ", "\u00e4\u00f6\u00fc\u00df \u00e9\u00e8", "\u0443\u0442\u0440\u043e \u0431\u044b\u043b",
        "\u65e9\u6668\u5f88\u51b7 \u3001\u3002\u7e54\u308a\u624b", "\uc544\uce68\uc740 ", "\u2581 \u2581a", "\U0001f9f5\U0001f3fd\u200d\ufe0f ",
        "\u0000\t\r\n\x0b\x0c\x1c\u0085\u00a0\u2003\u3000 x", "0123456789\u0663\u00bd\u2167 ", "!@#$%^&*()-=+[]{};:'\",.<>/?\\|`~ ",
    ]
    for i in range(150):
        pool = pools[i % len(pools)] if i % 3 else "".join(pools)
        chosen.append("".join(generator.choice(pool) for _ in range(generator.randint(1, 40))))
    for _ in range(60):
        points = [generator.choice([0x7F, 0x2FF, 0xFFFF, 0x1FFFF, 0x10FFFF]) for _ in range(generator.randint(1, 12))]
        points = [generator.randint(0, top) for top in points]
        chosen.append("".join(chr(p) for p in points if not 0xD800 <= p <= 0xDFFF))
    return chosen


def ids_digest(tokenizer, lines):
    digest = hashlib.sha256()
    count = 0
    for encoding in tokenizer.encode_batch_fast(lines, add_special_tokens=False):
        ids = encoding.ids
        digest.update(struct.pack(f"<{len(ids)}i", *ids))
        count += len(ids)
    return [count, digest.hexdigest()[:16]]


def plain(ids):
    return " ".join(map(str, ids))


def main():
    tinyshakespeare = read(SHARED / "tinyshakespeare" / "input.txt.gz")
    tatoeba = "".join(read(path) for path in sorted((SHARED / "tatoeba").glob("*.tsv")))
    files = tokenizer_files()
    opened = {name: Tokenizer.from_str(json.dumps(value)) for name, value in files.items()}
    hard = hard_texts()
    sets = {}
    endings = (".txt", ".tsv", ".jsonl", ".csv", ".txt.gz", ".tsv.gz", ".jsonl.gz", ".csv.gz")
    for path in sorted(p for p in SHARED.rglob("*") if p.name.endswith(endings)):
        lines = read(path)[:MOST].split("\n")
        sets[path.relative_to(SHARED).as_posix()] = {
            name: " ".join(map(str, ids_digest(tokenizer, lines))) for name, tokenizer in opened.items()
        }
    generator = random.Random(21)
    decoded = {}
    for name in ("gpt2", "llama", "unigram"):
        size = opened[name].get_vocab_size()
        runs = [[generator.randrange(size) for _ in range(generator.randint(1, 12))] for _ in range(60)]
        decoded[name] = [[plain(ids), opened[name].decode(ids, skip_special_tokens=True)] for ids in runs]
    record = {
        "made": f"tokenizers {tokenizers.__version__}, seeds 20 and 21",
        "training": training_records({"languages": LANGUAGES, "tinyshakespeare": tinyshakespeare, "tatoeba": tatoeba}),
        "unigram": [
            unigram_record("languages", LANGUAGES, 900),
            unigram_record("tinyshakespeare", tinyshakespeare, 1000),
        ],
        "files": {name: json.dumps(value, ensure_ascii=False) for name, value in files.items()},
        "hard": hard,
        "ids": {name: [plain(t.encode(text, add_special_tokens=False).ids) for text in hard] for name, t in opened.items()},
        "around": {name: plain(t.encode("The weaver.", add_special_tokens=True).ids) for name, t in opened.items()},
        "decoded": decoded,
        "most": MOST,
        "sets": sets,
    }
    (HERE / "tokenizers.json").write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf8")


main()
