/** @file Loops, branches, recomputation and derivative rules as users write them, against plain loops. */

import { describe, expect, test } from "vitest";
import { aval } from "../src/core/shape.ts";
import type { Tensor } from "../src/core/tensor.ts";
import { peakBytes } from "../src/engines/onnx/memory.ts";
import * as m from "../src/numpy/index.ts";
import { contract, labels } from "../src/ops/contract.ts";
import { literal } from "../src/ops/creation.ts";
import { hessian, hvp, jacobianForward, jacobianReverse } from "../src/transforms/hessian.ts";
import { jvp } from "../src/transforms/jvp.ts";
import { simplify } from "../src/transforms/simplify.ts";
import { grad, linearize, vjp } from "../src/transforms/vjp.ts";
import { vmap } from "../src/transforms/vmap.ts";
import { all, array, close, f64, programOf, refusal, run, text, traced } from "./programs.ts";

const of = (x: readonly unknown[], i = 0) => x[i] as Tensor;

describe("scan", () => {
  test("carries trees, stacks trees, closes over tensors", () => {
    const f = (w: Tensor, xs: Tensor) => {
      const step = ({ c }: { c: Tensor }, { x }: { x: Tensor }) => {
        const next = m.tanh(m.add(m.mul(w, c), x));
        return [{ c: next }, { twice: m.mul(next, 2), same: x }] as const;
      };
      const [{ c }, { twice, same }] = m.scan(step, { c: w }, { x: xs });
      return [c, twice, same];
    };
    const w = 0.7;
    const xs = [0.1, -0.4, 0.9];
    const twice: number[] = [];
    const last = xs.reduce((c, x) => {
      const next = Math.tanh(w * c + x);
      twice.push(2 * next);
      return next;
    }, w);
    const [c, two, same] = run(f, array([], w), array([3], ...xs));
    close(c, array([], last));
    close(two, array([3], ...twice));
    close(same, array([3], ...xs));
  });

  test("its gradient by what it closes over is that of the unrolled loop", () => {
    const step = (w: Tensor) => (c: Tensor, x: Tensor) => {
      const next = m.tanh(m.add(m.mul(w, c), x));
      return [next, m.mul(next, x)] as const;
    };
    const looped = (w: Tensor, xs: Tensor) => {
      const [c, ys] = m.scan(step(w), m.mul(w, 0.5), xs);
      return m.add(all(ys), all(c));
    };
    const unrolled = (w: Tensor, xs: Tensor) => {
      let c = m.mul(w, 0.5);
      let total: Tensor | undefined;
      for (let i = 0; i < 4; i++) {
        const [next, y] = step(w)(c, m.slice(xs, 0, i, i + 1).reshape([2]));
        c = next;
        total = total === undefined ? all(y) : m.add(total, all(y));
      }
      return m.add(total as Tensor, all(c));
    };
    const both = (f: typeof looped) => (w: Tensor, xs: Tensor) => {
      const value = (pair: readonly [Tensor, Tensor]) => f(...pair);
      return grad(value)([w, xs] as const);
    };
    const inputs = [array([2], 0.3, -0.8), array([4, 2], 1, 2, -1, 0.5, 0.2, -0.7, 0.9, 0)];
    const [a, b] = [run(both(looped), ...inputs), run(both(unrolled), ...inputs)];
    for (const [i, x] of a.entries()) close(x, b[i]);
    // and the second derivative
    const twice = (f: typeof looped) => (w: Tensor, xs: Tensor) =>
      hvp((v: Tensor) => f(v, xs), [w], m.mul(w, 2));
    close(run(twice(looped), ...inputs)[0], run(twice(unrolled), ...inputs)[0]);
  });

  test("keeps what no step changes out of the loop", () => {
    // Of w·w the derivative needs w, which is no sequence: nothing of w is stacked.
    const f = (w: Tensor, xs: Tensor) =>
      grad((v: Tensor) =>
        all(
          m.scan(
            (c: Tensor, x: Tensor) => [m.add(c, m.mul(m.mul(v, v), x)), []] as const,
            v,
            xs,
          )[0],
        ),
      )(w);
    const program = simplify(programOf(f, f64([64]), f64([5, 64])));
    const stacked = program.equations
      .filter(({ op }) => op.name === "scan")
      .flatMap(({ outputs }) => outputs.map((v) => v.aval.dims.length));
    expect(stacked.filter((rank) => rank > 1)).toEqual([]);
  });

  test("names", () => {
    const f = (c: Tensor, xs: Tensor) =>
      m.scan((a: Tensor, x: Tensor) => [m.add(a, x), a] as const, c, xs);
    const program = programOf(f, f64([2], ["embed"]), f64([3, 2], ["time", "embed"]));
    expect(program.outputs.map((v) => v.aval.names)).toEqual([["embed"], ["time", "embed"]]);
  });

  test("refuses a carry that changes, and sequences of unequal length", () => {
    const widen = (c: Tensor, xs: Tensor) =>
      m.scan((a: Tensor, x: Tensor) => [m.add(a, x), []] as const, c, xs);
    expect(traced(widen, f64([1]), f64([3, 2]))).toMatchInlineSnapshot(`
      "
      scan: the carry changes its form.
        at       (the whole carry)
        first    float64[1]
        then     float64[2]    [SHAPE-01]
      "
    `);
    const pairs = (a: Tensor, b: Tensor) =>
      m.scan((c: readonly [], x: readonly Tensor[]) => [c, of(x)] as const, [], [a, b]);
    expect(traced(pairs, f64([2]), f64([3]))).toMatchInlineSnapshot(`
      "
      scan: float64[3] does not have 2 elements along its first axis
        where    test/control.test.ts:LINE in pairs    [SHAPE-01]
      "
    `);
    const none = (a: Tensor) => m.scan((c: Tensor) => [c, []] as const, a, []);
    expect(traced(none, f64([2]))).toMatchInlineSnapshot(`
      "
      scan: the number of steps is not known.
        sequences    none
        where        test/control.test.ts:LINE in none
        fix          pass sequences with a first axis, or { length }    [SHAPE-01]
      "
    `);
  });
});

describe("other loops and branches", () => {
  test("map and forLoop", () => {
    const f = (xs: Tensor) => [
      m.map((x: Tensor) => m.mul(x, x), xs),
      m.forLoop(2, 5, (i, c: Tensor) => m.add(m.mul(c, 2), i.astype("float64")), all(xs)),
    ];
    const [squares, total] = run(f, array([3], 1, 2, 3));
    close(squares, array([3], 1, 4, 9));
    close(total, array([], ((6 * 2 + 2) * 2 + 3) * 2 + 4));
  });

  test("whileLoop: a root by Newton's method, its slope through jvp, not through grad", () => {
    const root = (a: Tensor) => {
      const off = (x: Tensor) => m.sub(m.mul(x, x), a);
      return m.whileLoop(
        (x: Tensor) => m.less(1e-20, m.square(off(x))),
        (x: Tensor) => m.sub(x, m.div(off(x), m.mul(x, 2))),
        m.add(a, 1),
      );
    };
    const [value, slope] = run((a: Tensor) => jvp(root, [a], [m.mul(a, 0).add(1)]), array([], 2));
    close(value, array([], Math.SQRT2));
    close(slope, array([], 1 / (2 * Math.SQRT2)));
    const lanes = run(vmap(root), array([3], 1, 2, 9));
    close(lanes[0], array([3], 1, Math.SQRT2, 3));
    expect(traced((a: Tensor) => grad(root)(a), f64([]))).toContain("grad: while has no transpose");
  });

  test("cond runs one branch, and its gradient the same one", () => {
    const f = (x: Tensor, y: Tensor) =>
      m.cond(
        m.less(x, y),
        () => m.mul(x, y),
        (z: Tensor) => m.mul(z, 3),
        y,
      );
    const both = (x: Tensor, y: Tensor) => [f(x, y), ...vjp(f, x, y)[1](m.mul(x, 0).add(1))];
    const flat = (x: number, y: number) =>
      run(both, array([], x), array([], y)).map(({ data }) => Number(data[0]));
    expect(flat(1, 2)).toEqual([2, 2, 1]);
    expect(flat(5, 2)).toEqual([6, 0, 3]);
    const lanes = run(vmap(f), array([2], 1, 5), array([2], 2, 2));
    close(lanes[0], array([2], 2, 6));
  });

  test("switchCase clamps, and refuses branches of different forms", () => {
    const f = (i: Tensor, x: Tensor) =>
      m.switchCase(i.astype("int32"), [(a: Tensor) => m.neg(a), (a: Tensor) => m.exp(a)], x);
    for (const [i, y] of [
      [-4, -2],
      [0, -2],
      [1, Math.exp(2)],
      [9, Math.exp(2)],
    ] as const)
      close(run(f, array([], i), array([], 2))[0], array([], y));
    const wrong = (i: Tensor, x: Tensor) =>
      m.switchCase(i.astype("int32"), [(a: Tensor) => a, (a: Tensor) => all(a)], x);
    expect(traced(wrong, f64([]), f64([2]))).toMatchInlineSnapshot(`
      "
      switch: branches give results of different forms.
        branch 0    float64[2]
        branch 1    float64[]
        where       test/control.test.ts:LINE in wrong    [SHAPE-01]
      "
    `);
  });
});

describe("checkpoint", () => {
  const layers = 6;
  const net =
    (wrap: (f: (w: Tensor, x: Tensor) => Tensor) => typeof f) => (w: Tensor, x: Tensor) => {
      const layer = wrap((v, y) => {
        const hidden = m.tanh(contract(y, v, labels("b e, e f -> b f")));
        return m.add(y, m.mul(hidden, m.exp(hidden)));
      });
      let y = x;
      for (let i = 0; i < layers; i++) y = layer(w, y);
      return all(m.mul(y, y));
    };
  const plain = net((f) => f);
  const lean = net((f) => m.checkpoint(f));
  const products = net((f) => m.checkpoint(f, { saves: m.saveProducts }));

  test("changes no number", () => {
    const inputs = [array([2, 2], 0.3, -0.2, 0.5, 0.1), array([3, 2], 1, 2, -1, 0.5, 0.2, -0.7)];
    const [expected] = run((w, x) => grad(plain)(w, x), ...inputs);
    for (const f of [lean, products]) close(run((w, x) => grad(f)(w, x), ...inputs)[0], expected);
  });

  test("takes less memory, and the policy that keeps products takes a middle amount", () => {
    const peak = (f: typeof plain) => {
      const forms = [aval("float32", [32, 32]), aval("float32", [256, 32])];
      return peakBytes(simplify(programOf((w, x) => grad(f)(w, x), ...forms)), []);
    };
    const [all, none, some] = [peak(plain), peak(lean), peak(products)];
    expect(none).toBeLessThan(0.6 * all);
    expect(some).toBeGreaterThan(none);
    expect(some).toBeLessThan(all);
  });

  test("in a scan, keeps only the carries of the steps", () => {
    const f = (w: Tensor, x: Tensor) => {
      const layer = m.checkpoint((c: Tensor) => m.tanh(m.exp(m.tanh(m.mul(c, w)))));
      return all(m.scan((c: Tensor) => [layer(c), []] as const, x, [], { length: 4 })[0]);
    };
    const program = simplify(programOf((w, x) => grad(f)(w, x), f64([2]), f64([2])));
    const stacked = program.equations
      .filter(({ op }) => op.name === "scan")
      .map(({ outputs }) => outputs.filter((v) => v.aval.dims.length === 2).length);
    expect(stacked).toEqual([1, 0]);
  });
});

describe("derivative rules of one's own", () => {
  test("customJvp: both directions follow the rule", () => {
    const f = m.customJvp(
      (x: Tensor) => m.log(m.add(m.exp(x), 1)),
      ([x], [dx]) => {
        const y = m.log(m.add(m.exp(x), 1));
        return [y, m.mul(dx, 10)];
      },
    );
    const g = (x: Tensor) => [
      f(x),
      jvp(f, [x], [m.mul(x, 0).add(1)])[1],
      grad((y: Tensor) => all(f(y)))(x),
      vmap(f)(x),
    ];
    const [value, forward, reverse, mapped] = run(g, array([2], 0, 1));
    close(value, array([2], Math.log(2), Math.log(Math.E + 1)));
    close(forward, array([2], 10, 10));
    close(reverse, array([2], 10, 10));
    close(mapped, value);
  });

  test("customVjp: a gradient that is clipped on its way back", () => {
    const clip = m.customVjp(
      (x: Tensor) => m.mul(x, 1),
      (x: Tensor) => [m.mul(x, 1), []] as const,
      (_kept, ct: Tensor): [Tensor] => [m.minimum(m.maximum(ct, -1), 1)],
    );
    const f = (x: Tensor) => all(m.mul(clip(x), m.add(clip(x), 3)));
    const [slope] = run((x: Tensor) => grad(f)(x), array([3], 0.1, -2, 5));
    // d/dx of x(x+3) = 1·clip(x+3) + 1·clip(x)
    close(slope, array([3], 1.1, 0, 2));
  });

  test("customVjp: linear rules also have a forward derivative", () => {
    const f = m.customVjp(
      (x: Tensor, y: Tensor) => m.mul(x, y),
      (x: Tensor, y: Tensor) => [m.mul(x, y), [x, y] as const] as const,
      ([x, y], ct: Tensor): [Tensor, Tensor] => [m.mul(ct, y), m.mul(ct, x)],
    );
    const g = (x: Tensor, y: Tensor) => jvp(f, [x, y], [y, x])[1];
    close(run(g, array([2], 1, 2), array([2], 3, 5))[0], array([2], 10, 29));
  });

  test("refuse outer tensors and other forms", () => {
    const outer = (x: Tensor, w: Tensor) =>
      m.customJvp(
        (y: Tensor) => m.mul(y, w),
        ([y], [dy]) => [m.mul(y, w), m.mul(dy, w)],
      )(x);
    expect(traced(outer, f64([2]), f64([2]))).toMatchInlineSnapshot(`
      "
      customJvp: the function closes over a tensor.
        tensor    float64[2]
        where     test/control.test.ts:LINE in outer
        fix       pass it as an argument, so that the rule says what its derivative is    [TRACE-01]
      "
    `);
    const other = (x: Tensor) =>
      m.customVjp(
        (y: Tensor) => all(y),
        (y: Tensor) => [all(y), []] as const,
        (_kept, ct: Tensor): [Tensor] => [ct],
      )(x);
    expect(traced(other, f64([2]))).toMatchInlineSnapshot(`
      "
      customVjp: the result of backward has another form than it should.
        wanted    float64[2] as [*]
        given     float64[] as [*]
        where     test/control.test.ts:LINE in other    [GRAD-01]
      "
    `);
  });
});

describe("matrices of derivatives", () => {
  const f = (x: Tensor) => m.mul(m.exp(m.mul(x, 0.5)), all(m.mul(x, x)));
  const x = array([3], 0.2, -0.5, 0.9);

  test("jacobians of both directions agree, with the slope along an axis", () => {
    const [forward] = run((y) => jacobianForward(f)(y), x);
    const [reverse] = run((y) => jacobianReverse(f)(y), x);
    close(forward, reverse);
    const [column] = run((y) => jvp(f, [y], [m.mul(y, 0).add(literal(f64([3]), [0, 1, 0]))])[1], x);
    expect([1, 4, 7].map((i) => Number(forward?.data[i]))).toEqual(
      [0, 1, 2].map((i) => Number(column?.data[i])),
    );
  });

  test("hessian times a direction is hvp", () => {
    const g = (y: Tensor) => all(f(y));
    const [full] = run((y) => hessian(g)(y), x);
    const [along] = run((y) => hvp(g, [y], y), x);
    const product = [0, 1, 2].map((i) =>
      [0, 1, 2].reduce((s, j) => s + Number(full?.data[3 * i + j]) * Number(x.data[j]), 0),
    );
    close(along, array([3], ...product));
  });

  test("linearize computes the value once", () => {
    const g = (y: Tensor) => {
      const [value, derivative] = linearize(f, y);
      return [value, derivative(y), derivative(m.mul(y, 2))];
    };
    const [value, once, twice] = run(g, x);
    const [expected, slope] = run((y) => jvp(f, [y], [y]), x);
    close(value, expected);
    close(once, slope);
    close(twice, array([3], ...[0, 1, 2].map((i) => 2 * Number(slope?.data[i]))));
    const exps = programOf(g, f64([3])).equations.filter(({ op }) => op.name === "exp");
    expect(exps.length).toBe(1);
  });

  test("vmap over two axes is vmap of vmap", () => {
    const dot = (a: Tensor, b: Tensor) => all(m.mul(a, b));
    const nested = vmap(vmap(dot, [0, null]), [1, 0]);
    const listed = vmap(dot, [[1, 0], 0]);
    const program = (f: typeof dot) => text(programOf(f, f64([2, 3, 4]), f64([3, 4])));
    expect(program(listed)).toBe(program(nested));
    const named = vmap(dot, [
      ["head", "batch"],
      ["head", null],
    ]);
    const forms = [f64([2, 3, 4], ["batch", "head", "embed"]), f64([3, 4], ["head", "embed"])];
    expect(programOf(named, ...forms).outputs[0]?.aval).toEqual(f64([3, 2], ["head", "batch"]));
  });
});

test("scan refuses nothing that it can loop over: a thousand steps in one equation", () => {
  const f = (x: Tensor) =>
    m.scan((c: Tensor) => [m.mul(c, 1.001), []] as const, x, [], { length: 1000 })[0];
  expect(programOf(f, f64([])).equations.length).toBe(1);
  close(run(f, array([], 1))[0], array([], 1.001 ** 1000));
  expect(
    refusal(() => m.scan((c: Tensor) => [c, []] as const, m.tensor(1), [], { length: 2.5 })),
  ).toContain("number of steps");
});
