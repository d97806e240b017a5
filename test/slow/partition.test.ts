/** @file The law of partitioning over thousands of draws; `meshloom repro partition` runs more. */

import { expect, it } from "vitest";
import { partitionLaws } from "../../src/repro/partition/laws.ts";

it("5,000 ops and random programs in pieces are the whole", () => {
  const { mismatches, coverage } = partitionLaws({ cases: 5000, seed: 1, onProgress: () => {} });
  expect(mismatches).toEqual([]);
  const never = coverage.flatMap(({ op, splits }) =>
    Object.entries(splits).flatMap(([kind, count]) => (count === 0 ? [`${op} ${kind}`] : [])),
  );
  expect(never).toEqual([]);
  const splits = coverage.flatMap((each) => Object.values(each.splits));
  process.stdout.write(
    `laws: 5000 partitioned programs are the whole; ${splits.length} kinds of splits of ${coverage.length} ops, ${splits.reduce((a, b) => a + b, 0)} in all\n`,
  );
});
