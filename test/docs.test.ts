/** @file Pages of `docs/` that are printed from the code: none of them is stale. */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { formatMarkdown } from "../src/cli/table.ts";
import { AXIS_WORDS, parseAxes } from "../src/core/axes.ts";
import { meshloom } from "./command-line.ts";

/** The text of `docs/axes.md`. */
function axesPage(): string {
  const rows = Object.entries(AXIS_WORDS).map(([word, meaning]) => [`\`${word}\``, meaning]);
  return `# Axis words

Printed from \`AXIS_WORDS\` in \`src/core/axes.ts\` by \`npx vitest run test/docs.test.ts -u\`; a test fails
when this page is stale.

An axis has a name, and the name is one of these words wherever one fits. Use words of your own for
what is not here: any word of letters, digits and \`_\` that starts with a small letter will do.

${formatMarkdown(["word", "meaning"], rows)}

The same word is used in five places, so that they can be held against each other:

1. **Equations**: \`einsum("batch pos embed, embed head dim -> batch pos head dim", x, query)\` checks that
   each word has one size on every operand.
2. **Declarations**: a parameter is declared with its axes, \`"embed head dim"\`, and keeps them through
   tracing, differentiation and optimiser state.
3. **Comments**: shapes in documentation read \`[batch, pos, embed]\`.
4. **Errors**: a form is shown as \`float32[batch 2, pos 128, embed 512]\`, and a mismatch names the axis.
5. **Sharding**: how a model is to be divided is said by axis, such as \`expert\` over one axis of a mesh
   and \`head\` and \`mlp\` over another. Each op has its rule for this; the partitioner is not there yet.
`;
}

test("axes.md", async () => {
  for (const word of Object.keys(AXIS_WORDS)) expect(parseAxes("docs", word)).toEqual([word]);
  await expect(axesPage()).toMatchFileSnapshot("../docs/axes.md");
});

test("ops.md is what `ops --table` prints", async () => {
  const { code, out } = await meshloom("ops", "--table");
  expect(code).toBe(0);
  expect(out).toBe(await readFile(new URL("../docs/ops.md", import.meta.url), "utf8"));
});
