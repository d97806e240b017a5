import { expect, test } from "vitest";
import { parseMesh } from "../../core/mesh.ts";
import { aval } from "../../core/shape.ts";
import { shard } from "../../numpy/shard.ts";
import { tanh } from "../../ops/hyperbolic.ts";
import { parseSharding } from "../../spmd/sharding.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { printAnnotated } from "./annotate.ts";

test("a whole program with its shardings", () => {
  const mesh = parseMesh("x=2,y=4");
  const at = (text: string) => parseSharding(mesh, text);
  const program = closedProgram("marked", [aval("float32", [8, 5])], ([x]) => [
    shard(tanh(x as never), ["?", "y"]),
  ]);
  const text = printAnnotated(program, { mesh, inputs: [at("[x, -]")], outputs: [at("[-, -]")] });
  expect(text).toBe(
    [
      "module @marked attributes {mhlo.num_partitions = 8 : i32, mhlo.num_replicas = 1 : i32} {",
      '  func.func public @main(%arg0: tensor<8x5xf32> {mhlo.sharding = "{devices=[2,1,4]<=[8] last_tile_dim_replicate}"}) -> (tensor<8x5xf32> {mhlo.sharding = "{replicated}"}) {',
      "    %v0 = stablehlo.tanh %arg0 : (tensor<8x5xf32>) -> tensor<8x5xf32>",
      '    %v1 = stablehlo.custom_call @Sharding(%v0) {backend_config = "unspecified_dims=[0]", mhlo.sharding = "{devices=[1,4,2]<=[2,4]T(1,0) last_tile_dim_replicate}"} : (tensor<8x5xf32>) -> tensor<8x5xf32>',
      "    return %v1 : tensor<8x5xf32>",
      "  }",
      "}",
      "",
    ].join("\n"),
  );
});

test("on one device all is replicated, and nothing is manual", () => {
  const mesh = parseMesh("x=1");
  const program = closedProgram("alone", [aval("float32", [3])], ([x]) => [tanh(x as never)]);
  const whole = parseSharding(mesh, "[x]");
  const text = printAnnotated(program, { mesh, inputs: [whole], outputs: [whole] });
  expect(text).toContain('%arg0: tensor<3xf32> {mhlo.sharding = "{replicated}"}');
  expect(text).not.toContain("sdy");
});
