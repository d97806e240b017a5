"""Whole layers, asked of torch.nn and of transformers. The counterpart is test/agreement/with-layers.ts.

A case's inputs are those of the layer, then its parameters in the order of `named_parameters()`.
"""

import torch
import torch.nn.functional as F
from torch.func import functional_call
from transformers import BloomConfig, GPT2Config, LlamaConfig, PhiConfig, Qwen3Config, T5Config
from transformers.models.bloom.modeling_bloom import BloomAttention, build_alibi_tensor
from transformers.models.gpt2.modeling_gpt2 import GPT2Block
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding
from transformers.models.phi.modeling_phi import PhiDecoderLayer, PhiRotaryEmbedding
from transformers.models.qwen3.modeling_qwen3 import Qwen3Attention, Qwen3RotaryEmbedding
from transformers.models.t5.modeling_t5 import T5Attention

from .cases import Case, ints, real, truths

CASES = []


def case(name, function, *inputs, gradients=True):
    CASES.append(Case(f"layer: {name}", "torch", function, inputs, gradients))


def of(module, call, *inputs):
    """`call(run, *inputs)`, where `run` is the module with the parameters that the case draws."""
    module = module.eval().double()
    names = [name for name, _ in module.named_parameters()]
    draws = [real(*p.shape, scale=0.8) for p in module.parameters()]

    def function(*all_of_them):
        xs, ps = all_of_them[: len(inputs)], all_of_them[len(inputs) :]
        run = lambda *args, **more: functional_call(module, dict(zip(names, ps)), args, more)
        return call(run, *xs)

    return function, *inputs, *draws


def causal(length, window=None):
    """0 where a key may be seen, −∞ where not: `[1, 1, pos, mem]`."""
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    seen = (distance >= 0) & (distance < (window or length))
    return torch.where(seen, 0.0, -torch.inf).double()[None, None]


nn = torch.nn
case("linear", *of(nn.Linear(3, 4), lambda run, x: run(x), real(2, 3)))
case("linear without a bias", *of(nn.Linear(3, 4, bias=False), lambda run, x: run(x), real(2, 2, 3)))
case("embedding", *of(nn.Embedding(5, 3), lambda run, at: run(at), ints([[0, 4, 4], [2, 0, 1]])))
case("root mean square norm", *of(nn.RMSNorm(4, eps=1e-6), lambda run, x: run(x), real(2, 3, 4)))
case("layer norm", *of(nn.LayerNorm(4), lambda run, x: run(x), real(2, 3, 4)))
case("group norm", *of(nn.GroupNorm(2, 4), lambda run, x: run(x), real(2, 4, 3)))


def batch_norm(x, scale, bias, mean, variance):
    mean, variance = mean.detach().clone(), variance.detach().clone()
    y = F.batch_norm(x, mean, variance, scale, bias, True, 0.1)
    return y, mean, variance


case("batch norm, training", batch_norm, real(3, 2, 4), real(2), real(2), real(2), real(2))
case(
    "batch norm, in use",
    lambda x, scale, bias, mean, root: F.batch_norm(x, mean.detach(), root.detach() ** 2 + 0.5, scale, bias, False),
    real(3, 2, 4), real(2), real(2), real(2), real(2),
)
case("causal convolution, 1-D", *of(nn.Conv1d(4, 2, 3, dilation=2, groups=2), lambda run, x: run(F.pad(x, (4, 0))), real(2, 4, 6)))
case("convolution, 2-D, without a bias", *of(nn.Conv2d(2, 3, 2, stride=2, bias=False), lambda run, x: run(x), real(1, 2, 4, 4)))
case("transposed convolution, 3-D", *of(nn.ConvTranspose3d(2, 1, 2, stride=2), lambda run, x: run(x), real(1, 2, 2, 1, 2)))

# Attention of torch.nn: in_proj [3·embed, embed], out_proj.
case("attention, both directions", *of(nn.MultiheadAttention(4, 2, batch_first=True), lambda run, x: run(x, x, x)[0], real(2, 3, 4)))
case(
    "attention, padded keys",
    *of(
        nn.MultiheadAttention(4, 2, batch_first=True),
        lambda run, x: run(x, x, x, key_padding_mask=torch.tensor([[False, False, True], [False, False, False]]))[0],
        real(2, 3, 4),
    ),
)
# Parameters: q_proj [4, 4], k_proj [4, 3], v_proj [4, 3], in_proj_bias, out_proj.
case(
    "attention, on another sequence of another width",
    *of(nn.MultiheadAttention(4, 2, batch_first=True, kdim=3, vdim=3), lambda run, x, m: run(x, m, m)[0], real(2, 3, 4), real(2, 5, 3)),
)
for first, activation in [(True, "gelu"), (False, "relu")]:
    place = "before" if first else "after"
    case(
        f"encoder block, norms {place}",
        *of(nn.TransformerEncoderLayer(4, 2, 6, 0.0, activation, batch_first=True, norm_first=first), lambda run, x: run(x), real(2, 3, 4)),
    )
    case(
        f"decoder block, norms {place}",
        *of(
            nn.TransformerDecoderLayer(4, 2, 6, 0.0, activation, batch_first=True, norm_first=first),
            lambda run, x, m: run(x, m, tgt_mask=causal(3)[0, 0]),
            real(2, 3, 4), real(2, 2, 4),
        ),
    )

# Transformers. Their angles, and the softmax of most, are of single precision whatever the inputs are.
LLAMA = dict(hidden_size=8, intermediate_size=5, num_attention_heads=4, head_dim=4, attn_implementation="eager")
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
FORMS = {
    "": (dict(num_key_value_heads=4), dict(rope_type="default", rope_theta=100.0), None),
    ", grouped": (dict(num_key_value_heads=2), dict(rope_type="default", rope_theta=10000.0), None),
    ", one head of keys, a window": (dict(num_key_value_heads=1), dict(rope_type="default", rope_theta=100.0), 3),
    ", Llama 3.1's waves": (dict(num_key_value_heads=2), dict(LLAMA3, rope_theta=30.0), None),
    ", slower waves": (dict(num_key_value_heads=2), dict(rope_type="linear", factor=4.0, rope_theta=30.0), None),
}


def llama(config):
    rotary = LlamaRotaryEmbedding(config)
    window = getattr(config, "window", None)

    def call(run, x):
        at = torch.arange(x.shape[1])[None]
        return run(x, attention_mask=causal(x.shape[1], window), position_ids=at, position_embeddings=rotary(x, at))

    return call


for name, (heads, rope, window) in FORMS.items():
    config = LlamaConfig(**LLAMA, **heads, rope_parameters=rope)
    config.window = window
    case(f"Llama block{name}", *of(LlamaDecoderLayer(config, 0), llama(config), real(2, 6, 8)))


def frequencies(rope, **more):
    """Of 64 numbers a head, and 128 numbers with more."""
    return lambda: LlamaRotaryEmbedding(LlamaConfig(hidden_size=128, num_attention_heads=1, rope_parameters=rope, **more)).inv_freq.double()


case("rotary frequencies", frequencies(dict(rope_type="default", rope_theta=500000.0)), gradients=False)
case(
    "rotary frequencies, Llama 3.1",
    frequencies(dict(LLAMA3, original_max_position_embeddings=8192, rope_theta=500000.0)),
    gradients=False,
)


def qwen(run, x):
    at = torch.arange(x.shape[1])[None]
    return run(x, Qwen3RotaryEmbedding(QWEN)(x, at), causal(x.shape[1]))[0]


QWEN = Qwen3Config(hidden_size=8, num_attention_heads=4, num_key_value_heads=2, head_dim=4, attention_bias=True, attn_implementation="eager")
case("Qwen 3 attention, biases and norms", *of(Qwen3Attention(QWEN, 0), qwen, real(2, 4, 8)))


def phi(run, x):
    at = torch.arange(x.shape[1])[None]
    return run(x, attention_mask=causal(x.shape[1]), position_ids=at, position_embeddings=PhiRotaryEmbedding(PHI)(x, at))[0:1]


PHI = PhiConfig(hidden_size=8, intermediate_size=5, num_attention_heads=2, num_key_value_heads=2, attn_implementation="eager", rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5))
case("Phi block, parallel, half of the head turns", *of(PhiDecoderLayer(PHI, 0), lambda run, x: (lambda y: y[0] if isinstance(y, tuple) else y)(phi(run, x)), real(1, 4, 8)))


def gpt2(run, x):
    y = run(x, attention_mask=causal(x.shape[1]))
    return y[0] if isinstance(y, tuple) else y


GPT2 = GPT2Config(n_embd=4, n_head=2, n_inner=6, attn_implementation="eager")
case("GPT-2 block", *of(GPT2Block(GPT2, 0), gpt2, real(2, 3, 4)))


def t5(decoder):
    config = T5Config(d_model=4, d_kv=3, num_heads=2, is_decoder=decoder, attn_implementation="eager")
    return T5Attention(config, has_relative_attention_bias=True, layer_idx=0)


case("T5 attention, both directions", *of(t5(False), lambda run, x: run(x, mask=torch.zeros(1, 1, 12, 12).double())[0], real(1, 12, 4)))
case("T5 attention, causal", *of(t5(True), lambda run, x: run(x, mask=causal(x.shape[1]))[0], real(1, 20, 4)))
for both in (True, False):
    case(
        f"T5 buckets, {'both directions' if both else 'causal'}",
        lambda both=both: T5Attention._relative_position_bucket(torch.arange(-300, 301), both, 32, 128).int(),
        gradients=False,
    )


def bloom(run, x):
    alibi = build_alibi_tensor(torch.ones(x.shape[:2], dtype=torch.long), BLOOM.n_head, x.dtype)
    return run(x, torch.zeros_like(x), alibi, causal(x.shape[1]))[0]


BLOOM = BloomConfig(hidden_size=6, n_head=3, hidden_dropout=0.0, attention_dropout=0.0)
case("BLOOM attention, three heads", *of(BloomAttention(BLOOM, 0), bloom, real(2, 5, 6)))
for heads in (1, 8, 12, 20):
    case(
        f"slopes of {heads} heads",
        lambda heads=heads: build_alibi_tensor(torch.ones((1, 2), dtype=torch.long), heads, torch.float64)[:, 0, 1],
        gradients=False,
    )
