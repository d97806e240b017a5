/** @file The transforms on the reference engine in float64: what they write, and how they nest. */

import { describe, expect, test } from "vitest";
import { aval } from "../src/core/shape.ts";
import { type Tensor, tensor } from "../src/core/tensor.ts";
import { add, mul, neg, scale, sub } from "../src/ops/arithmetic.ts";
import { contract, labels } from "../src/ops/contract.ts";
import { broadcast, full, fullLike, literal } from "../src/ops/creation.ts";
import { exp } from "../src/ops/exponential.ts";
import { tanh } from "../src/ops/hyperbolic.ts";
import { transpose } from "../src/ops/layout.ts";
import { convert } from "../src/ops/logic.ts";
import { sum } from "../src/ops/sum.ts";
import { jvp } from "../src/transforms/jvp.ts";
import { simplify } from "../src/transforms/simplify.ts";
import { abstract, trace } from "../src/transforms/trace.ts";
import { grad, stopGradient, valueAndGrad, vjp } from "../src/transforms/vjp.ts";
import { vmap } from "../src/transforms/vmap.ts";
import { all, array, close, f64, programOf, refusal, run, text, traced } from "./programs.ts";

describe("the programs that transforms write", () => {
  const rows = f64([2, 3], ["batch", "embed"]);
  const squares = (x: Tensor) => sum(mul(x, x), [1]);
  const dense = (w: Tensor, x: Tensor) => tanh(contract(w, x, labels("e m, e -> m")));

  test("trace", () => {
    expect(text(programOf(squares, rows))).toMatchInlineSnapshot(`
      "
      program f(a: float64[batch 2, embed 3]) -> (c) {
        b: float64[batch 2, embed 3] = mul(a, a)
        c: float64[batch 2] = sum(b) {"axes":[1]}
      }
      "
    `);
  });

  test("trace of trees", () => {
    const f = ({ x, pair }: { x: Tensor; pair: readonly [Tensor, Tensor] }) => ({
      sum: add(pair[1], x),
      same: pair[0],
    });
    const [a, b, c] = [f64([]), aval("int32", [2], ["pos"]), f64([])].map(abstract);
    const { program, result } = trace("tree", f, [{ x: a!, pair: [b!, c!] }]);
    expect(Object.keys(result)).toEqual(["sum", "same"]);
    expect(text(program)).toMatchInlineSnapshot(`
      "
      program tree(a: float64[], b: int32[pos 2], c: float64[]) -> (d, b) {
        d: float64[] = add(c, a)
      }
      "
    `);
  });

  test("jvp", () => {
    const f = (x: Tensor, dx: Tensor) => jvp((y: Tensor) => mul(tanh(y), y), [x], [dx]);
    expect(text(programOf(f, f64([3]), f64([3])))).toMatchInlineSnapshot(`
      "
      program f(a: float64[3], b: float64[3]) -> (h, k) {
        c: float64[3] = tanh(a)
        d: float64[3] = full() {"value":1,"dtype":"float64","dims":[3],"names":[null]}
        e: float64[3] = mul(c, c)
        f: float64[3] = sub(d, e)
        g: float64[3] = mul(b, f)
        h: float64[3] = mul(c, a)
        i: float64[3] = mul(g, a)
        j: float64[3] = mul(b, c)
        k: float64[3] = add(i, j)
      }
      "
    `);
  });

  test("grad", () => {
    const loss = (w: Tensor, x: Tensor) => all(dense(w, x));
    const program = programOf(grad(loss), f64([3, 2], ["embed", "mlp"]), f64([3], ["embed"]));
    expect(text(program)).toMatchInlineSnapshot(`
      "
      program f(a: float64[embed 3, mlp 2], b: float64[embed 3]) -> (l) {
        c: float64[mlp 2] = contract(a, b) {"lhs":["e","m"],"rhs":["e"],"out":["m"]}
        d: float64[mlp 2] = tanh(c)
        e: float64[mlp 2] = full() {"value":1,"dtype":"float64","dims":[2],"names":["mlp"]}
        f: float64[mlp 2] = mul(d, d)
        g: float64[mlp 2] = sub(e, f)
        h: float64[] = sum(d) {"axes":[0]}
        i: float64[] = full() {"value":1,"dtype":"float64","dims":[],"names":[]}
        j: float64[mlp 2] = broadcast(i) {"dims":[2],"axes":[],"names":["mlp"]}
        k: float64[mlp 2] = mul(j, g)
        l: float64[embed 3, mlp 2] = contract(k, b) {"lhs":["m"],"rhs":["e"],"out":["e","m"]}
      }
      "
    `);
    expect(text(simplify(program))).toMatchInlineSnapshot(`
      "
      program f(a: float64[embed 3, mlp 2], b: float64[embed 3]) -> (h) {
        c: float64[mlp 2] = contract(a, b) {"lhs":["e","m"],"rhs":["e"],"out":["m"]}
        d: float64[mlp 2] = tanh(c)
        e: float64[mlp 2] = full() {"value":1,"dtype":"float64","dims":[2],"names":["mlp"]}
        f: float64[mlp 2] = mul(d, d)
        g: float64[mlp 2] = sub(e, f)
        h: float64[embed 3, mlp 2] = contract(g, b) {"lhs":["m"],"rhs":["e"],"out":["e","m"]}
      }
      "
    `);
  });

  test("vmap", () => {
    const program = programOf(vmap(dense, [null, "batch"]), f64([3, 2]), rows);
    expect(text(program)).toMatchInlineSnapshot(`
      "
      program f(a: float64[3, 2], b: float64[batch 2, embed 3]) -> (f) {
        c: float64[2, embed 3] = reshape(b) {"dims":[2,3],"names":[null,"embed"]}
        d: float64[2, 2] = contract(a, c) {"lhs":["e","m"],"rhs":["map0","e"],"out":["map0","m"]}
        e: float64[2, 2] = tanh(d)
        f: float64[batch 2, 2] = reshape(e) {"dims":[2,2],"names":["batch",null]}
      }
      "
    `);
  });

  test("simplify", () => {
    const f = (x: Tensor) => {
      const twice = scale(scale(x, 0.5), 4);
      const shared = sub(exp(x), exp(x));
      return [add(mul(twice, fullLike(x, 1)), fullLike(x, 0)), neg(neg(shared))];
    };
    const program = programOf(f, rows);
    expect(text(program)).toMatchInlineSnapshot(`
      "
      program f(a: float64[batch 2, embed 3]) -> (l, n) {
        b: float64[batch 2, embed 3] = full() {"value":0.5,"dtype":"float64","dims":[2,3],"names":["batch","embed"]}
        c: float64[batch 2, embed 3] = mul(a, b)
        d: float64[batch 2, embed 3] = full() {"value":4,"dtype":"float64","dims":[2,3],"names":["batch","embed"]}
        e: float64[batch 2, embed 3] = mul(c, d)
        f: float64[batch 2, embed 3] = exp(a)
        g: float64[batch 2, embed 3] = exp(a)
        h: float64[batch 2, embed 3] = sub(f, g)
        i: float64[batch 2, embed 3] = full() {"value":1,"dtype":"float64","dims":[2,3],"names":["batch","embed"]}
        j: float64[batch 2, embed 3] = mul(e, i)
        k: float64[batch 2, embed 3] = full() {"value":0,"dtype":"float64","dims":[2,3],"names":["batch","embed"]}
        l: float64[batch 2, embed 3] = add(j, k)
        m: float64[batch 2, embed 3] = neg(h)
        n: float64[batch 2, embed 3] = neg(m)
      }
      "
    `);
    expect(text(simplify(program))).toMatchInlineSnapshot(`
      "
      program f(a: float64[batch 2, embed 3]) -> (c, e) {
        b: float64[batch 2, embed 3] = full() {"value":2,"dtype":"float64","dims":[2,3],"names":["batch","embed"]}
        c: float64[batch 2, embed 3] = mul(a, b)
        d: float64[batch 2, embed 3] = exp(a)
        e: float64[batch 2, embed 3] = sub(d, d)
      }
      "
    `);
  });
});

describe("nesting", () => {
  const scalar = (x: number) => array([], x);
  // f = x eˣ, f′ = (x + 1) eˣ, f″ = (x + 2) eˣ, f‴ = (x + 3) eˣ
  const f = (x: Tensor) => mul(x, exp(x));

  test.each([
    { order: 1, derivative: grad(f) },
    { order: 2, derivative: grad(grad(f)) },
    { order: 3, derivative: grad(grad(grad(f))) },
    { order: 2, derivative: (x: Tensor) => jvp(grad(f), [x], [fullLike(x, 1)])[1] },
    { order: 2, derivative: grad((x: Tensor) => jvp(f, [x], [fullLike(x, 1)])[1]) },
  ])("derivative $order of x eˣ", ({ order, derivative }) => {
    close(run(derivative, scalar(0.7))[0], scalar((0.7 + order) * Math.exp(0.7)));
  });

  // ½ tanh(x)ᵀ A tanh(x) + Σ eˣ
  const energy = (a: Tensor) => (x: Tensor) => {
    const t = tanh(x);
    return add(
      scale(contract(t, contract(a, t, labels("i j, j -> i")), labels("i, i ->")), 0.5),
      all(exp(x)),
    );
  };
  const a = array([3, 3], 1, 2, -1, 0.5, -2, 0.3, 0.7, 0.1, 3);
  const x = array([3], 0.3, -0.8, 0.5);
  const v = array([3], 1, 0.5, -2);
  const u = array([3], -0.4, 2, 0.6);

  test("the derivative of the gradient along v is the gradient of the derivative along v", () => {
    const forwardOverReverse = (a: Tensor, x: Tensor, v: Tensor) =>
      jvp(grad(energy(a)), [x], [v])[1];
    const reverseOverForward = (a: Tensor, x: Tensor, v: Tensor) =>
      grad((y: Tensor) => jvp(energy(a), [y], [v])[1])(x);
    const reverseOverReverse = (a: Tensor, x: Tensor, v: Tensor) =>
      grad((y: Tensor) => contract(grad(energy(a))(y), v, labels("i, i ->")))(x);
    const [expected] = run(forwardOverReverse, a, x, v);
    close(run(reverseOverForward, a, x, v)[0], expected);
    close(run(reverseOverReverse, a, x, v)[0], expected);
  });

  test("the Hessian is symmetric: uᵀ H v = vᵀ H u", () => {
    const form = (a: Tensor, x: Tensor, u: Tensor, v: Tensor) =>
      contract(u, jvp(grad(energy(a)), [x], [v])[1], labels("i, i ->"));
    close(run(form, a, x, u, v)[0], run(form, a, x, v, u)[0]);
  });

  test("a Hessian by vmap over directions is the Hessian by vmap of pullbacks", () => {
    const eye = () => literal(f64([3, 3]), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
    const columns = (a: Tensor, x: Tensor) =>
      vmap((v: Tensor) => jvp(grad(energy(a)), [x], [v])[1])(eye());
    const rows = (a: Tensor, x: Tensor) => {
      const [, back] = vjp(grad(energy(a)), x);
      return vmap((ct: Tensor) => back(ct))(eye());
    };
    close(run(rows, a, x)[0], run(columns, a, x)[0]);
  });

  const batch = array([2, 3], 0.3, -0.8, 0.5, 1, -0.2, 0.4);
  const rowOf = (k: number) =>
    array([3], ...Array.from(batch.data.slice(3 * k, 3 * k + 3), Number));

  test("vmap of grad is a loop of grads", () => {
    const [mapped] = run((a, xs) => vmap(grad(energy(a)))(xs!), a, batch);
    const looped = [0, 1].flatMap((k) => [
      ...(run((a, x) => grad(energy(a!))(x!), a, rowOf(k))[0]!.data as Float64Array),
    ]);
    close(mapped, array([2, 3], ...looped));
  });

  test("grad of vmap is vmap of grad, when the losses are added", () => {
    const added = (a: Tensor, xs: Tensor) => grad((ys: Tensor) => all(vmap(energy(a))(ys)))(xs);
    close(run(added, a, batch)[0], run((a, xs) => vmap(grad(energy(a!)))(xs!), a, batch)[0]);
  });

  test("grad by a shared argument adds up over the mapped examples", () => {
    const shared = (a: Tensor, xs: Tensor) =>
      grad((b: Tensor) => all(vmap((x: Tensor) => energy(b)(x))(xs)))(a);
    const each = (a: Tensor, xs: Tensor) =>
      sum(vmap((x: Tensor) => grad((b: Tensor) => energy(b)(x))(a))(xs), [0]);
    close(run(shared, a, batch)[0], run(each, a, batch)[0]);
  });

  test("vmap over the columns inside vmap over the rows is the transposed of the reverse", () => {
    const table = (p: Tensor, q: Tensor) => sub(mul(p, q), exp(p));
    const p = array([2], 0.3, -0.8);
    const q = array([3], 0.5, 1, -0.2);
    const rowsOutside = vmap(vmap(table, [null, 0]), [0, null]);
    const columnsOutside = vmap(vmap(table, [0, null]), [null, 0]);
    const [byRows] = run(rowsOutside, p, q);
    expect(byRows!.dims).toEqual([2, 3]);
    close(run((p, q) => transpose(columnsOutside(p!, q!), [1, 0]), p, q)[0], byRows);
  });

  test("vmap over either axis of a matrix: mapping axis 1 outside transposes", () => {
    const square = (x: Tensor) => mul(x, x);
    const [mapped] = run((xs) => vmap(vmap(square, [0]), [1])(xs!), batch);
    close(mapped, run((xs) => transpose(square(xs!), [1, 0]), batch)[0]);
  });
});

describe("outer tensors", () => {
  const scalar = (x: number) => array([], x);

  test("through two levels: the inner function sees them as constants", () => {
    // d/dz x y² z = x y²; d/dy of that is 2 x y; at y = x it is 2 x², whose derivative is 4 x.
    const inner = (x: Tensor) =>
      grad((y: Tensor) => grad((z: Tensor) => mul(mul(x, mul(y, y)), z))(y))(x);
    close(run(inner, scalar(3))[0], scalar(18));
    close(run(grad(inner), scalar(3))[0], scalar(12));
  });

  test("levels are not confused: d/dx (x · d/dy (x + y)) is 1", () => {
    const reverse = grad((x: Tensor) => mul(x, grad((y: Tensor) => add(x, y))(fullLike(x, 1))));
    const one = (x: Tensor) => fullLike(x, 1);
    const slope = (f: (x: Tensor) => Tensor, x: Tensor) => jvp(f, [x], [one(x)])[1];
    const forward = (x: Tensor) =>
      slope(
        (x) =>
          mul(
            x,
            slope((y) => add(x, y), one(x)),
          ),
        x,
      );
    close(run(reverse, scalar(1))[0], scalar(1));
    close(run(forward, scalar(1))[0], scalar(1));
  });

  test("an outer tensor is not mapped by vmap", () => {
    const f = (c: Tensor, xs: Tensor) => vmap((x: Tensor) => mul(x, c))(xs);
    close(run(f, scalar(3), array([2], 1, 2))[0], array([2], 3, 6));
  });

  test("a tensor that holds data becomes a captured input", () => {
    const weights = tensor([1, 2], "float64");
    const { program, captured } = trace("f", (x: Tensor) => mul(x, weights), [abstract(f64([2]))]);
    expect(captured).toEqual([weights]);
    expect(text(program)).toMatchInlineSnapshot(`
      "
      program f(a: float64[2], b: float64[2]) -> (c) {
        c: float64[2] = mul(a, b)
      }
      "
    `);
  });

  test("a tensor kept after its function ended is refused", () => {
    const kept: Tensor[] = [];
    const leaky = (x: Tensor) => {
      kept.push(tanh(x));
      return x;
    };
    trace("leaky", leaky, [abstract(f64([2], ["batch"]))]);
    expect(traced((x) => add(x!, kept[0]!), f64([2]))).toMatchInlineSnapshot(`
      "
      leaky: a tensor is used after the function that made it ended.
        tensor    float64[batch 2]
        where     test/transforms.test.ts:LINE
        fix       return it from that function instead of keeping it in an outer variable    [TRACE-01]
      "
    `);
    expect(traced(() => kept[0], f64([2]))).toMatchInlineSnapshot(`
      "
      leaky: a tensor is used after the function that made it ended.
        tensor    float64[batch 2]
        fix       return it from that function instead of keeping it in an outer variable    [TRACE-01]
      "
    `);
  });

  test("a tensor kept from grad, jvp or vmap is refused as well", () => {
    for (const transform of [
      grad,
      vmap,
      (f: (x: Tensor) => Tensor) => (x: Tensor) => jvp(f, [x], [x])[0],
    ]) {
      const kept: Tensor[] = [];
      const leaky = (x: Tensor) => {
        kept.push(exp(x));
        return all(x);
      };
      expect(traced((x) => [transform(leaky)(x!), kept[0]], f64([2]))).toContain(
        "a tensor is used after the function that made it ended.",
      );
    }
  });
});

describe("refusals", () => {
  test("grad of what is no scalar, of integers, of nothing", () => {
    expect(
      traced((x) => grad((x: Tensor) => tanh(x))(x!), f64([2], ["batch"])),
    ).toMatchInlineSnapshot(`
      "
      grad: the function must return one float, not float64[batch 2].
        where    test/transforms.test.ts:LINE
        fix      reduce it to a scalar, for example with .mean()    [GRAD-01]
      "
    `);
    expect(
      traced((x) => grad((x: Tensor) => convert(x, "int32"))(x!), f64([])),
    ).toMatchInlineSnapshot(`
      "
      grad: the function must return one float, not int32[].
        where    test/transforms.test.ts:LINE
        fix      reduce it to a scalar, for example with .mean()    [GRAD-01]
      "
    `);
    expect(
      traced((x) => grad((x: Tensor) => convert(x, "float32"))(x!), aval("int32", [])),
    ).toMatchInlineSnapshot(`
      "
      grad: the first argument holds int32[], which has no gradient.
        at       (the whole argument)
        where    test/transforms.test.ts:LINE
        fix      pass it as a later argument; gradients are taken by the first one    [GRAD-01]
      "
    `);
    expect(
      traced(
        (x, i) => grad((p: { w: Tensor; step: Tensor }) => all(p.w))({ w: x!, step: i! }),
        f64([2]),
        aval("int32", []),
      ),
    ).toMatchInlineSnapshot(`
      "
      grad: the first argument holds int32[], which has no gradient.
        at       step
        where    test/transforms.test.ts:LINE
        fix      pass it as a later argument; gradients are taken by the first one    [GRAD-01]
      "
    `);
    expect(traced(() => grad(() => full(1, f64([])))())).toMatchInlineSnapshot(`
      "
      grad: the function needs an argument to differentiate by
        where    test/transforms.test.ts:LINE    [GRAD-01]
      "
    `);
  });

  test("tangents and cotangents of another form", () => {
    const other = () => full(1, f64([3]));
    expect(traced((x) => jvp(tanh, [x!], [other()]), f64([2]))).toMatchInlineSnapshot(`
      "
      jvp: tangent 0 is float64[3], its primal is float64[2]
        where    test/transforms.test.ts:LINE    [GRAD-01]
      "
    `);
    expect(
      traced((x) => jvp((p: Tensor[]) => p[0]!, [[x!]], [[]]), f64([2])),
    ).toMatchInlineSnapshot(`
      "
      jvp: primals and tangents are different trees
        where    test/transforms.test.ts:LINE    [GRAD-01]
      "
    `);
    expect(traced((x) => vjp(tanh, x!)[1](other()), f64([2]))).toMatchInlineSnapshot(`
      "
      vjp: cotangent 0 is float64[3], the result is float64[2]
        where    test/transforms.test.ts:LINE    [GRAD-01]
      "
    `);
  });

  test("vmap without a mapped axis, of unequal lengths, by a name that is not there", () => {
    expect(traced((x) => vmap(tanh, [null])(x!), f64([2]))).toMatchInlineSnapshot(`
      "
      vmap: no argument has a mapped axis; pass at least one index or name
        where    test/transforms.test.ts:LINE    [SHAPE-01]
      "
    `);
    expect(
      traced((x, y) => vmap(add)(x!, y!), f64([2], ["batch"]), f64([3])),
    ).toMatchInlineSnapshot(`
      "
      vmap: mapped axes have different lengths.
        leaf 1    float64[batch 2], axis 0
        leaf 2    float64[3], axis 0
        where     test/transforms.test.ts:LINE    [SHAPE-01]
      "
    `);
    expect(traced((x) => vmap(tanh, ["pos"])(x!), f64([2], ["batch"]))).toMatchInlineSnapshot(`
      "
      vmap: "pos" is not an axis of float64[batch 2], which has batch
        where    test/transforms.test.ts:LINE    [AXIS-01]
      "
    `);
  });

  test("ops outside a traced function, and async functions", () => {
    expect(refusal(() => tanh(tensor([1, 2])))).toMatchInlineSnapshot(`
      "
      tanh: used outside a traced function.
        fix    put the computation into a function and call it through jit(…)    [TRACE-01]
      "
    `);
    expect(traced(async (x) => tanh(x!), f64([2]))).toMatchInlineSnapshot(`
      "
      f: a traced function must not be async.
        fix    await data before the call and pass it as an argument    [TRACE-01]
      "
    `);
    expect(traced((x) => x!.data(), f64([2]))).toMatchInlineSnapshot(`
      "
      data: a traced tensor has no data yet.
        tensor    float64[2]
        where     test/transforms.test.ts:LINE
        fix       return it from the function and read the result of the call    [TRACE-01]
      "
    `);
    expect(traced((x) => [x, 3], f64([2]))).toMatchInlineSnapshot(`
      "
      f: result: number 3 stands where a tensor should.
        at     1
        fix    make it a tensor, or keep it out of the arguments and close over it    [TREE-01]
      "
    `);
  });
});

describe("gradients", () => {
  const x = array([3], 0.3, -0.8, 0.5);

  test("stopGradient passes the value and cuts the derivative", () => {
    const f = (x: Tensor) => all(mul(stopGradient(tanh(x)), x));
    const [value, gradient] = run((x) => [...valueAndGrad(f)(x!)], x);
    close(value, run((x) => all(mul(tanh(x!), x!)), x)[0]);
    close(gradient, run(tanh as never, x)[0]);
    close(
      run(
        grad((x: Tensor) => all(stopGradient(mul(x, x)))),
        x,
      )[0],
      array([3], 0, 0, 0),
    );
    const tangent = (x: Tensor) => jvp((y: Tensor) => stopGradient({ y }).y, [x], [x])[1];
    close(run(tangent, x)[0], array([3], 0, 0, 0));
  });

  test("of a function that ignores, returns or repeats its argument", () => {
    close(
      run(
        grad((x: Tensor) => full(2, { ...x.aval, dims: [], names: [] })),
        x,
      )[0],
      array([3], 0, 0, 0),
    );
    close(
      run(
        grad((x: Tensor) => x),
        array([], 5),
      )[0],
      array([], 1),
    );
    const twice = (x: Tensor, ct: Tensor) => vjp((y: Tensor) => [y, y] as const, x)[1]([ct, ct]);
    close(run(twice, x, x)[0], array([3], 0.6, -1.6, 1));
  });

  test("a pullback can be called more than once", () => {
    const f = (x: Tensor) => {
      const [y, back] = vjp(tanh, x);
      return [...back(fullLike(y, 1)), ...back(fullLike(y, 2)), ...back(fullLike(y, 1))];
    };
    const [one, two, again] = run(f as never, x);
    close(again, one);
    close(two, array([3], ...(one!.data as Float64Array).map((g) => 2 * g)));
  });

  // Fails until vjp gives every cotangent the names of its argument: contract takes them from the
  // other operand.
  test("carry the tree and the axis names of the first argument", () => {
    const loss = (p: { w: Tensor; b: Tensor }, x: Tensor) =>
      all(
        add(
          contract(x, p.w, labels("b e, e m -> b m")),
          broadcast(p.b, { dims: [4, 2], axes: [1], names: [null, null] }),
        ),
      );
    const { result } = trace("f", (w: Tensor, b: Tensor, x: Tensor) => grad(loss)({ w, b }, x), [
      abstract(f64([3, 2], ["embed", "mlp"])),
      abstract(f64([2], ["mlp"])),
      abstract(f64([4, 3])),
    ]);
    expect(`${result.w} ${result.b}`).toBe("float64[embed 3, mlp 2] float64[mlp 2]");
  });
});
