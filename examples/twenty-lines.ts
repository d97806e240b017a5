import { writeFileSync } from "node:fs";
import {
  einsum,
  exportOnnx,
  fromData,
  gelu,
  jit,
  random,
  type Tensor,
  valueAndGrad,
} from "../src/index.ts";

// y = sin x, learnt by a network of one hidden layer
const x = fromData(
  "float32",
  [64, 1],
  Float32Array.from({ length: 64 }, (_, i) => i / 10 - 3.2),
  "batch in",
);
const y = fromData("float32", [64, 1], x.data().map(Math.sin) as Float32Array, "batch out");

const init = jit((key: random.Key) => ({
  wi: random.normal(random.fold(key, "wi"), [1, 32], "in mlp"),
  bias: random.normal(random.fold(key, "bias"), [32], "mlp"),
  wo: random.normal(random.fold(key, "wo"), [32, 1], "mlp out").mul(0.1),
}));
type Params = Awaited<ReturnType<typeof init>>;

const model = (p: Params, x: Tensor) =>
  einsum(
    "batch mlp, mlp out -> batch out",
    gelu(einsum("batch in, in mlp -> batch mlp", x, p.wi).add(p.bias)),
    p.wo,
  );
const loss = (p: Params, x: Tensor, y: Tensor) => model(p, x).sub(y).square().mean();

const step = jit((p: Params, x: Tensor, y: Tensor) => {
  const [value, g] = valueAndGrad(loss)(p, x, y);
  return {
    value,
    p: {
      wi: p.wi.sub(g.wi.mul(0.03)),
      bias: p.bias.sub(g.bias.mul(0.03)),
      wo: p.wo.sub(g.wo.mul(0.03)),
    },
  };
});

let params = await init(random.key(0));
for (let i = 0; i <= 2000; i++) {
  const { value, p } = await step(params, x, y);
  params = p;
  if (i % 500 === 0) console.log(`step ${i}  loss ${value.item().toFixed(5)}`);
}
writeFileSync(
  "sine.onnx",
  exportOnnx((x: Tensor) => model(params, x), [x], { inputs: ["x"], output: "y" }),
);
