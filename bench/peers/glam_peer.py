"""A GLaM in PyTorch on CPU, as a PyTorch user would write it: the twin of `src/models/glam`.

It starts from the same weights and takes the same batches as our own run, so its losses must be ours.
Requests: `load`, `train` (`count` steps on), `resume` (from our whole state at `path`, whose optimiser's tensors are
numbered as the weights in `names`), `evaluate` (held-out batches by the deployed rule), `quit`.

The config file has `model`, `training` (as in a run's config.json), `weights` (a safetensors file of the
initial parameters), `batches` (int32 `tokens`, `targets` of `[steps, batch, pos]`), `held` (the same for
evaluation) and `threads`.
"""

import math
import time

import torch
import torch.nn.functional as F

from common import answer_requests, arguments, read_safetensors

MEMORY = 0.98
ROUTERS = ["expert-choice", "gshard-top2", "switch-top1"]


def norm(x, scale):
    return F.rms_norm(x, scale.shape, scale, eps=1e-6)


def bias_buckets(length):
    """T5's buckets of the distance back from each query to each key, 32 of them up to 128."""

    def bucket(distance):
        if distance < 16:
            return max(0, distance)
        return min(31, 16 + math.floor(math.log(distance / 16) / math.log(8) * 16))

    return torch.tensor([[bucket(q - k) for k in range(length)] for q in range(length)])


class Adafactor:
    """Shazeer and Stern, arXiv:1804.04235, without momentum, as GLaM's published code has it."""

    def __init__(self, parameters, factor_from=128, clip=1.0):
        self.factor_from, self.clip = factor_from, clip
        self.states = {name: {} for name in parameters}

    def axes(self, shape):
        order = sorted(range(len(shape)), key=lambda axis: (shape[axis], axis))[-2:]
        if len(order) < 2 or shape[order[0]] < self.factor_from:
            return None
        return order  # row, column

    def resume(self, name, shape, tensors, at):
        axes = self.axes(shape)
        if axes is None:
            self.states[name] = {"full": tensors[f"{at}/full"]}
        else:
            row, column = axes  # means over the column axis and over the row axis
            self.states[name] = {
                "row": tensors[f"{at}/row"].unsqueeze(column),
                "column": tensors[f"{at}/column"].unsqueeze(row),
            }

    def update(self, name, parameter, gradient, step, rate):
        state = self.states[name]
        beta = 1 - (step + 1) ** -0.8
        square = gradient * gradient + 1e-30
        axes = self.axes(parameter.shape)

        def mixed(key, fresh):
            state[key] = fresh * (1 - beta) + state.get(key, torch.zeros_like(fresh)) * beta
            return state[key]

        if axes is None:
            direction = gradient * mixed("full", square).rsqrt()
        else:
            row, column = axes
            rows = mixed("row", square.mean(column, keepdim=True))
            columns = mixed("column", square.mean(row, keepdim=True))
            balance = rows / rows.mean(row, keepdim=True)
            direction = gradient * balance.rsqrt() * columns.rsqrt()
        direction = direction / max(1.0, direction.square().mean().sqrt().item() / self.clip)
        size = rate * max(parameter.square().mean().sqrt().item(), 1e-3)
        parameter.sub_(direction * size)


def slots_of(model, tokens):
    return int(tokens * model["capacityFactor"] / model["experts"])


def experts(weights, at, taken, activation):
    """Every expert on its own rows: `[expert, row, embed]`."""
    hidden = torch.bmm(taken, weights[f"{at}/wi"])
    active = F.gelu(hidden, approximate="tanh") if activation == "gelu" else F.relu(hidden)
    return torch.bmm(active, weights[f"{at}/wo"])


def balance_loss(gates, first):
    share = first.mean(1).detach()
    return (share * gates.mean(1)).sum(-1).mean() * gates.shape[-1]


def choose_experts(model, gates):
    """Expert Choice within each group: `[group, expert, slot]` tokens and weights."""
    slots = slots_of(model, gates.shape[1])
    # Not topk: sequences that begin with the same token tie at position 0, and the lower one must win.
    values, index = torch.sort(gates.transpose(1, 2), dim=-1, descending=True, stable=True)
    values, index = values[..., :slots], index[..., :slots]
    return index, values, gates.new_zeros(()), values[..., -1].mean(0).detach()


def choose_tokens(model, gates, slots):
    """Top-2 or top-1: first choices before second ones, in token order, up to `slots` for an expert."""
    group, tokens, count = gates.shape
    picks = 2 if model["router"] == "gshard-top2" else 1
    values, chosen = torch.topk(gates, picks, dim=-1)
    share = values / (values.sum(-1, keepdim=True) + 1e-9) if picks == 2 else values
    index = torch.full((group, count * slots + 1), -1, dtype=torch.long)
    weight = gates.new_zeros((group, count * slots + 1))
    taken = torch.zeros((group, 1, count))
    places = torch.arange(tokens).expand(group, tokens)
    for rank in range(picks):
        mask = F.one_hot(chosen[..., rank], count).float()
        place = ((mask.cumsum(1) - mask + taken) * mask).sum(-1).long()
        fits = place < slots
        at = torch.where(fits, chosen[..., rank] * slots + place, count * slots)
        index = index.scatter(1, at, torch.where(fits, places, -1))
        weight = weight.scatter(1, at, torch.where(fits, share[..., rank], 0.0))
        taken = taken + (mask * fits.unsqueeze(-1)).sum(1, keepdim=True)
    first = F.one_hot(chosen[..., 0], count).float()
    form = (group, count, slots)
    return index[:, :-1].view(form), weight[:, :-1].view(form), balance_loss(gates, first), torch.zeros(count)


class Twin:
    def __init__(self, config):
        self.model, self.training, self.config = config.model, config.training, config
        torch.set_num_threads(config.threads)
        for name, known in (("optimizer", ["adafactor"]), ("grouping", ["position"]), ("router", ROUTERS)):
            found = {**self.training, **self.model}[name]
            if found not in known:
                raise ValueError(f"{name} {found} is not in the twin, only {', '.join(known)}")
        self.weights = {
            name: torch.from_numpy(value).clone().requires_grad_()
            for name, value in read_safetensors(config.weights).items()
        }
        self.optimizer = Adafactor(self.weights)
        self.batches = {k: torch.from_numpy(v).long() for k, v in read_safetensors(config.batches).items()}
        self.held = {k: torch.from_numpy(v).long() for k, v in read_safetensors(config.held).items()}
        self.buckets = bias_buckets(self.training["length"])
        sparse = sum("/moe/gate" in name for name in self.weights)
        self.thresholds = [torch.zeros(max(1, self.model["experts"])) for _ in range(sparse)]
        self.at = 0

    def attention(self, at, x):
        w, model = self.weights, self.model
        batch, pos, _ = x.shape
        heads = lambda name: (x @ w[f"{at}/{name}"].flatten(1)).view(batch, pos, model["head"], model["dim"]).transpose(1, 2)
        logits = heads("query") @ heads("key").transpose(2, 3) + w[f"{at}/bias"][:, self.buckets]
        causal = torch.ones(pos, pos, dtype=torch.bool).tril()
        logits = logits.masked_fill(~causal, -torch.inf)
        if model["extraLogit"]:
            logits = torch.cat([logits, logits.new_zeros(batch, model["head"], pos, 1)], -1)
        shares = logits.softmax(-1)[..., :pos]
        mixed = (shares @ heads("value")).transpose(1, 2).reshape(batch, pos, -1)
        return mixed @ w[f"{at}/output"].flatten(0, 1)

    def mixture(self, at, x, threshold):
        """Groups are the rows of the batch at one position. With `threshold`, the deployed rule."""
        model, w = self.model, self.weights
        batch, pos, embed = x.shape
        gates = (x @ w[f"{at}/gate"]).softmax(-1).transpose(0, 1)  # [group = pos, token = batch, expert]
        if threshold is not None and model["router"] == "expert-choice":
            chosen = torch.where(gates >= threshold, gates, 0.0).permute(2, 1, 0).reshape(model["experts"], -1)
            rows = x.reshape(1, batch * pos, embed).expand(model["experts"], -1, -1)
            answer = experts(w, at, rows, model["activation"]) * chosen.unsqueeze(-1)
            return answer.sum(0).view_as(x), gates.new_zeros(()), threshold
        if model["router"] == "expert-choice":
            index, weight, aux, used = choose_experts(model, gates)
        else:
            slots = batch if threshold is not None else slots_of(model, batch)
            index, weight, aux, used = choose_tokens(model, gates, slots)
        group = torch.arange(pos).view(pos, 1, 1)
        rows = torch.where(index < 0, batch * pos, index * pos + group).transpose(0, 1).flatten(1)
        table = torch.cat([x.reshape(-1, embed), x.new_zeros(1, embed)])
        answer = experts(w, at, table[rows], model["activation"])
        weighted = answer * weight.transpose(0, 1).flatten(1).unsqueeze(-1)
        summed = torch.zeros_like(table).index_add(0, rows.flatten(), weighted.flatten(0, 1))
        return summed[:-1].view_as(x), aux, used

    def loss(self, tokens, targets, deployed):
        w, model = self.weights, self.model
        x = F.embedding(tokens, w["embedding"])
        aux, used = x.new_zeros(()), []
        for layer in range(model["layers"]):
            at = f"layers/{layer}"
            x = x + self.attention(f"{at}/attention", norm(x, w[f"{at}/attentionNorm"]))
            y = norm(x, w[f"{at}/mlpNorm"])
            if f"{at}/moe/gate" in w:
                threshold = self.thresholds[len(used)] if deployed else None
                y, own, threshold = self.mixture(f"{at}/moe", y, threshold)
                aux = aux + own
                used.append(threshold)
            else:
                gate = F.gelu(y @ w[f"{at}/mlp/gate"], approximate="tanh")
                y = (gate * (y @ w[f"{at}/mlp/wi"])) @ w[f"{at}/mlp/wo"]
            x = x + y
        logits = (norm(x, w["finalNorm"]) * model["embed"] ** -0.5) @ w["embedding"].t()
        partition = logits.logsumexp(-1)
        count = (targets >= 0).sum()
        nats = torch.where(targets >= 0, partition - logits.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1), 0.0)
        square = torch.where(targets >= 0, partition.square(), 0.0)
        cross = nats.sum() / count
        total = cross + model["auxWeight"] * aux + model["zWeight"] * square.sum() / count
        return total, cross, nats.sum(), count, used

    def rate(self, step):
        peak, warmup = self.training["learningRate"], self.training["warmup"]
        if self.training["schedule"] == "inverse-square-root":
            return peak * math.sqrt(max(1, warmup)) / math.sqrt(max(step, warmup, 1))
        if self.training["schedule"] != "cosine":
            raise ValueError(f"schedule {self.training['schedule']} is not in the twin")
        if step < warmup:
            return peak * (step + 1) / warmup
        share = min(1.0, (step - warmup) / max(1, self.training["steps"] - warmup))
        return 0.1 * peak + 0.45 * peak * (1 + math.cos(math.pi * share))

    def step(self):
        for parameter in self.weights.values():
            parameter.grad = None
        total, cross, _, _, used = self.loss(self.batches["tokens"][self.at], self.batches["targets"][self.at], False)
        total.backward()
        with torch.no_grad():
            gradients = {name: p.grad for name, p in self.weights.items()}
            length = math.sqrt(sum(g.double().square().sum().item() for g in gradients.values()))
            factor = self.training["clip"] / max(length, self.training["clip"])
            rate = self.rate(self.at)
            for name, parameter in self.weights.items():
                self.optimizer.update(name, parameter, gradients[name] * factor, self.at, rate)
            past = 1 - max(1 / (self.at + 1), 1 - MEMORY)
            self.thresholds = [old * past + new * (1 - past) for old, new in zip(self.thresholds, used)]
        self.at += 1
        return cross.item()

    @torch.no_grad()
    def resume(self, path, names):
        state = {name: torch.from_numpy(value).clone() for name, value in read_safetensors(path).items()}
        for number, name in enumerate(names):
            self.weights[name].copy_(state[f"params/{name}"])
            self.optimizer.resume(name, self.weights[name].shape, state, f"optimizer/{number}")
        self.thresholds = [state.get(f"extra/{i}/threshold", old) for i, old in enumerate(self.thresholds)]
        self.at = int(state["step"])

    @torch.no_grad()
    def evaluate(self):
        nats = count = 0
        for tokens, targets in zip(self.held["tokens"], self.held["targets"]):
            _, _, own, counted, _ = self.loss(tokens, targets, True)
            nats, count = nats + own.item(), count + counted.item()
        return {"nats": nats, "count": count}


class Peer:
    def __init__(self, config):
        self.config, self.twin = config, None

    def answer(self, request):
        match request["do"]:
            case "load":
                self.twin = Twin(self.config)
                return {"ok": True, "version": torch.__version__, "threads": torch.get_num_threads()}
            case "train":
                start = time.perf_counter()
                losses = [self.twin.step() for _ in range(request["count"])]
                return {"losses": losses, "seconds": time.perf_counter() - start}
            case "resume":
                self.twin.resume(request["path"], request["names"])
                return {"ok": True}
            case "evaluate":
                return self.twin.evaluate()
            case other:
                return {"error": f"unknown request {other!r}"}


if __name__ == "__main__":
    answer_requests(Peer(arguments()).answer)
