"""The benchmark model in PyTorch on CPU, eager or compiled (`--mode eager|compile`).

It uses what a PyTorch user would: fused attention, `rms_norm`, `gelu`, `cross_entropy` and
`torch.optim.SGD`. In compile mode torch.compile takes the forward and the backward pass.
"""

import torch
import torch.nn.functional as F

from common import arguments, read_safetensors, serve


def norm(x, scale):
    return F.rms_norm(x, scale.shape, scale, eps=1e-6)


def attention(config, weights, at, x):
    heads = (config.batch, config.pos, config.head, config.dim)
    query, key, value = (
        (x @ weights[f"{at}/{name}"].flatten(1)).view(heads).transpose(1, 2)
        for name in ("query", "key", "value")
    )
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return mixed.transpose(1, 2).reshape(x.shape[0], -1) @ weights[f"{at}/output"].flatten(0, 1)


def feed_forward(weights, at, x):
    return F.gelu(x @ weights[f"{at}/wi"], approximate="tanh") @ weights[f"{at}/wo"]


def mixture(config, weights, at, x):
    """Expert Choice: each expert takes its best tokens of the whole batch."""
    slots = int(x.shape[0] * config.capacityFactor / config.expert)
    # [expert, tokens]. Not softmax(...).t(): torch 2.13 compiles the gradient of that wrongly on CPU.
    scores = torch.softmax((x @ weights[f"{at}/gate"]).t(), dim=0)
    chosen, index = torch.topk(scores, slots, dim=-1, sorted=False)  # both [expert, slots]
    index = index.flatten()
    taken = x.index_select(0, index).view(config.expert, slots, -1)
    hidden = F.gelu(torch.bmm(taken, weights[f"{at}/wi"]), approximate="tanh")
    output = torch.bmm(hidden, weights[f"{at}/wo"]) * chosen.unsqueeze(-1)
    return torch.zeros_like(x).index_add_(0, index, output.flatten(0, 1))


def loss_of(config, weights, tokens, targets):
    x = F.embedding(tokens.flatten(), weights["embedding"])
    for layer in range(config.layers):
        at = f"layers/{layer}"
        normed = norm(x, weights[f"{at}/attention_norm"])
        x = x + attention(config, weights, f"{at}/attention", normed)
        normed = norm(x, weights[f"{at}/mlp_norm"])
        if f"{at}/moe/gate" in weights:
            x = x + mixture(config, weights, f"{at}/moe", normed)
        else:
            x = x + feed_forward(weights, f"{at}/mlp", normed)
    logits = norm(x, weights["final_norm"]) @ weights["unembedding"]
    return F.cross_entropy(logits, targets.flatten())


class Peer:
    def __init__(self, config):
        self.config = config

    def load(self):
        config = self.config
        torch.set_num_threads(config.threads)
        data = read_safetensors(config.data)
        self.tokens = torch.from_numpy(data["tokens"]).long()
        self.targets = torch.from_numpy(data["targets"]).long()
        self.loss = loss_of
        if config.mode == "compile":
            self.loss = torch.compile(loss_of, dynamic=False)
        detail = {"threads": torch.get_num_threads(), "optimizer": "SGD foreach"}
        return {"runner": f"torch-{config.mode}", "version": torch.__version__, "detail": detail}

    def reset(self):
        tensors = read_safetensors(self.config.weights)
        self.weights = {
            name: torch.from_numpy(value).clone().requires_grad_() for name, value in tensors.items()
        }
        self.optimizer = torch.optim.SGD(
            self.weights.values(), lr=self.config.learningRate, foreach=True
        )

    def step(self, index):
        row = index % self.tokens.shape[0]
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.config, self.weights, self.tokens[row], self.targets[row])
        loss.backward()
        self.optimizer.step()
        return loss.item()


if __name__ == "__main__":
    serve(Peer(arguments(mode=["eager", "compile"])))
