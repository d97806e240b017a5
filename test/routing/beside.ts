/** @file A router's answer beside that of its plain loops. */

import { expect } from "vitest";
import type { Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import { random } from "../../src/numpy/index.ts";
import { doubleEngine } from "../../src/testing/double.ts";
import { numbers, read } from "../../src/testing/tensors.ts";
import { type Group, ORACLES } from "./oracles.ts";
import type { Question, RouterCase } from "./routers.ts";

/** What the one router that draws draws from a key: dice of second choices, and noise. */
const draws = jit(
  (key: Tensor, like: Tensor) => ({
    uniform: random.uniform(key, [...like.dims.slice(0, 2), 1]),
    gumbel: random.gumbel(key, like.dims),
  }),
  { engine: doubleEngine },
);

async function groupsOf(question: Question): Promise<Group[]> {
  const { logits, ids, key, state } = question;
  const [groups, tokens, experts] = logits.dims as [number, number, number];
  const [logit, id] = [read(logits), read(ids!)];
  const drawnNumbers = key === undefined ? undefined : await draws(key, logits);
  const rows = <T>(f: (t: number) => T) => Array.from({ length: tokens }, (_, t) => f(t));
  const columns = (f: (e: number) => number) => Array.from({ length: experts }, (_, e) => f(e));
  return Array.from({ length: groups }, (_, g) => ({
    logits: rows((t) => columns((e) => logit(g, t, e))),
    ids: rows((t) => id(g, t)),
    state: Object.fromEntries(Object.entries(state!).map(([name, x]) => [name, numbers(x)])),
    ...(drawnNumbers && {
      uniform: rows((t) => read(drawnNumbers.uniform)(g, t, 0)),
      gumbel: rows((t) => columns((e) => read(drawnNumbers.gumbel)(g, t, e))),
    }),
  }));
}

/** What a token gets of each expert, `[group][token][expert]` in one row, by the loops. */
export async function expected(
  c: RouterCase,
  slots: number | undefined,
  question: Question,
): Promise<number[]> {
  const oracle = ORACLES[c.router.name]!;
  const groups = await groupsOf(question);
  return groups.flatMap((group) => oracle(group, c.options, slots)).flat();
}

export function expectClose(
  actual: readonly number[],
  wanted: readonly number[],
  tolerance: number,
): void {
  expect(actual.length).toBe(wanted.length);
  actual.forEach((weight, i) => {
    expect(Math.abs(weight - wanted[i]!), `at ${i}`).toBeLessThanOrEqual(tolerance);
  });
}
