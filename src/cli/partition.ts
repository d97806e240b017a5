/** @file `partition`: what a training step becomes on a mesh of devices, before anybody rents one. */

import { ShardingError } from "../core/errors.ts";
import { deviceCount, type Mesh, parseMesh, showMesh } from "../core/mesh.ts";
import { printProgram } from "../core/program-text.ts";
import { formatBytes, formatCount } from "../core/text.ts";
import { namedLeaves } from "../core/tree.ts";
import { seedsOf } from "../spmd/annotations.ts";
import { DEVICES, deviceNamed } from "../spmd/devices.ts";
import { exchangesOf } from "../spmd/exchanges.ts";
import { memoryUse } from "../spmd/liveness.ts";
import { partition } from "../spmd/partition.ts";
import { propagate } from "../spmd/propagate.ts";
import { stepTime } from "../spmd/roofline.ts";
import { showSharding } from "../spmd/sharding.ts";
import {
  type AxisTotal,
  idleAxes,
  type Lying,
  largestValues,
  totalsByAxis,
} from "../spmd/summary.ts";
import { type PartitionWarning, showWarning } from "../spmd/warnings.ts";
import { WINDOWED_CHOICES } from "../spmd/windowed/options.ts";
import { openTraceable } from "../train/families.ts";
import { traceStep } from "../train/memory.ts";
import { simplifyAll } from "../transforms/simplify.ts";
import { type Command, defineCommand } from "./command.ts";
import { RULES_HELP, readRules } from "./mesh-rules.ts";
import { type Align, formatTable } from "./table.ts";

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
      help: RULES_HELP,
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
    strict: {
      type: "flag",
      default: false,
      help: "make it an error when data has to be moved that nobody asked to move",
    },
    dump: { type: "flag", default: false, help: "print the program of a device, too" },
  },
  examples: [
    "meshloom partition glam-64b-64e --mesh data=32,model=8",
    "meshloom partition gspmd-1t --mesh x=32,y=64 --rules finalised",
    "meshloom partition unet3d-256 --mesh data=4,x=4,y=2",
    "meshloom partition glam-nano --mesh data=2,model=2 --dump",
  ],

  async run(options, context) {
    const { preset, device: name, batch, length, strict, dump } = options;
    const mesh = parseMesh(options.mesh);
    const device = deviceNamed(name);
    const rules = await readRules(mesh, options.rules ?? "");
    const model = await openTraceable(preset, { batch, length });
    const { program: whole, state } = traceStep(model);
    const started = performance.now();
    const found = propagate(mesh, whole, seedsOf(mesh, whole, { rules }));
    const warnings: PartitionWarning[] = [];
    const parted = partition(whole, found, {
      ...{ strict, windowed: { when: options.windowed, device } },
      onWarning: (warning) => warnings.push(warning),
    });
    const seconds = (performance.now() - started) / 1000;
    const idle = idleAxes(parted);
    if (idle.length > 0 && strict) throw idleError(preset, mesh, idle);
    const program = simplifyAll(parted.program);
    const memory = memoryUse(program, { donated: namedLeaves(state).length });
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
      collectives: totalsByAxis(mesh, exchangesOf(program)),
      memoryBytesPerDevice: { state: memory.inputs, peakOfTheRest: memory.peak },
      flopsPerDevice: time.flops,
      predictedSeconds: time,
      predictedUtilization: useful / (time.total * device.flops),
      activations: largestValues(found, whole, MOST_SHOWN),
      warnings: grouped(mesh, warnings),
      idleAxes: idle,
      parameters: namedLeaves(state).map(({ path, leaf }, i) => ({
        name: path,
        form: leaf.toString(),
        sharding: showSharding(parted.inputs[i] ?? { dims: [], whole: [], sum: [] }, mesh),
      })),
    };
    if (context.json) context.out(JSON.stringify(result));
    else show(result, device.memory, context.out);
    if (idle.length > 0) context.log(`warning: ${idleError(preset, mesh, idle).message}`);
    if (dump) context.out(printProgram(program));
  },
});

function idleError(preset: string, mesh: Mesh, idle: readonly string[]): ShardingError {
  return new ShardingError(
    "SHARD-01",
    `partition: nothing of ${preset} is split over ${idle.join(", ")}.`,
    [
      ["mesh", showMesh(mesh)],
      ["so", "all devices along it do the same work"],
      ["fix", `give a word to it: --rules batch=${idle[0]}, or --rules finalised`],
    ],
  );
}

/** Rows of a list that people read; `--json` has all. */
const MOST_SHOWN = 12;

type Result = {
  readonly parameters: readonly { name: string; form: string; sharding: string }[];
  readonly activations: readonly Lying[];
  readonly warnings: ReturnType<typeof grouped>;
  readonly collectives: readonly AxisTotal[];
  readonly memoryBytesPerDevice: { readonly state: number; readonly peakOfTheRest: number };
  readonly predictedSeconds: ReturnType<typeof stepTime>;
  readonly [key: string]: unknown;
};

function show(result: Result, room: number, out: (line: string) => void): void {
  const { memoryBytesPerDevice: memory, predictedSeconds: time, warnings } = result;
  const table = (headers: string[], rows: string[][], right: number[]) => {
    const align = headers.map((_, i) => (right.includes(i) ? "right" : "left") as Align);
    out(formatTable(headers, rows, { align }));
    out("");
  };
  const params = alike(result.parameters.filter(({ name }) => name.startsWith("params/")));
  table(["parameters", "count", "form", "sharding"], params, [1]);
  const values = result.activations.map(({ form, sharding, count, bytes }) => [
    ...[form, String(count), formatBytes(bytes), sharding],
  ]);
  table(["largest values", "count", "whole", "sharding"], values, [1, 2]);
  const exchanges = result.collectives.map(({ kind, axes, count, bytes }) => [
    ...[kind, axes, String(count), formatBytes(bytes)],
  ]);
  table(["exchange", "along", "count", "sent from each device"], exchanges, [2, 3]);
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
  if (warnings.length === 0) return;
  out("");
  out("moved although nobody asked, the dearest first:");
  for (const { count, text } of warnings.slice(0, MOST_SHOWN)) out(`  ${count} × ${text}`);
  const more = warnings.length - MOST_SHOWN;
  if (more > 0) out(`  and ${more} more kinds; --json has all`);
}

/** Warnings of layers alike in one. */
function grouped(mesh: Mesh, warnings: readonly PartitionWarning[]) {
  const rows = new Map<string, { kind: string; count: number; bytes: number; text: string }>();
  for (const warning of warnings) {
    const text = showWarning(mesh, warning);
    const row = rows.get(text) ?? { kind: warning.kind, count: 0, bytes: 0, text };
    row.count += 1;
    row.bytes += warning.bytes;
    rows.set(text, row);
  }
  return [...rows.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Parameters of layers alike in one row: name with * for the number, how many, form, sharding. */
function alike(parameters: Result["parameters"]): string[][] {
  const rows = new Map<string, string[]>();
  for (const { name, form, sharding } of parameters) {
    const any = name.replace(/\/\d+(?=\/|$)/g, "/*");
    const key = `${any} ${form} ${sharding}`;
    const count = Number(rows.get(key)?.[1] ?? 0) + 1;
    rows.set(key, [any, String(count), form, sharding]);
  }
  return [...rows.values()];
}
