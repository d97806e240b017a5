/**
 * @file The law of windowed contractions: whatever the operands' forms, the mesh, the annotations and the partitioner's
 * choices, loops give the values and send the bytes of the collectives that they take the place of.
 */

import { interpret } from "../../core/interpret.ts";
import { type Mesh, showMesh } from "../../core/mesh.ts";
import { at, type NdArray } from "../../core/ndarray.ts";
import type { Program, Variable } from "../../core/program.ts";
import { materialise, random } from "../../core/samples.ts";
import { aval } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { verify } from "../../core/verify.ts";
import { contract } from "../../ops/contract.ts";
import { assignments } from "../../spmd/assignment.ts";
import { exchangesOf, totalsOf } from "../../spmd/exchanges.ts";
import { type Partitioned, partition } from "../../spmd/partition.ts";
import { propagate, type Seed } from "../../spmd/propagate.ts";
import { type Sharding, showSharding } from "../../spmd/sharding.ts";
import { simulate } from "../../spmd/simulate.ts";
import type { WindowedOptions } from "../../spmd/windowed/options.ts";
import { sitesOf } from "../../spmd/windowed/sites.ts";
import { simplifyAll } from "../../transforms/simplify.ts";
import { closedProgram } from "../../transforms/trace.ts";
import { CHOICES, type Draw, drawer, drawMesh, drawSharding } from "./random-case.ts";

/** Up to two labels of each kind, in any order on every side. */
function drawContraction(draw: Draw): Program {
  const sizes = new Map<string, number>();
  const kinds = { batch: [], left: [], right: [], summed: [] } as Record<string, string[]>;
  for (const [kind, list] of Object.entries(kinds))
    for (let i = draw(kind === "batch" ? 2 : 3); i > 0; i--) {
      const label = `${kind}${i}`;
      sizes.set(label, 2 + draw(9));
      list.push(label);
    }
  const shuffled = (...names: string[]) =>
    names
      .flatMap((name) => kinds[name] ?? [])
      .map((label) => [draw(1000), label] as const)
      .sort(([a], [b]) => a - b)
      .map(([, label]) => label);
  const params = {
    lhs: shuffled("batch", "left", "summed"),
    rhs: shuffled("batch", "right", "summed"),
    out: shuffled("batch", "left", "right"),
  };
  const form = (labels: readonly string[]) =>
    aval(
      "float32",
      labels.map((label) => sizes.get(label) ?? 1),
    );
  return closedProgram("contract", [form(params.lhs), form(params.rhs)], ([x, y]) => [
    contract(x as Tensor, y as Tensor, params),
  ]);
}

interface Drawn {
  readonly program: Program;
  readonly mesh: Mesh;
  readonly shardings: readonly Sharding[];
  partitioned(windowed: WindowedOptions): Partitioned;
}

function draw(seed: number): Drawn {
  const next = drawer(seed, CHOICES);
  const [program, mesh] = [drawContraction(next), drawMesh(next)];
  const values = [...program.inputs, ...program.outputs];
  const shardings = values.map((v) => drawSharding(next, mesh, v.aval.dims.length));
  const seeds = new Map<Variable, Seed>(
    values.map((v, i) => [v, { sharding: shardings[i] as Sharding, text: "drawn" }]),
  );
  const cheap = next(2) === 0;
  return {
    ...{ program, mesh, shardings },
    partitioned(windowed) {
      const choice = drawer(seed, CHOICES, 2);
      return partition(program, propagate(mesh, program, seeds), {
        windowed,
        ...(!cheap && {
          choose: (question) => {
            const all = assignments(question);
            return all[choice(all.length)] ?? (all[0] as (typeof all)[number]);
          },
        }),
      });
    },
  };
}

const totals = (program: Program) => totalsOf(exchangesOf(program));
const sent = (program: Program) => totals(program).reduce((sum, { bytes }) => sum + bytes, 0);
const count = (program: Program, kind: string) =>
  totals(program).find((total) => total.kind === kind)?.count ?? 0;

/** What was replaced in one draw. */
export interface WindowedCase {
  /** Why the loops are not what they replace; undefined when they are, or nothing was to replace. */
  readonly mismatch: string | undefined;
  readonly allGathers: number;
  readonly reduceScatters: number;
  /** Loops that are not written out. */
  readonly scans: number;
  /** Operands that are cleaned of padding on the way. */
  readonly masked: number;
}

/** Draws a contraction, its shardings and the partitioner's choices; padding is NaN. */
export function windowedCase(seed: number): WindowedCase {
  const own = draw(seed);
  const before = simplifyAll(own.partitioned({ when: "never" }).program);
  const sites = [...sitesOf(before).values()].flat();
  const parted = own.partitioned({ when: "always", bothWays: seed % 2 === 0 });
  const after = parted.program;
  const replaced = (kind: string) => count(before, kind) - count(after, kind);
  const facts = {
    allGathers: replaced("allGather"),
    reduceScatters: replaced("reduceScatter"),
    scans: after.equations.filter(({ op }) => op.name === "scan").length,
    masked: sites.filter((site) => site.kind === "gather" && site.masks.length > 0).length,
  };
  const why = sites.length === 0 ? undefined : mismatchOf(own, before, parted);
  const told = own.shardings.map((sharding) => showSharding(sharding, own.mesh)).join(" ");
  return {
    ...facts,
    mismatch: why === undefined ? why : `seed ${seed}, mesh ${showMesh(own.mesh)}, ${told}: ${why}`,
  };
}

function mismatchOf(
  { program, mesh }: Drawn,
  before: Program,
  parted: Partitioned,
): string | undefined {
  verify(parted.program, `windowed on ${showMesh(mesh)}`);
  if (sitesOf(parted.program).size > 0) return "a collective is left";
  const bytes = [before, parted.program].map(sent) as [number, number];
  if (Math.abs(bytes[0] - bytes[1]) > 1e-6 * bytes[0]) return `${bytes[1]} bytes, not ${bytes[0]}`;
  const inputs = program.inputs.map((v, i) => materialise(random(...v.aval.dims), i + 1, false));
  const [wanted] = interpret(program, inputs);
  const forms = program.outputs.map((v) => v.aval.dims);
  const [given] = simulate(parted, inputs, forms, Number.NaN);
  for (let i = 0; i < (wanted?.data.length ?? 0); i++) {
    const [a, b] = [at(given as NdArray, i), at(wanted as NdArray, i)];
    if (!(Math.abs(a - b) <= 1e-5 * (1 + Math.abs(b)))) return `element ${i} is ${a}, not ${b}`;
  }
  return undefined;
}
