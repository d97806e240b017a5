/** @file Runs in a browser: every sample of every op over WebGPU. */

import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { OPS } from "../../src/ops/registry.ts";
import { agreement } from "./op-programs.ts";

/** What the test reads. */
export interface PageResult {
  agreed: number;
  readonly wrong: string[];
  readonly unspecified: string[];
  done: boolean;
}

const result: PageResult = { agreed: 0, wrong: [], unspecified: [], done: false };
Object.assign(globalThis, { result });

async function run(): Promise<void> {
  const engine = await createOnnxEngine({ transport: "webgpu" });
  for (const op of OPS) {
    const { agreed, wrong, unspecified } = await agreement(engine, op);
    result.agreed += agreed;
    result.wrong.push(...wrong);
    result.unspecified.push(...unspecified);
  }
}

run()
  .catch((error: unknown) => result.wrong.push(String(error)))
  .finally(() => {
    result.done = true;
  });
