/** @file Values and gradients as PyTorch and JAX give them in float64, on the onnx engine: see `../agreement.test.ts`. */

import { afterAll } from "vitest";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import { cases, holdAll } from "../agreement/hold.ts";

// Inputs have seven digits here; a gradient of a few dozen steps costs up to three of them.
const worst = holdAll("on the onnx engine", {
  engine: await createOnnxEngine(),
  inDoubles: false,
  tolerance: 1e-4,
});

afterAll(() => {
  process.stdout.write(
    `agreement: ${cases.length} cases on the onnx engine; largest error ${worst.error.toExponential(1)} (${worst.name})\n`,
  );
});
