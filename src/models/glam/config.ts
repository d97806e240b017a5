/** @file GLaM's sizes (Du et al., arXiv:2112.06905, table 4), and small ones that train on a laptop. */

import { ConfigError } from "../../core/errors.ts";
import { namedOne } from "../../core/named.ts";
import {
  type CapacityRule,
  type Grouping,
  type Router,
  type RouterOptions,
  routerOf,
  slotsPerExpert,
  tokensPerGroup,
} from "../../nn/index.ts";
import type { PresetDefaults } from "../../train/model.ts";
import type { TrainingSettings } from "../../train/settings.ts";

/** A decoder-only language model whose every other feed-forward layer is a mixture of experts. */
export interface GlamConfig {
  readonly layers: number;
  readonly embed: number;
  /** Hidden width of a feed-forward layer and of one expert. */
  readonly mlp: number;
  readonly head: number;
  readonly dim: number;
  readonly vocab: number;
  /** Experts per sparse layer; 0 makes every layer dense. */
  readonly experts: number;
  readonly router: string;
  /** Options of the router; those not named are as its rule has them. */
  readonly routerOptions: RouterOptions;
  readonly grouping: Grouping;
  /** Experts that serve a token on average. */
  readonly capacityFactor: number;
  /** How that becomes a whole number of slots. */
  readonly capacityRule: CapacityRule;
  /** Whether experts serve all tokens that choose them while training too, whatever the load. */
  readonly dropless: boolean;
  /** Experts beside the routed ones that serve every token. */
  readonly sharedExperts: number;
  /** Factor of what routed experts answer. */
  readonly routedScale: number;
  readonly activation: "gelu" | "relu";
  /** One constant logit of 0 in the attention softmax, as the published code has it. */
  readonly extraLogit: boolean;
  /** Coefficient of the routers' balance losses, summed over layers. */
  readonly auxWeight: number;
  /** Coefficient of `(log Σ exp logits)²` of the routers, summed over layers. */
  readonly routerZWeight: number;
  /** Coefficient of `(log Σ exp logits)²` of the output. */
  readonly zWeight: number;
}

/** A named set of sizes with its training recipe. */
export interface GlamPreset {
  readonly name: string;
  readonly summary: string;
  readonly model: GlamConfig;
  readonly training: TrainingSettings;
  /** What a run reads and shows where nothing else is said. */
  readonly defaults?: PresetDefaults;
}

/** What all presets have in common: routing and losses as the published code has them. */
const COMMON = {
  routerOptions: {},
  grouping: "position",
  capacityFactor: 2,
  capacityRule: "floor",
  dropless: false,
  sharedExperts: 0,
  routedScale: 1,
  activation: "gelu",
  extraLogit: true,
  auxWeight: 0.01,
  routerZWeight: 0,
  zWeight: 1e-4,
} as const;

const PAPER = { ...COMMON, vocab: 32_000, router: "gshard-top2" } as const;

/** Section 5 of the paper: 1M tokens a batch, Adafactor, 0.01 for 10,000 steps, then 1/√t. */
const PAPER_TRAINING: TrainingSettings = {
  batch: 1024,
  length: 1024,
  steps: 600_000,
  optimizer: "adafactor",
  learningRate: 0.01,
  schedule: "inverse-square-root",
  warmup: 10_000,
  clip: 1,
};

type Size = Pick<GlamConfig, "layers" | "embed" | "mlp" | "head" | "dim">;
const SIZES = {
  "0.1b": { layers: 12, embed: 768, mlp: 3072, head: 12, dim: 64 },
  "1.7b": { layers: 24, embed: 2048, mlp: 8192, head: 16, dim: 128 },
  "8b": { layers: 32, embed: 4096, mlp: 16_384, head: 32, dim: 128 },
  "137b": { layers: 64, embed: 8192, mlp: 65_536, head: 128, dim: 128 },
  "64b": { layers: 64, embed: 8192, mlp: 32_768, head: 128, dim: 128 },
} as const satisfies Record<string, Size>;

function paper(size: keyof typeof SIZES, experts: number, vocab: number = PAPER.vocab): GlamPreset {
  const name = experts === 0 ? `glam-${size}` : `glam-${size}-${experts}e`;
  const kind = experts === 0 ? "dense" : `${experts} experts`;
  return {
    name,
    summary: `GLaM ${size.toUpperCase()}, ${kind}, as in the paper`,
    model: { ...PAPER, ...SIZES[size], experts, vocab },
    training: PAPER_TRAINING,
  };
}

const NANO: GlamConfig = {
  ...COMMON,
  layers: 4,
  embed: 128,
  mlp: 512,
  head: 4,
  dim: 32,
  vocab: 256,
  experts: 8,
  router: "expert-choice",
};

const NANO_TRAINING: TrainingSettings = {
  batch: 24,
  length: 128,
  steps: 440,
  optimizer: "adafactor",
  learningRate: 0.02,
  schedule: "inverse-square-root",
  warmup: 100,
  clip: 1,
};

/** About twenty minutes on two cores: 0.8 passes over seven novels. */
const MICRO: GlamPreset = {
  name: "glam-micro",
  summary: "8 experts, 4096 BPE tokens, all the books; twenty minutes on two cores",
  model: { ...NANO, embed: 256, mlp: 768, dim: 64, vocab: 4096 },
  training: {
    // Small batches: of equal tokens, 16 rows came to 2.048 bits per byte where 64 came to 2.127.
    batch: 16,
    length: 128,
    steps: 1600,
    optimizer: "adafactor",
    learningRate: 0.015,
    schedule: "cosine",
    warmup: 80,
    clip: 1,
  },
  defaults: {
    data: { name: "books", tokenizer: "bpe" },
    run: { prompt: "It was the best of times" },
  },
};

/** Every preset, small ones first. */
export const PRESETS: readonly GlamPreset[] = [
  {
    name: "glam-nano",
    summary: "8 experts, bytes; trains on a laptop in minutes",
    model: NANO,
    training: NANO_TRAINING,
  },
  {
    name: "glam-nano-dense",
    summary: "glam-nano without experts",
    model: { ...NANO, experts: 0 },
    training: NANO_TRAINING,
  },
  MICRO,
  {
    ...MICRO,
    name: "glam-micro-dense",
    summary: "glam-micro without experts",
    model: { ...MICRO.model, experts: 0 },
  },
  {
    name: "glam-pico",
    summary: "2 layers, 4 experts; for tests",
    model: { ...NANO, layers: 2, embed: 32, mlp: 64, head: 2, dim: 16, experts: 4 },
    training: { ...NANO_TRAINING, batch: 8, length: 32, steps: 100 },
  },
  paper("0.1b", 0),
  paper("0.1b", 16),
  paper("0.1b", 32),
  paper("0.1b", 64),
  paper("0.1b", 128),
  paper("1.7b", 0),
  paper("1.7b", 32),
  paper("1.7b", 64),
  paper("1.7b", 128),
  paper("1.7b", 256),
  paper("8b", 0),
  paper("8b", 64),
  paper("137b", 0),
  // The only row counted with the paper's vocabulary of 256K; the smaller ones fit 32K.
  paper("64b", 64, 256_000),
];

/** @throws ConfigError when there is no such preset, with the nearest name */
export function presetByName(name: string): GlamPreset {
  return namedOne("preset", PRESETS, name);
}

/** Slots per expert and group for a batch. @throws ConfigError when an expert would have none */
export function slotsFor(model: GlamConfig, batch: number, length: number): number {
  return slotsPerExpert(
    tokensPerGroup(model.grouping, batch, length),
    model.experts,
    model.capacityFactor,
    model.capacityRule,
  );
}

/** The router of all sparse layers. @throws ConfigError when there is none of that name with these options */
export function routerFor({ router, routerOptions }: GlamConfig): Router {
  return routerOf(router, routerOptions);
}

/** @throws ConfigError when the router cannot train on such batches */
export function checkRouting(model: GlamConfig, batch: number, length: number): void {
  if (model.experts === 0) return;
  const { chooses, name } = routerFor(model);
  if (!model.dropless) slotsFor(model, batch, length);
  else if (chooses === "experts") {
    throw new ConfigError(
      "CONFIG-01",
      `dropless: experts of ${name} choose for their slots, so they cannot do without a capacity.`,
      [["fix", "set dropless to false, or take a router whose tokens choose, such as top-k"]],
    );
  }
}
