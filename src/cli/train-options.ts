/** @file The options of `train`, and the setting that each of them is short for. */

import { parseGrouping, parseRouter } from "../nn/index.ts";
import { ENGINES, parseSetting, type Setting } from "../train/run-config.ts";

/** Every one of these may also stand in a `--config` file; what is given here wins. */
export const SETTINGS = {
  data: {
    type: "string",
    default: undefined,
    help: "a corpus by name (meshloom data), a file, folder or glob; several with shares: books:0.7,notes.txt:0.3; the preset's when absent",
  },
  tokenizer: {
    type: "string",
    default: undefined,
    help: "byte; bpe or unigram, learned from the training text; or the path of a tokenizer.json; the preset's when absent",
  },
  packed: {
    type: "flag",
    default: undefined,
    help: "put whole documents side by side in a sequence; they cannot see each other",
  },
  field: {
    type: "string",
    default: undefined,
    help: "the field of JSON records that holds the text, with dots into objects; text when absent",
  },
  separator: {
    type: "string",
    default: undefined,
    help: "what stands between documents of a text file; each file is one document when absent",
  },
  invalid: {
    type: "choice",
    choices: ["stop", "replace"],
    default: undefined,
    help: "at bytes that are no UTF-8: stop, or put U+FFFD there; stop when absent",
  },
  steps: {
    type: "int",
    default: undefined,
    min: 1,
    help: "updates in all, resumed ones included; the preset's when absent",
  },
  batch: { type: "int", default: undefined, min: 1, help: "sequences per step" },
  length: {
    type: "int",
    default: undefined,
    min: 2,
    unit: "tokens",
    help: "tokens per sequence",
  },
  optimizer: {
    type: "string",
    default: undefined,
    help: "sgd, adam, adamw, adafactor, lion, muon or shampoo",
  },
  learningRate: { type: "float", default: undefined, above: 0, help: "peak learning rate" },
  schedule: {
    type: "string",
    default: undefined,
    help: "constant, linear, cosine, polynomial, wsd, one-cycle or inverse-square-root",
  },
  warmup: {
    type: "int",
    default: undefined,
    min: 0,
    unit: "steps",
    help: "steps over which the rate rises",
  },
  microBatches: {
    type: "int",
    default: undefined,
    min: 1,
    help: "pieces that a batch goes through in, one after the other, to need less memory",
  },
  ema: {
    type: "float",
    default: undefined,
    above: 0,
    max: 1,
    help: "weight of the past in a running mean of the weights, which evaluation then takes",
  },
  router: {
    type: "string",
    default: undefined,
    help: "a router, with options if need be: top-k, or gshard-top2:second=random; see docs/routers.md",
  },
  dropless: {
    type: "flag",
    default: undefined,
    help: "experts serve all tokens that choose them, whatever the load",
  },
  sharedExperts: {
    type: "int",
    default: undefined,
    min: 0,
    help: "experts beside the routed ones that serve every token",
  },
  grouping: {
    type: "string",
    default: undefined,
    help: "position (causal) or leaky-batch (as the paper trained; sees later tokens)",
  },
  capacityFactor: {
    type: "float",
    default: undefined,
    above: 0,
    help: "experts that serve a token on average",
  },
  seed: {
    type: "int",
    default: undefined,
    min: 0,
    help: "fixes weights and data order; 0 when absent",
  },
  saveEvery: {
    type: "int",
    default: undefined,
    min: 1,
    unit: "steps",
    help: "steps between checkpoints; 100 when absent",
  },
  keep: {
    type: "int",
    default: undefined,
    min: 1,
    unit: "checkpoints",
    help: "the newest that stay, besides the best one; 2 when absent",
  },
  keepEvery: {
    type: "int",
    default: undefined,
    min: 0,
    unit: "steps",
    help: "checkpoints of steps that this divides stay for good; 0, when absent, for none",
  },
  evalEvery: {
    type: "int",
    default: undefined,
    min: 0,
    unit: "steps",
    help: "steps between evaluations on held-out text; 0 for the end only; 100 when absent",
  },
  sampleEvery: {
    type: "int",
    default: undefined,
    min: 0,
    unit: "steps",
    help: "steps between samples; 0, when absent, for the end only",
  },
  patience: {
    type: "int",
    default: undefined,
    min: 0,
    unit: "evaluations",
    help: "stop after so many without improvement; 0, when absent, for never",
  },
  minDelta: {
    type: "float",
    default: undefined,
    min: 0,
    unit: "nats per token",
    help: "what counts as an improvement for --patience; 0 when absent",
  },
  maxMinutes: {
    type: "float",
    default: undefined,
    min: 0,
    unit: "minutes",
    help: "stop after so much training in all, resumed sessions included; 0, when absent, for no limit",
  },
  prompt: {
    type: "string",
    default: undefined,
    help: "start of the samples; the preset's when absent",
  },
  sampleTokens: {
    type: "int",
    default: undefined,
    min: 0,
    unit: "tokens",
    help: "what a sample adds; 0 for no samples; 200 when absent",
  },
  tensorboard: {
    type: "flag",
    default: undefined,
    help: "also write event files for TensorBoard into the run folder",
  },
  engine: {
    type: "choice",
    choices: ENGINES as typeof ENGINES,
    default: undefined,
    help: "what computes; onnx-float64 tells rounding from faults, reference is slow and plain; onnx when absent",
  },
  threads: {
    type: "int",
    default: undefined,
    min: 0,
    help: "threads of one computation; 0, when absent, for one per core",
  },
  mesh: {
    type: "string",
    default: undefined,
    valueName: "axes",
    help: "train on a mesh of devices in this process: data=2,model=2",
  },
  rules: {
    type: "string",
    default: undefined,
    valueName: "words",
    help: "mesh axes by axis word, batch=data,embed=data, a JSON file of such, or finalised; the usual ones when absent",
  },
} as const;

type Values = { readonly [Key in keyof typeof SETTINGS]: string | number | boolean | undefined };

const KEYS: Readonly<Record<keyof typeof SETTINGS, string>> = {
  data: "data.name",
  tokenizer: "data.tokenizer",
  packed: "data.packed",
  field: "data.field",
  separator: "data.separator",
  invalid: "data.invalid",
  steps: "training.steps",
  batch: "training.batch",
  length: "training.length",
  optimizer: "training.optimizer",
  learningRate: "training.learningRate",
  schedule: "training.schedule",
  warmup: "training.warmup",
  microBatches: "training.microBatches",
  ema: "training.ema",
  router: "model.router",
  dropless: "model.dropless",
  sharedExperts: "model.sharedExperts",
  grouping: "model.grouping",
  capacityFactor: "model.capacityFactor",
  seed: "data.seed",
  saveEvery: "run.saveEvery",
  keep: "run.keep",
  keepEvery: "run.keepEvery",
  evalEvery: "run.evalEvery",
  sampleEvery: "run.sampleEvery",
  patience: "run.patience",
  minDelta: "run.minDelta",
  maxMinutes: "run.maxMinutes",
  prompt: "run.prompt",
  sampleTokens: "run.sampleTokens",
  tensorboard: "run.tensorboard",
  engine: "run.engine",
  threads: "run.threads",
  mesh: "run.mesh",
  rules: "run.rules",
};

/**
 * `--set` first, then the options with names of their own.
 *
 * @throws ConfigError for a text that is no setting, or a grouping that there is not
 */
export function settingsFrom(values: Values, set: readonly string[]): readonly Setting[] {
  if (typeof values.grouping === "string") parseGrouping(values.grouping);
  const named = (Object.keys(KEYS) as (keyof typeof SETTINGS)[]).flatMap(
    (option): readonly Setting[] => {
      const value = values[option];
      if (value === undefined) return [];
      return option === "router" ? routerSettings(`${value}`) : [{ key: KEYS[option], value }];
    },
  );
  return [...set.map(parseSetting), ...named];
}

/** A router comes with its options; those of another router before it go. */
function routerSettings(text: string): readonly Setting[] {
  const { name, options } = parseRouter(text);
  return [
    { key: "model.router", value: name },
    { key: "model.routerOptions", value: options },
  ];
}
