/** @file A case of the corpus with loops wherever they can be: its values, and what it sends before and after. */

import { interpret } from "../../core/interpret.ts";
import type { Program } from "../../core/program.ts";
import { exchangesOf, totalsOf } from "../../spmd/exchanges.ts";
import { simulate } from "../../spmd/simulate.ts";
import { simplifyAll } from "../../transforms/simplify.ts";
import { difference, prepare } from "./agreement.ts";
import type { PartitionCase } from "./case.ts";

/** What a program sends from each device. */
export interface Traffic {
  readonly bytes: number;
  /** How often, by kind of exchange. */
  readonly kinds: Readonly<Record<string, number>>;
}

export interface WindowedCorpusCase {
  /** What differs from the whole program; padding was NaN. */
  readonly mismatches: readonly string[];
  readonly before: Traffic;
  readonly after: Traffic;
}

export function windowedCorpusCase(one: PartitionCase, bothWays: boolean): WindowedCorpusCase {
  const plain = prepare(one, { windowed: { when: "never" } });
  const { parted, program, values } = prepare(one, { windowed: { when: "always", bothWays } });
  const wanted = interpret(program, values);
  const forms = program.outputs.map((v) => v.aval.dims);
  const given = simulate(parted, values, forms, Number.NaN);
  return {
    mismatches: wanted.flatMap((y, i) => {
      const why = difference(given[i], y);
      return why === undefined ? [] : [`result ${i}: ${why}`];
    }),
    before: trafficOf(plain.parted.program),
    after: trafficOf(parted.program),
  };
}

export function trafficOf(program: Program): Traffic {
  const totals = totalsOf(exchangesOf(simplifyAll(program)));
  return {
    bytes: totals.reduce((sum, { bytes }) => sum + bytes, 0),
    kinds: Object.fromEntries(totals.map(({ kind, count }) => [kind, count])),
  };
}
