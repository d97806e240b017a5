import { checkpoint, fromData, grad, importOnnx, jit, saveOnnx, scan, type Tensor, tanh, vmap, whileLoop } from "../src/index.ts";

// A recurrence over the first axis of xs: one loop in the program, however long, with a gradient.
const rollOut = (w: Tensor, xs: Tensor) => {
  const cell = checkpoint((state: Tensor, x: Tensor) => tanh(state.mul(w).add(x))); // computed again, not kept
  const step = (state: Tensor, x: Tensor) => [cell(state, x), state] as const;
  return scan(step, xs.slice(0, 0, 1).reshape([2]), xs)[0];
};
const slope = jit(grad((w: Tensor, xs: Tensor) => rollOut(w, xs).sum()));
const xs = fromData("float32", [100, 2], Float32Array.from({ length: 200 }, (_, i) => Math.sin(i)));
console.log("slope", (await slope(fromData("float32", [2], Float32Array.of(0.5, 0.9)), xs)).numbers());

// Square roots by Newton's method, each example as long as it needs.
const root = (a: Tensor) =>
  whileLoop(
    (x: Tensor) => x.mul(x).sub(a).square().greater(1e-10),
    (x: Tensor) => x.add(a.div(x)).mul(0.5),
    a,
  );
console.log("roots", (await jit(vmap(root))(fromData("float32", [3], Float32Array.of(2, 9, 1e4)))).numbers());

// Out and in again: an ONNX model is a differentiable function.
const w = fromData("float32", [2], Float32Array.of(0.5, 0.9));
await saveOnnx("recurrence.onnx", (ys: Tensor) => rollOut(w, ys), [xs], { inputs: ["xs"], output: "state" });
const model = await importOnnx("recurrence.onnx");
console.log("state", (await jit((ys: Tensor) => model(ys))(xs))[0]?.numbers());
