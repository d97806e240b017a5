/** @file `describe`: parameters, cost and memory of a preset, without allocating it. */

import { formatBytes, formatCount } from "../core/text.ts";
import { modelFamilies, openPreset } from "../train/families.ts";
import { type MemoryFacts, memoryOf, traceStep } from "../train/memory.ts";
import { type Command, defineCommand } from "./command.ts";
import { formatTable } from "./table.ts";

/** Layers are alike in pairs, so larger models are traced at two depths and extended by the difference. */
const SHALLOW = 2;
const DEEP = 4;

export const command: Command = defineCommand({
  name: "describe",
  summary: "Show a preset's parameters, sizes, cost and memory",
  positionals: [
    { name: "preset", help: "one preset; all of them, in a table, when absent", required: false },
  ],
  options: {
    batch: { type: "int", default: undefined, min: 1, help: "sequences per step, for the memory" },
    length: {
      type: "int",
      default: undefined,
      min: 2,
      unit: "tokens",
      help: "tokens per sequence",
    },
    trace: {
      type: "flag",
      default: false,
      help: "also trace the whole training step at full depth, and time it",
    },
  },
  examples: ["meshloom describe glam-64b-64e", "meshloom describe glam-nano --batch 64"],

  async run(options, context) {
    if (options.preset === undefined) {
      const rows = await listPresets();
      if (context.json) context.out(JSON.stringify(rows));
      else {
        const cells = rows.map((row) => [
          row.name,
          formatCount(row.parameters),
          formatCount(row.activatedParameters),
          formatCount(row.flopsPerToken),
          row.summary,
        ]);
        context.out(
          formatTable(["preset", "parameters", "activated", "FLOPs/token", ""], cells, {
            align: ["left", "right", "right", "right", "left"],
          }),
        );
      }
      return;
    }
    const overrides = { batch: options.batch, length: options.length };
    const model = await openPreset(options.preset, overrides);
    const facts = model.facts();
    const memory = await memoryAt(options.preset, overrides, Number(model.model["layers"]));
    const traced = options.trace ? timeTrace(() => traceStep(model)) : undefined;
    if (context.json) {
      context.out(
        JSON.stringify({
          preset: options.preset,
          parameters: facts.parameters,
          activatedParameters: facts.activatedParameters,
          flopsPerToken: facts.flopsPerToken,
          memory,
          sizes: facts.sizes,
          training: model.training,
          ...(traced === undefined ? {} : { trace: traced }),
        }),
      );
      return;
    }
    const rows: [string, string][] = [
      ["parameters", `${formatCount(facts.parameters)}  (${facts.parameters})`],
      [
        "activated per token",
        `${formatCount(facts.activatedParameters)}  (${Math.round(facts.activatedParameters)})`,
      ],
      ["FLOPs per token", `${formatCount(facts.flopsPerToken)} forward`],
      ...Object.entries(facts.sizes).map(([name, value]): [string, string] => [name, `${value}`]),
      [
        "memory of one step",
        `batch ${model.training.batch} × ${model.training.length} tokens, float32, one device`,
      ],
      ["  weights", formatBytes(memory.weights)],
      ["  optimizer state", formatBytes(memory.optimizer)],
      ["  second set", formatBytes(memory.secondSet)],
      ["  activations, gradients", formatBytes(memory.activationsAndGradients)],
    ];
    if (traced !== undefined)
      rows.push([
        "traced step",
        `${traced.equations} equations in ${traced.seconds.toFixed(1)} s, ${formatBytes(traced.heapBytes)} of heap`,
      ]);
    context.out(`${options.preset}`);
    context.out(formatTable([], rows, { align: ["left", "left"] }));
  },
});

interface PresetRow {
  readonly name: string;
  readonly summary: string;
  readonly parameters: number;
  readonly activatedParameters: number;
  readonly flopsPerToken: number;
}

async function listPresets(): Promise<readonly PresetRow[]> {
  const families = await modelFamilies();
  return families.flatMap((family) =>
    family.presets.map(({ name, summary }) => {
      const { parameters, activatedParameters, flopsPerToken } = family.open(name, {}).facts();
      return { name, summary, parameters, activatedParameters, flopsPerToken };
    }),
  );
}

/** Memory at any depth: exact up to four layers, extended pair by pair beyond. */
async function memoryAt(
  preset: string,
  overrides: { batch?: number | undefined; length?: number | undefined },
  layers: number,
): Promise<MemoryFacts> {
  const at = async (depth: number) =>
    memoryOf(traceStep(await openPreset(preset, { ...overrides, layers: depth })));
  if (layers <= DEEP) return at(layers);
  const [shallow, deep] = [await at(SHALLOW), await at(DEEP)];
  const extend = (name: keyof MemoryFacts) =>
    shallow[name] + ((deep[name] - shallow[name]) * (layers - SHALLOW)) / (DEEP - SHALLOW);
  return {
    weights: extend("weights"),
    optimizer: extend("optimizer"),
    secondSet: extend("secondSet"),
    activationsAndGradients: extend("activationsAndGradients"),
  };
}

function timeTrace(run: () => { readonly program: { readonly equations: readonly unknown[] } }) {
  const started = performance.now();
  const { program } = run();
  return {
    equations: program.equations.length,
    seconds: (performance.now() - started) / 1000,
    heapBytes: process.memoryUsage().heapUsed,
  };
}
