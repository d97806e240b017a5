"""Records small checkpoints of transformers with their logits: test/recorded/hub/.

    python test/recorded/record_hub.py

Each folder is what `save_pretrained` writes, and `expected.safetensors`: token ids `[batch, pos]` and the
logits `[batch, pos, vocab]` of the float32 model (of weights rounded to bfloat16 where the folder holds those),
for the sparse one also its balance loss, mean over layers.
Weights are larger than fresh ones, norms are not 1 and biases not 0, so that nothing hides.
"""

import json
import pathlib
import shutil

import safetensors.torch
import tokenizers
import torch
import transformers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

HERE = pathlib.Path(__file__).parent / "hub"
SEED = 20
TEXT = (
    "a checkpoint is a folder of names and numbers. the names say where the numbers belong, and the numbers "
    "say what the model has learnt. a folder that lacks a name is not whole."
)
SMALL = dict(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=0,
    eos_token_id=1,
    attn_implementation="eager",
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=500.0,
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)

# name: model, dtype of the files, largest shard
CASES = {
    "llama-gqa": (LlamaForCausalLM(LlamaConfig(**SMALL, rms_norm_eps=1e-5)), "float32", None),
    "llama3-tied": (
        LlamaForCausalLM(
            LlamaConfig(**SMALL, rope_parameters=LLAMA3, tie_word_embeddings=True, head_dim=8)
        ),
        "bfloat16",
        None,
    ),
    "mistral-window": (MistralForCausalLM(MistralConfig(**SMALL, sliding_window=5)), "bfloat16", None),
    "mixtral": (
        MixtralForCausalLM(MixtralConfig(**SMALL, num_local_experts=4, num_experts_per_tok=2)),
        "bfloat16",
        "12KB",
    ),
    "qwen2": (Qwen2ForCausalLM(Qwen2Config(**SMALL, use_sliding_window=False)), "float32", None),
}
# The others stay small.
WITH_TOKENIZER = ("llama-gqa", "mixtral")


def scatter(model, generator):
    """Weights that are not those of a fresh model."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                parameter.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise * parameter.shape[-1] ** -0.5)


def small_tokenizer():
    """BPE of 64 ids over lower-case letters, with a template for chats."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    model.decoder = tokenizers.decoders.Metaspace()
    model.train_from_iterator(
        [TEXT],
        tokenizers.trainers.BpeTrainer(vocab_size=64, special_tokens=["<s>", "</s>", "<unk>"], show_progress=False),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template="{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
    )


def main():
    torch.use_deterministic_algorithms(True)
    shutil.rmtree(HERE, ignore_errors=True)
    for place, (name, (model, dtype, shard)) in enumerate(CASES.items()):
        generator = torch.Generator().manual_seed(SEED + place)
        scatter(model, generator)
        model.to(getattr(torch, dtype))
        folder = HERE / name
        more = {} if shard is None else {"max_shard_size": shard}
        model.save_pretrained(folder, **more)
        if name in WITH_TOKENIZER:
            small_tokenizer().save_pretrained(folder)
        ids = torch.randint(3, 64, (2, 12), generator=generator)
        # Loaded again: rounding the model rounded its rotary wavelengths too, which no file holds.
        loaded = type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        with torch.no_grad():
            out = loaded.eval()(ids, **({"output_router_logits": True} if name == "mixtral" else {}))
        expected = {"input_ids": ids.to(torch.int32), "logits": out.logits.contiguous()}
        if name == "mixtral":
            # Layer by layer; the model itself takes all layers at once.
            losses = [load_balancing_loss_func((layer,), 4, 2) for layer in out.router_logits]
            expected["aux_loss"] = torch.stack(losses).mean().reshape(1)
        safetensors.torch.save_file(expected, folder / "expected.safetensors")
    versions = {"seed": SEED, "transformers": transformers.__version__, "torch": torch.__version__}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    main()
