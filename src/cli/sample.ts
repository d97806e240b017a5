/** @file `sample`: lets a trained model go on with a text. */

import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { openModel } from "../exchange/open-model.ts";
import { checkSampling, createGenerator } from "../train/generate.ts";
import { parseStep } from "../train/open-run.ts";
import { type Command, defineCommand } from "./command.ts";

export const command: Command = defineCommand({
  name: "sample",
  summary: "Continue a text with a trained model",
  positionals: [
    { name: "run", help: "folder that `train` wrote, or one of the Hub", required: true },
  ],
  options: {
    prompt: { type: "string", default: "", help: "text to go on from" },
    step: {
      type: "string",
      default: "latest",
      help: "which checkpoint: a step, latest, or best (the lowest loss on held-out text)",
    },
    tokens: { type: "int", default: 300, min: 1, unit: "tokens", help: "tokens to add" },
    temperature: {
      type: "float",
      default: 0.7,
      min: 0,
      help: "above 1 wilder, below 1 tamer, 0 always the likeliest token",
    },
    topK: {
      type: "int",
      default: 0,
      min: 0,
      unit: "tokens",
      help: "choose among the k likeliest; 0 for all",
    },
    topP: {
      type: "float",
      default: 0.95,
      above: 0,
      max: 1,
      help: "choose among the likeliest that reach this share together",
    },
    seed: { type: "int", default: 0, min: 0, help: "fixes the choices" },
    threads: {
      type: "int",
      default: 0,
      min: 0,
      help: "threads of one computation; 0 for one per core",
    },
  },
  examples: ['meshloom sample runs/one --prompt "Call me" --temperature 0.8'],

  async run(options, context) {
    // Before any work, and before the prompt is printed.
    checkSampling(options);
    const { model, tokenizer, weights, step, warnings } = await openModel(options.run, {
      step: parseStep(options.step),
    });
    for (const warning of warnings) context.log(warning);
    const engine = await createOnnxEngine();
    const generator = createGenerator(model, tokenizer, { engine, threads: options.threads });
    const started = performance.now();
    let text = "";
    const stream = !context.json;
    if (stream) context.stream(options.prompt);
    for await (const piece of generator.stream(weights, options.prompt, options, context.signal)) {
      text += piece;
      if (stream) context.stream(piece);
    }
    const seconds = (performance.now() - started) / 1000;
    if (stream) context.out("");
    else
      context.out(
        JSON.stringify({
          run: options.run,
          step,
          prompt: options.prompt,
          text,
          tokens: options.tokens,
          seconds: Number(seconds.toFixed(2)),
        }),
      );
    context.log(
      `${options.tokens} tokens in ${seconds.toFixed(1)} s, ${Math.round(options.tokens / seconds)} a second, compiling included`,
    );
  },
});
