/** @file What training settings mean: the optimiser, the schedule, and the rest of a step's recipe. */

import { ConfigError } from "../core/errors.ts";
import { adafactor } from "../optim/adafactor.ts";
import { adam, adamw } from "../optim/adam.ts";
import { oneCycle, warmRestarts, warmup, wsd } from "../optim/composed-schedules.ts";
import { grouped } from "../optim/groups.ts";
import { lion } from "../optim/lion.ts";
import { muon } from "../optim/muon.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import { byPath, checkPatterns, isAny, isMatrix } from "../optim/parameters.ts";
import {
  constant,
  cosine,
  exponential,
  inverseSquareRoot,
  linear,
  piecewise,
  polynomial,
  type Schedule,
} from "../optim/schedule.ts";
import { sgd } from "../optim/sgd.ts";
import { shampoo } from "../optim/shampoo.ts";
import { DYNAMIC } from "./loss-scale.ts";
import type { OptimizerSettings, ScheduleSettings, TrainingSettings } from "./settings.ts";
import type { StepRecipe } from "./step.ts";

/** All of a recipe but the model's own part. */
export type TrainingRecipe = Omit<StepRecipe<unknown, unknown, unknown>, "loss" | "nextExtra">;

/**
 * The recipe of a run.
 *
 * @param paths - of the model's parameters, `layers/0/mlp/wi`
 * @throws ConfigError for a path that no parameter has, or a batch that does not divide
 */
export function recipeFor(settings: TrainingSettings, paths: readonly string[]): TrainingRecipe {
  const { clip, clipping = "global-norm", ema, lossScale, trainable, microBatches = 1 } = settings;
  if (trainable !== undefined) checkPatterns("trainable", trainable, paths);
  if (settings.batch % microBatches !== 0) {
    const { batch } = settings;
    throw new ConfigError(
      "CONFIG-01",
      `microBatches: ${batch} sequences do not divide into ${microBatches} equal pieces.`,
      [["fix", `make batch a multiple of ${microBatches}, or microBatches a divisor of ${batch}`]],
    );
  }
  return {
    optimizer: optimizerOf(settings, paths),
    schedule: scheduleOf(settings),
    clip: clipping === "global-norm" ? clip : { by: clipping, limit: clip },
    microBatches,
    ...(ema === undefined ? {} : { averageDecay: ema }),
    ...(lossScale === undefined
      ? {}
      : { lossScale: lossScale === "dynamic" ? DYNAMIC : lossScale }),
    ...(trainable === undefined ? {} : { trainable: byPath(trainable) }),
  };
}

/** @throws ConfigError for a path in `rates` that no parameter has */
export function optimizerOf(
  { optimizer, rates = {} }: Pick<TrainingSettings, "optimizer" | "rates">,
  paths: readonly string[],
): Optimizer {
  const own = withOptions(typeof optimizer === "string" ? { name: optimizer } : optimizer);
  checkPatterns("rates", Object.keys(rates), paths);
  const groups = Object.entries(rates).map(([path, rate]) => ({
    of: byPath([path]),
    optimizer: own,
    rate,
  }));
  return groups.length === 0 ? own : grouped(groups, own);
}

function withOptions(settings: OptimizerSettings): Optimizer {
  const { decayed: words = "matrices", ...rest } = settings;
  const decayed = words === "all" ? isAny : isMatrix;
  switch (rest.name) {
    case "sgd":
      return sgd({ ...rest, decayed }) as Optimizer;
    case "adam":
      return adam({ ...rest, decayed }) as Optimizer;
    case "adamw":
      return adamw({ ...rest, decayed }) as Optimizer;
    case "adafactor":
      return adafactor({ ...rest, decayed }) as Optimizer;
    case "lion":
      return lion({ ...rest, decayed }) as Optimizer;
    case "muon":
      return muon({ ...rest, decayed }) as Optimizer;
    case "shampoo":
      return shampoo({ ...rest, decayed }) as Optimizer;
  }
}

/** The learning rate by steps. Its `description` says its name and numbers. */
export function scheduleOf(settings: TrainingSettings): Schedule {
  const { learningRate: peak, warmup: rise, steps } = settings;
  const own: ScheduleSettings =
    typeof settings.schedule === "string" ? { name: settings.schedule } : settings.schedule;
  const left = Math.max(1, steps - rise);
  const after = (then: Schedule) => warmup(then, rise);
  switch (own.name) {
    case "constant":
      return after(constant(peak));
    case "inverse-square-root":
      return inverseSquareRoot(peak, rise);
    case "cosine":
      return after(cosine(peak, left, peak * (own.floor ?? 0.1)));
    case "linear":
      return after(linear(peak, peak * (own.floor ?? 0), left));
    case "polynomial":
      return after(polynomial(peak, peak * (own.floor ?? 0), left, own.degree ?? 2));
    case "wsd": {
      const { decay = 0.2, floor = 0, fall = "linear" } = own;
      const phases = { warmup: rise, steps, decay: Math.max(1, Math.round(decay * steps)) };
      return wsd(peak, phases, { to: floor * peak, fall });
    }
    case "exponential":
      return after(exponential(peak, own.factor, own.every, { stairs: own.stairs ?? false }));
    case "steps":
      return after(piecewise(peak, own.factor ?? 0.1, own.at));
    case "one-cycle":
      return oneCycle(peak, steps, own);
    case "warm-restarts": {
      const { period, growth = 1, floor = 0 } = own;
      return after(warmRestarts(peak, period, { growth, to: floor * peak }));
    }
  }
}

/** One line on how a run trains: optimiser with its options, schedule with its numbers, and what else is on. */
export function describeTraining(settings: TrainingSettings): string {
  const { optimizer, clip, clipping = "global-norm", microBatches = 1, ema, lossScale } = settings;
  const { name, ...options } = typeof optimizer === "string" ? { name: optimizer } : optimizer;
  const given = Object.entries(options).map(([key, value]) => `${key} ${value}`);
  const parts = [
    given.length === 0 ? name : `${name} (${given.join(", ")})`,
    scheduleOf(settings).description ?? "",
    `${clipping} at most ${clip}`,
    ...(microBatches === 1 ? [] : [`${microBatches} micro-batches`]),
    ...(ema === undefined ? [] : [`running mean of the weights ${ema}`]),
    ...(lossScale === undefined ? [] : [`loss scale ${lossScale}`]),
    ...(settings.trainable === undefined ? [] : [`only ${settings.trainable.join(", ")} train`]),
  ];
  return parts.join("; ");
}
