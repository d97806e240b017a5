/** @file Why a value is split as it is: from its own axes back to the annotations that brought them. */

import { type AxisPart, overlap, showPart } from "../core/mesh.ts";
import type { Variable } from "../core/program.ts";
import { sameDims, showAval } from "../core/shape.ts";
import { showSource } from "../core/source.ts";
import type { Propagated } from "./propagate.ts";
import { showSharding } from "./sharding.ts";

/**
 * Lines for people: the value with its sharding, then for every axis the way it came.
 *
 *     float32[batch 8, mlp 64] is [data, model]
 *       data on batch: contract (model.ts:12) from float32[batch 8, embed 16], shard [data, -] at model.ts:10
 */
export function explain(found: Propagated, v: Variable): string {
  const sharding = found.shardingOf(v);
  const lines = sharding.dims.flatMap(({ axes }, dim) =>
    axes.map((part) => {
      const name = v.aval.names[dim] ?? `dimension ${dim}`;
      return `  ${showPart(part, found.mesh)} on ${name}: ${chainOf(found, v, dim, part).join(", ")}`;
    }),
  );
  return [`${showAval(v.aval)} is ${showSharding(sharding, found.mesh)}`, ...lines].join("\n");
}

function chainOf(found: Propagated, v: Variable, dim: number, part: AxisPart): string[] {
  const steps: string[] = [];
  const seen = new Set<Variable>();
  let [value, at]: [Variable, number] = [v, dim];
  let step = "";
  const write = () => {
    if (step !== "") steps.push(`${step} from ${showAval(value.aval)}`);
  };
  for (;;) {
    const reason = found.reasonOf(value, at, part);
    if (reason === undefined || reason.kind === "annotation" || seen.has(value)) {
      write();
      return reason?.kind === "annotation" ? [...steps, reason.text] : steps;
    }
    seen.add(value);
    const { relation, from } = reason;
    const { op, source } = relation.equation;
    // That axes get other names is no step of its own.
    if (op.name !== "reshape" || !sameDims(from.aval.dims, value.aval.dims)) {
      write();
      const where = showSource(source);
      step = `${op.name}${where === "" ? "" : ` (${where})`}`;
    }
    const held = found.shardingOf(from).dims;
    const next = held.findIndex(({ axes }) => axes.some((own) => overlap(own, part)));
    [value, at] = [from, Math.max(0, next)];
  }
}
