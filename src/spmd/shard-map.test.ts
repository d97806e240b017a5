import { describe, expect, test } from "vitest";
import { interpret } from "../core/interpret.ts";
import { parseMesh } from "../core/mesh.ts";
import { at, type NdArray } from "../core/ndarray.ts";
import { materialise, random } from "../core/samples.ts";
import { type Aval, aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { dynamicSlice, einsum, forLoop, zeros } from "../numpy/index.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { grad } from "../transforms/vjp.ts";
import { vmap } from "../transforms/vmap.ts";
import { seedsOf } from "./annotations.ts";
import { exchangesOf } from "./exchanges.ts";
import { partition } from "./partition.ts";
import { propagate } from "./propagate.ts";
import { shardMap } from "./shard-map.ts";
import { parseSharding } from "./sharding.ts";
import { simulate } from "./simulate.ts";

const form = (...dims: number[]) => aval("float32", dims);
const drawn = (forms: readonly Aval[]) =>
  forms.map(({ dims }, i) => materialise(random(...dims), i + 1, false));

function programOf(f: (...xs: Tensor[]) => readonly Tensor[], forms: readonly Aval[]) {
  return trace("test", f, forms.map(abstract)).program;
}

/** Values of the whole program, and of its pieces on a mesh; and the kinds of exchanges. */
function bothWays(
  f: (...xs: Tensor[]) => readonly Tensor[],
  forms: readonly Aval[],
  axes: string,
  inputs: readonly string[],
) {
  const program = programOf(f, forms);
  const values = drawn(forms);
  const mesh = parseMesh(axes);
  const seeds = seedsOf(mesh, program, { inputs: inputs.map((text) => parseSharding(mesh, text)) });
  const parted = partition(program, propagate(mesh, program, seeds));
  const dims = program.outputs.map((v) => v.aval.dims);
  const pieces = simulate(parted, values, dims, Number.NaN);
  return {
    ...{ whole: interpret(program, values), pieces },
    kinds: exchangesOf(parted.program).map(({ kind }) => kind),
  };
}

function expectClose(a: readonly NdArray[], b: readonly NdArray[]) {
  expect(a.map(({ dims }) => dims)).toEqual(b.map(({ dims }) => dims));
  a.forEach((x, i) => {
    for (let k = 0; k < x.data.length; k++) expect(at(x, k)).toBeCloseTo(at(b[i]!, k), 4); // float32 sums of up to 16 products, in another order
  });
}

const product = shardMap(
  (on, x, w) => on.reduce(einsum("b k, k n -> b n", x.as("b k"), w.as("k n")), "model"),
  {
    mesh: { model: 4 },
    in: [
      [null, "model"],
      ["model", null],
    ],
    out: [[null, null]],
  },
);

/** Pieces of w go round; each step multiplies with the one that is here. */
const ring = shardMap(
  (on, x, w) => {
    const rows = w.size(0);
    const nothing = zeros([x.size(0), w.size(1)], "b n");
    const step = (i: Tensor, [held, sum]: readonly [Tensor, Tensor]) => {
      const start = on.place("model").add(4).sub(i).rem(4).mul(rows);
      const columns = dynamicSlice(x, { axis: 1, start, size: rows }).as("b k");
      return [on.shift(held, "model"), sum.add(einsum("b k, k n -> b n", columns, held))] as const;
    };
    const [, sum] = forLoop<readonly [Tensor, Tensor]>(0, 4, step, [w.as("k n"), nothing]);
    return sum;
  },
  {
    mesh: { model: 4 },
    in: [
      [null, null],
      ["model", null],
    ],
    out: [[null, null]],
  },
);

describe("shardMap", () => {
  const forms = [form(6, 8), form(8, 5)];
  const plain = (x: Tensor, w: Tensor) => einsum("b k, k n -> b n", x.as("b k"), w.as("k n"));

  test.for([
    ["a product of which each device has a part of the sum", product],
    ["pieces that go round", ring],
  ] as const)("%s is the product", ([, f]) => {
    const expected = interpret(
      programOf((x, w) => [plain(x!, w!)], forms),
      drawn(forms),
    );
    const alone = bothWays((x, w) => f(x!, w!), forms, "model=4", []);
    expectClose(alone.whole, expected);
    expectClose(alone.pieces, expected);
    // Rows stay on the axis that the region does not know.
    const beside = bothWays((x, w) => f(x!, w!), forms, "data=2,model=4", ["[data, -]", "[-, -]"]);
    expectClose(beside.pieces, expected);
    expect(beside.kinds).not.toContain("allGather");
  });

  test("derivatives are those of the whole", () => {
    const loss = (f: (x: Tensor, w: Tensor) => Tensor) => (x: Tensor, w: Tensor) =>
      f(x, w).mul(f(x, w)).sum();
    const both = (f: (x: Tensor, w: Tensor) => Tensor) => (x: Tensor, w: Tensor) => [
      grad((own: Tensor) => loss(f)(own, w))(x),
      grad((own: Tensor) => loss(f)(x, own))(w),
    ];
    const expected = interpret(
      programOf((x, w) => both(plain)(x!, w!), forms),
      drawn(forms),
    );
    for (const f of [product, ring]) {
      const found = bothWays(
        (x, w) => both((a, b) => f(a, b)[0]!)(x!, w!),
        forms,
        "data=2,model=4",
        ["[data, -]", "[-, -]"],
      );
      expectClose(found.whole, expected);
      expectClose(found.pieces, expected);
    }
  });

  test("runs for every example of a batch", () => {
    const batch = [form(3, 6, 8), form(8, 5)];
    const f = (x: Tensor, w: Tensor) => [vmap((own: Tensor) => product(own, w)[0]!)(x)];
    const expected = interpret(
      programOf((x, w) => [vmap((own: Tensor) => plain(own, w!))(x!)], batch),
      drawn(batch),
    );
    const found = bothWays((x, w) => f(x!, w!), batch, "model=4", []);
    expectClose(found.whole, expected);
    expectClose(found.pieces, expected);
  });

  test("rows and columns are exchanged among all", () => {
    const transposed = shardMap((on, x) => on.exchange(x, "a", { split: 1, join: 0 }), {
      ...{ mesh: { a: 2 }, in: [["a", null]], out: [[null, "a"]] },
    });
    const found = bothWays((x) => transposed(x!), [form(4, 6)], "a=2,b=3", ["[a, b]"]);
    expectClose(found.whole, drawn([form(4, 6)]));
    expectClose(found.pieces, drawn([form(4, 6)]));
    expect(found.kinds).toContain("allToAll");
  });

  test("uses tensors from outside, whole", () => {
    const f = (x: Tensor, w: Tensor) =>
      shardMap((_, own) => own.mul(w), { mesh: { a: 2 }, in: [["a"]], out: [["a"]] })(x);
    const found = bothWays((x, w) => f(x!, w!), [form(4), form(2)], "a=2", []);
    expectClose(found.pieces, found.whole);
  });

  test.for([
    [
      "a dimension that the axis does not divide",
      () => product(abstract(form(6, 7)), abstract(form(8, 5))),
      "shardMap: argument 1 is float32[6, 7], whose dimension 1 does not divide into 4 pieces.",
    ],
    [
      "too few specs",
      () => shardMap((_, x) => x, { mesh: { a: 2 }, in: [], out: [] })(abstract(form(2))),
      "shardMap: 1 arguments, but 0 specs.",
    ],
    [
      "an axis twice",
      () =>
        shardMap((_, x) => x, { mesh: { a: 2 }, in: [["a", "a"]], out: [[null, null]] })(
          abstract(form(2, 2)),
        ),
      'shardMap: axis "a" cuts argument 1 twice.',
    ],
    [
      "an axis that the region's mesh lacks",
      () =>
        shardMap((_, x) => x, { mesh: { a: 2 }, in: [["b"]], out: [[null]] })(abstract(form(2))),
      'the mesh has no axis "b"',
    ],
    [
      "a mesh of other sizes",
      () => bothWays((x, w) => product(x!, w!), forms, "model=2", []),
      'shardMap: the region is written for 4 devices along "model".',
    ],
  ] as const)("refuses %s", ([, run, message]) => {
    const outer = trace("test", () => {
      expect(run).toThrow(message);
      return [];
    }, []);
    expect(outer).toBeDefined();
  });
});
