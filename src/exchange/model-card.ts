/** @file The model card: `README.md` with the front matter that the Hub reads, and how to load the model. */

import { formatCount } from "../core/text.ts";
import { listCorpora } from "../data/corpora/table.ts";
import type { MetricsRow } from "../train/metrics.ts";
import type { OpenedModel } from "./open-model.ts";

/** What the card says beside what the run itself knows. */
export interface CardOptions {
  /** Name of the model, which is the folder's. */
  readonly name: string;
  /** Identifier of the Hub for the weights' licence; what the data's is, in words, when absent. */
  readonly licence?: string | undefined;
  /** Version of the program, `0.1.0 (abc1234, …)`. */
  readonly version: string;
  /** Value of `model_type`. */
  readonly modelType: string;
  /** Whether transformers knows this type. */
  readonly known: boolean;
  /** Whether the folder holds weights, or graphs of ONNX. */
  readonly weights: boolean;
}

/** Text of the card. */
export function modelCard(opened: OpenedModel, options: CardOptions): string {
  const facts = factsOf(opened);
  return [
    "---",
    ...frontMatter(facts, options),
    "---",
    "",
    `# ${options.name}`,
    "",
    `${describe(opened)} Written by \`meshloom export\`, version ${options.version}.`,
    "",
    ...trainingSection(opened, facts),
    ...configSection(opened),
    ...loadingSection(options),
  ].join("\n");
}

interface CardFacts {
  readonly data?: string;
  readonly dataSource?: string;
  readonly dataLicence?: string;
  readonly trainLoss?: number;
  readonly evalLoss?: number;
  readonly bitsPerByte?: number;
  readonly tokens?: number;
}

function factsOf({ config, metrics = [], model, step }: OpenedModel): CardFacts {
  const data = config["data"] as
    | { readonly name?: unknown; readonly tokenizer?: unknown }
    | undefined;
  const name = typeof data?.name === "string" ? data.name : undefined;
  const corpus = listCorpora().find((known) => known.name === name);
  const before = metrics.filter((row) => step === undefined || row.step <= step);
  const trainLoss = last(before, "train/loss");
  const evalLoss = last(before, "eval/loss");
  const measured = last(before, "eval/bits_per_byte");
  const ofBytes = data?.tokenizer === "byte" && evalLoss !== undefined;
  const bitsPerByte = measured ?? (ofBytes ? evalLoss / Math.LN2 : undefined);
  return {
    ...(name === undefined ? {} : { data: name }),
    ...(corpus === undefined ? {} : { dataSource: corpus.source, dataLicence: corpus.licence }),
    ...(trainLoss === undefined ? {} : { trainLoss }),
    ...(evalLoss === undefined ? {} : { evalLoss }),
    ...(bitsPerByte === undefined ? {} : { bitsPerByte }),
    ...(step === undefined ? {} : { tokens: step * model.training.batch * model.training.length }),
  };
}

/** The last number that a metric had. */
function last(rows: readonly MetricsRow[], metric: string): number | undefined {
  const found = rows.findLast((row) => typeof row[metric] === "number")?.[metric];
  return typeof found === "number" ? found : undefined;
}

/** JSON strings are YAML strings, whatever is in them. */
const quoted = (text: string): string => JSON.stringify(text);

/** The Hub takes names of licences in small letters, digits, dots and dashes. */
function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^-|-$/g, "");
}

function frontMatter(facts: CardFacts, { licence, name, modelType, known }: CardOptions): string[] {
  const lines =
    licence === undefined
      ? ["license: other", `license_name: ${slug(facts.dataLicence ?? "not stated")}`]
      : [`license: ${quoted(licence)}`];
  if (facts.dataLicence !== undefined) lines.push("language:", "- en");
  lines.push(
    `library_name: ${known ? "transformers" : "meshloom"}`,
    "pipeline_tag: text-generation",
    "tags:",
    "- meshloom",
    `- ${quoted(modelType)}`,
  );
  const metrics = [
    ["loss", "Loss on held-out text (nats per token)", facts.evalLoss],
    ["bits_per_byte", "Bits per byte of held-out text", facts.bitsPerByte],
  ] as const;
  const there = metrics.filter(([, , value]) => value !== undefined);
  if (there.length === 0) return lines;
  const data = quoted(facts.data ?? "unknown");
  return [
    ...lines,
    "model-index:",
    `- name: ${quoted(name)}`,
    "  results:",
    "  - task:",
    "      type: text-generation",
    "    dataset:",
    `      name: ${data}`,
    `      type: ${data}`,
    "    metrics:",
    ...there.flatMap(([type, words, value]) => [
      `    - type: ${type}`,
      `      name: ${quoted(words)}`,
      `      value: ${value}`,
    ]),
  ];
}

function describe({ model, origin }: OpenedModel): string {
  const { parameters, activatedParameters } = model.facts();
  const used =
    activatedParameters === parameters
      ? ""
      : `, of which each token uses ${formatCount(activatedParameters)}`;
  const from = origin === "run" ? `preset \`${model.preset}\`` : `from \`${model.preset}\``;
  return `A language model with ${formatCount(parameters)} parameters${used} (${from}).`;
}

function trainingSection(
  { origin, step, model, tokenizer }: OpenedModel,
  facts: CardFacts,
): string[] {
  if (origin === "hub" || step === undefined) return [];
  const { training } = model;
  const rows: (readonly [string, string | undefined])[] = [
    [
      "data",
      facts.data === undefined ? undefined : `${facts.data}: ${facts.dataSource ?? "own text"}`,
    ],
    ["licence of the data", facts.dataLicence ?? "not stated"],
    ["tokenizer", `${tokenizer.name}, ${tokenizer.vocab} tokens`],
    ["steps", String(step)],
    ["tokens", facts.tokens === undefined ? undefined : formatCount(facts.tokens)],
    ["batch", `${training.batch} × ${training.length} tokens`],
    [
      "optimiser",
      `${nameOf(training.optimizer)}, peak rate ${training.learningRate}, ${nameOf(training.schedule)}`,
    ],
    [
      "loss in training",
      facts.trainLoss === undefined ? undefined : `${facts.trainLoss.toFixed(4)} nats per token`,
    ],
    [
      "loss on held-out text",
      facts.evalLoss === undefined ? undefined : `${facts.evalLoss.toFixed(4)} nats per token`,
    ],
    ["bits per byte", facts.bitsPerByte?.toFixed(4)],
  ];
  const lines = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`| ${name} | ${cell(value)} |`],
  );
  return ["## Training", "", "| | |", "| --- | --- |", ...lines, ""];
}

/** A setting is a name, or a record with a name and options, which the configuration below shows. */
function nameOf(setting: string | { readonly name: string }): string {
  return typeof setting === "string" ? setting : setting.name;
}

/** A bar or a line break would end a cell of the table. */
function cell(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|");
}

function configSection({ model }: OpenedModel): string[] {
  const { model: sizes, training } = model;
  const text = JSON.stringify({ model: sizes, training }, null, 2);
  return ["## Configuration", "", "```json", text, "```", ""];
}

function loadingSection({ known, weights }: CardOptions): string[] {
  if (!weights) return ["## Use", "", ...ONNX];
  return ["## Use", "", ...(known ? TRANSFORMERS : []), ...MESHLOOM];
}

const MESHLOOM = ["With Meshloom:", "", "```sh", 'meshloom sample . --prompt "Once"', "```", ""];

const TRANSFORMERS = [
  "With transformers:",
  "",
  "```python",
  "from transformers import AutoModelForCausalLM, AutoTokenizer",
  "",
  'tokenizer = AutoTokenizer.from_pretrained(".")',
  'model = AutoModelForCausalLM.from_pretrained(".")',
  'ids = tokenizer("Once", return_tensors="pt").input_ids',
  "print(tokenizer.decode(model.generate(ids, max_new_tokens=50)[0]))",
  "```",
  "",
];

const ONNX = [
  "With ONNX Runtime, on token ids `[batch, pos]` of the size that the graph states:",
  "",
  "```python",
  "import onnxruntime",
  "",
  'session = onnxruntime.InferenceSession("onnx/model.onnx")',
  '[logits] = session.run(["logits"], {"input_ids": ids})',
  "```",
  "",
  "`onnx/decoder_with_past_model.onnx` goes on by one token. It takes `input_ids` `[batch, 1]`, `positions` `[batch]`",
  "(where each row stands, from 0) and `past_key_values.*`, zeros at first, and gives `logits` and `present.*`, which are",
  "the next call's `past_key_values.*`.",
  "",
];
