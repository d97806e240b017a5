import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCorpusBatches } from "../batches.ts";
import { type DocumentSource, tokensInMemory } from "../store/source.ts";
import { evaluationOf } from "./evaluation.ts";
import { mixRows } from "./mixture.ts";
import { packedRows } from "./packed.ts";
import { planPacking } from "./packing.ts";
import { type BatchArrays, emptyBatch, type RowStream } from "./row-stream.ts";
import { windowRows } from "./windows.ts";

const END = 1_000_000;

/** Documents of the given lengths; token i of the whole is i, or `END` at the end of each document where there is one. */
function source(lengths: readonly number[], endOfText?: number): DocumentSource {
  const ends: number[] = [];
  for (const length of lengths) ends.push((ends.at(-1) ?? 0) + length);
  const tokens = Int32Array.from({ length: ends.at(-1) ?? 0 }, (_, i) => i);
  if (endOfText !== undefined) for (const end of ends) tokens[end - 1] = endOfText;
  return {
    ...tokensInMemory(tokens),
    documents: lengths.length,
    ends: (first, last) => Float64Array.from(ends.slice(first, last)),
    endOfText,
  };
}

const lengths = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 70 })),
  {
    minLength: 1,
    maxLength: 60,
  },
);
const length = fc.integer({ min: 1, max: 20 });
const seed = fc.nat(1000);
const runs = { seed: 21, numRuns: 60 };

function rowsOf(rows: RowStream, first: number, count: number): BatchArrays[] {
  return Array.from({ length: count }, (_, i) => {
    const batch = emptyBatch(1, rows.length, rows.packed);
    rows.fill(first + i, batch, 0);
    return batch;
  });
}

/** What each place of a batch predicts: [input, target]. */
function pairsOf(batches: readonly BatchArrays[]): [number, number][] {
  return batches.flatMap(({ tokens, targets }) =>
    [...targets].flatMap((target, i): [number, number][] =>
      target === -1 ? [] : [[tokens[i]!, target]],
    ),
  );
}

const byPlace = (a: [number, number], b: [number, number]) => a[0] - b[0] || a[1] - b[1];

/** All that can be predicted in a source, document by document. */
function expectedPairs(documents: readonly number[], endOfText?: number): [number, number][] {
  let start = 0;
  return documents.flatMap((size) => {
    const ids = Array.from({ length: size }, (_, i) => start + i);
    start += size;
    if (endOfText === undefined)
      return ids.slice(1).map((id, i): [number, number] => [ids[i]!, id]);
    ids[size - 1] = endOfText;
    return ids.map((id, i): [number, number] => [i === 0 ? endOfText : ids[i - 1]!, id]);
  });
}

describe("packed rows", () => {
  it.each([undefined, END])(
    "hold every target of the corpus once in an epoch, after its own token (end of text: %s)",
    (endOfText) => {
      fc.assert(
        fc.property(lengths, length, seed, fc.nat(3), (documents, positions, key, epoch) => {
          const rows = packedRows(source(documents, endOfText), { length: positions, key: [key] });
          const found = rowsOf(rows, epoch * rows.rowsPerEpoch, rows.rowsPerEpoch);
          const expected = expectedPairs(documents, endOfText);
          expect(pairsOf(found).sort(byPlace)).toEqual(expected.sort(byPlace));
          expect(rows.plan.targets).toBe(expected.length);
          if (rows.plan.rows > 0) {
            const share = 1 - expected.length / (rows.plan.rows * positions);
            expect(rows.plan.waste).toBeCloseTo(share, 12);
          }
        }),
        runs,
      );
    },
  );

  it("number documents and places: a segment is one run of one document, from place 0", () => {
    fc.assert(
      fc.property(lengths, length, seed, (documents, positions, key) => {
        const rows = packedRows(source(documents), { length: positions, key: [key] });
        for (const { tokens, targets, segments, positions: places } of rowsOf(
          rows,
          0,
          rows.rowsPerEpoch,
        )) {
          let padding = false;
          for (const [i, segment] of segments!.entries()) {
            padding ||= segment === -1;
            // Padding only at the end, with nothing to predict.
            if (padding) {
              expect([segment, targets[i], tokens[i]]).toEqual([-1, -1, 0]);
              continue;
            }
            const starts = i === 0 || segments![i - 1] !== segment;
            expect(places![i]).toBe(starts ? 0 : places![i - 1]! + 1);
            expect(segment).toBe(i === 0 ? 0 : starts ? segments![i - 1]! + 1 : segments![i - 1]);
            if (!starts) expect(tokens[i]).toBe(tokens[i - 1]! + 1);
            expect(targets[i]).toBe(tokens[i]! + 1);
          }
        }
      }),
      runs,
    );
  });

  it("waste little: less than 3 % for documents of many lengths", () => {
    const documents = fc.sample(fc.integer({ min: 2, max: 400 }), { seed: 1, numRuns: 5000 });
    expect(planPacking(source(documents), 256).waste).toBeLessThan(0.03);
    const tiny = fc.sample(fc.integer({ min: 2, max: 12 }), { seed: 1, numRuns: 20_000 });
    // Of 64 rows of a block, the last is half empty.
    expect(planPacking(source(tiny), 512).waste).toBeLessThan(0.02);
  });

  it("plan from the ends alone", () => {
    const blind = { ...source([30, 4, 9]), read: () => expect.fail("the plan read tokens") };
    const plan = planPacking(blind, 10);
    expect(Array.from({ length: plan.rows }, (_, i) => plan.row(i))).toEqual([
      [{ from: 1, count: 10 }],
      [{ from: 11, count: 10 }],
      // 9 targets of the first document are left, 3 and 8 of the others.
      [{ from: 21, count: 9 }],
      [{ from: 35, count: 8 }],
      [{ from: 31, count: 3 }],
    ]);
  });

  it("take an order of their own in each epoch and for each seed, and are found at any step", () => {
    const documents = Array.from({ length: 300 }, (_, i) => 5 + (i % 17));
    const order = (key: number, epoch: number) => {
      const rows = packedRows(source(documents), { length: 32, key: [key] });
      return rowsOf(rows, epoch * rows.rowsPerEpoch, rows.rowsPerEpoch).map((row) => row.tokens[0]);
    };
    expect(order(1, 0)).not.toEqual(order(1, 1));
    expect(order(1, 0)).not.toEqual(order(2, 0));
    expect(order(1, 3)).toEqual(order(1, 3));
    expect(order(1, 0).toSorted()).toEqual(order(1, 1).toSorted());
  });
});

describe("windows", () => {
  it("hold each token of the grid once, whatever the seed and epoch", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 25, max: 500 }),
        length,
        seed,
        fc.nat(3),
        (size, n, key, epoch) => {
          const rows = windowRows(source([size]), { length: n, key: [key] });
          const pairs = pairsOf(rowsOf(rows, epoch * rows.rowsPerEpoch, rows.rowsPerEpoch));
          const targets = pairs.map(([, target]) => target).sort((a, b) => a - b);
          targets.forEach((target, i) => void expect(target).toBe(targets[0]! + i));
          expect(targets.length).toBe(rows.rowsPerEpoch * n);
          // Less than two windows are left out.
          expect(size - targets.length).toBeLessThanOrEqual(2 * n);
        },
      ),
      runs,
    );
  });
});

describe("mixtures", () => {
  const weights = fc
    .array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 })
    .map((parts) => {
      const sum = parts.reduce((a, b) => a + b, 0);
      return parts.map((part) => part / sum);
    });
  const mix = (shares: readonly number[], key: number) =>
    mixRows(
      shares.map((weight, i) => ({
        name: `${i}`,
        weight,
        rows: windowRows(source([40 + i]), { length: 4, key: [key, i] }),
      })),
      key,
    );

  it("keep exact shares over any run, from any row", () => {
    fc.assert(
      fc.property(
        weights,
        seed,
        fc.nat(1e9),
        fc.integer({ min: 1, max: 300 }),
        (shares, key, from, run) => {
          const mixture = mix(shares, key);
          const drawn = shares.map(() => 0);
          for (let k = from; k < from + run; k++) drawn[mixture.choose(k).corpus]! += 1;
          // Each end of a run adds at most one row for each corpus up to this one.
          drawn.forEach((count, i) => {
            expect(Math.abs(count - run * shares[i]!)).toBeLessThanOrEqual(2 * (i + 1));
          });
          const [before, after] = [mixture.counts(from), mixture.counts(from + run)];
          expect(after.map((count, i) => count - before[i]!)).toEqual(drawn);
        },
      ),
      runs,
    );
  });

  it("read each corpus in its own order, row after row, none left out", () => {
    fc.assert(
      fc.property(weights, seed, (shares, key) => {
        const mixture = mix(shares, key);
        const next = shares.map(() => 0);
        for (let k = 0; k < 200; k++) {
          const { corpus, row } = mixture.choose(k);
          expect(row).toBe(next[corpus]);
          next[corpus]! += 1;
        }
      }),
      runs,
    );
  });

  it("a million rows of 0.7, 0.2 and 0.1 are 700,000, 200,000 and 100,000, give or take one a corpus", () => {
    const counts = mix([0.7, 0.2, 0.1], 5).counts(1e6);
    counts.forEach((count, i) => {
      expect(Math.abs(count - [7e5, 2e5, 1e5][i]!)).toBeLessThanOrEqual(i + 1);
    });
  });
});

describe("evaluation", () => {
  it.each([
    [false, undefined],
    [false, END],
    [true, undefined],
    [true, END],
  ])("counts every held-out target once (packed %s, end of text %s)", (packed, endOfText) => {
    fc.assert(
      fc.property(lengths, length, fc.integer({ min: 1, max: 5 }), (documents, n, batch) => {
        const whole = packed ? documents : [documents.reduce((a, b) => a + b, 0)];
        const evaluation = evaluationOf(source(documents, endOfText), { batch, length: n, packed });
        const batches = [...evaluation.batches()];
        const targets = pairsOf(batches).map(([, target]) => target);
        const expected = expectedPairs(documents, endOfText).map(([, target]) => target);
        if (packed || endOfText !== undefined) {
          expect(targets.toSorted()).toEqual(expected.toSorted());
        } else {
          // One long text: only its very first token has nothing before it.
          expect(targets).toEqual(Array.from({ length: whole[0]! - 1 }, (_, i) => i + 1));
        }
        expect(evaluation.targets).toBe(targets.length);
        expect(evaluation.all).toBe(batches.length);
        for (const { tokens } of batches) expect(tokens.length).toBe(batch * n);
      }),
      runs,
    );
  });
});

describe("batches of corpora", () => {
  const corpora = [
    { name: "a", train: source([50, 8, 90, 7]), validation: source([11, 12]), weight: 0.6 },
    { name: "b", train: source([30, 30, 45]), weight: 0.4 },
  ];
  const make = (packed: boolean, key = 3) =>
    createCorpusBatches({ corpora, batch: 3, length: 10, seed: key, packed });

  it.each([false, true])("resumed at step k equals the undisturbed (packed %s)", (packed) => {
    const undisturbed = Array.from({ length: 60 }, (_, step) => make(packed).train(step));
    const resumed = make(packed);
    for (const step of [59, 0, 31, 7, 31]) expect(resumed.train(step)).toEqual(undisturbed[step]);
    expect(make(packed, 4).train(0)).not.toEqual(undisturbed[0]);
  });

  it.each([false, true])("carries segments and positions when packed (%s)", (packed) => {
    const batch = make(packed).train(5);
    expect(batch.segments?.length).toBe(packed ? 30 : undefined);
    expect(batch.positions?.length).toBe(packed ? 30 : undefined);
    expect([...make(packed).validation()].length).toBe(1);
  });

  it("counts each corpus's own epochs", () => {
    const batches = make(true);
    const [a, b] = batches.epochs(1000);
    const rows = (part: number) =>
      packedRows(corpora[part]!.train, { length: 10, key: [3] }).rowsPerEpoch;
    expect(a).toBeCloseTo((3000 * 0.6) / rows(0), 0);
    expect(b).toBeCloseTo((3000 * 0.4) / rows(1), 0);
    expect(batches.train(1000).epoch).toBe(Math.floor(Math.min(a!, b!)));
  });

  it("refuses what is too short", () => {
    const sizes = { batch: 4, length: 30, seed: 0, packed: false };
    const one = { name: "notes", train: source([100]), weight: 1 };
    expect(() => createCorpusBatches({ ...sizes, corpora: [one] })).toThrow(
      "batches: notes has 100 tokens; it needs 121.\n  needs    4 rows of 30 positions",
    );
    const ones = { name: "ones", train: source([1, 1, 1]), weight: 1 };
    expect(() => createCorpusBatches({ ...sizes, packed: true, corpora: [ones] })).toThrow(
      "batches: ones has nothing to predict.",
    );
  });
});
