/** @file Trains in a worker, so that the page stays smooth, and reports to it. */

import { createOnnxEngine } from "../../src/index.ts";
import { type Attempt, PARAMETERS, startTraining } from "./sort.ts";

/** What the page asks for, once. */
export interface Order {
  readonly transport: "wasm" | "webgpu";
  readonly steps: number;
  readonly seed: number;
  /** 0 lets the engine choose. More than one needs a page with shared memory. */
  readonly threads: number;
}

/** What the page hears. */
export type Report =
  | { readonly kind: "engine"; readonly version: string; readonly parameters: number }
  | { readonly kind: "step"; readonly loss: number; readonly milliseconds: number }
  | { readonly kind: "attempts"; readonly attempts: readonly Attempt[] }
  | { readonly kind: "done" }
  | { readonly kind: "error"; readonly message: string };

/** Lists to show, how often, and how many to count at the end. */
const SHOWN = 8;
const EVERY = 50;
const COUNTED = 500;

const report = (message: Report): void => postMessage(message);

async function train({ transport, ...options }: Order): Promise<void> {
  const engine = await createOnnxEngine({ transport });
  report({ kind: "engine", version: engine.transport.version, parameters: PARAMETERS });
  const training = await startTraining(engine, options);
  for (let i = 0; i < options.steps; i++) {
    if (i % EVERY === 0) report({ kind: "attempts", attempts: await training.attempt(SHOWN) });
    const start = performance.now();
    const loss = await training.step();
    report({ kind: "step", loss, milliseconds: performance.now() - start });
  }
  report({ kind: "attempts", attempts: await training.attempt(COUNTED) });
  report({ kind: "done" });
}

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  train(data).catch((error: unknown) => {
    report({ kind: "error", message: error instanceof Error ? error.message : String(error) });
  });
});
