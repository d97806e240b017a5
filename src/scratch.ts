import { presetByName } from "./models/glam/config.ts";
import { glamParams } from "./models/glam/model.ts";
import { glamLoss, trainingRouting } from "./models/glam/loss.ts";
import * as nn from "./nn/index.ts";
import { jit } from "./engines/jit.ts";
import { random, fromData, scalar, type Tensor } from "./numpy/index.ts";
import { adafactor } from "./optim/adafactor.ts";
import { inverseSquareRoot } from "./optim/schedule.ts";
import { initialState, trainingStep, type StepRecipe } from "./train/step.ts";
import { createOnnxEngine } from "./engines/onnx/onnx.ts";
import { verify } from "./core/verify.ts";

const preset = presetByName(process.argv[2] ?? "glam-nano");
const { model, training } = preset;
const specs = glamParams(model);
const t0 = performance.now();
const engine = await createOnnxEngine({ ...(process.argv[3] ? { profilePrefix: process.argv[3] } : {}) });
const optimizer = adafactor() as any;
const init = jit((key: random.Key) => initialState(nn.initialise(specs, key), [], optimizer), { name: "init" });
let state: any = await init(random.key(0));
console.log("init", (performance.now() - t0).toFixed(0));
const recipe: StepRecipe<any, any, any> = {
  optimizer, schedule: inverseSquareRoot(training.learningRate, training.warmup), clip: 1,
  loss: (p, _e, x, y) => glamLoss(p, x, y, model, trainingRouting(model, training.batch, training.length)),
  nextExtra: (e) => e,
};
const step = jit((s: any, x: Tensor, y: Tensor) => trainingStep(recipe, s, x, y), { name: "step", donate: [0], engine });
const B = training.batch, L = training.length;
const tok = () => fromData("int32", [B, L], Int32Array.from({ length: B * L }, (_, i) => (i * i) % 97), "batch pos");
let t = performance.now();
const prog = step.lower(state, tok(), tok());
console.log("lower", (performance.now() - t).toFixed(0), "equations", prog.equations.length);
verify(prog, "simplify");
t = performance.now();
await step.compile(state, tok(), tok());
console.log("compile", (performance.now() - t).toFixed(0));
for (let i = 0; i < 12; i++) {
  t = performance.now();
  const [next, m] = await step(state, tok(), tok());
  state = next;
  console.log(i, m.loss.item().toFixed(4), m.gradientNorm.item().toFixed(3), m.skipped.item(), (performance.now() - t).toFixed(0), "ms", process.memoryUsage().rss >> 20);
}
const counts: Record<string, number> = {};
for (const e of prog.equations) counts[e.op.name] = (counts[e.op.name] ?? 0) + 1;
console.log(counts);
import { leaves } from "./core/tree.ts";
if (process.argv[3]) {
  const { simplify } = await import("./transforms/simplify.ts");
  const { trace } = await import("./transforms/trace.ts");
  const tr = trace("step", (s: any, x: Tensor, y: Tensor) => trainingStep(recipe, s, x, y), [state, tok(), tok()]);
  const exe = await engine.compile(simplify(tr.program), { donated: [], threads: 0, constants: tr.captured });
  for (let i = 0; i < 6; i++) await exe.run([...leaves([state, tok(), tok()])]);
  exe.release(); await new Promise((r) => setTimeout(r, 500));
  process.exit(0);
}
