/** @file `train`: fits a preset to a text and writes a run folder. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatCount, formatSeconds } from "../core/text.ts";
import { byteTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import {
  describeData,
  noticesOf,
  openTrainingData,
  type TrainingData,
} from "../data/training-data.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { readConfigFile } from "../train/config-file.ts";
import { familyOf, openPreset } from "../train/families.ts";
import { type StepProgress, trainLoop } from "../train/loop.ts";
import type { LanguageModel } from "../train/model.ts";
import { describeTraining } from "../train/recipe.ts";
import { openRun } from "../train/run-folder.ts";
import { type Command, defineCommand } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { showEncoding } from "./encoding.ts";
import { createProgress } from "./progress.ts";
import { versionFacts } from "./version.ts";

/** Up to 76 characters to the next space; a longer word stays whole. */
const SAMPLE_LINE = /\S.{0,75}(?=\s|$)|\S+/gu;

export const command: Command = defineCommand({
  name: "train",
  summary: "Train a preset and write checkpoints",
  positionals: [
    { name: "preset", help: "model, sizes and recipe together, e.g. glam-nano", required: true },
  ],
  options: {
    data: {
      type: "string",
      default: "moby-dick",
      help: "a corpus by name (meshloom data), a file, folder or glob; several with shares: books:0.7,notes.txt:0.3",
    },
    packed: {
      type: "flag",
      default: false,
      help: "put whole documents side by side in a sequence; they cannot see each other",
    },
    field: {
      type: "string",
      default: "text",
      help: "the field of JSON records that holds the text, with dots into objects",
    },
    separator: {
      type: "string",
      default: undefined,
      help: "what stands between documents of a text file; each file is one document when absent",
    },
    invalid: {
      type: "choice",
      choices: ["stop", "replace"],
      default: "stop",
      help: "at bytes that are no UTF-8: stop, or put U+FFFD there",
    },
    out: {
      type: "string",
      default: undefined,
      help: "folder for checkpoints, metrics and report; runs/<preset>-<date> when absent",
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
    config: {
      type: "string",
      default: undefined,
      help: 'JSON file of settings: { "training": { "optimizer": { "name": "adamw", "beta2": 0.99 } } }; flags come after it',
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
      default: false,
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
    seed: { type: "int", default: 0, min: 0, help: "fixes weights and data order" },
    saveEvery: {
      type: "int",
      default: 100,
      min: 1,
      unit: "steps",
      help: "steps between checkpoints",
    },
    sampleEvery: {
      type: "int",
      default: 0,
      min: 0,
      unit: "steps",
      help: "steps between samples and evaluations; 0 for the end only",
    },
    prompt: { type: "string", default: "The whale", help: "start of the samples" },
    threads: {
      type: "int",
      default: 0,
      min: 0,
      help: "threads of one computation; 0 for one per core",
    },
    resume: { type: "flag", default: false, help: "go on from the newest checkpoint in --out" },
  },
  examples: [
    "meshloom train glam-nano --steps 300 --data my-book.txt",
    "meshloom train glam-nano --optimizer muon --schedule wsd --ema 0.999",
    "meshloom train glam-nano --out runs/one --resume",
  ],

  async run(options, context) {
    const file = options.config === undefined ? undefined : await readConfigFile(options.config);
    const model = await openPreset(options.preset, { ...options, file });
    const tokenizer = byteTokenizer;
    const { batch, length, steps } = model.training;
    const encoding = showEncoding(context);
    const data = await openTrainingData({
      data: options.data,
      field: options.field,
      separator: options.separator,
      onInvalid: options.invalid,
      tokenizer,
      vocab: model.vocab,
      batch,
      length,
      seed: options.seed,
      packed: options.packed,
      onProgress: encoding.onProgress,
      onNotice: context.log,
    }).finally(encoding.end);
    const bits = (nats: number) => bitsPerByte(nats, data);
    const config = await runConfig(options, model, tokenizer, data);
    const engine = await createOnnxEngine();
    // Asked for before the folder is taken: from here on, Ctrl-C must end in order.
    const { signal } = context;
    const folder = options.out ?? `runs/${options.preset}-${timestamp(new Date())}`;
    const run = await openRun(folder, { resume: options.resume, config });
    try {
      for (const note of run.notes) context.log(note);
      for (const { key, before, now } of run.changes)
        context.log(`${key} was ${JSON.stringify(before)}, now ${JSON.stringify(now)}`);
      for (const line of noticesOf(data)) context.log(line);
      introduce(context, model, describeData(data), folder);
      const progress = createProgress({
        total: steps,
        unit: "steps",
        interactive: context.interactive,
        write: context.json ? () => undefined : context.write,
        now: () => performance.now(),
      });
      const started = performance.now();
      const result = await trainLoop({
        model,
        tokenizer,
        batches: data.batches,
        run,
        seed: options.seed,
        steps,
        saveEvery: options.saveEvery,
        sampleEvery: options.sampleEvery,
        prompt: options.prompt,
        engine: { engine, threads: options.threads },
        signal,
        onStep: (step) => {
          if (context.json) context.out(JSON.stringify(jsonStep(step)));
          progress.update(step.step, {
            loss: step.loss.toFixed(3),
            "tokens/s": formatCount(Math.round(step.tokensPerSecond)),
          });
        },
        onNotice: (line) => (context.json ? context.log(line) : progress.note(line)),
        onSample: (step, text, evalLoss) => {
          if (context.json) context.out(JSON.stringify({ step, evalLoss, sample: text }));
          else
            progress.note(
              `step ${step}: ${bits(evalLoss).toFixed(3)} bits per byte on held-out text\n\n${quote(text)}\n`,
            );
        },
      });
      const seconds = (performance.now() - started) / 1000;
      const done = result.finished
        ? `done: ${result.step} steps in ${formatSeconds(seconds)}`
        : `stopped after step ${result.step}; go on with: meshloom train ${options.preset} --out ${folder} --resume`;
      progress.finish(done);
      if (context.json) {
        context.out(
          JSON.stringify({
            done: result.finished,
            run: folder,
            step: result.step,
            seconds: Number(seconds.toFixed(1)),
            bitsPerByte: Number.isNaN(result.evalLoss) ? null : bits(result.evalLoss),
          }),
        );
      } else if (result.finished) {
        context.out(`run      ${folder}`);
        context.out(`report   ${join(folder, "report.html")}`);
        context.out(`sample   meshloom sample ${folder} --prompt "Call me"`);
      }
    } finally {
      await run.close();
      data.close();
    }
  },
});

/** Bits per byte of text, from nats per token. */
function bitsPerByte(nats: number, { heldOut }: TrainingData): number {
  return ((nats / Math.LN2) * heldOut.tokens) / heldOut.bytes;
}

function jsonStep({
  step,
  loss,
  tokensPerSecond,
  gradientNorm,
  learningRate,
}: StepProgress): object {
  return { step, loss, tokensPerSecond: Math.round(tokensPerSecond), gradientNorm, learningRate };
}

async function runConfig(
  options: {
    readonly preset: string;
    readonly seed: number;
    readonly data: string;
    readonly packed: boolean;
    readonly field: string;
    readonly separator: string | undefined;
    readonly invalid: string;
  },
  model: LanguageModel,
  tokenizer: Tokenizer,
  { sha256 }: TrainingData,
) {
  return {
    preset: options.preset,
    family: await familyOf(options.preset),
    model: model.model,
    training: model.training,
    data: {
      name: options.data,
      sha256,
      packed: options.packed,
      field: options.field,
      separator: options.separator ?? null,
      invalid: options.invalid,
      tokenizer: tokenizer.name,
      length: model.training.length,
      batch: model.training.batch,
      seed: options.seed,
    },
    meshloom: versionFacts(fileURLToPath(new URL("../../", import.meta.url))).version,
  };
}

function introduce(
  { log }: CommandContext,
  model: LanguageModel,
  data: string,
  folder: string,
): void {
  const { parameters, activatedParameters } = model.facts();
  log(
    `${model.preset}: ${formatCount(parameters)} parameters, ${formatCount(activatedParameters)} used by each token`,
  );
  log(`training: ${describeTraining(model.training)}`);
  log(`data: ${data}; run folder: ${folder}`);
}

/** Indented, broken between words, and without control characters, which could move the cursor. */
function quote(text: string): string {
  return text
    .replace(/[^\P{Cc}\n]/gu, "\ufffd")
    .split("\n")
    .flatMap((line) => line.match(SAMPLE_LINE) ?? [""])
    .map((line) => `    ${line}`.trimEnd())
    .join("\n");
}

/** `2026-11-24T18-02-11`, fit for a folder name. */
function timestamp(date: Date): string {
  return date.toISOString().slice(0, 19).replaceAll(":", "-");
}
