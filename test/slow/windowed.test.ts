import { expect, test } from "vitest";
import { windowedCase } from "../../src/repro/partition/windowed-case.ts";
import { CORPUS } from "../../src/repro/partition-corpus/corpus.ts";
import { windowedCorpusCase } from "../../src/repro/partition-corpus/windowed.ts";

test("three hundred windowed contractions are the collectives that they take the place of", () => {
  const cases = Array.from({ length: 300 }, (_, seed) => windowedCase(seed));
  expect(cases.flatMap(({ mismatch }) => mismatch ?? [])).toEqual([]);
  const total = (key: "allGathers" | "reduceScatters" | "scans" | "masked") =>
    cases.reduce((sum, each) => sum + each[key], 0);
  // Every form was drawn.
  expect(total("allGathers")).toBeGreaterThan(75);
  expect(total("reduceScatters")).toBeGreaterThan(20);
  expect(total("scans")).toBeGreaterThan(3);
  expect(total("masked")).toBeGreaterThan(3);
});

test.each([
  ["one way", false],
  ["both ways", true],
] as const)("annotated programs of every kind hold with pieces that travel %s", (_, bothWays) => {
  // Every second program each: the random contractions above travel both ways, too.
  const own = CORPUS.filter((_, i) => (i % 2 === 1) === bothWays);
  const cases = own.map((one) => ({ one, result: windowedCorpusCase(one, bothWays) }));
  const wrong = cases.flatMap(({ one, result: { mismatches, before, after } }) => [
    ...mismatches.map((why) => `${one.name}: ${why}`),
    ...(Math.abs(after.bytes - before.bytes) < 1e-3
      ? []
      : [`${one.name}: sends ${after.bytes}, not ${before.bytes}`]),
  ]);
  expect(wrong).toEqual([]);
  const looped = cases.filter(
    ({ result: { before, after } }) =>
      (after.kinds["collectivePermute"] ?? 0) > (before.kinds["collectivePermute"] ?? 0),
  );
  expect(looped.length).toBeGreaterThan(20);
});
