import { writeFileSync } from "node:fs";
import { einsum, exportOnnx, fromData, gelu, jit, random, scalar, type Tensor, valueAndGrad } from "../src/index.ts";
import { initialise, normal, param } from "../src/nn/index.ts";
import { applyUpdates, sgd } from "../src/optim/index.ts";

const specs = { wi: param({ in: 1, mlp: 32 }, normal(1)), wo: param({ mlp: 32, out: 1 }, normal(0.1)) };
let params = await jit((key: random.Key) => initialise(specs, key))(random.key(0));
const model = (p: typeof params, x: Tensor) =>
  einsum("batch mlp, mlp out -> batch out", gelu(einsum("batch in, in mlp -> batch mlp", x, p.wi)), p.wo);
const step = jit((p: typeof params, x: Tensor, y: Tensor) => {
  const [loss, gradients] = valueAndGrad((q: typeof params) => model(q, x).sub(y).square().mean())(p);
  return { loss, ...applyUpdates(sgd(), p, gradients, [[], []], scalar(0), scalar(0.05)) };
});
const xs = Float32Array.from({ length: 64 }, (_, i) => i / 31.5 - 1); // learns y = x² on [−1, 1]
const [x, y] = [fromData("float32", [64, 1], xs, "batch in"), fromData("float32", [64, 1], xs.map((v) => v * v), "batch out")];
for (let i = 0; i <= 1000; i++) {
  const { loss, params: next } = await step(params, x, y);
  params = next;
  if (i % 250 === 0) console.log(`step ${i}  loss ${loss.item().toFixed(6)}`);
}
writeFileSync("square.onnx", exportOnnx((input: Tensor) => model(params, input), [x], { inputs: ["x"], output: "y" }));
