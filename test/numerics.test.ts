/** @file `docs/numerics.md`: the page is printed from the table, and every sentence holds on every engine. */

import { describe, expect, test } from "vitest";
import { formatMarkdown } from "../src/cli/table.ts";
import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { referenceEngine } from "../src/engines/reference/reference.ts";
import { numbers } from "../src/testing/tensors.ts";
import { CELLS, COLUMNS, ROWS } from "./numerics.ts";

const ENGINES = [
  referenceEngine,
  { ...(await createOnnxEngine({ transport: "c-api" })), name: "onnx over the C API" },
  {
    ...(await createOnnxEngine({ transport: "binding" })),
    name: "onnx over the package's binding",
  },
];

describe.each(ENGINES)("on $name", (engine) => {
  test.each([...CELLS])("$name", async ({ f, inputs, gives }) => {
    const answer = jit(f, { name: "cell", engine })(...inputs);
    if (gives === "refused") return expect(answer).rejects.toThrow("no");
    const actual = numbers(await answer);
    expect(actual.length).toBe(gives.length);
    gives.forEach((wanted, i) => {
      // Transcendental functions differ in the last bit; all other values, and signs of zeros, are exact.
      if (Number.isInteger(wanted) || !Number.isFinite(wanted)) expect(actual[i]).toBe(wanted);
      else expect(Math.abs((actual[i] ?? NaN) / wanted - 1)).toBeLessThan(2e-7);
    });
  });
});

test("numerics.md", async () => {
  const rows = ROWS.map(({ op, cells }) => [
    op,
    ...COLUMNS.map((column) => cells[column]?.says ?? ""),
  ]);
  const page = `# Numerics at the edges

Printed from the table in \`test/numerics.ts\` by \`npx vitest run test/numerics.test.ts -u\`. Every sentence comes
with a call; a test makes it on every engine and fails when the answer is another. XLA is asked too, in
\`test/peers/\`.

${formatMarkdown(["op", ...COLUMNS], rows)}

An empty field: nothing special, or no such case. "Wins" and "is the result" are said of any NaN among the operands.

What is not promised:

- converting NaN, ±∞ or numbers out of range to integers;
- the sign of a zero where a field speaks of "a zero" or "either zero", of \`sign\`, and of \`where\`: a choice on ONNX
  Runtime turns −0 into 0;
- int64 beyond 2⁵³ in the reference engine, and sums of integers beyond 2⁵³ on ONNX Runtime, which adds them as doubles.
`;
  await expect(page).toMatchFileSnapshot("../docs/numerics.md");
});
