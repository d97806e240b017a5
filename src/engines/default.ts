/** @file The engine that `jit` uses when none is named. */

import type { Engine } from "./engine.ts";

let chosen: Promise<Engine> | undefined;

/** The onnx engine, opened at first use. @throws EngineError with the way out when it is missing */
export function defaultEngine(): Promise<Engine> {
  chosen ??= import("./onnx/onnx.ts").then(({ createOnnxEngine }) => createOnnxEngine());
  return chosen;
}

/** Makes another engine the default. */
export function setDefaultEngine(engine: Engine): void {
  chosen = Promise.resolve(engine);
}
