import { jit } from "../src/engines/jit.ts";
import { createOnnxEngine } from "../src/engines/onnx/onnx.ts";
import { fromData, type Tensor } from "../src/core/tensor.ts";
import { namedLeaves } from "../src/core/tree.ts";
import { openPreset } from "../src/train/families.ts";
import { openCorpus } from "../src/data/corpus.ts";
import { createBatches } from "../src/data/batches.ts";
import { valueAndGrad } from "../src/transforms/vjp.ts";
import * as random from "../src/numpy/random.ts";
const engine = await createOnnxEngine();
const model = await openPreset("glam-nano");
const corpus = await openCorpus("moby-dick");
const { batch, length } = model.training;
const b = createBatches({ tokens: model.tokenizer.encode(new TextDecoder().decode(corpus.bytes)), batch, length, seed: 0, validationFraction: 0.05 }).train(0);
const state = await jit((k: random.Key) => model.initial(k), { engine })(random.key(0));
const t = fromData("int32", [batch, length], b.tokens, "batch pos"), u = fromData("int32", [batch, length], b.targets, "batch pos");
const results = new Map<string, Map<string, Float32Array>[]>();
for (const threads of [1, 2]) {
  const step = jit((s: any, x: Tensor, y: Tensor) => model.step(s, x, y), { engine, threads });
  const all: Map<string, Float32Array>[] = [];
  for (let k = 0; k < 40; k++) {
    const [next, m] = await step(state as any, t, u);
    const map = new Map<string, Float32Array>();
    for (const { path, leaf } of namedLeaves({ next, m } as any, "x")) map.set(path, Float32Array.from(leaf.data() as any));
    all.push(map);
  }
  results.set(`${threads}`, all);
}
const base = results.get("1")![0]!;
for (const threads of ["1", "2"]) {
  const worst: [number, string][] = [];
  for (const [path, x] of base) {
    let d = 0, n = 0;
    for (const map of results.get(threads)!) { const y = map.get(path)!; for (let i = 0; i < x.length; i++) { d += (x[i]! - y[i]!) ** 2; n += x[i]! ** 2; } }
    if (d > 0) worst.push([Math.sqrt(d / n), path]);
  }
  worst.sort((a, b) => b[0] - a[0]);
  console.log("threads", threads, worst.length, "of", base.size, worst.slice(0, 8));
  console.log(results.get(threads)!.map((m) => [m.get("m/gradientNorm")![0], m.get("m/loss")![0]]));
}
