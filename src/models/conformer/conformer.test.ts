/** @file The Conformer: its sizes by hand, and the work of a step. */

import { expect, test } from "vitest";
import { listParams } from "../../nn/index.ts";
import { PRESETS, presetByName } from "./config.ts";
import { conformerFacts, taskFamily } from "./index.ts";
import { conformerParams } from "./model.ts";

const { model: NANO } = presetByName("conformer-nano");

test.each(PRESETS.map(({ name, model: m }) => ({ name, m })))(
  "$name: the formula counts what is declared",
  ({ name, m }) => {
    const [halves, attention] = [2 * 2 * m.embed * m.mlp, 4 * m.embed * m.head * m.dim];
    const convolution = 3 * m.embed ** 2 + m.window * m.embed;
    const norms = 6 * 2 * m.embed;
    const block = halves + attention + 32 * m.head + convolution + norms;
    const shorten = 9 * m.channels + m.channels + 9 * m.channels ** 2 + m.channels;
    const into = ((m.channels * m.features) / 4) * m.embed + m.embed;
    const output = (m.embed + 1) * m.vocab;
    expect(taskFamily.open(name, {}).facts().parameters).toBe(
      m.layers * block + shorten + into + output,
    );
  },
);

test("the paper's sizes, in 2³⁰ parameters, to a thousandth", () => {
  const size = (name: string) => taskFamily.open(name, {}).facts().parameters / 2 ** 30;
  for (const [name, paper] of [
    ["conformer-6.47b", 6.47],
    ["conformer-12.95b", 12.95],
  ] as const)
    expect(Math.abs(size(name) / paper - 1)).toBeLessThan(1e-3);
});

test("work of a step: weights at a quarter of the frames, attention, the two convolutions", () => {
  const frames = 32;
  const m = { ...NANO, layers: 1 };
  const products = listParams(conformerParams(m))
    .filter(({ path }) => !path.startsWith("shorten"))
    .reduce((sum, { count }) => sum + count, 0);
  const images = 2 * (9 + 1) * 4 * 16 * 4 + 2 * (9 * 4 + 1) * 4 * 8 * 2;
  const attention = 4 * 2 * 16 * 8 * 8;
  expect(conformerFacts(m, 3, frames).flopsPerStep).toBe(
    3 * (8 * 2 * products + attention + images),
  );
});
