/** @file The 3-D U-Net as a family of models: what the commands partition. */

import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { crossEntropy, listParams } from "../../nn/index.ts";
import { scalar } from "../../numpy/index.ts";
import { overrideTraining } from "../../train/settings.ts";
import type { BatchLoss } from "../../train/step.ts";
import { type TaskFacts, type TaskFamily, type TensorBatch, taskModel } from "../../train/task.ts";
import { abstract } from "../../transforms/trace.ts";
import { checkSide, PRESETS, presetByName, type UnetConfig } from "./config.ts";
import { type Unet, unet, unetParams } from "./model.ts";

/** One batch: `volume [batch, channel, depth, row, column]`, and int32 `classes [batch, depth, row, column]`. */
export interface UnetBatch<T = Tensor> extends TensorBatch<T> {
  readonly volume: T;
  readonly classes: T;
}

/** Mean cross-entropy of a voxel, in nats. */
export function unetLoss(
  p: Unet<Tensor>,
  { volume, classes }: UnetBatch,
  config: UnetConfig,
): BatchLoss<unknown> {
  const loss = crossEntropy(unet(p, volume, config), classes, { axis: "channel" });
  return { loss, count: scalar(volume.size("batch")), report: {} };
}

/** A kernel's weight costs 2 FLOPs a voxel of its level; a transposed kernel's, a voxel of the level below. */
export function unetFacts(config: UnetConfig, batch: number, side: number): TaskFacts {
  const params = listParams(unetParams(config));
  const work = params
    .filter(({ path }) => path.endsWith("kernel"))
    .reduce((sum, { path, count }) => {
      const [, level = "0", kind] = path.split("/");
      const halvings = path.startsWith("output") ? 0 : Number(level) + (kind === "larger" ? 1 : 0);
      return sum + 2 * count * (side / 2 ** halvings) ** 3;
    }, 0);
  return {
    parameters: params.reduce((sum, { count }) => sum + count, 0),
    flopsPerStep: batch * work,
    sizes: { filters: config.filters.join(" "), classes: config.classes, side },
  };
}

export const taskFamily: TaskFamily = {
  name: "unet3d",
  presets: PRESETS.map(({ name, summary }) => ({ name, summary })),
  open(name, overrides) {
    const { model, training: own } = presetByName(name);
    const training = overrideTraining(own, overrides, "a U-Net");
    const { batch, length: side } = training;
    checkSide(model, side);
    const space = ["depth", "row", "column"];
    return taskModel<Unet<Tensor>>({
      ...{ preset: name, model, training, specs: unetParams(model) },
      loss: (params, given) => unetLoss(params, given as UnetBatch, model),
      batchForm: (): UnetBatch => ({
        volume: abstract(
          aval(
            "float32",
            [batch, model.channels, side, side, side],
            ["batch", "channel", ...space],
          ),
        ),
        classes: abstract(aval("int32", [batch, side, side, side], ["batch", ...space])),
      }),
      facts: () => unetFacts(model, batch, side),
    });
  },
};
