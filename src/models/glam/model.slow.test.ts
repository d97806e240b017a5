/** @file GLaM as a function: against plain loops, its loss by its formula, its gradient by central differences. */

import { describe, expect, test } from "vitest";
import { stored, type Tensor } from "../../core/tensor.ts";
import { leaves, namedLeaves, withLeaves } from "../../core/tree.ts";
import { jit } from "../../engines/jit.ts";
import {
  abstractParams,
  initialRouterState,
  ROUTING_RULES,
  type RouterState,
} from "../../nn/index.ts";
import { doubleEngine } from "../../testing/double.ts";
import { differs, drawnIds, drawnTree, filled, numbers, read } from "../../testing/tensors.ts";
import { grad } from "../../transforms/vjp.ts";
import { type GlamConfig, presetByName, routerFor } from "./config.ts";
import { deployedRouting, glamLoss, trainingRouting } from "./loss.ts";
import { type Glam, glam, glamParams } from "./model.ts";

const ROUTERS = ROUTING_RULES.map(({ name }) => name);
const TINY: GlamConfig = {
  ...presetByName("glam-pico").model,
  layers: 3, // sparse, dense, sparse
  embed: 16,
  mlp: 24,
  dim: 8,
  vocab: 32,
  capacityFactor: 1.4,
};
const [BATCH, LENGTH] = [6, 8];
const THRESHOLDS = [0.27, 0.22] as const;
const ids = drawnIds(1, { batch: BATCH, pos: LENGTH }, 32);

const fresh = (config: GlamConfig): Glam<Tensor> =>
  drawnTree(abstractParams(glamParams(config)) as Glam<Tensor>, (path) =>
    path.endsWith("Norm") ? 1 : 0,
  );

describe("the whole model", () => {
  /** Rows of a matrix. */
  const matrix = (x: Tensor): number[][] => {
    const [list, width] = [numbers(x), x.dims.at(-1)!];
    return Array.from({ length: list.length / width }, (_, r) =>
      list.slice(r * width, (r + 1) * width),
    );
  };
  const times = (v: readonly number[], m: readonly (readonly number[])[]) =>
    m[0]!.map((_, j) => v.reduce((sum, a, i) => sum + a * m[i]![j]!, 0));
  const plus = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x + b[i]!);
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const norm = (v: readonly number[], scale: Tensor) =>
    v.map((x, i) => (x / Math.sqrt(dot(v, v) / v.length + 1e-6)) * numbers(scale)[i]!);
  const gelu = (v: number) =>
    0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));

  /** Attention of one sequence, with the extra logit 0. */
  function attend(p: Glam<Tensor>["layers"][number]["attention"], xs: readonly number[][]) {
    const { dim, head } = TINY;
    const project = (w: Tensor) => {
      const flat = matrix(w.aval.dims.length === 3 ? stored(flatForm(w), w.data()) : w);
      return xs.map((x) => times(x, flat));
    };
    const [q, k, v] = [project(p.query), project(p.key), project(p.value)];
    const part = (row: readonly number[], h: number) => row.slice(h * dim, (h + 1) * dim);
    const out = matrix(p.output);
    return xs.map((_, i) => {
      const mixed = Array.from({ length: head }, (_, h) => {
        const scores = k
          .slice(0, i + 1)
          .map((row, j) => Math.exp(dot(part(q[i]!, h), part(row, h)) + read(p.bias!)(h, i - j)));
        const total = 1 + scores.reduce((a, b) => a + b);
        return scores.reduce(
          (sum, s, j) =>
            plus(
              sum,
              part(v[j]!, h).map((x) => (x * s) / total),
            ),
          new Array<number>(dim).fill(0),
        );
      });
      return times(mixed.flat(), out);
    });
  }
  /** `[embed, head, dim]` as `[embed, head · dim]`. */
  const flatForm = ({ aval: { dtype, dims } }: Tensor) => ({
    dtype,
    dims: [dims[0]!, dims[1]! * dims[2]!],
    names: [null, null],
  });

  /** Logits of one sequence; experts answer by thresholds. */
  function plainGlam(p: Glam<Tensor>, sequence: readonly number[]): number[][] {
    const table = matrix(p.embedding);
    let xs = sequence.map((id) => table[id]!);
    let sparse = 0;
    for (const layer of p.layers) {
      const mixed = attend(
        layer.attention,
        xs.map((x) => norm(x, layer.attentionNorm)),
      );
      xs = xs.map((x, i) => plus(x, mixed[i]!));
      const limit = Math.fround(THRESHOLDS[sparse] ?? 0);
      xs = xs.map((x) => {
        const y = norm(x, layer.mlpNorm);
        if (layer.mlp !== undefined) {
          const hidden = times(y, matrix(layer.mlp.wi));
          const gates = times(y, matrix(layer.mlp.gate)).map(gelu);
          return plus(
            x,
            times(
              gates.map((g, m) => g * hidden[m]!),
              matrix(layer.mlp.wo),
            ),
          );
        }
        const { gate, wi, wo } = layer.moe!;
        const raw = times(y, matrix(gate!)).map(Math.exp);
        const share = raw.map((s) => s / raw.reduce((a, b) => a + b));
        return share.reduce((sum, s, e) => {
          if (s < limit) return sum;
          const own = (w: Tensor, rows: number) => matrix(w).slice(e * rows, (e + 1) * rows);
          const answer = times(times(y, own(wi, TINY.embed)).map(gelu), own(wo, TINY.mlp));
          return plus(
            sum,
            answer.map((a) => a * s),
          );
        }, x);
      });
      if (layer.moe !== undefined) sparse++;
    }
    return xs.map((x) => {
      const y = norm(x, p.finalNorm).map((v) => v * TINY.embed ** -0.5);
      return table.map((row) => dot(y, row));
    });
  }

  test.each([4, 0])("with %i experts is what plain loops compute", async (experts) => {
    const config = { ...TINY, experts, router: "expert-choice" };
    const p = fresh(config);
    const states = THRESHOLDS.map((value) => ({ threshold: filled({ expert: 4 }, () => value) }));
    const routing = deployedRouting(config, states);
    const run = jit((q: Glam<Tensor>, x: Tensor) => glam(q, x, config, routing).logits, {
      engine: doubleEngine,
    });
    const expected = matrix(ids).flatMap((sequence) => plainGlam(p, sequence).flat());
    expect(differs(await run(p, ids), expected, { rtol: 1e-9, atol: 1e-10 })).toBeUndefined();
  });

  test("is trained on cross-entropy, balance and partition of all routers, and the log-partition", async () => {
    const weights = { auxWeight: 0.3, routerZWeight: 0.05, zWeight: 0.07 };
    const config = { ...TINY, router: "gshard-top2", ...weights };
    const targets = drawnIds(4, { batch: BATCH, pos: LENGTH }, 32);
    const routing = trainingRouting(config, BATCH, LENGTH);
    const all = jit(
      (p: Glam<Tensor>) => {
        const { loss, report } = glamLoss(p, { tokens: ids, targets }, config, routing);
        const { crossEntropy, auxLoss } = report;
        const { logits, routings } = glam(p, ids, config, routing);
        const each = routings.map((r) => r.auxLoss);
        return { loss, crossEntropy, auxLoss, logits, each, z: routings.map((r) => r.zLoss) };
      },
      { engine: doubleEngine },
    );
    const { loss, crossEntropy, auxLoss, logits, each, z: own } = await all(fresh(config));
    const rows = matrix(logits);
    const partition = (row: readonly number[]) =>
      Math.log(row.reduce((s, x) => s + Math.exp(x), 0));
    const mean = (list: readonly number[]) => list.reduce((a, b) => a + b) / list.length;
    const nats = mean(rows.map((row, i) => partition(row) - row[numbers(targets)[i]!]!));
    const z = mean(rows.map((row) => partition(row) ** 2));
    expect(crossEntropy.item()).toBeCloseTo(nats, 9);
    expect(each.length).toBe(2);
    expect(auxLoss.item()).toBeCloseTo(
      each.reduce((sum, x) => sum + x.item(), 0),
      12,
    );
    expect(auxLoss.item()).toBeGreaterThan(1.5);
    const routerZ = own.reduce((sum, x) => sum + x.item(), 0);
    expect(routerZ).toBeGreaterThan(1);
    const extra = 0.3 * auxLoss.item() + 0.05 * routerZ + 0.07 * z;
    expect(loss.item()).toBeCloseTo(nats + extra, 9);
  });
});

/** States of the sparse layers before the first step, traced. */
function fresh0(config: GlamConfig): RouterState[] {
  return THRESHOLDS.map(() => initialRouterState(routerFor(config), config.experts));
}

describe("the gradient of a whole GLaM", () => {
  const [batch, length] = [4, 3];
  const small: GlamConfig = {
    ...TINY,
    layers: 2,
    embed: 4,
    mlp: 5,
    head: 2,
    dim: 3,
    vocab: 7,
    capacityFactor: 2,
  };
  const tokens = drawnIds(2, { batch, pos: length }, 7);
  const targets = drawnIds(3, { batch, pos: length }, 7);

  test.each([...ROUTERS, "dense"])(
    "with %s is the slope, parameter by parameter",
    async (router) => {
      const config = router === "dense" ? { ...small, experts: 0 } : { ...small, router };
      const weights = { auxWeight: 0.5, routerZWeight: 0.2, zWeight: 0.1 };
      const loss = (p: Glam<Tensor>) => {
        const routing = trainingRouting(config, batch, length, { states: fresh0(config) });
        return glamLoss(p, { tokens, targets }, { ...config, ...weights }, routing).loss;
      };
      const p = fresh(config);
      const value = jit(loss, { engine: doubleEngine });
      const slopes = namedLeaves(await jit(grad(loss), { engine: doubleEngine })(p));
      const params = leaves(p);
      for (const [i, { path, leaf }] of slopes.entries()) {
        const own = numbers(params[i]!);
        const slope = numbers(leaf);
        // Along the gradient and, for what it misses, a zigzag.
        const length = Math.hypot(...slope);
        expect(length, path).toBeGreaterThan(1e-7);
        const way = slope.map((x, j) => x / length + 0.5 * Math.sin(3 * j + 1));
        const moved = async (by: number) => {
          const data = Float64Array.from(own, (x, j) => x + by * way[j]!);
          const next = params.map((x, k) => (k === i ? stored(x.aval, data) : x));
          return (await value(withLeaves(p, next))).item();
        };
        const central = ((await moved(1e-5)) - (await moved(-1e-5))) / 2e-5;
        const exact = slope.reduce((sum, x, j) => sum + x * way[j]!, 0);
        expect(Math.abs(exact - central), `${path}: ${exact} against ${central}`).toBeLessThan(
          1e-7 + 1e-6 * Math.abs(exact),
        );
      }
    },
  );
});
