import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../core/errors.ts";
import { type BatchOptions, createBatches } from "./batches.ts";
import { drawBelow, permutation } from "./permutation.ts";

const runs = { seed: 11, numRuns: 200 };

/** Token i is i, so a batch shows where it was cut. */
function counting(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => i);
}

const options: fc.Arbitrary<BatchOptions> = fc
  .record({
    batch: fc.integer({ min: 1, max: 6 }),
    length: fc.integer({ min: 1, max: 9 }),
    seed: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.maxSafeNat()),
    validationFraction: fc.constantFrom(0, 0.1, 0.5),
    extra: fc.integer({ min: 0, max: 800 }),
  })
  .map(({ extra, ...rest }) => {
    const share = rest.validationFraction === 0 ? 1 : Math.min(0.5, rest.validationFraction);
    const least = Math.ceil((rest.batch * rest.length + 2) / share);
    return { ...rest, tokens: counting(least + extra) };
  });

describe("permutation", () => {
  it("is a bijection, for every size", () => {
    for (const size of [...Array.from({ length: 70 }, (_, i) => i + 1), 255, 256, 257, 4097]) {
      const at = permutation(size, 3, size);
      const seen = new Set(Array.from({ length: size }, (_, i) => at(i)));
      expect(seen.size).toBe(size);
      expect(Math.max(...seen)).toBe(size - 1);
    }
  });

  it("puts each element anywhere with nearly the same chance", () => {
    const counts = Array.from({ length: 10 }, () => 0);
    for (let key = 0; key < 20_000; key++) counts[permutation(10, key)(0)]! += 1;
    // 2000 expected; 5 standard deviations are 212.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(212);
  });

  it("draws all of a range", () => {
    const drawn = new Set(Array.from({ length: 500 }, (_, i) => drawBelow(7, 1, i)));
    expect([...drawn].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe("createBatches", () => {
  it("uses every window of an epoch exactly once", () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 0, max: 3 }), (o, epoch) => {
        const batches = createBatches(o);
        const starts = Array.from({ length: batches.stepsPerEpoch }, (_, i) => {
          const rows = batches.trainStarts(epoch * batches.stepsPerEpoch + i);
          expect(rows.epoch).toBe(epoch);
          return rows.starts;
        }).flat();
        const sorted = starts.toSorted((a, b) => a - b);
        // A full grid: one window after another, one length apart, none twice.
        sorted.forEach((start, i) => void expect(start).toBe(sorted[0]! + i * o.length));
        expect(sorted[0]).toBeGreaterThanOrEqual(0);
        expect(sorted.at(-1)! + o.length + 1).toBeLessThanOrEqual(batches.trainTokens);
        expect(sorted.length).toBe(batches.stepsPerEpoch * o.batch);
      }),
      runs,
    );
  });

  it("leaves out less than two batches of the train part", () => {
    fc.assert(
      fc.property(options, (o) => {
        const { stepsPerEpoch, trainTokens } = createBatches(o);
        return trainTokens - stepsPerEpoch * o.batch * o.length < 2 * o.batch * o.length + 1;
      }),
      runs,
    );
  });

  it("gives the same batch for the same (seed, step), in any order of asking", () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 0, max: 400 }), (o, step) => {
        const first = createBatches(o);
        first.train(step + 3);
        expect(createBatches(o).train(step)).toEqual(first.train(step));
      }),
      runs,
    );
  });

  it("shifts targets by one token and keeps validation apart from train", () => {
    fc.assert(
      fc.property(options, (o) => {
        const batches = createBatches(o);
        const steps = Array.from({ length: 2 * batches.stepsPerEpoch }, (_, i) => batches.train(i));
        const held = [...batches.validation()];
        for (const { tokens, targets } of [...steps, ...held]) {
          const padding = (i: number) => targets[i] === -1;
          expect([...targets]).toEqual([...tokens].map((t, i) => (padding(i) ? -1 : t + 1)));
          expect(tokens.length).toBe(o.batch * o.length);
        }
        const last = Math.max(...steps.flatMap((b) => [...b.targets]));
        const real = held.flatMap((b) => [...b.tokens].filter((_, i) => b.targets[i] !== -1));
        const first = Math.min(...real, Number.POSITIVE_INFINITY);
        expect(last).toBeLessThan(batches.trainTokens);
        expect(first).toBeGreaterThanOrEqual(batches.trainTokens);
      }),
      runs,
    );
  });

  it("differs between seeds and between epochs", () => {
    const of = (seed: number) =>
      createBatches({
        tokens: counting(5000),
        batch: 4,
        length: 16,
        seed,
        validationFraction: 0.1,
      });
    expect(of(1).train(0)).not.toEqual(of(2).train(0));
    expect(of(1).train(0)).not.toEqual(of(1 + 2 ** 32).train(0));
    const { stepsPerEpoch } = of(1);
    const phases = Array.from({ length: 40 }, (_, epoch) => {
      const { starts } = of(1).trainStarts(epoch * stepsPerEpoch);
      return starts[0]! % 16;
    });
    expect(new Set(phases).size).toBeGreaterThan(8);
  });

  it("bounds validation and spreads it over its part", () => {
    const batches = createBatches({
      tokens: counting(10_000),
      batch: 2,
      length: 10,
      seed: 0,
      validationFraction: 0.5,
      validationBatches: 4,
    });
    const firsts = [...batches.validation()].map((b) => b.tokens[0]);
    // 4999 targets make 250 batches; 0, 62, 125 and 187 are taken.
    expect(firsts).toEqual([5000, 6240, 7500, 8740]);
  });

  it("says how many tokens are missing", () => {
    const short = { tokens: counting(500), batch: 8, length: 64, seed: 1, validationFraction: 0.1 };
    expect(() => createBatches(short)).toThrow(DataError);
    expect(() => createBatches(short)).toThrow(
      [
        "batches: the train part has 450 tokens; one batch needs 513.",
        "  batch     8 rows of 64 positions, and 1 token more for the last target",
        "  corpus    500 tokens, validationFraction 0.1",
        "  fix       use a text of 570 tokens or more, or a smaller batch or length    [DATA-01]",
      ].join("\n"),
    );
    expect(() => createBatches({ ...short, tokens: counting(2000) })).toThrow(
      "batches: the validation part has 200 tokens; one batch needs 513.",
    );
  });

  it("refuses options out of range", () => {
    const good = { tokens: counting(500), batch: 2, length: 4, seed: 1, validationFraction: 0.1 };
    expect(() => createBatches({ ...good, validationFraction: 1 })).toThrow(ConfigError);
    expect(() => createBatches({ ...good, batch: 0 })).toThrow("batches: batch is 0.");
    expect(() => createBatches({ ...good, seed: 0.5 })).toThrow("batches: seed is 0.5.");
    expect(() => createBatches(good).train(-1)).toThrow("batches: step is -1.");
  });
});
