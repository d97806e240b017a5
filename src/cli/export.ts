/** @file `export`: writes a model as a folder that other programs load. */

import { fileURLToPath } from "node:url";
import { formatBytes } from "../core/text.ts";
import { checkPlace } from "../exchange/export-folder.ts";
import { type OpenedModel, openModel } from "../exchange/open-model.ts";
import { writeHub } from "../exchange/write-hub.ts";
import { writeOnnx } from "../exchange/write-onnx.ts";
import { parseShardSize } from "../exchange/write-weights.ts";
import { parseStep } from "../train/open-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { STEP_OPTION } from "./model-options.ts";
import { createProgress, type Progress } from "./progress.ts";
import { versionFacts } from "./version.ts";

export const command: Command = defineCommand({
  name: "export",
  summary: "Write a model as a folder that other programs load",
  positionals: [
    {
      name: "model",
      help: "folder that `train` wrote, or one in the Hub's form",
      required: true,
    },
  ],
  options: {
    to: {
      type: "choice",
      choices: ["hub", "onnx"],
      help: "hub: safetensors with configuration and tokenizer; onnx: graphs for ONNX Runtime",
    },
    out: { type: "string", valueName: "path", help: "folder to write; appears when all is there" },
    step: STEP_OPTION,
    ema: {
      type: "flag",
      default: true,
      help: "the running mean of the weights, where the run keeps one",
    },
    dtype: {
      type: "choice",
      choices: ["float32", "bfloat16", "float16"],
      default: undefined,
      help: "of the weights in the files; as the checkpoint had it, float32 for a run, when absent",
    },
    shardSize: {
      type: "string",
      default: "5GB",
      valueName: "size",
      help: "most bytes of tensors in one file: a number with KB, MB or GB",
    },
    batch: { type: "int", default: 1, min: 1, help: "rows of the ONNX graphs" },
    length: {
      type: "int",
      default: undefined,
      min: 1,
      unit: "tokens",
      help: "places of the ONNX graphs; those of training when absent",
    },
    licence: {
      type: "string",
      default: undefined,
      valueName: "id",
      help: "licence of the weights on the card, such as mit; that of the data when absent",
    },
    force: { type: "flag", default: false, help: "replace an export that is there" },
  },
  examples: [
    "meshloom export runs/one --to hub --out exported/one",
    "meshloom export runs/one --to onnx --out exported/one-onnx --length 256",
    "meshloom export checkpoints/mixtral --to hub --dtype bfloat16 --shard-size 2GB --out out",
  ],

  async run(options, context) {
    const shardBytes = parseShardSize(options.shardSize);
    const step = parseStep(options.step);
    // Before a checkpoint of gigabytes is read.
    await checkPlace(options.out, options.force);
    const { version, commit, date } = versionFacts(
      fileURLToPath(new URL("../../", import.meta.url)),
    );
    const side = {
      force: options.force,
      licence: options.licence,
      version: commit === undefined ? version : `${version} (${commit}, ${date})`,
    };
    const reading = tensorProgress(context, "tensors read");
    const opened = await openModel(options.model, { step, ema: options.ema, onRead: reading });
    for (const warning of opened.warnings) context.log(warning);
    const started = performance.now();
    const seconds = () => ((performance.now() - started) / 1000).toFixed(1);
    if (options.to === "onnx") {
      const { batch } = options;
      const length = options.length ?? opened.model.training.length;
      const onStage = (stage: string) => context.log(`writing ${stage}`);
      const graphs = await writeOnnx(opened, options.out, { ...side, batch, length, onStage });
      say(context, opened, options.out, { batch, length, graphs });
      context.log(`${options.out}: ${graphs.length} graphs in ${seconds()} s`);
      return;
    }
    const onWrite = tensorProgress(context, "tensors written");
    const written = await writeHub(opened, options.out, {
      ...side,
      shardBytes,
      dtype: options.dtype,
      onWrite,
    });
    if (written.overflows > 0) {
      context.log(
        `${written.overflows} weights are too large for ${options.dtype} and became infinite; --dtype bfloat16 holds them`,
      );
    }
    say(context, opened, options.out, { ...written });
    context.log(
      `${options.out}: ${formatBytes(written.bytes)} in ${written.files.length} files, ${seconds()} s`,
    );
  },
});

function say(
  { json, out: print }: CommandContext,
  { path, step, model }: OpenedModel,
  out: string,
  facts: object,
): void {
  const { parameters } = model.facts();
  if (json) print(JSON.stringify({ model: path, step, out, parameters, ...facts }));
  else print(out);
}

/** Few tensors are written before a line could be read; larger ones show their way. */
const SHOWN_FROM = 200;

function tensorProgress(context: CommandContext, unit: string) {
  let progress: Progress | undefined;
  return (done: number, total: number): void => {
    if (total < SHOWN_FROM || context.json) return;
    progress ??= createProgress({
      total,
      unit,
      interactive: context.interactive,
      write: context.write,
      now: () => performance.now(),
    });
    progress.update(done);
    if (done === total) progress.finish(`${total} ${unit}`);
  };
}
