/**
 * @file XLA's GSPMD partitioner as a peer of ours: annotated programs of every kind, partitioned by both. The whole
 * program, our pieces in lockstep, XLA's pieces and our pieces run by XLA are one and the same; and what we send is
 * held against what XLA sends. Skipped where there is no jaxlib.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Agreement,
  ALLOWANCE,
  agreementsOn,
  isAbove,
} from "../../src/repro/partition-corpus/agreement.ts";
import { CORPUS } from "../../src/repro/partition-corpus/corpus.ts";
import { EXCESS, excessOf } from "../../src/repro/partition-corpus/excess.ts";
import { SpmdPeer } from "../../src/repro/partition-corpus/peer.ts";

const python = process.env["MESHLOOM_PYTHON"] ?? "python3";
const started = await SpmdPeer.start(python).catch((error: Error) => error.message);

if (typeof started === "string") {
  const why = started.replace(/\s*\n\s*/g, "; ");
  process.stdout.write(`xla: skipped, ${why}\n`);
  test.skip(`our partitions are XLA's (skipped: ${why})`, () => undefined);
} else {
  const found = new Map<string, Agreement>();
  beforeAll(async () => {
    await agreementsOn(CORPUS, started, (one) => found.set(one.name, one));
  }, 900_000);
  afterAll(() => {
    started.stop();
    const all = [...found.values()];
    const agreed = all.filter(({ mismatches }) => mismatches.length === 0).length;
    const total = (side: "ours" | "xla") =>
      Math.round(all.reduce((sum, one) => sum + (one[side]?.total ?? 0), 0));
    process.stdout.write(
      `xla: ${agreed} of ${CORPUS.length} partitioned programs agree, ${started.version}; bytes sent: ours ${total("ours")}, XLA ${total("xla")}, ${all.filter(isAbove).length} above ${ALLOWANCE} × XLA\n`,
    );
    const settled = EXCESS.flatMap(({ names }) => names).filter((name) => {
      const one = found.get(name);
      return one !== undefined && !isAbove(one);
    });
    if (settled.length > 0)
      process.stdout.write(
        `xla: no longer above, to be struck from the list: ${settled.join("; ")}\n`,
      );
  });

  describe("partitioned by XLA and by us", () => {
    test.each(CORPUS.map(({ name }) => [name] as const))("%s", (name) => {
      const one = found.get(name);
      expect(one?.mismatches).toEqual([]);
      expect(one?.xla).toBeDefined();
      if (one === undefined || excessOf(name) !== undefined) return;
      expect(isAbove(one), `sends ${one.ours.total} bytes, XLA ${one.xla?.total}`).toBe(false);
    });
  });
}
