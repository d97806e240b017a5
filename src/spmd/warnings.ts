/**
 * @file What partitioning has to move although nobody asked for it: values that two places want in two ways, and values
 * gathered whole since an op cannot run on pieces of them. Each with its bytes, its line and what would avoid it.
 */

import { ShardingError } from "../core/errors.ts";
import { type Mesh, overlap, sameParts } from "../core/mesh.ts";
import type { Equation, Variable } from "../core/program.ts";
import { showAval } from "../core/shape.ts";
import type { ShardingRule } from "../core/sharding-rule.ts";
import { factorsOfAxis } from "../core/sharding-rule.ts";
import { showSource } from "../core/source.ts";
import { formatBytes } from "../core/text.ts";
import { remainder } from "./propagate.ts";
import { type Sharding, showSharding } from "./sharding.ts";

export type WarningKind =
  /** Split one way where it is made, another way where it is read. */
  | "conflict"
  /** Gathered whole: the op cannot run on pieces. */
  | "replication";

export interface PartitionWarning {
  readonly kind: WarningKind;
  readonly value: Variable;
  readonly from: Sharding;
  readonly to: Sharding;
  /** What reads it. */
  readonly equation: Equation;
  /** Dimensions that the op needs whole. */
  readonly dims: readonly number[];
  /** Sent from each device. */
  readonly bytes: number;
}

/** Undefined for a move that is no surprise: a sum over devices, a cut, a gather of what was split to save memory. */
export function warningOf(
  equation: Equation,
  rule: ShardingRule | undefined,
  operand: number,
  move: Pick<PartitionWarning, "value" | "from" | "to" | "bytes">,
): PartitionWarning | undefined {
  const { from, to, bytes } = move;
  if (bytes === 0) return undefined;
  const axesAt = ({ dims }: Sharding, dim: number) => dims[dim]?.axes ?? [];
  const lost = from.dims.flatMap((_, dim) =>
    axesAt(from, dim).length > 0 && axesAt(to, dim).length === 0 ? [dim] : [],
  );
  const needed = lost.filter((dim) => {
    const factors = factorsOfAxis(rule?.operands[operand]?.[dim] ?? null);
    return (
      rule !== undefined && (factors.length === 0 || factors.some((f) => rule.moves.includes(f)))
    );
  });
  if (needed.length > 0) return { kind: "replication", equation, dims: needed, ...move };
  const split = (sharding: Sharding) => sharding.dims.some(({ axes }) => axes.length > 0);
  /** Whether only a sum is scattered there. */
  const scattered = (dim: number) =>
    remainder(axesAt(from, dim), axesAt(to, dim))?.every((part) =>
      from.sum.some((own) => overlap(own, part)),
    ) === true;
  const other = from.dims.some(
    (_, dim) =>
      axesAt(to, dim).length > 0 &&
      !sameParts(axesAt(from, dim), axesAt(to, dim)) &&
      !scattered(dim),
  );
  return split(from) && other ? { kind: "conflict", equation, dims: lost, ...move } : undefined;
}

/** A line for people. */
export function showWarning(mesh: Mesh, warning: PartitionWarning): string {
  const { kind, value, from, to, equation, dims, bytes } = warning;
  const where = showSource(equation.source);
  const at = where === "" ? "" : ` at ${where}`;
  const named = dims.map((dim) => value.aval.names[dim] ?? `dimension ${dim}`).join(", ");
  const why =
    kind === "replication"
      ? `${equation.op.name} needs all of ${named}`
      : `${equation.op.name} wants it ${showSharding(to, mesh)}`;
  return `${formatBytes(bytes)} sent${at}: ${showAval(value.aval)} is ${showSharding(from, mesh)}, and ${why}`;
}

/** @throws ShardingError for the first of the warnings, the most bytes first */
export function refuseWarnings(mesh: Mesh, warnings: readonly PartitionWarning[]): void {
  const [worst] = warnings.toSorted((a, b) => b.bytes - a.bytes);
  if (worst === undefined) return;
  throw new ShardingError("SHARD-02", `partition: ${showWarning(mesh, worst)}.`, [
    ["warnings", String(warnings.length)],
    [
      "fix",
      worst.kind === "replication"
        ? "split the tensor along another dimension there: shard(x, …) before the op"
        : "give both places one sharding, or write the change yourself: shard(x, …)",
    ],
  ]);
}
