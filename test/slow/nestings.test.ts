/**
 * @file 200 random nestings of grad, jvp, vmap, checkpoint, scan, cond and custom rules over random small
 * programs. The oracle is plain JavaScript: loops for vmap and scan, finite differences for derivatives.
 */

import { afterAll, expect, test } from "vitest";
import { sampleStream } from "../../src/core/samples.ts";
import { aval } from "../../src/core/shape.ts";
import { fromData, type Tensor } from "../../src/core/tensor.ts";
import { jit } from "../../src/engines/jit.ts";
import { createOnnxEngine } from "../../src/engines/onnx/onnx.ts";
import * as m from "../../src/numpy/index.ts";
import { literal } from "../../src/ops/creation.ts";
import { double } from "../../src/testing/double.ts";
import { hvp } from "../../src/transforms/hessian.ts";
import { jvp } from "../../src/transforms/jvp.ts";
import { grad, linearize, vjp } from "../../src/transforms/vjp.ts";
import { vmap } from "../../src/transforms/vmap.ts";

const COUNT = 200;
const SIZE = 3;
type Vector = readonly number[];

/** A smooth map of three numbers, once in Meshloom and once in plain JavaScript. */
interface Pair {
  readonly text: string;
  readonly ours: (x: Tensor) => Tensor;
  readonly plain: (x: Vector) => Vector;
  /** How many derivatives the plain side takes by differences, one inside the other. */
  readonly depth: number;
}

const total = (x: Tensor) => m.sum(x);
const vector = (values: Vector, like: Tensor) => literal(aval(like.dtype, [values.length]), values);
const zip = (x: Vector, y: Vector, f: (a: number, b: number) => number): number[] =>
  x.map((a, i) => f(a, y[i] ?? 0));
const dot = (x: Vector, y: Vector) => zip(x, y, (a, b) => a * b).reduce((s, v) => s + v, 0);

/** Slope of f along v at x: central differences of eighth order. */
function slope(f: (x: Vector) => Vector, x: Vector, v: Vector): Vector {
  const h = 0.02;
  const weights = [4 / 5, -1 / 5, 4 / 105, -1 / 280];
  return weights
    .map((weight, k) => {
      const step = (k + 1) * h;
      const [up, down] = [step, -step].map((s) => f(zip(x, v, (a, b) => a + s * b)));
      return zip(up ?? [], down ?? [], (a, b) => (weight * (a - b)) / h);
    })
    .reduce((sum, term) => zip(sum, term, (a, b) => a + b));
}

const unit = (i: number): Vector => Array.from({ length: SIZE }, (_, j) => Number(i === j));

/** Leaves of the tree: small programs of random constants. */
function leaf(next: () => number): Pair {
  const a = Array.from({ length: SIZE }, () => 1.6 * next() - 0.8);
  const b = Array.from({ length: SIZE }, () => 1.6 * next() - 0.8);
  const programs: readonly Omit<Pair, "depth">[] = [
    {
      text: "tanh(a·x + b)",
      ours: (x) => m.tanh(m.add(m.mul(x, vector(a, x)), vector(b, x))),
      plain: (x) =>
        zip(
          zip(x, a, (u, v) => u * v),
          b,
          (u, v) => Math.tanh(u + v),
        ),
    },
    {
      text: "a·exp(b·x)·x",
      ours: (x) => m.mul(m.mul(vector(a, x), m.exp(m.mul(vector(b, x), x))), x),
      plain: (x) => x.map((u, i) => (a[i] ?? 0) * Math.exp((b[i] ?? 0) * u) * u),
    },
    {
      text: "softmax(x)·a + b",
      ours: (x) => m.add(m.mul(m.softmax(x, 0), vector(a, x)), vector(b, x)),
      plain: (x) => {
        const powers = x.map(Math.exp);
        const sum = powers.reduce((s, p) => s + p, 0);
        return powers.map((p, i) => (p / sum) * (a[i] ?? 0) + (b[i] ?? 0));
      },
    },
    {
      text: "(a, x) x + b / (1 + x²)",
      ours: (x) =>
        m.add(m.mul(total(m.mul(vector(a, x), x)), x), m.div(vector(b, x), m.add(m.mul(x, x), 1))),
      plain: (x) => x.map((u, i) => dot(a, x) * u + (b[i] ?? 0) / (1 + u * u)),
    },
  ];
  const program = programs[Math.floor(next() * programs.length)];
  if (program === undefined) throw new Error("no program");
  return { ...program, depth: 0 };
}

/** One transform around a map (or two). */
type Wrap = (f: Pair, g: Pair, next: () => number) => Pair;

const WRAPS: Readonly<Record<string, Wrap>> = {
  grad: (f) => ({
    text: `grad(Σ ${f.text})`,
    ours: grad((x: Tensor) => total(m.mul(f.ours(x), 0.5))),
    plain: (x) => unit(0).map((_, i) => 0.5 * dot([1, 1, 1], slope(f.plain, x, unit(i)))),
    depth: f.depth + 1,
  }),
  jvp: (f) => ({
    text: `jvp(${f.text}, along 1 − x²)`,
    ours: (x) => jvp(f.ours, [x], [m.sub(1, m.mul(x, x))])[1],
    plain: (x) =>
      slope(
        f.plain,
        x,
        x.map((u) => 1 - u * u),
      ),
    depth: f.depth + 1,
  }),
  linearize: (f) => ({
    text: `linearize(${f.text})`,
    ours: (x) => {
      const [y, derivative] = linearize(f.ours, x);
      return m.add(y, derivative(m.mul(x, 0.5)));
    },
    plain: (x) =>
      zip(
        f.plain(x),
        slope(
          f.plain,
          x,
          x.map((u) => 0.5 * u),
        ),
        (a, b) => a + b,
      ),
    depth: f.depth + 1,
  }),
  vjp: (f) => ({
    text: `vjp(${f.text}, of x)`,
    ours: (x) => vjp(f.ours, x)[1](x)[0],
    plain: (x) => unit(0).map((_, i) => dot(x, slope(f.plain, x, unit(i)))),
    depth: f.depth + 1,
  }),
  hvp: (f) => ({
    text: `hvp(Σ (${f.text})²)`,
    ours: (x) => hvp((y: Tensor) => total(m.square(f.ours(y))), [x], m.mul(x, 0.3)),
    plain: (x) => {
      const value = (y: Vector) => [dot(f.plain(y), f.plain(y)), 0, 0];
      const gradient = (y: Vector) => unit(0).map((_, i) => slope(value, y, unit(i))[0] ?? 0);
      return slope(
        gradient,
        x,
        x.map((u) => 0.3 * u),
      );
    },
    depth: f.depth + 2,
  }),
  vmap: (f) => ({
    text: `Σ vmap(${f.text})`,
    ours: (x) => {
      const rows = m.stack([x, m.mul(x, 0.5)]);
      return m.sum(vmap(f.ours)(rows), [0]);
    },
    plain: (x) => zip(f.plain(x), f.plain(x.map((u) => 0.5 * u)), (a, b) => a + b),
    depth: f.depth,
  }),
  "vmap of a closure": (f) => ({
    text: `Σ vmap(y ↦ x·${f.text})`,
    ours: (x) => {
      const rows = m.stack([m.mul(x, 0.4), m.tanh(x)]);
      return m.sum(vmap((y: Tensor) => m.mul(f.ours(y), x))(rows), [0]);
    },
    plain: (x) =>
      zip(
        zip(f.plain(x.map((u) => 0.4 * u)), x, (a, b) => a * b),
        zip(f.plain(x.map(Math.tanh)), x, (a, b) => a * b),
        (a, b) => a + b,
      ),
    depth: f.depth,
  }),
  checkpoint: (f) => ({ ...f, text: `checkpoint(${f.text})`, ours: m.checkpoint(f.ours) }),
  "checkpoint that keeps products": (f) => ({
    ...f,
    text: `checkpoint(${f.text}, products)`,
    ours: m.checkpoint(f.ours, { saves: ["contract", "mul"] }),
  }),
  compose: (f, g) => ({
    text: `${f.text} ∘ tanh ∘ ${g.text}`,
    ours: (x) => f.ours(m.tanh(g.ours(x))),
    plain: (x) => f.plain(g.plain(x).map(Math.tanh)),
    depth: f.depth + g.depth,
  }),
  scan: (f) => ({
    text: `scan(c ↦ tanh(${f.text}(c)) + x)`,
    ours: (x) => {
      const step = (c: Tensor, k: Tensor): readonly [Tensor, Tensor] => {
        const y = m.add(m.tanh(f.ours(c)), m.mul(x, k));
        return [y, m.mul(y, k)];
      };
      const [c, ys] = m.scan(step, x, vector([0.3, -0.2], x));
      return m.add(c, m.sum(ys, [0]));
    },
    plain: (x) => {
      let c = x;
      let sum: Vector = [0, 0, 0];
      for (const k of [0.3, -0.2]) {
        c = zip(f.plain(c), x, (a, b) => Math.tanh(a) + k * b);
        sum = zip(sum, c, (a, b) => a + k * b);
      }
      return zip(c, sum, (a, b) => a + b);
    },
    depth: f.depth,
  }),
  "scan from the end, over rows": (f) => ({
    text: `scan back(c ↦ c·0.5 + ${f.text}(row))`,
    ours: (x) => {
      const rows = m.stack([x, m.tanh(x), m.mul(x, 0.2)]);
      const step = (c: Tensor, row: Tensor): readonly [Tensor, readonly []] => [
        m.add(m.mul(c, 0.5), f.ours(row)),
        [],
      ];
      return m.scan(step, x, rows, { reverse: true })[0];
    },
    plain: (x) =>
      [x.map((u) => 0.2 * u), x.map(Math.tanh), x].reduce(
        (c, row) => zip(c, f.plain(row), (a, b) => 0.5 * a + b),
        x,
      ),
    depth: f.depth,
  }),
  cond: (f, g) => ({
    text: `cond(x₀ < 10, ${f.text}, ${g.text})`,
    ours: (x) => {
      const first = m.slice(x, 0, 0, 1).reshape([]);
      return m.cond(m.less(first, 10), f.ours, g.ours, x);
    },
    plain: f.plain,
    depth: f.depth,
  }),
  "cond per row": (f, g) => ({
    text: `vmap(cond(…, ${f.text}, ${g.text}))`,
    ours: (x) => {
      const rows = m.stack([m.mul(x, 0.7), m.mul(x, 1.1)]);
      const flags = vector([1, -1], x);
      const one = (row: Tensor, flag: Tensor) => m.cond(m.less(flag, 0), f.ours, g.ours, row);
      return m.sum(vmap(one)(rows, flags), [0]);
    },
    plain: (x) =>
      zip(g.plain(x.map((u) => 0.7 * u)), f.plain(x.map((u) => 1.1 * u)), (a, b) => a + b),
    depth: Math.max(f.depth, g.depth),
  }),
  "a custom rule": (f) => ({
    text: `customJvp(${f.text})`,
    ours: m.customJvp(f.ours, ([x], [dx]) => {
      const [y, dy] = jvp(f.ours, [x], [dx]);
      return [y, dy];
    }),
    plain: f.plain,
    depth: f.depth,
  }),
  "a custom reverse rule": (f) => ({
    text: `customVjp(${f.text})`,
    ours: m.customVjp(
      f.ours,
      (x: Tensor) => [f.ours(x), x] as const,
      (x: Tensor, ct: Tensor): [Tensor] => [vjp(f.ours, x)[1](ct)[0]],
    ),
    plain: f.plain,
    depth: f.depth,
  }),
};

/** A tree of transforms; at most two derivatives one inside the other, for the sake of the differences. */
function nesting(next: () => number, height: number): Pair {
  if (height === 0) return leaf(next);
  const [f, g] = [nesting(next, height - 1), nesting(next, Math.min(height - 1, 1))];
  const kinds = Object.values(WRAPS).filter((wrap) => wrap(f, g, next).depth <= 2);
  const wrap = kinds[Math.floor(next() * kinds.length)];
  return wrap === undefined ? f : wrap(f, g, next);
}

const cases = Array.from({ length: COUNT }, (_, seed) => {
  const next = sampleStream(seed + 1);
  const pair = nesting(next, 2 + Math.floor(next() * 3));
  const x = Array.from({ length: SIZE }, () => 1.4 * next() - 0.7);
  return { seed, pair, x, label: pair.text.length > 90 ? `${pair.text.slice(0, 87)}…` : pair.text };
});

const onnx = await createOnnxEngine();
const largest = { differences: 0, single: 0 };
afterAll(() => {
  const kinds = new Set(cases.flatMap(({ pair }) => pair.text.match(/[a-zA-Z]{3,}/g) ?? []));
  process.stdout.write(
    `nestings: ${COUNT} agree with loops and differences to ${largest.differences.toExponential(1)}, onnx in float32 to ${largest.single.toExponential(1)}; ${kinds.size} kinds of parts\n`,
  );
});

test.each(cases)("$seed: $label", async ({ pair, x }) => {
  const expected = pair.plain(x);
  const scale = Math.max(1, ...expected.map(Math.abs));
  const off = (y: Tensor) =>
    Math.max(...zip(y.numbers(), expected, (a, b) => Math.abs(a - b))) / scale;
  const input = fromData("float32", [SIZE], Float64Array.from(x));
  const exact = off(await double(pair.ours)(input));
  // Differences of differences carry a few 1e-9; truncation grows with the size of higher derivatives.
  expect(exact).toBeLessThan(1e-5);
  const single = off(
    await jit(pair.ours, { engine: onnx })(fromData("float32", [SIZE], Float32Array.from(x))),
  );
  expect(single).toBeLessThan(1e-3); // float32 through up to four nested transforms
  largest.differences = Math.max(largest.differences, exact);
  largest.single = Math.max(largest.single, single);
});
