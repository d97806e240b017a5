"""Records sparse layers of transformers: test/recorded/routers.json.

    python test/recorded/record_routers.py && npx biome check --write test/recorded/routers.json

Whole blocks of Mixtral and DeepSeek-V3, and OLMoE's router: weights, inputs, choices, answers, losses.
Matrices are written as ours stand: [in, out], and [expert, in, out]. Floats are 32 bits.
"""

import json
import pathlib

import numpy as np
import torch
import transformers
from transformers import DeepseekV3Config, MixtralConfig, OlmoeConfig
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE
from transformers.models.mixtral.modeling_mixtral import (
    MixtralSparseMoeBlock,
    load_balancing_loss_func,
)
from transformers.models.olmoe.modeling_olmoe import OlmoeTopKRouter

HERE = pathlib.Path(__file__).parent
SEED = 20
EMBED, MLP, EXPERTS, TOKENS = 6, 5, 8, 10


def plain(x):
    x = x.detach().numpy()
    return {
        "dims": list(x.shape),
        "values": [float(str(v)) for v in x.astype(np.float32).ravel()]
        if x.dtype.kind == "f"
        else x.ravel().tolist(),
    }


def draw(module):
    """All weights uniform in ±0.8, from one generator, so that every expert is chosen by somebody."""
    for parameter in module.parameters():
        torch.nn.init.uniform_(parameter, -0.8, 0.8)
    return module


def experts(block):
    gate, up = block.experts.gate_up_proj.chunk(2, dim=1)
    return {
        "gate": plain(block.gate.weight.T),
        "wg": plain(gate.transpose(1, 2)),
        "wi": plain(up.transpose(1, 2)),
        "wo": plain(block.experts.down_proj.transpose(1, 2)),
    }


def mixtral():
    config = MixtralConfig(
        hidden_size=EMBED,
        intermediate_size=MLP,
        num_local_experts=EXPERTS,
        num_experts_per_tok=3,
        router_jitter_noise=0.0,
    )
    config._experts_implementation = "eager"
    block = draw(MixtralSparseMoeBlock(config)).eval()
    x = torch.randn(1, TOKENS, EMBED)
    logits, weight, expert = block.gate(x)
    return {
        **experts(block),
        "x": plain(x),
        "expert": plain(expert),
        "weight": plain(weight),
        "y": plain(block(x)),
        "auxLoss": load_balancing_loss_func((logits,), EXPERTS, 3).item(),
        "auxLossWithoutLastTwo": load_balancing_loss_func(
            (logits,), EXPERTS, 3, torch.tensor([[1] * (TOKENS - 2) + [0, 0]])
        ).item(),
    }


def deepseek():
    config = DeepseekV3Config(
        hidden_size=EMBED,
        intermediate_size=2 * MLP,
        moe_intermediate_size=MLP,
        n_routed_experts=EXPERTS,
        n_shared_experts=2,
        num_experts_per_tok=3,
        n_group=4,
        topk_group=2,
        routed_scaling_factor=2.5,
        norm_topk_prob=True,
    )
    config._experts_implementation = "eager"
    block = draw(DeepseekV3MoE(config)).eval()
    bias = torch.empty(EXPERTS).uniform_(-0.3, 0.3)
    block.gate.e_score_correction_bias.copy_(bias)
    x = torch.randn(1, TOKENS, EMBED)
    _, weight, expert = block.gate(x)
    shared = block.shared_experts
    return {
        **experts(block),
        "sharedWg": plain(shared.gate_proj.weight.T),
        "sharedWi": plain(shared.up_proj.weight.T),
        "sharedWo": plain(shared.down_proj.weight.T),
        "bias": plain(bias),
        "x": plain(x),
        "expert": plain(expert),
        "weight": plain(weight),
        "y": plain(block(x)),
    }


def olmoe():
    config = OlmoeConfig(
        hidden_size=EMBED, num_experts=EXPERTS, num_experts_per_tok=4, norm_topk_prob=False
    )
    router = draw(OlmoeTopKRouter(config))
    x = torch.randn(1, TOKENS, EMBED)
    _, weight, expert = router(x)
    return {
        "gate": plain(router.weight.T),
        "x": plain(x),
        "expert": plain(expert),
        "weight": plain(weight),
    }


torch.manual_seed(SEED)
with torch.no_grad():
    recorded = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "seed": SEED,
        "mixtral": mixtral(),
        "deepseek": deepseek(),
        "olmoe": olmoe(),
    }
(HERE / "routers.json").write_text(json.dumps(recorded) + "\n")
