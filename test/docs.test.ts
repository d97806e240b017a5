/** @file Pages of `docs/` that are printed from the code: none of them is stale. */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { formatMarkdown } from "../src/cli/table.ts";
import { AXIS_WORDS, parseAxes } from "../src/core/axes.ts";
import { interpret } from "../src/core/interpret.ts";
import { at } from "../src/core/ndarray.ts";
import { materialise, random } from "../src/core/samples.ts";
import { FAMILIES, NEWEST_OPSET } from "../src/engines/onnx/import/table.ts";
import * as nn from "../src/nn/index.ts";
import { ROUTING_RULES, routerOf } from "../src/nn/index.ts";
import * as moe from "../src/nn/moe.ts";
import { simulate } from "../src/spmd/simulate.ts";
import { meshloom } from "./command-line.ts";
import { DECLARED, layersPage } from "./layers-page.ts";
import { EXAMPLES, partitioningPage, worked } from "./partitioning-page.ts";

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
   and \`head\` and \`mlp\` over another. Each op has its rule for this
   ([partitioning.md](partitioning.md)).
`;
}

/** The text of `docs/onnx.md`. */
function onnxPage(): string {
  const rows = Object.entries(FAMILIES).map(([title, operators]) => [
    title,
    Object.entries(operators)
      .map(([name, { since }]) => (since === 1 ? name : `${name} ${since}`))
      .sort()
      .join(", "),
  ]);
  return `# ONNX in

Printed from the table of operators in \`src/engines/onnx/import/\` by \`npx vitest run test/docs.test.ts -u\`; a test
fails when this page is stale.

\`const f = await importOnnx("model.onnx")\` reads a model; \`f\` is a function of tensors like any other, for use inside
\`jit\`, \`grad\` and \`vmap\`:

    const f = await importOnnx("model.onnx");
    const [y] = await jit((x) => f(x))(x);
    const slope = await jit((p, x) => grad((q) => loss(f.apply(q, [x])[0]))(p))(f.parameters, x);

- \`f.inputs\` and \`f.outputs\` say names and forms. Sizes that the model leaves open are those of the arguments.
- \`f.parameters\` are the model's float weights by name; \`f.apply(parameters, arguments)\` takes others in their place.
- Forms are fixed while tracing, as everywhere here. What a form depends on (the target of a Reshape, the k of a TopK)
  must be known then: from the model, from sizes, or from a tensor with data that the function closes over. If it is an
  argument of the traced function, the error ONNX-03 names the node and the input.
- int8, uint8, int16, uint16, int4, uint4, int2 and uint2 are carried as int32 and wrap as in their own type; arguments
  and results of these types are int32. Not there: uint64, strings, complex numbers, 8-bit and 4-bit floats.
- Integer products and quantised convolutions are exact. Rounding stops derivatives.
- A condition that is data becomes a branch of the program (both must give equal forms), a loop that data ends becomes
  a while loop, which has no backward derivative; loops of known length are written out or become scans.
- Weights outside the model are read from its own folder only. Sparse weights are refused.
- Random operators, and training by them (Dropout with a ratio), are refused: their results are not the model's.

Opsets 1 to ${NEWEST_OPSET} are read. A number behind an operator is the first opset whose form of it is understood; without
one, every form is. Of the domain com.microsoft there are FusedMatMul and SimplifiedLayerNormalization. Functions that
a model defines itself are inlined.

${formatMarkdown(["family", "operators"], rows)}
`;
}

test("onnx.md", async () => {
  await expect(onnxPage()).toMatchFileSnapshot("../docs/onnx.md");
});

/** The text of `docs/routers.md`. */
function routersPage(): string {
  const shown = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  const sections = ROUTING_RULES.map(({ name, summary, options }) => {
    const { looksAhead } = routerOf(name);
    const rows = Object.entries(options).map(([option, { otherwise, wants, about }]) => [
      `\`${option}\``,
      shown(otherwise),
      wants,
      about,
    ]);
    const table =
      rows.length === 0
        ? "No options."
        : formatMarkdown(["option", "default", "may be", "meaning"], rows).trimEnd();
    return `## ${name}

${summary[0]?.toUpperCase()}${summary.slice(1)}. With slots, in one group of all tokens, ${
      looksAhead
        ? "a token's fate may depend on later ones: it needs the grouping `position` to be causal"
        : "no token depends on a later one"
    }.

${table}
`;
  });
  return `# Routers

Printed from \`ROUTING_RULES\` in \`src/nn/routing/rules.ts\` by \`npx vitest run test/docs.test.ts -u\`; a test fails when
this page is stale.

\`meshloom train glam-nano --router NAME:OPTION=VALUE,OPTION=VALUE\`; in code, \`routerOf(name, { option: value })\`.

Evaluation and sampling never have a capacity, draw nothing, and let no token depend on another: experts that chose
in training are reached by thresholds that they kept. Routers whose tokens choose also train without a capacity,
\`--dropless\`: the cost is that of the pairs of token and expert, not of all experts on all tokens.

Padding takes no slot and counts in no loss and no report. Logits and gates are float32 whatever the layer computes in.

${sections.join("\n")}`;
}

test("routers.md", async () => {
  await expect(routersPage()).toMatchFileSnapshot("../docs/routers.md");
});

test("axes.md", async () => {
  for (const word of Object.keys(AXIS_WORDS)) expect(parseAxes("docs", word)).toEqual([word]);
  await expect(axesPage()).toMatchFileSnapshot("../docs/axes.md");
});

test("partitioning.md has the programs that partitioning makes", async () => {
  await expect(partitioningPage()).toMatchFileSnapshot("../docs/partitioning.md");
});

test.each(EXAMPLES.map((example) => [example.name, example] as const))(
  "the example %s of partitioning.md sends what it says, and its pieces are the whole",
  (_, example) => {
    const { whole, parted, kinds } = worked(example);
    expect(kinds).toEqual(example.sends);
    const values = example.forms.map(({ dims }, i) => materialise(random(...dims), i + 1, false));
    const expected = interpret(whole, values);
    const dims = expected.map((y) => y.dims);
    simulate(parted, values, dims, Number.NaN).forEach((y, i) => {
      for (let k = 0; k < y.data.length; k++) expect(at(y, k)).toBeCloseTo(at(expected[i]!, k), 4); // float32 sums in another order
    });
  },
);

test("layers.md", async () => {
  // Sparse layers have a page of their own words: the routers'.
  const declarations = Object.keys(nn).filter((name) => /Params?$/.test(name) && !(name in moe));
  const helpers = ["abstractParams", "listParams", "stagedParams"];
  expect(declarations.filter((name) => !helpers.includes(name)).sort()).toEqual(
    [...DECLARED].sort(),
  );
  await expect(layersPage()).toMatchFileSnapshot("../docs/layers.md");
});

test("ops.md is what `ops --table` prints", async () => {
  const { code, out } = await meshloom("ops", "--table");
  expect(code).toBe(0);
  expect(out).toBe(await readFile(new URL("../docs/ops.md", import.meta.url), "utf8"));
});
