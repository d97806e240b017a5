import { expect, test } from "vitest";
import { sampleStream } from "../../core/samples.ts";
import { type Blocks, type ExchangePlan, planExchange, type Wanted } from "./exchange-plan.ts";

/** What place `target` has of the whole after the plan, as the elements from `starts[target]` on; −1 for none. */
function held(plan: ExchangePlan, { block, shards }: Blocks, wanted: Wanted, target: number) {
  const start = wanted.starts[target] ?? 0;
  const own = Array<number>(wanted.length).fill(-1);
  const put = (g: number) => {
    if (g >= start && g < start + wanted.length) own[g - start] = g;
  };
  if (plan.kind === "gather") {
    for (let g = 0; g < block * shards; g++) put(g);
  } else if (plan.kind === "neighbours") {
    for (const { distance, from, to, sent } of plan.pieces) {
      const source = target + distance;
      const comes = sent?.pairs.some(([a, b]) => a === source && b === target) ?? false;
      const [first, end] =
        distance === 0 ? [from, to] : comes && sent ? [sent.from, sent.to] : [0, 0];
      for (let j = first; j < end; j++) put(source * block + j);
    }
  } else {
    for (const { pieces } of [...plan.own, ...plan.rounds])
      for (const { source, from, count, to } of pieces.filter((piece) => piece.target === target))
        for (let j = 0; j < count; j++) own[to + j] = source * block + from + j;
  }
  return own;
}

test("every place gets what it wants, in rounds in which nobody sends or receives twice", () => {
  const kinds = new Map<string, number>();
  for (let seed = 0; seed < 400; seed++) {
    const next = sampleStream(seed);
    const draw = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
    const [size, shards] = [draw(1, 30), draw(2, 8)];
    const blocks = { size, shards, block: Math.ceil(size / shards) };
    const length = draw(1, 8);
    // A line that rises or falls, or anything.
    const [slope, at0] = [draw(-4, 8), draw(-3, 20)];
    const wild = draw(0, 3) === 0;
    const starts = Array.from({ length: shards }, (_, i) =>
      wild ? draw(-4, size) : at0 + slope * i,
    );
    const counts = starts.map(() => (draw(0, 5) === 0 ? draw(0, length) : length));
    const wanted = { starts, counts, length };
    const plan = planExchange(blocks, wanted);
    kinds.set(plan.kind, (kinds.get(plan.kind) ?? 0) + 1);
    expect(plan.sent).toBeLessThanOrEqual((shards - 1) * blocks.block);
    starts.forEach((start, target) => {
      const own = held(plan, blocks, wanted, target).slice(0, counts[target]);
      const asked = own.map((_, j) => start + j);
      const inside = (g: number) => g >= 0 && g < size;
      expect(own.filter((_, j) => inside(start + j))).toEqual(asked.filter(inside));
    });
    if (plan.kind !== "rounds") continue;
    for (const { pieces, length: sent } of plan.rounds) {
      expect(new Set(pieces.map(({ source }) => source)).size).toBe(pieces.length);
      expect(new Set(pieces.map(({ target }) => target)).size).toBe(pieces.length);
      expect(Math.max(...pieces.map(({ count }) => count))).toBe(sent);
    }
  }
  expect([...kinds.keys()].sort()).toEqual(["gather", "neighbours", "rounds"]);
});

test("halos go to neighbours, mirrors in rounds, and what all want to all", () => {
  const blocks = { size: 16, shards: 4, block: 4 };
  const plan = (starts: readonly number[], length: number) => {
    const { kind, sent, collectives } = planExchange(blocks, { starts, counts: starts.map(() => length), length }); // biome-ignore format: one line
    return { kind, sent, collectives };
  };
  expect(plan([-1, 3, 7, 11], 6)).toEqual({ kind: "neighbours", sent: 2, collectives: 2 });
  expect(plan([12, 8, 4, 0], 4)).toEqual({ kind: "rounds", sent: 4, collectives: 1 });
  expect(plan([0, 0, 0, 0], 16)).toEqual({ kind: "gather", sent: 12, collectives: 1 });
  expect(plan([0, 4, 8, 12], 4)).toEqual({ kind: "neighbours", sent: 0, collectives: 0 });
});
