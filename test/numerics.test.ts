/** @file `docs/numerics.md`: the page is printed from the table, and every sentence holds on every engine. */

import { describe, expect, test } from "vitest";
import { formatMarkdown } from "../src/cli/table.ts";
import type { Tensor } from "../src/core/tensor.ts";
import type { Engine } from "../src/engines/engine.ts";
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

const computed = CELLS.flatMap((cell) =>
  cell.gives === "refused" ? [] : [{ ...cell, gives: cell.gives }],
);

// One program of all cells for each engine: compiling hundreds of small ones would take most of the time.
const answers = (engine: Engine) => {
  const all = (lists: readonly (readonly Tensor[])[]) =>
    computed.map(({ f }, i) => f(...(lists[i] ?? [])));
  return jit(all, { name: "numerics", engine })(computed.map(({ inputs }) => inputs));
};

describe.each(ENGINES.map((engine) => ({ name: engine.name, running: answers(engine) })))(
  "on $name",
  ({ running }) => {
    test.each(computed.map((cell, at) => ({ ...cell, at })))("$name", async ({ gives, at }) => {
      const actual = numbers((await running)[at] as Tensor);
      expect(actual.length).toBe(gives.length);
      gives.forEach((wanted, i) => {
        // Transcendental functions differ in the last bit; all other values, and signs of zeros, are exact.
        if (Number.isInteger(wanted) || !Number.isFinite(wanted)) expect(actual[i]).toBe(wanted);
        else expect(Math.abs((actual[i] ?? NaN) / wanted - 1)).toBeLessThan(2e-7);
      });
    });
  },
);

test.each(CELLS.filter(({ gives }) => gives === "refused"))("$name", async ({ f, inputs }) => {
  await expect(jit(f)(...inputs)).rejects.toThrow("no");
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
