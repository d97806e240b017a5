/** @file The `config.json` of Llama-type checkpoints on the Hub, as our configuration and back. */

import { z } from "zod";
import { CheckpointError, ConfigError, type Fact, suggestion } from "../../core/errors.ts";
import { closest } from "../../core/text.ts";
import type { HubConfig, HubModel } from "../../exchange/hub-form.ts";
import type { RotaryScaling } from "../../nn/index.ts";
import { FINE_TUNING, type LlamaConfig } from "./config.ts";
import { readModel } from "./schema.ts";

type ModelType = "llama" | "mistral" | "mixtral" | "qwen2";

const ARCHITECTURES: Readonly<Record<ModelType, string>> = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  mixtral: "MixtralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
};

const count = z.int().positive();
const positive = z.number().positive();
const maybe = <T extends z.ZodType>(schema: T) => schema.nullish();

/** What the form of rotary positions may be: its keys lie at the top, or in `rope_parameters`. */
const rotary = z.looseObject({
  rope_type: maybe(z.string()),
  /** Its name before 2024. */
  type: maybe(z.string()),
  rope_theta: maybe(positive),
  factor: maybe(positive),
  low_freq_factor: maybe(positive),
  high_freq_factor: maybe(positive),
  original_max_position_embeddings: maybe(count),
});

/** Keys that decide what is computed. */
const KEYS = {
  model_type: z.enum(["llama", "mistral", "mixtral", "qwen2"]),
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  vocab_size: count,
  num_key_value_heads: maybe(count),
  head_dim: maybe(count),
  max_position_embeddings: maybe(count),
  rms_norm_eps: maybe(positive),
  rope_theta: maybe(positive),
  rope_scaling: maybe(rotary),
  rope_parameters: maybe(rotary),
  tie_word_embeddings: maybe(z.boolean()),
  hidden_act: maybe(z.string()),
  attention_bias: maybe(z.boolean()),
  mlp_bias: maybe(z.boolean()),
  sliding_window: maybe(count),
  use_sliding_window: maybe(z.boolean()),
  max_window_layers: maybe(z.int()),
  layer_types: maybe(z.array(z.string())),
  num_local_experts: maybe(count),
  num_experts_per_tok: maybe(count),
  router_aux_loss_coef: maybe(z.number().nonnegative()),
  partial_rotary_factor: maybe(z.number()),
  quantization_config: maybe(z.unknown()),
} as const;

const schema = z.looseObject(KEYS);
type Config = z.infer<typeof schema>;

/** Keys of checkpoints that decide nothing here. */
const IDLE = [
  "architectures",
  "attention_dropout",
  "bos_token_id",
  "dtype",
  "eos_token_id",
  "initializer_range",
  "output_router_logits",
  "pad_token_id",
  "pretraining_tp",
  "router_jitter_noise",
  "torch_dtype",
  "transformers_version",
  "use_cache",
];

/** What a type has where its configuration is silent, as transformers has it. */
const SILENT: Readonly<Record<ModelType, Silent>> = {
  llama: { context: 2048, epsilon: 1e-6, theta: 10_000, window: null, kvHead: null },
  mistral: { context: 131_072, epsilon: 1e-6, theta: 10_000, window: 4096, kvHead: 8 },
  mixtral: { context: 131_072, epsilon: 1e-5, theta: 1_000_000, window: null, kvHead: 8 },
  qwen2: { context: 32_768, epsilon: 1e-6, theta: 10_000, window: 4096, kvHead: 32 },
};

interface Silent {
  readonly context: number;
  readonly epsilon: number;
  readonly theta: number;
  readonly window: number | null;
  /** As many as heads of queries when null. */
  readonly kvHead: number | null;
}

/** As `HubForm.read`. */
export function readHubConfig(config: HubConfig, where: string): HubModel {
  const checked = schema.safeParse(config);
  const typos = typosIn(config);
  if (!checked.success || typos.length > 0) {
    const issues = checked.error?.issues ?? [];
    throw new CheckpointError("CHECKPOINT-01", `hub: ${where} is not one of a Llama.`, [
      ...typos,
      ...issues.map(({ path, message }): Fact => [path.join(".") || "config", message]),
      ["fix", "copy config.json from the checkpoint again"],
    ]);
  }
  const refused = refusals(checked.data);
  if (refused.length > 0) {
    throw new CheckpointError(
      "CHECKPOINT-01",
      `hub: ${where} asks for what this model does not have.`,
      [...refused, ["fix", "there is none here: run this checkpoint with transformers"]],
    );
  }
  try {
    const model = readModel(modelOf(checked.data));
    const length = Math.min(model.context, FINE_TUNING.length);
    return { model, training: { ...FINE_TUNING, length } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const text = `hub: ${where} has sizes that do not fit together.`;
    throw new CheckpointError("CHECKPOINT-01", text, [
      ...error.facts,
      ["fix", "copy config.json from the checkpoint again"],
    ]);
  }
}

/** Unknown keys that are nearly a known one which is absent; others are of some other program. */
function typosIn(config: HubConfig): readonly Fact[] {
  const known = [...Object.keys(KEYS), ...IDLE];
  const absent = known.filter((key) => !(key in config));
  return Object.keys(config)
    .filter((key) => !known.includes(key))
    .filter((key) => {
      const near = closest(key, absent);
      // Names are long: a third of one is no typing mistake.
      return near !== undefined && Math.abs(near.length - key.length) <= 2 && shared(near, key);
    })
    .map((key): Fact => [key, `is not a key; ${suggestion(key, absent)}`]);
}

/** Whether two words have all but three of their letters in common, in order or not. */
function shared(a: string, b: string): boolean {
  const left = [...b];
  let strangers = 0;
  for (const letter of a) {
    const at = left.indexOf(letter);
    if (at < 0) strangers++;
    else left.splice(at, 1);
  }
  return strangers + left.length <= 3;
}

const STRETCHES = ["default", "linear", "llama3"];

function refusals(config: Config): readonly Fact[] {
  const out: Fact[] = [];
  const { rope_type, type } = { ...config.rope_scaling, ...config.rope_parameters };
  const stretch = rope_type ?? type ?? "default";
  if (!STRETCHES.includes(stretch)) {
    out.push(["rope_type", `"${stretch}"; known are ${STRETCHES.join(", ")}`]);
  }
  const act = config.hidden_act ?? "silu";
  if (act !== "silu") out.push(["hidden_act", `"${act}"; known is silu`]);
  if (config.mlp_bias === true) out.push(["mlp_bias", "true: feed-forward layers have no biases"]);
  const turned = config.partial_rotary_factor ?? 1;
  if (turned !== 1) out.push(["partial_rotary_factor", `${turned}; heads are turned whole`]);
  if (config.quantization_config !== undefined && config.quantization_config !== null) {
    out.push(["quantization_config", "weights are read in 16 or 32 bits only"]);
  }
  if (config.model_type === "qwen2" && new Set(windowsOf(config)).size > 1) {
    out.push(["layer_types", "layers with and without a window; all are alike here"]);
  }
  if (config.attention_bias === true && config.model_type !== "llama") {
    out.push(["attention_bias", `true in a ${config.model_type}`]);
  }
  return out;
}

function modelOf(config: Config): LlamaConfig {
  const silent = SILENT[config.model_type];
  const head = config.num_attention_heads;
  const { rope_theta: inside } = config.rope_parameters ?? {};
  const sparse = config.model_type === "mixtral";
  return {
    layers: config.num_hidden_layers,
    embed: config.hidden_size,
    mlp: config.intermediate_size,
    head,
    kvHead: ownOr(config.num_key_value_heads, silent.kvHead) ?? head,
    dim: config.head_dim ?? config.hidden_size / head,
    vocab: config.vocab_size,
    context: config.max_position_embeddings ?? silent.context,
    rotaryTheta: inside ?? config.rope_theta ?? silent.theta,
    rotaryScaling: scalingOf(config),
    window: windowOf(config),
    biases: biasOf(config),
    normEpsilon: config.rms_norm_eps ?? silent.epsilon,
    tied: config.tie_word_embeddings ?? false,
    experts: sparse ? (config.num_local_experts ?? 8) : 0,
    expertsPerToken: sparse ? (config.num_experts_per_tok ?? 2) : 0,
    auxWeight: sparse ? (config.router_aux_loss_coef ?? 0.001) : 0,
  };
}

/** A key that is there with null says so; only one that is not there is silent. */
function ownOr<T>(value: T | null | undefined, silent: T | null): T | null {
  return value === undefined ? silent : value;
}

function scalingOf({ rope_parameters, rope_scaling }: Config): RotaryScaling | null {
  const found = { ...rope_scaling, ...rope_parameters };
  const kind = found.rope_type ?? found.type;
  // A missing number is NaN here, which the reader of our own configuration names.
  if (kind === "linear") return { kind, factor: found.factor ?? Number.NaN };
  if (kind !== "llama3") return null;
  return {
    kind,
    factor: found.factor ?? Number.NaN,
    lowFrequencyFactor: found.low_freq_factor ?? Number.NaN,
    highFrequencyFactor: found.high_freq_factor ?? Number.NaN,
    originalLength: found.original_max_position_embeddings ?? Number.NaN,
  };
}

function windowOf(config: Config): number | null {
  const { model_type, sliding_window } = config;
  if (model_type === "llama") return null;
  if (model_type === "qwen2" && windowsOf(config)[0] !== true) return null;
  return ownOr(sliding_window, SILENT[model_type].window);
}

/** Whether each layer of a Qwen2 has the window. */
function windowsOf(config: Config): readonly boolean[] {
  const { use_sliding_window, layer_types, num_hidden_layers, max_window_layers } = config;
  const first = use_sliding_window === true ? (max_window_layers ?? 28) : num_hidden_layers;
  return layer_types === undefined || layer_types === null
    ? Array.from({ length: num_hidden_layers }, (_, layer) => layer >= first)
    : layer_types.map((type) => use_sliding_window === true && type === "sliding_attention");
}

function biasOf({ model_type, attention_bias }: Config): LlamaConfig["biases"] {
  if (model_type === "qwen2") return "query-key-value";
  return attention_bias === true ? "all" : "none";
}

/** The type whose code in transformers computes this model. @throws ConfigError when there is none */
function typeOf(model: LlamaConfig): ModelType {
  const { experts, biases, window } = model;
  if (experts > 0 && biases === "none") return "mixtral";
  if (experts === 0 && biases === "query-key-value") return "qwen2";
  if (experts === 0 && window === null) return "llama";
  if (experts === 0 && biases === "none") return "mistral";
  throw new ConfigError("CONFIG-01", "export: no type of the Hub has all of this model.", [
    ["experts", `${experts}`],
    ["biases", biases],
    ["window", `${window}`],
    ["fix", "export it with --to onnx"],
  ]);
}

/** `config.json` of a model, in keys that transformers 4 and 5 read. */
export function writeHubConfig(model: LlamaConfig): HubConfig {
  const type = typeOf(model);
  const { rotaryScaling, window, experts } = model;
  return {
    architectures: [ARCHITECTURES[type]],
    model_type: type,
    hidden_size: model.embed,
    intermediate_size: model.mlp,
    num_hidden_layers: model.layers,
    num_attention_heads: model.head,
    num_key_value_heads: model.kvHead,
    head_dim: model.dim,
    hidden_act: "silu",
    vocab_size: model.vocab,
    max_position_embeddings: model.context,
    rms_norm_eps: model.normEpsilon,
    rope_theta: model.rotaryTheta,
    rope_scaling: rotaryScaling === null ? null : writeScaling(rotaryScaling),
    tie_word_embeddings: model.tied,
    attention_dropout: 0,
    use_cache: true,
    ...(type === "llama" ? { attention_bias: model.biases === "all", mlp_bias: false } : {}),
    ...(type === "mistral" || type === "mixtral" ? { sliding_window: window } : {}),
    ...(type === "qwen2" ? qwenWindow(model) : {}),
    ...(experts > 0
      ? {
          num_local_experts: experts,
          num_experts_per_tok: model.expertsPerToken,
          router_aux_loss_coef: model.auxWeight,
          output_router_logits: false,
        }
      : {}),
  };
}

function writeScaling(scaling: RotaryScaling): HubConfig {
  const { kind: rope_type, factor } = scaling;
  if (scaling.kind === "linear") return { rope_type, factor };
  return {
    rope_type,
    factor,
    low_freq_factor: scaling.lowFrequencyFactor,
    high_freq_factor: scaling.highFrequencyFactor,
    original_max_position_embeddings: scaling.originalLength,
  };
}

function qwenWindow({ window, layers }: LlamaConfig): HubConfig {
  if (window === null) return { use_sliding_window: false };
  const layer_types = Array.from({ length: layers }, () => "sliding_attention");
  return {
    use_sliding_window: true,
    sliding_window: window,
    max_window_layers: 0,
    layer_types,
  };
}
