/**
 * @file Llama's form on the Hub: the configurations and tensor names of `llama`, `mistral`, `mixtral` and `qwen2`.
 *
 * The Hub's linear layers are `[out, in]`, ours `[in, out]`; heads lie one after another in both. Rotary
 * positions pair element i of a head with element i + dim/2 in both, so queries and keys need no reordering.
 */

import type { HubForm, HubTensor, WeightForm } from "../../exchange/hub-form.ts";
import { countOf } from "../../train/safetensors-header.ts";
import { readHubConfig, writeHubConfig } from "./hub-config.ts";
import { readModel } from "./schema.ts";

/** A linear layer, a table or vector that both sides hold alike, or one matrix per expert. */
type Layout = "linear" | "as it is" | "experts";

/** By path of our leaf; `*` stands for the number of a layer, `#` for the number of an expert. */
const NAMES: Readonly<Record<string, readonly [name: string, layout: Layout]>> = {
  "params/embedding": ["model.embed_tokens.weight", "as it is"],
  "params/layers/*/attentionNorm": ["model.layers.*.input_layernorm.weight", "as it is"],
  "params/layers/*/attention/query": ["model.layers.*.self_attn.q_proj.weight", "linear"],
  "params/layers/*/attention/key": ["model.layers.*.self_attn.k_proj.weight", "linear"],
  "params/layers/*/attention/value": ["model.layers.*.self_attn.v_proj.weight", "linear"],
  "params/layers/*/attention/output": ["model.layers.*.self_attn.o_proj.weight", "linear"],
  "params/layers/*/attention/queryBias": ["model.layers.*.self_attn.q_proj.bias", "as it is"],
  "params/layers/*/attention/keyBias": ["model.layers.*.self_attn.k_proj.bias", "as it is"],
  "params/layers/*/attention/valueBias": ["model.layers.*.self_attn.v_proj.bias", "as it is"],
  "params/layers/*/attention/outputBias": ["model.layers.*.self_attn.o_proj.bias", "as it is"],
  "params/layers/*/mlpNorm": ["model.layers.*.post_attention_layernorm.weight", "as it is"],
  "params/layers/*/mlp/gate": ["model.layers.*.mlp.gate_proj.weight", "linear"],
  "params/layers/*/mlp/wi": ["model.layers.*.mlp.up_proj.weight", "linear"],
  "params/layers/*/mlp/wo": ["model.layers.*.mlp.down_proj.weight", "linear"],
  "params/layers/*/moe/gate": ["model.layers.*.block_sparse_moe.gate.weight", "linear"],
  "params/layers/*/moe/wg": ["model.layers.*.block_sparse_moe.experts.#.w1.weight", "experts"],
  "params/layers/*/moe/wo": ["model.layers.*.block_sparse_moe.experts.#.w2.weight", "experts"],
  "params/layers/*/moe/wi": ["model.layers.*.block_sparse_moe.experts.#.w3.weight", "experts"],
  "params/finalNorm": ["model.norm.weight", "as it is"],
  "params/output": ["lm_head.weight", "as it is"],
};

export const hub: HubForm = {
  modelTypes: ["llama", "mistral", "mixtral", "qwen2"],
  read: readHubConfig,
  write: ({ model }) => writeHubConfig(readModel(model)),
  tensors: (_model, weights) => weights.flatMap(tensorsOf),
  // Old checkpoints hold the rotary wavelengths, and tied ones may hold the table twice.
  passesOver: (name, { model }) =>
    name.endsWith(".rotary_emb.inv_freq") || (name === "lm_head.weight" && readModel(model).tied),
};

function tensorsOf({ path, dims }: WeightForm): readonly HubTensor[] {
  const layer = /\/layers\/(\d+)\//.exec(path)?.[1] ?? "";
  const known = NAMES[path.replace(/\/layers\/\d+\//, "/layers/*/")];
  if (known === undefined) throw new Error(`${path} has no name on the Hub`);
  const [pattern, layout] = known;
  const name = pattern.replace("*", layer);
  const rest = { path, transposed: layout !== "as it is" };
  if (layout === "experts") {
    const [experts = 0, rows = 0, columns = 0] = dims;
    return Array.from({ length: experts }, (_, part) => ({
      ...rest,
      part,
      name: name.replace("#", `${part}`),
      dims: [columns, rows],
    }));
  }
  if (layout === "linear") return [{ ...rest, name, dims: linearDims(path, dims) }];
  return [{ ...rest, name, dims: path.endsWith("Bias") ? [countOf(dims)] : dims }];
}

/** `[out, in]`: heads and their elements are one axis on the Hub, on the output's side `in`, else `out`. */
function linearDims(path: string, dims: readonly number[]): readonly number[] {
  if (dims.length === 2) return dims.toReversed();
  const [a = 0, b = 0, c = 0] = dims;
  return path.endsWith("/output") ? [c, a * b] : [b * c, a];
}
