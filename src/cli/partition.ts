/** @file `partition`: what a training step becomes on a mesh of devices, before anybody rents one. */

import { printProgram } from "../core/program-text.ts";
import { formatBytes, formatCount } from "../core/text.ts";
import { namedLeaves } from "../core/tree.ts";
import {
  type AxisRules,
  defaultRules,
  finalisedRules,
  parseRules,
  seedsOf,
} from "../spmd/annotations.ts";
import { DEVICES, deviceNamed } from "../spmd/devices.ts";
import { exchangesOf, totalsOf } from "../spmd/exchanges.ts";
import { memoryUse } from "../spmd/liveness.ts";
import { deviceCount, parseMesh, showMesh } from "../spmd/mesh.ts";
import { partition } from "../spmd/partition.ts";
import { propagate } from "../spmd/propagate.ts";
import { stepTime } from "../spmd/roofline.ts";
import { showSharding } from "../spmd/sharding.ts";
import { WINDOWED_CHOICES } from "../spmd/windowed/options.ts";
import { openTraceable } from "../train/families.ts";
import { traceStep } from "../train/memory.ts";
import { simplifyAll } from "../transforms/simplify.ts";
import { type Command, defineCommand } from "./command.ts";
import { formatTable } from "./table.ts";

export const command: Command = defineCommand({
  name: "partition",
  summary: "Lay a preset's training step over a mesh; show what devices hold, send and take",
  positionals: [{ name: "preset", help: "a model's preset", required: true }],
  options: {
    mesh: {
      type: "string",
      default: "data=4,model=2",
      valueName: "axes",
      help: "devices by axis: data=32,model=8",
    },
    rules: {
      type: "string",
      default: undefined,
      valueName: "words",
      help: "mesh axes by axis word, batch=data,embed=data, or finalised, GSPMD's for dense Transformers on x and y; the usual ones when absent",
    },
    device: {
      type: "choice",
      choices: DEVICES.map(({ name }) => name),
      default: "tpu-v3",
      help: "what the devices are, for the time",
    },
    windowed: {
      type: "choice",
      choices: WINDOWED_CHOICES,
      default: "auto",
      help: "collectives as loops beside products: where it pays, wherever it can be done, nowhere",
    },
    batch: { type: "int", default: undefined, min: 1, help: "sequences of a step" },
    length: { type: "int", default: undefined, min: 2, unit: "tokens", help: "of a sequence" },
    dump: { type: "flag", default: false, help: "print the program of a device, too" },
  },
  examples: [
    "meshloom partition glam-64b-64e --mesh data=32,model=8",
    "meshloom partition gspmd-1t --mesh x=32,y=64 --rules finalised",
    "meshloom partition unet3d-256 --mesh data=4,x=4,y=2",
    "meshloom partition glam-nano --mesh data=2,model=2 --dump",
  ],

  async run(
    { preset, mesh: axes, rules: asked, device: name, windowed: when, batch, length, dump },
    context,
  ) {
    const mesh = parseMesh(axes);
    const device = deviceNamed(name);
    const rules: AxisRules =
      asked === undefined
        ? defaultRules(mesh)
        : asked === "finalised"
          ? finalisedRules(mesh)
          : parseRules(mesh, asked);
    const model = await openTraceable(preset, { batch, length });
    const { program: whole, state } = traceStep(model);
    const started = performance.now();
    const found = propagate(mesh, whole, seedsOf(mesh, whole, { rules }));
    const parted = partition(whole, found, { windowed: { when, device } });
    const seconds = (performance.now() - started) / 1000;
    const program = simplifyAll(parted.program);
    const totals = totalsOf(exchangesOf(program));
    const memory = memoryUse(program);
    const time = stepTime(program, device, { mesh });
    const facts = model.facts();
    const forward =
      "flopsPerStep" in facts
        ? facts.flopsPerStep
        : facts.flopsPerToken * model.training.batch * model.training.length;
    // Backward takes twice what forward does.
    const useful = (3 * forward) / deviceCount(mesh);
    const result = {
      ...{ preset, mesh: showMesh(mesh), devices: deviceCount(mesh), rules, device: name },
      ...{ seconds, equations: whole.equations.length, localEquations: program.equations.length },
      collectives: totals,
      memoryBytesPerDevice: { state: memory.inputs, peakOfTheRest: memory.peak },
      flopsPerDevice: time.flops,
      predictedSeconds: time,
      predictedUtilization: useful / (time.total * device.flops),
      parameters: namedLeaves(state).map(({ path, leaf }, i) => ({
        name: path,
        form: leaf.toString(),
        sharding: showSharding(parted.inputs[i] ?? { dims: [], whole: [], sum: [] }, mesh),
      })),
    };
    if (context.json) context.out(JSON.stringify(result));
    else show(result, device.memory, context.out);
    if (dump) context.out(printProgram(program));
  },
});

type Result = {
  readonly parameters: readonly { name: string; form: string; sharding: string }[];
  readonly collectives: ReturnType<typeof totalsOf>;
  readonly memoryBytesPerDevice: { readonly state: number; readonly peakOfTheRest: number };
  readonly predictedSeconds: ReturnType<typeof stepTime>;
  readonly [key: string]: unknown;
};

function show(result: Result, room: number, out: (line: string) => void): void {
  const { parameters, collectives, memoryBytesPerDevice: memory, predictedSeconds: time } = result;
  const shown = parameters.filter(({ sharding }) => /[A-Za-z]/.test(sharding));
  out(
    formatTable(
      ["state that is split", "form", "sharding"],
      shown.map((p) => [p.name, p.form, p.sharding]),
    ),
  );
  out("");
  const rows = collectives.map(({ kind, count, bytes }) => [
    kind,
    String(count),
    formatBytes(bytes),
  ]);
  out(
    formatTable(["exchange", "count", "sent from each device"], rows, {
      align: ["left", "right", "right"],
    }),
  );
  out("");
  const total = memory.state + memory.peakOfTheRest;
  out(
    `memory of a device   ${formatBytes(memory.state)} arguments + ${formatBytes(memory.peakOfTheRest)} on the way = ${formatBytes(total)} of ${formatBytes(room)}`,
  );
  out(`work of a device     ${formatCount(time.flops)} FLOPs of products`);
  out(
    `predicted step       ${time.total.toFixed(3)} s: products ${time.products.toFixed(3)}, memory ${time.memory.toFixed(3)}, exchanges ${time.exchanges.toFixed(3)}`,
  );
  out(
    `predicted use        ${(100 * (result["predictedUtilization"] as number)).toFixed(1)} % of the peak`,
  );
  out(
    `partitioned in       ${(result["seconds"] as number).toFixed(2)} s: ${result["equations"]} equations to ${result["localEquations"]}`,
  );
}
