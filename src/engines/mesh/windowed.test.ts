import { expect, test } from "vitest";
import { interpret } from "../../core/interpret.ts";
import { makeMesh } from "../../core/mesh.ts";
import { materialise, random } from "../../core/samples.ts";
import { aval } from "../../core/shape.ts";
import { stored, type Tensor } from "../../core/tensor.ts";
import { contract, labels } from "../../ops/contract.ts";
import { exchangesOf } from "../../spmd/exchanges.ts";
import type { WindowedOptions } from "../../spmd/windowed/options.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { referenceEngine } from "../reference/reference.ts";
import { createMeshEngine } from "./mesh.ts";

const forms = [aval("float32", [64, 16], ["batch", "in"]), aval("float32", [16, 7], ["in", "out"])];
const program = closedProgram("product", forms, ([x, w]) => [
  contract(x as Tensor, w as Tensor, labels("i k, k j -> i j")),
]);

/** Kinds of what was sent, and the largest difference to the whole. */
async function run(devices: number, windowed?: WindowedOptions) {
  const kinds = new Set<string>();
  const engine = createMeshEngine(referenceEngine, {
    ...{ mesh: makeMesh({ x: devices }), rules: { batch: ["x"], in: ["x"] } },
    ...(windowed === undefined ? {} : { windowed }),
    onPartitioned: (parted) => {
      for (const { kind } of exchangesOf(parted.program)) kinds.add(kind);
    },
  });
  const inputs = forms.map(({ dims }, i) => materialise(random(...dims), i + 1, false));
  const options = { donated: [false, false], threads: 1, constants: [] };
  const executable = await engine.compile(program, options);
  const given = await executable.run(
    inputs.map((x, i) => stored(forms[i] ?? aval(x.dtype, x.dims), x.data)),
  );
  executable.release();
  const [wanted] = interpret(program, inputs);
  const off = [...(given[0]?.data() ?? [])].map((y, i) =>
    Math.abs(Number(y) - Number(wanted?.data[i])),
  );
  return { kinds: [...kinds], error: Math.max(...off) };
}

test.each([4, 8])(
  "on %i devices in one process, loops are made only when asked for",
  async (devices) => {
    const [plain, asked] = [
      await run(devices),
      await run(devices, { when: "always", bothWays: false }),
    ];
    expect(plain.kinds).toEqual(["allGather"]);
    expect(asked.kinds).toEqual(["collectivePermute"]);
    expect(Math.max(plain.error, asked.error)).toBeLessThan(1e-5);
  },
);
