import fc from "fast-check";
import { expect, test } from "vitest";
import { cheapestPath } from "./cheapest-path.ts";

const ROWS = 4;
const TIMES = 5;

/** The path that costs least, tried out against all of them. */
test("no other path is cheaper", () => {
  const number = fc.double({ min: -5, max: 5, noNaN: true });
  const gaps = fc.array(fc.double({ min: 0.05, max: 2, noNaN: true }), {
    ...{ minLength: ROWS, maxLength: ROWS },
  });
  const costs = fc.array(fc.array(number, { minLength: TIMES, maxLength: TIMES }), {
    ...{ minLength: ROWS, maxLength: ROWS },
  });
  const stiffness = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 20, noNaN: true }));
  fc.assert(
    fc.property(costs, gaps, stiffness, (rows, apart, stiff) => {
      let end = 0;
      const places = Float64Array.from(apart, (gap) => {
        end += gap;
        return end;
      });
      const total = (path: ArrayLike<number>) =>
        Array.from(path).reduce((sum, row, n) => {
          const move = n === 0 ? 0 : (places[row] ?? 0) - (places[path[n - 1] ?? 0] ?? 0);
          return sum + (rows[row]?.[n] ?? 0) + stiff * move ** 2;
        }, 0);
      const all = Array.from({ length: ROWS ** TIMES }, (_, code) =>
        Array.from({ length: TIMES }, (_, n) => Math.floor(code / ROWS ** n) % ROWS),
      );
      const found = cheapestPath(
        rows.map((row) => Float64Array.from(row)),
        places,
        stiff,
      );
      expect(total(found)).toBeCloseTo(Math.min(...all.map(total)), 9);
    }),
    { seed: 5, numRuns: 200 },
  );
});
