/** @file Optimisers and learning-rate schedules. */

export * from "./adafactor.ts";
export * from "./adamw.ts";
export * from "./optimizer.ts";
export * from "./schedule.ts";
export * from "./sgd.ts";
