/** @file `eval`: what a trained model makes of text that it was not trained on. */

import { formatCount } from "../core/text.ts";
import { openTrainingData } from "../data/training-data.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { openModel } from "../exchange/open-model.ts";
import { createEvaluator } from "../train/evaluator.ts";
import { parseStep } from "../train/open-run.ts";
import { type Command, defineCommand } from "./command.ts";
import { STEP_OPTION } from "./model-options.ts";

/** More than any held-out part has: every token is counted once. */
const ALL = 2 ** 31;

export const command: Command = defineCommand({
  name: "eval",
  summary: "Evaluate a trained model on all held-out text, in bits per byte",
  positionals: [
    { name: "run", help: "folder that `train` wrote, or one of the Hub", required: true },
  ],
  options: {
    data: {
      type: "string",
      default: undefined,
      help: "corpora whose held-out parts to read; those of the run when absent",
    },
    step: STEP_OPTION,
    batch: {
      type: "int",
      default: undefined,
      min: 1,
      help: "sequences at once; as in training when absent",
    },
    threads: { type: "int", default: 0, min: 0, help: "threads; 0 for one per core" },
  },
  examples: ["meshloom eval runs/one", "meshloom eval runs/one --data wikitext-2 --step best"],

  async run({ run, data: named, step, threads, ...sizes }, context) {
    const opened = await openModel(run, { step: parseStep(step) });
    for (const warning of opened.warnings) context.log(warning);
    const { model, tokenizer, weights } = opened;
    const own = (opened.config["data"] as { readonly name?: unknown } | undefined)?.name;
    const name = named ?? (typeof own === "string" ? own : "moby-dick");
    const { length } = model.training;
    const batch = sizes.batch ?? model.training.batch;
    const data = await openTrainingData({
      ...{ data: name, tokenizer, vocab: model.vocab, batch, length, seed: 0 },
      validationBatches: ALL,
      onNotice: context.log,
    });
    try {
      const { heldOut } = data;
      const evaluate = createEvaluator({
        model: { ...model, training: { ...model.training, batch } },
        batches: data.batches,
        engine: { engine: await createOnnxEngine(), threads },
        bytesOf: (ids) => (ids.length * heldOut.bytes) / heldOut.tokens,
      });
      const { loss, bitsPerByte } = await evaluate(weights);
      const facts = { run, step: opened.step ?? null, data: name, ...heldOut };
      context.out(
        context.json
          ? JSON.stringify({ ...facts, loss, bitsPerByte })
          : `${bitsPerByte.toFixed(4)} bits per byte, ${loss.toFixed(4)} nats per token, on ${formatCount(heldOut.tokens)} tokens, ${formatCount(heldOut.bytes)} bytes of held-out ${name}`,
      );
    } finally {
      data.close();
    }
  },
});
