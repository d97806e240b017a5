/** @file `train`: fits a preset to a text and writes a run folder. */

import { join } from "node:path";
import { formatCount } from "../core/text.ts";
import { byteTokenizer } from "../data/tokenizer.ts";
import { createGenerator } from "../generate/generator.ts";
import { trainLoop } from "../train/loop.ts";
import { openRun } from "../train/run-folder.ts";
import { createTimeline } from "../train/timeline.ts";
import { type Command, defineCommand } from "./command.ts";
import { createProgress } from "./progress.ts";
import { SETTINGS } from "./train-options.ts";
import { planTraining } from "./train-plan.ts";
import {
  jsonEnd,
  jsonStep,
  showChange,
  showEnd,
  showEvaluation,
  showPlan,
  showSample,
} from "./train-show.ts";

/** How the samples of a run are drawn. */
const SAMPLING = { temperature: 0.7, topK: 0, topP: 0.95 } as const;

export const command: Command = defineCommand({
  name: "train",
  summary: "Train a preset and write checkpoints",
  positionals: [
    {
      name: "preset",
      help: "model, sizes and recipe together, e.g. glam-nano; needed where no --config or --resume names it",
      required: false,
    },
  ],
  options: {
    out: {
      type: "string",
      default: undefined,
      help: "folder for checkpoints, metrics and report; runs/<preset>-<date> when absent",
    },
    resume: {
      type: "flag",
      default: false,
      help: "go on from the newest checkpoint in --out, with the configuration that is there",
    },
    config: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "a JSON file of the form of a run's config.json; the options below win over it",
    },
    set: {
      type: "list",
      default: [],
      valueName: "section.key=value",
      help: "any setting of model, training, data or run",
    },
    profile: {
      type: "flag",
      default: false,
      help: "write where the time goes into trace.json of the run folder, for ui.perfetto.dev",
    },
    init: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "start from the weights of another run or of a Hub folder, with a fresh optimiser",
    },
    ...SETTINGS,
  },
  examples: [
    "meshloom train glam-nano --steps 300 --data my-book.txt",
    "meshloom train glam-nano --optimizer muon --schedule wsd --ema 0.999",
    "meshloom train glam-nano --out runs/one --resume",
    "meshloom train --config runs/one/config.json --out runs/two --set training.clip=0.5",
  ],

  async run(options, context) {
    const plan = await planTraining(options, context);
    const { config, tokenizer, engine } = plan;
    // Asked for before the folder is taken: from here on, Ctrl-C must end in order.
    const { signal } = context;
    const folder = options.out ?? `runs/${config.preset}-${timestamp(new Date())}`;
    const run = await openRun(folder, {
      resume: options.resume,
      config: plan.saved,
      tokenizer: tokenizer === byteTokenizer ? undefined : tokenizer.json(),
      tensorboard: config.run.tensorboard,
    });
    try {
      for (const note of [...plan.notes, ...run.notes]) context.log(note);
      for (const change of run.changes) context.log(showChange(change));
      for (const line of showPlan(plan, folder)) context.log(line);
      const progress = createProgress({
        total: config.model.training.steps,
        unit: "steps",
        interactive: context.interactive,
        write: context.json ? () => undefined : context.write,
        now: () => performance.now(),
      });
      /** A line of JSON on stdout, or a note above the progress line. */
      const tell = (json: object, text: string) =>
        context.json ? context.out(JSON.stringify(json)) : progress.note(text);
      const generator = createGenerator(config.model, tokenizer, engine);
      const timeline = options.profile
        ? createTimeline(config.preset, () => performance.now())
        : undefined;
      const started = performance.now();
      const result = await trainLoop({
        model: config.model,
        batches: plan.data.batches,
        run,
        seed: config.data.seed,
        settings: config.run,
        engine,
        initial: plan.initial,
        signal,
        timeline,
        bytesOf: (ids) => ids.reduce((sum, id) => sum + tokenizer.bytesOf(id), 0),
        async sample(weights) {
          const { prompt, sampleTokens: tokens } = config.run;
          let text = prompt;
          const rule = { ...SAMPLING, tokens, seed: config.data.seed };
          for await (const piece of generator.stream(weights, prompt, rule)) text += piece;
          return text;
        },
        onStep: (step) => {
          if (context.json) context.out(JSON.stringify(jsonStep(step)));
          progress.update(step.step, {
            loss: step.loss.toFixed(3),
            "tokens/s": formatCount(Math.round(step.tokensPerSecond)),
          });
        },
        onNotice: (line) => (context.json ? context.log(line) : progress.note(line)),
        onEvaluation: (step, found, best) =>
          tell(
            { step, evalLoss: found.loss, bitsPerByte: found.bitsPerByte, best },
            showEvaluation(step, found, best),
          ),
        onSample: (step, sample) => tell({ step, sample }, showSample(step, sample)),
      });
      if (timeline !== undefined) {
        const path = join(folder, "trace.json");
        await timeline.write(path);
        progress.note(`timeline: ${path}, for ui.perfetto.dev`);
      }
      const seconds = (performance.now() - started) / 1000;
      progress.finish(showEnd(result, seconds, folder));
      if (context.json) context.out(JSON.stringify(jsonEnd(result, seconds, folder)));
      else if (result.finished) {
        context.out(`run      ${folder}`);
        context.out(`report   ${join(folder, "report.html")}`);
        context.out(`sample   meshloom sample ${folder} --prompt "Call me"`);
      }
    } finally {
      await run.close();
      plan.data.close();
    }
  },
});

/** `2026-11-24T18-02-11`, fit for a folder name. */
function timestamp(date: Date): string {
  return date.toISOString().slice(0, 19).replaceAll(":", "-");
}
