/** @file Mixed precision: dtypes inside, outside and of gradients; results near those of single precision. */

import { describe, expect, test } from "vitest";
import { isProgram, type Program } from "../core/program.ts";
import type { Tensor } from "../core/tensor.ts";
import { leaves, namedLeaves } from "../core/tree.ts";
import { jit } from "../engines/jit.ts";
import { createOnnxEngine } from "../engines/onnx/onnx.ts";
import { referenceEngine } from "../engines/reference/reference.ts";
import { random } from "../numpy/index.ts";
import { drawn, numbers } from "../testing/tensors.ts";
import { valueAndGrad } from "../transforms/vjp.ts";
import { initialise } from "./param.ts";
import { precision } from "./precision.ts";
import { decoderStack, type Stack, type StackConfig, stackParams } from "./stack/stack.ts";

const BASE: StackConfig = {
  layers: 2,
  attention: { embed: 4, head: 2, dim: 2, kvHead: 1, positions: "relative-bias", norms: true },
  mlp: 4,
  norm: "layer",
};
const x = drawn(1, { batch: 1, pos: 3, embed: 4 });
const weights = drawn(2, { batch: 1, pos: 3, embed: 4 });

const fresh = (config: StackConfig) =>
  jit((key: Tensor) => initialise(stackParams(config), key), { engine: referenceEngine })(
    random.key(1),
  ) as Promise<Stack<Tensor>>;

const step = (config: StackConfig) => (p: Stack<Tensor>, y: Tensor) =>
  valueAndGrad((q: Stack<Tensor>) => decoderStack(q, y, config).mul(weights).square().mean())(p);

/** dtypes of all results of an op, in inner programs too. */
function dtypesOf(program: Program, name: string): Set<string> {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (isProgram(value)) {
      for (const { op, outputs, params } of value.equations) {
        if (op.name === name) found.add(outputs[0]?.aval.dtype ?? "");
        visit(params);
      }
    } else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
      Object.values(value).forEach(visit);
    }
  };
  visit(program);
  return found;
}

describe.each([
  // Eight and eleven bits of a number, a few of which the sums of two layers cost.
  ["bfloat16", 0.04],
  ["float16", 0.005],
] as const)("computing in %s", (compute, tolerance) => {
  const config = { ...BASE, precision: precision({ compute }) };

  test("products are of that dtype, norms and softmax in float32", async () => {
    const program = jit((p: Stack<Tensor>, y: Tensor) => decoderStack(p, y, config)).lower(
      await fresh(config),
      x,
    );
    expect(dtypesOf(program, "contract").has(compute)).toBe(true);
    expect([...dtypesOf(program, "softmax")]).toEqual(["float32"]);
    expect([...dtypesOf(program, "layerNorm")]).toEqual(["float32"]);
    expect([...dtypesOf(program, "rmsNorm")]).toEqual(["float32"]);
    expect(program.outputs[0]?.aval.dtype).toBe("float32");
  });

  test("gradients come in the dtype of parameters, near those of float32", async () => {
    const p = await fresh(config);
    const engine = { engine: referenceEngine };
    const [loss, slopes] = await jit(step(config), engine)(p, x);
    const [exact, exactSlopes] = await jit(step(BASE), engine)(p, x);
    expect(Math.abs(loss.item() / exact.item() - 1)).toBeLessThan(tolerance);
    expect(loss.item()).not.toBe(exact.item());
    const wanted = leaves(exactSlopes);
    namedLeaves(slopes).forEach(({ path, leaf }, i) => {
      expect(leaf.dtype, path).toBe("float32");
      const [own, theirs] = [numbers(leaf), numbers(wanted[i]!)];
      const size = Math.hypot(...theirs);
      const error = Math.hypot(...own.map((v, j) => v - theirs[j]!));
      expect(error, path).toBeLessThan(8 * tolerance * size + 1e-6);
    });
  });

  test("parameters may be of that dtype too, and so are their gradients", async () => {
    const small = { ...BASE, precision: precision({ params: compute, compute }) };
    const p = await fresh(small);
    expect(new Set(leaves(p).map(({ dtype }) => dtype))).toEqual(new Set([compute]));
    const [loss, slopes] = await jit(step(small), { engine: referenceEngine })(p, x);
    expect(loss.dtype).toBe("float32");
    expect(new Set(leaves(slopes).map(({ dtype }) => dtype))).toEqual(new Set([compute]));
  });
});

test("the onnx engine computes in float16", async () => {
  const config = { ...BASE, precision: precision({ compute: "float16" }) };
  const p = await fresh(config);
  const [loss] = await jit(step(config), { engine: await createOnnxEngine() })(p, x);
  const [exact] = await jit(step(BASE), { engine: referenceEngine })(p, x);
  expect(Math.abs(loss.item() / exact.item() - 1)).toBeLessThan(0.005);
});

test("a policy of float32 changes nothing; configs and keys pass a layer's border", async () => {
  const { layer } = precision({ compute: "float16" });
  const f = layer((y: Tensor, how: { readonly name: string; readonly by: number }, key: Tensor) => [
    y.mul(how.by),
    how.name.length,
    key,
  ]);
  const [y, count, key] = (await jit(
    (a: Tensor, k: Tensor) => {
      const [b, n, c] = f(a, { name: "two", by: 2 }, k) as [Tensor, number, Tensor];
      return [b.add(0 * n), b.mul(0).sum().add(n), c];
    },
    { engine: referenceEngine },
  )(x, random.key(5))) as [Tensor, Tensor, Tensor];
  expect([y.dtype, count.item(), key.dtype]).toEqual(["float32", 3, "uint32"]);
  expect(numbers(key)).toEqual(numbers(random.key(5)));
  const plain = { ...BASE, precision: precision() };
  const p = await fresh(BASE);
  const run = (config: StackConfig) => jit(step(config), { engine: referenceEngine })(p, x);
  expect((await run(plain))[0].item()).toBe((await run(BASE))[0].item());
  expect(() => precision({ compute: "int8" as "float16" })).toThrow(/compute "int8" is not one of/);
});
