/**
 * @file Values and gradients as PyTorch and JAX give them in float64, over what users call. On the onnx
 * engine: `slow/agreement.test.ts`.
 *
 * A case is a line in `recorded/agreement/` (Python) and a line of the same name in `agreement/` (ours).
 */

import { afterAll, expect, test } from "vitest";
import { doubleEngine } from "../src/testing/double.ts";
import { cases, holdAll, TABLES } from "./agreement/hold.ts";

// The record has twelve digits; sums in another order cost some of them.
const worst = holdAll("in double precision", {
  engine: doubleEngine,
  inDoubles: true,
  tolerance: 1e-10,
});

const from = (peer: string) => cases.filter((one) => one.peer === peer);

test.each(["torch", "jax"] as const)("each case of %s is a line here and a line there", (peer) => {
  const there = from(peer).map(({ name }) => name);
  expect(Object.keys(TABLES[peer]).sort()).toEqual(there.sort());
});

afterAll(() => {
  const gradients = cases.reduce((sum, one) => sum + (one.gradients?.length ?? 0), 0);
  const counts = `${from("torch").length} cases against PyTorch, ${from("jax").length} against JAX, ${gradients} gradients`;
  process.stdout.write(
    `agreement: ${counts}; largest error ${worst.error.toExponential(1)} (${worst.name})\n`,
  );
});
