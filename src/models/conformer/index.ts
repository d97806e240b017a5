/** @file The Conformer as a family of models: what the commands partition. */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { ctcLoss, listParams } from "../../nn/index.ts";
import { scalar } from "../../numpy/index.ts";
import { overrideTraining } from "../../train/settings.ts";
import type { BatchLoss } from "../../train/step.ts";
import { type TaskFacts, type TaskFamily, type TensorBatch, taskModel } from "../../train/task.ts";
import { abstract } from "../../transforms/trace.ts";
import { type ConformerConfig, PRESETS, presetByName } from "./config.ts";
import { type Conformer, conformer, conformerParams, SHORTER } from "./model.ts";

/** One batch: `features [batch, time, feature]`, and int32 `labels [batch, label]` of which the first `lengths` count. */
export interface ConformerBatch<T = Tensor> extends TensorBatch<T> {
  readonly features: T;
  readonly labels: T;
  /** int32 `[batch]` */
  readonly lengths: T;
}

/** Mean nats of an example's transcript, by the sum over all its alignments. */
export function conformerLoss(
  p: Conformer<Tensor>,
  { features, labels, lengths }: ConformerBatch,
  config: ConformerConfig,
): BatchLoss<unknown> {
  const loss = ctcLoss(conformer(p, features, config), labels, { lengths }).mean();
  return { loss, count: scalar(features.size("batch")), report: {} };
}

/** A weight costs 2 FLOPs a place, those of the blocks at a quarter of the frames; attention 4 · head · dim a pair of places. */
export function conformerFacts(config: ConformerConfig, batch: number, frames: number): TaskFacts {
  const params = listParams(conformerParams(config));
  const sum = (starts: (path: string) => boolean) =>
    params.filter(({ path }) => starts(path)).reduce((total, { count }) => total + count, 0);
  const places = frames / SHORTER;
  const products = sum((path) => !path.startsWith("shorten"));
  const pairs = config.layers * 4 * config.head * config.dim * places;
  // The first convolution runs at half of the frames and features, the second at a quarter.
  const [first, second] = [
    sum((p) => p.startsWith("shorten/0")),
    sum((p) => p.startsWith("shorten/1")),
  ];
  const images =
    2 * first * (frames / 2) * (config.features / 2) + 2 * second * places * (config.features / 4);
  return {
    parameters: sum(() => true),
    flopsPerStep: batch * (places * (2 * products + pairs) + images),
    sizes: {
      blocks: config.layers,
      embed: config.embed,
      mlp: config.mlp,
      heads: `${config.head} × ${config.dim}`,
      window: config.window,
      vocab: config.vocab,
    },
  };
}

export const taskFamily: TaskFamily = {
  name: "conformer",
  presets: PRESETS.map(({ name, summary }) => ({ name, summary })),
  open(name, overrides) {
    const preset = presetByName(name);
    const model = { ...preset.model, layers: overrides.layers ?? preset.model.layers };
    const training = overrideTraining(preset.training, overrides, "a Conformer");
    const { batch, length } = training;
    return taskModel<Conformer<Tensor>>({
      ...{ preset: name, model, training, specs: conformerParams(model) },
      loss: (params, given) => conformerLoss(params, given as ConformerBatch, model),
      batchForm: (): ConformerBatch => ({
        features: abstract(
          aval("float32", [batch, length, model.features], ["batch", "time", "feature"]),
        ),
        labels: abstract(aval("int32", [batch, model.labels], ["batch", "label"])),
        lengths: abstract(aval("int32", [batch], ["batch"])),
      }),
      facts: () => conformerFacts(model, batch, length),
    });
  },
};
