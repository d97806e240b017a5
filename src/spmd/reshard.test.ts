import fc from "fast-check";
import { expect, test } from "vitest";
import { interpretTogether } from "../core/interpret-together.ts";
import { at } from "../core/ndarray.ts";
import { materialise, random } from "../core/samples.ts";
import { aval } from "../core/shape.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { makeMesh, wholeAxis } from "./mesh.ts";
import { pieceOf } from "./pieces.ts";
import { reshard } from "./reshard.ts";
import { type Sharding, shardingOn } from "./sharding.ts";
import { cut } from "./simulate.ts";

test("whatever the two shardings, every device ends with its piece", () => {
  const mesh = makeMesh({ a: 2, b: 3 });
  const place = fc.integer({ min: -1, max: 1 });
  const sharding = fc
    .record({ a: place, b: place, swap: fc.boolean() })
    .map(({ a, b, swap }): Sharding => {
      const axes = [["a", a], ["b", b]] as const; // biome-ignore format: two axes
      const order = swap ? axes.toReversed() : axes;
      return shardingOn(
        [0, 1].map((dim) =>
          order.filter(([, at]) => at === dim).map(([name]) => wholeAxis(mesh, name)),
        ),
      );
    });
  const dims = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }));
  fc.assert(
    fc.property(dims, sharding, sharding, (sizes, from, to) => {
      const form = aval("float32", sizes);
      const x = materialise(random(...sizes), 1, false);
      const { program } = trace("reshard", (y) => [reshard(mesh, y, sizes, from, to)], [
        abstract(pieceOf(form, from)),
      ]);
      const pieces = cut(mesh, x, from, Number.NaN).map((piece) => [piece]);
      const moved = interpretTogether(program, pieces).map(([piece]) => piece!);
      cut(mesh, x, to, Number.NaN).forEach((expected, device) => {
        const own = moved[device]!;
        expect(own.dims).toEqual(expected.dims);
        // NaN stands where the padding is.
        const differs = Array.from({ length: expected.data.length }, (_, i) => i).filter(
          (i) => !Number.isNaN(at(expected, i)) && at(own, i) !== at(expected, i),
        );
        expect(differs).toEqual([]);
      });
    }),
    { seed: 4, numRuns: 200 },
  );
});
