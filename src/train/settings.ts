/** @file How a run trains, as settings that a preset, a file or a saved run holds; read strictly. */

import { z } from "zod";
import { CLIPPINGS, type Clipping } from "../optim/clip.ts";
import type { Overrides } from "./model.ts";
import { readStrict } from "./strict.ts";

/** How a run trains; flags override a preset's values. */
export interface TrainingSettings {
  /** Sequences per step. */
  readonly batch: number;
  /** Tokens per sequence. */
  readonly length: number;
  readonly steps: number;
  /** A name, or a record of the name and the options that are not the defaults. */
  readonly optimizer: OptimizerName | OptimizerSettings;
  /** Peak learning rate. */
  readonly learningRate: number;
  readonly schedule: ScheduleName | ScheduleSettings;
  /** Steps that the rate rises over; `inverse-square-root` stays at its peak for so long instead. */
  readonly warmup: number;
  /** Largest gradient, in the sense of `clipping`; larger ones are scaled down. */
  readonly clip: number;
  /** What `clip` is held against; the global norm when absent. */
  readonly clipping?: Clipping["by"];
  /** Pieces that a batch goes through the model in, one after the other, to need less memory; 1 when absent. */
  readonly microBatches?: number;
  /** Weight of the past in a running mean of the weights, with which the run is evaluated and sampled. */
  readonly ema?: number;
  /** Factor of the loss while it is differentiated, for 16-bit floats. */
  readonly lossScale?: number | "dynamic";
  /** Beginnings of the paths of parameters that train, `*` for any one word; all train when absent. */
  readonly trainable?: readonly string[];
  /** Factors of the learning rate by beginnings of paths: `{ "embedding": 0.1 }`. */
  readonly rates?: Readonly<Record<string, number>>;
}

/** Weights that decay: matrices, without embeddings, biases and norms; or all. */
export type Decayed = "matrices" | "all";

interface Decay {
  readonly weightDecay?: number;
  /** "matrices" when absent. */
  readonly decayed?: Decayed;
}

interface AdamSettings extends Decay {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly amsgrad?: boolean;
}

/** Options mean what they mean to the functions of the same names in `optim/`, and have their defaults. */
export type OptimizerSettings =
  | ({
      readonly name: "sgd";
      readonly momentum?: number;
      readonly dampening?: number;
      readonly nesterov?: boolean;
    } & Decay)
  | ({ readonly name: "adam" | "adamw" } & AdamSettings)
  | ({
      readonly name: "adafactor";
      readonly factorFrom?: number;
      readonly clip?: number;
      readonly parameterScale?: boolean;
      readonly relativeStep?: boolean;
      readonly momentum?: number;
    } & Decay)
  | ({ readonly name: "lion"; readonly beta1?: number; readonly beta2?: number } & Decay)
  | ({
      readonly name: "muon";
      readonly momentum?: number;
      readonly nesterov?: boolean;
      readonly iterations?: number;
      readonly scale?: "match-adamw" | "spectral";
      readonly auxiliaryRate?: number;
    } & Decay)
  | ({
      readonly name: "shampoo";
      readonly beta1?: number;
      readonly beta2?: number;
      readonly epsilon?: number;
      readonly block?: number;
      readonly rootEvery?: number;
      readonly graft?: "rmsprop" | "sgd" | "none";
    } & Decay);
export type OptimizerName = OptimizerSettings["name"];

/** A schedule's own options; the peak, the warm-up and the steps are the run's. */
export type ScheduleSettings =
  | { readonly name: "constant" | "inverse-square-root" }
  /** `floor` is the share of the peak that is left at the last step. */
  | { readonly name: "cosine" | "linear"; readonly floor?: number }
  | { readonly name: "polynomial"; readonly degree?: number; readonly floor?: number }
  | {
      readonly name: "wsd";
      /** Share of the steps that fall. */
      readonly decay?: number;
      readonly floor?: number;
      readonly fall?: "linear" | "one-minus-sqrt";
    }
  | {
      readonly name: "exponential";
      readonly factor: number;
      readonly every: number;
      readonly stairs?: boolean;
    }
  | { readonly name: "steps"; readonly at: readonly number[]; readonly factor?: number }
  | { readonly name: "one-cycle"; readonly rise?: number; readonly start?: number }
  | {
      readonly name: "warm-restarts";
      readonly period: number;
      readonly growth?: number;
      readonly floor?: number;
    };
export type ScheduleName = Exclude<
  ScheduleSettings["name"],
  "exponential" | "steps" | "warm-restarts"
>;

const count = z.int().positive();
/** A share of something, its end left out or not. */
const below1 = z.number().min(0).lt(1).exactOptional();
const upTo1 = z.number().min(0).max(1).exactOptional();
const positive = z.number().positive().exactOptional();
const flag = z.boolean().exactOptional();
const decay = {
  weightDecay: z.number().nonnegative().exactOptional(),
  decayed: z.enum(["matrices", "all"]).exactOptional(),
};
const adamOptions = { beta1: below1, beta2: below1, epsilon: positive, amsgrad: flag, ...decay };
const wholeOption = count.exactOptional();

const optimizers = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("sgd"),
    momentum: below1,
    dampening: upTo1,
    nesterov: flag,
    ...decay,
  }),
  z.strictObject({ name: z.literal("adam"), ...adamOptions }),
  z.strictObject({ name: z.literal("adamw"), ...adamOptions }),
  z.strictObject({
    name: z.literal("adafactor"),
    factorFrom: wholeOption,
    clip: positive,
    parameterScale: flag,
    relativeStep: flag,
    momentum: below1,
    ...decay,
  }),
  z.strictObject({ name: z.literal("lion"), beta1: below1, beta2: below1, ...decay }),
  z.strictObject({
    name: z.literal("muon"),
    momentum: below1,
    nesterov: flag,
    iterations: wholeOption,
    scale: z.enum(["match-adamw", "spectral"]).exactOptional(),
    auxiliaryRate: positive,
    ...decay,
  }),
  z.strictObject({
    name: z.literal("shampoo"),
    beta1: below1,
    beta2: upTo1,
    epsilon: positive,
    block: wholeOption,
    rootEvery: wholeOption,
    graft: z.enum(["rmsprop", "sgd", "none"]).exactOptional(),
    ...decay,
  }),
]);

const schedules = z.discriminatedUnion("name", [
  z.strictObject({ name: z.literal("constant") }),
  z.strictObject({ name: z.literal("inverse-square-root") }),
  z.strictObject({ name: z.literal("cosine"), floor: upTo1 }),
  z.strictObject({ name: z.literal("linear"), floor: upTo1 }),
  z.strictObject({ name: z.literal("polynomial"), degree: positive, floor: upTo1 }),
  z.strictObject({
    name: z.literal("wsd"),
    decay: upTo1,
    floor: upTo1,
    fall: z.enum(["linear", "one-minus-sqrt"]).exactOptional(),
  }),
  z.strictObject({
    name: z.literal("exponential"),
    factor: z.number().positive(),
    every: count,
    stairs: flag,
  }),
  z.strictObject({ name: z.literal("steps"), at: z.array(count).min(1), factor: positive }),
  z.strictObject({ name: z.literal("one-cycle"), rise: upTo1, start: upTo1 }),
  z.strictObject({
    name: z.literal("warm-restarts"),
    period: count,
    growth: wholeOption,
    floor: upTo1,
  }),
]);

const training: z.ZodType<TrainingSettings> = z.strictObject({
  // Far above any run; a damaged file must not ask for all memory.
  batch: count.max(2 ** 24),
  length: count.max(2 ** 24),
  steps: count,
  optimizer: z.union([
    z.enum(["sgd", "adam", "adamw", "adafactor", "lion", "muon", "shampoo"]),
    optimizers,
  ]),
  learningRate: z.number().positive(),
  schedule: z.union([
    z.enum([
      "constant",
      "inverse-square-root",
      "cosine",
      "linear",
      "polynomial",
      "wsd",
      "one-cycle",
    ]),
    schedules,
  ]),
  warmup: z.int().nonnegative(),
  clip: z.number().positive(),
  clipping: z.enum(CLIPPINGS).exactOptional(),
  microBatches: wholeOption,
  ema: z.number().gt(0).lt(1).exactOptional(),
  lossScale: z.union([z.enum(["dynamic"]), z.number().positive()]).exactOptional(),
  trainable: z.array(z.string().min(1)).min(1).exactOptional(),
  rates: z.record(z.string().min(1), z.number().nonnegative()).exactOptional(),
});

/**
 * @param of - whose settings they are, `a GLaM`
 * @throws ConfigError naming every key that is wrong, with the nearest known one
 */
export function readTrainingSettings(value: unknown, of: string): TrainingSettings {
  return readStrict(training, value, "training", of);
}

const OVERRIDABLE = [
  "batch",
  "length",
  "steps",
  "optimizer",
  "learningRate",
  "schedule",
  "warmup",
  "microBatches",
  "ema",
] as const satisfies readonly (keyof Overrides & keyof TrainingSettings)[];

/**
 * A preset's settings, then those given one by one.
 *
 * @param of - whose settings they are, `a GLaM`
 * @throws ConfigError as `readTrainingSettings`
 */
export function overrideTraining(
  preset: TrainingSettings,
  overrides: Overrides,
  of: string,
): TrainingSettings {
  const given = OVERRIDABLE.flatMap((key) => {
    const value = overrides[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  const merged = { ...preset, ...Object.fromEntries(given) };
  return readTrainingSettings(merged, of);
}
