/**
 * @file GLaM's form on the Hub: a type of our own, since no published code computes this model.
 *
 * Names are our paths with dots, `layers.3.attention.query`; what routers keep beside the parameters lies
 * under `extra`. Layouts are ours: nothing is turned.
 */

import { CheckpointError, ConfigError } from "../../core/errors.ts";
import type { HubConfig, HubForm } from "../../exchange/hub-form.ts";
import { readTrainingSettings } from "../../train/settings.ts";
import { readModel } from "./schema.ts";

const MODEL_TYPE = "meshloom-glam";

export const hub: HubForm = {
  modelTypes: [MODEL_TYPE],
  read(config, where) {
    const { model, training } = config;
    try {
      return { model: readModel(model), training: readTrainingSettings(training, "a GLaM") };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new CheckpointError("CHECKPOINT-01", `hub: ${where} is not one of a GLaM.`, [
        ["because", error.headline],
        ...error.facts,
        ["fix", "copy config.json from the checkpoint again"],
      ]);
    }
  },
  write: ({ model, training, vocab }): HubConfig => ({
    model_type: MODEL_TYPE,
    vocab_size: vocab,
    model,
    training,
  }),
  tensors: (_model, weights) =>
    weights.map(({ path, dims }) => ({
      name: path.replace(/^params\//, "").replaceAll("/", "."),
      path,
      dims,
      transposed: false,
    })),
  passesOver: () => false,
};
