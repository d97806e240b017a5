"""GLaM's decoding in PyTorch eager on CPU, with a key-value cache: the twin of `src/generate` on `src/models/glam`.

It writes as a PyTorch user would: `inference_mode`, caches allocated once and written in place, the bias by
distance looked up from a table made at the start. Experts are computed in one of two ways, whichever is
faster for the batch: all of them on all rows in two batched products, or each on its own rows.

Requests: `load`, `generate` (`batch` rows of the config's prompts, `tokens` more of each, greedy), `quit`.
The config file has `model` (as in a run's config.json), `weights` (a safetensors file of `params/…` and
`extra/…`, the routers' thresholds), `prompts` (int lists of one length) and `threads`.
"""

import time

import torch
import torch.nn.functional as F

from common import answer_requests, arguments, read_safetensors
from glam_peer import bias_buckets, experts, norm


class Writer:
    def __init__(self, config):
        torch.set_num_threads(config.threads)
        self.model = config.model
        tensors = {name: torch.from_numpy(value) for name, value in read_safetensors(config.weights).items()}
        self.weights = {name.removeprefix("params/"): t for name, t in tensors.items() if name.startswith("params/")}
        w, embed = self.weights, self.model["embed"]
        if self.model["router"] != "expert-choice" or self.model["sharedExperts"] > 0:
            raise ValueError("this peer knows the router expert-choice, without shared experts")
        self.thresholds = [t for name, t in tensors.items() if name.endswith("/threshold")]  # by layer
        self.prompts = torch.tensor(config.prompts)
        self.length = self.prompts.shape[1] + config.tokens
        buckets = bias_buckets(self.length)
        self.layers = []
        for layer in range(self.model["layers"]):
            at = f"layers/{layer}"
            # One product for queries, keys and values, as PyTorch models have it.
            joined = torch.cat([w[f"{at}/attention/{name}"].flatten(1) for name in ("query", "key", "value")], 1)
            self.layers.append((at, joined, w[f"{at}/attention/bias"][:, buckets].contiguous()))
        self.unembed = (w["embedding"] * embed**-0.5).t()
        self.sparse = {}

    def start(self, batch):
        form = (batch, self.model["head"], self.length, self.model["dim"])
        return [(torch.zeros(form), torch.zeros(form)) for _ in self.layers]

    def attention(self, at, joined, bias, x, cache, place):
        batch, pos, _ = x.shape
        heads, dim = self.model["head"], self.model["dim"]
        q, k, v = (x @ joined).view(batch, pos, 3, heads, dim).permute(2, 0, 3, 1, 4)
        keys, values = cache
        end = place + pos
        keys[:, :, place:end] = k
        values[:, :, place:end] = v
        logits = q @ keys[:, :, :end].transpose(2, 3) + bias[:, place:end, :end]
        if pos > 1:
            seen = torch.ones(pos, end, dtype=torch.bool).tril(place)
            logits = logits.masked_fill(~seen, -torch.inf)
        if self.model["extraLogit"]:
            logits = F.pad(logits, (0, 1))
        shares = logits.softmax(-1)[..., :end]
        mixed = (shares @ values[:, :, :end]).transpose(1, 2).reshape(batch, pos, -1)
        return mixed @ self.weights[f"{at}/output"].flatten(0, 1)

    def mixture(self, at, x, threshold, sparse):
        w, model = self.weights, self.model
        rows = x.flatten(0, 1)
        gates = (rows @ w[f"{at}/gate"]).softmax(-1)
        chosen = torch.where(gates >= threshold, gates, 0.0)
        if not sparse:
            answer = experts(w, at, rows.expand(model["experts"], -1, -1), model["activation"])
            return (answer * chosen.t().unsqueeze(-1)).sum(0).view_as(x)
        y = torch.zeros_like(rows)
        for expert in range(model["experts"]):
            own = chosen[:, expert].nonzero().squeeze(1)
            if own.numel() == 0:
                continue
            hidden = rows[own] @ w[f"{at}/wi"][expert]
            active = F.gelu(hidden, approximate="tanh") if model["activation"] == "gelu" else F.relu(hidden)
            y.index_add_(0, own, (active @ w[f"{at}/wo"][expert]) * chosen[own, expert].unsqueeze(1))
        return y.view_as(x)

    def forward(self, ids, caches, place, sparse):
        w = self.weights
        x = F.embedding(ids, w["embedding"])
        routers = 0
        for (at, joined, bias), cache in zip(self.layers, caches):
            x = x + self.attention(f"{at}/attention", joined, bias, norm(x, w[f"{at}/attentionNorm"]), cache, place)
            y = norm(x, w[f"{at}/mlpNorm"])
            if f"{at}/moe/gate" in w:
                y = self.mixture(f"{at}/moe", y, self.thresholds[routers], sparse)
                routers += 1
            else:
                gate = F.gelu(y @ w[f"{at}/mlp/gate"], approximate="tanh")
                y = (gate * (y @ w[f"{at}/mlp/wi"])) @ w[f"{at}/mlp/wo"]
            x = x + y
        return norm(x[:, -1], w["finalNorm"]) @ self.unembed

    @torch.inference_mode()
    def write(self, batch, tokens, sparse):
        ids = self.prompts[:batch]
        caches = self.start(batch)
        logits = self.forward(ids, caches, 0, sparse)
        place = ids.shape[1]
        answer = []
        for _ in range(tokens):
            last = logits.argmax(-1)
            answer.append(last)
            if len(answer) < tokens:
                logits = self.forward(last.unsqueeze(1), caches, place, sparse)
            place += 1
        return torch.stack(answer, 1).tolist()

    def generate(self, batch, tokens):
        if batch not in self.sparse:
            # Which way of computing experts is faster here is found out once, before anything is timed.
            best = {}
            for sparse in (False, True):
                self.write(batch, 8, sparse)
                best[sparse] = min(self.timed(batch, 16, sparse)[0] for _ in range(3))
            self.sparse[batch] = best[True] < best[False]
        ms, ids = self.timed(batch, tokens, self.sparse[batch])
        return {"ms": ms, "ids": ids, "detail": "each expert on its rows" if self.sparse[batch] else "all experts on all rows"}

    def timed(self, batch, tokens, sparse):
        start = time.perf_counter()
        ids = self.write(batch, tokens, sparse)
        return 1000 * (time.perf_counter() - start), ids


class Peer:
    def __init__(self, config):
        self.config, self.writer = config, None

    def answer(self, request):
        match request["do"]:
            case "load":
                self.writer = Writer(self.config)
                return {"ok": True, "version": f"torch {torch.__version__}"}
            case "generate":
                return self.writer.generate(request["batch"], request["tokens"])
            case other:
                return {"error": f"unknown request {other!r}"}


if __name__ == "__main__":
    answer_requests(Peer(arguments()).answer)
