/** @file The text of `docs/partitioning.md`: how partitioning works, with programs before and after, printed from itself. */

import { parseMesh } from "../src/core/mesh.ts";
import type { Program } from "../src/core/program.ts";
import { printProgram } from "../src/core/program-text.ts";
import { type Aval, aval } from "../src/core/shape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { concatenate, conv, einsum, gelu, laid, shard } from "../src/numpy/index.ts";
import { seedsOf } from "../src/spmd/annotations.ts";
import { exchangesOf, totalsOf } from "../src/spmd/exchanges.ts";
import { explain } from "../src/spmd/explain.ts";
import { type Partitioned, partition } from "../src/spmd/partition.ts";
import { propagate } from "../src/spmd/propagate.ts";
import { shardMap } from "../src/spmd/shard-map.ts";
import { parseSharding } from "../src/spmd/sharding.ts";
import { simplifyAll } from "../src/transforms/simplify.ts";
import { abstract, trace } from "../src/transforms/trace.ts";
import { grad } from "../src/transforms/vjp.ts";

export interface Example {
  readonly name: string;
  readonly title: string;
  readonly text: string;
  /** As a reader would write it. */
  readonly code: string;
  readonly mesh: string;
  readonly rules?: Readonly<Record<string, string>>;
  readonly forms: readonly Aval[];
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly program: (...xs: Tensor[]) => Tensor | readonly Tensor[];
  /** What it sends, by kind. */
  readonly sends: readonly string[];
  /** Whether the program is shown before, too. */
  readonly before?: boolean;
}

const f32 = (dims: readonly number[], names = "") =>
  aval("float32", dims, names === "" ? undefined : names.split(" "));

export const EXAMPLES: readonly Example[] = [
  {
    name: "product",
    title: "A split sum",
    text: "The summed axis lies on `model`, so each device has a part of every sum. The result is wanted split as well: of the sum each device takes its own rows, a reduce-scatter, half of what an all-reduce sends.",
    code: 'einsum("batch mlp, mlp embed -> batch embed", h, w)   // h: [-, model], w: [model, -], result: [model, -]',
    mesh: "model=4",
    forms: [f32([8, 16], "batch mlp"), f32([16, 12], "mlp embed")],
    inputs: ["[-, model]", "[model, -]"],
    outputs: ["[model, -]"],
    program: (h, w) => einsum("batch mlp, mlp embed -> batch embed", h!, w!),
    sends: ["reduceScatter"],
    before: true,
  },
  {
    name: "uneven",
    title: "Uneven sizes",
    text: "Ten elements on four devices are blocks of three: 3, 3, 3, 1. What stands behind the last is padding, which may be anything; where elements meet it is overwritten by what changes nothing.",
    code: 'x.sum("batch")   // x: float32[batch 10], [data]',
    mesh: "data=4",
    forms: [f32([10], "batch")],
    inputs: ["[data]"],
    program: (x) => x!.sum("batch"),
    sends: ["allReduce"],
  },
  {
    name: "halo",
    title: "Halos",
    text: "A convolution over a split dimension needs a few elements of the neighbours: they are exchanged, not the tensor.",
    code: 'conv(x, w, { padding: "same" })   // x: [1, 1, 16], split in space on four devices; w: [1, 1, 3]',
    mesh: "x=4",
    forms: [f32([1, 1, 16]), f32([1, 1, 3])],
    inputs: ["[-, -, x]", "[-, -, -]"],
    outputs: ["[-, -, x]"],
    program: (x, w) => conv(x!, w!, { padding: "same" }),
    sends: ["collectivePermute", "collectivePermute"],
  },
  {
    name: "experts",
    title: "Experts",
    text: "Groups of tokens lie on `data`, and so do experts. Between the two every device sends to every other one: an all-to-all, of which nobody wrote a word. `laid` says which words a tensor's dimensions have; the rules say where words lie.",
    code: 'laid(laid(rows, "group expert embed").order("expert group embed"), "expert group embed")   // rules: { group: "data", expert: "data" }',
    mesh: "data=4",
    rules: { group: "data", expert: "data" },
    forms: [f32([8, 8, 16], "group expert embed")],
    program: (rows) =>
      laid(laid(rows!, "group expert embed").order("expert group embed"), "expert group embed"),
    sends: ["allToAll"],
    before: true,
  },
  {
    name: "zero",
    title: "Weights split over data",
    text: "Weights that lie on the axis of examples are gathered where they are used, and their gradients are scattered: each device keeps, and updates, its part. Nothing but the sharding of the argument says so.",
    code: 'grad((w) => gelu(einsum("batch in, in out -> batch out", x, w)).square().sum())(w)   // x: [data, -], w: [data, -]',
    mesh: "data=4",
    forms: [f32([64, 8], "batch in"), f32([8, 4], "in out")],
    inputs: ["[data, -]", "[data, -]"],
    outputs: ["[data, -]"],
    program: (x, w) =>
      grad((own: Tensor) =>
        gelu(einsum("batch in, in out -> batch out", x!, own))
          .square()
          .sum(),
      )(w!),
    sends: ["allGather", "reduceScatter"],
  },
  {
    name: "pipeline",
    title: "A stage that shifts",
    text: "The state of a pipeline is one tensor with a stage dimension. To shift it by one is to slice and concatenate; where the dimension is split, that is one permute.",
    code: 'concatenate([fresh, state.slice("stage", 0, 3)], "stage")   // state: float32[stage 4, embed 8], [pipe, -]',
    mesh: "pipe=4",
    forms: [f32([4, 8], "stage embed"), f32([1, 8], "stage embed")],
    inputs: ["[pipe, -]", "[-, -]"],
    outputs: ["[pipe, -]"],
    program: (state, fresh) => concatenate([fresh!, state!.slice("stage", 0, 3)], "stage"),
    sends: ["collectivePermute"],
  },
  {
    name: "manual",
    title: "Per-device code",
    text: "Where you know better, `shardMap` lets you write what a device does, with collectives by the names of mesh axes. Axes that the region does not name are still the partitioner's: here `data`.",
    code: 'shardMap((on, x, w) => on.reduce(einsum("b k, k n -> b n", x, w), "model"),\n  { mesh: { model: 2 }, in: [[null, "model"], ["model", null]], out: [[null, null]] })(x, w)',
    mesh: "data=2,model=2",
    forms: [f32([4, 6]), f32([6, 5])],
    inputs: ["[data, -]", "[-, -]"],
    program: (x, w) =>
      shardMap(
        (on, a, b) => on.reduce(einsum("b k, k n -> b n", a.as("b k"), b.as("k n")), "model"),
        {
          ...{
            mesh: { model: 2 },
            in: [
              [null, "model"],
              ["model", null],
            ],
            out: [[null, null]],
          },
        },
      )(x!, w!),
    sends: ["allReduce"],
  },
];

export interface Worked {
  readonly whole: Program;
  readonly local: Program;
  readonly parted: Partitioned;
  readonly kinds: readonly string[];
  readonly bytes: number;
}

export function worked({ program, forms, ...example }: Example): Worked {
  const mesh = parseMesh(example.mesh);
  const { program: traced } = trace(
    example.name,
    (...xs: Tensor[]) => {
      const y = program(...xs);
      return Array.isArray(y) ? y : [y];
    },
    forms.map(abstract),
  );
  const whole = simplifyAll(traced);
  const at = (texts: readonly string[] = []) => texts.map((text) => parseSharding(mesh, text));
  const seeds = seedsOf(mesh, whole, {
    rules: example.rules ?? {},
    inputs: at(example.inputs),
    outputs: at(example.outputs),
  });
  const parted = partition(whole, propagate(mesh, whole, seeds));
  const local = simplifyAll(parted.program);
  const exchanges = exchangesOf(local);
  return {
    ...{ whole, local, parted: { ...parted, program: local } },
    ...{ kinds: exchanges.map(({ kind }) => kind) },
    bytes: totalsOf(exchanges).reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** A program without the places of its lines, which are those of the test. */
function shown(program: Program): string {
  return printProgram(program)
    .trim()
    .split("\n")
    .map((line) => line.replace(/ {4}# .*$/, ""))
    .join("\n");
}

function section(example: Example): string {
  const { whole, local, bytes } = worked(example);
  const before =
    example.before === true ? `\n\nThe program:\n\n\`\`\`\n${shown(whole)}\n\`\`\`` : "";
  return `### ${example.title}

${example.text}

\`\`\`
${example.code}
\`\`\`${before}

What each device of \`${example.mesh}\` runs; it sends ${bytes} bytes:

\`\`\`
${shown(local)}
\`\`\``;
}

function explained(): string {
  const mesh = parseMesh("data=2,model=4");
  const { program } = trace(
    "mlp",
    (...[x, wi, wo]: Tensor[]) => {
      const hidden = gelu(
        einsum("batch embed, embed mlp -> batch mlp", shard(x!, { batch: "data" }), wi!),
      );
      return [einsum("batch mlp, mlp embed -> batch embed", hidden, shard(wo!, { mlp: "model" }))];
    },
    [f32([8, 16], "batch embed"), f32([16, 64], "embed mlp"), f32([64, 16], "mlp embed")].map(
      abstract,
    ),
  );
  const found = propagate(mesh, program, seedsOf(mesh, program, {}));
  const hidden = program.equations.findLast(({ op }) => op.name === "gelu")?.outputs[0];
  if (hidden === undefined) throw new RangeError("the example has no gelu");
  return explain(found, hidden).replaceAll(/[^\s(]*test\/partitioning-page\.ts:\d+/g, "mlp.ts");
}

export function partitioningPage(): string {
  return `# Partitioning

Printed by \`npx vitest run test/docs.test.ts -u\`; a test fails when this page is stale, and every program on it is run in
pieces and held against the whole.

A model is written as for one device. A few tensors are annotated with the axes of a mesh; the rest follows. Out comes one
program that all devices run, whose size does not depend on their number: it knows its device by \`partitionId\` alone. The
idea is GSPMD's (arXiv:2105.04663), the shape of propagation Shardy's.

    npx meshloom partition glam-64b-64e --mesh data=32,model=8    # what devices hold, send and take, before you rent any
    npx meshloom train glam-nano --mesh data=2,model=2            # on devices of this process: the same losses
    npx meshloom repro partition --cases 100000                   # pieces = whole, for random programs on random meshes
    npx meshloom repro agreement-xla --python PATH                # the same programs under XLA's partitioner: values, bytes
    npx meshloom bench communication                              # what we send, what XLA sends, the least known
    npx meshloom bench utilization                                # predicted beside measured shares of the peak

## Say where tensors lie

- \`shard(x, { batch: "data", mlp: "model" })\` marks any tensor, by axis word or one entry per dimension. \`null\` is whole,
  \`"?"\` free, \`"data?"\` open for more axes behind, \`"data+model"\` both, \`data\` major. \`{ priority: 1 }\` gives way to
  marks of priority 0.
- \`jit(f, { engine, in: [{ batch: "data" }], out: { batch: "data" } })\` marks arguments and results.
- Rules from axis words to mesh axes are given once per run: \`--rules batch=data,mlp=model,embed=data\`, or a JSON file.
  They hold for arguments, results and what a model marks by words: \`laid(x, "batch pos embed")\`.
- \`shardMap\` is a region of per-device code.

A sharding prints as \`[data, -, model+expert?]\`: one entry per dimension. Sizes need not divide.

## What follows

Axes move along the factors of the ops' sharding rules ([ops.md](ops.md)), forward and backward, through loops, branches and
gradients: first where all agree for free (element-wise ops), then everywhere, broadcasts last, so that a bias does not
dictate the layout of an activation. Marks never change. \`explain\` tells why a tensor lies as it does:

\`\`\`
${explained()}
\`\`\`

Then each equation chooses which mesh axes split which of its factors: all choices are priced, by the bytes that bringing
the operands, running the op and taking the results home would send, and the work that is left. Resharding takes the way of
the fewest bytes: slices, permutes, all-to-alls, gathers, scattered sums, also of parts of an axis. Sums over devices are
taken as late as they can, and only where somebody asks.

What has to move although nobody asked, two marks that contradict each other or an op that needs a split dimension whole, is
a warning with bytes and the line; \`--strict\` makes it an error ([SHARD-02](errors.md#shard-02)).

## Before and after

${EXAMPLES.map(section).join("\n\n")}

## How it is known to be right

- Random programs over all ops, random meshes of one to eight devices and up to three axes, uneven sizes, marks and choices
  drawn at random, with NaN in the padding: pieces = whole.
- An independent partitioner: programs as annotated StableHLO through XLA's, ours as StableHLO with collectives run by XLA.
- \`train --mesh\` has the losses of one device, in float64 to the last digits but two.
- Halos and resharding against brute force; bytes against the formulas of ring collectives.

What devices are assumed to do, and how well predictions fit what others measured: [partitioning-presets.md](partitioning-presets.md).
`;
}
