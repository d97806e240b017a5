import { describe, expect, test } from "vitest";
import { type Mesh, makeMesh } from "../core/mesh.ts";
import type { Program, Variable } from "../core/program.ts";
import { aval } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { einsum, gelu, scan, shard, softmax } from "../numpy/index.ts";
import { abstract, trace } from "../transforms/trace.ts";
import { grad } from "../transforms/vjp.ts";
import { type AnnotationOptions, seedsOf } from "./annotations.ts";
import { explain } from "./explain.ts";
import { type Propagated, propagate } from "./propagate.ts";
import { parseSharding, showSharding } from "./sharding.ts";

const mesh = makeMesh({ data: 2, model: 4 });

function traced(f: (...xs: Tensor[]) => readonly Tensor[], ...forms: string[]): Program {
  const inputs = forms.map((form) => {
    const words = form.split(" ").map((word) => word.split("="));
    const dims = words.map(([, size]) => Number(size));
    return abstract(
      aval(
        "float32",
        dims,
        words.map(([name]) => name ?? null),
      ),
    );
  });
  return trace("program", (...xs: Tensor[]) => [...f(...xs)], inputs).program;
}

function run(program: Program, options: AnnotationOptions = {}, on: Mesh = mesh): Propagated {
  return propagate(on, program, seedsOf(on, program, options));
}

const shown = (found: Propagated, v: Variable | undefined) =>
  v === undefined ? "" : showSharding(found.shardingOf(v), found.mesh);

const inputs = (program: Program, found: Propagated) => program.inputs.map((v) => shown(found, v));
const outputs = (program: Program, found: Propagated) =>
  program.outputs.map((v) => shown(found, v));

describe("propagation", () => {
  const mlp = (x: Tensor, wi: Tensor, wo: Tensor) => {
    const h = gelu(einsum("batch embed, embed mlp -> batch mlp", x, wi));
    return einsum("batch mlp, mlp embed -> batch embed", h, wo);
  };
  const forms = ["batch=8 embed=16", "embed=16 mlp=32", "mlp=32 embed=16"];

  test("completes a program from rules for its arguments", () => {
    const program = traced((...xs) => [mlp(...(xs as [Tensor, Tensor, Tensor]))], ...forms);
    const found = run(program, { rules: { batch: "data", mlp: "model" } });
    expect(inputs(program, found)).toEqual(["[data, -]", "[-, model]", "[model, -]"]);
    const hidden = program.equations
      .flatMap((e) => e.outputs)
      .filter((v) => v.aval.dims.join() === "8,32");
    for (const v of hidden) expect(shown(found, v)).toBe("[data, model]");
    expect(outputs(program, found)).toEqual(["[data, -]"]);
  });

  test("goes backward from one mark inside", () => {
    const program = traced(
      (x, wi, wo) => {
        const h = einsum("batch embed, embed mlp -> batch mlp", x as Tensor, wi as Tensor);
        const marked = shard(gelu(h), { batch: "data", mlp: "model" });
        return [einsum("batch mlp, mlp embed -> batch embed", marked, wo as Tensor)];
      },
      ...forms,
    );
    const found = run(program);
    expect(inputs(program, found)).toEqual(["[data, -]", "[-, model]", "[model, -]"]);
    expect(outputs(program, found)).toEqual(["[data, -]"]);
  });

  test("never changes what was said, and adds only where it is open", () => {
    const program = traced(
      (x, w) => [
        einsum(
          "batch embed, embed mlp -> batch mlp",
          shard(x as Tensor, [null, "?"]),
          shard(w as Tensor, ["data", "model"]),
        ),
      ],
      ...forms.slice(0, 2),
    );
    const found = run(program, { inputs: [parseSharding(mesh, "[data, -]")] });
    const marks = program.equations
      .filter((e) => e.op.name === "shard")
      .map((e) => shown(found, e.outputs[0]));
    expect(marks).toEqual(["[-, data]", "[data, model]"]);
    expect(inputs(program, found)[0]).toBe("[data, -]");
  });

  test("gives the gradients the layout of their values", () => {
    const loss = (x: Tensor, wi: Tensor, wo: Tensor) => mlp(x, wi, wo).square().sum();
    const program = traced(
      (x, wi, wo) =>
        grad((p: Tensor[]) => loss(x as Tensor, p[0] as Tensor, p[1] as Tensor))([
          wi as Tensor,
          wo as Tensor,
        ]),
      ...forms,
    );
    const found = run(program, { rules: { batch: "data", mlp: "model" } });
    expect(outputs(program, found)).toEqual(["[-, model]", "[model, -]"]);
  });

  test("lets no bias decide: broadcasts pass on last", () => {
    const program = traced(
      (x, b) => [(x as Tensor).add(b as Tensor)],
      "batch=8 embed=16",
      "embed=16",
    );
    const found = run(program, {
      inputs: [parseSharding(mesh, "[data, ?]"), parseSharding(mesh, "[data]")],
    });
    // The bias is split over data, which batch has: the sum stays as the activation is.
    expect(outputs(program, found)).toEqual(["[data, -]"]);
    const free = run(program, { inputs: [undefined, parseSharding(mesh, "[model]")] });
    expect(outputs(program, free)).toEqual(["[-, model]"]);
  });

  test("keeps priorities", () => {
    const program = traced((x, y) => [(x as Tensor).add(y as Tensor)], "batch=8", "batch=8");
    const asked = (a: string, b: string) =>
      run(program, { inputs: [parseSharding(mesh, a), parseSharding(mesh, b)] });
    expect(outputs(program, asked("[data@1]", "[model]"))).toEqual(["[model]"]);
    expect(outputs(program, asked("[data]", "[model@1]"))).toEqual(["[data]"]);
  });

  test("follows reshapes that merge and split", () => {
    const program = traced(
      (x) => [(x as Tensor).reshape([16, 8]).reshape([4, 4, 8]), (x as Tensor).reshape([64, 2])],
      "batch=4 head=4 embed=8",
    );
    const found = run(program, { inputs: [parseSharding(mesh, "[model, data, -]")] });
    expect(outputs(program, found)).toEqual(["[model, data, -]", "[model+data, -]"]);
    const merged = traced((x) => [(x as Tensor).reshape([4, 2, 8])], "batch=8 embed=8");
    const split = run(merged, { inputs: [parseSharding(mesh, "[model+data, -]")] });
    expect(outputs(merged, split)).toEqual(["[model, data, -]"]);
    const cut = run(
      merged,
      { inputs: [parseSharding(makeMesh({ x: 8 }), "[x, -]")] },
      makeMesh({ x: 8 }),
    );
    expect(outputs(merged, cut)).toEqual(["[x:(1)4, x:(4)2, -]"]);
  });

  test("passes softmax, sums and their gradients", () => {
    const program = traced(
      (x) => [softmax(x as Tensor, "embed"), (x as Tensor).sum("batch")],
      "batch=8 embed=16",
    );
    const found = run(program, { rules: { batch: "data", embed: "model" } });
    expect(outputs(program, found)).toEqual(["[data, model]", "[model]"]);
  });

  test("goes through the body of a loop, both ways", () => {
    const program = traced(
      (state, ws) => {
        const step = (x: Tensor, w: Tensor) =>
          [
            gelu(einsum("batch embed, embed out -> batch out", x, w)).as("batch embed"),
            x.sum("batch"),
          ] as const;
        const [last, sums] = scan(step, state as Tensor, ws as Tensor);
        return [last, sums as Tensor];
      },
      "batch=8 embed=16",
      "layer=3 embed=16 out=16",
    );
    const found = run(program, {
      rules: { batch: "data" },
      inputs: [undefined, parseSharding(mesh, "[-, -, model]")],
    });
    expect(outputs(program, found)).toEqual(["[data, model]", "[-, model]"]);
    const [loop] = program.equations.filter((e) => e.op.name === "scan");
    expect(loop).toBeDefined();
  });

  test("can say why", () => {
    const program = traced(
      (x, w) => [
        einsum(
          "batch embed, embed mlp -> batch mlp",
          shard(x as Tensor, { batch: "data" }),
          w as Tensor,
        ),
      ],
      ...forms.slice(0, 2),
    );
    const found = run(program, { inputs: [undefined, parseSharding(mesh, "[-, model]")] });
    const text = explain(found, program.outputs[0]!);
    expect(text).toMatch(/^float32\[batch 8, mlp 32\] is \[data, model\]\n/);
    expect(text).toMatch(
      /data on batch: contract \(.*\) from float32\[batch 8, embed 16\], shard \[data, \?\] at .*propagate\.test\.ts:\d+/,
    );
    expect(text).toMatch(
      /model on mlp: contract \(.*\) from float32\[embed 16, mlp 32\], argument 1 \[-, model\]/,
    );
  });

  test("refuses an annotation that cannot be, with its line", () => {
    const program = traced((x) => [shard(x as Tensor, { batch: "rows" })], "batch=8");
    expect(() => run(program)).toThrow(
      /the mesh has no axis "rows"[\s\S]*shard \[rows\] at .*propagate\.test\.ts/,
    );
    expect(() => traced((x) => [shard(x as Tensor, { bacth: "data" })], "batch=8")).toThrow(
      'did you mean "batch"?',
    );
    expect(() => traced((x) => [shard(x as Tensor, ["data", null])], "batch=8")).toThrow(
      "2 entries for 1 dimensions",
    );
    const plain = traced((x) => [(x as Tensor).exp()], "batch=8");
    expect(() => run(plain, { inputs: [parseSharding(mesh, "[data, -]")] })).toThrow(
      "2 entries for 1 dimensions",
    );
  });
});
