/** @file The engine that `jit` uses when none is named. */

import type { Engine } from "./engine.ts";

let chosen: Promise<Engine> | undefined;

/**
 * The onnx engine, opened at first use; in Node with the user's cache of lowered models.
 *
 * @throws EngineError with the way out when it is missing
 */
export function defaultEngine(): Promise<Engine> {
  chosen ??= open();
  return chosen;
}

async function open(): Promise<Engine> {
  const { createOnnxEngine } = await import("./onnx/onnx.ts");
  if (globalThis.process?.versions?.node === undefined) return createOnnxEngine();
  const { modelKey, userModelCache } = await import("./onnx/model-cache.ts");
  const models = userModelCache();
  return createOnnxEngine({ cache: models === undefined ? undefined : { models, key: modelKey } });
}

/** Makes another engine the default. */
export function setDefaultEngine(engine: Engine): void {
  chosen = Promise.resolve(engine);
}
