/** @file Holds every recorded case against one engine. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Engine } from "../../src/engines/engine.ts";
import { jit } from "../../src/engines/jit.ts";
import { EDGES, SIGNED } from "./edges.ts";
import {
  errorOf,
  inputsOf,
  type RecordedCase,
  type Replayed,
  replay,
  sameZeros,
  type Table,
  told,
} from "./replay.ts";
import { WITH_JAX } from "./with-jax.ts";
import { WITH_LAYERS } from "./with-layers.ts";
import { WITH_TORCH } from "./with-torch.ts";

export const cases: readonly RecordedCase[] = JSON.parse(
  readFileSync(new URL("../recorded/agreement.json", import.meta.url), "utf8"),
).cases;

/** Our lines, by peer. */
export const TABLES: Readonly<Record<RecordedCase["peer"], Table>> = {
  torch: { ...WITH_TORCH, ...WITH_LAYERS },
  jax: { ...WITH_JAX, ...EDGES },
};

const known = cases.flatMap((one) => {
  const line = TABLES[one.peer][one.name];
  return line === undefined ? [] : [{ name: one.name, one, line: told(line) }];
});

/** What stands before the colon of a name. */
const family = (name: string) => name.slice(0, name.indexOf(":"));

export interface Precision {
  readonly engine: Engine;
  /** Inputs and cotangents are doubles. */
  readonly inDoubles: boolean;
  /** Largest error relative to the largest element or 1, where a line does not say another. */
  readonly tolerance: number;
}

/** The largest error among the cases that a peer and we answer alike, and in which it is. */
export interface Worst {
  error: number;
  name: string;
}

/** One test for every case; errors are noted in the result as the tests run. */
export function holdAll(title: string, { engine, inDoubles, tolerance }: Precision): Worst {
  const worst: Worst = { error: 0, name: "none" };
  const running = new Map<string, Promise<ReadonlyMap<string, Replayed>>>();
  const answer = async (name: string): Promise<Replayed> => {
    const group = family(name);
    const started = running.get(group) ?? answers(group);
    running.set(group, started);
    return (await started).get(name) as Replayed;
  };
  // One program for each family: compiling hundreds of small ones would take most of the time.
  const answers = async (group: string): Promise<ReadonlyMap<string, Replayed>> => {
    const members = known.filter(({ name, line }) => family(name) === group && !line.refused);
    const inputs = members.map(({ one }) => inputsOf(one, inDoubles));
    const all = (lists: typeof inputs) =>
      members.map(({ one, line }, i) => replay(one, line, inDoubles, lists[i] ?? []));
    const results = await jit(all, { name: group, engine })(inputs);
    return new Map(members.map(({ name }, i) => [name, results[i] as Replayed]));
  };

  describe(title, () => {
    test.each(known.filter(({ line }) => !line.refused))("$name", async ({ name, one, line }) => {
      const { values, gradients } = await answer(name);
      const limit = (inDoubles ? line.double : line.single) ?? tolerance;
      const wanted = { value: one.values, gradient: one.gradients ?? [] };
      const actual = { value: values, gradient: gradients };
      const ours = { value: line.values, gradient: line.gradients };
      for (const what of ["value", "gradient"] as const) {
        expect(actual[what].length, `number of ${what}s`).toBe(wanted[what].length);
        for (const [i, theirs] of wanted[what].entries()) {
          const y = actual[what][i]!;
          const instead = ours[what]?.[i];
          const error = errorOf(y, theirs, instead);
          const facts = `${what} ${i + 1}: ${y.data()} instead of ${instead ?? theirs.data}`;
          expect(error, facts).toBeLessThanOrEqual(limit);
          if (family(name) === SIGNED) expect(sameZeros(y, theirs), facts).toBe(true);
          // A difference that is none any more is to be struck from the table.
          if (instead !== undefined)
            expect(errorOf(y, theirs), `${what} ${i + 1} agrees`).toBeGreaterThan(limit);
          if (error > worst.error && Number.isFinite(error)) Object.assign(worst, { error, name });
        }
      }
    });

    test.each(known.filter(({ line }) => line.refused))("$name: refused", async ({ one, line }) => {
      await expect(jit(line.call, { engine })(...inputsOf(one, inDoubles))).rejects.toThrow();
    });
  });
  return worst;
}
