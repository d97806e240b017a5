"""The benchmark model in JAX on CPU: one jitted step, loss, gradient and SGD, weights donated."""

from functools import partial

from common import arguments, limit_threads, read_safetensors, serve

config = arguments()
limit_threads(config.threads)  # before JAX starts its thread pool

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402


def norm(x, scale):
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-6) * scale


def gelu(x):
    return jax.nn.gelu(x, approximate=True)


def attention(weights, at, x):
    query, key, value = (
        jnp.einsum("bpe,ehd->bphd", x, weights[f"{at}/{name}"]) for name in ("query", "key", "value")
    )
    mixed = jax.nn.dot_product_attention(query, key, value, is_causal=True)
    return jnp.einsum("bphd,hde->bpe", mixed, weights[f"{at}/output"])


def feed_forward(weights, at, x):
    return gelu(x @ weights[f"{at}/wi"]) @ weights[f"{at}/wo"]


def mixture(weights, at, x):
    """Expert Choice: each expert takes its best tokens of the whole batch."""
    flat = x.reshape(-1, config.embed)
    slots = int(flat.shape[0] * config.capacityFactor / config.expert)
    scores = jax.nn.softmax(flat @ weights[f"{at}/gate"], axis=-1)
    chosen, index = jax.lax.top_k(scores.T, slots)  # both [expert, slots]
    hidden = gelu(jnp.einsum("nse,nem->nsm", flat[index], weights[f"{at}/wi"]))
    output = jnp.einsum("nsm,nme->nse", hidden, weights[f"{at}/wo"]) * chosen[..., None]
    return jnp.zeros_like(flat).at[index].add(output).reshape(x.shape)


def loss_of(weights, tokens, targets):
    x = weights["embedding"][tokens]
    for layer in range(config.layers):
        at = f"layers/{layer}"
        x = x + attention(weights, f"{at}/attention", norm(x, weights[f"{at}/attention_norm"]))
        normed = norm(x, weights[f"{at}/mlp_norm"])
        if f"{at}/moe/gate" in weights:
            x = x + mixture(weights, f"{at}/moe", normed)
        else:
            x = x + feed_forward(weights, f"{at}/mlp", normed)
    logits = norm(x, weights["final_norm"]) @ weights["unembedding"]
    picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - picked)


@partial(jax.jit, donate_argnums=0)
def train_step(weights, tokens, targets):
    loss, gradients = jax.value_and_grad(loss_of)(weights, tokens, targets)
    updated = jax.tree.map(lambda w, g: w - config.learningRate * g, weights, gradients)
    return updated, loss


class Peer:
    def load(self):
        data = read_safetensors(config.data)
        self.tokens = [jax.device_put(row) for row in data["tokens"]]
        self.targets = [jax.device_put(row) for row in data["targets"]]
        detail = {"threads": config.threads, "platform": jax.devices()[0].platform}
        return {"runner": "jax", "version": jax.__version__, "detail": detail}

    def reset(self):
        self.weights = jax.tree.map(jnp.array, read_safetensors(config.weights))

    def step(self, index):
        row = index % len(self.tokens)
        self.weights, loss = train_step(self.weights, self.tokens[row], self.targets[row])
        jax.block_until_ready(self.weights)
        return float(loss)


if __name__ == "__main__":
    serve(Peer())
