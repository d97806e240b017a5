/** @file `repro glam-twin`: our training and PyTorch's are one curve. */

import { cpus } from "node:os";
import { ConfigError } from "../../core/errors.ts";
import { median } from "../../core/statistics.ts";
import { openTrainingData } from "../../data/training-data.ts";
import { createOnnxEngine } from "../../engines/onnx/onnx.ts";
import { STEPS_PER_TURN, trainTwins } from "../../repro/glam-twin.ts";
import { familyOf } from "../../train/families.ts";
import { resolveConfig } from "../../train/run-config.ts";
import { tokenizerOfRun } from "../../train/run-tokenizer.ts";
import { type Command, defineCommand } from "../command.ts";
import { createProgress } from "../progress.ts";

/** Largest difference between the losses of one step, in nats per token, at which the curves are one. */
const SAME = 1e-3;

export const command: Command = defineCommand({
  name: "repro glam-twin",
  summary: "Train a GLaM beside its twin in PyTorch: the same weights, batches and losses",
  positionals: [],
  options: {
    python: {
      type: "string",
      default: undefined,
      valueName: "path",
      help: "a Python with bench/peers/requirements.txt installed",
    },
    preset: { type: "string", default: "glam-micro", help: "a GLaM's preset" },
    data: { type: "string", default: undefined, help: "a corpus; the preset's when absent" },
    router: {
      type: "choice",
      choices: ["expert-choice", "gshard-top2", "switch-top1"],
      default: "expert-choice",
      help: "router of both sides",
    },
    steps: { type: "int", default: 200, min: 1, help: "steps that both make" },
    restartEvery: {
      type: "int",
      default: 20,
      min: 0,
      unit: "steps",
      help: "after which the twin goes on from our state, since routing parts any two runs in float32; 0 for never",
    },
    seed: { type: "int", default: 0, min: 0, help: "fixes weights and data order" },
    threads: { type: "int", default: 2, min: 1, help: "threads of each side" },
  },
  examples: ["meshloom repro glam-twin --python .venv/bin/python --steps 200"],

  async run({ python, preset, data: named, router, steps, restartEvery, seed, threads }, context) {
    if (restartEvery % STEPS_PER_TURN !== 0) {
      throw new ConfigError(
        "CONFIG-01",
        `repro glam-twin: --restart-every ${restartEvery} is no multiple of ${STEPS_PER_TURN}.`,
        [["fix", `both sides make ${STEPS_PER_TURN} steps in turn: give a multiple of it, or 0`]],
      );
    }
    if (python === undefined) {
      throw new ConfigError("CONFIG-01", "repro glam-twin: needs a Python with PyTorch.", [
        ["fix", "--python .venv/bin/python, with bench/peers/requirements.txt installed"],
      ]);
    }
    if ((await familyOf(preset)) !== "glam") {
      throw new ConfigError("CONFIG-01", `repro glam-twin: "${preset}" is no GLaM.`, [
        ["fix", "choose a preset whose name begins with glam: meshloom describe lists them"],
      ]);
    }
    const config = await resolveConfig(preset, undefined, [
      { key: "model.router", value: router },
      ...(named === undefined ? [] : [{ key: "data.name", value: named }]),
    ]);
    const { model, data } = config;
    const tokenizer = await tokenizerOfRun({
      ...{ tokenizer: data.tokenizer, data: data.name, vocab: model.vocab },
      resumed: undefined,
      onNotice: context.log,
    });
    const { batch, length } = model.training;
    const opened = await openTrainingData({
      ...{ data: data.name, tokenizer, vocab: model.vocab, batch, length, seed },
      onNotice: context.log,
    });
    try {
      const progress = createProgress({
        total: steps,
        unit: "steps",
        interactive: context.interactive,
        write: context.json ? () => undefined : context.write,
        now: () => performance.now(),
      });
      const { ours, theirs } = await trainTwins({
        ...{ model, seed, python, threads, restartEvery, engine: await createOnnxEngine() },
        batches: Array.from({ length: steps }, (_, step) => opened.batches.train(step)),
        held: [...opened.batches.validation()],
        onTurn: (step, own, other) =>
          progress.update(step, { ours: own.toFixed(6), PyTorch: other.toFixed(6) }),
      });
      const differences = ours.losses.map((loss, i) =>
        Math.abs(loss - (theirs.losses[i] ?? Number.NaN)),
      );
      const largest = Math.max(...differences);
      const held = Number.isFinite(largest) && largest < SAME;
      const speed = median(theirs.secondsPerStep) / median(ours.secondsPerStep);
      const result = {
        ...{ preset, router, steps, restartEvery, seed, threads, largest, held, speed },
        heldOut: { ours: ours.heldOut, pytorch: theirs.heldOut },
        ...{ torch: theirs.version, cpu: cpus()[0]?.model ?? "unknown" },
        losses: { ours: ours.losses, pytorch: theirs.losses },
      };
      progress.finish(`${steps} steps on each side`);
      context.out(
        context.json
          ? JSON.stringify(result)
          : `${preset}, ${router}, ${steps} steps${restartEvery === 0 ? "" : `, every ${restartEvery} from one state`}: largest difference of two losses ${largest.toExponential(1)} nats per token (${held ? "below" : "NOT below"} ${SAME}); ` +
              `held-out ${ours.heldOut.toFixed(6)} and ${theirs.heldOut.toFixed(6)}; ` +
              `PyTorch ${theirs.version} takes ${speed.toFixed(2)} times as long a step, ${result.cpu}`,
      );
      return held ? undefined : 1;
    } finally {
      opened.close();
    }
  },
});
