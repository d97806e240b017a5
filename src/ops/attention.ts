/** @file The core of attention: values mixed by the softmax of logits. */

import { mergeName } from "../core/axes.ts";
import { apply } from "../core/builder.ts";
import { ShapeError } from "../core/errors.ts";
import { at, forLines, put, zeros } from "../core/ndarray.ts";
import { defineOp, notLinear, type Op, type Two } from "../core/op.ts";
import { between, random, rejects, sample, values } from "../core/samples.ts";
import { type Aval, aval, dimOf, sameDims, showAval } from "../core/shape.ts";
import { factorNames, rule } from "../core/sharding-rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, scale } from "./arithmetic.ts";
import { contractOnnx, contractStablehlo } from "./contract.lowering.ts";
import { type ContractParams, contract } from "./contract.ts";
import { type NoParams, noParams, repeat } from "./families.ts";
import { exponentials, lastAxis, softmaxStablehlo } from "./softmax.ts";
import { restore, sum } from "./sum.ts";

/** `b… q k, b… k d -> b… q d` for operands of this rank. */
function mixing(rank: number): ContractParams {
  const batch = factorNames(rank - 2);
  return { lhs: [...batch, "q", "k"], rhs: [...batch, "k", "d"], out: [...batch, "q", "d"] };
}

/**
 * `y = softmax(s) · v`: logits `[batch…, query, key]` and values `[batch…, key, dim]` make
 * `[batch…, query, dim]`.
 *
 * The second result is `p = softmax(s)`, which the derivative needs. With `t = p·ds`:
 * `dy = t·v − (Σ t)·y + p·dv`. Since `Σ t` meets y and not p, its transpose is a sum over `dim`, which is
 * shorter than `key`, and the logits' cotangent takes one subtraction and one product of their size.
 * A row of nothing but −∞ is NaN, as in softmax.
 */
export const attendOp: Op<NoParams, Two, Two> = defineOp<NoParams, Two, Two>({
  name: "attend",
  infer([s, v]) {
    const last = lastAxis("attend", s);
    const fits =
      s.dims.length >= 2 &&
      s.dtype === v.dtype &&
      v.dims.length === s.dims.length &&
      sameDims([...s.dims.slice(0, last - 1), dimOf(s, last)], v.dims.slice(0, -1));
    const facts = () =>
      [
        ["logits", showAval(s)],
        ["values", showAval(v)],
      ] as const;
    if (!fits) {
      throw new ShapeError(
        "SHAPE-01",
        "attend: values must be [batch…, key, dim] where logits are [batch…, query, key].",
        facts(),
      );
    }
    const names = s.names
      .slice(0, last - 1)
      .map((name, i) => mergeName("attend", name, v.names[i] ?? null, facts));
    mergeName("attend", s.names[last] ?? null, v.names[last - 1] ?? null, facts);
    const dims = [...s.dims.slice(0, last), dimOf(v, last)];
    return [aval(s.dtype, dims, [...names, s.names[last - 1] ?? null, v.names[last] ?? null]), s];
  },
  jvp: {
    kind: "rule",
    apply: ([ds, dv], [, v], [y, p]) => {
      const how = mixing(p.rank);
      const last = [p.rank - 1];
      const moved = dv === null ? null : contract(p, dv, how);
      if (ds === null) return [moved, null];
      const t = mul(p, ds);
      const row = scale(sum(t, last), -1);
      const spread = (like: Aval) => restore(row, like, last);
      const turned = add(contract(t, v, how), mul(spread(y.aval), y));
      return [moved === null ? turned : add(turned, moved), add(t, mul(spread(p.aval), p))];
    },
  },
  transpose: notLinear("its tangent is made of products"),
  batch: ([s, v], [sMapped, vMapped], _params, size) =>
    apply(attendOp, [sMapped ? s : repeat(s, size), vMapped ? v : repeat(v, size)], noParams),
  shard: ([s]) => {
    const batch = factorNames(s.dims.length - 2);
    return rule(
      noParams,
      [
        [...batch, "q", "k"],
        [...batch, "k", "d"],
      ],
      [
        [...batch, "q", "d"],
        [...batch, "q", "k"],
      ],
      { moves: ["k"] },
    );
  },
  evaluate: ([s, v], _params, [y, p]) => {
    const [out, shares] = [zeros(y), zeros(p)];
    const last = s.dims.length - 1;
    const [queries, keys, width] = [dimOf(s, last - 1), dimOf(s, last), dimOf(v, last)];
    let row = 0;
    forLines(s.dims, last, (base, _stride, length) => {
      const { top, total } = exponentials(s, base, 1, length);
      const share = (j: number) => Math.exp(at(s, base + j) - top) / total;
      const first = Math.floor(row / queries) * keys;
      for (let d = 0; d < width; d++) {
        let mixed = 0;
        for (let j = 0; j < length; j++) mixed += share(j) * at(v, (first + j) * width + d);
        put(out, row * width + d, mixed);
      }
      for (let j = 0; j < length; j++) put(shares, base + j, share(j));
      row++;
    });
    return [out, shares];
  },
  simplify: () => null,
  lower: {
    onnx: (g, [s, v], _params, { inputs: [sForm, vForm], outputs: [y, p] }) => {
      const shares = g.node("Softmax", [g.exact(s, sForm.dims)], p, { axis: { int: -1 } });
      const avals = { inputs: [p, vForm], outputs: [y] } as const;
      return [contractOnnx(g, [shares, v], mixing(p.dims.length), avals)[0], shares];
    },
    stablehlo: (h, [s, v], _params, [y, p]) => {
      const shares = softmaxStablehlo(h, s);
      return [contractStablehlo(h, [shares, v], mixing(p.dims.length), [y])[0], shares];
    },
  },
  samples: () => [
    sample("one head", [random(2, 3), random(3, 4)], noParams),
    sample("heads", [random(2, 2, 3, 4), random(2, 2, 4, 2)], noParams),
    sample("one key", [random(2, 3, 1), random(2, 1, 2)], noParams),
    sample("no queries", [random(2, 0, 3), random(2, 3, 2)], noParams),
    sample("no heads", [random(0, 2, 3), random(0, 3, 2)], noParams),
    sample(
      "large",
      [values(aval("float32", [1, 3]), 1e3, 999, -1e3), random(3, 2)],
      noParams,
      false,
    ),
    sample(
      "forbidden",
      [
        values(aval("float32", [2, 3]), 1, -Infinity, 2, -Infinity, 0, -1e30),
        between(0.5, 2, 3, 2),
      ],
      noParams,
      false,
    ),
  ],
  rejects: () => [
    rejects(
      "other keys",
      [aval("float32", [2, 3]), aval("float32", [4, 2])],
      noParams,
      "attend: values must be [batch…, key, dim] where logits are [batch…, query, key].",
    ),
    rejects(
      "no keys",
      [aval("float32", [2, 0]), aval("float32", [0, 2])],
      noParams,
      "attend: float32[2, 0] has nothing along its last axis",
    ),
  ],
});

/** Values mixed by the softmax of logits: `[batch…, query, dim]`. */
export function attend(logits: Tensor, v: Tensor): Tensor {
  return apply(attendOp, [logits, v], noParams)[0];
}
