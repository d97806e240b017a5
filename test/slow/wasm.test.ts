/** @file ONNX Runtime's WebAssembly, run by Node: every sample of every op, with its derivatives. */

import { afterAll, expect, test } from "vitest";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { openTransport } from "../../src/engines/onnx/open.ts";
import { OPS } from "../../src/ops/registry.ts";
import { agreement } from "./op-programs.ts";

const engine = await createOnnxEngine({ transport: "wasm" });

let total = 0;
afterAll(() => {
  process.stdout.write(`wasm: ${total} programs of ${OPS.length} ops agree\n`);
});

test.each(OPS.map((op) => ({ name: op.name, op })))("wasm computes $name", async ({ op }) => {
  const { agreed, wrong } = await agreement(engine, op);
  total += agreed;
  expect(wrong).toEqual([]);
});

test("where there is no WebGPU, the error says so and names the way out", async () => {
  await expect(openTransport("webgpu")).rejects.toThrow(
    /there is no WebGPU here[\s\S]*fix +use transport "wasm"/,
  );
});
