/** @file Optimisers, clipping and learning-rate schedules. */

export * from "./adafactor.ts";
export * from "./adam.ts";
export * from "./clip.ts";
export * from "./composed-schedules.ts";
export * from "./groups.ts";
export * from "./inverse-root.ts";
export * from "./lion.ts";
export * from "./muon.ts";
export * from "./optimizer.ts";
export * from "./parameters.ts";
export * from "./schedule.ts";
export * from "./sgd.ts";
export * from "./shampoo.ts";
